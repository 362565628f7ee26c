//! The power spectrogram that every spectral feature is computed from.
//!
//! librosa's defaults (`librosa.stft`, 0.10.1): 2,048-sample frames every 512 samples, periodic
//! Hann window, frame `t` centred on sample `512 t`, zeros beyond the ends of the clip.

use std::f64::consts::PI;
use std::fmt;
use std::sync::{Arc, OnceLock};

use realfft::{RealFftPlanner, RealToComplex};

use super::transform::{Buffers, RealTransform};
use super::wide::wide;

/// Samples in a frame.
pub const FFT_SIZE: usize = 2048;
/// Samples from one frame's centre to the next one's.
pub const HOP: usize = 512;
/// Frequency bins of a frame, from 0 Hz to half the sample rate.
pub const BINS: usize = FFT_SIZE / 2 + 1;
/// Length of a stored frame: [`BINS`] powers, then zeros up to a multiple of 32, so that vectorised
/// loops need no remainder.
pub const STRIDE: usize = BINS.next_multiple_of(32);

/// Frames that are handed to the second pass at a time; 100 kB, which stays in the L2 cache.
const BLOCK_FRAMES: usize = 24;
/// Clips of up to this many frames (64 s) keep their powers between the passes (at most 11.6 MB);
/// longer ones compute them twice, so that memory does not grow with duration.
const KEPT_FRAMES: usize = 2757;

/// Number of frames of a clip of `samples` samples.
pub fn frame_count(samples: usize) -> usize {
    1 + samples / HOP
}

/// Periodic Hann window.
fn hann(n: usize) -> f64 {
    0.5 - 0.5 * (2.0 * PI * n as f64 / FFT_SIZE as f64).cos()
}

/// Plan and window of the short-time Fourier transform.
pub struct Stft {
    transform: RealTransform<f32>,
    window: Vec<f32>,
    /// Made when the first frame needs it.
    precise: OnceLock<Arc<dyn RealToComplex<f64>>>,
}

/// Memory of the transform; one for each thread.
pub type StftScratch = Buffers<f32>;

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stft")
            .field("frame", &FFT_SIZE)
            .field("hop", &HOP)
            .finish()
    }
}

impl Default for Stft {
    fn default() -> Self {
        Self::new()
    }
}

impl Stft {
    /// Makes the plan and the window.
    pub fn new() -> Self {
        let window = (0..FFT_SIZE).map(|n| hann(n) as f32).collect();
        Self {
            transform: RealTransform::new(FFT_SIZE),
            window,
            precise: OnceLock::new(),
        }
    }

    /// Power spectrum |X|² of frame `index`, into `power` of length [`STRIDE`] (zeros from
    /// [`BINS`] on). A sample of 1.0 is full scale, so a full-scale sine peaks at about 512².
    pub fn power_frame(
        &self,
        samples: &[f32],
        index: usize,
        scratch: &mut StftScratch,
        power: &mut [f32],
    ) {
        self.transform.fit(scratch);
        self.window_frame(samples, index, &mut scratch.frame);
        self.transform.forward(scratch);
        let (bins, padding) = power.split_at_mut(BINS);
        wide(
            #[inline(always)]
            || {
                for (p, x) in bins.iter_mut().zip(&scratch.spectrum) {
                    *p = x.re * x.re + x.im * x.im;
                }
            },
        );
        padding.fill(0.0);
    }

    /// As [`power_frame`](Self::power_frame), to the last bits of the reference: transformed in
    /// `f64`, rounded to `f32`, the magnitude as NumPy's vectorised `abs` forms it, squared. For the
    /// few frames whose peaks hang on rounding; slower, and it allocates.
    pub fn precise_power_frame(&self, samples: &[f32], index: usize, power: &mut [f32]) {
        let fft = self
            .precise
            .get_or_init(|| RealFftPlanner::new().plan_fft_forward(FFT_SIZE));
        let start = (index * HOP) as isize - (FFT_SIZE / 2) as isize;
        let sample = |n: usize| {
            usize::try_from(start + n as isize)
                .ok()
                .and_then(|i| samples.get(i))
                .copied()
        };
        let mut frame: Vec<f64> = (0..FFT_SIZE)
            .map(|n| hann(n) * f64::from(sample(n).unwrap_or_default()))
            .collect();
        let mut spectrum = fft.make_output_vec();
        fft.process(&mut frame, &mut spectrum)
            .expect("buffers have the plan's lengths");
        power.fill(0.0);
        for (p, x) in power.iter_mut().zip(&spectrum) {
            let (re, im) = ((x.re as f32).abs(), (x.im as f32).abs());
            let (large, small) = (re.max(im), re.min(im));
            if large > 0.0 {
                let ratio = f64::from(small / large);
                let magnitude = large * ((1.0 + ratio * ratio) as f32).sqrt();
                *p = magnitude * magnitude;
            }
        }
    }

    /// Windowed samples of frame `index`, which begins `FFT_SIZE / 2` samples before its centre.
    fn window_frame(&self, samples: &[f32], index: usize, frame: &mut [f32]) {
        const HALF: usize = FFT_SIZE / 2;
        let centre = index * HOP;
        let before = HALF.saturating_sub(centre);
        let start = (centre + before).saturating_sub(HALF).min(samples.len());
        let end = (centre + HALF).min(samples.len()).max(start);
        let after = (before + end - start).min(FFT_SIZE);
        frame[..before].fill(0.0);
        frame[after..].fill(0.0);
        let windowed = frame[before..after]
            .iter_mut()
            .zip(&samples[start..end])
            .zip(&self.window[before..after]);
        for ((out, x), w) in windowed {
            *out = x * w;
        }
    }
}

/// Power spectrogram of one clip, for features that need two passes over it.
///
/// Some features can only be computed once the whole clip was seen (chroma needs the tuning, MFCCs
/// the loudest band). [`first_pass`](Self::first_pass) walks over all frames and keeps them if the
/// clip is at most 64 s long; [`second_pass`](Self::second_pass) hands them out again in blocks,
/// recomputed where they were not kept.
#[derive(Debug, Default)]
pub struct PowerSpectrogram {
    power: Vec<f32>,
    kept: bool,
    stft: StftScratch,
}

impl PowerSpectrogram {
    /// Whether the frames of `samples` are kept from the first pass to the second.
    pub fn keeps(samples: &[f32]) -> bool {
        frame_count(samples.len()) <= KEPT_FRAMES
    }

    /// Computes every frame of `samples` and hands it, of length [`STRIDE`], to `visit`.
    pub fn first_pass(
        &mut self,
        stft: &Stft,
        samples: &[f32],
        mut visit: impl FnMut(usize, &[f32]),
    ) {
        let frames = frame_count(samples.len());
        self.kept = Self::keeps(samples);
        let rows = if self.kept { frames } else { BLOCK_FRAMES };
        if !self.kept {
            // A long clip follows a shorter one: give the memory back that it does not need.
            self.power.truncate(rows * STRIDE);
            self.power.shrink_to_fit();
        }
        if self.power.len() < rows * STRIDE {
            self.power.reserve_exact(rows * STRIDE - self.power.len());
            self.power.resize(rows * STRIDE, 0.0);
        }
        for index in 0..frames {
            let row = if self.kept { index } else { 0 };
            let power = &mut self.power[row * STRIDE..][..STRIDE];
            stft.power_frame(samples, index, &mut self.stft, power);
            visit(index, power);
        }
    }

    /// Hands the frames of the last first pass, which must have been of the same `samples`, to
    /// `visit`: the index of a block's first frame, and its frames, [`STRIDE`] apart.
    pub fn second_pass(
        &mut self,
        stft: &Stft,
        samples: &[f32],
        mut visit: impl FnMut(usize, &[f32]),
    ) {
        let frames = frame_count(samples.len());
        for first in (0..frames).step_by(BLOCK_FRAMES) {
            let rows = BLOCK_FRAMES.min(frames - first);
            if self.kept {
                visit(first, &self.power[first * STRIDE..][..rows * STRIDE]);
            } else {
                for (row, power) in self.power.chunks_exact_mut(STRIDE).take(rows).enumerate() {
                    stft.power_frame(samples, first + row, &mut self.stft, power);
                }
                visit(first, &self.power[..rows * STRIDE]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_peaks_at_its_bin_and_edges_are_padded_with_zeros() {
        let bin = 100.0;
        let samples: Vec<f32> = (0..22_050)
            .map(|n| (2.0 * PI * bin * n as f64 / FFT_SIZE as f64).sin() as f32)
            .collect();
        let stft = Stft::new();
        let mut scratch = StftScratch::default();
        let mut power = vec![1.0; STRIDE];
        stft.power_frame(&samples, 20, &mut scratch, &mut power);
        assert!((power[100].sqrt() - 512.0).abs() < 0.01);
        assert!(power[110] < 1e-3);
        assert_eq!(power[BINS..], [0.0; STRIDE - BINS]);
        // Half of the first frame lies before the clip.
        stft.power_frame(&samples, 0, &mut scratch, &mut power);
        assert!((power[100].sqrt() - 256.0).abs() < 1.0);
        let last = frame_count(samples.len()) - 1;
        stft.power_frame(&samples, last, &mut scratch, &mut power);
        assert!(power.iter().all(|p| p.is_finite()));
    }

    #[test]
    fn the_precise_frame_is_the_same_frame() {
        let samples: Vec<f32> = (0..9_000_u32)
            .map(|n| ((n * n) % 977) as f32 / 977.0 - 0.5)
            .collect();
        let stft = Stft::new();
        let (mut a, mut b) = (vec![0.0; STRIDE], vec![1.0; STRIDE]);
        for index in 0..frame_count(samples.len()) {
            stft.power_frame(&samples, index, &mut StftScratch::default(), &mut a);
            stft.precise_power_frame(&samples, index, &mut b);
            let largest = a.iter().copied().fold(0.0, f32::max);
            assert!(
                a.iter()
                    .zip(&b)
                    .all(|(a, b)| (a - b).abs() <= 1e-5 * largest),
                "frame {index}"
            );
        }
    }

    #[test]
    fn both_passes_agree_whether_frames_are_kept_or_not() {
        let samples: Vec<f32> = (0..HOP * (KEPT_FRAMES + 3))
            .map(|n| ((n * n) % 977) as f32 / 977.0 - 0.5)
            .collect();
        let stft = Stft::new();
        let mut spectrogram = PowerSpectrogram::default();
        for length in [30_000, samples.len(), 25_000] {
            let samples = &samples[..length];
            let mut first = Vec::new();
            spectrogram.first_pass(&stft, samples, |_, power| first.push(power[37]));
            assert_eq!(PowerSpectrogram::keeps(samples), length < 100_000);
            let mut second = Vec::new();
            spectrogram.second_pass(&stft, samples, |start, block| {
                assert_eq!(start, second.len());
                second.extend(block.chunks_exact(STRIDE).map(|power| power[37]));
            });
            assert_eq!(first, second);
            assert_eq!(first.len(), frame_count(length));
        }
    }
}
