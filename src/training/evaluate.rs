//! Runs protocols: fits a model for each fold, scores what the fold left out, sums up.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::attacks::{self, AttackReport};
use super::conditions::{HEADER, write_scores};
use super::control::ControlCorpus;
use super::corpus::{Corpus, CorpusOptions};
use super::corpus_summary::CorpusSummary;
use super::estimator::EstimatorSettings;
use super::fuse::Fusion;
use super::learning_curve;
use super::network;
use super::protocol::{Fold, Protocol};
use super::report;
use super::summary::{ProtocolReport, figures};
use super::{Progress, ProgressFn, Stage, TrainingError, in_pool};
use crate::audio::Waveform;
use crate::features::{Extractor, FeatureError, Scratch};

/// What `voxproof evaluate` is asked to do.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// The data.
    pub corpus: CorpusOptions,
    /// The protocols to run, in this order.
    pub protocols: Vec<Protocol>,
    /// What is fitted.
    pub estimator: EstimatorSettings,
    /// Seed of the random folds and of the intervals.
    pub seed: u64,
    /// Whether clips of tested speakers, of either class, are taken out of training (`Rule 1` of
    /// the corpus's notes in its strictest reading; off in the study that this is compared with).
    pub disjoint_speakers: bool,
    /// Licence classes of what models learn from, see [`super::manifest::LICENCE_CLASSES`]; all where empty. What they are
    /// tested on stays the same, so that figures can be held against those of all clips.
    pub train_licences: Vec<String>,
    /// Folder for `metrics.json`, `metrics.md` and `report.html`; made if it is missing.
    pub report: PathBuf,
    /// Where to write every test score, as CSV `protocol,group,part,file,label,score,condition`;
    /// `condition` is `recorded`, or the name of the channel that the clip passed.
    pub scores: Option<PathBuf>,
    /// Model card whose generated section is replaced with the new figures.
    pub model_card: Option<PathBuf>,
    /// Whether to decode clips whose features come from a table, for what is known of their files: without it, such an
    /// evaluation has no control and no figures by bitrate and bandwidth.
    pub control: bool,
    /// Whether to fit models to shares of the engine families too, see [`learning_curve`].
    pub learning_curve: bool,
    /// How many test clips of either class in each grouped fold are also judged under every attack, see [`attacks`]; 0:
    /// none are.
    pub attacks: usize,
    /// Threads; all cores where absent. The result does not depend on it.
    pub jobs: Option<usize>,
}

impl EvaluateOptions {
    /// Evaluates `estimator` on `corpus` under these protocols: seed 42, all clips, nothing beside the report.
    #[must_use]
    pub fn new(
        corpus: CorpusOptions,
        protocols: &[Protocol],
        estimator: EstimatorSettings,
        report: PathBuf,
    ) -> Self {
        Self {
            corpus,
            protocols: protocols.to_vec(),
            estimator,
            seed: 42,
            disjoint_speakers: false,
            train_licences: Vec::new(),
            report,
            scores: None,
            model_card: None,
            control: false,
            learning_curve: false,
            attacks: 0,
            jobs: None,
        }
    }
}

/// What an evaluation found; written as `metrics.json`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EvaluateReport {
    /// Kind of estimator.
    pub estimator: &'static str,
    /// Its settings.
    pub settings: Settings,
    /// Feature set; those of all parts where scores were fused.
    pub features: String,
    /// Whether tested speakers were taken out of training.
    pub disjoint_speakers: bool,
    /// Licence classes that models learned from; all where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_licences: Vec<String>,
    /// The data.
    pub corpus: CorpusSummary,
    /// Each protocol's figures.
    pub protocols: Vec<ProtocolReport>,
    /// EER by the share of the engine families that models learned from; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning_curve: Vec<learning_curve::Point>,
    /// Error rates under each attack; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackReport>,
}

/// What was judged.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(untagged)]
pub enum Settings {
    /// Models that were fitted to each fold with these settings.
    Fitted(EstimatorSettings),
    /// Scores of several models, added with these weights; each fold's with weights from the others.
    Fused(Fusion),
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Fitted(settings) => settings.fmt(f),
            Self::Fused(fusion) => fusion.fmt(f),
        }
    }
}

/// Fits, scores and reports.
///
/// # Errors
/// [`TrainingError`] if the data cannot be read, a protocol finds nothing to leave out, or the
/// report cannot be written.
pub fn evaluate(
    options: &EvaluateOptions,
    progress: ProgressFn,
) -> Result<EvaluateReport, TrainingError> {
    in_pool(options.jobs, || {
        if let EstimatorSettings::Network(settings) = &options.estimator {
            let mut corpus = Corpus::load_spectrograms(&options.corpus, progress)?;
            corpus.measure(options.control, progress);
            let judge = |protocol, folds: &[Fold], conditions: &[&[_]]| {
                let told = told(protocol, progress);
                network::score_folds(&corpus, folds, conditions, settings, &told)
            };
            let front_end = network::FrontEnd::default();
            let row = |sound: &Waveform, scratch: &mut _| front_end.spectrogram(sound, scratch);
            return report_on(&corpus, network::FEATURES, options, row, judge, progress);
        }
        let mut corpus = Corpus::load(&options.corpus, progress)?;
        corpus.measure(options.control, progress);
        let judge = |protocol, folds: &[Fold], conditions: &[&[_]]| {
            let told = told(protocol, progress);
            score_folds(&corpus, folds, conditions, &options.estimator, &told)
        };
        let extractor = Extractor::new(corpus.features);
        let row =
            |sound: &Waveform, scratch: &mut Scratch| Ok(extractor.extract(sound, scratch)?.values);
        let features = corpus.features.name();
        report_on(&corpus, features, options, row, judge, progress)
    })
}

/// Tells `progress` how far a protocol has come.
fn told(protocol: Protocol, progress: ProgressFn) -> impl Fn(usize, usize) + Sync {
    move |done, total| {
        progress(Progress {
            stage: Stage::Evaluate(protocol),
            done,
            total,
        });
    }
}

/// Scores of folds, shape `[folds][conditions][clips tested]`.
pub(super) type Scores = Vec<Vec<Vec<f64>>>;

/// Runs the protocols on a corpus; `row` makes of a sound what models judge, `judge` fits a model for each fold and scores
/// its test clips in each condition.
fn report_on<R: Clone + Default + Send + Sync, W: Default>(
    corpus: &Corpus<R>,
    features: &'static str,
    options: &EvaluateOptions,
    row: impl Fn(&Waveform, &mut W) -> Result<R, FeatureError> + Sync,
    judge: impl Fn(Protocol, &[Fold], &[&[R]]) -> Result<Scores, TrainingError>,
    progress: ProgressFn,
) -> Result<EvaluateReport, TrainingError> {
    let mut scores = String::from(HEADER);
    let control = ControlCorpus::new(corpus);
    let folds_of = |protocol: Protocol| -> Result<Vec<Fold>, TrainingError> {
        let mut folds = protocol.divide(&corpus.clips, options.seed, options.disjoint_speakers)?;
        for fold in &mut folds {
            fold.train
                .retain(|&i| corpus.clips[i].has_licence(&options.train_licences));
            let ai = fold
                .train
                .iter()
                .filter(|&&i| corpus.clips[i].is_ai())
                .count();
            if ai == 0 || ai == fold.train.len() {
                return Err(TrainingError::OneClass {
                    human: fold.train.len() - ai,
                    ai,
                    skipped: corpus.skipped.len(),
                    example: format!(" (to learn from where {} is left out)", fold.group),
                });
            }
        }
        Ok(folds)
    };
    let mut protocols = Vec::new();
    for &protocol in &options.protocols {
        let folds = folds_of(protocol)?;
        let mut report = run(protocol, corpus, &folds, options.seed, &mut scores, &judge)?;
        if let Some(control) = &control {
            report.control = control.judge(protocol, &folds, options.seed)?;
        }
        protocols.push(report);
    }
    let learning_curve = if options.learning_curve {
        let folds = folds_of(Protocol::Grouped)?;
        learning_curve::points(corpus, &folds, options.seed, &judge)?
    } else {
        Vec::new()
    };
    let attacks = if options.attacks > 0 {
        let folds = folds_of(Protocol::Grouped)?;
        let (each, seed) = (options.attacks, options.seed);
        attacks::measure(corpus, &folds, each, seed, row, &judge, progress)?
    } else {
        Vec::new()
    };
    let report = EvaluateReport {
        estimator: options.estimator.kind(),
        settings: Settings::Fitted(options.estimator),
        features: features.into(),
        disjoint_speakers: options.disjoint_speakers,
        train_licences: options.train_licences.clone(),
        corpus: CorpusSummary::new(corpus),
        protocols,
        learning_curve,
        attacks,
    };
    report::write_evaluation(&options.report, options.model_card.as_deref(), &report)?;
    if let Some(path) = &options.scores {
        std::fs::write(path, scores).map_err(|e| TrainingError::io(path, &e))?;
    }
    Ok(report)
}

/// One protocol.
fn run<R>(
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    seed: u64,
    scores_file: &mut String,
    judge: &impl Fn(Protocol, &[Fold], &[&[R]]) -> Result<Scores, TrainingError>,
) -> Result<ProtocolReport, TrainingError> {
    let start = Instant::now();
    // As recorded, then through each channel.
    let conditions: Vec<&[R]> = std::iter::once(&corpus.rows)
        .chain(&corpus.through)
        .map(Vec::as_slice)
        .collect();
    // Shape [conditions][folds][clips tested].
    let mut by_condition = vec![Vec::new(); conditions.len()];
    for fold in judge(protocol, folds, &conditions)? {
        let conditions = by_condition.iter_mut().zip(fold);
        conditions.for_each(|(condition, scores)| condition.push(scores));
    }
    for (condition, scored) in corpus.copy_options.conditions().iter().zip(&by_condition) {
        write_scores(scores_file, protocol, corpus, folds, scored, condition);
    }
    let mut report = figures(protocol, corpus, folds, &by_condition, seed);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Fits a model of features for each fold and scores its test clips in each condition; `told` hears of each fit.
pub(super) fn score_folds(
    corpus: &Corpus,
    folds: &[Fold],
    conditions: &[&[Vec<f64>]],
    estimator: &EstimatorSettings,
    told: &(dyn Fn(usize, usize) + Sync),
) -> Result<Scores, TrainingError> {
    let done = AtomicUsize::new(0);
    folds
        .par_iter()
        .map(|fold| {
            let fitted = estimator.fit(corpus, &fold.train)?;
            let score = |rows: &&[Vec<f64>]| {
                let probability = |&i: &usize| fitted.probability(&rows[i]);
                fold.test.iter().map(probability).collect()
            };
            let scores: Vec<Vec<f64>> = conditions.iter().map(score).collect();
            told(done.fetch_add(1, Ordering::Relaxed) + 1, folds.len());
            Ok(scores)
        })
        .collect()
}
