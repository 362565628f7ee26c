//! Linear-frequency cepstral coefficients, and the shape of their distribution over the louder frames.
//!
//! Spoofing countermeasures use LFCC rather than MFCC because synthesis leaves traces in the upper bands, which mel
//! bands merge (Sahidullah et al., "A comparison of features for synthetic speech detection", Interspeech 2015).

use super::RATE;
use super::distribution::{Distribution, percentile};
use crate::features::logarithm::ln_f64;
use crate::features::mel;
use std::f64::consts::PI;

/// Triangular filters.
const FILTERS: usize = 40;
/// Coefficients that are kept.
const COEFFICIENTS: usize = 20;
/// Points of the FFT behind the power spectrum.
const FFT_SIZE: usize = 512;
/// Products that are summed side by side in vector registers.
const LANES: usize = 4;
/// Length of a power spectrum with the zeros behind it, so that the last filter may read whole fours.
pub const PADDED: usize = (FFT_SIZE / 2 + 1).next_multiple_of(LANES);
/// Below this power (of a frame under a window of 320 samples) a band counts as silent.
const FLOOR: f64 = 1e-8;
/// How far below the 95th percentile a frame's mean log power may lie to count as loud, in nepers of power (26 dB).
const LOUD_RANGE: f64 = 6.0;
/// With fewer loud frames than this, all frames count.
const LEAST_LOUD: usize = 30;

/// Values of one bank: standard deviation, skewness and kurtosis of the coefficients, their slopes, and the slopes'.
pub const COUNT: usize = 3 * 3 * COEFFICIENTS;

/// Names of the values, in their order.
pub fn names(stem: &str) -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for order in ["", "_delta", "_delta2"] {
        for moment in ["std", "skewness", "kurtosis"] {
            names.extend((1..=COEFFICIENTS).map(|i| format!("{stem}{order}_{moment}_{i}")));
        }
    }
    names
}

/// Triangles, linear in Hz, and the cosine transform behind them.
#[derive(Debug)]
pub struct FilterBank {
    /// The first bin that each filter hears, and its weights by fours, zeros beyond the last one.
    filters: Vec<(usize, Vec<[f64; LANES]>)>,
    /// Orthonormal DCT-II (`scipy.fftpack.dct`, `norm="ortho"`), cut to the kept coefficients, filter by filter.
    cosines: [[f64; COEFFICIENTS]; FILTERS],
}

impl FilterBank {
    /// 40 filters whose outer edges are `low` and `high`, in Hz.
    pub fn new(low: f64, high: f64) -> Self {
        let step = (high - low) / (FILTERS + 1) as f64;
        Self::of(|i, hz| {
            let edge = low + step * i as f64;
            ((hz - edge) / step).min((edge + 2.0 * step - hz) / step)
        })
    }

    /// 40 filters between points that lie evenly on Slaney's mel scale, 0 to 8,000 Hz, each 1 high
    /// (`librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, norm=None)`).
    pub fn mel() -> Self {
        let edges = mel::edges(FILTERS, f64::from(RATE) / 2.0);
        Self::of(|i, hz| {
            let (low, centre, high) = (edges[i], edges[i + 1], edges[i + 2]);
            ((hz - low) / (centre - low)).min((high - hz) / (high - centre))
        })
    }

    /// Filters of which `weight` says, by number and frequency in Hz, what a bin weighs where that is more than 0.
    fn of(weight: impl Fn(usize, f64) -> f64) -> Self {
        let width = f64::from(RATE) / FFT_SIZE as f64;
        let filter = |i: usize| {
            let weight = |bin: usize| weight(i, bin as f64 * width);
            let heard: Vec<usize> = (0..=FFT_SIZE / 2).filter(|&b| weight(b) > 0.0).collect();
            let first = heard[0].min(PADDED - heard.len().next_multiple_of(LANES));
            let mut weights = vec![[0.0; LANES]; heard.len().div_ceil(LANES)];
            for bin in heard {
                weights[(bin - first) / LANES][(bin - first) % LANES] = weight(bin);
            }
            (first, weights)
        };
        let cosine = |row: usize, n: usize| {
            let scale = if row == 0 { 1.0 } else { 2.0 } / FILTERS as f64;
            let angle = PI * (row * (2 * n + 1)) as f64 / (2 * FILTERS) as f64;
            scale.sqrt() * angle.cos()
        };
        Self {
            filters: (0..FILTERS).map(filter).collect(),
            cosines: std::array::from_fn(|n| std::array::from_fn(|row| cosine(row, n))),
        }
    }
}

/// The coefficients of a clip, frame by frame.
#[derive(Debug, Default)]
pub struct LfccTrack {
    /// Shape `[frames][20]`.
    coefficients: Vec<[f64; COEFFICIENTS]>,
    /// Mean log power of the filters, shape `[frames]`.
    levels: Vec<f64>,
}

impl LfccTrack {
    /// Adds a frame with the power spectrum `power`, shape `[260]`: 257 bins and zeros.
    #[inline(always)]
    pub fn push(&mut self, bank: &FilterBank, power: &[f64]) {
        let mut logs = [0.0; FILTERS];
        for (log, (first, weights)) in logs.iter_mut().zip(&bank.filters) {
            let mut sums = [0.0; LANES];
            let (heard, _) = power[*first..].as_chunks::<LANES>();
            for (p, w) in heard.iter().zip(weights) {
                for lane in 0..LANES {
                    sums[lane] += p[lane] * w[lane];
                }
            }
            *log = (sums[0] + sums[2]) + (sums[1] + sums[3]) + FLOOR;
        }
        logs.iter_mut().for_each(|x| *x = ln_f64(*x));
        self.levels.push(logs.iter().sum::<f64>() / FILTERS as f64);
        let mut coefficients = [0.0; COEFFICIENTS];
        for (log, cosines) in logs.iter().zip(&bank.cosines) {
            for (sum, cosine) in coefficients.iter_mut().zip(cosines) {
                *sum += cosine * log;
            }
        }
        self.coefficients.push(coefficients);
    }

    /// Appends the [`COUNT`] values to `values`.
    #[inline(always)]
    pub fn finish(self, values: &mut Vec<f64>) {
        let threshold = percentile(&self.levels, 95.0) - LOUD_RANGE;
        let mut loud: Vec<bool> = self.levels.iter().map(|&level| level > threshold).collect();
        if loud.iter().filter(|&&x| x).count() < LEAST_LOUD {
            loud.fill(true);
        }
        // Slopes are taken over all frames, so that a gap between loud ones is no jump.
        let delta = slopes(&self.coefficients);
        let delta2 = slopes(&delta);
        for track in [&self.coefficients, &delta, &delta2] {
            let frames = track.iter().zip(&loud).filter(|(_, loud)| **loud);
            let shapes = Distribution::of_columns(frames.map(|(frame, _)| frame));
            values.extend(shapes.map(|s| s.deviation));
            values.extend(shapes.map(|s| s.skewness));
            values.extend(shapes.map(|s| s.kurtosis));
        }
    }
}

/// Slope of the straight line through five frames around each (`librosa.feature.delta` with `width=5`); the first and
/// last two frames have the slope of the five at their end. At least five frames.
#[inline(always)]
fn slopes(track: &[[f64; COEFFICIENTS]]) -> Vec<[f64; COEFFICIENTS]> {
    let slope = |t: usize| {
        let t = t.clamp(2, track.len() - 3);
        std::array::from_fn(|i| {
            let outer = track[t + 2][i] - track[t - 2][i];
            (2.0 * outer + track[t + 1][i] - track[t - 1][i]) / 10.0
        })
    };
    (0..track.len()).map(slope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_spectrum_has_only_the_first_coefficient() {
        let mut track = LfccTrack::default();
        track.push(&FilterBank::new(50.0, 7_600.0), &[1.0; 257]);
        let found = track.coefficients[0];
        assert!(found[0] > 1.0);
        assert!(found[1..].iter().all(|c| c.abs() < 0.5), "{found:?}");
    }

    #[test]
    fn slopes_of_a_line_are_its_slope_up_to_the_ends() {
        let track: Vec<_> = (0..9).map(|t| [0.5 * f64::from(t); COEFFICIENTS]).collect();
        assert_eq!(slopes(&track), vec![[0.5; COEFFICIENTS]; 9]);
    }
}
