//! Fine texture of the spectrogram: how log magnitudes differ between neighbours, how evenly phases advance.
//!
//! Vocoders smooth both: they draw magnitudes from frames of features and phases from a model.

use std::f64::consts::PI;
use std::ops::Range;

use realfft::num_complex::Complex;

use super::distribution::PowerSums;
use super::stft::{HOP, Stft};

const FFT_SIZE: usize = 512;
/// Magnitude bands, in bins of 31.25 Hz: 250 Hz to 4,000 Hz, and 4,000 Hz to 7,500 Hz.
const BANDS: [(&str, Range<usize>); 2] = [("low", 8..128), ("high", 128..240)];
/// Phase bands: from 125 Hz to 1, 2, 4 and 6.25 kHz.
const PHASE_BANDS: [Range<usize>; 4] = [4..32, 32..64, 64..128, 128..200];
/// Of the differences in row-major order `[bins][frames]`, every seventh goes into skewness and kurtosis.
const STEP: usize = 7;

/// Number of values.
pub const COUNT: usize = 7 * BANDS.len() + 3 * PHASE_BANDS.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for (band, _) in BANDS {
        for axis in ["time", "frequency"] {
            names.extend(
                ["std", "skewness", "kurtosis"]
                    .map(|what| format!("texture_{band}_{axis}_difference_{what}")),
            );
        }
        names.push(format!("texture_{band}_movement_std"));
    }
    for index in 1..=PHASE_BANDS.len() {
        names.extend(
            ["deviation", "coherence_over_time", "coherence_over_bins"]
                .map(|what| format!("phase_advance_{index}_{what}")),
        );
    }
    names
}

/// Plan and table.
#[derive(Debug)]
pub struct Texture {
    stft: Stft,
    /// What turns a bin's phase back by the advance of a sine at its centre over one hop, shape `[257]`.
    turns: Vec<Complex<f64>>,
}

impl Default for Texture {
    fn default() -> Self {
        let turn = |bin: usize| {
            let cycles = (HOP * bin % FFT_SIZE) as f64 / FFT_SIZE as f64;
            Complex::from_polar(1.0, -2.0 * PI * cycles)
        };
        let stft = Stft::new(FFT_SIZE, 400);
        Self {
            turns: (0..stft.bins()).map(turn).collect(),
            stft,
        }
    }
}

/// Sums over the frames of one magnitude band.
#[derive(Debug, Default)]
struct Band {
    time: PowerSums,
    time_sample: PowerSums,
    frequency: PowerSums,
    frequency_sample: PowerSums,
}

impl Texture {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz and at least two frames, to `values`.
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        let bins = self.stft.bins();
        let frames = 1 + speech.len() / HOP;
        let mut bands: [Band; BANDS.len()] = Default::default();
        let (mut logs, mut logs_before) = (vec![0.0; bins], vec![0.0; bins]);
        let mut levels = vec![Levels::default(); bins];
        let (mut units, mut units_before) = (vec![Complex::default(); bins], Vec::new());
        units_before.clone_from(&units);
        let mut over_time = vec![Complex::<f64>::default(); bins];
        let mut phases = [(0.0, 0.0); PHASE_BANDS.len()];

        let mut frame = 0;
        self.stft.frames(speech, |spectrum| {
            for (bin, x) in spectrum.iter().enumerate() {
                let magnitude = x.norm_sqr().sqrt();
                logs[bin] = (magnitude + 1e-6).ln();
                levels[bin].push(logs[bin]);
                // The phase of 0 is 0.
                units[bin] = if magnitude > 0.0 {
                    x / magnitude
                } else {
                    Complex::from(1.0)
                };
            }
            for (band, (_, range)) in bands.iter_mut().zip(BANDS) {
                let low = range.start;
                if frame > 0 {
                    for bin in range.clone() {
                        let difference = logs[bin] - logs_before[bin];
                        band.time.push(difference);
                        if ((bin - low) * (frames - 1) + frame - 1).is_multiple_of(STEP) {
                            band.time_sample.push(difference);
                        }
                    }
                }
                for bin in low..range.end - 1 {
                    let difference = logs[bin + 1] - logs[bin];
                    band.frequency.push(difference);
                    if ((bin - low) * frames + frame).is_multiple_of(STEP) {
                        band.frequency_sample.push(difference);
                    }
                }
            }
            if frame > 0 {
                for ((angles, coherence), range) in phases.iter_mut().zip(PHASE_BANDS) {
                    let width = range.len() as f64;
                    let mut over_bins = Complex::<f64>::default();
                    for bin in range {
                        let advance = units[bin] * units_before[bin].conj() * self.turns[bin];
                        *angles += advance.arg().abs();
                        over_bins += advance;
                        over_time[bin] += advance;
                    }
                    *coherence += over_bins.norm() / width;
                }
            }
            std::mem::swap(&mut logs, &mut logs_before);
            std::mem::swap(&mut units, &mut units_before);
            frame += 1;
        });

        for (band, (_, range)) in bands.iter().zip(BANDS) {
            for (all, sample) in [
                (&band.time, &band.time_sample),
                (&band.frequency, &band.frequency_sample),
            ] {
                let sample = sample.distribution();
                values.push(all.distribution().deviation);
                values.extend([sample.skewness, sample.kurtosis]);
            }
            let width = range.len() as f64;
            let variance: f64 = levels[range].iter().map(Levels::variance).sum();
            values.push((variance / width).sqrt());
        }
        let steps = (frames - 1) as f64;
        for ((angles, coherence), range) in phases.into_iter().zip(PHASE_BANDS) {
            let width = range.len() as f64;
            let over_time: f64 = over_time[range].iter().map(|sum| sum.norm() / steps).sum();
            values.extend([
                angles / (width * steps),
                over_time / width,
                coherence / steps,
            ]);
        }
    }
}

/// Running variance of one bin's log magnitude, by Welford's method: its mean is large beside its deviation.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Levels {
    fn push(&mut self, x: f64) {
        self.count += 1.0;
        let off = x - self.mean;
        self.mean += off / self.count;
        self.squares += off * (x - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / self.count
    }
}
