//! Judges an existing model on a manifest, without fitting anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::attacks::{self, AttackReport};
use super::corpus::{Corpus, CorpusOptions};
use super::corpus_summary::CorpusSummary;
use super::figures::{Figures, Scored};
use super::manifest::{Clip, Label};
use super::metrics::{Interval, calibration_error};
use super::page;
use super::protocol::{Fold, MIN_CLIPS, Protocol};
use super::report;
use super::summary::{Part, clusters, part, ranking};
use super::{ProgressFn, TrainingError, in_pool};
use crate::analysis::{Analyser, AnalysisScratch};
use crate::audio::Waveform;
use crate::features::{FeatureSet, FeatureVector};
use crate::model::{Model, ModelInfo};

/// What is asked of an existing model.
#[derive(Debug, Clone)]
pub struct ScoreOptions {
    /// The data. The feature set is the model's own, whatever stands here.
    pub corpus: CorpusOptions,
    /// Folder for `metrics.json`, `metrics.md` and `report.html`; made if it is missing.
    pub report: Option<PathBuf>,
    /// Where to write every score, as CSV `file,label,score`, P(AI).
    pub scores: Option<PathBuf>,
    /// Where to write a score file for Speech DF Arena's toolkit: `file score` between spaces, no
    /// header, larger for bona fide: 1 - P(AI).
    pub scores_arena: Option<PathBuf>,
    /// How many clips of either class are also judged under every attack, see [`attacks`]; 0: none are.
    pub attacks: usize,
    /// Seed of the intervals, and of the choice of clips to attack.
    pub seed: u64,
    /// Threads; all cores where absent.
    pub jobs: Option<usize>,
}

/// What a model does on a corpus; written as `metrics.json`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ScoreReport {
    /// The model.
    pub model: ModelInfo,
    /// The data.
    pub corpus: CorpusSummary,
    /// EER with its interval over speakers and engine families; absent where one class is missing.
    pub eer: Option<Interval>,
    /// AUC, likewise.
    pub auc: Option<Interval>,
    /// Expected calibration error; absent likewise.
    pub calibration_error: Option<f64>,
    /// Share of the synthetic clips found at 1 % false alarms; absent likewise.
    pub detection_at_1_percent: Option<f64>,
    /// At 5 %, likewise.
    pub detection_at_5_percent: Option<f64>,
    /// Share of the synthetic clips above the model's threshold; absent where there are none.
    pub found_at_threshold: Option<f64>,
    /// Share of the human clips above it; absent where there are none.
    pub false_alarms_at_threshold: Option<f64>,
    /// By kind of engine: that kind's clips against all human clips.
    pub kinds: Vec<Part>,
    /// By engine family, likewise.
    pub families: Vec<Part>,
    /// By language, both classes, where there are enough clips of each.
    pub languages: Vec<Part>,
    /// What is drawn and listed of all clips.
    pub figures: Figures,
    /// Error rates under each attack; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackReport>,
}

/// Scores every clip and sums up. One class alone can be scored: error rates that need both are
/// absent then.
///
/// # Errors
/// [`TrainingError`] if the data cannot be read or a report not be written;
/// [`TrainingError::OneClass`] if no clip is left.
pub fn score(
    model: &Model,
    options: &ScoreOptions,
    progress: ProgressFn,
) -> Result<ScoreReport, TrainingError> {
    in_pool(options.jobs, || {
        let table =
            options.corpus.feature_table.is_some() || options.corpus.save_features.is_some();
        let (corpus, scores, attacks) = match model.feature_set() {
            _ if table && options.attacks > 0 => {
                return Err(TrainingError::Fit(
                    "attacks change the audio: an existing model is judged under them without a table of features".into(),
                ));
            }
            Some(set) if table && model.networks().is_none() => {
                let (corpus, scores) = from_features(model, set, options, progress)?;
                (corpus, scores, Vec::new())
            }
            _ if table => {
                return Err(TrainingError::Fit(format!(
                    "the model '{}' takes more than a table of features holds: it judges audio only",
                    model.info().name
                )));
            }
            _ => from_audio(model, options, progress)?,
        };
        if corpus.clips.is_empty() {
            return Err(corpus.one_class());
        }
        let mut report = ScoreReport::new(model, &corpus, &scores, options.seed);
        report.attacks = attacks;
        write_scores(options, &corpus.clips, &scores)?;
        if let Some(folder) = &options.report {
            std::fs::create_dir_all(folder).map_err(|e| TrainingError::io(folder, &e))?;
            report::write_json(&folder.join("metrics.json"), &report)?;
            report::write(&folder.join("metrics.md"), &report.markdown())?;
            report::write(&folder.join("report.html"), &page::judged(&report))?;
        }
        Ok(report)
    })
}

/// The corpus and P(AI) of each clip, from features that a table holds or is to hold: those of the whole clip, whereas the
/// detector judges more than 12 s in pieces.
fn from_features(
    model: &Model,
    set: FeatureSet,
    options: &ScoreOptions,
    progress: ProgressFn,
) -> Result<(Corpus, Vec<f64>), TrainingError> {
    let data = CorpusOptions {
        features: set,
        ..options.corpus.clone()
    };
    let mut corpus = Corpus::load_any(&data, progress)?;
    let rows = std::mem::take(&mut corpus.rows);
    let scores = rows
        .into_par_iter()
        .map(|values| model.probability(&FeatureVector { set, values }))
        .collect();
    Ok((corpus, scores))
}

/// The corpus, P(AI) of each clip, as the detector judges it, and what attacks do to it.
fn from_audio(
    model: &Model,
    options: &ScoreOptions,
    progress: ProgressFn,
) -> Result<(Corpus, Vec<f64>, Vec<AttackReport>), TrainingError> {
    let analyser = Analyser::new(model.clone());
    let mut corpus = Corpus::judged(&options.corpus, &analyser, progress)?;
    let attacks = if options.attacks > 0 && !corpus.clips.is_empty() {
        let judged = |sound: &Waveform, scratch: &mut AnalysisScratch| {
            let analysis = analyser.judge(sound, false, scratch)?;
            Ok(vec![analysis.ai_probability])
        };
        // Rows are P(AI) already.
        let read = |_: Protocol, folds: &[Fold], conditions: &[&[Vec<f64>]]| {
            let of =
                |fold: &Fold, rows: &[Vec<f64>]| fold.test.iter().map(|&i| rows[i][0]).collect();
            let of_fold = |fold| conditions.iter().map(|rows| of(fold, rows)).collect();
            Ok(folds.iter().map(of_fold).collect())
        };
        let (folds, each) = ([everything(&corpus)], options.attacks);
        attacks::measure(&corpus, &folds, each, options.seed, judged, &read, progress)?
    } else {
        Vec::new()
    };
    let rows = std::mem::take(&mut corpus.rows);
    Ok((corpus, rows.into_iter().flatten().collect(), attacks))
}

impl ScoreReport {
    fn new(model: &Model, corpus: &Corpus, scores: &[f64], seed: u64) -> Self {
        let (clips, is_ai) = (&corpus.clips, corpus.is_ai());
        let all: Vec<usize> = (0..clips.len()).collect();
        let both = is_ai.contains(&true) && is_ai.contains(&false);
        let whole = ranking(clips, &all, scores);
        let intervals = both.then(|| whole.intervals(&clusters(clips.iter()), seed));
        let above = |class: bool| {
            let of_class = || {
                scores
                    .iter()
                    .zip(&is_ai)
                    .filter(move |(_, ai)| **ai == class)
            };
            let called = of_class().filter(|(score, _)| **score > model.info().threshold);
            let count = of_class().count();
            (count > 0).then(|| called.count() as f64 / count as f64)
        };
        let figures = |name: &str, kind: &str, chosen: &[usize]| {
            let ais = chosen.iter().filter(|&&i| is_ai[i]).count();
            let chosen_scores: Vec<f64> = chosen.iter().map(|&i| scores[i]).collect();
            part(name, kind, ais, &ranking(clips, chosen, &chosen_scores))
        };
        let by = |key: fn(&Clip) -> &str| -> Vec<Part> {
            let mut names: BTreeMap<&str, &str> = BTreeMap::new();
            for clip in clips.iter().filter(|clip| clip.is_ai()) {
                names.entry(key(clip)).or_insert(&clip.kind);
            }
            let parts = names.into_iter().map(|(name, kind)| {
                let chosen: Vec<usize> = (0..clips.len())
                    .filter(|&i| !is_ai[i] || key(&clips[i]) == name)
                    .collect();
                figures(name, kind, &chosen)
            });
            if both { parts.collect() } else { Vec::new() }
        };
        let mut languages: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, clip) in clips.iter().enumerate() {
            languages.entry(&clip.language).or_default().push(index);
        }
        let enough = |chosen: &[usize]| {
            let ais = chosen.iter().filter(|&&i| is_ai[i]).count();
            ais >= MIN_CLIPS && chosen.len() - ais >= MIN_CLIPS
        };
        Self {
            model: model.info().clone(),
            corpus: CorpusSummary::new(corpus),
            eer: intervals.map(|(eer, _)| eer),
            auc: intervals.map(|(_, auc)| auc),
            calibration_error: both.then(|| calibration_error(scores, &is_ai)),
            detection_at_1_percent: both.then(|| whole.detection_rate(0.01)),
            detection_at_5_percent: both.then(|| whole.detection_rate(0.05)),
            found_at_threshold: above(true),
            false_alarms_at_threshold: above(false),
            kinds: by(|clip| &clip.kind),
            families: by(|clip| &clip.family),
            languages: languages
                .into_iter()
                .filter(|(_, chosen)| enough(chosen))
                .map(|(language, chosen)| figures(language, "", &chosen))
                .collect(),
            figures: drawn(model, corpus, scores, seed),
            attacks: Vec::new(),
        }
    }

    /// The figures as Markdown tables: what stands in `metrics.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "Model `{}` {} on {}.\n\n| figure | value |\n| --- | --- |\n",
            self.model.name,
            self.model.version,
            self.corpus.line()
        );
        let percent = |x: f64| format!("{:.1} %", x * 100.0);
        let range = |i: &Interval| {
            let Interval { value, low, high } = i;
            format!(
                "{} ({} to {})",
                percent(*value),
                percent(*low),
                percent(*high)
            )
        };
        let rows = [
            ("EER (95 % interval)", self.eer.as_ref().map(range)),
            ("AUC", self.auc.map(|auc| format!("{:.3}", auc.value))),
            (
                "calibration error",
                self.calibration_error.map(|x| format!("{x:.3}")),
            ),
            (
                "found at 1 % false alarms",
                self.detection_at_1_percent.map(percent),
            ),
            (
                "found at 5 % false alarms",
                self.detection_at_5_percent.map(percent),
            ),
            (
                "found at the threshold",
                self.found_at_threshold.map(percent),
            ),
            (
                "false alarms at the threshold",
                self.false_alarms_at_threshold.map(percent),
            ),
        ];
        for (name, value) in rows {
            let value = value.unwrap_or_else(|| "-".into());
            writeln!(text, "| {name} | {value} |").expect("writing to a string cannot fail");
        }
        let tables = [
            ("kind of engine", &self.kinds),
            ("engine family", &self.families),
            ("language", &self.languages),
        ];
        for (title, parts) in tables.iter().filter(|(_, parts)| !parts.is_empty()) {
            write!(
                text,
                "\n| {title} | synthetic clips | EER | AUC |\n| --- | --- | --- | --- |\n"
            )
            .expect("writing to a string cannot fail");
            for part in *parts {
                let (name, clips, eer) = (&part.name, part.clips, percent(part.eer));
                writeln!(text, "| {name} | {clips} | {eer} | {:.3} |", part.auc)
                    .expect("writing to a string cannot fail");
            }
        }
        report::attacks_table(&mut text, &self.attacks, "");
        text
    }
}

/// One fold that tests every clip.
fn everything(corpus: &Corpus) -> Fold {
    Fold {
        group: "all".into(),
        part: 0,
        train: Vec::new(),
        test: (0..corpus.clips.len()).collect(),
    }
}

/// What is drawn of all scores, as of one fold that tests every clip.
fn drawn(model: &Model, corpus: &Corpus, scores: &[f64], seed: u64) -> Figures {
    Figures::new(&Scored {
        protocol: None,
        clips: &corpus.clips,
        recordings: &corpus.recordings,
        chains: &[],
        folds: &[everything(corpus)],
        scores: &[scores.to_vec()],
        threshold: model.info().threshold,
        seed,
    })
}

fn write_scores(
    options: &ScoreOptions,
    clips: &[Clip],
    scores: &[f64],
) -> Result<(), TrainingError> {
    let word = |clip: &Clip| {
        if clip.label == Label::Ai {
            "ai"
        } else {
            "human"
        }
    };
    if let Some(path) = &options.scores {
        let rows = clips.iter().zip(scores);
        let rows = rows.map(|(clip, p)| [clip.file.clone(), word(clip).into(), p.to_string()]);
        let header = ["file", "label", "score"].map(String::from);
        write_rows(path, b',', std::iter::once(header).chain(rows))?;
    }
    if let Some(path) = &options.scores_arena {
        let rows = clips.iter().zip(scores);
        let rows = rows.map(|(clip, p)| [clip.file.clone(), (1.0 - p).to_string()]);
        write_rows(path, b' ', rows)?;
    }
    Ok(())
}

fn write_rows<const N: usize>(
    path: &Path,
    delimiter: u8,
    rows: impl Iterator<Item = [String; N]>,
) -> Result<(), TrainingError> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_path(path)
        .map_err(|e| TrainingError::csv(path, &e))?;
    for row in rows {
        writer
            .write_record(row)
            .map_err(|e| TrainingError::csv(path, &e))?;
    }
    writer.flush().map_err(|e| TrainingError::io(path, &e))
}
