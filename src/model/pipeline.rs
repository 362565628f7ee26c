//! What happens between feature values and P(AI): bounds, scaler, estimator, calibration.
//!
//! Training scores with this very code, so that what is evaluated is what is served.

use wincode::{SchemaRead, SchemaWrite};

use super::{Estimator, Scaler};

/// Per-feature bounds that values are clipped to before they are standardised.
///
/// A linear score grows without limit with every feature: without bounds, one value unlike
/// anything in training (a skewness of a near-silent clip) would decide the verdict alone.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Bounds {
    /// Smallest value of each feature, shape `[features]`.
    pub low: Vec<f64>,
    /// Largest value of each feature, shape `[features]`.
    pub high: Vec<f64>,
}

impl Bounds {
    /// The `1 - coverage` outermost part of each feature of `rows`, shape `[n][features]`, is cut
    /// off, half of it on either side. Quantiles are interpolated linearly, as NumPy's `percentile`.
    #[must_use]
    pub fn fit(rows: &[&[f64]], coverage: f64) -> Self {
        let features = rows.first().map_or(0, |row| row.len());
        let tail = (1.0 - coverage) / 2.0;
        let mut bounds = Self {
            low: Vec::with_capacity(features),
            high: Vec::with_capacity(features),
        };
        let mut column = Vec::with_capacity(rows.len());
        for feature in 0..features {
            column.clear();
            column.extend(rows.iter().map(|row| row[feature]));
            bounds.low.push(quantile(&mut column, tail));
            bounds.high.push(quantile(&mut column, 1.0 - tail));
        }
        bounds
    }

    /// Clips `values`, shape `[features]`, in place. NaN stays NaN.
    pub fn clip(&self, values: &mut [f64]) {
        for ((value, &low), &high) in values.iter_mut().zip(&self.low).zip(&self.high) {
            *value = value.clamp(low, high);
        }
    }

    /// Share of `values`, shape `[at most features]`, that lie beyond their bounds. NaN lies within.
    #[must_use]
    pub fn outlying(&self, values: &[f64]) -> f64 {
        let bounds = self.low.iter().zip(&self.high);
        let beyond = values
            .iter()
            .zip(bounds)
            .filter(|&(value, (low, high))| value < low || value > high);
        beyond.count() as f64 / values.len().max(1) as f64
    }

    /// What makes the bounds unusable for `features` features, if anything.
    fn defect(&self, features: usize) -> Option<String> {
        if (self.low.len(), self.high.len()) != (features, features) {
            return Some(format!(
                "{} lower and {} upper bounds for {features} features",
                self.low.len(),
                self.high.len()
            ));
        }
        // `clamp` panics on bounds that are out of order or not numbers.
        let sound = |(low, high): (&f64, &f64)| low <= high;
        let bad = self
            .low
            .iter()
            .zip(&self.high)
            .position(|pair| !sound(pair))?;
        Some(format!("the bounds of feature {bad} are out of order"))
    }
}

/// Quantile of values, which are reordered: selecting is several times as fast as sorting, and this
/// runs over every feature of every fit.
fn quantile(values: &mut [f64], quantile: f64) -> f64 {
    let place = quantile * (values.len() - 1) as f64;
    let (_, &mut below, rest) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp);
    below + (above.unwrap_or(below) - below) * place.fract()
}

/// Turns an estimator's score into a probability: `1 / (1 + exp(-(slope * score + offset)))`.
///
/// Platt, "Probabilistic outputs for support vector machines", 1999; with the sign turned round, so
/// that a larger score is a larger probability.
#[derive(Debug, Clone, Copy, PartialEq, SchemaWrite, SchemaRead)]
pub struct Calibration {
    /// Steepness, above zero: the order of scores is never changed.
    pub slope: f64,
    /// Log-odds of a score of zero.
    pub offset: f64,
}

impl Calibration {
    /// What the score of a model of log-odds means by itself.
    pub const LOG_ODDS: Self = Self {
        slope: 1.0,
        offset: 0.0,
    };

    /// P(AI) of a score.
    #[must_use]
    pub fn probability(self, score: f64) -> f64 {
        1.0 / (1.0 + (-self.log_odds(score)).exp())
    }

    /// Log-odds of AI of a score.
    #[must_use]
    pub fn log_odds(self, score: f64) -> f64 {
        self.slope * score + self.offset
    }

    pub(super) fn defect(self) -> Option<String> {
        let sound = self.slope > 0.0 && self.slope.is_finite() && self.offset.is_finite();
        (!sound).then(|| "the calibration does not rise with the score".into())
    }
}

/// All stages from feature values to P(AI).
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Bounds of the values; absent in artifacts of format version 1.
    pub bounds: Option<Bounds>,
    /// Standardisation.
    pub scaler: Scaler,
    /// What scores.
    pub estimator: Estimator,
    /// What makes a probability of the score; where absent, the estimator's own is taken.
    pub calibration: Option<Calibration>,
}

impl Pipeline {
    /// P(AI) of `values`, shape `[features]`.
    #[must_use]
    pub fn probability(&self, values: &[f64]) -> f64 {
        let score = self.score(values);
        let calibration = self.calibration.or_else(|| self.estimator.uncalibrated());
        calibration.map_or(score, |calibration| calibration.probability(score))
    }

    /// Log-odds of AI of `values`, shape `[features]`: those of [`Pipeline::probability`], but never infinite; what an
    /// ensemble adds up.
    #[must_use]
    pub fn log_odds(&self, values: &[f64]) -> f64 {
        /// Probability that a forest is never surer than.
        const SUREST: f64 = 1.0 - 1e-4;
        let score = self.score(values);
        let calibration = self.calibration.or_else(|| self.estimator.uncalibrated());
        calibration.map_or_else(
            || {
                let p = score.clamp(1.0 - SUREST, SUREST);
                (p / (1.0 - p)).ln()
            },
            |calibration| calibration.log_odds(score),
        )
    }

    /// The estimator's score of `values`, shape `[features]`, before calibration.
    #[must_use]
    pub fn score(&self, values: &[f64]) -> f64 {
        self.estimator.score(&self.standardise(values))
    }

    /// What the estimator sees of `values`: within bounds, standardised.
    pub(super) fn standardise(&self, values: &[f64]) -> Vec<f32> {
        let mut standardised = Vec::with_capacity(values.len());
        match &self.bounds {
            Some(bounds) => {
                let mut clipped = values.to_vec();
                bounds.clip(&mut clipped);
                self.scaler.transform(&clipped, &mut standardised);
            }
            None => self.scaler.transform(values, &mut standardised),
        }
        standardised
    }

    /// What could make scoring of `features` features panic, loop or mislead, if anything.
    pub(super) fn defect(&self, features: usize) -> Option<String> {
        let bounds = self.bounds.as_ref();
        (bounds.and_then(|bounds| bounds.defect(features)))
            .or_else(|| self.scaler.defect())
            .or_else(|| self.estimator.defect())
            .or_else(|| self.calibration.and_then(Calibration::defect))
    }
}
