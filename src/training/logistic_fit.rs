//! Fitting the logistic regression: bounds, scaler, then Newton's method.
//!
//! The objective is scikit-learn's (user guide, "Binary case", 1.3), with the bias left alone:
//!
//! ```text
//! |w|^2 / 2  +  C * sum_i s_i * log(1 + exp(-y_i * (w . z_i + b))),   y_i = -1 or 1
//! ```
//!
//! Each Newton step is solved by conjugate gradients (Lin, Weng and Keerthi, "Trust region Newton
//! method for large-scale logistic regression", 2008, with backtracking in place of the trust
//! region). On standardised features the penalty keeps the Hessian well conditioned, so a step takes
//! some ten passes over the rows, where a Cholesky factor of it would take hundreds: the strict
//! protocol fits this model 1,752 times.

use rayon::prelude::*;

use super::{TrainingError, calibrate};
use crate::model::{Bounds, Estimator, Logistic, Pipeline, Scaler};

/// Part of each feature's values that lies within the bounds: 0.5 % are cut off on either side.
pub(super) const COVERAGE: f64 = 0.99;
/// The largest component of the gradient at the end. The penalty makes the objective curve by at
/// least 1 along each weight, so no weight is further than about this from its optimum.
const TOLERANCE: f64 = 1e-7;
/// Newton steps before giving up; about eight are usual.
const MAX_STEPS: usize = 200;

/// What the clips of a class weigh against each other; both classes always weigh the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// All clips of a class alike: scikit-learn's `class_weight="balanced"`.
    #[default]
    Classes,
    /// All engine families, and all human sources, alike, however many clips each has.
    Groups,
}

impl Weighting {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Classes, Self::Groups];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classes => "classes",
            Self::Groups => "groups",
        }
    }

    /// The weighting of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|weighting| weighting.name() == name)
    }

    /// Weight of each clip, shape `[n]`; they sum to `n`, half of it in each class. `is_ai` and
    /// `groups` (family or source) have shape `[n]`.
    #[must_use]
    pub fn weights(self, is_ai: &[bool], groups: &[&str]) -> Vec<f64> {
        let key = |i: usize| match self {
            Self::Classes => (is_ai[i], ""),
            Self::Groups => (is_ai[i], groups[i]),
        };
        let mut counts = std::collections::BTreeMap::new();
        (0..is_ai.len()).for_each(|i| *counts.entry(key(i)).or_insert(0.0) += 1.0);
        let groups_of = |ai: bool| counts.keys().filter(|key| key.0 == ai).count() as f64;
        let share = [false, true].map(|ai| is_ai.len() as f64 / 2.0 / groups_of(ai));
        (0..is_ai.len())
            .map(|i| share[usize::from(is_ai[i])] / counts[&key(i)])
            .collect()
    }
}

/// Settings of the logistic regression.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LogisticSettings {
    /// Inverse strength of the regularisation, above 0: scikit-learn's `C`.
    pub c: f64,
    /// What the clips weigh.
    pub weighting: Weighting,
}

impl Default for LogisticSettings {
    /// The settings of the study that the figures are compared with.
    fn default() -> Self {
        Self {
            c: 0.001,
            weighting: Weighting::default(),
        }
    }
}

impl std::fmt::Display for LogisticSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "L2, C {}, balanced over {}, values clipped to their 0.5th and 99.5th percentile, \
             calibrated on {} folds grouped by family and source",
            self.c,
            self.weighting.name(),
            calibrate::FOLDS
        )
    }
}

/// Fits all stages to `rows`, shape `[n][features]`, with `is_ai` and `groups` (engine family or
/// human source), shape `[n]`. The calibration is fitted on scores of clips whose group the scoring
/// model has not seen.
///
/// # Errors
/// [`TrainingError::Fit`] if the solver does not converge.
pub fn fit(
    rows: &[&[f64]],
    is_ai: &[bool],
    groups: &[&str],
    settings: &LogisticSettings,
) -> Result<Pipeline, TrainingError> {
    let all: Vec<usize> = (0..rows.len()).collect();
    let part_of = calibrate::grouped_folds(is_ai, groups);
    let held_out: Result<Vec<_>, TrainingError> = (0..calibrate::FOLDS)
        .into_par_iter()
        .map(|part| {
            let (test, train): (Vec<usize>, Vec<usize>) =
                all.iter().partition(|&&i| part_of[i] == part);
            if test.is_empty() {
                return Ok(Vec::new());
            }
            let pipeline = fit_uncalibrated(rows, is_ai, groups, &train, settings)?;
            Ok(test
                .iter()
                .map(|&i| (i, pipeline.score(rows[i])))
                .collect::<Vec<_>>())
        })
        .collect();
    let mut scores = vec![0.0; rows.len()];
    for (i, score) in held_out?.into_iter().flatten() {
        scores[i] = score;
    }
    let mut pipeline = fit_uncalibrated(rows, is_ai, groups, &all, settings)?;
    pipeline.calibration = Some(calibrate::platt(&scores, is_ai));
    Ok(pipeline)
}

/// Fits bounds, scaler and weights to the clips `chosen`.
fn fit_uncalibrated(
    rows: &[&[f64]],
    is_ai: &[bool],
    groups: &[&str],
    chosen: &[usize],
    settings: &LogisticSettings,
) -> Result<Pipeline, TrainingError> {
    let rows: Vec<&[f64]> = chosen.iter().map(|&i| rows[i]).collect();
    let is_ai: Vec<bool> = chosen.iter().map(|&i| is_ai[i]).collect();
    let groups: Vec<&str> = chosen.iter().map(|&i| groups[i]).collect();
    let bounds = Bounds::fit(&rows, COVERAGE);
    let clip = |row: &&[f64]| {
        let mut row = row.to_vec();
        bounds.clip(&mut row);
        row
    };
    let mut clipped: Vec<Vec<f64>> = rows.iter().map(clip).collect();
    let scaler = Scaler::fit(&clipped.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for row in &mut clipped {
        for ((x, mean), scale) in row.iter_mut().zip(&scaler.mean).zip(&scaler.scale) {
            *x = (*x - mean) / scale;
        }
    }
    let weights = settings.weighting.weights(&is_ai, &groups);
    let logistic = solve(&clipped, &is_ai, &weights, settings.c)?;
    Ok(Pipeline {
        bounds: Some(bounds),
        scaler,
        estimator: Estimator::Logistic(logistic),
        calibration: None,
    })
}

/// Minimises the objective for `rows` of standardised values, shape `[n][features]`, with `is_ai`
/// and the clips' weights `s`, shape `[n]`.
///
/// # Errors
/// [`TrainingError::Fit`] if the values are not finite or the minimum is not found.
pub fn solve(
    rows: &[Vec<f64>],
    is_ai: &[bool],
    weights: &[f64],
    c: f64,
) -> Result<Logistic, TrainingError> {
    let problem = Problem::new(rows, is_ai, weights, c);
    let width = problem.width;
    // The last component is the bias.
    let mut w = vec![0.0; width];
    let mut scores = vec![0.0; rows.len()];
    let mut loss = problem.objective(&w, &scores);
    for _ in 0..MAX_STEPS {
        let (gradient, curvature) = problem.derivatives(&w, &scores);
        let size = gradient.iter().fold(0.0, |max: f64, g| max.max(g.abs()));
        if size <= TOLERANCE {
            let bias = w.pop().unwrap_or_default();
            return Ok(Logistic { weights: w, bias });
        }
        let step = problem.newton_step(&gradient, &curvature);
        let slope = dot(&gradient, &step);
        let along: Vec<f64> = problem.rows().map(|row| dot(row, &step)).collect();
        let mut length = 1.0;
        loop {
            let next_w = moved(&w, &step, length);
            let next_scores = moved(&scores, &along, length);
            let next = problem.objective(&next_w, &next_scores);
            // Close to the minimum a step gains less than the sum's rounding.
            if next <= loss + 1e-4 * length * slope + 1e-13 * loss.abs() {
                (w, scores, loss) = (next_w, next_scores, next);
                break;
            }
            length /= 2.0;
            if length < 1e-10 {
                return Err(TrainingError::Fit(format!(
                    "no descent along a Newton step; the gradient is {size:e}"
                )));
            }
        }
    }
    Err(TrainingError::Fit(format!(
        "the logistic regression did not converge in {MAX_STEPS} Newton steps"
    )))
}

/// `x + length * direction`.
fn moved(x: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    x.iter()
        .zip(direction)
        .map(|(x, d)| x + length * d)
        .collect()
}

/// The data of a fit: rows end in a 1 that the bias is the weight of.
struct Problem<'a> {
    x: Vec<f64>,
    width: usize,
    is_ai: &'a [bool],
    /// `C * s_i`.
    weights: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(rows: &[Vec<f64>], is_ai: &'a [bool], weights: &[f64], c: f64) -> Self {
        let width = rows.first().map_or(0, Vec::len) + 1;
        let mut x = Vec::with_capacity(rows.len() * width);
        for row in rows {
            x.extend(row);
            x.push(1.0);
        }
        let weights = weights.iter().map(|s| c * s).collect();
        Self {
            x,
            width,
            is_ai,
            weights,
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.x.chunks_exact(self.width)
    }

    /// The objective at `w`, whose scores are `scores`.
    fn objective(&self, w: &[f64], scores: &[f64]) -> f64 {
        let penalised = &w[..self.width - 1];
        let samples = scores.iter().zip(self.is_ai).zip(&self.weights);
        let loss: f64 = samples
            .map(|((&score, &ai), s)| {
                let margin = if ai { score } else { -score };
                // log(1 + exp(-m)) without overflow.
                s * ((-margin).max(0.0) + (-margin.abs()).exp().ln_1p())
            })
            .sum();
        loss + dot(penalised, penalised) / 2.0
    }

    /// Gradient, shape `[width]`, and each row's share in the curvature, shape `[n]`.
    fn derivatives(&self, w: &[f64], scores: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut gradient = w.to_vec();
        gradient[self.width - 1] = 0.0;
        let mut curvature = Vec::with_capacity(scores.len());
        for (i, row) in self.rows().enumerate() {
            let p = 1.0 / (1.0 + (-scores[i]).exp());
            let target = f64::from(u8::from(self.is_ai[i]));
            add(&mut gradient, self.weights[i] * (p - target), row);
            curvature.push(self.weights[i] * p * (1.0 - p));
        }
        (gradient, curvature)
    }

    /// Hessian times `v`: one pass over the rows.
    fn hessian_times(&self, curvature: &[f64], v: &[f64]) -> Vec<f64> {
        let mut product = v.to_vec();
        product[self.width - 1] = 0.0;
        for (row, d) in self.rows().zip(curvature) {
            add(&mut product, d * dot(row, v), row);
        }
        product
    }

    /// Solves `Hessian * step = -gradient` by conjugate gradients, the more exactly the closer the
    /// minimum is, which keeps Newton's convergence faster than linear.
    fn newton_step(&self, gradient: &[f64], curvature: &[f64]) -> Vec<f64> {
        let norm = dot(gradient, gradient).sqrt();
        let enough = norm * norm.sqrt().clamp(1e-6, 0.1);
        let mut step = vec![0.0; self.width];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut direction = residual.clone();
        let mut squared = dot(&residual, &residual);
        for _ in 0..2 * self.width {
            if squared.sqrt() <= enough {
                break;
            }
            let product = self.hessian_times(curvature, &direction);
            let bend = dot(&direction, &product);
            if bend <= 0.0 {
                break; // rounding only: the objective is convex
            }
            let length = squared / bend;
            add(&mut step, length, &direction);
            add(&mut residual, -length, &product);
            let next = dot(&residual, &residual);
            direction = moved(&residual, &direction, next / squared);
            squared = next;
        }
        step
    }
}

/// `y += a * x`.
fn add(y: &mut [f64], a: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
}

/// Scalar product in eight partial sums: in order, one sum could not use vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}
