//! Tempo in beats a minute, from the onsets in a mel spectrogram.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};

use super::mel::MEL_BANDS;
use super::spectrogram::{FFT_SIZE, HOP};
use crate::audio::SAMPLE_RATE;

/// Frames of onset strength that are autocorrelated at a time: 8 s (`librosa.feature.tempo`).
const WINDOW: usize = 8 * SAMPLE_RATE as usize / HOP;
/// Points of the transform that autocorrelates a window without wrapping round.
const POINTS: usize = 2 * WINDOW;
/// Frequencies of that transform.
const FREQUENCIES: usize = WINDOW + 1;
/// The Hann window mixes each frequency with those two away, so two more are kept on each side.
const MARGIN: usize = 2;
/// Frames that an onset is reported after the frame in which the level rose: a difference, and
/// half of the spectrogram's window (`librosa.onset.onset_strength`).
const ONSET_DELAY: usize = 1 + FFT_SIZE / (2 * HOP);
/// Fastest tempo considered, in beats a minute.
const MAX_BPM: f64 = 320.0;
/// Tempo at which the prior peaks, in beats a minute; its width is one octave.
const PRIOR_BPM: f64 = 120.0;

/// Onset strength of one clip, frame by frame (`librosa.onset.onset_strength` with the median over
/// bands, as `librosa.beat.beat_track` calls it). 4 bytes a frame.
#[derive(Debug, Default)]
pub struct OnsetEnvelope {
    strengths: Vec<f32>,
    previous: Vec<f32>,
}

impl OnsetEnvelope {
    /// Forgets the last clip.
    pub fn clear(&mut self) {
        self.strengths.clear();
        self.previous.clear();
    }

    /// Adds a frame's band levels in dB: the onset strength is the median over the bands of their
    /// rise since the frame before, falls counting as zero.
    pub fn push(&mut self, levels: &[f32; MEL_BANDS]) {
        if self.previous.is_empty() {
            self.strengths.extend([0.0; ONSET_DELAY]);
            self.previous.extend_from_slice(levels);
            return;
        }
        self.strengths.push(median_rise(levels, &self.previous));
        self.previous.copy_from_slice(levels);
    }

    /// Onset strength of each frame so far, in dB.
    pub fn strengths(&self) -> &[f32] {
        // The first frame added several; as many of the last are beyond the clip.
        let frames = (self.strengths.len() + 1).saturating_sub(ONSET_DELAY);
        &self.strengths[..frames]
    }
}

/// Median over the bands of `max(0, level - previous)`: with an even number of bands, the mean of
/// the two in the middle.
fn median_rise(levels: &[f32; MEL_BANDS], previous: &[f32]) -> f32 {
    const MIDDLE: usize = MEL_BANDS / 2;
    // Non-negative floats sort as their bits do, and integers are selected faster.
    let mut rises = [0_u32; MEL_BANDS];
    for ((rise, level), before) in rises.iter_mut().zip(levels).zip(previous) {
        let difference = level - before;
        *rise = if difference > 0.0 {
            difference.to_bits()
        } else {
            0
        };
    }
    // In most frames half of the bands do not rise, and there is nothing to sort.
    let rising: usize = rises.iter().map(|&r| usize::from(r > 0)).sum();
    if rising < MIDDLE {
        return 0.0;
    }
    let (lower, &mut upper, _) = rises.select_nth_unstable(MIDDLE);
    let lower = lower.iter().copied().max().unwrap_or(0);
    (f32::from_bits(lower) + f32::from_bits(upper)) / 2.0
}

/// Picks the tempo whose period best explains an onset envelope.
pub struct TempoEstimator {
    /// cos and sin of 2πk/POINTS for k = -MARGIN..FREQUENCIES + MARGIN.
    cosines: Vec<f64>,
    sines: Vec<f64>,
    /// (-1)^k.
    signs: Vec<f64>,
    /// Periodic Hann window over an autocorrelated stretch.
    window: Vec<f64>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

/// Working memory of a [`TempoEstimator`].
#[derive(Debug, Default)]
pub struct TempoScratch {
    padded: Vec<f32>,
    real: Vec<f64>,
    imaginary: Vec<f64>,
    powers: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    autocorrelation: Vec<f64>,
}

impl fmt::Debug for TempoEstimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempoEstimator")
            .field("window", &WINDOW)
            .finish()
    }
}

impl Default for TempoEstimator {
    fn default() -> Self {
        Self::new()
    }
}

impl TempoEstimator {
    /// Makes the plan and tables.
    pub fn new() -> Self {
        let ks = (0..FREQUENCIES + 2 * MARGIN).map(|i| i as f64 - MARGIN as f64);
        let angles: Vec<f64> = ks.map(|k| 2.0 * PI * k / POINTS as f64).collect();
        Self {
            cosines: angles.iter().map(|a| a.cos()).collect(),
            sines: angles.iter().map(|a| a.sin()).collect(),
            signs: (0..angles.len())
                .map(|i| {
                    if (i + MARGIN).is_multiple_of(2) {
                        1.0
                    } else {
                        -1.0
                    }
                })
                .collect(),
            window: (0..WINDOW)
                .map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos())
                .collect(),
            inverse: RealFftPlanner::new().plan_fft_inverse(POINTS),
        }
    }

    /// Tempo in beats a minute of the onset strengths of a clip; 0 where there is no onset
    /// (`librosa.beat.beat_track`, `librosa.feature.tempo`): the period at which
    /// `ln(1 + 10^6 a) + ln(prior)` is largest, where `a` is the mean autocorrelation of all
    /// 8 s windows, each over its own energy, and the prior is log-normal around 120.
    pub fn estimate(&self, strengths: &[f32], scratch: &mut TempoScratch) -> f64 {
        if strengths.iter().all(|&s| s == 0.0) {
            return 0.0;
        }
        self.mean_autocorrelation(strengths, scratch);
        let mut best = (f64::NEG_INFINITY, 0.0);
        for (lag, a) in scratch
            .autocorrelation
            .iter()
            .enumerate()
            .take(WINDOW)
            .skip(1)
        {
            let bpm = 60.0 * f64::from(SAMPLE_RATE) / (HOP * lag) as f64;
            if bpm >= MAX_BPM {
                continue;
            }
            let octaves = bpm.log2() - PRIOR_BPM.log2();
            let score = (1e6 * a).ln_1p() - 0.5 * octaves * octaves;
            if score > best.0 {
                best = (score, bpm);
            }
        }
        best.1
    }

    /// Mean over all windows of their normalised autocorrelation (`librosa.feature.tempogram`,
    /// averaged), into `scratch.autocorrelation`.
    ///
    /// The reference transforms each window forth and back, one window a frame. Here the spectrum
    /// of the window slides from frame to frame (one complex multiplication a frequency), the Hann
    /// window is applied to it as `X(k)/2 - (X(k-2) + X(k+2))/4`, and since the autocorrelation is
    /// linear in the power spectrum, only the mean power is transformed back. An autocorrelation
    /// is largest at lag 0, so its maximum is the window's energy.
    fn mean_autocorrelation(&self, strengths: &[f32], scratch: &mut TempoScratch) {
        const HALF: usize = WINDOW / 2;
        let TempoScratch {
            padded,
            real,
            imaginary,
            powers,
            spectrum,
            autocorrelation,
        } = scratch;
        pad_with_ramps(strengths, HALF, padded);
        let kept = FREQUENCIES + 2 * MARGIN;
        for sum in [&mut *real, &mut *imaginary] {
            sum.clear();
            sum.resize(kept, 0.0);
        }
        powers.clear();
        powers.resize(FREQUENCIES, 0.0);

        // Slide the first window in from zeros.
        for &entering in &padded[..WINDOW] {
            self.slide(real, imaginary, 0.0, entering);
        }
        for frame in 0..strengths.len() {
            let stretch = &padded[frame..frame + WINDOW];
            let energy = self.energy(stretch);
            if energy > 0.0 {
                add_powers(real, imaginary, 1.0 / energy, powers);
            } else if stretch.iter().all(|&s| s == 0.0) {
                // Rounding errors of louder windows must not outlive them.
                real.fill(0.0);
                imaginary.fill(0.0);
            }
            self.slide(real, imaginary, stretch[0], padded[frame + WINDOW]);
        }

        let scale = 1.0 / (strengths.len() * POINTS) as f64;
        spectrum.clear();
        spectrum.extend(powers.iter().map(|&p| Complex::new(p * scale, 0.0)));
        autocorrelation.resize(POINTS, 0.0);
        self.inverse
            .process(spectrum, autocorrelation)
            .expect("buffers have the plan's lengths");
    }

    /// Moves the window of a sliding spectrum one frame on.
    ///
    /// `X(k) = Σ x_n e^(-2πi k n / POINTS)` over n = 0..WINDOW; dropping x_0, adding x_WINDOW and
    /// renumbering gives `X'(k) = (X(k) - x_0 + (-1)^k x_WINDOW) e^(2πi k / POINTS)`.
    fn slide(&self, real: &mut [f64], imaginary: &mut [f64], leaving: f32, entering: f32) {
        let (leaving, entering) = (f64::from(leaving), f64::from(entering));
        let tables = self.cosines.iter().zip(&self.sines).zip(&self.signs);
        for ((re, im), ((cos, sin), sign)) in real.iter_mut().zip(imaginary).zip(tables) {
            let x = *re + (sign * entering - leaving);
            let y = *im;
            *re = x * cos - y * sin;
            *im = x * sin + y * cos;
        }
    }

    /// Energy of a stretch under the Hann window; exactly 0 where only its first frame, whose
    /// weight is 0, has an onset.
    fn energy(&self, stretch: &[f32]) -> f64 {
        let mut sums = [0.0_f64; 4];
        for (s, w) in stretch
            .as_chunks::<4>()
            .0
            .iter()
            .zip(self.window.as_chunks::<4>().0)
        {
            for lane in 0..4 {
                let x = f64::from(s[lane]) * w[lane];
                sums[lane] += x * x;
            }
        }
        sums.iter().sum()
    }
}

/// Adds `scale` times the power spectrum of the Hann-windowed stretch.
fn add_powers(real: &[f64], imaginary: &[f64], scale: f64, powers: &mut [f64]) {
    let length = powers.len();
    // Equally long slices, so that the loop needs no bounds checks and is vectorised.
    let real: [&[f64]; 3] = [0, 2, 4].map(|offset| &real[offset..][..length]);
    let imaginary: [&[f64]; 3] = [0, 2, 4].map(|offset| &imaginary[offset..][..length]);
    for k in 0..length {
        let re = 0.5 * real[1][k] - 0.25 * (real[0][k] + real[2][k]);
        let im = 0.5 * imaginary[1][k] - 0.25 * (imaginary[0][k] + imaginary[2][k]);
        powers[k] += scale * (re * re + im * im);
    }
}

/// `strengths` with linear ramps of `length` frames from and to zero at its ends, and one zero more
/// (`numpy.pad`, `mode="linear_ramp"`).
fn pad_with_ramps(strengths: &[f32], length: usize, padded: &mut Vec<f32>) {
    let ramp =
        |edge: f32| (0..length).map(move |i| (f64::from(edge) / length as f64 * i as f64) as f32);
    let (first, last) = (strengths[0], strengths[strengths.len() - 1]);
    padded.clear();
    padded.extend(ramp(first));
    padded.extend_from_slice(strengths);
    padded.extend(ramp(last).rev());
    padded.push(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: one window after the other, in the time domain.
    fn direct(strengths: &[f32]) -> Vec<f64> {
        let mut padded = Vec::new();
        pad_with_ramps(strengths, WINDOW / 2, &mut padded);
        let window = TempoEstimator::new().window;
        let mut mean = vec![0.0; WINDOW];
        for frame in 0..strengths.len() {
            let x: Vec<f64> = padded[frame..frame + WINDOW]
                .iter()
                .zip(&window)
                .map(|(&s, w)| f64::from(s) * w)
                .collect();
            let energy: f64 = x.iter().map(|v| v * v).sum();
            if energy > 0.0 {
                for (lag, m) in mean.iter_mut().enumerate() {
                    let sum: f64 = x[lag..].iter().zip(&x).map(|(a, b)| a * b).sum();
                    *m += sum / energy / strengths.len() as f64;
                }
            }
        }
        mean
    }

    #[test]
    fn sliding_autocorrelation_is_the_direct_one() {
        for (frames, every) in [(44, 11), (431, 17), (900, 400), (60, 1000)] {
            let strengths: Vec<f32> = (0..frames)
                .map(|t| {
                    if t >= 3 && t % every == 5 {
                        1.0 + (t % 7) as f32
                    } else {
                        0.0
                    }
                })
                .collect();
            let mut scratch = TempoScratch::default();
            TempoEstimator::new().mean_autocorrelation(&strengths, &mut scratch);
            for (lag, exact) in direct(&strengths).iter().enumerate() {
                let got = scratch.autocorrelation[lag];
                assert!(
                    (got - exact).abs() < 1e-11,
                    "{frames}/{every}, lag {lag}: {got} against {exact}"
                );
            }
        }
    }

    #[test]
    fn no_onset_has_no_tempo_and_one_onset_the_priors() {
        let estimator = TempoEstimator::new();
        let mut scratch = TempoScratch::default();
        assert_eq!(estimator.estimate(&[0.0; 50], &mut scratch), 0.0);
        let mut one = [0.0; 50];
        one[20] = 3.0;
        let bpm = estimator.estimate(&one, &mut scratch);
        assert!((bpm - 117.453_835).abs() < 1e-5, "{bpm}");
    }

    #[test]
    fn the_median_is_that_of_sorting() {
        let mut state = 1_u32;
        for bias in [-0.5, 0.0, 0.02, 0.5] {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 16_777_216.0 - 0.5 + bias
            };
            let levels: [f32; MEL_BANDS] = std::array::from_fn(|_| next());
            let previous = [0.0; MEL_BANDS];
            let mut rises = levels.map(|x| x.max(0.0));
            rises.sort_by(f32::total_cmp);
            assert_eq!(
                median_rise(&levels, &previous),
                (rises[63] + rises[64]) / 2.0
            );
        }
    }
}
