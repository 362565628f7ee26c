//! The learning curve: how the error falls with the number of engine families that a model learns from.
//!
//! The folds of [`Protocol::Grouped`](super::Protocol::Grouped), with an eighth, a quarter, half and all of the families
//! that each trains on; human clips and the tested clips stay the same. The families of a smaller share are among those of
//! a larger one.

use std::collections::BTreeSet;

use super::TrainingError;
use super::corpus::Corpus;
use super::evaluate::Scores;
use super::manifest::Clip;
use super::metrics::Interval;
use super::protocol::{Fold, Protocol};
use super::rng::Rng;
use super::summary::sum_up;

/// Shares of the families, one over these.
const DIVISORS: [usize; 4] = [8, 4, 2, 1];

/// What models found that learned from a share of the families.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Point {
    /// Share of the engine families.
    pub share: f64,
    /// Families that a model learned from, mean over folds.
    pub families: f64,
    /// Synthetic clips of those, mean over folds.
    pub clips: f64,
    /// EER as the protocol `grouped` reports it: mean over the families that were left out.
    pub eer: Interval,
}

/// The points, from the smallest share to all: `judge` fits a model for each fold and scores its test clips, as recorded.
pub(super) fn points<R>(
    corpus: &Corpus<R>,
    folds: &[Fold],
    seed: u64,
    judge: &impl Fn(Protocol, &[Fold], &[&[R]]) -> Result<Scores, TrainingError>,
) -> Result<Vec<Point>, TrainingError> {
    let protocol = Protocol::Grouped;
    let point = |divisor| {
        let folds = with_fewer_families(&corpus.clips, folds, divisor, seed);
        let scores = judge(protocol, &folds, &[&corpus.rows])?;
        let scored: Vec<Vec<f64>> = scores.into_iter().flatten().collect();
        let eer = sum_up(protocol, &corpus.clips, &folds, &scored, seed).eer;
        Ok(Point::new(&corpus.clips, &folds, divisor, eer))
    };
    DIVISORS.into_iter().map(point).collect()
}

impl Point {
    /// The point of models that were fitted to `folds`.
    fn new(clips: &[Clip], folds: &[Fold], divisor: usize, eer: Interval) -> Self {
        let mean = |of: &dyn Fn(&Fold) -> usize| {
            folds.iter().map(of).sum::<usize>() as f64 / folds.len() as f64
        };
        let trained = |fold: &Fold| fold.train.iter().filter(|&&i| clips[i].is_ai()).count();
        Self {
            share: 1.0 / divisor as f64,
            families: mean(&|fold| families(clips, fold).len()),
            clips: mean(&trained),
            eer,
        }
    }
}

/// Families of the synthetic clips that a fold trains on.
fn families<'a>(clips: &'a [Clip], fold: &Fold) -> BTreeSet<&'a str> {
    let trained = fold.train.iter().map(|&i| &clips[i]);
    let synthetic = trained.filter(|clip| clip.is_ai());
    synthetic.map(|clip| clip.family.as_str()).collect()
}

/// The folds with one over `divisor` of the engine families left to learn from, at least one. Which ones depends on `seed`
/// and on the fold alone.
fn with_fewer_families(clips: &[Clip], folds: &[Fold], divisor: usize, seed: u64) -> Vec<Fold> {
    let fewer = |fold: &Fold| {
        let mut order: Vec<&str> = families(clips, fold).into_iter().collect();
        Rng::new(seed, 0x1ea2 + fold.part as u64).shuffle(&mut order);
        order.truncate(order.len().div_ceil(divisor));
        let kept = |&&index: &&usize| {
            let clip = &clips[index];
            !clip.is_ai() || order.contains(&clip.family.as_str())
        };
        Fold {
            train: fold.train.iter().filter(kept).copied().collect(),
            ..fold.clone()
        }
    };
    folds.iter().map(fewer).collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Label;
    use super::super::metrics::mean_interval;
    use super::*;

    /// Clips 0 to 9 are human, 10 to 29 synthetic of ten families.
    fn clips() -> Vec<Clip> {
        let clip = |i: usize| {
            if i < 10 {
                Clip::new(format!("{i}.mp3"), Label::Human)
            } else {
                Clip {
                    family: format!("f{}", i % 10),
                    ..Clip::new(format!("{i}.mp3"), Label::Ai)
                }
            }
        };
        (0..30).map(clip).collect()
    }

    fn fold(part: usize) -> Fold {
        // One family and one human clip are tested.
        let tested = |i: &usize| i % 10 == part;
        Fold {
            group: "all".into(),
            part,
            train: (0..30).filter(|i| !tested(i)).collect(),
            test: (0..30).filter(tested).collect(),
        }
    }

    #[test]
    fn smaller_shares_of_the_families_stand_within_larger_ones() {
        let (clips, folds) = (clips(), [fold(0), fold(3)]);
        let mut larger: Option<Vec<Fold>> = None;
        for (divisor, count) in [(1, 9), (2, 5), (4, 3), (8, 2), (100, 1)] {
            let fewer = with_fewer_families(&clips, &folds, divisor, 42);
            assert_eq!(fewer, with_fewer_families(&clips, &folds, divisor, 42));
            for (place, fold) in fewer.iter().enumerate() {
                assert_eq!(families(&clips, fold).len(), count);
                assert_eq!(fold.test, folds[place].test);
                let human = fold.train.iter().filter(|&&i| i < 10).count();
                // All clips of a family stay together.
                assert_eq!((human, fold.train.len()), (9, 9 + 2 * count));
                if let Some(larger) = &larger {
                    assert!(fold.train.iter().all(|i| larger[place].train.contains(i)));
                }
            }
            larger = Some(fewer);
        }
        assert_eq!(with_fewer_families(&clips, &folds, 1, 42), folds);
        let other = |seed| with_fewer_families(&clips, &folds, 4, seed);
        assert!((43..48).any(|seed| other(seed) != other(42)));
    }

    #[test]
    fn a_point_counts_what_was_learned_from() {
        let (clips, folds) = (clips(), [fold(0), fold(3)]);
        let fewer = with_fewer_families(&clips, &folds, 2, 42);
        let eer = mean_interval(&[0.25], 42);
        let point = Point::new(&clips, &fewer, 2, eer);
        assert_eq!((point.share, point.families, point.clips), (0.5, 5.0, 10.0));
        assert_eq!(point.eer.value, 0.25);
    }
}
