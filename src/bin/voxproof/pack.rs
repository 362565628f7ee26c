//! `voxproof pack-network`: weights trained elsewhere -> an artifact.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use sha2::{Digest, Sha256};
use voxproof::model::{
    Calibration, Ensemble, FeaturePart, Model, Network, NetworkPart, encode_ensemble,
};

use crate::detect::json;
use crate::files;
use crate::output::{ALL_JUDGED, Failure};

/// Pack a network's weights, and a model of features beside it, into a model artifact
#[derive(Debug, Args)]
pub struct PackArgs {
    /// JSON of the network: `bands`, `window`, `scale`, `layers`, `head`, `head_bias`
    weights: PathBuf,
    /// Folder for NAME.bin
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the model
    #[arg(long)]
    name: String,
    /// Version; without it, the program's and four bytes of the artifact's hash
    #[arg(long)]
    version: Option<String>,
    /// Weight of the network's logit
    #[arg(long, default_value_t = 1.0)]
    network_weight: f64,
    /// Artifact of a model of features to add to the network
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Weight of that model's log-odds
    #[arg(long, default_value_t = 1.0, requires = "features")]
    features_weight: f64,
    /// Slope of the calibration of the weighted sum
    #[arg(long, default_value_t = Calibration::LOG_ODDS.slope)]
    slope: f64,
    /// Its offset
    #[arg(long, default_value_t = Calibration::LOG_ODDS.offset, allow_negative_numbers = true)]
    offset: f64,
    /// P(AI) above which the verdict is AI_GENERATED
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// One line on what it was trained on
    #[arg(long, default_value = "")]
    training_data: String,
    /// One line with the settings of the training
    #[arg(long, default_value = "")]
    settings: String,
}

/// Packs, verifies by loading, writes, and prints what is known of the model as JSON.
pub fn run(args: &PackArgs) -> Result<ExitCode, Failure> {
    let refused = |path: &PathBuf, why: &dyn std::fmt::Display| {
        Failure::Usage(format!("{}: {why}", path.display()))
    };
    let read = |path: &PathBuf| files::read(path).map_err(|e| refused(path, &e));
    let network: Network =
        serde_json::from_slice(&read(&args.weights)?).map_err(|e| refused(&args.weights, &e))?;
    let network =
        NetworkPart::new(&network, args.network_weight).map_err(|e| refused(&args.weights, &e))?;
    let features = match &args.features {
        Some(path) => Some(
            FeaturePart::from_artifact(&read(path)?, args.features_weight)
                .map_err(|e| refused(path, &e))?,
        ),
        None => None,
    };
    let mut ensemble = Ensemble {
        name: args.name.clone(),
        version: args.version.clone().unwrap_or_default(),
        training_data: args.training_data.clone(),
        settings: args.settings.clone(),
        threshold: args.threshold,
        network: Some(network),
        features,
        calibration: Calibration {
            slope: args.slope,
            offset: args.offset,
        },
    };
    let unfit = |e: voxproof::model::ArtifactError| Failure::Usage(e.to_string());
    if args.version.is_none() {
        let digest = Sha256::digest(encode_ensemble(&ensemble).map_err(unfit)?);
        let hash: String = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        ensemble.version = format!("{}-{hash}", env!("CARGO_PKG_VERSION"));
    }
    let bytes = encode_ensemble(&ensemble).map_err(unfit)?;
    let model = Model::from_bytes(&bytes).map_err(unfit)?;
    let artifact = args.out.join(format!("{}.bin", args.name));
    std::fs::create_dir_all(&args.out).map_err(|e| refused(&args.out, &e))?;
    std::fs::write(&artifact, &bytes).map_err(|e| refused(&artifact, &e))?;
    writeln!(anstream::stdout().lock(), "{}", json(model.info()))?;
    Ok(ExitCode::from(ALL_JUDGED))
}
