//! A waveform -> what stays of it when it is cut, encoded again or made louder.
//!
//! Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): 32 bits a frame,
//! `sign(E(t, b) - E(t, b+1) - E(t-1, b) + E(t-1, b+1))` over 33 bands of energy spaced by logarithm
//! from 300 to 2,000 Hz. Frames are 8,192 samples of 22,050 Hz (372 ms) under a Hann window, 512
//! apart (23 ms), so that where a frame begins matters little.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::audio::SAMPLE_RATE;

/// Samples in a frame.
const FRAME: usize = 8192;
/// Samples from one frame to the next.
pub const HOP: usize = 512;
/// Bands of energy; one more than the bits of a frame.
const BANDS: usize = 33;
/// Lowest and highest edge of the bands, in Hz.
const RANGE: (f64, f64) = (300.0, 2000.0);
/// Frames of 50 ms whose level is below this share of the loudest one's are silence (-40 dB).
const SILENCE: f64 = 0.01;

/// Plan, window and bands, made once and shared by all threads.
pub struct Fingerprinter {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// First bin of each band, and the bin after the last one: shape `[BANDS + 1]`.
    edges: Vec<usize>,
}

/// What is worked in; one for each thread.
#[derive(Debug, Default)]
pub struct FingerprintScratch {
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    work: Vec<Complex<f32>>,
}

impl Default for Fingerprinter {
    fn default() -> Self {
        let edge = |band: usize| {
            let hz = RANGE.0 * (RANGE.1 / RANGE.0).powf(band as f64 / BANDS as f64);
            (hz * FRAME as f64 / f64::from(SAMPLE_RATE)).round() as usize
        };
        let hann = |n: usize| (0.5 - 0.5 * (2.0 * PI * n as f64 / FRAME as f64).cos()) as f32;
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FRAME),
            window: (0..FRAME).map(hann).collect(),
            edges: (0..=BANDS).map(edge).collect(),
        }
    }
}

impl Fingerprinter {
    /// The bits of each frame of `samples` (at [`SAMPLE_RATE`]), shape `[frames]`; empty where there
    /// are fewer than two frames. The first bits belong to the second frame.
    pub fn bits(&self, samples: &[f32], scratch: &mut FingerprintScratch) -> Vec<u32> {
        scratch.frame.resize(FRAME, 0.0);
        scratch
            .spectrum
            .resize(self.fft.complex_len(), Complex::default());
        scratch
            .work
            .resize(self.fft.get_scratch_len(), Complex::default());
        let mut before = [0.0f32; BANDS];
        let mut bits = Vec::with_capacity(samples.len() / HOP);
        for (index, frame) in samples.windows(FRAME).step_by(HOP).enumerate() {
            for ((slot, sample), weight) in scratch.frame.iter_mut().zip(frame).zip(&self.window) {
                *slot = sample * weight;
            }
            let (frame, spectrum) = (&mut scratch.frame, &mut scratch.spectrum);
            self.fft
                .process_with_scratch(frame, spectrum, &mut scratch.work)
                .expect("the buffers have the plan's lengths");
            let mut energies = [0.0f32; BANDS];
            for (band, energy) in energies.iter_mut().enumerate() {
                let bins = self.edges[band]..self.edges[band + 1];
                *energy = spectrum[bins].iter().map(Complex::norm_sqr).sum();
            }
            if index > 0 {
                let rises = |band: usize| {
                    let now = energies[band] - energies[band + 1];
                    now > before[band] - before[band + 1]
                };
                bits.push((0..BANDS - 1).fold(0, |bits, band| bits << 1 | u32::from(rises(band))));
            }
            before = energies;
        }
        bits
    }
}

/// The part of `samples` between its first and its last sound, `&[]` where there is none.
#[must_use]
pub fn trim(samples: &[f32]) -> &[f32] {
    let frame = SAMPLE_RATE as usize / 20;
    let level = |part: &[f32]| -> f64 {
        let squares: f64 = part.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (squares / part.len() as f64).sqrt()
    };
    let levels: Vec<f64> = samples.chunks(frame).map(level).collect();
    let loudest = levels.iter().copied().fold(0.0, f64::max);
    let loud = |level: &f64| *level > loudest * SILENCE;
    let (Some(first), Some(last)) = (levels.iter().position(loud), levels.iter().rposition(loud))
    else {
        return &[];
    };
    &samples[first * frame..((last + 1) * frame).min(samples.len())]
}

/// Share of bits that differ where `b`'s frame `t` lies on `a`'s frame `t + offset`, and the frames
/// that lie on each other; 0.5 is what unrelated sounds have.
#[must_use]
pub fn difference(a: &[u32], b: &[u32], offset: i64) -> (f64, usize) {
    let start = offset.max(0);
    let end = (a.len() as i64).min(b.len() as i64 + offset);
    let frames = usize::try_from(end - start).unwrap_or(0);
    if frames == 0 {
        return (1.0, 0);
    }
    let differing: u32 = (start..end)
        .map(|t| (a[t as usize] ^ b[(t - offset) as usize]).count_ones())
        .sum();
    (f64::from(differing) / (32 * frames) as f64, frames)
}

/// Largest normalised correlation of two waveforms, 0.0..=1.0, at lags within `reach` samples of
/// `lag` (sample `n` of `b` on sample `n + lag` of `a`), whatever their levels and polarities. Copies
/// that were encoded again keep phases and have nearly 1; what a vocoder made of the same
/// spectrogram does not.
#[must_use]
pub fn correlation(a: &[f32], b: &[f32], lag: i64, reach: i64) -> f64 {
    let length = (a.len() + b.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(length),
        planner.plan_fft_inverse(length),
    );
    let spectrum = |samples: &[f32]| {
        let mut padded = samples.to_vec();
        padded.resize(length, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward
            .process(&mut padded, &mut spectrum)
            .expect("the buffers have the plan's lengths");
        spectrum
    };
    let mut product: Vec<Complex<f32>> = spectrum(a)
        .iter()
        .zip(spectrum(b))
        .map(|(a, b)| a * b.conj())
        .collect();
    // Rounding leaves an imaginary part that a real signal does not have.
    product[0].im = 0.0;
    product[length / 2].im = 0.0;
    let mut products = inverse.make_output_vec();
    inverse
        .process(&mut product, &mut products)
        .expect("the buffers have the plan's lengths");
    let at = |lag: i64| f64::from(products[lag.rem_euclid(length as i64) as usize]).abs();
    let best = (lag - reach..=lag + reach)
        .max_by(|&x, &y| at(x).total_cmp(&at(y)))
        .unwrap_or(lag);
    let start = best.max(0);
    let end = (a.len() as i64).min(b.len() as i64 + best);
    if end <= start {
        return 0.0;
    }
    let (a, b) = (
        &a[start as usize..end as usize],
        &b[(start - best) as usize..(end - best) as usize],
    );
    let dot = |x: &[f32], y: &[f32]| -> f64 {
        x.iter()
            .zip(y)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 {
        dot(a, b).abs() / norm
    } else {
        0.0
    }
}
