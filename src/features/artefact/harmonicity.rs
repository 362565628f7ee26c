//! How harmonic four bands of the spectrum are at the pitch of the frame.
//!
//! The log spectrum of a voice is a comb whose teeth are a fundamental apart; the component of that period, beside the
//! band's mean component, says how strong the comb is. Vocoders lose it in the upper bands, or keep it where a throat
//! does not.

use std::f64::consts::PI;
use std::ops::Range;

use super::moments;
use crate::features::dynamic::distribution::percentile;
use crate::features::dynamic::voice::LOUD_PERCENTILE;
use crate::features::logarithm::ln_f64;

/// Bands, in bins of 15.625 Hz: from 62 Hz to 1.06, 2.06, 4.06 and 7.5 kHz.
const BANDS: [Range<usize>; 4] = [4..68, 68..132, 132..260, 260..480];
/// Points of the transform along the spectrum; its index is a lag in samples.
const SIZE: usize = 1_024;
/// Components of it, 0 and `SIZE / 2` among them.
const COMPONENTS: f64 = 513.0;
/// Sums that run side by side in vector registers.
const LANES: usize = 8;

const MEASURES: [&str; 5] = ["std", "skewness", "kurtosis", "mean", "change_std"];

/// Number of values.
pub const COUNT: usize = BANDS.len() * MEASURES.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let band = |b: usize| MEASURES.map(|what| format!("harmonicity_band_{b}_{what}"));
    (1..=BANDS.len()).flat_map(band).collect()
}

/// Tables.
#[derive(Debug)]
pub struct Harmonicity {
    /// Symmetric Hann window of each band, with zeros up to a multiple of [`LANES`].
    windows: [Vec<f32>; BANDS.len()],
    /// `exp(-2 pi i n / 1024)`, shape `[1024]`.
    turns: Vec<(f32, f32)>,
}

impl Default for Harmonicity {
    fn default() -> Self {
        let window = |range: Range<usize>| {
            let mut window = vec![0.0; range.len().next_multiple_of(LANES)];
            for (n, w) in window[..range.len()].iter_mut().enumerate() {
                let angle = 2.0 * PI * n as f64 / (range.len() - 1) as f64;
                *w = (0.5 - 0.5 * angle.cos()) as f32;
            }
            window
        };
        let turn = |n: usize| {
            let angle = -2.0 * PI * n as f64 / SIZE as f64;
            (angle.cos() as f32, angle.sin() as f32)
        };
        Self {
            windows: BANDS.map(window),
            turns: (0..SIZE).map(turn).collect(),
        }
    }
}

/// What is kept of each frame.
#[derive(Debug, Default)]
pub struct HarmonicityTrack {
    /// Log strength of the comb, shape `[4][frames]`.
    strengths: [Vec<f64>; BANDS.len()],
    /// Mean log magnitude, shape `[frames]`.
    levels: Vec<f64>,
}

impl HarmonicityTrack {
    /// Adds a frame: its log magnitudes `logs`, shape `[513]`, their mean `level`, and its pitch period `lag` in samples.
    #[inline(always)]
    pub fn push(&mut self, tables: &Harmonicity, logs: &[f64], level: f64, lag: usize) {
        self.levels.push(level);
        for ((band, window), track) in BANDS.iter().zip(&tables.windows).zip(&mut self.strengths) {
            let strength = tables.strength(&logs[band.start..], band.len(), window, lag);
            track.push(ln_f64(strength + 1e-3));
        }
    }

    /// Appends the [`COUNT`] values to `values`.
    pub fn finish(self, values: &mut Vec<f64>) {
        let threshold = percentile(&self.levels, LOUD_PERCENTILE);
        for track in &self.strengths {
            let frames = track.iter().zip(&self.levels);
            let loud = frames.filter(|(_, level)| **level > threshold);
            let (shape, mean) = moments::of(loud.map(|(x, _)| *x));
            values.extend(shape);
            values.extend([mean, moments::change_deviation(track)]);
        }
    }
}

impl Harmonicity {
    /// Magnitude of component `lag` of the first `width` of `logs`, their mean removed and under `window`, over the root
    /// of the mean square of all components.
    #[inline(always)]
    fn strength(&self, logs: &[f64], width: usize, window: &[f32], lag: usize) -> f64 {
        let mean = logs[..width].iter().sum::<f64>() / width as f64;
        let turn = |n: usize| self.turns[lag * n % SIZE];
        let mut re: [f32; LANES] = std::array::from_fn(|n| turn(n).0);
        let mut im: [f32; LANES] = std::array::from_fn(|n| turn(n).1);
        let step = turn(LANES);
        let mut sum_re = [0.0_f32; LANES];
        let mut sum_im = [0.0_f32; LANES];
        let mut sums = [0.0_f32; LANES];
        let mut squares = [0.0_f32; LANES];
        for (x, w) in logs.chunks_exact(LANES).zip(window.chunks_exact(LANES)) {
            for n in 0..LANES {
                let x = (x[n] - mean) as f32 * w[n];
                sum_re[n] += x * re[n];
                sum_im[n] += x * im[n];
                sums[n] += x;
                squares[n] += x * x;
                let turned = re[n] * step.0 - im[n] * step.1;
                im[n] = re[n] * step.1 + im[n] * step.0;
                re[n] = turned;
            }
        }
        let total = |lanes: &[f32; LANES]| lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
        // Components 0 and 512 are the sum and the alternating sum, and the squares of all 1,024 are the values' own
        // times 1,024 (Parseval); half of them are the mirrored others.
        let alternating = sums.iter().enumerate().map(|(n, &x)| {
            let x = f64::from(x);
            if n % 2 == 0 { x } else { -x }
        });
        let ends = total(&sums).powi(2) + alternating.sum::<f64>().powi(2);
        let mean_square = (SIZE as f64 * total(&squares) + ends) / (2.0 * COMPONENTS);
        total(&sum_re).hypot(total(&sum_im)) / (mean_square + 1e-9).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comb_is_strong_at_its_own_period_only() {
        let tables = Harmonicity::default();
        // Teeth 8 bins (125 Hz) apart: a period of 128 samples.
        let logs: Vec<f64> = (0..513)
            .map(|bin| (2.0 * PI * f64::from(bin) / 8.0).cos() - 3.0)
            .collect();
        for (band, window) in BANDS.iter().zip(&tables.windows) {
            let at = |lag| tables.strength(&logs[band.start..], band.len(), window, lag);
            assert!(at(128) > 2.0, "{}", at(128));
            assert!(at(64) < 0.2, "{}", at(64));
        }
    }
}
