//! Lines in the modulation of the upper bands: the rate at which a vocoder makes frames, or an upsampling layer repeats.
//!
//! `artefact`'s fast modulation has the power in bands of rates; a line is narrower than those, and is looked for beside
//! the rates around it.

use std::ops::Range;

use super::bands::{SILENT, beside_neighbours, mean, peak_and_deviation};
use crate::features::dynamic::stft::hann;
use crate::features::transform::{Buffers, RealTransform};

/// Samples in a frame, under a periodic Hann window: 4 ms.
const FRAME: usize = 64;
/// Samples from one frame to the next: 1 ms, so that the envelope has 1,000 values a second.
const HOP: usize = 16;
/// Bands, in bins of 250 Hz: from 2 to 4, 6 and 7.5 kHz.
const BANDS: [Range<usize>; 3] = [8..16, 16..24, 24..30];
/// Values of the envelope in a piece that a spectrum is taken of; a new piece begins every half.
const PIECE: usize = 512;
/// Ranges of rates, in bins of 1.95 Hz: 40 to 110, 220 and 460 Hz.
const RANGES: [Range<usize>; 3] = [21..57, 57..113, 113..236];
/// Rates on either side that a rate is compared with.
const REACH: usize = 7;

/// Number of values.
pub const COUNT: usize = 2 * BANDS.len() * RANGES.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for band in 1..=BANDS.len() {
        for range in ["40_110", "110_220", "220_460"] {
            for what in ["highest", "std"] {
                names.push(format!("rate_line_{range}_hz_band_{band}_{what}"));
            }
        }
    }
    names
}

/// Plans and windows.
#[derive(Debug)]
pub struct Rates {
    frame: RealTransform<f64>,
    frame_window: Vec<f64>,
    piece: RealTransform<f64>,
    piece_window: Vec<f64>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            frame: RealTransform::new(FRAME),
            frame_window: hann(FRAME),
            piece: RealTransform::new(PIECE),
            piece_window: hann(PIECE),
        }
    }
}

impl Rates {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz and at least 0.6 s, to `values`.
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        for envelope in self.envelopes(speech) {
            let lines = beside_neighbours(&self.spectrum(&envelope), REACH);
            for range in RANGES {
                values.extend(peak_and_deviation(&lines[range]));
            }
        }
    }

    /// Log power of each band in every whole frame, shape `[3][frames]`.
    fn envelopes(&self, speech: &[f32]) -> [Vec<f64>; BANDS.len()] {
        let mut envelopes: [Vec<f64>; BANDS.len()] = Default::default();
        let mut buffers = Buffers::default();
        self.frame.fit(&mut buffers);
        for samples in speech.windows(FRAME).step_by(HOP) {
            let windowed = samples.iter().zip(&self.frame_window);
            for (out, (x, w)) in buffers.frame.iter_mut().zip(windowed) {
                *out = f64::from(*x) * w;
            }
            self.frame.forward(&mut buffers);
            for (envelope, bins) in envelopes.iter_mut().zip(BANDS) {
                let power: f64 = buffers.spectrum[bins].iter().map(|x| x.norm_sqr()).sum();
                envelope.push((power + SILENT).ln());
            }
        }
        envelopes
    }

    /// Log of the mean power of the pieces of `envelope` at each rate, shape `[257]` (Welch 1967).
    fn spectrum(&self, envelope: &[f64]) -> Vec<f64> {
        let mut buffers = Buffers::default();
        self.piece.fit(&mut buffers);
        let (mut count, mut sums) = (0, vec![0.0; self.piece.bins()]);
        for piece in envelope.windows(PIECE).step_by(PIECE / 2) {
            let middle = mean(piece);
            let windowed = piece.iter().zip(&self.piece_window);
            for (out, (x, w)) in buffers.frame.iter_mut().zip(windowed) {
                *out = (x - middle) * w;
            }
            self.piece.forward(&mut buffers);
            for (sum, x) in sums.iter_mut().zip(&buffers.spectrum) {
                *sum += x.norm_sqr();
            }
            count += 1;
        }
        let log = |sum: f64| (sum / f64::from(count) + 1e-12).ln();
        sums.into_iter().map(log).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn a_hum_of_80_hz_in_the_upper_band_is_a_line_there_alone() {
        let mut noise = 1_u32;
        let mut speech = vec![0.0_f32; 32_000];
        for (n, x) in speech.iter_mut().enumerate() {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let carrier = (2.0 * PI * 6_800.0 * n as f64 / 16_000.0).sin();
            let flutter = 1.0 + 0.5 * (2.0 * PI * 80.0 * n as f64 / 16_000.0).sin();
            *x = (0.1 * carrier * flutter) as f32 + (noise >> 16) as f32 * 1e-7;
        }
        let mut values = Vec::new();
        Rates::default().extend(&speech, &mut values);
        let found: Vec<(String, f64)> = names().into_iter().zip(values).collect();
        let value = |name: &str| found.iter().find(|(n, _)| n == name).unwrap().1;
        assert!(
            value("rate_line_40_110_hz_band_3_highest") > 6.0,
            "{found:?}"
        );
        assert!(
            value("rate_line_40_110_hz_band_1_highest") < 3.0,
            "{found:?}"
        );
    }
}
