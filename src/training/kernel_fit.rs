//! Fits the kernel machine on landmarks: a ridge regression of the classes on kernels.
//!
//! With kernels `P` of the rows to the landmarks, shape `[n][m]`, of the landmarks to each other `K`, weights `w` and
//! targets `y` of +1 (synthetic) and -1 (human), it minimises
//!
//! ```text
//! sum_i w_i (P_i c - y_i)^2 + lambda c' K c
//! ```
//!
//! the "subset of regressors" (Poggio and Girosi, "Networks for approximation and learning", Proc. IEEE 78, 1990). Leaving
//! a fold out of it takes the fold's part out of `P' W P`: the scores that the calibration is fitted on cost little.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

use super::TrainingError;
use super::calibrate;
use super::rng::Rng;
use crate::model::{Bounds, Estimator, Kernel, Pipeline, Scaler, kernel};

/// Share of each feature's values that is within its bounds.
const COVERAGE: f64 = 0.99;
/// Added to the diagonal: kernels of `f32` tell landmarks that nearly coincide apart by rounding alone.
const JITTER: f64 = 0.02;

/// Settings of the kernel machine.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KernelSettings {
    /// Landmarks, at most one a clip.
    pub landmarks: usize,
    /// Strength of the regularisation.
    pub lambda: f32,
    /// Steepness of the Gaussians, for features of unit variance: see [`Kernel`].
    pub gamma: f32,
    /// What any two clips have in common: see [`Kernel`].
    pub level: f32,
    /// A clip weighs (clips of its family or source) to this power, and the classes weigh alike.
    pub power: f64,
    /// Seed of the choice of landmarks.
    pub seed: u64,
}

impl Default for KernelSettings {
    /// What was best under the strict protocol, see `docs/research.md`.
    fn default() -> Self {
        Self {
            landmarks: 1_000,
            lambda: 0.3,
            gamma: 0.3,
            level: 0.1,
            power: -0.5,
            seed: 42,
        }
    }
}

impl fmt::Display for KernelSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} landmarks, one Gaussian for each group of features, gamma {}, lambda {}, clips weighted by (size of family \
             or source)^{}, values clipped to their 0.5th and 99.5th percentile, calibrated on {} folds grouped by family \
             and source, seed {}",
            self.landmarks,
            self.gamma,
            self.lambda,
            self.power,
            calibrate::FOLDS,
            self.seed
        )
    }
}

/// Weight of each row, shape `[n]`: mean 1, both classes alike, within a class (rows of the group)^power each.
fn weights(is_ai: &[bool], groups: &[&str], power: f64) -> Vec<f64> {
    let mut counts = BTreeMap::new();
    for key in is_ai.iter().zip(groups) {
        *counts.entry(key).or_insert(0.0) += 1.0;
    }
    let mut weights: Vec<f64> = is_ai
        .iter()
        .zip(groups)
        .map(|key| f64::powf(counts[&key], power))
        .collect();
    let mut sums = [0.0; 2];
    for (weight, &ai) in weights.iter().zip(is_ai) {
        sums[usize::from(ai)] += weight;
    }
    let half = is_ai.len() as f64 / 2.0;
    for (weight, &ai) in weights.iter_mut().zip(is_ai) {
        *weight *= half / sums[usize::from(ai)];
    }
    weights
}

/// Fits all stages to `rows`, shape `[n][features]`, of which `each` in a row belong to one clip, with `is_ai` and
/// `groups` (engine family or human source), shape `[n]`. `ends` says where each group of features ends, see
/// [`crate::features::FeatureSet::group_ends`].
///
/// # Errors
/// [`TrainingError::Fit`] if the system cannot be solved, as where a value is not finite.
pub fn fit(
    rows: &[&[f64]],
    is_ai: &[bool],
    groups: &[&str],
    each: usize,
    ends: &[usize],
    settings: &KernelSettings,
) -> Result<Pipeline, TrainingError> {
    if rows.iter().any(|row| row.iter().any(|x| !x.is_finite())) {
        return Err(TrainingError::Fit("a feature value is not finite".into()));
    }
    let bounds = Bounds::fit(rows, COVERAGE);
    let mut clipped: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
    clipped.iter_mut().for_each(|row| bounds.clip(row));
    let scaler = Scaler::fit(&clipped.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut standardised = Vec::with_capacity(rows.len());
    for row in &clipped {
        let mut z = Vec::with_capacity(row.len());
        scaler.transform(row, &mut z);
        z.iter_mut()
            .for_each(|z| *z = z.clamp(-kernel::LIMIT, kernel::LIMIT));
        standardised.push(z);
    }
    drop(clipped);
    let mut weights = weights(is_ai, groups, settings.power);
    let chosen = landmarks(&weights, each, settings);
    // Copies share their clip's weight, so that lambda means the same with and without them.
    weights.iter_mut().for_each(|w| *w /= each as f64);

    let bytes: Vec<i8> = chosen
        .iter()
        .flat_map(|&row| standardised[row].iter().map(|&z| kernel::quantise(z)))
        .collect();
    let basis: Vec<Vec<f32>> = bytes
        .chunks(scaler.features())
        .map(|landmark| landmark.iter().map(|&byte| kernel::restore(byte)).collect())
        .collect();
    let system = System::new(&standardised, &basis, &weights, is_ai, ends, settings);

    let part_of = calibrate::grouped_folds(is_ai, groups);
    let mut scores = vec![0.0; rows.len()];
    for part in 0..calibrate::FOLDS {
        let test: Vec<usize> = (0..rows.len()).filter(|&i| part_of[i] == part).collect();
        if test.is_empty() {
            continue;
        }
        let kept: Vec<usize> = (0..chosen.len())
            .filter(|&l| part_of[chosen[l]] != part)
            .collect();
        let coefficients = system.solve(&test, &kept)?;
        for &i in &test {
            let terms = kept.iter().zip(&coefficients);
            scores[i] = terms
                .map(|(&l, &c)| f64::from(system.kernels[(i, l)]) * f64::from(c))
                .sum();
        }
    }
    let all: Vec<usize> = (0..chosen.len()).collect();
    let coefficients = system.solve(&[], &all)?;
    Ok(Pipeline {
        bounds: Some(bounds),
        scaler,
        estimator: Estimator::Kernel(Kernel {
            gamma: settings.gamma,
            level: settings.level,
            ends: ends.iter().map(|&end| end as u32).collect(),
            landmarks: bytes,
            coefficients,
        }),
        calibration: Some(calibrate::platt(&scores, is_ai)),
    })
}

/// Rows that become landmarks, ascending: clips as recorded, drawn without replacement with probabilities proportional
/// to their weights (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
fn landmarks(weights: &[f64], each: usize, settings: &KernelSettings) -> Vec<usize> {
    let mut rng = Rng::new(settings.seed, 0x1a2d);
    let mut keys: Vec<(f64, usize)> = (0..weights.len())
        .step_by(each)
        .map(|row| {
            // Uniform on (0, 1]; the exponential of rate w that it is turned into is smallest where w is large.
            let uniform = (rng.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
            (-uniform.ln() / weights[row], row)
        })
        .collect();
    keys.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keys.truncate(settings.landmarks.max(1));
    let chosen: BTreeSet<usize> = keys.into_iter().map(|(_, row)| row).collect();
    chosen.into_iter().collect()
}

/// The normal equations of the whole data, from which folds are taken out.
struct System {
    /// `P`, shape `[n][m]`.
    kernels: Mat<f32>,
    /// `W P`, shape `[n][m]`.
    weighted: Mat<f32>,
    /// `y`, shape `[n]`.
    targets: Vec<f32>,
    /// `P' W P`, shape `[m][m]`.
    gram: Mat<f64>,
    /// `P' W y`, shape `[m]`.
    moments: Vec<f64>,
    /// `lambda K`, shape `[m][m]`.
    penalty: Mat<f32>,
}

impl System {
    fn new(
        rows: &[Vec<f32>],
        basis: &[Vec<f32>],
        weights: &[f64],
        is_ai: &[bool],
        ends: &[usize],
        settings: &KernelSettings,
    ) -> Self {
        let kernels = kernels(rows, basis, ends, settings);
        let mut penalty = self::kernels(basis, basis, ends, settings);
        for column in penalty.col_iter_mut() {
            column.iter_mut().for_each(|k| *k *= settings.lambda);
        }
        let weighted = Mat::from_fn(rows.len(), basis.len(), |i, l| {
            kernels[(i, l)] * weights[i] as f32
        });
        let targets: Vec<f32> = is_ai
            .iter()
            .map(|&ai| if ai { 1.0 } else { -1.0 })
            .collect();
        let all: Vec<usize> = (0..rows.len()).collect();
        let landmarks: Vec<usize> = (0..basis.len()).collect();
        let gram = gram(&kernels, &weighted, &all, &landmarks);
        let moments = moments(&weighted, &targets, &all);
        Self {
            kernels,
            weighted,
            targets,
            gram,
            moments,
            penalty,
        }
    }

    /// Coefficients of the landmarks `kept`, without the rows `left_out`.
    fn solve(&self, left_out: &[usize], kept: &[usize]) -> Result<Vec<f32>, TrainingError> {
        let out = gram(&self.kernels, &self.weighted, left_out, kept);
        let system = Mat::from_fn(kept.len(), kept.len(), |a, b| {
            let at = (kept[a], kept[b]);
            let jitter = if a == b { JITTER } else { 0.0 };
            self.gram[at] - out[(a, b)] + f64::from(self.penalty[at]) + jitter
        });
        let out_moments = moments(&self.weighted, &self.targets, left_out);
        let right = Mat::from_fn(kept.len(), 1, |l, _| {
            self.moments[kept[l]] - out_moments[kept[l]]
        });
        let factors = system.llt(Side::Lower).map_err(|_| {
            TrainingError::Fit(format!(
                "the kernels of {} landmarks are not independent enough: a larger lambda or fewer landmarks are needed",
                kept.len()
            ))
        })?;
        use faer::linalg::solvers::Solve;
        let solution = factors.solve(&right);
        let coefficients: Vec<f32> = (0..kept.len()).map(|l| solution[(l, 0)] as f32).collect();
        if coefficients.iter().any(|c| !c.is_finite()) {
            return Err(TrainingError::Fit("a feature value is not finite".into()));
        }
        Ok(coefficients)
    }
}

/// Rows that are multiplied in `f32` before their sums are added up in `f64`: a sum over tens of thousands of rows would
/// be short of the digits that taking folds out of it costs.
const BLOCK: usize = 1_024;

/// `P' W P` over `rows` for the landmarks `kept`, shape `[kept][kept]`.
fn gram(kernels: &Mat<f32>, weighted: &Mat<f32>, rows: &[usize], kept: &[usize]) -> Mat<f64> {
    let mut sum = Mat::zeros(kept.len(), kept.len());
    let mut product = Mat::<f32>::zeros(kept.len(), kept.len());
    for block in rows.chunks(BLOCK) {
        let take = |from: &Mat<f32>| {
            Mat::from_fn(block.len(), kept.len(), |i, l| from[(block[i], kept[l])])
        };
        let (plain, weighted) = (take(kernels), take(weighted));
        matmul(
            product.as_mut(),
            Accum::Replace,
            plain.transpose(),
            weighted.as_ref(),
            1.0,
            Par::Seq,
        );
        for (sums, products) in sum.col_iter_mut().zip(product.col_iter()) {
            for (s, p) in sums.iter_mut().zip(products.iter()) {
                *s += f64::from(*p);
            }
        }
    }
    sum
}

/// `P' W y` over `rows`, shape `[m]`.
fn moments(weighted: &Mat<f32>, targets: &[f32], rows: &[usize]) -> Vec<f64> {
    (0..weighted.ncols())
        .map(|l| {
            let terms = rows
                .iter()
                .map(|&i| f64::from(weighted[(i, l)] * targets[i]));
            terms.sum()
        })
        .collect()
}

/// Kernels between `rows`, shape `[n][features]`, and `basis`, shape `[m][features]` -> `[n][m]`.
fn kernels(
    rows: &[Vec<f32>],
    basis: &[Vec<f32>],
    ends: &[usize],
    settings: &KernelSettings,
) -> Mat<f32> {
    let mut sum = Mat::from_fn(rows.len(), basis.len(), |_, _| settings.level);
    let mut products = Mat::zeros(rows.len(), basis.len());
    let mut start = 0;
    for &end in ends {
        let part = |of: &[Vec<f32>]| Mat::from_fn(of.len(), end - start, |i, k| of[i][start + k]);
        let norms = |of: &[Vec<f32>]| -> Vec<f32> {
            let squared = |row: &Vec<f32>| row[start..end].iter().map(|z| z * z).sum();
            of.iter().map(squared).collect()
        };
        let (a, b) = (part(rows), part(basis));
        let (a_norms, b_norms) = (norms(rows), norms(basis));
        matmul(
            products.as_mut(),
            Accum::Replace,
            a.as_ref(),
            b.transpose(),
            1.0,
            Par::Seq,
        );
        let steepness = settings.gamma / (end - start) as f32;
        let share = 1.0 / ends.len() as f32;
        for (l, (column, products)) in sum.col_iter_mut().zip(products.col_iter()).enumerate() {
            for ((k, product), a_norm) in column.iter_mut().zip(products.iter()).zip(&a_norms) {
                let squared = (a_norm + b_norms[l] - 2.0 * product).max(0.0);
                *k += share * (-steepness * squared).exp();
            }
        }
        start = end;
    }
    sum
}
