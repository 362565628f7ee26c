//! Scores of several models on the same folds, added into one: what an ensemble of them does, without fitting anything
//! but the sum.
//!
//! Each model was evaluated on its own (`voxproof evaluate --scores`), so that a network's hours and a kernel machine's
//! minutes need not be spent together, nor again. A fold's scores are added with weights and a calibration that were fitted
//! to other folds, which share no clip with it; what an artifact gets is fitted to all of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::calibrate::{RECORDED_TIMES, platt};
use super::control::ControlCorpus;
use super::copies::Rows;
use super::corpus::{Corpus, CorpusOptions};
use super::corpus_summary::CorpusSummary;
use super::evaluate::{EvaluateReport, Settings};
use super::logistic_fit::{Weighting, solve};
use super::protocol::{Fold, Protocol};
use super::report;
use super::summary::figures;
use super::{ProgressFn, TrainingError, conditions, in_pool};
use crate::model::Calibration;

/// Next to no penalty on the few weights: there are thousands of scores.
const C: f64 = 1.0;

/// What is asked of a fusion.
#[derive(Debug, Clone)]
pub struct FuseOptions {
    /// The clips that the scores are of; no audio is read but for [`FuseOptions::control`]. The channels that clips were
    /// scored through stand in [`CorpusOptions::copies`].
    pub corpus: CorpusOptions,
    /// CSV of each model's scores, as an evaluation writes it, in the order of the weights.
    pub scores: Vec<PathBuf>,
    /// Folder for `metrics.json`, `metrics.md`, `report.html` and `fusion.json`; made if it is missing.
    pub report: PathBuf,
    /// Weights of the parts, in the files' order, where they are not to be fitted: the calibration alone is.
    pub weights: Option<Vec<f64>>,
    /// Whether the evaluations took tested speakers out of training; the control does so too.
    pub disjoint_speakers: bool,
    /// Where to write the fused scores, as an evaluation does.
    pub fused_scores: Option<PathBuf>,
    /// Model card whose generated section is replaced with the new figures.
    pub model_card: Option<PathBuf>,
    /// Whether to decode the clips for what is known of their files: without it the report has no control and no figures by
    /// bitrate and bandwidth. There is no control where the manifests, divided anew, have other folds than the scores.
    pub control: bool,
    /// Seed of the intervals, and of the folds that the control is fitted to.
    pub seed: u64,
    /// Threads; all cores where absent. The result does not depend on it.
    pub jobs: Option<usize>,
}

/// A weighted sum of log-odds and what makes a probability of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fusion {
    /// Names of the score files, without their ending.
    pub parts: Vec<String>,
    /// Weight of each part's log-odds, above 0.
    pub weights: Vec<f64>,
    /// Slope of the calibration of the sum.
    pub slope: f64,
    /// Its offset.
    pub offset: f64,
    /// Whether the weights were given rather than fitted.
    #[serde(default)]
    pub given_weights: bool,
}

impl fmt::Display for Fusion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts = self.parts.iter().zip(&self.weights);
        let parts: Vec<_> = parts
            .map(|(name, weight)| format!("{weight:.3} x {name}"))
            .collect();
        write!(
            f,
            "log-odds added as {}; for each fold, {} from the others",
            parts.join(" + "),
            if self.given_weights {
                "the calibration comes"
            } else {
                "weights and calibration come"
            }
        )
    }
}

impl Fusion {
    /// Fits weights to log-odds, shape `[n][parts]`, by logistic regression with both classes alike, unless `given`, and
    /// the calibration of the sum, with 0.5 at its EER point. A row that counts several times is given as often.
    ///
    /// # Errors
    /// [`TrainingError::Fit`] if the fit fails, or a part would get no weight or a negative one: it is worth nothing
    /// beside the others, or turned round.
    fn fit(
        names: &[String],
        given: Option<&[f64]>,
        rows: &[Vec<f64>],
        is_ai: &[bool],
    ) -> Result<Self, TrainingError> {
        let weights = match given {
            Some(weights) => weights.to_vec(),
            None => {
                let groups = vec![""; rows.len()];
                let classes = Weighting::Classes.weights(is_ai, &groups);
                solve(rows, is_ai, &classes, C)?.weights
            }
        };
        if weights.len() != names.len() {
            return Err(TrainingError::Fit(format!(
                "{} weights for {} files of scores",
                weights.len(),
                names.len()
            )));
        }
        if let Some(place) = weights.iter().position(|w| *w <= 0.0) {
            return Err(TrainingError::Fit(format!(
                "'{}' would weigh {:.3} in the sum: without it the others do better",
                names[place], weights[place]
            )));
        }
        let mut fusion = Self {
            parts: names.to_vec(),
            weights,
            slope: 1.0,
            offset: 0.0,
            given_weights: given.is_some(),
        };
        let sums: Vec<f64> = rows.iter().map(|row| fusion.sum(row)).collect();
        let Calibration { slope, offset } = platt(&sums, is_ai);
        (fusion.slope, fusion.offset) = (slope, offset);
        Ok(fusion)
    }

    /// The weighted sum of the parts' log-odds.
    fn sum(&self, row: &[f64]) -> f64 {
        row.iter().zip(&self.weights).map(|(z, w)| z * w).sum()
    }

    /// The calibration of the sum.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        Calibration {
            slope: self.slope,
            offset: self.offset,
        }
    }

    fn probability(&self, row: &[f64]) -> f64 {
        self.calibration().probability(self.sum(row))
    }
}

/// A tested clip in a fold and a condition, as score files name it.
type Key = (String, String);

/// Log-odds of one protocol: (group, part) of a fold -> its clips.
type FoldTable = BTreeMap<(String, usize), HashMap<Key, f64>>;

/// One score file, by protocol.
type Table = BTreeMap<String, FoldTable>;

/// Adds the scores up, fold by fold, and reports as an evaluation does.
///
/// # Errors
/// [`TrainingError`] if a file cannot be read, the files do not hold the same folds, the sum cannot be fitted or a report
/// not be written.
pub fn fuse(
    options: &FuseOptions,
    progress: ProgressFn,
) -> Result<(EvaluateReport, Fusion), TrainingError> {
    in_pool(options.jobs, || fused(options, progress))
}

fn fused(
    options: &FuseOptions,
    progress: ProgressFn,
) -> Result<(EvaluateReport, Fusion), TrainingError> {
    let tables = options
        .scores
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<Table>, _>>()?;
    let names: Vec<String> = options.scores.iter().map(|path| name(path)).collect();
    let mut corpus = scored_clips(&options.corpus, &tables)?;
    corpus.measure(options.control, progress);
    let control = ControlCorpus::new(&corpus);
    let place: HashMap<&str, usize> = corpus
        .clips
        .iter()
        .enumerate()
        .map(|(index, clip)| (clip.file.as_str(), index))
        .collect();
    let conditions = corpus.copy_options.conditions();
    let mut text = String::from(conditions::HEADER);
    let (mut protocols, mut fusion) = (Vec::new(), None);
    for (protocol_name, first) in tables.first().into_iter().flatten() {
        let Some(protocol) = Protocol::from_name(protocol_name) else {
            continue;
        };
        let folds = folds(first, &place);
        let rows = tables
            .iter()
            .zip(&options.scores)
            .map(|(table, path)| {
                log_odds(table.get(protocol_name), path, &corpus, &folds, &conditions)
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Of each condition and fold, shape [clips tested][parts].
        let row = |condition: usize, fold: usize, clip: usize| -> Vec<f64> {
            rows.iter()
                .map(|part| part[condition][fold][clip])
                .collect()
        };
        let fitted = |chosen: &dyn Fn(&Fold) -> bool| {
            let (mut data, mut is_ai) = (Vec::new(), Vec::new());
            for (number, fold) in folds.iter().enumerate().filter(|(_, fold)| chosen(fold)) {
                for (clip, &index) in fold.test.iter().enumerate() {
                    for condition in 0..conditions.len() {
                        let times = if condition == 0 { RECORDED_TIMES } else { 1 };
                        data.extend(std::iter::repeat_n(row(condition, number, clip), times));
                        is_ai.extend(std::iter::repeat_n(corpus.clips[index].is_ai(), times));
                    }
                }
            }
            Fusion::fit(&names, options.weights.as_deref(), &data, &is_ai)
        };
        let mut by_condition = vec![Vec::new(); conditions.len()];
        for (number, fold) in folds.iter().enumerate() {
            let apart = |other: &Fold| other.test.iter().all(|i| !fold.test.contains(i));
            let others = fitted(&apart)?;
            for (condition, scored) in by_condition.iter_mut().enumerate() {
                let clips = 0..fold.test.len();
                scored.push(
                    clips
                        .map(|clip| others.probability(&row(condition, number, clip)))
                        .collect::<Vec<f64>>(),
                );
            }
        }
        for (condition, scored) in conditions.iter().zip(&by_condition) {
            conditions::write_scores(&mut text, protocol, &corpus, &folds, scored, condition);
        }
        let mut report = figures(protocol, &corpus, &folds, &by_condition, options.seed);
        if let Some(control) = &control {
            let divided =
                protocol.divide(&corpus.clips, options.seed, options.disjoint_speakers)?;
            if let Some(folds) = learned_from(&folds, divided) {
                report.control = control.judge(protocol, &folds, options.seed)?;
            }
        }
        protocols.push(report);
        fusion.get_or_insert(fitted(&|_| true)?);
    }
    let fusion = fusion.ok_or_else(|| {
        TrainingError::Fit("the score files hold no fold of a protocol".to_string())
    })?;
    let report = EvaluateReport {
        estimator: "ensemble",
        settings: Settings::Fused(fusion.clone()),
        features: names.join(" + "),
        disjoint_speakers: options.disjoint_speakers,
        train_licences: Vec::new(),
        corpus: CorpusSummary::new(&corpus),
        protocols,
        learning_curve: Vec::new(),
        attacks: Vec::new(),
    };
    report::write_evaluation(&options.report, options.model_card.as_deref(), &report)?;
    report::write_json(&options.report.join("fusion.json"), &fusion)?;
    if let Some(path) = &options.fused_scores {
        std::fs::write(path, text).map_err(|e| TrainingError::io(path, &e))?;
    }
    Ok((report, fusion))
}

/// What a part is called: the file's name without its ending.
fn name(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Why a clip is left out that no fold tests: in `grouped-corpora`, the corpora of one class.
const NOT_TESTED: &str = "tested in no fold of the score files";

/// The clips of the manifests that every table scores. Those that some lack are listed as skipped, those that all of them lack
/// are counted as left out.
fn scored_clips(options: &CorpusOptions, tables: &[Table]) -> Result<Corpus<()>, TrainingError> {
    let files = |table: &Table| -> HashSet<String> {
        let folds = table.values().flat_map(BTreeMap::values);
        folds
            .flat_map(HashMap::keys)
            .map(|(_, file)| file.clone())
            .collect()
    };
    let scored: Vec<_> = tables.iter().map(files).collect();
    let mut corpus = Corpus::load_rows(options, |clips| {
        let rows = clips.iter().map(|clip| {
            if scored.iter().all(|files| files.contains(&clip.file)) {
                let mut rows = Rows::recorded(());
                rows.copies = vec![(); options.copies.training];
                rows.through = vec![(); options.copies.through.len()];
                Ok(rows)
            } else {
                Err("a score file does not have it".to_string())
            }
        });
        Ok(rows.collect())
    })?;
    corpus.both_classes()?;
    let listed = corpus.skipped.len();
    corpus
        .skipped
        .retain(|clip| scored.iter().any(|files| files.contains(&clip.file)));
    let not_tested = listed - corpus.skipped.len();
    if not_tested > 0 {
        corpus.left_out.insert(NOT_TESTED.into(), not_tested);
    }
    Ok(corpus)
}

/// The folds as the first file has them, of the clips that every file scores.
fn folds(table: &FoldTable, place: &HashMap<&str, usize>) -> Vec<Fold> {
    let folds = table.iter().map(|((group, part), scores)| {
        let recorded = scores
            .keys()
            .filter(|(condition, _)| condition == conditions::RECORDED);
        let mut test: Vec<usize> = recorded
            .filter_map(|(_, file)| place.get(file.as_str()).copied())
            .collect();
        test.sort_unstable();
        Fold {
            group: group.clone(),
            part: *part,
            train: Vec::new(),
            test,
        }
    });
    folds.collect()
}

/// The folds as `divided`, with what models learn from; none if these are not the `folds` that were scored.
fn learned_from(folds: &[Fold], mut divided: Vec<Fold>) -> Option<Vec<Fold>> {
    fn tested(fold: &Fold) -> (&str, usize, &[usize]) {
        (&fold.group, fold.part, &fold.test)
    }
    divided.sort_by(|a, b| tested(a).cmp(&tested(b)));
    let same = folds.iter().map(tested).eq(divided.iter().map(tested));
    same.then_some(divided)
}

/// Log-odds of one file on the folds, shape `[conditions][folds][clips tested]`.
fn log_odds<R>(
    table: Option<&FoldTable>,
    path: &Path,
    corpus: &Corpus<R>,
    folds: &[Fold],
    conditions: &[&str],
) -> Result<Vec<Vec<Vec<f64>>>, TrainingError> {
    let missing = |fold: &Fold, file: &str, condition: &str| TrainingError::Manifest {
        file: path.to_path_buf(),
        line: 1,
        column: "score".into(),
        problem: format!(
            "{file} has no score as {condition} in the fold {} {}: the files must be of the same corpus, protocol, seed and channels",
            fold.group, fold.part
        ),
    };
    let of_fold = |fold: &Fold, condition: &str| -> Result<Vec<f64>, TrainingError> {
        let scores = table.and_then(|table| table.get(&(fold.group.clone(), fold.part)));
        let of_clip = |&index: &usize| {
            let file = &corpus.clips[index].file;
            let key = (condition.to_string(), file.clone());
            let score = scores.and_then(|scores| scores.get(&key)).copied();
            score.ok_or_else(|| missing(fold, file, condition))
        };
        fold.test.iter().map(of_clip).collect()
    };
    conditions
        .iter()
        .map(|condition| folds.iter().map(|fold| of_fold(fold, condition)).collect())
        .collect()
}

/// Reads a CSV that `voxproof evaluate --scores` wrote.
fn read(path: &Path) -> Result<Table, TrainingError> {
    let mut table = Table::new();
    for row in conditions::read_scores(path)? {
        let z = row.log_odds();
        let folds = table.entry(row.protocol).or_default();
        let fold = folds.entry((row.group, row.part)).or_default();
        fold.insert((row.condition, row.file), z);
    }
    Ok(table)
}
