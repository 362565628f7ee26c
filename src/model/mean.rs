//! The verdict on several pieces of one recording: that of their mean log-odds.

use super::Calibration;

/// Probabilities are kept this far from 0 and 1 before their logarithms are taken.
const EDGE: f64 = 1e-12;

/// Log-odds (natural) of a P(AI), finite.
#[must_use]
pub fn log_odds(ai_probability: f64) -> f64 {
    let p = ai_probability.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

/// The weighted mean of the log-odds of calibrated P(AI), piece by piece.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MeanLogOdds {
    sum: f64,
    weight: f64,
}

impl MeanLogOdds {
    /// Adds a piece of this P(AI) and `weight`, 0 or more.
    pub fn add(&mut self, ai_probability: f64, weight: f64) {
        self.sum += log_odds(ai_probability) * weight;
        self.weight += weight;
    }

    /// What was added up so far.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// P(AI) of the mean: 0.0..=1.0; `None` without any weight.
    #[must_use]
    pub fn ai_probability(&self) -> Option<f64> {
        let mean = self.sum / self.weight;
        (self.weight > 0.0).then(|| Calibration::LOG_ODDS.probability(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_weighted_mean_and_finite() {
        let mut mean = MeanLogOdds::default();
        assert_eq!(mean.ai_probability(), None);
        mean.add(0.9, 1.0);
        mean.add(0.1, 1.0);
        assert!((mean.ai_probability().unwrap() - 0.5).abs() < 1e-12);
        mean.add(0.9, 2.0);
        // Half of the log-odds of 9 to 1.
        assert!((mean.ai_probability().unwrap() - 0.75).abs() < 1e-12);
        mean.add(1.0, 1.0);
        mean.add(0.0, 1.0);
        assert!(mean.ai_probability().unwrap().is_finite());
        assert_eq!(mean.weight(), 6.0);
    }
}
