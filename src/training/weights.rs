//! What a clip weighs in training: classes alike, families and sources by a power of their size, and the classes evened out
//! within languages, so that a model does not learn a language of which it has heard one class more.

use std::collections::BTreeMap;

/// Weight of each row, shape `[n]`: mean 1, both classes alike, within a class (rows of the group)^`power` each, then the
/// classes evened out within languages.
///
/// `is_ai`, `groups` (engine family within a corpus or human source) and `languages` (tags; all of one tag where none is
/// known) have shape `[n]`. `spare`, in rows of mean weight and above 0, is what a language is taken to have of either class
/// besides its own: one of three synthetic clips and no human one is not to lose them. A `strength` of 0 leaves languages as
/// they are, 1 is all the way.
pub(super) fn weights<G: Ord>(
    is_ai: &[bool],
    groups: &[G],
    languages: &[&str],
    power: f64,
    spare: f64,
    strength: f64,
) -> Vec<f64> {
    let mut counts = BTreeMap::new();
    for key in is_ai.iter().zip(groups) {
        *counts.entry(key).or_insert(0.0) += 1.0;
    }
    let mut weights: Vec<f64> = is_ai
        .iter()
        .zip(groups)
        .map(|key| f64::powf(counts[&key], power))
        .collect();
    level(&mut weights, is_ai);
    even_out(&mut weights, is_ai, languages, spare, strength);
    level(&mut weights, is_ai);
    weights
}

/// Scales weights to a mean of 1, both classes alike.
fn level(weights: &mut [f64], is_ai: &[bool]) {
    let mut sums = [0.0; 2];
    for (weight, &ai) in weights.iter().zip(is_ai) {
        sums[usize::from(ai)] += weight;
    }
    let half = is_ai.len() as f64 / 2.0;
    for (weight, &ai) in weights.iter_mut().zip(is_ai) {
        *weight *= half / sums[usize::from(ai)];
    }
}

/// Takes weight from the class that has more of a language: with the weights `own` and `other` of the classes in it, its
/// rows are multiplied by `min(1, (other + spare) / (own + spare))^strength`.
fn even_out(weights: &mut [f64], is_ai: &[bool], languages: &[&str], spare: f64, strength: f64) {
    let mut sums: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for ((weight, &ai), language) in weights.iter().zip(is_ai).zip(languages) {
        sums.entry(language).or_default()[usize::from(ai)] += weight;
    }
    for ((weight, &ai), language) in weights.iter_mut().zip(is_ai).zip(languages) {
        let [human, synthetic] = sums[language].map(|sum| sum + spare);
        let ratio = if ai {
            human / synthetic
        } else {
            synthetic / human
        };
        *weight *= ratio.min(1.0).powf(strength);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_that_has_more_of_a_language_loses_the_root_of_the_ratio() {
        let is_ai = [true, true, true, false, true, false];
        let languages = ["ta", "ta", "ta", "ta", "en", "en"];
        let mut weights = [2.0, 2.0, 4.0, 1.0, 3.0, 3.0];
        even_out(&mut weights, &is_ai, &languages, 1.0, 0.5);
        // Tamil: 8 synthetic and 1 human, with the spare one 9 to 2.
        let factor = (2.0_f64 / 9.0).sqrt();
        let expected = [2.0 * factor, 2.0 * factor, 4.0 * factor, 1.0, 3.0, 3.0];
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-12, "{weights:?}");
        }
        let before = weights;
        even_out(&mut weights, &is_ai, &languages, 1.0, 0.0);
        assert_eq!(weights, before);
    }
}
