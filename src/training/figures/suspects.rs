//! The clips that are most confidently wrong: where to look for wrong labels.

use std::collections::BTreeMap;

use super::{Score, Scored};
use crate::training::manifest::Label;

/// Clips in the list.
const MOST: usize = 30;

/// A clip that the models call the other class.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Suspect {
    /// File name as the manifest has it.
    pub file: String,
    /// What the manifest calls it.
    pub label: Label,
    /// What made it.
    pub engine: String,
    /// Corpus or repository that it is from.
    pub source: String,
    /// Mean P(AI) over the models that scored it, none of which had learned from it.
    pub score: f64,
    /// How many those are.
    pub models: usize,
}

/// The clips on the wrong side of the threshold, the furthest from their label first, 30 at most.
#[must_use]
pub fn most(scored: &Scored, pooled: &[Score]) -> Vec<Suspect> {
    let mut sums: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
    for &(clip, score) in pooled {
        let (sum, models) = sums.entry(clip).or_default();
        *sum += score;
        *models += 1;
    }
    let mut wrong: Vec<(f64, Suspect)> = sums
        .into_iter()
        .map(|(index, (sum, models))| (&scored.clips[index], sum / models as f64, models))
        .filter(|(clip, score, _)| (*score > scored.threshold) != clip.is_ai())
        .map(|(clip, score, models)| {
            let suspect = Suspect {
                file: clip.file.clone(),
                label: clip.label,
                engine: clip.engine.clone(),
                source: clip.source().into(),
                score,
                models,
            };
            (if clip.is_ai() { 1.0 - score } else { score }, suspect)
        })
        .collect();
    wrong.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.file.cmp(&other.file)));
    wrong.truncate(MOST);
    wrong.into_iter().map(|(_, suspect)| suspect).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn the_wrong_ones_are_listed_by_confidence_over_all_their_scores() {
        let clips = example::clips();
        let folds = [
            example::fold(0, &[0, 1, 3, 5]),
            example::fold(1, &[0, 2, 4]),
        ];
        // Clip 0 is human: 0.9 and 0.7; clip 3 is synthetic: 0.1; clip 4 is right, clip 2 is at the threshold.
        let scores = [vec![0.9, 0.2, 0.1, 0.45], vec![0.7, 0.5, 0.6]];
        let scored = example::scored(&clips, &[], &folds, &scores);
        let found = most(&scored, &scored.pooled());
        let listed: Vec<_> = found
            .iter()
            .map(|s| (s.file.as_str(), s.label, s.models))
            .collect();
        assert_eq!(
            listed,
            [
                ("a3.mp3", Label::Ai, 1),
                ("h0.mp3", Label::Human, 2),
                ("a5.mp3", Label::Ai, 1)
            ]
        );
        assert!((found[1].score - 0.8).abs() < 1e-12);
        assert_eq!(
            (found[0].engine.as_str(), found[1].source.as_str()),
            ("f-engine", "a")
        );
    }

    #[test]
    fn no_more_than_thirty_are_listed() {
        let clips = vec![example::clips()[0].clone(); 40];
        let folds = [example::fold(0, &(0..40).collect::<Vec<_>>())];
        let scores = [vec![0.8; 40]];
        let scored = example::scored(&clips, &[], &folds, &scores);
        assert_eq!(most(&scored, &scored.pooled()).len(), 30);
    }
}
