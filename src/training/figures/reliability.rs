//! The reliability diagram: what a probability says against what is true.

use crate::training::metrics::CALIBRATION_BINS;

/// Clips whose probability lies in one tenth.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bin {
    /// Scores of human clips.
    pub human: usize,
    /// Scores of synthetic clips.
    pub synthetic: usize,
    /// Mean P(AI), both classes weighing alike as a whole.
    pub probability: f64,
    /// Share that is synthetic, likewise.
    pub share: f64,
}

/// The bins that hold scores, rising; `scores` is P(AI). Weights are those of the calibration error, which is the mean
/// distance between probability and share, so that the diagram shows what that figure sums up.
#[must_use]
pub fn bins(scores: &[f64], is_ai: &[bool]) -> Vec<Bin> {
    let ais = is_ai.iter().filter(|&&ai| ai).count();
    let weights = [
        1.0 / (is_ai.len() - ais).max(1) as f64,
        1.0 / ais.max(1) as f64,
    ];
    let mut counts = [[0_usize; 2]; CALIBRATION_BINS];
    let mut sums = [0.0; CALIBRATION_BINS];
    for (&p, &ai) in scores.iter().zip(is_ai) {
        let bin = ((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        counts[bin][usize::from(ai)] += 1;
        sums[bin] += weights[usize::from(ai)] * p;
    }
    let filled = counts
        .iter()
        .zip(sums)
        .filter(|([human, ai], _)| human + ai > 0);
    filled
        .map(|(&[human, synthetic], sum)| {
            let (humans, ais) = (human as f64 * weights[0], synthetic as f64 * weights[1]);
            Bin {
                human,
                synthetic,
                probability: sum / (humans + ais),
                share: ais / (humans + ais),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::metrics::calibration_error;

    #[test]
    fn bins_have_the_means_and_shares_of_their_clips() {
        // Two synthetic against four human: a synthetic clip weighs twice as much.
        let scores = [0.05, 0.15, 0.12, 0.95, 0.91, 1.0];
        let is_ai = [false, true, false, false, false, true];
        let bins = bins(&scores, &is_ai);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        assert_eq!(bins.len(), 3);
        assert_eq!((bins[0].human, bins[0].synthetic), (1, 0));
        near(bins[0].probability, 0.05);
        near(bins[0].share, 0.0);
        assert_eq!((bins[1].human, bins[1].synthetic), (1, 1));
        near(bins[1].probability, (0.12 + 2.0 * 0.15) / 3.0);
        near(bins[1].share, 2.0 / 3.0);
        near(bins[2].probability, (0.95 + 0.91 + 2.0) / 4.0);
        near(bins[2].share, 0.5);

        // The calibration error is their mean distance, by weight: 1, 3 and 4 eighths.
        let mean: f64 = bins
            .iter()
            .zip([0.125, 0.375, 0.5])
            .map(|(bin, weight)| weight * (bin.probability - bin.share).abs())
            .sum();
        near(mean, calibration_error(&scores, &is_ai));
    }
}
