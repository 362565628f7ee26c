//! Waveform -> what was measured of the recording: how long the speech is, up to which frequency it reaches, how far it
//! stands above the noise, whether its peaks were cut off. A detailed answer warns by these, see
//! [`warnings`](crate::warnings).
//!
//! ```text
//! waveform -+-> spectra of 46 ms -+-> mean -----------------> bandwidth
//!           |                     +-> 64 bands, smoothed ---> noise
//!           +-> peaks of 10 ms -+-> clipping
//!                               +-> length of the speech
//! ```
//!
//! The measures are the decoded waveform's own and need no model, so that every model has them.

mod bandwidth;
mod clipping;
mod noise;
mod spectra;

use crate::audio::{SAMPLE_RATE, Waveform};
use crate::features::dynamic::distribution::percentile;
use spectra::Spectra;

pub use clipping::Evenness;

/// Samples of which the largest magnitude is taken: 10 ms.
const PEAK_SAMPLES: usize = SAMPLE_RATE as usize / 100;
/// Peaks below this share of the largest are silence at a clip's ends (-30.5 dB, as where features are computed).
const SILENCE: f64 = 0.03;

/// What was measured of one recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// From the first sound to the last one, in seconds.
    pub speech_seconds: f64,
    /// Highest frequency with sound, in Hz: 0 to 11,025.
    pub bandwidth: f64,
    /// Signal-to-noise ratio in dB: how far the sound stands above what never falls silent; -20 to 60.
    pub snr: f64,
    /// How alike the loudest peaks are.
    pub evenness: Evenness,
}

/// Measures recordings; holds the plan of the spectra, is shared between threads.
#[derive(Debug, Default)]
pub struct Gauge {
    spectra: Spectra,
}

impl Gauge {
    /// Measures `waveform`, which must be finite and not silent, and last [`MIN_SECONDS`](crate::features::MIN_SECONDS)
    /// or longer.
    #[must_use]
    pub fn measure(&self, waveform: &Waveform) -> Quality {
        let samples = waveform.samples();
        let peaks: Vec<f64> = samples.chunks(PEAK_SAMPLES).map(peak).collect();
        let heard = self.spectra.hear(samples);
        Quality {
            speech_seconds: speech_seconds(&peaks),
            bandwidth: bandwidth::highest(&heard.mean),
            snr: noise::snr(&heard),
            evenness: Evenness::of(&peaks),
        }
    }
}

fn peak(samples: &[f32]) -> f64 {
    let largest = samples.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    largest.into()
}

/// From the first peak that is not silence to the last one.
fn speech_seconds(peaks: &[f64]) -> f64 {
    // Not the largest of all: one click would make silence of soft speech.
    let loud = SILENCE * percentile(peaks, 99.0);
    let first = peaks.iter().position(|&peak| peak > loud).unwrap_or(0);
    let last = peaks.iter().rposition(|&peak| peak > loud).unwrap_or(0);
    (last + 1 - first) as f64 * PEAK_SAMPLES as f64 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// A voice's stand-in: harmonics of 140 Hz up to `highest` Hz, falling by 6 dB an octave, in syllables of uneven
    /// loudness with pauses between them, two and a half a second.
    pub(crate) fn voice(seconds: f64, highest: f64) -> Vec<f32> {
        let rate = f64::from(SAMPLE_RATE);
        let mut samples = vec![0.0_f32; (seconds * rate) as usize];
        for (n, x) in samples.iter_mut().enumerate() {
            let t = n as f64 / rate;
            let (syllable, within) = ((t * 2.5) as u32, (t * 2.5).fract());
            let loudness = 0.06 + 0.04 * f64::from(syllable * 7 % 5);
            let envelope = if within < 0.6 {
                loudness * (TAU / 2.0 * within / 0.6).sin()
            } else {
                0.0
            };
            let harmonics = (1..).map(|k| 140.0 * f64::from(k));
            let sum: f64 = harmonics
                .take_while(|&hz| hz <= highest)
                .map(|hz| (TAU * hz * t + hz).sin() * 140.0 / hz)
                .sum();
            *x = (envelope * sum) as f32;
        }
        samples
    }

    /// White noise of that root mean square.
    pub(crate) fn white(count: usize, rms: f64) -> Vec<f32> {
        let mut state = 1_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / 8_388_608.0 - 1.0
        };
        // A sum of four uniform numbers has four thirds of variance.
        let scale = rms / (4.0_f64 / 3.0).sqrt();
        (0..count)
            .map(|_| ((draw() + draw() + draw() + draw()) * scale) as f32)
            .collect()
    }

    pub(crate) fn rms(samples: &[f32]) -> f64 {
        let squares = samples.iter().map(|&x| f64::from(x).powi(2));
        (squares.sum::<f64>() / samples.len() as f64).sqrt()
    }

    pub(crate) fn measure(samples: Vec<f32>) -> Quality {
        Gauge::default().measure(&Waveform::new(samples))
    }

    #[test]
    fn silence_at_the_ends_is_no_speech() {
        let silence = vec![0.0; 22_050];
        let samples = [silence.clone(), voice(3.0, 5_000.0), silence].concat();
        let found = measure(samples).speech_seconds;
        // It starts and ends in the quiet edge of a syllable.
        assert!((2.7..=3.0).contains(&found), "{found}");
    }
}
