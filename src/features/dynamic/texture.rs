//! Fine texture of the spectrogram: how log magnitudes differ between neighbours, how evenly phases advance.
//!
//! Vocoders smooth both: they draw magnitudes from frames of features and phases from a model.

use std::f64::consts::PI;
use std::ops::Range;

use realfft::num_complex::Complex;

use super::Listener;
use super::distribution::PowerSums;
use super::stft::{HOP, Stft};
use crate::features::logarithm::ln_f64;

const FFT_SIZE: usize = 512;
const BINS: usize = FFT_SIZE / 2 + 1;
/// Magnitude bands, in bins of 31.25 Hz: 250 Hz to 4,000 Hz, and 4,000 Hz to 7,500 Hz.
const BANDS: [(&str, Range<usize>); 2] = [("low", 8..128), ("high", 128..240)];
/// Phase bands: from 125 Hz to 1, 2, 4 and 6.25 kHz.
const PHASE_BANDS: [Range<usize>; 4] = [4..32, 32..64, 64..128, 128..200];
/// Bins whose phases are described.
const PHASES: Range<usize> = PHASE_BANDS[0].start..PHASE_BANDS[3].end;
/// Of the differences in row-major order `[bins][frames]`, every seventh goes into skewness and kurtosis.
const STEP: usize = 7;
/// Sums that run side by side in vector registers.
const LANES: usize = 4;

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
    /// What turns a bin's phase back by the advance of a sine at its centre over one hop, real and imaginary parts.
    turns: [[f64; BINS]; 2],
}

impl Default for Texture {
    fn default() -> Self {
        let angle = |bin: usize| {
            let cycles = (HOP * bin % FFT_SIZE) as f64 / FFT_SIZE as f64;
            -2.0 * PI * cycles
        };
        Self {
            stft: Stft::new(FFT_SIZE, 400),
            turns: [
                std::array::from_fn(|bin| angle(bin).cos()),
                std::array::from_fn(|bin| angle(bin).sin()),
            ],
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

/// Sums over the frames of one phase band.
#[derive(Debug, Clone, Copy, Default)]
struct PhaseBand {
    /// Of the sizes of the angles.
    angles: f64,
    /// Of the lengths of the sums over the bins.
    lengths: f64,
}

/// A frame's log magnitudes and phases as unit numbers, shape `[257]` each.
#[derive(Debug)]
struct Frame {
    logs: [f64; BINS],
    re: [f64; BINS],
    im: [f64; BINS],
}

impl Frame {
    const fn new() -> Self {
        Self {
            logs: [0.0; BINS],
            re: [0.0; BINS],
            im: [0.0; BINS],
        }
    }

    #[inline(always)]
    fn read(&mut self, spectrum: &[Complex<f64>]) {
        for (bin, x) in spectrum.iter().enumerate() {
            let magnitude = x.norm_sqr().sqrt();
            // The phase of 0 is 0.
            let silent = if magnitude > 0.0 { 0.0 } else { 1.0 };
            let scale = 1.0 / (magnitude + silent);
            self.re[bin] = x.re * scale + silent;
            self.im[bin] = x.im * scale;
            self.logs[bin] = magnitude + 1e-6;
        }
        self.logs.iter_mut().for_each(|x| *x = ln_f64(*x));
    }
}

/// Advances of the phases over one hop beyond those of sines at the bins' centres, as unit numbers, and the sizes of
/// their angles: of the bins in [`PHASES`], zeros elsewhere.
#[derive(Debug)]
struct Advances {
    re: [f64; BINS],
    im: [f64; BINS],
    sizes: [f64; BINS],
}

impl Default for Advances {
    fn default() -> Self {
        Self {
            re: [0.0; BINS],
            im: [0.0; BINS],
            sizes: [0.0; BINS],
        }
    }
}

impl Advances {
    #[inline(always)]
    fn read(&mut self, now: &Frame, before: &Frame, turns: &[[f64; BINS]; 2]) {
        let [turn_re, turn_im] = turns;
        for bin in PHASES {
            let (a, b) = (now.re[bin], now.im[bin]);
            let (c, d) = (before.re[bin], before.im[bin]);
            let (x, y) = (a * c + b * d, b * c - a * d);
            self.re[bin] = x * turn_re[bin] - y * turn_im[bin];
            self.im[bin] = x * turn_im[bin] + y * turn_re[bin];
        }
        let parts = self.re[PHASES].iter().zip(&self.im[PHASES]);
        for (size, (re, im)) in self.sizes[PHASES].iter_mut().zip(parts) {
            *size = angle_size(*re, *im);
        }
    }
}

/// Sum of values, several side by side.
#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().sum();
    for x in chunks {
        for (sum, x) in lanes.iter_mut().zip(x) {
            *sum += x;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

impl Texture {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz and at least two frames, to `values`; `listener` hears the
    /// spectra.
    #[inline(always)]
    pub fn extend(&self, speech: &[f32], listener: &mut impl Listener, values: &mut Vec<f64>) {
        let frames = 1 + speech.len() / HOP;
        let mut bands: [Band; BANDS.len()] = Default::default();
        let mut phases = [PhaseBand::default(); PHASE_BANDS.len()];
        let (mut now, mut before) = (Box::new(Frame::new()), Box::new(Frame::new()));
        // Sums over the frames of each bin's log magnitude and its square, and of the advances of its phase.
        let (mut levels, mut squares) = ([0.0; BINS], [0.0; BINS]);
        let (mut over_time_re, mut over_time_im) = ([0.0; BINS], [0.0; BINS]);
        let mut differences = [0.0; BINS];
        let mut advances = Advances::default();

        let mut frame = 0;
        self.stft.frames(
            speech,
            #[inline(always)]
            |spectrum| {
                listener.medium_frame(spectrum);
                now.read(spectrum);
                for bin in 0..BINS {
                    levels[bin] += now.logs[bin];
                    squares[bin] += now.logs[bin] * now.logs[bin];
                }
                for (band, (_, range)) in bands.iter_mut().zip(BANDS) {
                    let logs = &now.logs[range.clone()];
                    let width = logs.len();
                    if frame > 0 {
                        let differences = &mut differences[..width];
                        for ((out, x), y) in
                            differences.iter_mut().zip(logs).zip(&before.logs[range])
                        {
                            *out = x - y;
                        }
                        band.time.extend(differences);
                        for index in sampled(frames - 1, frame - 1, width) {
                            band.time_sample.push(differences[index]);
                        }
                    }
                    let differences = &mut differences[..width - 1];
                    for ((out, x), y) in differences.iter_mut().zip(&logs[1..]).zip(logs) {
                        *out = x - y;
                    }
                    band.frequency.extend(differences);
                    for index in sampled(frames, frame, width - 1) {
                        band.frequency_sample.push(differences[index]);
                    }
                }
                if frame > 0 {
                    advances.read(&now, &before, &self.turns);
                    for bin in PHASES {
                        over_time_re[bin] += advances.re[bin];
                        over_time_im[bin] += advances.im[bin];
                    }
                    for (band, range) in phases.iter_mut().zip(PHASE_BANDS) {
                        band.angles += sum(&advances.sizes[range.clone()]);
                        let re = sum(&advances.re[range.clone()]);
                        let im = sum(&advances.im[range]);
                        band.lengths += (re * re + im * im).sqrt();
                    }
                }
                std::mem::swap(&mut now, &mut before);
                frame += 1;
            },
        );

        let count = frames as f64;
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
            let variance: f64 = range
                .map(|bin| squares[bin] / count - (levels[bin] / count).powi(2))
                .sum();
            values.push((variance / width).sqrt());
        }
        let steps = count - 1.0;
        for (band, range) in phases.into_iter().zip(PHASE_BANDS) {
            let width = range.len() as f64;
            let over_time: f64 = range
                .map(|bin| over_time_re[bin].hypot(over_time_im[bin]) / steps)
                .sum();
            values.extend([
                band.angles / (width * steps),
                over_time / width,
                band.lengths / (width * steps),
            ]);
        }
    }
}

/// Which of the first `width` rows are sampled in a column: in row-major order, rows of `length`, every [`STEP`]th is.
#[inline(always)]
fn sampled(length: usize, column: usize, width: usize) -> std::iter::StepBy<Range<usize>> {
    let first = (0..STEP).find(|row| (row * length + column).is_multiple_of(STEP));
    // STEP is prime: it divides the length of a row, or meets one row in STEP.
    let step = if length.is_multiple_of(STEP) { 1 } else { STEP };
    (first.unwrap_or(width).min(width)..width).step_by(step)
}

/// Size of the angle of the unit number `re + i im`, 0 to pi, within 1e-8: four times the arc tangent of the tangent of
/// a quarter of it.
#[inline(always)]
fn angle_size(re: f64, im: f64) -> f64 {
    // Of the angle's mirror image below 90 degrees, the cosine of the half.
    let half = ((1.0 + re.abs()) * 0.5).sqrt();
    let t = im.abs() / (2.0 * half * (1.0 + half));
    let q = t * t;
    let mut series = 1.0 / 19.0;
    for odd in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = 1.0 / odd - series * q;
    }
    // Without a branch: the angle, or what it lacks to half a turn.
    PI / 2.0 - (PI / 2.0 - 4.0 * t * series).copysign(re)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_angles_are_those_of_the_arc_tangent() {
        for step in -1_000..=1_000 {
            let angle = f64::from(step) * PI / 1_000.0;
            let off = angle_size(angle.cos(), angle.sin()) - angle.abs();
            assert!(off.abs() < 1e-8, "{angle}: {off}");
        }
    }

    #[test]
    fn every_seventh_in_row_major_order_is_sampled() {
        for length in 20..30 {
            for column in 0..length {
                let found: Vec<usize> = sampled(length, column, 40).collect();
                let expected: Vec<usize> = (0..40)
                    .filter(|row| (row * length + column) % 7 == 0)
                    .collect();
                assert_eq!(found, expected, "{length} {column}");
            }
        }
    }
}
