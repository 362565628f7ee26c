//! Shape of a distribution of values: the biased moments of NumPy and scipy, and percentiles.

/// Sums that run side by side in vector registers.
const LANES: usize = 4;

/// Moments of a set of values. Skewness and kurtosis are NaN where the values do not vary (as in scipy); the set
/// turns that into 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub deviation: f64,
    /// `m3 / m2^1.5` of the central moments (`scipy.stats.skew`).
    pub skewness: f64,
    /// `m4 / m2^2 - 3` of the central moments (`scipy.stats.kurtosis`).
    pub kurtosis: f64,
}

impl Distribution {
    /// Moments of each of the columns of `rows`, in two passes; all NaN without rows.
    #[inline(always)]
    pub fn of_columns<'a, const N: usize>(
        rows: impl Iterator<Item = &'a [f64; N]> + Clone,
    ) -> [Self; N] {
        let (mut count, mut means) = (0, [0.0; N]);
        for row in rows.clone() {
            count += 1;
            for (sum, x) in means.iter_mut().zip(row) {
                *sum += x;
            }
        }
        let means = means.map(|sum| sum / count as f64);
        let mut sums = [[0.0; N]; 4];
        for row in rows {
            for column in 0..N {
                let x = row[column] - means[column];
                let square = x * x;
                sums[0][column] += x;
                sums[1][column] += square;
                sums[2][column] += square * x;
                sums[3][column] += square * square;
            }
        }
        std::array::from_fn(|column| {
            let mean = means[column];
            let central = PowerSums {
                count,
                sums: sums.map(|sum| sum[column]),
            };
            Self {
                mean,
                ..central.distribution_around(mean)
            }
        })
    }

    /// Moments of `values`, in two passes; all NaN without values.
    #[inline(always)]
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let mut sums = PowerSums::default();
        values.clone().for_each(|x| sums.push(x));
        let mean = sums.sums[0] / sums.count as f64;
        let mut central = PowerSums::default();
        values.for_each(|x| central.push(x - mean));
        Self {
            mean,
            ..central.distribution_around(mean)
        }
    }
}

/// Sums of the first four powers, for values that come one by one. For values whose mean is small beside their
/// deviation, such as differences: otherwise the central moments lose digits.
#[derive(Debug, Clone, Copy, Default)]
pub struct PowerSums {
    count: usize,
    sums: [f64; 4],
}

impl PowerSums {
    /// Adds a value.
    #[inline(always)]
    pub fn push(&mut self, x: f64) {
        self.count += 1;
        let square = x * x;
        self.sums[0] += x;
        self.sums[1] += square;
        self.sums[2] += square * x;
        self.sums[3] += square * square;
    }

    /// Adds values, several at once.
    #[inline(always)]
    pub fn extend(&mut self, values: &[f64]) {
        let mut lanes = [[0.0; LANES]; 4];
        let chunks = values.chunks_exact(LANES);
        for x in chunks.remainder() {
            self.push(*x);
        }
        self.count += values.len() / LANES * LANES;
        for x in chunks {
            for (lane, &x) in x.iter().enumerate() {
                let square = x * x;
                lanes[0][lane] += x;
                lanes[1][lane] += square;
                lanes[2][lane] += square * x;
                lanes[3][lane] += square * square;
            }
        }
        for (sum, lanes) in self.sums.iter_mut().zip(&lanes) {
            *sum += lanes.iter().sum::<f64>();
        }
    }

    /// Moments of the values.
    #[inline(always)]
    pub fn distribution(&self) -> Distribution {
        self.distribution_around(0.0)
    }

    /// Moments of the values, which are differences from `origin`.
    #[inline(always)]
    fn distribution_around(&self, origin: f64) -> Distribution {
        let [mean, a2, a3, a4] = self.sums.map(|sum| sum / self.count as f64);
        let square = mean * mean;
        let m2 = (a2 - square).max(0.0);
        let m3 = a3 - 3.0 * mean * a2 + 2.0 * square * mean;
        let m4 = a4 - 4.0 * mean * a3 + 6.0 * square * a2 - 3.0 * square * square;
        // scipy's test for values that differ by rounding only.
        let varies = m2 > (1e-15 * (mean + origin)).powi(2);
        let ratio = |x: f64| if varies { x } else { f64::NAN };
        Distribution {
            mean,
            deviation: m2.sqrt(),
            skewness: ratio(m3 / m2.powf(1.5)),
            kurtosis: ratio(m4 / (m2 * m2) - 3.0),
        }
    }
}

/// Percentile `q`, 0 to 100, between the values on either side of it (`numpy.percentile`); NaN without values.
pub fn percentile(values: &[f64], q: f64) -> f64 {
    let mut values = values.to_vec();
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = last as f64 * (q / 100.0);
    let below = position as usize;
    let (_, &mut a, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let b = above.iter().copied().min_by(f64::total_cmp).unwrap_or(a);
    a + (b - a) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_scipys() {
        let values = [1.0, 2.0, 4.0, 9.0];
        // scipy.stats.skew and kurtosis of the same four values.
        let found = Distribution::of(values.into_iter());
        assert_eq!(found.mean, 4.0);
        assert!((found.deviation - 9.5_f64.sqrt()).abs() < 1e-12);
        assert!((found.skewness - 22.5 / 9.5_f64.powf(1.5)).abs() < 1e-12);
        assert!((found.kurtosis - (180.5 / 9.5_f64.powi(2) - 3.0)).abs() < 1e-12);
        let mut sums = PowerSums::default();
        values.into_iter().for_each(|x| sums.push(x));
        let mut together = PowerSums::default();
        together.extend(&values);
        let rows = values.map(|x| [x; 3]);
        let columns = Distribution::of_columns(rows.iter());
        for other in [sums.distribution(), together.distribution(), columns[2]] {
            assert_eq!(other.mean, found.mean);
            assert!((other.deviation - found.deviation).abs() < 1e-12);
            assert!((other.skewness - found.skewness).abs() < 1e-12);
            assert!((other.kurtosis - found.kurtosis).abs() < 1e-12);
        }
    }

    #[test]
    fn values_that_fill_no_register_are_summed_too() {
        let values: Vec<f64> = (0..11).map(|n| f64::from(n * n % 7)).collect();
        let (mut one_by_one, mut together) = (PowerSums::default(), PowerSums::default());
        values.iter().for_each(|&x| one_by_one.push(x));
        together.extend(&values);
        assert_eq!(together.distribution(), one_by_one.distribution());
    }

    #[test]
    fn no_spread_has_no_shape() {
        assert!(Distribution::of([3.0; 9].into_iter()).skewness.is_nan());
    }

    #[test]
    fn percentiles_lie_between_values() {
        assert_eq!(percentile(&[3.0, 1.0, 2.0, 5.0], 50.0), 2.5);
        assert_eq!(percentile(&[3.0, 1.0], 100.0), 3.0);
        assert!(percentile(&[], 50.0).is_nan());
    }
}
