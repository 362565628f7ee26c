//! Signals and measures of the stages' tests.

use super::draws::Draws;
use crate::audio::SAMPLE_RATE;

/// A sine of amplitude 1 at 22,050 Hz.
pub(super) fn sine(hz: f64, samples: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE);
    (0..samples)
        .map(|n| (step * n as f64).sin() as f32)
        .collect()
}

/// White noise of deviation 1.
pub(super) fn noise(samples: usize) -> Vec<f32> {
    let mut draws = Draws::new("probe", 0);
    (0..samples).map(|_| draws.normal()).collect()
}

/// RMS in dB of full scale.
pub(super) fn level(samples: &[f32]) -> f64 {
    10.0 * super::level::power(samples).max(1e-30).log10()
}
