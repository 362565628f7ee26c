//! Evidence as a sentence, for answers that have room for one.

use crate::model::{Contribution, Evidence};

/// Contributions smaller than this, in log-odds, are not worth a word: they move an even verdict by 2 in 100.
const WORTH_A_WORD: f64 = 0.1;
/// Most aspects that are named on either side.
const MOST: usize = 3;

/// Which aspects of the speech spoke for synthetic speech and which against, the strongest first; in English.
///
/// Only what [`Evidence`] holds is said: an aspect is named if it moves the log-odds by at least 0.1, at most three a side.
#[must_use]
pub fn sentence(evidence: &Evidence) -> String {
    let named = |speaks: fn(f64) -> bool| -> Vec<&str> {
        let contributions = evidence.contributions.iter();
        contributions
            .filter(|c| speaks(c.contribution) && c.contribution.abs() >= WORTH_A_WORD)
            .map(aspect)
            .take(MOST)
            .collect()
    };
    let side = |names: Vec<&str>| match names.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    };
    let (for_ai, against) = (named(|c| c > 0.0), named(|c| c < 0.0));
    match (for_ai.is_empty(), against.is_empty()) {
        (true, true) => {
            "Nothing in the recording speaks clearly for synthetic or human speech.".into()
        }
        (false, true) => format!("Speaks for synthetic speech: {}.", side(for_ai)),
        (true, false) => format!("Speaks for human speech: {}.", side(against)),
        (false, false) => format!(
            "Speaks for synthetic speech: {}; for human speech: {}.",
            side(for_ai),
            side(against)
        ),
    }
}

/// The aspect's name in words: what stands before the colon of its meaning.
fn aspect(contribution: &Contribution) -> &'static str {
    let meaning = contribution.meaning;
    meaning.split_once(':').map_or(meaning, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureSet;

    fn evidence(contributions: &[f64]) -> Evidence {
        let aspects = FeatureSet::Artefact.aspects().iter();
        Evidence {
            baseline: 0.0,
            contributions: aspects
                .zip(contributions)
                .map(|(aspect, &contribution)| Contribution {
                    group: aspect.name,
                    meaning: aspect.meaning,
                    contribution,
                })
                .collect(),
        }
    }

    #[test]
    fn the_strongest_of_each_side_are_named() {
        let both = evidence(&[1.5, 1.0, -0.9, 0.8, 0.7, -0.05]);
        assert_eq!(
            sentence(&both),
            "Speaks for synthetic speech: spectral dynamics, modulation and spectral texture; for human speech: pitch \
             micro-variation."
        );
        assert_eq!(
            sentence(&evidence(&[-0.4, -0.3])),
            "Speaks for human speech: spectral dynamics and modulation."
        );
        assert_eq!(
            sentence(&evidence(&[0.4, 0.01])),
            "Speaks for synthetic speech: spectral dynamics."
        );
        assert!(sentence(&evidence(&[0.05, -0.09])).starts_with("Nothing"));
    }
}
