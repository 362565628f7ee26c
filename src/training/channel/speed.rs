//! Speed and pitch: a recording that is played faster, and a voice that is shifted without being hurried.

use crate::audio::{SAMPLE_RATE, resample};

/// Played faster or slower: tempo and pitch change together, as a tape's do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// How many times as fast, 0.5 to 2.
    pub factor: f64,
}

/// Voices shifted at their own tempo: stretched, then played faster by as much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pitch {
    /// How many times as high, 0.5 to 2.
    pub factor: f64,
}

/// Rates are rounded to multiples of this, in Hz, so that the conversion has a short period: 0.1 % of the speed.
const GRID: f64 = 50.0;
/// Samples of a stretched frame, 46 ms: two periods of a low voice. Neighbours overlap by half.
const FRAME: usize = 1_024;
const HOP: usize = FRAME / 2;
/// How far a frame may be moved to fit the one before, in samples: a period of 86 Hz.
const SEARCH: usize = 256;
/// Step of the first search; the second one goes sample by sample about what it found.
const COARSE: usize = 4;

impl Speed {
    pub(super) fn apply(self, samples: &mut Vec<f32>) {
        let rate = (f64::from(SAMPLE_RATE) * self.factor / GRID).round() * GRID;
        *samples = resample(samples, rate as u32, SAMPLE_RATE);
    }
}

impl Pitch {
    pub(super) fn apply(self, samples: &mut Vec<f32>) {
        let n = samples.len();
        *samples = stretch(samples, self.factor);
        Speed {
            factor: self.factor,
        }
        .apply(samples);
        samples.resize(n, 0.0);
    }
}

/// `samples` made `factor` times as long at the same pitch, by WSOLA (Verhelst and Roelands, "An overlap-add technique
/// based on waveform similarity", ICASSP 1993).
fn stretch(samples: &[f32], factor: f64) -> Vec<f32> {
    let length = (samples.len() as f64 * factor).round() as usize;
    let mut padded = vec![0.0; SEARCH];
    padded.extend_from_slice(samples);
    padded.resize(SEARCH + samples.len() + 2 * FRAME + 2 * SEARCH, 0.0);
    let hann = |n: usize| {
        let turn = std::f64::consts::TAU * n as f64 / FRAME as f64;
        (0.5 - 0.5 * turn.cos()) as f32
    };
    let window: Vec<f32> = (0..FRAME).map(hann).collect();
    let mut out = vec![0.0; length + 2 * FRAME];
    // Where the sound goes on after the last frame's first half: what the next frame should resemble.
    let mut wanted = SEARCH;
    for start in (0..length).step_by(HOP) {
        let place = (start as f64 / factor) as usize;
        let from = place + best_shift(&padded[place..], &padded[wanted..][..HOP]);
        let frame = padded[from..][..FRAME].iter().zip(&window);
        for (out, (x, w)) in out[start..].iter_mut().zip(frame) {
            *out += x * w;
        }
        wanted = (from + HOP).min(padded.len() - HOP);
    }
    // The first half frame has no other over it.
    for (out, w) in out.iter_mut().zip(&window[..HOP]) {
        *out /= w.max(0.05);
    }
    out.truncate(length);
    out
}

/// The start in `around`, 0 to twice [`SEARCH`], from which it is most like `wanted`, by normalised correlation.
fn best_shift(around: &[f32], wanted: &[f32]) -> usize {
    let likeness = |shift: usize| {
        let part = &around[shift..][..wanted.len()];
        let product: f32 = part.iter().zip(wanted).map(|(a, b)| a * b).sum();
        let energy: f32 = part.iter().map(|x| x * x).sum();
        product / (energy + 1e-9).sqrt()
    };
    // Where nothing is like it, such as in silence, the frame stays in the middle.
    let mut best = (likeness(SEARCH) + 1e-6, SEARCH);
    let mut look = |shift: usize| {
        let found = likeness(shift);
        if found > best.0 {
            best = (found, shift);
        }
        best.1
    };
    let mut near = SEARCH;
    for shift in (0..=2 * SEARCH).step_by(COARSE) {
        near = look(shift);
    }
    for shift in near.saturating_sub(COARSE)..=(near + COARSE).min(2 * SEARCH) {
        look(shift);
    }
    best.1
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.2} times as fast", self.factor)
    }
}

impl std::fmt::Display for Pitch {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.2} times as high", self.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    /// Frequency by rising zero crossings, in Hz.
    fn pitch(samples: &[f32]) -> f64 {
        let rising = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
        rising.count() as f64 * f64::from(SAMPLE_RATE) / samples.len() as f64
    }

    #[test]
    fn speed_changes_length_and_pitch() {
        for factor in [0.94, 1.06] {
            let mut sine = probe::sine(200.0, 44_100);
            Speed { factor }.apply(&mut sine);
            let ratio = 44_100.0 / sine.len() as f64;
            assert!((ratio - factor).abs() < 0.002, "{ratio}");
            let hz = pitch(&sine[2_000..sine.len() - 2_000]);
            assert!((hz - 200.0 * factor).abs() < 1.5, "{hz}");
        }
    }

    #[test]
    fn pitch_changes_at_the_same_length_and_level() {
        for factor in [0.94, 1.03] {
            let clip = probe::sine(180.0, 66_150);
            let mut shifted = clip.clone();
            Pitch { factor }.apply(&mut shifted);
            assert_eq!(shifted.len(), clip.len());
            let inner = 4_000..60_000;
            let hz = pitch(&shifted[inner.clone()]);
            assert!((hz - 180.0 * factor).abs() < 1.5, "{factor}: {hz}");
            let change = probe::level(&shifted[inner.clone()]) - probe::level(&clip[inner]);
            assert!(change.abs() < 0.5, "{change} dB");
        }
    }

    #[test]
    fn silence_and_short_clips_stay_what_they_are() {
        let mut silence = vec![0.0; 30_000];
        Pitch { factor: 1.06 }.apply(&mut silence);
        assert_eq!(silence, [0.0; 30_000]);
        let mut short = probe::sine(300.0, 100);
        Pitch { factor: 0.94 }.apply(&mut short);
        assert_eq!(short.len(), 100);
        assert!(short.iter().all(|x| x.is_finite()));
    }
}
