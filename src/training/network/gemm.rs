//! Matrix products in f32, row-major and on one thread; the callers run in parallel over the mini-batch.
//!
//! `ndarray` hands them to `matrixmultiply`, which picks AVX-512, AVX2 and FMA, or NEON where the processor has them.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeError};

fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    let view: Result<_, ShapeError> = ArrayView2::from_shape((rows, columns), values);
    view.expect("a matrix of that shape")
}

fn view_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    let view: Result<_, ShapeError> = ArrayViewMut2::from_shape((rows, columns), values);
    view.expect("a matrix of that shape")
}

/// `c = a b` with `a` of shape `[m][k]`, `b` of shape `[k][n]`, `c` of shape `[m][n]`.
pub fn product(a: &[f32], b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3]) {
    general_mat_mul(
        1.0,
        &view(a, m, k),
        &view(b, k, n),
        0.0,
        &mut view_mut(c, m, n),
    );
}

/// `c += a^T b` with `a` of shape `[m][k]`, `b` of shape `[m][n]`, `c` of shape `[k][n]`.
pub fn add_transposed_product(a: &[f32], b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3]) {
    let (a, b) = (view(a, m, k), view(b, m, n));
    general_mat_mul(1.0, &a.t(), &b, 1.0, &mut view_mut(c, k, n));
}

/// `c = a b^T` with `a` of shape `[m][n]`, `b` of shape `[k][n]`, `c` of shape `[m][k]`.
pub fn product_transposed(a: &[f32], b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3]) {
    let (a, b) = (view(a, m, n), view(b, k, n));
    general_mat_mul(1.0, &a, &b.t(), 0.0, &mut view_mut(c, m, k));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_products_agree_with_their_definitions() {
        let [m, k, n] = [5, 3, 4];
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 1.3).cos()).collect();
        let mut c = vec![9.0; m * n];
        product(&a, &b, &mut c, [m, k, n]);
        for i in 0..m {
            for j in 0..n {
                let sum: f32 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                assert!((c[i * n + j] - sum).abs() < 1e-6);
            }
        }
        let mut left = vec![1.0; k * n];
        add_transposed_product(&a, &c, &mut left, [m, k, n]);
        let mut right = vec![9.0; m * k];
        product_transposed(&c, &b, &mut right, [m, k, n]);
        for p in 0..k {
            for j in 0..n {
                let sum: f32 = (0..m).map(|i| a[i * k + p] * c[i * n + j]).sum();
                assert!((left[p * n + j] - 1.0 - sum).abs() < 1e-5);
            }
            for i in 0..m {
                let sum: f32 = (0..n).map(|j| c[i * n + j] * b[p * n + j]).sum();
                assert!((right[i * k + p] - sum).abs() < 1e-5);
            }
        }
    }
}
