//! How the scores of both classes are spread.

use super::rounded;

/// Bins of equal width over 0.0..=1.0.
pub const BINS: usize = 25;

/// Share of each class's scores in each bin of P(AI), shape `[BINS]`; empty for a class without any.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Distribution {
    /// Of human clips.
    pub human: Vec<f64>,
    /// Of synthetic clips.
    pub synthetic: Vec<f64>,
}

impl Distribution {
    /// Of `scores`, P(AI).
    #[must_use]
    pub fn new(scores: &[f64], is_ai: &[bool]) -> Self {
        let of = |class: bool| {
            let mut counts = [0_usize; BINS];
            let chosen = scores.iter().zip(is_ai).filter(|(_, ai)| **ai == class);
            chosen.for_each(|(p, _)| counts[((p * BINS as f64) as usize).min(BINS - 1)] += 1);
            let total: usize = counts.iter().sum();
            let shares = counts
                .iter()
                .map(|&count| rounded(count as f64 / total as f64));
            if total > 0 {
                shares.collect()
            } else {
                Vec::new()
            }
        };
        Self {
            human: of(false),
            synthetic: of(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_each_class_add_up_to_one() {
        let scores = [0.0, 0.01, 0.5, 0.99, 1.0];
        let spread = Distribution::new(&scores, &[false, false, false, true, true]);
        assert_eq!(spread.human[0], 0.6667);
        assert_eq!(spread.human[12], 0.3333);
        assert_eq!(spread.human.iter().sum::<f64>(), 1.0);
        assert_eq!(spread.synthetic[BINS - 1], 1.0);
        assert_eq!(Distribution::new(&[0.3], &[true]).human, Vec::<f64>::new());
    }
}
