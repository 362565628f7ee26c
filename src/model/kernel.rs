//! A kernel machine on landmarks: how alike a clip is to some clips of the training, group of features by group.
//!
//! One Gaussian kernel over hundreds of features sees two clips as alike only where nearly all of them agree. A sum of
//! one kernel for each group (spectrum, phase, residual ...) lets each group speak for itself; what the groups say is
//! weighed by the training alone.

use wincode::{SchemaRead, SchemaWrite};

use crate::features::logarithm::exp;
use crate::features::wide::wide;

/// Standardised values are limited to this many deviations either way, in landmarks and in clips.
pub const LIMIT: f32 = 4.0;
/// Steps of a landmark's byte from 0 to [`LIMIT`].
const STEPS: f32 = 127.0;
/// Most landmarks and most features: scoring stays within milliseconds whatever an artifact says.
const MOST: usize = 65_536;
/// Landmarks whose mean a clip is compared with.
const REFERENCES: usize = 128;
/// Landmarks whose likeness is computed at once.
const BLOCK: usize = 64;

/// The score `sum_i c_i * k(z, l_i)` of standardised values `z`, with landmarks `l_i` and
/// `k(a, b) = level + mean over groups g of exp(-gamma * |a_g - b_g|^2 / d_g)`, where `d_g` is the number of features of
/// group `g`. Sum of kernels over parts: Goenen and Alpaydin, "Multiple kernel learning algorithms", JMLR 12, 2011;
/// landmarks: Smola and Schoelkopf, "Sparse greedy matrix approximation", ICML 2000.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Kernel {
    /// Steepness of the Gaussians.
    pub gamma: f32,
    /// What any two clips have in common: the constant of the score.
    pub level: f32,
    /// Where each group of features ends, rising; the last is the number of features.
    pub ends: Vec<u32>,
    /// Landmarks in steps of `LIMIT / 127`, shape `[landmarks][features]`.
    pub landmarks: Vec<i8>,
    /// Coefficient of each landmark, shape `[landmarks]`.
    pub coefficients: Vec<f32>,
}

/// A standardised value as landmarks store it.
#[must_use]
pub fn quantise(z: f32) -> i8 {
    // NaN becomes 0, the average: a feature that could not be computed should say nothing.
    (z.clamp(-LIMIT, LIMIT) * (STEPS / LIMIT)).round() as i8
}

/// The standardised value that a landmark's byte stands for.
#[must_use]
pub fn restore(byte: i8) -> f32 {
    f32::from(byte) * (LIMIT / STEPS)
}

impl Kernel {
    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.ends.last().map_or(0, |&end| end as usize)
    }

    /// Score of standardised values `x`, shape `[features]`. A value that is not finite counts as average.
    #[must_use]
    pub fn score(&self, x: &[f32]) -> f64 {
        self.score_jointly(x, 0.0)
    }

    /// As [`Kernel::score`], with `joint` of a landmark's likeness that of all features together and the rest that of the
    /// groups: `k(a, b) = level + (1 - joint) * (mean over groups) + joint * exp(-gamma * |a - b|^2 / d)`.
    #[must_use]
    pub(super) fn score_jointly(&self, x: &[f32], joint: f32) -> f64 {
        wide(
            #[inline(always)]
            || self.sum_over_landmarks(x, joint),
        )
    }

    // Loops, not sums of iterators: those are calls, which are compiled for the oldest processor.
    #[inline(always)]
    fn sum_over_landmarks(&self, x: &[f32], joint: f32) -> f64 {
        let x = in_steps(x);
        let step = LIMIT / STEPS;
        let steepness = -self.gamma * step * step;
        let groups = self.ends.len();
        // Of each landmark of a block: its groups, then all features together.
        let row = groups + 1;
        let mut likeness = vec![0.0; BLOCK * row];
        let mut score = 0.0;
        let landmarks = self.landmarks.chunks(BLOCK * self.features());
        for (landmarks, coefficients) in landmarks.zip(self.coefficients.chunks(BLOCK)) {
            let rows = likeness.chunks_exact_mut(row);
            for (landmark, row) in landmarks.chunks_exact(self.features()).zip(rows) {
                let (mut start, mut apart) = (0, 0.0);
                for (out, &end) in row.iter_mut().zip(&self.ends) {
                    let group = start..end as usize;
                    let squared = squared_distance(&x[group.clone()], &landmark[group.clone()]);
                    *out = steepness * squared / group.len() as f32;
                    apart += squared;
                    start = end as usize;
                }
                row[groups] = steepness * apart / start as f32;
            }
            for value in &mut likeness[..coefficients.len() * row] {
                *value = exp(*value);
            }
            for (row, &c) in likeness.chunks_exact(row).zip(coefficients) {
                let mut alike = 0.0;
                for value in &row[..groups] {
                    alike += value;
                }
                let mut alike = alike / groups as f32;
                alike += joint * (row[groups] - alike);
                score += f64::from(c) * f64::from(self.level + alike);
            }
        }
        score
    }

    /// Shares of the score of standardised values `x` by ranges of features that end at `ends`, which rise to the number of
    /// features. With `(level + 1) * sum c`, the same for every clip, they sum to [`Kernel::score_jointly`] but for rounding.
    ///
    /// A landmark's term of a group, or of all features together, is `c * share * exp(-q)`, with `q` the weighted squared
    /// distance. What the distance
    /// takes off it, `c * share * (1 - exp(-q))`, belongs to a range by its part of `q`: for this function the integral of
    /// the gradient along the line from the landmark to the clip, which adds up whatever the ranges are (Sundararajan, Taly
    /// and Yan, "Axiomatic attribution for deep networks", ICML 2017).
    #[must_use]
    pub(super) fn shares(&self, x: &[f32], ends: &[usize], joint: f32) -> Vec<f64> {
        let x = in_steps(x);
        let step = LIMIT / STEPS;
        let steepness = self.gamma * step * step;
        let of_group = f64::from(1.0 - joint) / self.ends.len() as f64;
        let mut shares = vec![0.0; ends.len()];
        let mut parts = Vec::with_capacity(ends.len());
        let landmarks = self.landmarks.chunks_exact(self.features());
        for (landmark, &c) in landmarks.zip(&self.coefficients) {
            let (mut start, mut range) = (0, 0);
            parts.clear();
            for &end in &self.ends {
                let (end, first, own) = (end as usize, start, parts.len());
                while start < end {
                    let stop = ends[range].min(end);
                    let squared = squared_distance(&x[start..stop], &landmark[start..stop]);
                    parts.push((range, squared));
                    start = stop;
                    range += usize::from(stop == ends[range]);
                }
                let steepness = steepness / (end - first) as f32;
                share(
                    &mut shares,
                    f64::from(c) * of_group,
                    steepness,
                    &parts[own..],
                );
            }
            if joint > 0.0 {
                let steepness = steepness / start as f32;
                share(&mut shares, f64::from(c * joint), steepness, &parts);
            }
        }
        shares
    }

    /// The mean [`Kernel::shares`] of landmarks: clips of the training, of both classes alike. Of many landmarks, 128
    /// spread over all of them are taken.
    pub(super) fn mean_shares(&self, ends: &[usize], joint: f32) -> Vec<f64> {
        let count = self.coefficients.len();
        let every = count.div_ceil(REFERENCES).max(1);
        let mut means = vec![0.0; ends.len()];
        for landmark in self.landmarks.chunks_exact(self.features()).step_by(every) {
            let x: Vec<f32> = landmark.iter().map(|&byte| restore(byte)).collect();
            for (mean, share) in means.iter_mut().zip(self.shares(&x, ends, joint)) {
                *mean += share / count.div_ceil(every) as f64;
            }
        }
        means
    }

    /// What could make scoring panic or its scores meaningless, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        let rising = self.ends.windows(2).all(|pair| pair[0] < pair[1]);
        if self.ends.first().is_none_or(|&end| end == 0) || !rising {
            return Some("the groups of features are empty or out of order".into());
        }
        let (features, count) = (self.features(), self.coefficients.len());
        if features > MOST || count > MOST || self.landmarks.len() != features * count {
            return Some(format!(
                "{} landmark values for {count} landmarks of {features} features",
                self.landmarks.len()
            ));
        }
        let numbers = [self.gamma, self.level];
        let sound = numbers.iter().all(|x| x.is_finite() && *x >= 0.0);
        if !sound || self.coefficients.iter().any(|c| !c.is_finite()) {
            return Some("a number of the kernel machine is not finite".into());
        }
        None
    }
}

/// Adds what distance takes off a term of `weight` to the ranges that it lies in: `parts` are (range, squared distance).
fn share(shares: &mut [f64], weight: f64, steepness: f32, parts: &[(usize, f32)]) {
    let squared: f32 = parts.iter().map(|(_, squared)| squared).sum();
    let taken = weight * f64::from((-steepness * squared).exp_m1());
    for &(range, part) in parts {
        shares[range] += taken * f64::from(part / squared.max(f32::MIN_POSITIVE));
    }
}

/// Values in the landmarks' own steps, so that a landmark is read as it is stored.
fn in_steps(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| limited(x) * (STEPS / LIMIT)).collect()
}

/// A standardised value within [`LIMIT`]; one that is not a number counts as average.
pub(super) fn limited(x: f32) -> f32 {
    if x.is_nan() {
        0.0
    } else {
        x.clamp(-LIMIT, LIMIT)
    }
}

/// `|x - landmark|^2` in eight partial sums: in order, one sum could not use vector instructions.
#[inline(always)]
fn squared_distance(x: &[f32], landmark: &[i8]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (xs, ls) = (x.chunks_exact(8), landmark.chunks_exact(8));
    let mut rest = 0.0;
    for (x, &l) in xs.remainder().iter().zip(ls.remainder()) {
        rest += (x - f32::from(l)).powi(2);
    }
    for (x, l) in xs.zip(ls) {
        for k in 0..8 {
            let off = x[k] - f32::from(l[k]);
            sums[k] += off * off;
        }
    }
    let mut sum = rest;
    for partial in sums {
        sum += partial;
    }
    sum
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three landmarks of 20 features in two groups.
    pub(in crate::model) fn small() -> Kernel {
        Kernel {
            gamma: 0.3,
            level: 0.1,
            ends: vec![3, 20],
            landmarks: (0..60).map(|i| (i * 37 % 255) as i8).collect(),
            coefficients: vec![0.5, -1.0, 2.0],
        }
    }

    #[test]
    fn the_score_is_the_sum_over_landmarks_of_the_mean_over_groups() {
        let kernel = small();
        let x: Vec<f32> = (0..20).map(|i| (i as f32 - 9.0) * 0.6).collect();
        let limited: Vec<f64> = x.iter().map(|x| f64::from(x.clamp(-4.0, 4.0))).collect();
        let mut expected = 0.0;
        for (landmark, c) in kernel.landmarks.chunks(20).zip([0.5, -1.0, 2.0]) {
            let off = |i: usize| limited[i] - f64::from(landmark[i]) * 4.0 / 127.0;
            let group = |from: usize, to: usize| {
                let squared: f64 = (from..to).map(|i| off(i) * off(i)).sum();
                (-0.3 * squared / (to - from) as f64).exp()
            };
            expected += c * (0.1 + (group(0, 3) + group(3, 20)) / 2.0);
        }
        assert!((kernel.score(&x) - expected).abs() < 1e-5);
    }

    #[test]
    fn a_value_that_is_not_a_number_counts_as_average() {
        let kernel = small();
        let mut x = vec![0.5; 20];
        x[7] = 0.0;
        let average = kernel.score(&x);
        x[7] = f32::NAN;
        assert_eq!(kernel.score(&x), average);
    }

    #[test]
    fn shares_of_any_ranges_add_up_to_the_score() {
        let kernel = small();
        let x: Vec<f32> = (0..20).map(|i| (i as f32 - 9.0) * 0.6).collect();
        // Ranges that split a group, that join two, and that are the groups.
        let ranges: [&[usize]; 4] = [&[1, 3, 10, 20], &[5, 20], &[3, 20], &[20]];
        for ends in ranges {
            for joint in [0.0, 0.4] {
                let shares = kernel.shares(&x, ends, joint);
                assert_eq!(shares.len(), ends.len());
                let sum = 1.5 * 1.1 + shares.iter().sum::<f64>();
                let score = kernel.score_jointly(&x, joint);
                assert!((sum - score).abs() < 1e-6, "{ends:?}: {sum}");
            }
        }
        // A group has what is its own in the score.
        let mut alike = 0.0;
        for (landmark, c) in kernel.landmarks.chunks(20).zip([0.5, -1.0, 2.0]) {
            let off = |i: usize| f64::from(x[i].clamp(-4.0, 4.0)) - f64::from(restore(landmark[i]));
            let squared: f64 = (0..3).map(|i| off(i) * off(i)).sum();
            alike += c * ((-0.3 * squared / 3.0).exp() - 1.0) / 2.0;
        }
        assert!((kernel.shares(&x, &[3, 20], 0.0)[0] - alike).abs() < 1e-6);
    }

    #[test]
    fn a_clip_that_is_the_only_landmark_leaves_nothing_to_share() {
        let kernel = Kernel {
            landmarks: small().landmarks[..20].to_vec(),
            coefficients: vec![0.5],
            ..small()
        };
        let shares = kernel.mean_shares(&[1, 3, 20], 0.5);
        assert!(shares.iter().all(|share| share.abs() < 1e-9), "{shares:?}");
    }

    #[test]
    fn quantising_is_within_half_a_step_and_limited() {
        for z in [-9.0f32, -4.0, -1.234, 0.0, 0.015, 2.5, 4.0, 100.0] {
            let off = restore(quantise(z)) - z.clamp(-4.0, 4.0);
            assert!(off.abs() <= 0.5 * LIMIT / STEPS + 1e-6, "{z}: {off}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_a_defect() {
        assert_eq!(small().defect(), None);
        let spoilt: [fn(&mut Kernel); 6] = [
            |k| k.ends = vec![],
            |k| k.ends = vec![3, 3],
            |k| k.ends = vec![0, 20],
            |k| k.landmarks.truncate(59),
            |k| k.gamma = f32::NAN,
            |k| k.coefficients[1] = f32::INFINITY,
        ];
        for spoil in spoilt {
            let mut kernel = small();
            spoil(&mut kernel);
            assert!(kernel.defect().is_some(), "{kernel:?}");
        }
    }
}
