//! Statistics pooling: mean and deviation of each channel over frames, and their derivatives.

/// Keeps the deviation's derivative finite where a channel does not vary.
pub const FLOOR: f32 = 1e-4;

/// Writes the mean and `sqrt(variance + FLOOR)` of each channel of `x`, shape `[frames][channels]`, to `pooled`, shape
/// `[2 * channels]`: all means, then all deviations.
pub fn forward(x: &[f32], channels: usize, pooled: &mut [f32]) {
    let frames = (x.len() / channels) as f32;
    let (mean, deviation) = pooled.split_at_mut(channels);
    mean.fill(0.0);
    deviation.fill(0.0);
    for row in x.chunks_exact(channels) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += x / frames);
    }
    for row in x.chunks_exact(channels) {
        let sums = deviation.iter_mut().zip(row).zip(mean.iter());
        sums.for_each(|((sum, x), mean)| *sum += (x - mean) * (x - mean) / frames);
    }
    deviation.iter_mut().for_each(|d| *d = (*d + FLOOR).sqrt());
}

/// Writes the derivatives by `x` to `d`, given those by the pooled values.
pub fn backward(x: &[f32], channels: usize, pooled: &[f32], d_pooled: &[f32], d: &mut [f32]) {
    let frames = (x.len() / channels) as f32;
    let (mean, deviation) = pooled.split_at(channels);
    let (d_mean, d_deviation) = d_pooled.split_at(channels);
    for (row, d) in x.chunks_exact(channels).zip(d.chunks_exact_mut(channels)) {
        for c in 0..channels {
            let by_deviation = d_deviation[c] * (row[c] - mean[c]) / deviation[c];
            d[c] = (d_mean[c] + by_deviation) / frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let (frames, channels) = (7, 3);
        let x: Vec<f32> = (0..frames * channels)
            .map(|i| (i as f32 * 0.77).sin())
            .collect();
        let d_pooled: Vec<f32> = (0..2 * channels).map(|i| (i as f32 * 1.9).cos()).collect();
        let loss = |x: &[f32]| {
            let mut pooled = vec![0.0; 2 * channels];
            forward(x, channels, &mut pooled);
            pooled
                .iter()
                .zip(&d_pooled)
                .map(|(p, d)| f64::from(*p) * f64::from(*d))
                .sum::<f64>()
        };
        let mut pooled = vec![0.0; 2 * channels];
        forward(&x, channels, &mut pooled);
        let mut d = vec![0.0; x.len()];
        backward(&x, channels, &pooled, &d_pooled, &mut d);
        for i in 0..x.len() {
            let moved = |by: f32| {
                let mut x = x.clone();
                x[i] += by;
                loss(&x)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (slope - f64::from(d[i])).abs() < 1e-3,
                "{i}: {slope} {}",
                d[i]
            );
        }
    }
}
