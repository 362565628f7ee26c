//! Highest frequency with sound: where a microphone, a line or a codec cut the rest off.

use super::spectra::{BIN_HZ, BINS};

/// Share of the loudest part of the mean spectrum below which there is no sound: -60 dB. Speech is 30 to 55 dB down at
/// 8 kHz; what MP3 and Opus cut off is gone altogether.
const FLOOR: f64 = 1e-6;
/// Bins to either side that a bin is averaged with: 150 Hz in all.
const SPREAD: usize = 3;
/// Bins at the low end where the loudest part is not looked for: hum and offset are no speech.
const LOWEST: usize = 5;

/// The highest frequency, in Hz, at which the mean power spectrum `mean`, shape `[BINS]`, is above [`FLOOR`].
pub fn highest(mean: &[f64]) -> f64 {
    let smooth: Vec<f64> = (0..BINS)
        .map(|bin| {
            let part = &mean[bin.saturating_sub(SPREAD)..(bin + SPREAD + 1).min(BINS)];
            part.iter().sum::<f64>() / part.len() as f64
        })
        .collect();
    let loudest = smooth[LOWEST..].iter().copied().fold(0.0, f64::max);
    let above = smooth.iter().rposition(|&power| power > loudest * FLOOR);
    // What a bin is averaged with reaches beyond the last one with sound.
    let bin = above.map_or(0, |bin| {
        if bin + 1 == BINS {
            bin
        } else {
            bin - SPREAD.min(bin)
        }
    });
    bin as f64 * BIN_HZ
}

#[cfg(test)]
mod tests {
    use crate::quality::tests::{measure, rms, voice, white};

    #[test]
    fn a_voice_reaches_as_far_as_its_harmonics() {
        for highest in [3_400.0, 5_000.0, 7_000.0] {
            let found = measure(voice(4.0, highest)).bandwidth;
            let last = (highest / 140.0_f64).floor() * 140.0;
            assert!((found - last).abs() < 150.0, "{highest}: {found}");
        }
    }

    #[test]
    fn noise_fills_the_band() {
        let voice = voice(4.0, 3_400.0);
        let noise = white(voice.len(), 0.01 * rms(&voice));
        let noisy = voice.iter().zip(&noise).map(|(x, n)| x + n).collect();
        assert!(measure(noisy).bandwidth > 10_900.0);
    }
}
