//! Standardisation of feature values: the first stage of every estimator.

use wincode::{SchemaRead, SchemaWrite};

/// `z = (x - mean) / scale`, feature by feature, as scikit-learn's `StandardScaler`.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Scaler {
    /// Mean of each feature over the training set, shape `[features]`.
    pub mean: Vec<f64>,
    /// Standard deviation (population, `ddof = 0`) of each feature, shape `[features]`; 1 where a
    /// feature is constant. Never zero.
    pub scale: Vec<f64>,
}

impl Scaler {
    /// Learns mean and deviation of `rows`, shape `[n][features]`, all of one length.
    ///
    /// The deviation is computed in two passes, so that large means (roll-off is in the thousands
    /// of hertz) cost no digits.
    #[must_use]
    pub fn fit(rows: &[&[f64]]) -> Self {
        let features = rows.first().map_or(0, |row| row.len());
        let count = rows.len().max(1) as f64;
        let mut mean = vec![0.0; features];
        for row in rows {
            for (m, x) in mean.iter_mut().zip(*row) {
                *m += x / count;
            }
        }
        let mut scale = vec![0.0; features];
        for row in rows {
            for ((s, m), x) in scale.iter_mut().zip(&mean).zip(*row) {
                *s += (x - m) * (x - m) / count;
            }
        }
        for (s, m) in scale.iter_mut().zip(&mean) {
            *s = s.sqrt();
            // A constant feature leaves only rounding noise; dividing by it would blow it up.
            if *s <= 10.0 * f64::EPSILON * m.abs() {
                *s = 1.0;
            }
        }
        Self { mean, scale }
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// Standardises `values`, shape `[features]`, into `out`.
    ///
    /// The result is `f32`, as scikit-learn's trees compare in `f32`: training and serving must
    /// round alike, or a value on a threshold would take another branch.
    pub fn transform(&self, values: &[f64], out: &mut Vec<f32>) {
        out.clear();
        let standardised = values.iter().zip(&self.mean).zip(&self.scale);
        out.extend(standardised.map(|((x, mean), scale)| ((x - mean) / scale) as f32));
    }

    /// What makes the scaler unusable, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        if self.mean.len() != self.scale.len() {
            return Some(format!(
                "{} means but {} scales",
                self.mean.len(),
                self.scale.len()
            ));
        }
        let usable = |&(m, s): &(&f64, &f64)| m.is_finite() && s.is_finite() && *s > 0.0;
        let bad = self
            .mean
            .iter()
            .zip(&self.scale)
            .position(|pair| !usable(&pair))?;
        Some(format!(
            "mean or scale of feature {bad} is not a usable number"
        ))
    }
}
