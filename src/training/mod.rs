//! Corpus, fitting and evaluation: what `voxproof train` and `voxproof evaluate` do.
//!
//! Read in the order of the data: [`manifest`] says which clips there are, [`selection`] which are used, [`corpus`]
//! computes their features, also of [`copies`] that a random [`channel`] has passed, [`estimator`] fits a model to them
//! with [`forest_fit`], [`boosting_fit`], [`mlp_fit`] or with [`logistic_fit`] or [`kernel_fit`] and [`calibrate`], [`train`] writes it as an
//! artifact; [`protocol`] divides the corpus, [`evaluate()`] fits and scores the divisions, [`metrics`],
//! [`summary`] and [`figures`] sum up, [`report`] writes, `page` draws. [`warning_rates`] and [`splice`] measure what a detailed answer is
//! worth. Everything is deterministic for a seed, whatever the number of threads.

pub mod adapters;
pub mod attacks;
pub mod audit;
pub mod boosting_fit;
pub mod calibrate;
pub mod channel;
pub mod conditions;
pub mod control;
pub mod copies;
pub mod corpus;
pub mod corpus_summary;
mod dense;
pub mod estimator;
pub mod evaluate;
pub mod export;
pub mod figures;
pub mod fingerprint;
pub mod forest_fit;
pub mod fuse;
pub mod kernel_fit;
mod kernel_system;
pub mod learning_curve;
pub mod logistic_fit;
pub mod manifest;
pub mod metrics;
pub mod mlp_fit;
pub mod network;
mod page;
pub mod protocol;
pub mod recording;
pub mod report;
pub mod rng;
pub mod score;
pub mod selection;
pub mod splice;
pub mod summary;
pub mod table;
pub mod warning_rates;
mod weights;
pub mod whitening;

use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

pub use boosting_fit::BoostingSettings;
pub use channel::{Channel, Preset};
pub use copies::{CopyOptions, CopySummary};
pub use corpus::{Corpus, CorpusOptions, Skipped};
pub use corpus_summary::CorpusSummary;
pub use estimator::EstimatorSettings;
pub use evaluate::{EvaluateOptions, EvaluateReport, evaluate};
pub use export::{ExportOptions, export};
pub use forest_fit::ForestSettings;
pub use fuse::{FuseOptions, Fusion, fuse};
pub use kernel_fit::KernelSettings;
pub use logistic_fit::{LogisticSettings, Weighting};
pub use manifest::ManifestSource;
pub use mlp_fit::MlpSettings;
pub use network::NetworkSettings;
pub use protocol::Protocol;
pub use score::{ScoreOptions, ScoreReport, score};
pub use selection::Selection;

use crate::hex::hex;
use crate::model::{
    ArtifactError, Ensemble, Model, ModelInfo, NetworkPart, Payload, encode, encode_ensemble,
};

/// Threshold of every model: calibration puts the EER point there.
const THRESHOLD: f64 = 0.5;

/// How far a long step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which step.
    pub stage: Stage,
    /// Units done.
    pub done: usize,
    /// Units there are.
    pub total: usize,
}

/// The long steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Decoding and features; units are clips.
    Features,
    /// Fitting the model that ships; one unit, or the steps of a network.
    Fit,
    /// Decoding for what is known of the files alone, see [`recording`]; units are clips.
    Recordings,
    /// Decoding and fingerprints; units are clips.
    Fingerprint,
    /// Decoding, attacks and features; units are clips.
    Attacks,
    /// Running a protocol; units are models to fit, or the steps of networks.
    Evaluate(Protocol),
}

/// Called from many threads, often; must be quick.
pub type ProgressFn<'a> = &'a (dyn Fn(Progress) + Sync);

/// What `voxproof train` is asked to do.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// The data.
    pub corpus: CorpusOptions,
    /// Name of the model and of the artifact's file, for example `classic`.
    pub name: String,
    /// Version; where absent, the crate's version and the first digits of a hash of the fitted
    /// weights, so that another training is another version and the same one is the same.
    pub version: Option<String>,
    /// What is fitted.
    pub estimator: EstimatorSettings,
    /// Folder for `NAME.bin` and `NAME.training.json`, and `NAME.json` with a network's weights unrounded; made if it is missing.
    pub out: PathBuf,
    /// Model card whose section `<!-- training:begin -->` is replaced with what the data was.
    pub model_card: Option<PathBuf>,
    /// CSV of out-of-fold scores to calibrate a network by, as an evaluation writes it with the protocol `grouped`; no
    /// further networks are fitted for it then.
    pub calibration_scores: Option<PathBuf>,
    /// Threads; all cores where absent. The artifact does not depend on it.
    pub jobs: Option<usize>,
}

/// What a training did; written as `NAME.training.json`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TrainReport {
    /// The artifact that was written, `NAME.bin`.
    pub artifact: PathBuf,
    /// What is known of the model.
    pub model: ModelInfo,
    /// The data.
    pub corpus: CorpusSummary,
    /// Wall time in seconds.
    #[serde(skip)]
    pub seconds: f64,
}

impl TrainReport {
    /// Writes it as `NAME.training.json` beside the artifact, and what the data was into the section
    /// `<!-- training:begin -->` of a `model_card`.
    ///
    /// # Errors
    /// [`TrainingError::Io`] if a file cannot be written, or the card has no such section.
    pub fn write(&self, model_card: Option<&Path>) -> Result<(), TrainingError> {
        if let Some(card) = model_card {
            report::replace_section(card, "training", &self.corpus.markdown())?;
        }
        report::write_json(&self.artifact.with_extension("training.json"), self)
    }
}

/// Why training or evaluation stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainingError {
    /// A file could not be read or written.
    #[error("{}: {problem}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// A manifest, held-out list or feature table is not as it should be.
    #[error("{}, line {line}, column '{column}': {problem}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Name of the column, or its number in a JSON line.
        column: String,
        /// What is wrong there.
        problem: String,
    },
    /// One clip in two manifests, or two of one name that a feature table cannot tell apart.
    #[error(
        "'{file}' stands in two manifests: name it in one only (two clips of that name can be used, but not with a feature table, which knows clips by name)"
    )]
    AmbiguousFile {
        /// File name in both manifests.
        file: String,
    },
    /// A folder is not laid out as its corpus is published; the text says what is missing.
    #[error("{}: {problem}", folder.display())]
    Layout {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        problem: String,
    },
    /// Only one class is left to learn from.
    #[error(
        "{human} human and {ai} synthetic clips are left, {skipped} were skipped{example}; both classes are needed"
    )]
    OneClass {
        /// Human clips left.
        human: usize,
        /// Synthetic clips left.
        ai: usize,
        /// Clips that could not be read or judged.
        skipped: usize,
        /// The first of those and its reason, or nothing.
        example: String,
    },
    /// A protocol finds no group that is large enough.
    #[error(
        "the protocol {protocol} finds nothing with at least {} clips to leave out",
        protocol::MIN_CLIPS
    )]
    NothingToLeaveOut {
        /// Name of the protocol.
        protocol: &'static str,
    },
    /// The estimator could not be fitted; the text says why.
    #[error("the model could not be fitted: {0}")]
    Fit(String),
    /// What was fitted does not make a sound artifact.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl TrainingError {
    fn io(file: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            file: file.to_path_buf(),
            problem: error.to_string(),
        }
    }

    fn csv(file: &Path, error: &csv::Error) -> Self {
        let line = error.position().map_or(0, csv::Position::line);
        Self::Manifest {
            file: file.to_path_buf(),
            line,
            column: String::new(),
            problem: error.to_string(),
        }
    }
}

/// Runs `work` on `jobs` threads, or on all cores.
fn in_pool<T: Send>(
    jobs: Option<usize>,
    work: impl FnOnce() -> Result<T, TrainingError> + Send,
) -> Result<T, TrainingError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.unwrap_or(0))
        .build();
    pool.map_err(|e| TrainingError::Fit(e.to_string()))?
        .install(work)
}

/// Fits a model to the corpus and writes it as an artifact, which is read back and verified.
///
/// # Errors
/// [`TrainingError`] if the data cannot be read, or the model not be fitted or written.
pub fn train(options: &TrainOptions, progress: ProgressFn) -> Result<TrainReport, TrainingError> {
    if let EstimatorSettings::Network(settings) = &options.estimator {
        return train_network(options, settings, progress);
    }
    let start = Instant::now();
    let (corpus, fitted) = in_pool(options.jobs, || {
        let corpus = Corpus::load(&options.corpus, progress)?;
        progress(Progress {
            stage: Stage::Fit,
            done: 0,
            total: 1,
        });
        let all: Vec<usize> = (0..corpus.clips.len()).collect();
        let fitted = options.estimator.fit(&corpus, &all)?;
        progress(Progress {
            stage: Stage::Fit,
            done: 1,
            total: 1,
        });
        Ok((corpus, fitted))
    })?;
    let summary = CorpusSummary::new(&corpus);
    let mut payload = Payload {
        name: options.name.clone(),
        version: options.version.clone().unwrap_or_default(),
        features: corpus.features.name().into(),
        training_data: summary.line(),
        settings: settings_line(options, &summary),
        threshold: THRESHOLD,
        scaler: fitted.scaler,
        estimator: fitted.estimator,
        bounds: fitted.bounds,
        calibration: fitted.calibration,
    };
    if options.version.is_none() {
        payload.version = version_of(&encode(&payload)?);
    }
    write_model(options, &encode(&payload)?, summary, start)
}

/// The same for a network, whose artifact is an ensemble of one.
fn train_network(
    options: &TrainOptions,
    settings: &NetworkSettings,
    progress: ProgressFn,
) -> Result<TrainReport, TrainingError> {
    let start = Instant::now();
    let scores = options.calibration_scores.as_deref();
    let total = match scores {
        Some(_) => settings.steps,
        None => settings.all_steps(),
    };
    let (corpus, (fitted, calibration)) = in_pool(options.jobs, || {
        let corpus = Corpus::load_spectrograms(&options.corpus, progress)?;
        let all: Vec<usize> = (0..corpus.clips.len()).collect();
        let told = |done| {
            progress(Progress {
                stage: Stage::Fit,
                done,
                total,
            });
        };
        let fitted = network::fit_calibrated(&corpus, &all, settings, scores, &told)?;
        Ok((corpus, fitted))
    })?;
    let summary = CorpusSummary::new(&corpus);
    let mut ensemble = Ensemble {
        name: options.name.clone(),
        version: options.version.clone().unwrap_or_default(),
        training_data: summary.line(),
        settings: settings_line(options, &summary),
        threshold: THRESHOLD,
        network: Some(NetworkPart::new(&fitted, 1.0).map_err(TrainingError::Fit)?),
        features: None,
        calibration,
        further: Vec::new(),
    };
    if options.version.is_none() {
        ensemble.version = version_of(&encode_ensemble(&ensemble)?);
    }
    std::fs::create_dir_all(&options.out).map_err(|e| TrainingError::io(&options.out, &e))?;
    let weights = options.out.join(format!("{}.json", options.name));
    report::write_json(&weights, &fitted)?;
    write_model(options, &encode_ensemble(&ensemble)?, summary, start)
}

/// Settings of the training in one line, as the artifact carries it.
fn settings_line(options: &TrainOptions, summary: &CorpusSummary) -> String {
    match summary.copies.as_ref().filter(|copies| copies.training > 0) {
        Some(copies) => format!("{}; {copies}", options.estimator),
        None => options.estimator.to_string(),
    }
}

/// The crate's version and the first digits of a hash of the artifact without a version.
#[must_use]
pub fn version_of(artifact: &[u8]) -> String {
    let digest = Sha256::digest(artifact);
    format!("{}-{}", env!("CARGO_PKG_VERSION"), hex(&digest[..4]))
}

/// Verifies an artifact and writes it as `NAME.bin` into a folder, which is made if it is missing: where it is, and what is
/// known of the model.
///
/// # Errors
/// [`TrainingError::Artifact`] if it is not sound, [`TrainingError::Io`] if it cannot be written.
pub fn write_artifact(
    out: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(PathBuf, ModelInfo), TrainingError> {
    let model = Model::from_bytes(bytes)?;
    std::fs::create_dir_all(out).map_err(|e| TrainingError::io(out, &e))?;
    let artifact = out.join(format!("{name}.bin"));
    std::fs::write(&artifact, bytes).map_err(|e| TrainingError::io(&artifact, &e))?;
    Ok((artifact, model.info().clone()))
}

/// Writes an artifact and the report beside it.
fn write_model(
    options: &TrainOptions,
    bytes: &[u8],
    corpus: CorpusSummary,
    start: Instant,
) -> Result<TrainReport, TrainingError> {
    let (artifact, model) = write_artifact(&options.out, &options.name, bytes)?;
    let report = TrainReport {
        artifact,
        model,
        corpus,
        seconds: start.elapsed().as_secs_f64(),
    };
    report.write(options.model_card.as_deref())?;
    Ok(report)
}
