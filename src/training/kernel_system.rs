//! The linear system behind [`super::kernel_fit`]: kernels, their normal equations, folds taken out of them.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, Par, Side};

use super::TrainingError;
use super::kernel_fit::KernelSettings;

/// Added to the diagonal: kernels of `f32` tell landmarks that nearly coincide apart by rounding alone.
const JITTER: f64 = 0.02;

/// What does not depend on what the rows weigh.
pub(super) struct Kernels {
    /// `P`, shape `[n][m]`.
    kernels: Mat<f32>,
    /// `y`, shape `[n]`.
    targets: Vec<f32>,
    /// `lambda K`, shape `[m][m]`.
    penalty: Mat<f32>,
}

/// The normal equations of the whole data, from which folds are taken out.
pub(super) struct System<'a> {
    of: &'a Kernels,
    /// `W P`, shape `[n][m]`.
    weighted: Mat<f32>,
    /// `P' W P`, shape `[m][m]`.
    gram: Mat<f64>,
    /// `P' W y`, shape `[m]`.
    moments: Vec<f64>,
}

impl Kernels {
    pub(super) fn new(
        rows: &[Vec<f32>],
        basis: &[Vec<f32>],
        is_ai: &[bool],
        ends: &[usize],
        settings: &KernelSettings,
    ) -> Self {
        let kernels = kernels(rows, basis, ends, settings);
        let mut penalty = self::kernels(basis, basis, ends, settings);
        for column in penalty.col_iter_mut() {
            column.iter_mut().for_each(|k| *k *= settings.lambda);
        }
        let targets = is_ai
            .iter()
            .map(|&ai| if ai { 1.0 } else { -1.0 })
            .collect();
        Self {
            kernels,
            targets,
            penalty,
        }
    }

    /// The normal equations of rows that weigh `weights`, shape `[n]`.
    pub(super) fn weighted(&self, weights: &[f64]) -> System<'_> {
        let (rows, landmarks) = (self.kernels.nrows(), self.kernels.ncols());
        let weighted = Mat::from_fn(rows, landmarks, |i, l| {
            self.kernels[(i, l)] * weights[i] as f32
        });
        let heard: Vec<usize> = (0..rows).filter(|&i| weights[i] > 0.0).collect();
        let landmarks: Vec<usize> = (0..landmarks).collect();
        System {
            gram: gram(&self.kernels, &weighted, &heard, &landmarks),
            moments: moments(&weighted, &self.targets, &heard),
            weighted,
            of: self,
        }
    }
}

impl System<'_> {
    /// Score of row `i` by the `coefficients` of the landmarks `kept`.
    pub(super) fn score(&self, i: usize, kept: &[usize], coefficients: &[f32]) -> f64 {
        let terms = kept.iter().zip(coefficients);
        terms
            .map(|(&l, &c)| f64::from(self.of.kernels[(i, l)]) * f64::from(c))
            .sum()
    }

    /// Coefficients of the landmarks `kept`, without the rows `left_out`.
    pub(super) fn solve(
        &self,
        left_out: &[usize],
        kept: &[usize],
    ) -> Result<Vec<f32>, TrainingError> {
        let out = gram(&self.of.kernels, &self.weighted, left_out, kept);
        let system = Mat::from_fn(kept.len(), kept.len(), |a, b| {
            let at = (kept[a], kept[b]);
            let jitter = if a == b { JITTER } else { 0.0 };
            self.gram[at] - out[(a, b)] + f64::from(self.of.penalty[at]) + jitter
        });
        let out_moments = moments(&self.weighted, &self.of.targets, left_out);
        let right = Mat::from_fn(kept.len(), 1, |l, _| {
            self.moments[kept[l]] - out_moments[kept[l]]
        });
        // Values are finite, so that only landmarks that nearly coincide leave no finite solution.
        let dependent = || {
            TrainingError::Fit(format!(
                "the kernels of {} landmarks are not independent enough: a larger lambda or fewer landmarks are needed",
                kept.len()
            ))
        };
        let factors = system.llt(Side::Lower).map_err(|_| dependent())?;
        let solution = factors.solve(&right);
        let coefficients: Vec<f32> = (0..kept.len()).map(|l| solution[(l, 0)] as f32).collect();
        if coefficients.iter().any(|c| !c.is_finite()) {
            return Err(dependent());
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
    let mut apart = Mat::<f32>::zeros(rows.len(), basis.len());
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
        let share = (1.0 - settings.joint) / ends.len() as f32;
        let columns = sum.col_iter_mut().zip(apart.col_iter_mut());
        for (l, ((column, apart), products)) in columns.zip(products.col_iter()).enumerate() {
            let cells = column.iter_mut().zip(apart.iter_mut());
            for (((k, apart), product), a_norm) in cells.zip(products.iter()).zip(&a_norms) {
                let squared = (a_norm + b_norms[l] - 2.0 * product).max(0.0);
                *k += share * (-steepness * squared).exp();
                *apart += squared;
            }
        }
        start = end;
    }
    if settings.joint > 0.0 {
        let steepness = settings.gamma / start as f32;
        for (column, apart) in sum.col_iter_mut().zip(apart.col_iter()) {
            for (k, apart) in column.iter_mut().zip(apart.iter()) {
                *k += settings.joint * (-steepness * apart).exp();
            }
        }
    }
    sum
}
