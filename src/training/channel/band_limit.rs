//! Band limits: low-pass as of cheap microphones and codecs.

use super::filter::Filter;

/// Width of the transition, as a share of the cutoff frequency.
const TRANSITION: f64 = 0.08;

/// A low-pass filter: flat below its cutoff, nothing above `1.08 *` that, a raised cosine between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandLimit {
    /// Cutoff frequency in Hz.
    pub cutoff: f64,
}

impl BandLimit {
    pub(super) fn apply(self, samples: &mut [f32], filter: &mut Filter) {
        filter.shape(samples, |hz| below(hz, self.cutoff));
    }
}

/// Gain of the low-pass filter at `hz`.
pub(super) fn below(hz: f64, cutoff: f64) -> f64 {
    let place = ((hz / cutoff - 1.0) / TRANSITION).clamp(0.0, 1.0);
    0.5 + 0.5 * (std::f64::consts::PI * place).cos()
}

impl std::fmt::Display for BandLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "low-pass {:.0} Hz", self.cutoff)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn it_passes_below_and_stops_above_the_cutoff() {
        let change = |hz| {
            let mut sine = probe::sine(hz, 22_050);
            BandLimit { cutoff: 3_400.0 }.apply(&mut sine, &mut Filter::default());
            probe::level(&sine[4_000..18_000]) - probe::level(&probe::sine(hz, 22_050))
        };
        assert!(change(3_300.0).abs() < 0.1, "{}", change(3_300.0));
        assert!(change(3_800.0) < -60.0, "{}", change(3_800.0));
        assert!(change(8_000.0) < -60.0);
    }
}
