//! Which clips a mini-batch is made of.
//!
//! Half of it is synthetic. Within a class, a clip is drawn with a probability proportional to `n^-0.5`, where `n` clips
//! share its engine family or recording source: between all clips alike, where the largest corpus would be most of what
//! is heard, and all groups alike, where the few clips of a small one would be learnt by heart. The class that is more of a
//! language is drawn there less often.

use super::super::TrainingError;
use super::super::rng::Rng;
use super::super::weights::weights;

/// Probability that a clip is heard as recorded and not as one of its copies.
const RECORDED: f64 = 0.5;

/// Clips of a group to this power are what one of them weighs.
const POWER: f64 = -0.5;

/// Share of a class that a language is taken to have of it besides its own, see [`weights`].
const SPARE: f64 = 0.002;

/// Draws clips.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Of the human and of the synthetic clips: their places, with the weights of all up to each.
    classes: [Vec<(usize, f64)>; 2],
}

impl Sampler {
    /// For clips of those classes, groups (engine family or human source) and languages, shape `[n]`; `evened` is how
    /// far the classes are drawn alike within a language, 0 to 1: the strength of [`weights`].
    ///
    /// # Errors
    /// [`TrainingError::Fit`] if a class has no clip.
    pub fn new(
        is_ai: &[bool],
        groups: &[&str],
        languages: &[&str],
        evened: f64,
    ) -> Result<Self, TrainingError> {
        // A class weighs half of all clips.
        let spare = SPARE * is_ai.len() as f64 / 2.0;
        let weights = weights(is_ai, groups, languages, POWER, spare, evened);
        let class = |ai: bool| {
            let mut total = 0.0;
            let members = (0..is_ai.len()).filter(|&i| is_ai[i] == ai);
            let summed = members.map(|i| {
                total += weights[i];
                (i, total)
            });
            summed.collect::<Vec<_>>()
        };
        let classes = [class(false), class(true)];
        if classes.iter().any(Vec::is_empty) {
            return Err(TrainingError::Fit("both classes are needed".into()));
        }
        Ok(Self { classes })
    }

    /// A clip of a class.
    pub fn draw(&self, ai: bool, rng: &mut Rng) -> usize {
        let class = &self.classes[usize::from(ai)];
        let total = class.last().map_or(0.0, |(_, total)| *total);
        let point = rng.unit() * total;
        let place = class.partition_point(|(_, total)| *total <= point);
        class[place.min(class.len() - 1)].0
    }
}

/// Which of a clip's variants is heard, of the recorded one, number 0, and `copies` copies.
pub fn variant(copies: usize, rng: &mut Rng) -> usize {
    if copies == 0 || rng.unit() < RECORDED {
        0
    } else {
        1 + rng.below(copies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_drawn_by_the_root_of_their_size() {
        // A family of 16 clips and one of 4: 16 / 4 to 4 / 2 is 2 to 1.
        let groups: Vec<&str> = (0..21)
            .map(|i| {
                if i < 16 {
                    "large"
                } else if i < 20 {
                    "small"
                } else {
                    "human"
                }
            })
            .collect();
        let is_ai: Vec<bool> = (0..21).map(|i| i < 20).collect();
        let sampler = Sampler::new(&is_ai, &groups, &["en"; 21], 0.0).unwrap();
        let mut rng = Rng::new(1, 1);
        let large = (0..30_000)
            .filter(|_| sampler.draw(true, &mut rng) < 16)
            .count();
        assert!(
            (large as f64 / 30_000.0 - 2.0 / 3.0).abs() < 0.01,
            "{large}"
        );
        assert_eq!(sampler.draw(false, &mut rng), 20);
        assert!(Sampler::new(&[true], &["large"], &["en"], 0.0).is_err());
    }

    #[test]
    fn classes_are_evened_out_within_languages() {
        // Half of the synthetic clips are Tamil, which no person speaks here.
        let is_ai = [true, true, false];
        let languages = ["ta", "en", "en"];
        let tamil = |evened: f64| {
            let sampler = Sampler::new(&is_ai, &["a", "b", "human"], &languages, evened).unwrap();
            let mut rng = Rng::new(1, 1);
            let drawn = (0..40_000).filter(|_| sampler.draw(true, &mut rng) == 0);
            drawn.count() as f64 / 40_000.0
        };
        // Weighs the root of 0.002 to 0.502 of its half.
        let weight = 0.5 * f64::sqrt(0.002 / 0.502);
        assert!((tamil(0.0) - 0.5).abs() < 0.01);
        assert!((tamil(0.5) - weight / (weight + 0.5)).abs() < 0.005);
    }

    #[test]
    fn half_of_the_draws_are_as_recorded() {
        let mut rng = Rng::new(1, 1);
        let mut drawn = [0; 3];
        (0..20_000).for_each(|_| drawn[variant(2, &mut rng)] += 1);
        for (count, share) in drawn.iter().zip([0.5, 0.25, 0.25]) {
            assert!(
                (f64::from(*count) / 20_000.0 - share).abs() < 0.02,
                "{drawn:?}"
            );
        }
        assert_eq!(variant(0, &mut rng), 0);
    }
}
