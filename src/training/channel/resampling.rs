//! Through another sample rate and back, well or badly.

use crate::audio::{SAMPLE_RATE, resample};

/// How samples between samples are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// A good resampler's: everything above the lower Nyquist frequency is gone.
    BandLimited,
    /// A straight line, without any filter: images and aliases, as cheap software makes them.
    Linear,
}

/// Through another sample rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// The rate in between, in Hz.
    pub rate: u32,
    /// How both conversions are made.
    pub interpolation: Interpolation,
}

impl Resampling {
    pub(super) fn apply(self, samples: &mut Vec<f32>) {
        let n = samples.len();
        let convert = match self.interpolation {
            Interpolation::BandLimited => resample,
            Interpolation::Linear => linear,
        };
        let between = convert(samples, SAMPLE_RATE, self.rate);
        *samples = convert(&between, self.rate, SAMPLE_RATE);
        samples.resize(n, 0.0);
    }
}

/// `ceil(n * to / from)` samples on straight lines between those given.
fn linear(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let step = f64::from(from) / f64::from(to);
    let n = (samples.len() as f64 / step).ceil() as usize;
    let at = |index: usize| {
        samples
            .get(index)
            .or(samples.last())
            .copied()
            .unwrap_or(0.0)
    };
    (0..n)
        .map(|i| {
            let time = i as f64 * step;
            let (index, part) = (time as usize, time.fract() as f32);
            at(index) * (1.0 - part) + at(index + 1) * part
        })
        .collect()
}

impl std::fmt::Display for Resampling {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let how = match self.interpolation {
            Interpolation::BandLimited => "",
            Interpolation::Linear => ", on straight lines",
        };
        write!(f, "through {} Hz{how}", self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    fn change(hz: f64, rate: u32, interpolation: Interpolation) -> f64 {
        let mut sine = probe::sine(hz, 22_050);
        Resampling {
            rate,
            interpolation,
        }
        .apply(&mut sine);
        assert_eq!(sine.len(), 22_050);
        probe::level(&sine[4_000..18_000]) - probe::level(&probe::sine(hz, 22_050))
    }

    #[test]
    fn the_lower_rate_limits_the_band_unless_lines_alias() {
        use Interpolation::{BandLimited, Linear};
        assert!(change(3_000.0, 8_000, BandLimited).abs() < 0.1);
        assert!(change(5_000.0, 8_000, BandLimited) < -60.0);
        assert!(change(9_000.0, 44_100, BandLimited).abs() < 0.1);
        assert!(change(1_000.0, 16_000, Linear).abs() < 0.5);
        assert!(change(9_500.0, 16_000, Linear) > -20.0);
    }
}
