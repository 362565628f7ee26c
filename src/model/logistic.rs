//! A linear model served as it was fitted: one weight a feature and a bias.

use wincode::{SchemaRead, SchemaWrite};

/// The score `w . z + b` of standardised values `z`: the log-odds of AI where nothing calibrates it.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Logistic {
    /// Weight of each standardised feature, shape `[features]`.
    pub weights: Vec<f64>,
    /// Score of a clip whose features are all average.
    pub bias: f64,
}

impl Logistic {
    /// Score of standardised values `x`, shape `[features]`. A value that is not finite counts as
    /// average: a feature that could not be computed should say nothing.
    #[must_use]
    pub fn score(&self, x: &[f32]) -> f64 {
        let terms = self.weights.iter().zip(x);
        let known = terms.filter(|(_, x)| x.is_finite());
        known.fold(self.bias, |sum, (w, &x)| sum + w * f64::from(x))
    }

    /// Shares of the score of `x` by ranges of features that end at `ends`: with the bias they sum to it. The mean of each
    /// over the training is 0, for standardised values have that mean.
    pub(super) fn shares(&self, x: &[f32], ends: &[usize]) -> Vec<f64> {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let share = |(start, &end): (usize, &usize)| {
            let terms = self.weights[start..end].iter().zip(&x[start..end]);
            let known = terms.filter(|(_, x)| x.is_finite());
            known.map(|(w, &x)| w * f64::from(x)).sum()
        };
        starts.zip(ends).map(share).collect()
    }

    /// What makes the scores meaningless, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        if !self.bias.is_finite() {
            return Some("the bias is not a finite number".into());
        }
        let bad = self.weights.iter().position(|w| !w.is_finite())?;
        Some(format!(
            "the weight of feature {bad} is not a finite number"
        ))
    }
}
