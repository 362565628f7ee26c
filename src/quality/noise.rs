//! Signal-to-noise ratio: the power of a recording above the power that it never falls below.
//!
//! Minimum statistics (Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
//! statistics", IEEE TSAP 9, 2001) over the whole clip: in each band, a low percentile of the smoothed power is taken
//! for the noise, whether it is reached in a pause or in the gap between two harmonics.

use super::spectra::{BANDS, Heard};

/// Frames, 23 ms apart, that a band is averaged over.
const SMOOTH: usize = 3;
/// Percentile of a band's power that is taken for the noise.
const PERCENTILE: f64 = 0.05;
/// What that percentile of steady noise falls short of its mean by, 1.9 dB: measured on clips with white noise added.
const BIAS: f64 = 1.55;
/// Frames below this share of the loudest one are digital silence or nearly so, which tells nothing of noise under the
/// speech: -60 dB.
const SILENCE: f32 = 1e-6;

/// The ratio in dB, -20 to 60.
pub fn snr(heard: &Heard) -> f64 {
    let power = |frame: &[f32]| frame.iter().sum::<f32>();
    let frames = || heard.bands.chunks_exact(BANDS);
    let loudest = frames().map(power).fold(0.0, f32::max);
    let sounding: Vec<&[f32]> = frames()
        .filter(|frame| power(frame) > loudest * SILENCE)
        .collect();
    let mut track = Vec::with_capacity(sounding.len());
    let (mut total, mut noise) = (0.0, 0.0);
    for band in 0..BANDS {
        track.clear();
        // A clip shorter than the smoothing is averaged whole.
        let smooth = sounding.windows(SMOOTH.min(sounding.len().max(1)));
        track.extend(smooth.map(|frames| {
            let sum: f64 = frames.iter().map(|frame| f64::from(frame[band])).sum();
            sum / frames.len() as f64
        }));
        if track.is_empty() {
            continue;
        }
        total += track.iter().sum::<f64>() / track.len() as f64;
        let place = (PERCENTILE * (track.len() - 1) as f64).round() as usize;
        noise += *track.select_nth_unstable_by(place, f64::total_cmp).1;
    }
    let signal = total / (noise * BIAS) - 1.0;
    // No noise at all makes it infinite, nothing but noise negative.
    10.0 * signal.clamp(0.01, 1e6).log10()
}

#[cfg(test)]
mod tests {
    use crate::quality::tests::{measure, rms, voice, white};

    #[test]
    fn white_noise_at_a_known_level_is_found() {
        let voice = voice(5.0, 6_000.0);
        for wanted in [5.0, 10.0, 15.0, 20.0, 25.0] {
            let noise = white(voice.len(), rms(&voice) * 10f64.powf(-wanted / 20.0));
            let noisy = voice.iter().zip(&noise).map(|(x, n)| x + n).collect();
            let found = measure(noisy).snr;
            assert!((found - wanted).abs() < 1.5, "{wanted} dB: {found}");
        }
    }

    #[test]
    fn a_clean_voice_is_far_above_and_bare_noise_below() {
        let voice = voice(5.0, 6_000.0);
        let noise = white(voice.len(), 0.005 * rms(&voice));
        let clean = measure(voice.iter().zip(&noise).map(|(x, n)| x + n).collect()).snr;
        assert!(clean > 35.0, "{clean}");
        let bare = measure(white(100_000, 0.1)).snr;
        assert!(bare < 0.0, "{bare}");
    }

    #[test]
    fn the_measure_does_not_depend_on_the_level() {
        let voice = voice(3.0, 6_000.0);
        let quiet = voice.iter().map(|x| x * 0.01).collect();
        assert!((measure(voice).snr - measure(quiet).snr).abs() < 0.1);
    }
}
