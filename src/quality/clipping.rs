//! Peaks cut off: in clipped speech many of the loudest peaks have one height.
//!
//! Runs of samples at full scale would tell more, but a codec or a resampler behind the clipping leaves none of them;
//! it leaves the peaks within a few per cent of each other, which speech does not do by itself. A steady tone does.

use crate::features::dynamic::distribution::percentile;

/// The 99.5th over the 95th percentile of peaks of 10 ms below which they were clipped. A hundredth of the clips of the
/// corpus lie below, nine in ten where 0.3 % of the samples were cut.
const LOUDEST: f64 = 1.07;
/// The 98th over the 90th likewise: for clipping that cuts a hundredth of the samples and MP3 behind it.
const LOUD: f64 = 1.12;

/// How alike the loudest peaks of 10 ms are: ratios of percentiles, at least 1. Typical of speech are 1.4 for both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evenness {
    /// The 99.5th percentile over the 95th.
    pub loudest: f64,
    /// The 98th percentile over the 90th.
    pub loud: f64,
}

impl Evenness {
    /// Of `peaks`, shape `[n]`, largest magnitudes of 10 ms each.
    pub(super) fn of(peaks: &[f64]) -> Self {
        let ratio = |high, low| percentile(peaks, high) / percentile(peaks, low).max(1e-9);
        Self {
            loudest: ratio(99.5, 95.0),
            loud: ratio(98.0, 90.0),
        }
    }

    /// Whether the peaks were cut off.
    #[must_use]
    pub fn is_clipped(self) -> bool {
        self.loudest < LOUDEST || self.loud < LOUD
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use crate::quality::tests::{measure, voice};

    /// A sine that swells eleven times in five seconds, each time to another height of up to 1.
    fn swelling_sine() -> Vec<f32> {
        (0..110_250)
            .map(|n| {
                let t = f64::from(n) / 22_050.0;
                let height = 0.5 + 0.05 * f64::from((t * 2.2) as u32 * 7 % 11);
                let swell = 0.5 - 0.5 * (TAU * t * 2.2).cos();
                (height * swell * (TAU * 440.0 * t).sin()) as f32
            })
            .collect()
    }

    #[test]
    fn a_clipped_sine_is_clipped() {
        let sine = swelling_sine();
        assert!(!measure(sine.clone()).evenness.is_clipped());
        let cut: Vec<f32> = sine.iter().map(|x| x.clamp(-0.6, 0.6)).collect();
        let found = measure(cut).evenness;
        assert!(found.is_clipped(), "{found:?}");
        assert_eq!(found.loudest, 1.0);
    }

    #[test]
    fn a_clipped_voice_is_clipped_at_any_level() {
        let voice = voice(5.0, 5_000.0);
        assert!(!measure(voice.clone()).evenness.is_clipped());
        let largest = voice.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let limit = 0.4 * largest;
        let cut: Vec<f32> = voice
            .iter()
            .map(|x| 0.05 * x.clamp(-limit, limit))
            .collect();
        assert!(measure(cut).evenness.is_clipped());
    }
}
