//! Calibration: out-of-fold scores in, the sigmoid that makes probabilities of them out.

use super::metrics::Ranking;
use super::protocol::{balanced, counts};
use crate::model::Calibration;

/// Folds of the scores that a calibration is fitted on.
pub const FOLDS: usize = 5;
/// How often a clip as recorded counts where a calibration sees it through a channel too, or the mean of its copies, once.
/// Scores are further apart as recorded: counted alike, probabilities would be too near 0.5 there, with 0.5 off the EER
/// point of what is mostly judged.
pub const RECORDED_TIMES: usize = 2;

/// The fold of each clip, shape `[n]`, below [`FOLDS`]: clips of one group (engine family or human
/// source) share it, and each class is spread over the folds on its own. A class of a single group
/// cannot be divided by group and is divided clip by clip.
#[must_use]
pub fn grouped_folds(is_ai: &[bool], groups: &[&str]) -> Vec<usize> {
    grouped_into(FOLDS, is_ai, groups)
}

/// As [`grouped_folds`], of `folds` folds.
#[must_use]
pub fn grouped_into(folds: usize, is_ai: &[bool], groups: &[&str]) -> Vec<usize> {
    let mut part_of = vec![0; is_ai.len()];
    for class in [false, true] {
        let members = || (0..is_ai.len()).filter(move |&i| is_ai[i] == class);
        let sizes = counts(members().map(|i| groups[i]));
        if sizes.len() < 2 {
            members()
                .enumerate()
                .for_each(|(place, i)| part_of[i] = place % folds);
            continue;
        }
        for (part, names) in balanced(&sizes, folds).iter().enumerate() {
            members()
                .filter(|&i| names.contains(groups[i]))
                .for_each(|i| part_of[i] = part);
        }
    }
    part_of
}

/// Fits the sigmoid to scores and classes, shape `[n]`, with 0.5 at their EER point: the slope is
/// the most likely one among the sigmoids through that point, both classes weighing alike.
///
/// Targets are Platt's (1999), `(n + 1) / (n + 2)` and `1 / (n + 2)`, which keep the slope finite
/// where the scores separate the classes.
#[must_use]
pub fn platt(scores: &[f64], is_ai: &[bool]) -> Calibration {
    let threshold = Ranking::new(scores, is_ai).eer_threshold(scores);
    let count = |class: bool| is_ai.iter().filter(|&&ai| ai == class).count() as f64;
    let (humans, ais) = (count(false), count(true));
    let (human_target, ai_target) = (1.0 / (humans + 2.0), (ais + 1.0) / (ais + 2.0));
    let spread = scores
        .iter()
        .map(|score| (score - threshold).abs())
        .sum::<f64>()
        / scores.len().max(1) as f64;
    // The likelihood's derivative falls as the slope grows: bisection always finds its zero.
    let too_flat = |slope: f64| {
        let terms = scores.iter().zip(is_ai).map(|(score, &ai)| {
            let distance = score - threshold;
            let p = 1.0 / (1.0 + (-slope * distance).exp());
            let (target, class) = if ai {
                (ai_target, ais)
            } else {
                (human_target, humans)
            };
            (target - p) * distance / class
        });
        terms.sum::<f64>() > 0.0
    };
    // In units of the scores' spread; the lower end is what scores without meaning get.
    let unit = if spread > 0.0 { spread } else { 1.0 };
    let (mut low, mut high) = (1e-3f64, 1e3f64);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if too_flat(middle / unit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let slope = low / unit;
    Calibration {
        slope,
        offset: -slope * threshold,
    }
}
