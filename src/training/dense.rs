//! Products of small dense matrices of `f32`, all row after row: what training an MLP consists of.
//!
//! Written by hand rather than taken from a crate: the fast ones offer only `unsafe` calls and choose
//! fused instructions by the processor, so that an artifact would depend on the machine it was trained
//! on. The loops are laid out so that the compiler vectorises them along the rows of `b`; zeros in `a`,
//! half of what a rectifier lets through, are skipped four at a time.

/// `out += a b`, with `a` of shape `[n][inner]`, `b` of shape `[inner][width]` and `out` of shape
/// `[n][width]`.
pub fn add_product(a: &[f32], b: &[f32], out: &mut [f32], inner: usize, width: usize) {
    for (a, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(width)) {
        let (fours, rest) = a.as_chunks::<4>();
        let (of_fours, of_rest) = b.split_at(fours.len() * 4 * width);
        for (a, b) in fours.iter().zip(of_fours.chunks_exact(4 * width)) {
            add_four(a, b, out);
        }
        for (&a, b) in rest.iter().zip(of_rest.chunks_exact(width)) {
            out.iter_mut().zip(b).for_each(|(out, b)| *out += a * b);
        }
    }
}

/// `out += a[0] b[0] + .. + a[3] b[3]`, with `b` of shape `[4][width]` and `out` of shape `[width]`.
fn add_four(a: &[f32; 4], b: &[f32], out: &mut [f32]) {
    if *a == [0.0; 4] {
        return;
    }
    let width = out.len();
    let (b0, b) = b.split_at(width);
    let (b1, b) = b.split_at(width);
    let (b2, b3) = b.split_at(width);
    let columns = b0.iter().zip(b1).zip(b2.iter().zip(b3));
    for (out, ((b0, b1), (b2, b3))) in out.iter_mut().zip(columns) {
        *out += (a[0] * b0 + a[1] * b1) + (a[2] * b2 + a[3] * b3);
    }
}

/// `out = a` transposed, with `a` of shape `[rows][columns]`.
pub fn transpose(a: &[f32], out: &mut Vec<f32>, columns: usize) {
    out.clear();
    for column in 0..columns {
        out.extend(a.iter().skip(column).step_by(columns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for (n, inner, width) in [(1, 1, 1), (3, 4, 5), (5, 7, 2), (2, 9, 33)] {
            let made = |count: usize, step: usize| -> Vec<f32> {
                let value = |i: usize| ((i * step) % 11) as f32 - 5.0;
                (0..count).map(value).collect()
            };
            let (a, b) = (made(n * inner, 3), made(inner * width, 7));
            let mut out = vec![1.0; n * width];
            add_product(&a, &b, &mut out, inner, width);
            let mut turned = Vec::new();
            transpose(&b, &mut turned, width);
            for row in 0..n {
                for column in 0..width {
                    let terms = (0..inner).map(|i| a[row * inner + i] * b[i * width + column]);
                    assert_eq!(out[row * width + column], 1.0 + terms.sum::<f32>());
                }
            }
            assert_eq!(turned[(width - 1) * inner], b[width - 1]);
            assert_eq!(turned[inner - 1], b[(inner - 1) * width]);
        }
    }
}
