//! A kernel machine that hears each group of features through a matrix of its own.
//!
//! What differs between two recordings of one person says nothing of whether a machine speaks. Shrinking those directions
//! before clips are compared leaves distances that mean more for voices never heard: within-class covariance
//! normalisation (Hatch, Kajarekar and Stolcke, "Within-class covariance normalization for SVM-based speaker recognition",
//! Interspeech 2006), with a person's recordings as the class.

use wincode::{SchemaRead, SchemaWrite};

use super::Kernel;
use super::kernel::{LIMIT, limited};
use crate::features::wide::wide;

/// Numbers of a symmetric matrix of `n` rows as it is stored: row by row, up to the diagonal.
const fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

/// [`Kernel::score_jointly`] of `M_g z_g` for each group of features `g`, with standardised values `z` and symmetric matrices `M_g`.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Whitened {
    /// The lower triangles of the matrices, one group after another, each row by row.
    pub mixing: Vec<f32>,
    /// Share of the likeness of all features together, beside that of the groups; from 0 to 1.
    pub joint: f32,
    /// The machine; its landmarks are mixed already.
    pub kernel: Kernel,
}

impl Whitened {
    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.kernel.features()
    }

    /// The values that the machine compares, shape `[features]`, of standardised values `x`, shape `[features]`, limited as
    /// landmarks are. A value that is not finite counts as average.
    #[must_use]
    pub fn mixed(&self, x: &[f32]) -> Vec<f32> {
        mix(&self.mixing, &self.kernel.ends, x)
    }

    /// Score of standardised values `x`, shape `[features]`.
    #[must_use]
    pub fn score(&self, x: &[f32]) -> f64 {
        self.kernel.score_jointly(&self.mixed(x), self.joint)
    }

    /// What could make scoring panic or its scores meaningless, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        if let Some(defect) = self.kernel.defect() {
            return Some(defect);
        }
        let mut start = 0;
        let mut expected = 0;
        for &end in &self.kernel.ends {
            expected += triangle(end as usize - start);
            start = end as usize;
        }
        if self.mixing.len() != expected {
            return Some(format!(
                "{} numbers of whitening where the groups need {expected}",
                self.mixing.len()
            ));
        }
        if !(0.0..=1.0).contains(&self.joint) {
            return Some("the share of the joint kernel is not one from 0 to 1".into());
        }
        let finite = self.mixing.iter().all(|m| m.is_finite());
        (!finite).then(|| "a number of the whitening is not finite".into())
    }
}

/// Limits standardised values `x`, shape `[features]`, to [`LIMIT`], multiplies each group by its matrix and limits the
/// products. `mixing` as [`Whitened::mixing`], `ends` as [`Kernel::ends`].
#[must_use]
pub fn mix(mixing: &[f32], ends: &[u32], x: &[f32]) -> Vec<f32> {
    wide(
        #[inline(always)]
        || product(mixing, ends, x),
    )
}

#[inline(always)]
fn product(mixing: &[f32], ends: &[u32], x: &[f32]) -> Vec<f32> {
    let x: Vec<f32> = x.iter().copied().map(limited).collect();
    let mut mixed = vec![0.0; x.len()];
    let (mut start, mut rest) = (0, mixing);
    for &end in ends {
        let group = start..end as usize;
        let (x, out) = (&x[group.clone()], &mut mixed[group]);
        for (i, &own) in x.iter().enumerate() {
            let (row, behind) = rest.split_at(i + 1);
            rest = behind;
            // An element beside the diagonal stands for two.
            for (out, &m) in out[..i].iter_mut().zip(row) {
                *out += m * own;
            }
            out[i] += dot(row, &x[..=i]);
        }
        start = end as usize;
    }
    mixed.iter_mut().for_each(|z| *z = z.clamp(-LIMIT, LIMIT));
    mixed
}

/// Sum of products in eight partial sums: in order, one sum could not use vector instructions.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a.zip(b) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel;

    fn small() -> Whitened {
        Whitened {
            mixing: (0..triangle(3) + triangle(17))
                .map(|i| ((i * 31 % 19) as f32 - 9.0) / 20.0)
                .collect(),
            joint: 0.0,
            kernel: kernel::tests::small(),
        }
    }

    #[test]
    fn mixing_is_the_product_with_the_whole_symmetric_matrix() {
        let machine = small();
        let x: Vec<f32> = (0..20).map(|i| (i as f32 - 9.0) * 0.11).collect();
        let mixed = machine.mixed(&x);
        let mut from = 0;
        for (start, end) in [(0, 3), (3, 20)] {
            let element = |i: usize, k: usize| {
                let (low, high) = (i.min(k), i.max(k));
                f64::from(machine.mixing[from + triangle(high) + low])
            };
            for i in 0..end - start {
                let expected: f64 = (0..end - start)
                    .map(|k| element(i, k) * f64::from(x[start + k]))
                    .sum();
                let off = f64::from(mixed[start + i]) - expected.clamp(-4.0, 4.0);
                assert!(off.abs() < 1e-5, "{start} + {i}: {off}");
            }
            from += triangle(end - start);
        }
    }

    #[test]
    fn with_unit_matrices_it_is_the_kernel_machine() {
        let mut machine = small();
        machine.mixing.fill(0.0);
        for (from, n) in [(0, 3), (triangle(3), 17)] {
            for i in 0..n {
                machine.mixing[from + triangle(i) + i] = 1.0;
            }
        }
        let mut x: Vec<f32> = (0..20).map(|i| (i as f32 - 9.0) * 0.6).collect();
        assert!((machine.score(&x) - machine.kernel.score(&x)).abs() < 1e-9);
        x[4] = f32::NAN;
        let unknown = machine.score(&x);
        x[4] = 0.0;
        assert_eq!(machine.score(&x), unknown);
    }

    #[test]
    fn the_joint_kernel_is_one_gaussian_over_all_features() {
        let mut machine = small();
        machine.joint = 1.0;
        let x: Vec<f32> = (0..20).map(|i| (i as f32 - 9.0) * 0.2).collect();
        let mixed = machine.mixed(&x);
        let mut expected = 0.0;
        for (landmark, c) in machine.kernel.landmarks.chunks(20).zip([0.5, -1.0, 2.0]) {
            let pairs = mixed.iter().zip(landmark);
            let squared: f64 = pairs
                .map(|(z, l)| (f64::from(*z) - f64::from(*l) * 4.0 / 127.0).powi(2))
                .sum();
            expected += c * (0.1 + (-0.3 * squared / 20.0).exp());
        }
        assert!((machine.score(&x) - expected).abs() < 1e-5);
        // Between the two it is their mean.
        let at = |joint: f32| {
            let machine = Whitened {
                joint,
                ..machine.clone()
            };
            machine.score(&x)
        };
        assert!((at(0.25) - (0.75 * at(0.0) + 0.25 * expected)).abs() < 1e-5);
    }

    #[test]
    fn what_does_not_fit_together_is_a_defect() {
        assert_eq!(small().defect(), None);
        let spoilt: [fn(&mut Whitened); 6] = [
            |w| w.joint = 1.5,
            |w| w.joint = f32::NAN,
            |w| w.mixing.truncate(5),
            |w| w.mixing.push(0.0),
            |w| w.mixing[7] = f32::INFINITY,
            |w| w.kernel.ends = vec![],
        ];
        for spoil in spoilt {
            let mut machine = small();
            spoil(&mut machine);
            assert!(machine.defect().is_some());
        }
    }
}
