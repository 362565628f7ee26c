//! Deviation, skewness and kurtosis as the study takes them, of series and of eight regions at once.
//!
//! A variance has 1e-12 added, so that values without spread have the moments of a narrow distribution (skewness 0,
//! kurtosis -3) rather than none.

use super::regions::{Lanes, REGIONS};

/// Names of the three, in the order of the values.
pub const NAMES: [&str; 3] = ["std", "skewness", "kurtosis"];

/// Standard deviation, skewness and excess kurtosis from the mean first to fourth powers of `x - origin`, whatever the
/// origin; NaN without values.
#[inline(always)]
fn of_powers([mean, a2, a3, a4]: [f64; 4]) -> [f64; 3] {
    let square = mean * mean;
    // Rounding may bring it below 0; `max` would take NaN for 0.
    let variance = a2 - square;
    let variance = if variance < 0.0 { 0.0 } else { variance } + 1e-12;
    let m3 = a3 - 3.0 * mean * a2 + 2.0 * square * mean;
    let m4 = a4 - 4.0 * mean * a3 + 6.0 * square * a2 - 3.0 * square * square;
    let deviation = variance.sqrt();
    [
        deviation,
        m3 / (variance * deviation),
        m4 / (variance * variance) - 3.0,
    ]
}

/// The three of `values`, and their mean; all NaN without values.
#[inline(always)]
pub fn of(values: impl Iterator<Item = f64> + Clone) -> ([f64; 3], f64) {
    let (count, sum) = values
        .clone()
        .fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x));
    let mean: f64 = sum / count;
    let mut powers = [0.0; 4];
    for x in values {
        let x = x - mean;
        let square = x * x;
        powers[0] += x;
        powers[1] += square;
        powers[2] += square * x;
        powers[3] += square * square;
    }
    (of_powers(powers.map(|sum| sum / count)), mean)
}

/// Population standard deviation of the differences between neighbours; NaN below two values.
#[inline(always)]
pub fn change_deviation(values: &[f64]) -> f64 {
    let count = values.len().saturating_sub(1) as f64;
    let changes = values.windows(2).map(|pair| pair[1] - pair[0]);
    let mean = changes.clone().sum::<f64>() / count;
    let squares: f64 = changes.map(|x| (x - mean) * (x - mean)).sum();
    (squares / count).sqrt()
}

/// Pearson's correlation of two series of one length; NaN if one of them does not vary.
#[inline(always)]
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    ab / (aa * bb).sqrt()
}

/// Sums of the first four powers in each region, of values whose mean is small beside their deviation.
#[derive(Debug, Clone, Default)]
pub struct PowerSums {
    count: usize,
    sums: [[f64; REGIONS]; 4],
}

/// The same sums over the rows of one frame, short enough for `f32`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameSums([Lanes; 4]);

impl FrameSums {
    /// Adds a value of each region.
    #[inline(always)]
    pub fn push(&mut self, x: &Lanes) {
        for (region, &x) in x.iter().enumerate() {
            let square = x * x;
            self.0[0][region] += x;
            self.0[1][region] += square;
            self.0[2][region] += square * x;
            self.0[3][region] += square * square;
        }
    }
}

impl PowerSums {
    /// Adds the sums of a frame with `rows` values a region.
    #[inline(always)]
    pub fn add(&mut self, frame: &FrameSums, rows: usize) {
        self.count += rows;
        for (sums, frame) in self.sums.iter_mut().zip(&frame.0) {
            for (sum, x) in sums.iter_mut().zip(frame) {
                *sum += f64::from(*x);
            }
        }
    }

    /// The three of a region's values.
    pub fn moments(&self, region: usize) -> [f64; 3] {
        of_powers(self.sums.map(|sums| sums[region] / self.count as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_the_studys() {
        let values = [1.0, 2.0, 4.0, 9.0];
        let expected = [
            9.5_f64.sqrt(),
            22.5 / 9.5_f64.powf(1.5),
            180.5 / 9.5_f64.powi(2) - 3.0,
        ];
        let (found, mean) = of(values.into_iter());
        assert_eq!(mean, 4.0);
        let mut sums = PowerSums::default();
        let mut frame = FrameSums::default();
        values
            .iter()
            .for_each(|&x| frame.push(&[x as f32; REGIONS]));
        sums.add(&frame, 4);
        for (i, expected) in expected.into_iter().enumerate() {
            assert!((found[i] - expected).abs() < 1e-9, "{found:?}");
            assert!((sums.moments(7)[i] - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn no_spread_has_the_moments_of_a_narrow_distribution() {
        let ([deviation, skewness, kurtosis], _) = of([3.0; 9].into_iter());
        assert!((deviation - 1e-6).abs() < 1e-12);
        assert_eq!((skewness, kurtosis), (0.0, -3.0));
        assert!(of(std::iter::empty()).0[0].is_nan());
    }

    #[test]
    fn a_line_correlates_and_its_changes_do_not_vary() {
        let line: Vec<f64> = (0..9).map(f64::from).collect();
        assert!((correlation(&line[1..], &line[..8]) - 1.0).abs() < 1e-12);
        assert!(change_deviation(&line).abs() < 1e-12);
        assert!(correlation(&line, &[1.0; 9]).is_nan());
        assert!(change_deviation(&[1.0]).is_nan());
    }
}
