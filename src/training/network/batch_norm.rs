//! Batch normalisation followed by a ReLU, and their derivatives (Ioffe and Szegedy, 2015).
//!
//! ```text
//! y = max(0, gamma * (z - mean) / sqrt(variance + EPSILON) + beta)
//! ```
//!
//! Mean and variance are those of a channel over all clips, frames and bands of the mini-batch. They are summed clip by
//! clip and the clips' sums in their order, so that they do not depend on the number of threads.

/// Keeps a channel without variance finite; PyTorch's default.
pub const EPSILON: f64 = 1e-5;

/// Two sums for each channel, of one clip or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// Shape `[channels]`.
    pub first: Vec<f64>,
    /// Shape `[channels]`.
    pub second: Vec<f64>,
}

/// Mean and deviation of each channel over a mini-batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// Shape `[channels]`.
    pub mean: Vec<f32>,
    /// `1 / sqrt(variance + EPSILON)`, shape `[channels]`.
    pub inverse: Vec<f32>,
    /// Variance with `n - 1` in the denominator, as running averages take it, shape `[channels]`.
    pub unbiased: Vec<f32>,
}

/// Values that are added in f32 before they go into a sum in f64.
const BLOCK: usize = 64;

impl Sums {
    fn zeros(channels: usize) -> Self {
        Self {
            first: vec![0.0; channels],
            second: vec![0.0; channels],
        }
    }

    /// Sums over pairs of rows, each of shape `[n][channels]`, of what `terms` makes of two values.
    fn over(
        a: &[f32],
        b: &[f32],
        channels: usize,
        terms: impl Fn(usize, f32, f32) -> (f32, f32),
    ) -> Self {
        let mut sums = Self::zeros(channels);
        let (mut first, mut second) = (vec![0.0_f32; channels], vec![0.0_f32; channels]);
        let blocks = a.chunks(BLOCK * channels).zip(b.chunks(BLOCK * channels));
        for (a, b) in blocks {
            first.fill(0.0);
            second.fill(0.0);
            for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
                let sums = first.iter_mut().zip(&mut second);
                for (channel, ((first, second), (a, b))) in sums.zip(a.iter().zip(b)).enumerate() {
                    let (x, y) = terms(channel, *a, *b);
                    *first += x;
                    *second += y;
                }
            }
            add(&mut sums.first, &first);
            add(&mut sums.second, &second);
        }
        sums
    }

    /// Sums of the values and of their squares; `z` has shape `[n][channels]`.
    #[must_use]
    pub fn of(z: &[f32], channels: usize) -> Self {
        Self::over(z, z, channels, |_, z, _| (z, z * z))
    }

    /// Adds up the sums of clips, in their order.
    #[must_use]
    pub fn total(clips: &[Self]) -> Self {
        let mut total = Self::zeros(clips.first().map_or(0, |clip| clip.first.len()));
        for clip in clips {
            for (sum, x) in total.first.iter_mut().zip(&clip.first) {
                *sum += x;
            }
            for (sum, x) in total.second.iter_mut().zip(&clip.second) {
                *sum += x;
            }
        }
        total
    }
}

fn add(sums: &mut [f64], values: &[f32]) {
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, x)| *sum += f64::from(*x));
}

impl Statistics {
    /// From the sums of `count` values of each channel and of their squares.
    #[must_use]
    pub fn new(sums: &Sums, count: usize) -> Self {
        let n = count as f64;
        let mut statistics = Self::default();
        for (sum, squares) in sums.first.iter().zip(&sums.second) {
            let mean = sum / n;
            let variance = (squares / n - mean * mean).max(0.0);
            statistics.mean.push(mean as f32);
            statistics
                .inverse
                .push((1.0 / (variance + EPSILON).sqrt()) as f32);
            let unbiased = variance * n / (n - 1.0).max(1.0);
            statistics.unbiased.push(unbiased as f32);
        }
        statistics
    }

    /// Normalises `z`, shape `[n][channels]`, into `y`. A dropped channel of `keep`, shape `[channels]`, is 0, the others
    /// are multiplied by it.
    pub fn forward(
        &self,
        gamma: &[f32],
        beta: &[f32],
        z: &[f32],
        keep: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let channels = gamma.len();
        let slope: Vec<f32> = gamma
            .iter()
            .zip(&self.inverse)
            .map(|(g, i)| g * i)
            .collect();
        let offset = beta.iter().zip(&self.mean).zip(&slope);
        let offset: Vec<f32> = offset.map(|((b, m), s)| b - m * s).collect();
        for (z, y) in z.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            let places = y.iter_mut().zip(z).zip(slope.iter().zip(&offset));
            places.for_each(|((y, z), (s, o))| *y = (z * s + o).max(0.0));
            if let Some(keep) = keep {
                y.iter_mut().zip(keep).for_each(|(y, k)| *y *= k);
            }
        }
    }

    /// Takes `d`, the derivatives by `y`, shape `[n][channels]`, to those before the ReLU, in place, and sums over a clip
    /// those by beta and gamma.
    #[must_use]
    pub fn before_relu(&self, z: &[f32], y: &[f32], keep: Option<&[f32]>, d: &mut [f32]) -> Sums {
        let channels = self.mean.len();
        for (d, y) in d.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
            d.iter_mut()
                .zip(y)
                .for_each(|(d, y)| *d = if *y > 0.0 { *d } else { 0.0 });
            if let Some(keep) = keep {
                d.iter_mut().zip(keep).for_each(|(d, k)| *d *= k);
            }
        }
        let (mean, inverse) = (&self.mean[..channels], &self.inverse[..channels]);
        Sums::over(d, z, channels, |c, d, z| {
            (d, d * (z - mean[c]) * inverse[c])
        })
    }

    /// Takes `d` further to the derivatives by `z`, in place. `total` is the sum of what [`Self::before_relu`] gave for the
    /// clips of the mini-batch, which have `count` values of each channel together.
    pub fn backward(&self, gamma: &[f32], z: &[f32], total: &Sums, count: usize, d: &mut [f32]) {
        // dz = gamma i / n * (n d - sum d - x sum(d x)),  x = (z - mean) i:  a d + b z + c for each channel.
        let n = count as f64;
        let channels = gamma.len();
        let mut factors = [
            vec![0.0_f32; channels],
            vec![0.0; channels],
            vec![0.0; channels],
        ];
        for c in 0..channels {
            let (i, mean) = (f64::from(self.inverse[c]), f64::from(self.mean[c]));
            let scale = f64::from(gamma[c]) * i;
            let by_z = -scale * i * total.second[c] / n;
            factors[0][c] = scale as f32;
            factors[1][c] = by_z as f32;
            factors[2][c] = (-scale * total.first[c] / n - by_z * mean) as f32;
        }
        let [by_d, by_z, constant] = &factors;
        for (d, z) in d.chunks_exact_mut(channels).zip(z.chunks_exact(channels)) {
            let factors = by_d.iter().zip(by_z).zip(constant);
            for ((d, z), ((a, b), c)) in d.iter_mut().zip(z).zip(factors) {
                *d = a * *d + b * z + c;
            }
        }
    }
}
