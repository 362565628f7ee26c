//! Fourier transforms of real samples, of half their length in complex ones.
//!
//! `size` samples are taken for `size / 2` complex numbers, whose spectrum is taken apart into that of the samples (Press et al.,
//! "Numerical Recipes", 3rd edition, 12.3). The complex transform is rustfft's, which chooses instructions by the
//! processor; taking apart is compiled for the processor at hand here, which `realfft` leaves to the oldest one.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

use super::wide::wide;

/// Plan and turning factors; shared between threads.
pub struct RealTransform<T: FftNum> {
    fft: Arc<dyn Fft<T>>,
    /// `e^(-2 pi i k / size) / 2i` for `k` below a quarter of the size.
    turns: Vec<Complex<T>>,
    half: T,
}

impl<T: FftNum> fmt::Debug for RealTransform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealTransform")
            .field("size", &self.size())
            .finish()
    }
}

/// A number of the transform's precision.
fn number<T: FftNum>(x: f64) -> T {
    T::from_f64(x).expect("floating point has every small number")
}

impl<T: FftNum> RealTransform<T> {
    /// A transform of `size` samples, a multiple of 4.
    #[must_use]
    pub fn new(size: usize) -> Self {
        assert!(size >= 4 && size.is_multiple_of(4), "{size}");
        let turn = |k: usize| {
            let angle = -2.0 * PI * k as f64 / size as f64;
            Complex::new(number(0.5 * angle.sin()), number(-0.5 * angle.cos()))
        };
        Self {
            fft: FftPlanner::new().plan_fft_forward(size / 2),
            turns: (0..size / 4).map(turn).collect(),
            half: number(0.5),
        }
    }

    /// Samples.
    #[must_use]
    pub fn size(&self) -> usize {
        2 * self.fft.len()
    }

    /// Frequency bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.fft.len() + 1
    }

    /// Makes `buffers` of the transform's size; what has it already stays as it is.
    pub fn fit(&self, buffers: &mut Buffers<T>) {
        let zero = Complex::new(T::zero(), T::zero());
        buffers.frame.resize(self.size(), T::zero());
        buffers.spectrum.resize(self.bins(), zero);
        let least = self.fft.get_inplace_scratch_len();
        if buffers.work.len() < least {
            buffers.work.resize(least, zero);
        }
    }

    /// Replaces `spectrum` by that of `frame`, of buffers that [`fit`](Self::fit): bins 0 to `size / 2`.
    #[inline]
    pub fn forward(&self, buffers: &mut Buffers<T>) {
        let (frame, packed, work) = buffers.packed(self.fft.len());
        for (z, pair) in packed.iter_mut().zip(frame.as_chunks().0) {
            let [re, im] = *pair;
            *z = Complex::new(re, im);
        }
        self.fft.process_with_scratch(packed, work);
        wide(
            #[inline(always)]
            || self.take_apart(&mut buffers.spectrum),
        );
    }

    /// Bins from the spectrum of the packed samples.
    #[inline(always)]
    fn take_apart(&self, spectrum: &mut [Complex<T>]) {
        let last = self.fft.len();
        let sums = spectrum[0];
        spectrum[0] = Complex::new(sums.re + sums.im, T::zero());
        spectrum[last] = Complex::new(sums.re - sums.im, T::zero());
        let (low, high) = spectrum[1..last].split_at_mut(last / 2 - 1);
        high[0] = high[0].conj();
        let pairs = low.iter_mut().zip(high[1..].iter_mut().rev());
        for ((a, b), turn) in pairs.zip(&self.turns[1..]) {
            let (even_re, even_im) = ((a.re + b.re) * self.half, (a.im - b.im) * self.half);
            let (odd_re, odd_im) = (a.re - b.re, a.im + b.im);
            let re = turn.re * odd_re - turn.im * odd_im;
            let im = turn.re * odd_im + turn.im * odd_re;
            *a = Complex::new(even_re + re, even_im + im);
            *b = Complex::new(even_re - re, im - even_im);
        }
    }

    /// Of a spectrum without phases, `bins` for all bins, the first `size / 2` samples into `frame`: `size` times the inverse
    /// transform, which is even. What stands in `spectrum` is lost.
    #[inline]
    pub fn even_inverse(&self, bins: &[T], buffers: &mut Buffers<T>) {
        let (frame, packed, work) = buffers.packed(self.fft.len());
        wide(
            #[inline(always)]
            || self.put_together(bins, packed),
        );
        self.fft.process_with_scratch(packed, work);
        for (pair, z) in frame
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(&packed[..self.fft.len() / 2])
        {
            *pair = [z.re, -z.im];
        }
    }

    /// What the packed samples' spectrum is, its parts turned around: the transform forward is the inverse one's conjugate.
    #[inline(always)]
    fn put_together(&self, bins: &[T], packed: &mut [Complex<T>]) {
        let last = packed.len();
        let two = number::<T>(2.0);
        packed[0] = Complex::new(bins[0] + bins[last], bins[last] - bins[0]);
        packed[last / 2] = Complex::new(two * bins[last / 2], T::zero());
        let (low, high) = packed[1..].split_at_mut(last / 2 - 1);
        let pairs = low.iter_mut().zip(high[1..].iter_mut().rev());
        let values = bins[1..].iter().zip(bins[..last].iter().rev());
        for (((a, b), (x, y)), turn) in pairs.zip(values).zip(&self.turns[1..]) {
            let (sum, difference) = (*x + *y, two * (*x - *y));
            let (re, im) = (difference * turn.re, difference * turn.im);
            *a = Complex::new(sum + re, im);
            *b = Complex::new(sum - re, im);
        }
    }
}

/// Memory of a transform, reused from frame to frame; one for each thread.
#[derive(Debug)]
pub struct Buffers<T> {
    /// Shape `[size]`.
    pub frame: Vec<T>,
    /// Shape `[size / 2 + 1]`.
    pub spectrum: Vec<Complex<T>>,
    work: Vec<Complex<T>>,
}

impl<T> Buffers<T> {
    /// The frame, the `count` complex numbers that the samples are taken for, and the complex transform's own memory.
    fn packed(&mut self, count: usize) -> (&mut [T], &mut [Complex<T>], &mut [Complex<T>]) {
        (&mut self.frame, &mut self.spectrum[..count], &mut self.work)
    }
}

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        Self {
            frame: Vec::new(),
            spectrum: Vec::new(),
            work: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f64> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn spectra_are_those_of_the_definition() {
        for size in [4, 8, 12, 80, 128, 512, 1_024] {
            let transform = RealTransform::<f64>::new(size);
            let mut buffers = Buffers::default();
            transform.fit(&mut buffers);
            let samples = noise(size);
            buffers.frame.copy_from_slice(&samples);
            transform.forward(&mut buffers);
            assert_eq!(buffers.spectrum.len(), size / 2 + 1);
            for (k, bin) in buffers.spectrum.iter().enumerate() {
                let angle = |n: usize| -2.0 * PI * ((k * n) % size) as f64 / size as f64;
                let terms = samples.iter().enumerate();
                let expected: Complex<f64> =
                    terms.map(|(n, x)| Complex::from_polar(*x, angle(n))).sum();
                assert!(
                    (bin - expected).norm() < 1e-12 * size as f64,
                    "{size}: bin {k}"
                );
            }
        }
    }

    #[test]
    fn in_single_precision_they_are_off_by_its_rounding() {
        let (double, single) = (
            RealTransform::<f64>::new(512),
            RealTransform::<f32>::new(512),
        );
        let (mut exact, mut rounded) = (Buffers::default(), Buffers::default());
        double.fit(&mut exact);
        single.fit(&mut rounded);
        exact.frame.copy_from_slice(&noise(512));
        for (x, y) in rounded.frame.iter_mut().zip(&exact.frame) {
            *x = *y as f32;
        }
        double.forward(&mut exact);
        single.forward(&mut rounded);
        for (x, y) in rounded.spectrum.iter().zip(&exact.spectrum) {
            let off = Complex::new(f64::from(x.re), f64::from(x.im)) - y;
            assert!(off.norm() < 2e-5, "{off}");
        }
    }

    #[test]
    fn the_inverse_of_a_spectrum_without_phases_is_its_sum_of_cosines() {
        for size in [4, 8, 12, 128, 1_024] {
            let transform = RealTransform::<f64>::new(size);
            let mut buffers = Buffers::default();
            transform.fit(&mut buffers);
            let bins = noise(size / 2 + 1);
            transform.even_inverse(&bins, &mut buffers);
            for n in 0..size / 2 {
                let cosine = |k: usize| (2.0 * PI * ((k * n) % size) as f64 / size as f64).cos();
                // Bins between the ends stand for two each.
                let inner: f64 = (1..size / 2).map(|k| 2.0 * bins[k] * cosine(k)).sum();
                let expected = bins[0] + bins[size / 2] * cosine(size / 2) + inner;
                let off = (buffers.frame[n] - expected).abs();
                assert!(off < 1e-12 * size as f64, "{size}: sample {n}");
            }
        }
    }
}
