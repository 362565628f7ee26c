//! Fits the matrices of [`crate::model::Whitened`]: what differs between recordings of one person is shrunk.
//!
//! With `C` the covariance of people's recordings, each less the mean of the person's, scaled to a mean variance of 1, a
//! group's matrix is `(I + beta C)^-1/2`, scaled so that the products have a mean square of 1 as the values had.

use std::collections::BTreeMap;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

use super::TrainingError;

/// A person, as [`super::protocol::speaker`] tells people apart; `None` where nothing is known of who speaks.
pub type Speaker<'a> = Option<(&'a str, &'a str)>;

/// The lower triangles of the matrices, as [`crate::model::Whitened::mixing`], from standardised rows, shape
/// `[n][features]`: `human` are those of people's recordings with who speaks, of the strength `beta`. `ends` as
/// [`crate::features::FeatureSet::group_ends`]. With nobody recorded twice, the matrices are scaled unit matrices.
///
/// # Errors
/// [`TrainingError::Fit`] if a covariance has no eigenvalues, as where a value is not finite.
pub fn fit(
    rows: &[Vec<f32>],
    human: &[(usize, Speaker)],
    ends: &[usize],
    beta: f64,
) -> Result<Vec<f32>, TrainingError> {
    let mut people: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for &(row, speaker) in human {
        if let Some(speaker) = speaker {
            people.entry(speaker).or_default().push(row);
        }
    }
    people.retain(|_, rows| rows.len() > 1);
    let mut mixing = Vec::new();
    let mut start = 0;
    for &end in ends {
        let covariance = within(rows, people.values(), start, end);
        let matrix = inverse_root(&covariance, beta)?;
        let scale = 1.0 / root_mean_square(rows, &matrix, start).max(f64::MIN_POSITIVE);
        for i in 0..end - start {
            mixing.extend((0..=i).map(|k| (matrix[(i, k)] * scale) as f32));
        }
        start = end;
    }
    Ok(mixing)
}

/// Covariance of the features `start..end` of people's rows less each person's mean, scaled to a mean variance of 1.
fn within<'a>(
    rows: &[Vec<f32>],
    people: impl Iterator<Item = &'a Vec<usize>>,
    start: usize,
    end: usize,
) -> Mat<f64> {
    let size = end - start;
    let mut centred = Vec::new();
    for own in people {
        let mut mean = vec![0.0; size];
        for &row in own {
            for (mean, &z) in mean.iter_mut().zip(&rows[row][start..end]) {
                *mean += f64::from(z) / own.len() as f64;
            }
        }
        for &row in own {
            let off = rows[row][start..end].iter().zip(&mean);
            centred.push(
                off.map(|(&z, mean)| f64::from(z) - mean)
                    .collect::<Vec<f64>>(),
            );
        }
    }
    let centred = Mat::from_fn(centred.len(), size, |i, k| centred[i][k]);
    let mut covariance = Mat::zeros(size, size);
    matmul(
        covariance.as_mut(),
        Accum::Replace,
        centred.transpose(),
        centred.as_ref(),
        1.0,
        Par::Seq,
    );
    let variance = (0..size).map(|i| covariance[(i, i)]).sum::<f64>() / size as f64;
    if variance > 0.0 {
        for column in covariance.col_iter_mut() {
            column.iter_mut().for_each(|c| *c /= variance);
        }
    }
    covariance
}

/// `(I + beta C)^-1/2`.
fn inverse_root(covariance: &Mat<f64>, beta: f64) -> Result<Mat<f64>, TrainingError> {
    let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| {
        TrainingError::Fit("the covariance of people's recordings has no eigenvalues".into())
    })?;
    let (vectors, values) = (eigen.U(), eigen.S());
    let size = covariance.nrows();
    // Rounding may leave an eigenvalue a little below zero.
    let scaled = Mat::from_fn(size, size, |i, k| {
        vectors[(i, k)] / (1.0 + beta * values[k].max(0.0)).sqrt()
    });
    let mut root = Mat::zeros(size, size);
    matmul(
        root.as_mut(),
        Accum::Replace,
        scaled.as_ref(),
        vectors.transpose(),
        1.0,
        Par::Seq,
    );
    Ok(root)
}

/// Root of the mean square of `matrix` times the features from `start` on, over all rows.
fn root_mean_square(rows: &[Vec<f32>], matrix: &Mat<f64>, start: usize) -> f64 {
    // trace(M S M') with S the second moments: one product of rows, not of rows and matrix.
    let size = matrix.nrows();
    let values = Mat::from_fn(rows.len(), size, |i, k| rows[i][start + k]);
    let mut moments = Mat::<f32>::zeros(size, size);
    matmul(
        moments.as_mut(),
        Accum::Replace,
        values.transpose(),
        values.as_ref(),
        1.0,
        Par::Seq,
    );
    let mut squared = Mat::zeros(size, size);
    matmul(
        squared.as_mut(),
        Accum::Replace,
        matrix.as_ref(),
        matrix.as_ref(),
        1.0,
        Par::Seq,
    );
    let products = (0..size).flat_map(|i| (0..size).map(move |k| (i, k)));
    let sum: f64 = products
        .map(|at| squared[at] * f64::from(moments[at]))
        .sum();
    (sum / (rows.len() * size) as f64).sqrt()
}
