//! Fast envelopes: five bands at 500 Hz, how fast they move beyond the syllable, and how they move together.
//!
//! A voice's bands flutter at its pitch, together; frames of a synthesiser leave their own rate behind.

use std::f64::consts::PI;
use std::fmt;
use std::ops::Range;

use realfft::num_complex::Complex;
use rustfft::FftPlanner;

use super::moments;
use crate::features::logarithm::ln;
use crate::features::transform::{Buffers, RealTransform};

const FFT_SIZE: usize = 128;
/// Samples under the window, 5 ms.
const WINDOW: usize = 80;
/// Samples from one frame to the next, 2 ms.
const HOP: usize = 32;
/// Frames a second.
const FRAME_RATE: f64 = 500.0;
/// Bands, in bins of 125 Hz: from 125 Hz to 1, 2, 3.5, 5 and 7.5 kHz.
const BANDS: [Range<usize>; 5] = [1..8, 8..16, 16..28, 28..40, 40..60];
/// Edges of the modulation bands, in Hz: the lower edge belongs to a band, the upper one does not.
const RATES: [f64; 11] = [
    10.0, 20.0, 32.0, 45.0, 60.0, 80.0, 105.0, 135.0, 170.0, 210.0, 250.0,
];
const PAIRS: usize = BANDS.len() * (BANDS.len() - 1) / 2;

/// Values of the fast modulation, which come first.
pub const FAST_MODULATION: usize = (RATES.len() - 1) * BANDS.len();
/// Number of values.
pub const COUNT: usize = FAST_MODULATION + 2 * PAIRS + 2 * moments::NAMES.len() * BANDS.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let bands = 1..=BANDS.len();
    let mut names = Vec::with_capacity(COUNT);
    for edges in RATES.windows(2) {
        let (from, to) = (edges[0], edges[1]);
        names.extend(
            bands
                .clone()
                .map(|band| format!("fast_modulation_{from}_{to}_hz_band_{band}")),
        );
    }
    for stem in ["envelope", "envelope_change"] {
        names.extend(pairs().map(|(a, b)| format!("{stem}_correlation_{}_{}", a + 1, b + 1)));
    }
    for stem in ["envelope_change", "envelope"] {
        for what in moments::NAMES {
            names.extend(
                bands
                    .clone()
                    .map(|band| format!("{stem}_{what}_band_{band}")),
            );
        }
    }
    names
}

/// Pairs of different bands.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..BANDS.len()).flat_map(|a| (a + 1..BANDS.len()).map(move |b| (a, b)))
}

/// Plan and window.
pub struct FastEnvelopes {
    transform: RealTransform<f32>,
    /// Periodic Hann window.
    window: [f32; WINDOW],
}

impl fmt::Debug for FastEnvelopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastEnvelopes").finish_non_exhaustive()
    }
}

impl Default for FastEnvelopes {
    fn default() -> Self {
        let hann = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos();
        Self {
            transform: RealTransform::new(FFT_SIZE),
            window: std::array::from_fn(|n| hann(n) as f32),
        }
    }
}

impl FastEnvelopes {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz, to `values`.
    #[inline(always)]
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        let mut bands = self.envelopes(speech);
        for band in &mut bands {
            let mean = band.iter().sum::<f64>() / band.len() as f64;
            band.iter_mut().for_each(|x| *x -= mean);
        }
        modulation(&bands, values);
        let changes = bands
            .each_ref()
            .map(|band| -> Vec<f64> { band.windows(2).map(|pair| pair[1] - pair[0]).collect() });
        for tracks in [&bands, &changes] {
            values.extend(pairs().map(|(a, b)| moments::correlation(&tracks[a], &tracks[b])));
        }
        for tracks in [&changes, &bands] {
            let shapes = tracks
                .each_ref()
                .map(|track| moments::of(track.iter().copied()).0);
            for moment in 0..moments::NAMES.len() {
                values.extend(shapes.map(|shape| shape[moment]));
            }
        }
    }

    /// Log power of the bands, shape `[5][1 + n / 32]`: frames centred every 32 samples, zeros beyond the ends.
    #[inline(always)]
    fn envelopes(&self, speech: &[f32]) -> [Vec<f64>; BANDS.len()] {
        let frames = 1 + speech.len() / HOP;
        let mut bands = BANDS.map(|_| Vec::with_capacity(frames));
        let mut buffers = Buffers::default();
        self.transform.fit(&mut buffers);
        for index in 0..frames {
            let frame = &mut buffers.frame;
            frame.fill(0.0);
            // Where the window lies in the frame does not matter to the power.
            let before = (WINDOW / 2).saturating_sub(index * HOP);
            let start = (index * HOP).saturating_sub(WINDOW / 2);
            let end = (index * HOP + WINDOW / 2).min(speech.len());
            let windowed = frame
                .iter_mut()
                .zip(&speech[start..end])
                .zip(&self.window[before..]);
            for ((out, x), w) in windowed {
                *out = x * w;
            }
            self.transform.forward(&mut buffers);
            for (band, range) in bands.iter_mut().zip(BANDS) {
                let power: f32 = buffers.spectrum[range].iter().map(Complex::norm_sqr).sum();
                band.push(f64::from(ln(power + 1e-7)));
            }
        }
        bands
    }
}

/// Appends, for each modulation band, the log share of each audio band's modulation power in it. `bands`, shape
/// `[5][frames]`, have no mean.
#[inline(always)]
fn modulation(bands: &[Vec<f64>; BANDS.len()], values: &mut Vec<f64>) {
    let frames = bands[0].len();
    let fft = FftPlanner::<f32>::new().plan_fft_forward(frames);
    let mut work = vec![Complex::default(); fft.get_inplace_scratch_len()];
    let hz = |bin: usize| (bin as f64 * FRAME_RATE) / frames as f64;
    // First bin of each modulation band.
    let edges = RATES.map(|edge| {
        (0..=frames / 2)
            .find(|&bin| hz(bin) >= edge)
            .unwrap_or(frames / 2 + 1)
    });
    let first_of_total = (0..=frames / 2)
        .find(|&bin| hz(bin) > RATES[0])
        .unwrap_or(frames / 2 + 1);
    // Symmetric Hann window.
    let hann: Vec<f64> = (0..frames)
        .map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / (frames - 1) as f64).cos())
        .collect();

    let mut shares = [[0.0; BANDS.len()]; RATES.len() - 1];
    let mut both = vec![Complex::<f32>::default(); frames];
    // Two real envelopes in one complex transform.
    for first in (0..BANDS.len()).step_by(2) {
        let second = (first + 1).min(BANDS.len() - 1);
        for (((z, w), a), b) in both
            .iter_mut()
            .zip(&hann)
            .zip(&bands[first])
            .zip(&bands[second])
        {
            *z = Complex::new((a * w) as f32, (b * w) as f32);
        }
        fft.process_with_scratch(&mut both, &mut work);
        for (band, sign) in [(first, 1.0), (second, -1.0)] {
            let power = |bin: usize| {
                let mirrored = both[(frames - bin) % frames].conj() * sign;
                f64::from((both[bin] + mirrored).norm_sqr()) / 4.0
            };
            let total: f64 = (first_of_total..=frames / 2).map(power).sum::<f64>() + 1e-12;
            for (share, edges) in shares.iter_mut().zip(edges.windows(2)) {
                let inside: f64 = (edges[0]..edges[1]).map(power).sum();
                share[band] = (inside / total + 1e-9).ln();
            }
        }
    }
    values.extend(shares.as_flattened());
}
