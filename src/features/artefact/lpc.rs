//! Linear prediction: what a vocal tract of 16 poles leaves of each frame, and how the poles move.
//!
//! The residual of a voice is a train of sharp pulses; synthesis smears it. Predictors are Durbin's (Makhoul, "Linear
//! prediction: a tutorial review", Proc. IEEE 63, 1975).

use std::f64::consts::PI;
use std::fmt;

use super::moments;
use crate::features::dynamic::distribution::percentile;
use crate::features::logarithm::ln;
use crate::features::transform::{Buffers, RealTransform};

/// Samples of a frame, 25 ms.
const FRAME: usize = 400;
/// Samples from one frame to the next.
const STEP: usize = 200;
const ORDER: usize = 16;
/// Frames above this percentile of energy are analysed.
const LOUD_PERCENTILE: f64 = 40.0;
/// Samples of the residual that are described: those predicted from a whole order, less as many at the end.
const RESIDUAL: usize = 368;
/// Points of the residual's transform.
const FFT_SIZE: usize = 1_024;
/// Lags at which the residual's period is looked for, in samples: 400 Hz down to 60 Hz.
const LAGS: std::ops::Range<usize> = 40..267;
/// Bins whose flatness is taken: 312 Hz to 7.5 kHz.
const FLAT: std::ops::Range<usize> = 20..480;
/// Sums over them that run side by side: they divide the bins.
const FLAT_LANES: usize = 4;
const _: () = assert!((FLAT.end - FLAT.start).is_multiple_of(FLAT_LANES));
/// Sums that run side by side in vector registers.
const LANES: usize = 8;

const TRACKS: [&str; 6] = [
    "residual_kurtosis",
    "residual_skewness",
    "residual_peak",
    "prediction_gain",
    "residual_periodicity",
    "residual_flatness",
];
const MEASURES: [&str; 6] = [
    "std",
    "skewness",
    "kurtosis",
    "mean",
    "change_std",
    "persistence",
];

/// Number of values.
pub const COUNT: usize = TRACKS.len() * MEASURES.len() + moments::NAMES.len() * ORDER;

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for track in TRACKS {
        names.extend(MEASURES.map(|what| format!("lpc_{track}_{what}")));
    }
    for what in moments::NAMES {
        names.extend((1..=ORDER).map(|i| format!("lpc_reflection_change_{what}_{i}")));
    }
    names
}

/// Plans and window.
pub struct Lpc {
    /// Symmetric Hann window.
    window: [f32; FRAME],
    transform: RealTransform<f32>,
}

impl fmt::Debug for Lpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lpc").finish_non_exhaustive()
    }
}

impl Default for Lpc {
    fn default() -> Self {
        let hann = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / (FRAME - 1) as f64).cos();
        Self {
            window: std::array::from_fn(|n| hann(n) as f32),
            transform: RealTransform::new(FFT_SIZE),
        }
    }
}

/// A frame's predictor.
struct Predictor {
    /// `1, a1, ..., a16`: the residual is the sum of `a[j] x[n - j]`.
    coefficients: [f64; ORDER + 1],
    /// Inverse hyperbolic tangents of the reflection coefficients (log area ratios, halved).
    areas: [f64; ORDER],
    /// Log of the frame's energy over the residual's.
    gain: f64,
}

impl Lpc {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz and at least a frame, to `values`.
    #[inline(always)]
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        let frames: Vec<&[f32]> = speech.windows(FRAME).step_by(STEP).collect();
        // Frames overlap by half: each half is summed once.
        let halves: Vec<f64> = speech.chunks_exact(STEP).map(energy).collect();
        let energies: Vec<f64> = halves.windows(2).map(|pair| pair[0] + pair[1]).collect();
        let threshold = percentile(&energies, LOUD_PERCENTILE);

        let mut tracks: [Vec<f64>; TRACKS.len()] = Default::default();
        let mut areas: Vec<[f64; ORDER]> = Vec::new();
        let mut residual = [0.0_f32; RESIDUAL];
        let mut buffers = Buffers::default();
        self.transform.fit(&mut buffers);
        for (frame, energy) in frames.iter().zip(&energies) {
            if *energy > threshold {
                let windowed: [f32; FRAME] = std::array::from_fn(|n| frame[n] * self.window[n]);
                let predictor = predict(&autocorrelation(&windowed));
                filter(&windowed, &predictor.coefficients, &mut residual);
                let [kurtosis, skewness, peak] = shape(&mut residual);
                let [periodicity, flatness] = self.spectrum(&residual, &mut buffers);
                let found = [
                    kurtosis,
                    skewness,
                    peak,
                    predictor.gain,
                    periodicity,
                    flatness,
                ];
                for (track, x) in tracks.iter_mut().zip(found) {
                    track.push(x);
                }
                areas.push(predictor.areas);
            }
        }

        for track in &tracks {
            let (shape, mean) = moments::of(track.iter().copied());
            values.extend(shape);
            values.extend([mean, moments::change_deviation(track)]);
            values.push(match track.len() {
                0 => f64::NAN,
                n => moments::correlation(&track[1..], &track[..n - 1]),
            });
        }
        let changes: [[f64; 3]; ORDER] = std::array::from_fn(|i| {
            moments::of(areas.windows(2).map(|pair| pair[1][i] - pair[0][i])).0
        });
        for moment in 0..moments::NAMES.len() {
            values.extend(changes.iter().map(|change| change[moment]));
        }
    }

    /// Height of the highest autocorrelation among [`LAGS`], and log flatness of the spectrum, of a `residual` of unit
    /// power.
    #[inline(always)]
    fn spectrum(&self, residual: &[f32; RESIDUAL], buffers: &mut Buffers<f32>) -> [f64; 2] {
        let (time, rest) = buffers.frame.split_at_mut(RESIDUAL);
        time.copy_from_slice(residual);
        rest.fill(0.0);
        self.transform.forward(buffers);
        let mut powers = [0.0_f32; FFT_SIZE / 2 + 1];
        for (power, x) in powers.iter_mut().zip(&buffers.spectrum) {
            *power = x.norm_sqr();
        }
        let mut logs = [0.0_f32; FLAT_LANES];
        let mut sums = [0.0_f32; FLAT_LANES];
        for powers in powers[FLAT].chunks_exact(FLAT_LANES) {
            for n in 0..FLAT_LANES {
                logs[n] += ln(powers[n] + 1e-9);
                sums[n] += powers[n];
            }
        }
        let mean =
            |lanes: [f32; FLAT_LANES]| lanes.map(f64::from).iter().sum::<f64>() / FLAT.len() as f64;
        self.transform.even_inverse(&powers, buffers);
        let time = &buffers.frame;
        let mut highest = f32::NEG_INFINITY;
        for &x in &time[LAGS] {
            highest = if x > highest { x } else { highest };
        }
        [
            f64::from(highest) / f64::from(time[0]),
            mean(logs) - mean(sums).ln(),
        ]
    }
}

/// Sum of squares.
#[inline(always)]
fn energy(samples: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    for x in samples.chunks(LANES) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum()
}

/// Lags 0 to 16 of a frame's autocorrelation. In `f64`: prediction solves for small differences of them.
#[inline(always)]
fn autocorrelation(frame: &[f32; FRAME]) -> [f64; ORDER + 1] {
    // Zeros after the frame stand in for products that are not there.
    let mut padded = [0.0_f64; FRAME + ORDER];
    for (out, x) in padded.iter_mut().zip(frame) {
        *out = f64::from(*x);
    }
    let mut sums = [0.0; ORDER + 1];
    for n in 0..FRAME {
        let x = padded[n];
        let later: &[f64; ORDER + 1] = padded[n..=n + ORDER].try_into().expect("17 samples");
        for (sum, y) in sums.iter_mut().zip(later) {
            *sum += x * y;
        }
    }
    sums
}

/// Durbin's recursion over the lags of an autocorrelation, with 1e-4 of white noise added.
#[inline(always)]
fn predict(lags: &[f64; ORDER + 1]) -> Predictor {
    let mut lags = *lags;
    lags[0] = lags[0] * 1.0001 + 1e-9;
    let mut a = [0.0; ORDER + 1];
    a[0] = 1.0;
    let mut areas = [0.0; ORDER];
    let mut error = lags[0];
    for i in 1..=ORDER {
        let sum: f64 = (0..i).map(|j| a[j] * lags[i - j]).sum();
        let k = -sum / error;
        let before = a;
        for j in 1..=i {
            a[j] += k * before[i - j];
        }
        error = error * (1.0 - k * k) + 1e-12;
        areas[i - 1] = k.clamp(-0.9999, 0.9999).atanh();
    }
    Predictor {
        coefficients: a,
        areas,
        gain: (lags[0] / error).ln(),
    }
}

/// Residual of `frame` from sample 16 on.
#[inline(always)]
fn filter(frame: &[f32; FRAME], coefficients: &[f64; ORDER + 1], residual: &mut [f32; RESIDUAL]) {
    let coefficients = coefficients.map(|a| a as f32);
    for (block, out) in residual.chunks_exact_mut(LANES).enumerate() {
        let mut sums = [0.0_f32; LANES];
        for (j, a) in coefficients.iter().enumerate() {
            let start = ORDER + block * LANES - j;
            let x: &[f32; LANES] = frame[start..start + LANES].try_into().expect("8 samples");
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += a * x;
            }
        }
        out.copy_from_slice(&sums);
    }
}

/// Brings the residual to unit power; log kurtosis, skewness, and log of the largest magnitude.
#[inline(always)]
fn shape(residual: &mut [f32; RESIDUAL]) -> [f64; 3] {
    let count = RESIDUAL as f64;
    let mut squares = [0.0_f32; LANES];
    for x in residual.chunks_exact(LANES) {
        for n in 0..LANES {
            squares[n] += x[n] * x[n];
        }
    }
    let power = squares.map(f64::from).iter().sum::<f64>() / count;
    let scale = (1.0 / (power + 1e-12).sqrt()) as f32;
    let (mut cubes, mut fourths, mut peaks) =
        ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    for x in residual.chunks_exact_mut(LANES) {
        for n in 0..LANES {
            x[n] *= scale;
            let square = x[n] * x[n];
            cubes[n] += square * x[n];
            fourths[n] += square * square;
            peaks[n] = peaks[n].max(x[n].abs());
        }
    }
    let mean = |lanes: [f32; LANES]| lanes.map(f64::from).iter().sum::<f64>() / count;
    let peak = peaks.iter().fold(0.0_f32, |most, &x| most.max(x));
    [mean(fourths).ln(), mean(cubes), f64::from(peak).ln()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predictor_of_a_decaying_pole_is_the_pole() {
        let frame: [f32; FRAME] = std::array::from_fn(|n| 0.9_f32.powi(n as i32));
        let predictor = predict(&autocorrelation(&frame));
        assert!((predictor.coefficients[1] + 0.9).abs() < 0.01);
        assert!((predictor.areas[0] + 0.9_f64.atanh()).abs() < 0.01);
        let mut residual = [0.0; RESIDUAL];
        filter(&frame, &predictor.coefficients, &mut residual);
        assert!(residual.iter().all(|x| x.abs() < 0.01));
    }

    #[test]
    fn a_pulse_train_is_periodic_and_peaked_and_noise_is_flat() {
        let lpc = Lpc::default();
        let noise = |n: usize| {
            let n = n as u32;
            (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let describe = |sample: &dyn Fn(usize) -> f32| {
            let speech: Vec<f32> = (0..16_000).map(sample).collect();
            let mut values = Vec::new();
            lpc.extend(&speech, &mut values);
            assert_eq!(values.len(), names().len());
            // Means of the tracks.
            [0, 4, 5].map(|track| values[track * MEASURES.len() + 3])
        };
        let pulses = describe(&|n| {
            f32::from(n % 100 == 0) + 0.01 * noise(n) + 0.1 * f32::from(n % 3_200 < 40)
        });
        let hiss = describe(&|n| noise(n) * (1.0 + n as f32 / 16_000.0));
        assert!(
            pulses[0] > hiss[0] + 1.0 && pulses[1] > 0.5 && hiss[1] < 0.4,
            "{pulses:?} {hiss:?}"
        );
    }
}
