//! What test clips went through before they were scored: nothing, or a channel.

use std::fmt::Write as _;
use std::path::Path;

use super::TrainingError;
use super::corpus::Corpus;
use super::figures::Figures;
use super::metrics::Interval;
use super::protocol::{Fold, Protocol};
use super::summary::{Part, Pooled, ProtocolReport};
use crate::model::log_odds;

/// Name of the condition of clips as they are.
pub const RECORDED: &str = "recorded";

/// Figures of test clips that passed a channel; the models are those of the [`ProtocolReport`] that this is a part of.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Through {
    /// Name of the channel's preset.
    pub channel: &'static str,
    /// EER, as in the report.
    pub eer: Interval,
    /// AUC, likewise.
    pub auc: Interval,
    /// Figures of the probabilities of all folds together.
    pub pooled: Pooled,
    /// By kind of engine.
    pub kinds: Vec<Part>,
    /// By family or corpus that was left out.
    pub groups: Vec<Part>,
    /// What is drawn and listed of all folds together.
    pub figures: Figures,
}

impl Through {
    /// The figures of `report`, whose clips passed `channel`.
    pub(super) fn new(channel: &'static str, report: ProtocolReport) -> Self {
        Self {
            channel,
            eer: report.eer,
            auc: report.auc,
            pooled: report.pooled,
            kinds: report.kinds,
            groups: report.groups,
            figures: report.figures,
        }
    }
}

/// Appends the scores of one condition, shape `[folds][clips tested]`, to the CSV of all.
pub(super) fn write_scores<R>(
    text: &mut String,
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    scored: &[Vec<f64>],
    condition: &str,
) {
    for (fold, scores) in folds.iter().zip(scored) {
        for (&index, score) in fold.test.iter().zip(scores) {
            let (group, part, clip) = (&fold.group, fold.part, &corpus.clips[index]);
            let label = if clip.is_ai() { "ai" } else { "human" };
            let row = writeln!(
                text,
                "{},{group},{part},\"{}\",{label},{score},{condition}",
                protocol.name(),
                clip.file
            );
            row.expect("writing to a string cannot fail");
        }
    }
}

/// First line of a CSV of scores.
pub(super) const HEADER: &str = "protocol,group,part,file,label,score,condition\n";

/// A row of a CSV of scores.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub(super) struct ScoreRow {
    /// Name of the protocol.
    pub protocol: String,
    /// What the fold leaves out.
    pub group: String,
    /// Which of the divisions that leave it out.
    pub part: usize,
    /// The clip.
    pub file: String,
    /// `ai` or `human`.
    pub label: String,
    /// P(AI), 0.0..=1.0.
    pub score: f64,
    /// [`RECORDED`], or the channel's name.
    pub condition: String,
}

impl ScoreRow {
    /// The score as log-odds, finite.
    pub(super) fn log_odds(&self) -> f64 {
        log_odds(self.score)
    }
}

/// Reads a CSV of scores.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be read, [`TrainingError::Manifest`] if a column is missing or a score is not
/// a probability.
pub(super) fn read_scores(path: &Path) -> Result<Vec<ScoreRow>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let mut rows = Vec::new();
    for (number, row) in reader.deserialize().enumerate() {
        let row: ScoreRow = row.map_err(|e| TrainingError::csv(path, &e))?;
        if !(0.0..=1.0).contains(&row.score) {
            return Err(TrainingError::Manifest {
                file: path.to_path_buf(),
                line: number as u64 + 2,
                column: "score".into(),
                problem: format!("'{}' is not a number of 0 to 1", row.score),
            });
        }
        rows.push(row);
    }
    Ok(rows)
}
