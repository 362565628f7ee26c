//! `voxproof pack-network`: weights trained elsewhere -> an artifact.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use voxproof::model::{
    Calibration, Ensemble, FeaturePart, MAGIC, Model, Network, NetworkPart, encode_ensemble,
};
use voxproof::training::{
    CorpusSummary, Fusion, TrainReport, TrainingError, version_of, write_artifact,
};

use crate::detect::json;
use crate::files;
use crate::output::{ALL_JUDGED, Failure};

/// Pack networks' weights, and a model of features beside them, into a model artifact
#[derive(Debug, Args)]
pub struct PackArgs {
    /// JSON of a network: `bands`, `window`, `scale`, `layers`, `head`, `head_bias`, and `filters` where bands pass a
    /// filter bank first, `finish` of a layer that has more than a ReLU behind it; or an artifact with networks in it,
    /// which are taken over, so that what is beside them can be another. Several networks, of windows of one length, are
    /// added up
    #[arg(required = true)]
    weights: Vec<PathBuf>,
    /// Folder for NAME.bin
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the model
    #[arg(long)]
    name: String,
    /// Version; without it, the program's and four bytes of the artifact's hash
    #[arg(long)]
    version: Option<String>,
    /// Artifact of a model of features to add to the networks
    #[arg(long, value_name = "FILE", requires = "fusion")]
    features: Option<PathBuf>,
    /// What `voxproof fuse` wrote: weights of the networks' logits in their order and then of the other model's log-odds, and
    /// the calibration of their sum [default: the networks' mean logit is taken as log-odds]
    #[arg(long, value_name = "JSON")]
    fusion: Option<PathBuf>,
    /// P(AI) above which the verdict is AI_GENERATED
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// One line on what it was trained on [default: what the artifact of --features says, or else the one of the network]
    #[arg(long)]
    training_data: Option<String>,
    /// NAME.training.json of the model of --features: what it tells of the data is written beside the artifact
    #[arg(long, value_name = "JSON", requires = "features")]
    training: Option<PathBuf>,
    /// Model card whose generated section on the data is written anew
    #[arg(long, value_name = "FILE", requires = "training")]
    model_card: Option<PathBuf>,
    /// One line with the settings of the training [default: the network's layers, and what the artifact of --features says]
    #[arg(long)]
    settings: Option<String>,
}

/// What a report of a training tells of the data.
#[derive(serde::Deserialize)]
struct Trained {
    corpus: CorpusSummary,
}

/// Packs, verifies by loading, writes, and prints what is known of the model as JSON.
pub fn run(args: &PackArgs) -> Result<ExitCode, Failure> {
    let refused = |path: &PathBuf, why: &dyn std::fmt::Display| {
        Failure::Usage(format!("{}: {why}", path.display()))
    };
    let read = |path: &PathBuf| files::read(path).map_err(|e| refused(path, &e));
    let mut training_data = String::new();
    let mut networks = Vec::new();
    for path in &args.weights {
        let bytes = read(path)?;
        if bytes.starts_with(&MAGIC) {
            let model = Model::from_bytes(&bytes).map_err(|e| refused(path, &e))?;
            training_data.clone_from(&model.info().training_data);
            networks.extend(NetworkPart::from_artifact(&bytes).map_err(|e| refused(path, &e))?);
        } else {
            let network: Network = serde_json::from_slice(&bytes).map_err(|e| refused(path, &e))?;
            networks.push(NetworkPart::new(&network, 1.0).map_err(|e| refused(path, &e))?);
        }
    }
    let fusion = match &args.fusion {
        Some(path) => serde_json::from_slice(&read(path)?).map_err(|e| refused(path, &e))?,
        None => Fusion {
            parts: vec!["network".into(); networks.len()],
            weights: vec![1.0 / networks.len() as f64; networks.len()],
            slope: Calibration::LOG_ODDS.slope,
            offset: Calibration::LOG_ODDS.offset,
            given_weights: true,
        },
    };
    let parts = networks.len() + usize::from(args.features.is_some());
    if fusion.weights.len() != parts {
        return Err(Failure::Usage(format!(
            "{} weights to fuse {parts} models with ({}): one is needed for each network and one for --features",
            fusion.weights.len(),
            fusion.parts.join(", ")
        )));
    }
    for (network, weight) in networks.iter_mut().zip(&fusion.weights) {
        network.weight = *weight;
    }
    let layers = networks
        .iter()
        .map(|part| part.network.layers.len().to_string());
    let layers = layers.collect::<Vec<_>>().join(" and ");
    let mut settings = match networks.len() {
        1 => format!("network: {layers} convolutions"),
        _ => format!("networks: {layers} convolutions"),
    };
    let features = match &args.features {
        Some(path) => {
            let bytes = read(path)?;
            let part = Model::from_bytes(&bytes).map_err(|e| refused(path, &e))?;
            let info = part.info();
            training_data.clone_from(&info.training_data);
            settings = format!("{settings}; {}: {}", info.estimator, info.settings);
            let part = FeaturePart::from_artifact(&bytes, fusion.weights[networks.len()]);
            Some(part.map_err(|e| refused(path, &e))?)
        }
        None => None,
    };
    let mut networks = networks.into_iter();
    let mut ensemble = Ensemble {
        name: args.name.clone(),
        version: args.version.clone().unwrap_or_default(),
        training_data: args.training_data.clone().unwrap_or(training_data),
        settings: args.settings.clone().unwrap_or(settings),
        threshold: args.threshold,
        network: networks.next(),
        features,
        calibration: fusion.calibration(),
        further: networks.collect(),
    };
    let unfit = |e: voxproof::model::ArtifactError| Failure::Usage(e.to_string());
    if args.version.is_none() {
        ensemble.version = version_of(&encode_ensemble(&ensemble).map_err(unfit)?);
    }
    let told = |path| -> Result<Trained, Failure> {
        serde_json::from_slice(&read(path)?).map_err(|e| refused(path, &e))
    };
    let trained = args.training.as_ref().map(told).transpose()?;
    let bytes = encode_ensemble(&ensemble).map_err(unfit)?;
    let failed = |e: TrainingError| Failure::Usage(e.to_string());
    let (artifact, model) = write_artifact(&args.out, &args.name, &bytes).map_err(failed)?;
    if let Some(Trained { corpus }) = trained {
        let report = TrainReport {
            artifact,
            model: model.clone(),
            corpus,
            seconds: 0.0,
        };
        report.write(args.model_card.as_deref()).map_err(failed)?;
    }
    writeln!(anstream::stdout().lock(), "{}", json(&model))?;
    Ok(ExitCode::from(ALL_JUDGED))
}
