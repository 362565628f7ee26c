//! Short-time spectra as `librosa.stft` makes them (0.10.1), of any frame and window length.
//!
//! Frames of `size` samples every 160 samples (10 ms), frame `t` centred on sample `160 t`, zeros beyond the ends, under
//! a periodic Hann window in the frame's middle. Transformed in `f64`, as NumPy does: logarithms of the quiet bins beside
//! a loud harmonic hear the rounding errors of `f32`.

use std::f64::consts::PI;
use std::fmt;

use realfft::num_complex::Complex;

use crate::features::transform::{Buffers, RealTransform};

/// Samples from one frame's centre to the next one's.
pub const HOP: usize = 160;

/// Plan and window.
pub struct Stft {
    transform: RealTransform<f64>,
    /// Window, without the zeros on either side of it in a frame.
    window: Vec<f64>,
}

/// Periodic Hann window (`scipy.signal.get_window("hann", size)`), shape `[size]`.
pub fn hann(size: usize) -> Vec<f64> {
    let at = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / size as f64).cos();
    (0..size).map(at).collect()
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stft")
            .field("frame", &self.transform.size())
            .field("window", &self.window.len())
            .finish()
    }
}

impl Stft {
    /// Frames of `size` samples under a window of `window` samples, both even.
    pub fn new(size: usize, window: usize) -> Self {
        Self {
            transform: RealTransform::new(size),
            window: hann(window),
        }
    }

    /// Frequency bins of a frame.
    pub fn bins(&self) -> usize {
        self.transform.bins()
    }

    /// Hands the spectrum, shape `[bins]`, of each of the `1 + n / 160` frames of `samples` to `visit`.
    #[inline(always)]
    pub fn frames(&self, samples: &[f32], mut visit: impl FnMut(&[Complex<f64>])) {
        let mut buffers = Buffers::default();
        self.transform.fit(&mut buffers);
        let half = self.window.len() / 2;
        let margin = (self.transform.size() - self.window.len()) / 2;
        for index in 0..=samples.len() / HOP {
            let frame = &mut buffers.frame;
            frame.fill(0.0);
            // The window's part that lies within the samples.
            let before = half.saturating_sub(index * HOP);
            let start = (index * HOP).saturating_sub(half);
            let end = (index * HOP + half).min(samples.len());
            let windowed = frame[margin + before..]
                .iter_mut()
                .zip(&samples[start..end])
                .zip(&self.window[before..]);
            for ((out, x), w) in windowed {
                *out = f64::from(*x) * w;
            }
            self.transform.forward(&mut buffers);
            visit(&buffers.spectrum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_peaks_at_its_bin_and_the_ends_are_zeros() {
        let sine = |n: usize| (2.0 * PI * 40.0 * n as f64 / 512.0).sin() as f32;
        let samples: Vec<f32> = (0..4_000).map(sine).collect();
        let mut peaks = Vec::new();
        Stft::new(512, 320).frames(&samples, |spectrum| {
            assert_eq!(spectrum.len(), 257);
            peaks.push(spectrum[40].norm());
        });
        assert_eq!(peaks.len(), 26);
        assert!((peaks[10] - 80.0).abs() < 1e-3, "{}", peaks[10]);
        // Half of the first window lies before the clip.
        assert!((peaks[0] - 40.0).abs() < 1.0, "{}", peaks[0]);
    }
}
