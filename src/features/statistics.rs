//! Mean and standard deviation over the frames of a clip.

/// Running mean and population standard deviation of `N` values a frame.
///
/// The sums are kept relative to the first frame's values (the shifted-data form of the
/// variance), so that a nearly constant feature with a large mean keeps its small deviation.
#[derive(Debug, Clone)]
pub struct Moments<const N: usize> {
    shift: [f64; N],
    sum: [f64; N],
    sum_of_squares: [f64; N],
    frames: usize,
}

impl<const N: usize> Default for Moments<N> {
    fn default() -> Self {
        Self {
            shift: [0.0; N],
            sum: [0.0; N],
            sum_of_squares: [0.0; N],
            frames: 0,
        }
    }
}

impl<const N: usize> Moments<N> {
    /// Adds one frame.
    pub fn push(&mut self, values: &[f64; N]) {
        if self.frames == 0 {
            self.shift = *values;
        }
        self.frames += 1;
        for (i, value) in values.iter().enumerate() {
            let x = value - self.shift[i];
            self.sum[i] += x;
            self.sum_of_squares[i] += x * x;
        }
    }

    /// Means over the frames, shape `[N]`; 0 without frames.
    pub fn means(&self) -> [f64; N] {
        let n = self.frames.max(1) as f64;
        std::array::from_fn(|i| self.shift[i] + self.sum[i] / n)
    }

    /// Population standard deviations over the frames (NumPy's `std` with `ddof` 0), shape `[N]`.
    pub fn standard_deviations(&self) -> [f64; N] {
        let n = self.frames.max(1) as f64;
        std::array::from_fn(|i| {
            let mean = self.sum[i] / n;
            (self.sum_of_squares[i] / n - mean * mean).max(0.0).sqrt()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition() {
        let mut m = Moments::<2>::default();
        for x in [1.0, 2.0, 4.0] {
            m.push(&[x, 1e9 + x]);
        }
        let mean = 7.0 / 3.0;
        let deviation = (14.0_f64 / 9.0).sqrt();
        assert!((m.means()[0] - mean).abs() < 1e-12);
        assert!((m.standard_deviations()[0] - deviation).abs() < 1e-12);
        assert!((m.standard_deviations()[1] - deviation).abs() < 1e-6);
    }

    #[test]
    fn no_frames_are_zero() {
        assert_eq!(Moments::<1>::default().means(), [0.0]);
        assert_eq!(Moments::<1>::default().standard_deviations(), [0.0]);
    }
}
