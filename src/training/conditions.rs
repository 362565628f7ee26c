//! What test clips went through before they were scored: nothing, or a channel.

use std::fmt::Write as _;

use super::corpus::Corpus;
use super::evaluate::{Part, Pooled, ProtocolReport};
use super::figures::Figures;
use super::metrics::Interval;
use super::protocol::{Fold, Protocol};

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
