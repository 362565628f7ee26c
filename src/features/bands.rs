//! Prepared speech -> log power in 128 bands, every 10 ms: what a network is fed.
//!
//! Frames as [`dynamic::stft`](super::dynamic::stft) has them (512 samples every 160, zeros beyond the ends, under a
//! periodic Hann window of 320), in `f32`: `ln(power + 1e-7)` of bins 1 to 256, neighbours averaged in pairs. Rounding to
//! `f32` is heard in the quietest bins beside a loud tone, as 0.002 in a band; bands differ by several whole units.

use std::f64::consts::PI;
use std::fmt;

use super::dynamic::stft::HOP;
use super::logarithm::ln;
use super::transform::{Buffers, RealTransform};
use super::wide::wide;

/// Bands of a frame.
pub const BANDS: usize = 128;
/// Samples of a frame, zeros on either side of the window included.
const FRAME: usize = 512;
/// Samples under the window.
const WINDOW: usize = 320;
/// Added to a bin's power.
const FLOOR: f32 = 1e-7;

/// Plan and window; shared between threads.
pub struct Bands {
    transform: RealTransform<f32>,
    window: Vec<f32>,
}

/// Memory of the transform, reused from clip to clip; one for each thread.
pub type BandsScratch = Buffers<f32>;

impl fmt::Debug for Bands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bands").finish_non_exhaustive()
    }
}

impl Default for Bands {
    fn default() -> Self {
        let hann = |n: usize| (0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos()) as f32;
        Self {
            transform: RealTransform::new(FRAME),
            window: (0..WINDOW).map(hann).collect(),
        }
    }
}

impl Bands {
    /// Frames that `samples` samples at 16,000 Hz make.
    #[must_use]
    pub fn count(samples: usize) -> usize {
        1 + samples / HOP
    }

    /// Writes the bands of `speech`, samples at 16,000 Hz within about -1.0..=1.0, to `out`: shape
    /// `[1 + n / 160][128]`.
    pub fn compute(&self, speech: &[f32], scratch: &mut BandsScratch, out: &mut Vec<f32>) {
        out.clear();
        out.reserve(Self::count(speech.len()) * BANDS);
        self.frames(
            speech,
            scratch,
            #[inline(always)]
            |products| {
                for product in products.iter_mut() {
                    *product = 0.5 * ln(*product);
                }
                out.extend_from_slice(products);
            },
        );
    }

    /// Hands the powers of each frame's bands, whose logarithms [`compute`](Self::compute) writes, to `visit`, which is
    /// best inlined: it is compiled for the processor at hand.
    pub fn powers(
        &self,
        speech: &[f32],
        scratch: &mut BandsScratch,
        mut visit: impl FnMut(&[f32; BANDS]),
    ) {
        self.frames(
            speech,
            scratch,
            #[inline(always)]
            |products| {
                for product in products.iter_mut() {
                    *product = product.sqrt();
                }
                visit(products);
            },
        );
    }

    /// Hands to `visit` what each frame's bands are of: the products of the powers of two bins, whose geometric mean is the
    /// band's power. One logarithm or root for the two is all that is needed. `visit` is compiled for the processor at hand.
    fn frames(
        &self,
        speech: &[f32],
        scratch: &mut BandsScratch,
        mut visit: impl FnMut(&mut [f32; BANDS]),
    ) {
        self.transform.fit(scratch);
        wide(
            #[inline(always)]
            || {
                let mut products = [0.0; BANDS];
                for index in 0..Self::count(speech.len()) {
                    self.products(index, speech, scratch, &mut products);
                    visit(&mut products);
                }
            },
        );
    }

    /// Frame `index` of `speech` as [`frames`](Self::frames) hands it on.
    #[inline(always)]
    fn products(
        &self,
        index: usize,
        speech: &[f32],
        scratch: &mut BandsScratch,
        products: &mut [f32; BANDS],
    ) {
        // The window's part that lies within the samples.
        let before = (WINDOW / 2).saturating_sub(index * HOP);
        let start = (index * HOP).saturating_sub(WINDOW / 2);
        let end = (index * HOP + WINDOW / 2).min(speech.len());
        let frame = &mut scratch.frame;
        frame.fill(0.0);
        let windowed = frame[(FRAME - WINDOW) / 2 + before..]
            .iter_mut()
            .zip(&speech[start..end])
            .zip(&self.window[before..]);
        for ((out, x), w) in windowed {
            *out = x * w;
        }
        self.transform.forward(scratch);
        let bins = scratch.spectrum[1..].chunks_exact(2);
        for (product, pair) in products.iter_mut().zip(bins) {
            *product = (pair[0].norm_sqr() + FLOOR) * (pair[1].norm_sqr() + FLOOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, term by term, of frame `t`.
    fn reference(speech: &[f32], t: usize) -> Vec<f64> {
        let mut logs = Vec::new();
        for bin in 1..=256 {
            let (mut re, mut im) = (0.0, 0.0);
            for n in 0..WINDOW {
                let place = (t * HOP + n).checked_sub(WINDOW / 2);
                let x = place
                    .and_then(|p| speech.get(p))
                    .map_or(0.0, |&x| f64::from(x));
                let w = 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos();
                let angle = -2.0 * PI * bin as f64 * n as f64 / FRAME as f64;
                re += x * w * angle.cos();
                im += x * w * angle.sin();
            }
            logs.push((re * re + im * im + 1e-7).ln());
        }
        logs.chunks(2)
            .map(|pair| (pair[0] + pair[1]) / 2.0)
            .collect()
    }

    #[test]
    fn frames_are_those_of_a_direct_transform() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        // Loud and quiet noise beside a tone: the quiet bins are where f32 would show.
        let tone = |n: usize| 0.5 * (2.0 * PI * 440.0 * n as f64 / 16_000.0).sin() as f32;
        let speech: Vec<f32> = (0..8_037)
            .map(|n| tone(n) + if n < 4_000 { 1e-5 } else { 0.2 } * noise())
            .collect();
        let (bands, mut scratch, mut out) = (Bands::default(), BandsScratch::default(), vec![9.0]);
        bands.compute(&speech, &mut scratch, &mut out);
        assert_eq!(out.len(), 51 * BANDS);
        for t in [0, 1, 2, 12, 25, 26, 40, 49, 50] {
            let expected = reference(&speech, t);
            for (band, (x, y)) in out[t * BANDS..][..BANDS].iter().zip(&expected).enumerate() {
                let off = (f64::from(*x) - y).abs();
                assert!(off < 5e-3, "frame {t}, band {band}: {x} is not {y}");
            }
        }
    }

    #[test]
    fn powers_are_those_of_the_logarithms() {
        let speech: Vec<f32> = (0..3_000).map(|n| (n as f32 * 0.3).sin() * 0.1).collect();
        let (bands, mut scratch, mut logs) = (Bands::default(), BandsScratch::default(), vec![]);
        bands.compute(&speech, &mut scratch, &mut logs);
        let mut powers: Vec<f32> = Vec::new();
        bands.powers(&speech, &mut scratch, |frame| powers.extend(frame));
        assert_eq!(powers.len(), logs.len());
        for (power, log) in powers.iter().zip(&logs) {
            assert!((power.ln() - log).abs() < 1e-5, "{power} {log}");
        }
    }

    #[test]
    fn silence_is_the_floor() {
        let (bands, mut scratch, mut out) = (Bands::default(), BandsScratch::default(), vec![]);
        bands.compute(&[0.0; 500], &mut scratch, &mut out);
        assert_eq!(out.len(), 4 * BANDS);
        assert!(out.iter().all(|x| (x - 1e-7_f32.ln()).abs() < 1e-5));
    }
}
