//! Runs protocols: fits a model for each fold, scores what the fold left out, sums up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::attacks::{self, AttackReport};
use super::channel::Chain;
use super::conditions::{HEADER, Through, write_scores};
use super::control::{Control, ControlCorpus};
use super::corpus::{Corpus, CorpusOptions};
use super::estimator::EstimatorSettings;
use super::figures::{Figures, Scored};
use super::fuse::Fusion;
use super::learning_curve;
use super::manifest::Clip;
use super::metrics::{Interval, Ranking, calibration_error, mean_interval};
use super::network;
use super::protocol::{self, Fold, Protocol};
use super::report::{self, CorpusSummary};
use super::{Progress, ProgressFn, Stage, THRESHOLD, TrainingError, in_pool};
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

/// Figures of one protocol.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ProtocolReport {
    /// The protocol.
    pub protocol: Protocol,
    /// Models that were fitted.
    pub fits: usize,
    /// Wall time in seconds. The one figure that is not reproducible.
    pub seconds: f64,
    /// EER: of the pooled scores in random folds, else the mean over groups.
    pub eer: Interval,
    /// AUC, likewise.
    pub auc: Interval,
    /// Figures of the probabilities of all folds together.
    pub pooled: Pooled,
    /// By kind of engine: that kind's clips, or groups, against the same human clips.
    pub kinds: Vec<Part>,
    /// By family or corpus that was left out; empty in random folds.
    pub groups: Vec<Part>,
    /// What a classifier finds on the same folds that knows the file alone; absent where files were not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// What is drawn and listed of all folds together.
    pub figures: Figures,
    /// The same models and clips, these scored after a channel: figures of each channel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<Through>,
}

/// Figures of all folds' probabilities together: how they do at one threshold for every fold.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Pooled {
    /// Equal error rate.
    pub eer: f64,
    /// Expected calibration error, see [`calibration_error`].
    pub calibration_error: f64,
    /// Share of the synthetic clips found at 1 % false alarms.
    pub detection_at_1_percent: f64,
    /// Share of the synthetic clips found at 5 % false alarms.
    pub detection_at_5_percent: f64,
}

impl Pooled {
    fn new(clips: &[Clip], folds: &[Fold], scored: &[Vec<f64>]) -> Self {
        let scores = scored.concat();
        let tested = folds.iter().flat_map(|fold| &fold.test);
        let is_ai: Vec<bool> = tested.map(|&i| clips[i].is_ai()).collect();
        let ranking = Ranking::new(&scores, &is_ai);
        Self {
            eer: ranking.eer(|_| 1.0),
            calibration_error: calibration_error(&scores, &is_ai),
            detection_at_1_percent: ranking.detection_rate(0.01),
            detection_at_5_percent: ranking.detection_rate(0.05),
        }
    }
}

/// Figures of a part.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Part {
    /// Name of the kind, family or corpus.
    pub name: String,
    /// Kind of engine; empty where it is none's.
    pub kind: String,
    /// Synthetic clips in it.
    pub clips: usize,
    /// Equal error rate, 0.0..=1.0.
    pub eer: f64,
    /// Area under the ROC curve, 0.0..=1.0.
    pub auc: f64,
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

/// The protocol's own figures of one condition.
pub(super) fn sum_up<R>(
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    scored: &[Vec<f64>],
    seed: u64,
) -> ProtocolReport {
    match protocol {
        Protocol::Random => pooled(corpus, folds, scored, seed),
        Protocol::Grouped => by_family(&corpus.clips, folds, scored, seed),
        Protocol::LeaveFamilySourceOut | Protocol::LeaveCorpusOut | Protocol::GroupedCorpora => {
            by_group(protocol, corpus, folds, scored, seed)
        }
    }
}

/// The figures of scores, shape `[conditions][folds][clips tested]`: as recorded, then through each channel of the corpus.
pub(super) fn figures<R>(
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    by_condition: &[Vec<Vec<f64>>],
    seed: u64,
) -> ProtocolReport {
    let of = |scored: &[Vec<f64>], chains: &[Chain]| ProtocolReport {
        pooled: Pooled::new(&corpus.clips, folds, scored),
        figures: Figures::new(&Scored {
            protocol: Some(protocol),
            clips: &corpus.clips,
            recordings: &corpus.recordings,
            chains,
            folds,
            scores: scored,
            threshold: THRESHOLD,
            seed,
        }),
        ..sum_up(protocol, corpus, folds, scored, seed)
    };
    let mut report = of(&by_condition[0], &[]);
    let channels = corpus.copy_options.channel_names();
    for (place, (channel, scored)) in channels.zip(&by_condition[1..]).enumerate() {
        let chains = corpus.copy_options.chains(place, &corpus.clips);
        let through = Through::new(channel, of(scored, &chains));
        report.through.push(through);
    }
    report
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

/// Random folds: no clip was scored twice; the figures are of all scores together, the intervals
/// from resampling speakers and engine families.
fn pooled<R>(corpus: &Corpus<R>, folds: &[Fold], scored: &[Vec<f64>], seed: u64) -> ProtocolReport {
    let clips = &corpus.clips;
    let indices = folds.iter().flat_map(|fold| fold.test.iter().copied());
    let mut by_clip: Vec<(usize, f64)> = indices.zip(scored.concat()).collect();
    by_clip.sort_by_key(|&(index, _)| index);
    let (tested, scores): (Vec<usize>, Vec<f64>) = by_clip.into_iter().unzip();
    let clusters = clusters(tested.iter().map(|&i| &clips[i]));
    let (eer, auc) = ranking(clips, &tested, &scores).intervals(&clusters, seed);
    let kinds = kinds(tested.iter().map(|&i| &clips[i]))
        .into_iter()
        .map(|(kind, count)| {
            let (chosen, chosen_scores): (Vec<usize>, Vec<f64>) = tested
                .iter()
                .zip(&scores)
                .filter(|&(&i, _)| !clips[i].is_ai() || clips[i].kind == kind)
                .unzip();
            part(kind, kind, count, &ranking(clips, &chosen, &chosen_scores))
        })
        .collect();
    ProtocolReport {
        protocol: Protocol::Random,
        fits: folds.len(),
        seconds: 0.0,
        eer,
        auc,
        pooled: Pooled::default(),
        kinds,
        groups: Vec::new(),
        control: None,
        figures: Figures::default(),
        through: Vec::new(),
    }
}

/// Numbers of what is resampled as one: the engine family of a synthetic clip, the speaker of a
/// human one.
pub(super) fn clusters<'a>(clips: impl Iterator<Item = &'a Clip>) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    clips
        .map(|clip| {
            let key = if clip.is_ai() {
                ("ai", clip.family.as_str())
            } else {
                protocol::speaker(clip).unwrap_or(("", ""))
            };
            let next = numbers.len();
            *numbers.entry(key).or_insert(next)
        })
        .collect()
}

/// Groups that were left out: figures of each fold, their mean for each group, and the mean over
/// groups with the interval from resampling groups.
fn by_group<R>(
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    scored: &[Vec<f64>],
    seed: u64,
) -> ProtocolReport {
    let clips = &corpus.clips;
    let mut of_group: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for (fold, scores) in folds.iter().zip(scored) {
        let synthetic: Vec<&Clip> = fold
            .test
            .iter()
            .map(|&i| &clips[i])
            .filter(|clip| clip.is_ai())
            .collect();
        let kind = match protocol {
            Protocol::LeaveCorpusOut | Protocol::GroupedCorpora => "",
            _ => main_kind(synthetic.iter().copied()),
        };
        let ranking = ranking(clips, &fold.test, scores);
        of_group.entry(&fold.group).or_default().push(part(
            &fold.group,
            kind,
            synthetic.len(),
            &ranking,
        ));
    }
    let groups: Vec<Part> = of_group
        .into_values()
        .map(|parts| mean(&parts[0].name, &parts[0].kind, parts[0].clips, &parts))
        .collect();
    summary(protocol, folds.len(), groups, seed)
}

/// Grouped folds: each family against the human clips of its fold.
fn by_family(clips: &[Clip], folds: &[Fold], scored: &[Vec<f64>], seed: u64) -> ProtocolReport {
    let mut groups = Vec::new();
    for (fold, scores) in folds.iter().zip(scored) {
        let synthetic = fold.test.iter().map(|&i| &clips[i]);
        let families = protocol::counts(
            synthetic
                .filter(|clip| clip.is_ai())
                .map(|clip| clip.family.as_str()),
        );
        for (family, count) in families {
            if count < protocol::MIN_CLIPS {
                continue;
            }
            let pairs = fold.test.iter().zip(scores);
            let (chosen, scores): (Vec<usize>, Vec<f64>) = pairs
                .filter(|(i, _)| !clips[**i].is_ai() || clips[**i].family == family)
                .unzip();
            let kind = main_kind(chosen.iter().map(|&i| &clips[i]));
            let ranking = ranking(clips, &chosen, &scores);
            groups.push(part(family, kind, count, &ranking));
        }
    }
    groups.sort_by(|a: &Part, b| a.name.cmp(&b.name));
    summary(Protocol::Grouped, folds.len(), groups, seed)
}

/// The most frequent kind of the synthetic clips: a family may hold engines of several.
fn main_kind<'a>(clips: impl IntoIterator<Item = &'a Clip>) -> &'a str {
    let kinds = kinds(clips).into_iter();
    kinds
        .max_by_key(|&(_, count)| count)
        .map_or("", |(kind, _)| kind)
}

/// What is reported of the groups that were left out.
fn summary(protocol: Protocol, fits: usize, groups: Vec<Part>, seed: u64) -> ProtocolReport {
    let mut of_kind: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for group in groups.iter().filter(|group| !group.kind.is_empty()) {
        of_kind.entry(&group.kind).or_default().push(group.clone());
    }
    let kinds = of_kind
        .into_iter()
        .map(|(kind, parts)| {
            mean(
                kind,
                kind,
                parts.iter().map(|part| part.clips).sum(),
                &parts,
            )
        })
        .collect();
    let of = |figure: fn(&Part) -> f64| groups.iter().map(figure).collect::<Vec<_>>();
    let (eer, auc) = (
        mean_interval(&of(|part| part.eer), seed),
        mean_interval(&of(|part| part.auc), seed),
    );
    ProtocolReport {
        protocol,
        fits,
        seconds: 0.0,
        eer,
        auc,
        pooled: Pooled::default(),
        kinds,
        groups,
        control: None,
        figures: Figures::default(),
        through: Vec::new(),
    }
}

/// Kinds of the synthetic clips among `clips`, with their numbers.
pub(super) fn kinds<'a>(clips: impl IntoIterator<Item = &'a Clip>) -> BTreeMap<&'a str, usize> {
    let mut kinds = BTreeMap::new();
    for clip in clips.into_iter().filter(|clip| clip.is_ai()) {
        *kinds.entry(clip.kind.as_str()).or_insert(0) += 1;
    }
    kinds
}

pub(super) fn ranking(clips: &[Clip], indices: &[usize], scores: &[f64]) -> Ranking {
    let is_ai: Vec<bool> = indices.iter().map(|&i| clips[i].is_ai()).collect();
    Ranking::new(scores, &is_ai)
}

pub(super) fn part(name: &str, kind: &str, clips: usize, ranking: &Ranking) -> Part {
    Part {
        name: name.into(),
        kind: kind.into(),
        clips,
        eer: ranking.eer(|_| 1.0),
        auc: ranking.auc(|_| 1.0),
    }
}

fn mean(name: &str, kind: &str, clips: usize, parts: &[Part]) -> Part {
    let of = |figure: fn(&Part) -> f64| parts.iter().map(figure).sum::<f64>() / parts.len() as f64;
    Part {
        name: name.into(),
        kind: kind.into(),
        clips,
        eer: of(|part| part.eer),
        auc: of(|part| part.auc),
    }
}
