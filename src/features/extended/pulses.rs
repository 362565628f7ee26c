//! Where the pulses of the voice lie: pitch periods of frames, and the peak of each period.

use super::bands::runs;
use crate::features::dynamic::RATE;
use crate::features::dynamic::stft::{HOP, Stft, hann};
use crate::features::transform::{Buffers, RealTransform};

/// Samples in a frame, 40 ms under a periodic Hann window: two and a half periods of a low voice.
const FRAME: usize = 640;
/// Points of the transform behind an autocorrelation: no lag that is looked at wraps around.
const SIZE: usize = 2_048;
/// Lags at which a period is looked for, in samples: 400 Hz down to 60 Hz.
const LAGS: std::ops::Range<usize> = RATE as usize / 400..RATE as usize / 60 + 1;
/// What an octave more costs a lag, so that of a period and its double the shorter one is found (Boersma 1993).
const OCTAVE_COST: f64 = 0.02;
/// Autocorrelation from which a frame is voiced (Praat's default).
const VOICED: f64 = 0.45;
/// Share of the loudest frame's energy that a voiced one has at least (-30 dB).
const LOUD: f64 = 1e-3;
/// Ratio of the periods of neighbours in one run, one way or the other.
const STEADY: std::ops::Range<f64> = 0.8..1.25;
/// Frames that a run has at least whose pulses are looked for.
const SHORTEST: usize = 3;

/// Pitch of each frame, every 10 ms.
#[derive(Debug, Default)]
pub struct Pitch {
    /// Period in samples, between the lags of 400 and 60 Hz.
    pub periods: Vec<f64>,
    /// Autocorrelation at the period, about 1 at most.
    pub strengths: Vec<f64>,
    /// Whether the frame is voiced.
    pub voiced: Vec<bool>,
    /// Runs of voiced frames without a jump of the period: first and last of each.
    pub runs: Vec<(usize, usize)>,
}

/// The pulses of one run.
#[derive(Debug, Default)]
pub struct Pulses {
    /// Where they lie, in samples.
    pub places: Vec<f64>,
    /// How high they are.
    pub heights: Vec<f64>,
}

/// Plans and tables.
#[derive(Debug)]
pub struct PitchTracker {
    stft: Stft,
    inverse: RealTransform<f64>,
    /// Autocorrelation of the window over its energy, lags 0 to 267.
    own: Vec<f64>,
    /// What each of [`LAGS`] costs.
    costs: Vec<f64>,
}

impl Default for PitchTracker {
    fn default() -> Self {
        let window = hann(FRAME);
        let product = |lag: usize| -> f64 {
            let pairs = window.iter().zip(&window[lag..]);
            pairs.map(|(a, b)| a * b).sum()
        };
        let cost = |lag: usize| OCTAVE_COST * (lag as f64 / LAGS.start as f64).log2();
        Self {
            stft: Stft::new(SIZE, FRAME),
            inverse: RealTransform::new(SIZE),
            own: (0..=LAGS.end)
                .map(|lag| product(lag) / product(0))
                .collect(),
            costs: LAGS.map(cost).collect(),
        }
    }
}

impl PitchTracker {
    /// The pitch of `speech`, 16 kHz: autocorrelation under a window over the window's own (Boersma, "Accurate short-term
    /// analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, 1993).
    pub fn pitch(&self, speech: &[f32]) -> Pitch {
        let mut pitch = Pitch::default();
        let mut energies = Vec::new();
        let mut buffers = Buffers::default();
        self.inverse.fit(&mut buffers);
        let mut power = vec![0.0; self.stft.bins()];
        self.stft.frames(speech, |spectrum| {
            for (p, x) in power.iter_mut().zip(spectrum) {
                *p = x.norm_sqr();
            }
            self.inverse.even_inverse(&power, &mut buffers);
            let energy = buffers.frame[0];
            let normal = |lag: usize| buffers.frame[lag] / energy / self.own[lag];
            let (mut best, mut highest) = (LAGS.start, f64::NEG_INFINITY);
            for (lag, cost) in LAGS.zip(&self.costs) {
                let value = normal(lag) - cost;
                if value > highest {
                    (best, highest) = (lag, value);
                }
            }
            let (at, _) = parabola([normal(best - 1), normal(best), normal(best + 1)]);
            pitch.periods.push(best as f64 + at);
            pitch.strengths.push(normal(best));
            energies.push(energy);
        });
        let least = LOUD * energies.iter().copied().fold(0.0, f64::max);
        let frames = pitch.strengths.iter().zip(&energies);
        pitch.voiced = frames.map(|(s, e)| *s >= VOICED && *e >= least).collect();
        for (first, last) in runs(pitch.voiced.len(), |t| pitch.voiced[t]) {
            let mut start = first;
            for t in first + 1..=last {
                let ratio = pitch.periods[t] / pitch.periods[t - 1];
                if !(ratio > STEADY.start && ratio < STEADY.end) {
                    pitch.runs.push((start, t - 1));
                    start = t;
                }
            }
            pitch.runs.push((start, last));
        }
        pitch
    }
}

/// Where the parabola through three neighbours has its top, from the middle one, and how high it is there; the middle one
/// itself where it is not the highest.
pub fn parabola([a, b, c]: [f64; 3]) -> (f64, f64) {
    let curve = a - 2.0 * b + c;
    if b < a || b < c || curve == 0.0 {
        return (0.0, b);
    }
    let at = 0.5 * (a - c) / curve;
    (at, b - 0.25 * (a - c) * at)
}

impl Pitch {
    /// The pulses of each run of `speech` that is long enough: the peak of its first period, then the highest sample 0.8 to
    /// 1.2 periods after each. Peaks point to the side to which the clip is skewed.
    pub fn pulses(&self, speech: &[f32]) -> Vec<Pulses> {
        let cubes: f64 = speech.iter().map(|&x| f64::from(x).powi(3)).sum();
        let sign = if cubes >= 0.0 { 1.0 } else { -1.0 };
        let sample = |n: usize| sign * f64::from(speech[n]);
        let long = self.runs.iter().filter(|(a, b)| b - a + 1 >= SHORTEST);
        long.map(|&run| self.pulses_of(run, speech.len(), sample))
            .collect()
    }

    fn pulses_of(
        &self,
        (first, last): (usize, usize),
        length: usize,
        sample: impl Fn(usize) -> f64,
    ) -> Pulses {
        let period = |at: usize| self.periods[((at + HOP / 2) / HOP).clamp(first, last)];
        let reach = (period(first * HOP) / 2.0) as usize;
        let mut low = (first * HOP).saturating_sub(reach);
        let mut high = (first * HOP + reach).min(length - 1);
        let mut pulses = Pulses::default();
        loop {
            let mut peak = low;
            for n in low..=high {
                if sample(n) > sample(peak) {
                    peak = n;
                }
            }
            let (at, height) = if peak > 0 && peak + 1 < length {
                parabola([sample(peak - 1), sample(peak), sample(peak + 1)])
            } else {
                (0.0, sample(peak))
            };
            pulses.places.push(peak as f64 + at);
            pulses.heights.push(height);
            let step = period(peak);
            low = peak + (0.8 * step).ceil() as usize;
            high = peak + (1.2 * step) as usize;
            if high > (last * HOP).min(length - 2) {
                return pulses;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pulses every `period(n)` samples with the heights `height(n)`, each a narrow bump.
    fn voice(period: impl Fn(usize) -> f64, height: impl Fn(usize) -> f64) -> Vec<f32> {
        let mut speech = vec![0.0_f32; 32_000];
        let (mut at, mut n) = (200.0_f64, 0);
        while at < 31_900.0 {
            let first = at as usize - 30;
            for (s, sample) in speech[first..first + 60].iter_mut().enumerate() {
                let x = ((first + s) as f64 - at) / 6.0;
                *sample += (height(n) * (-x * x / 2.0).exp()) as f32;
            }
            at += period(n);
            n += 1;
        }
        speech
    }

    #[test]
    fn the_pulses_of_a_steady_voice_are_found_between_samples() {
        let speech = voice(|_| 123.25, |_| 0.5);
        let pitch = PitchTracker::default().pitch(&speech);
        let inner = 10..pitch.periods.len() - 10;
        assert!(pitch.voiced[inner.clone()].iter().all(|&v| v));
        for period in &pitch.periods[inner] {
            assert!((period - 123.25).abs() < 0.1, "{period}");
        }
        let found = pitch.pulses(&speech);
        assert_eq!(found.len(), 1);
        let places = &found[0].places;
        assert!(places.len() > 240, "{}", places.len());
        for pair in places.windows(2) {
            assert!((pair[1] - pair[0] - 123.25).abs() < 0.05);
        }
    }

    #[test]
    fn peaks_are_looked_for_on_the_side_to_which_they_point() {
        let speech = voice(|_| 100.0, |_| -0.5);
        let pulses = PitchTracker::default().pitch(&speech).pulses(&speech);
        assert!(pulses[0].heights.iter().all(|h| (h - 0.5).abs() < 0.01));
    }

    #[test]
    fn noise_and_silence_have_no_runs() {
        let tracker = PitchTracker::default();
        assert!(tracker.pitch(&[0.0; 16_000]).runs.is_empty());
        let mut state = 1_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 65_536.0 - 0.5
        };
        let noise: Vec<f32> = (0..16_000).map(|_| draw()).collect();
        let voiced = tracker.pitch(&noise).voiced.iter().filter(|&&v| v).count();
        assert!(voiced < 5, "{voiced}");
    }
}
