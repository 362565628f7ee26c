//! The telephone: 300 to 3,400 Hz, 8,000 samples a second, 8 bits a sample (ITU-T G.711).

use super::band_limit::below;
use super::filter::Filter;
use crate::audio::{SAMPLE_RATE, resample};

/// Which of G.711's two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// North America and Japan.
    Mu,
    /// Elsewhere.
    A,
}

/// A telephone line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telephone {
    /// How samples are stored.
    pub law: Law,
}

/// Sample rate of the line, in Hz.
const RATE: u32 = 8_000;
/// Its band, in Hz.
const BAND: [f64; 2] = [300.0, 3_400.0];

impl Telephone {
    pub(super) fn apply(self, samples: &mut Vec<f32>, filter: &mut Filter) {
        let n = samples.len();
        // The lower edge is the mirror image of the upper one on the axis of 1 / f.
        filter.shape(samples, |hz| {
            below(hz, BAND[1]) * below(1.0 / hz.max(1.0), 1.0 / BAND[0])
        });
        let mut line = resample(samples, SAMPLE_RATE, RATE);
        line.iter_mut().for_each(|x| *x = self.law.through(*x));
        *samples = resample(&line, RATE, SAMPLE_RATE);
        samples.resize(n, 0.0);
    }
}

impl Law {
    /// A sample in -1.0..=1.0, encoded and decoded.
    #[must_use]
    pub fn through(self, sample: f32) -> f32 {
        let size = match self {
            // 14 bits with sign; 33 is added, so that each segment is twice as wide as the one before.
            Self::Mu => {
                let biased = ((sample.abs() * 8_192.0) as u32).min(8_158) + 33;
                let segment = biased.ilog2() - 5;
                let step = biased >> (segment + 1) & 15;
                (((2 * step + 33) << segment) - 33) as f32 / 8_192.0
            }
            // 13 bits with sign; the first two segments are equally wide.
            Self::A => {
                let size = ((sample.abs() * 4_096.0) as u32).min(4_095);
                let segment = size.max(16).ilog2() - 4;
                let shift = segment.max(1);
                let step = size >> shift;
                ((2 * step + 1) << (shift - 1)) as f32 / 4_096.0
            }
        };
        size.copysign(sample)
    }
}

impl std::fmt::Display for Telephone {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let law = match self.law {
            Law::Mu => "mu",
            Law::A => "A",
        };
        write!(f, "telephone, {law}-law")
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn the_laws_take_256_values_and_keep_38_db() {
        for law in [Law::Mu, Law::A] {
            let values: std::collections::BTreeSet<u32> = (-40_000..=40_000)
                .map(|i| law.through(i as f32 / 40_000.0).to_bits())
                .collect();
            assert!(
                (254..=256).contains(&values.len()),
                "{law:?} {}",
                values.len()
            );
            for level in [1.0, 0.1, 0.02] {
                let clip: Vec<f32> = probe::sine(700.0, 20_000)
                    .iter()
                    .map(|x| x * level)
                    .collect();
                let error: Vec<f32> = clip.iter().map(|&x| law.through(x) - x).collect();
                let ratio = probe::level(&clip) - probe::level(&error);
                assert!((33.0..42.0).contains(&ratio), "{law:?} {level}: {ratio}");
            }
            assert!((law.through(-0.5) + law.through(0.5)).abs() < 1e-6);
            assert!((law.through(7.0) - 1.0).abs() < 0.03);
        }
        // The table of G.711: silence and the largest value.
        assert_eq!(Law::Mu.through(0.0), 0.0);
        assert_eq!(Law::Mu.through(1.0), 8_031.0 / 8_192.0);
        assert_eq!(Law::A.through(0.0), 1.0 / 4_096.0);
        assert_eq!(Law::A.through(1.0), 4_032.0 / 4_096.0);
    }

    #[test]
    fn only_its_band_passes() {
        let change = |hz| {
            let mut sine = probe::sine(hz, 22_050);
            Telephone { law: Law::Mu }.apply(&mut sine, &mut Filter::default());
            assert_eq!(sine.len(), 22_050);
            probe::level(&sine[4_000..18_000]) - probe::level(&probe::sine(hz, 22_050))
        };
        assert!(change(1_000.0).abs() < 0.3);
        assert!(change(150.0) < -40.0 && change(5_000.0) < -40.0);
    }
}
