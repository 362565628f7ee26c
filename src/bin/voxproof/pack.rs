//! `voxproof pack-network`: weights trained elsewhere -> an artifact.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use voxproof::model::{
    Calibration, Ensemble, FeaturePart, MAGIC, Model, Network, NetworkPart, encode_ensemble,
};
use voxproof::training::{Fusion, version_of};

use crate::detect::json;
use crate::files;
use crate::output::{ALL_JUDGED, Failure};

/// Pack a network's weights, and a model of features beside it, into a model artifact
#[derive(Debug, Args)]
pub struct PackArgs {
    /// JSON of the network: `bands`, `window`, `scale`, `layers`, `head`, `head_bias`, and `filters` where bands pass a
    /// filter bank first, `finish` of a layer that has more than a ReLU behind it; or an artifact with a network in it,
    /// which is taken over, so that the model of features beside it can be another
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
    /// Artifact of a model of features to add to the network
    #[arg(long, value_name = "FILE", requires = "fusion")]
    features: Option<PathBuf>,
    /// What `voxproof fuse` wrote: weights of the network's logit and of the other model's log-odds, in this order, and
    /// the calibration of their sum [default: the network's logit is taken as log-odds]
    #[arg(long, value_name = "JSON")]
    fusion: Option<PathBuf>,
    /// P(AI) above which the verdict is AI_GENERATED
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// One line on what it was trained on [default: what the artifact of --features says, or else the one of the network]
    #[arg(long)]
    training_data: Option<String>,
    /// One line with the settings of the training [default: the network's layers, and what the artifact of --features says]
    #[arg(long)]
    settings: Option<String>,
}

/// Packs, verifies by loading, writes, and prints what is known of the model as JSON.
pub fn run(args: &PackArgs) -> Result<ExitCode, Failure> {
    let refused = |path: &PathBuf, why: &dyn std::fmt::Display| {
        Failure::Usage(format!("{}: {why}", path.display()))
    };
    let read = |path: &PathBuf| files::read(path).map_err(|e| refused(path, &e));
    let fusion = match &args.fusion {
        Some(path) => serde_json::from_slice(&read(path)?).map_err(|e| refused(path, &e))?,
        None => Fusion {
            parts: vec!["network".into()],
            weights: vec![1.0],
            slope: Calibration::LOG_ODDS.slope,
            offset: Calibration::LOG_ODDS.offset,
            given_weights: true,
        },
    };
    let parts = 1 + usize::from(args.features.is_some());
    if fusion.weights.len() != parts {
        return Err(Failure::Usage(format!(
            "{} weights to fuse {parts} models with ({}): one is needed for the network and one for --features",
            fusion.weights.len(),
            fusion.parts.join(", ")
        )));
    }
    let bytes = read(&args.weights)?;
    let weight = fusion.weights[0];
    let mut training_data = String::new();
    let network = if bytes.starts_with(&MAGIC) {
        let model = Model::from_bytes(&bytes).map_err(|e| refused(&args.weights, &e))?;
        training_data.clone_from(&model.info().training_data);
        NetworkPart::from_artifact(&bytes, weight).map_err(|e| refused(&args.weights, &e))?
    } else {
        let network: Network =
            serde_json::from_slice(&bytes).map_err(|e| refused(&args.weights, &e))?;
        NetworkPart::new(&network, weight).map_err(|e| refused(&args.weights, &e))?
    };
    let layers = network.network.layers.len();
    let mut settings = format!("network: {layers} convolutions");
    let features = match &args.features {
        Some(path) => {
            let bytes = read(path)?;
            let part = Model::from_bytes(&bytes).map_err(|e| refused(path, &e))?;
            let info = part.info();
            training_data.clone_from(&info.training_data);
            settings = format!("{settings}; {}: {}", info.estimator, info.settings);
            let part = FeaturePart::from_artifact(&bytes, fusion.weights[1]);
            Some(part.map_err(|e| refused(path, &e))?)
        }
        None => None,
    };
    let mut ensemble = Ensemble {
        name: args.name.clone(),
        version: args.version.clone().unwrap_or_default(),
        training_data: args.training_data.clone().unwrap_or(training_data),
        settings: args.settings.clone().unwrap_or(settings),
        threshold: args.threshold,
        network: Some(network),
        features,
        calibration: fusion.calibration(),
    };
    let unfit = |e: voxproof::model::ArtifactError| Failure::Usage(e.to_string());
    if args.version.is_none() {
        ensemble.version = version_of(&encode_ensemble(&ensemble).map_err(unfit)?);
    }
    let bytes = encode_ensemble(&ensemble).map_err(unfit)?;
    let model = Model::from_bytes(&bytes).map_err(unfit)?;
    let artifact = args.out.join(format!("{}.bin", args.name));
    std::fs::create_dir_all(&args.out).map_err(|e| refused(&args.out, &e))?;
    std::fs::write(&artifact, &bytes).map_err(|e| refused(&artifact, &e))?;
    writeln!(anstream::stdout().lock(), "{}", json(model.info()))?;
    Ok(ExitCode::from(ALL_JUDGED))
}
