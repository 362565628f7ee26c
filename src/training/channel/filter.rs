//! Filtering of a whole clip by one pair of transforms: what tilt, band limit, coloured noise and reverberation share.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::audio::SAMPLE_RATE;

/// Zeros behind the clip, so that the ends of a filter's response do not meet around the circle: 0.1 s.
const PADDING: usize = 2_205;

/// Plans and buffers, reused from clip to clip; one for each thread.
#[derive(Default)]
pub struct Filter {
    planner: RealFftPlanner<f32>,
    time: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    other: Vec<Complex<f32>>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

impl Filter {
    /// Multiplies the spectrum of `samples`, shape `[n]` at 22,050 Hz, with `gain` of the frequency in Hz: linear phase,
    /// no delay.
    pub(super) fn shape(&mut self, samples: &mut [f32], gain: impl Fn(f64) -> f64) {
        let size = smooth(samples.len() + PADDING);
        self.forward(samples, size);
        let (width, scale) = (f64::from(SAMPLE_RATE) / size as f64, 1.0 / size as f64);
        for (bin, x) in self.spectrum.iter_mut().enumerate() {
            *x *= (gain(bin as f64 * width) * scale) as f32;
        }
        self.inverse(samples, size);
    }

    /// Convolves `samples`, shape `[n]`, with `response`, shape `[m]`, and keeps the first `n` samples.
    pub(super) fn convolve(&mut self, samples: &mut [f32], response: &[f32]) {
        let size = smooth(samples.len() + response.len());
        self.forward(response, size);
        std::mem::swap(&mut self.spectrum, &mut self.other);
        self.forward(samples, size);
        let scale = 1.0 / size as f32;
        for (x, h) in self.spectrum.iter_mut().zip(&self.other) {
            *x = *x * h * scale;
        }
        self.inverse(samples, size);
    }

    fn forward(&mut self, samples: &[f32], size: usize) {
        let plan = self.planner.plan_fft_forward(size);
        self.time.clear();
        self.time.extend_from_slice(samples);
        self.time.resize(size, 0.0);
        self.spectrum.resize(size / 2 + 1, Complex::default());
        plan.process(&mut self.time, &mut self.spectrum)
            .expect("buffers have the plan's lengths");
    }

    fn inverse(&mut self, samples: &mut [f32], size: usize) {
        let plan = self.planner.plan_fft_inverse(size);
        // The transform wants real ends; a product of real ends is real.
        plan.process(&mut self.spectrum, &mut self.time)
            .expect("buffers have the plan's lengths and the first and last bin are real");
        samples.copy_from_slice(&self.time[..samples.len()]);
    }
}

/// The smallest of 4, 5 and 6 times a power of two that is at least `n`: few sizes, so that plans are found again.
fn smooth(n: usize) -> usize {
    let power = n.next_power_of_two().max(16);
    [power / 8 * 5, power / 4 * 3, power]
        .into_iter()
        .find(|&size| size >= n)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_scales_and_a_response_delays() {
        let mut filter = Filter::default();
        let clip: Vec<f32> = (0..9_000).map(|n| (n as f32 * 0.3).sin()).collect();
        let mut half = clip.clone();
        filter.shape(&mut half, |_| 0.5);
        assert!(
            clip.iter()
                .zip(&half)
                .all(|(a, b)| (a / 2.0 - b).abs() < 1e-5)
        );
        let mut later = clip.clone();
        filter.convolve(&mut later, &[0.0, 0.0, 2.0]);
        assert!(later[..2].iter().all(|x| x.abs() < 1e-5));
        assert!(
            clip.iter()
                .zip(&later[2..])
                .all(|(a, b)| (a * 2.0 - b).abs() < 1e-4)
        );
    }

    #[test]
    fn sizes_are_even_and_large_enough() {
        for n in 1..5_000 {
            let size = smooth(n);
            assert!(
                size >= n && size.is_multiple_of(2) && size <= (2 * n).max(16),
                "{n} {size}"
            );
        }
    }
}
