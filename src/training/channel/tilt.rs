//! Spectral tilt: what microphones, rooms and equalisers do to the balance of low and high.

use super::filter::Filter;

/// Frequency that keeps its level, in Hz.
const PIVOT: f64 = 1_000.0;
/// The slope holds between these frequencies, in Hz; beyond them the gain stays as it is there.
const RANGE: [f64; 2] = [60.0, 11_025.0];

/// A straight line in decibels over the logarithm of frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilt {
    /// Slope in dB an octave.
    pub slope: f64,
}

impl Tilt {
    /// Gain at `hz`, in dB.
    #[must_use]
    pub fn decibels(self, hz: f64) -> f64 {
        self.slope * (hz.clamp(RANGE[0], RANGE[1]) / PIVOT).log2()
    }

    pub(super) fn apply(self, samples: &mut [f32], filter: &mut Filter) {
        filter.shape(samples, |hz| 10f64.powf(self.decibels(hz) / 20.0));
    }
}

impl std::fmt::Display for Tilt {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "tilt {:+.2} dB/octave", self.slope)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn a_sine_changes_by_the_slope_for_each_octave() {
        for (hz, octaves) in [(500.0, -1.0), (1_000.0, 0.0), (4_000.0, 2.0)] {
            let mut sine = probe::sine(hz, 22_050);
            Tilt { slope: -1.5 }.apply(&mut sine, &mut Filter::default());
            let decibels =
                probe::level(&sine[4_000..18_000]) - probe::level(&probe::sine(hz, 22_050));
            assert!(
                (decibels + 1.5 * octaves).abs() < 0.1,
                "{hz} Hz: {decibels}"
            );
        }
    }
}
