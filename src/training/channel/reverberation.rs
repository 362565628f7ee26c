//! Reverberation: a synthetic room, some early reflections and a tail of decaying noise.

use super::draws::Draws;
use super::filter::Filter;
use super::level::power;
use crate::audio::SAMPLE_RATE;

/// A room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reverberation {
    /// Time in which the sound falls by 60 dB, in seconds.
    pub rt60: f64,
    /// Energy of the direct sound to that of everything after it, in dB.
    pub direct_to_reverberant: f64,
}

/// Early reflections.
const REFLECTIONS: usize = 6;
/// When they arrive, in seconds after the direct sound.
const EARLY: [f64; 2] = [0.002, 0.03];
/// When the tail begins, in seconds.
const TAIL: f64 = 0.008;

impl Reverberation {
    /// The impulse response, shape `[1.0 * rt60 in samples]`: 1 first, then the reflections and the tail.
    pub(super) fn response(self, draws: &mut Draws) -> Vec<f32> {
        let rate = f64::from(SAMPLE_RATE);
        let n = (self.rt60 * rate) as usize;
        // 60 dB are a factor of 1,000 in amplitude.
        let decay = |i: usize| 10f64.powf(-3.0 * i as f64 / (self.rt60 * rate));
        let start = (TAIL * rate) as usize;
        let mut response = vec![0.0; n.max(start + 1)];
        // Rooms swallow the high frequencies first: the noise is smoothed a little.
        let mut last = 0.0;
        for (i, x) in response.iter_mut().enumerate().skip(start) {
            last = 0.6 * f64::from(draws.normal()) + 0.4 * last;
            *x = (last * decay(i)) as f32;
        }
        for _ in 0..REFLECTIONS {
            let at = (draws.uniform(EARLY) * rate) as usize;
            let size = draws.uniform([0.5, 2.0]) * decay(at) * draws.pick(&[-1.0, 1.0]);
            if let Some(x) = response.get_mut(at) {
                *x += size as f32;
            }
        }
        let energy: f64 = response.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let gain = (10f64.powf(-self.direct_to_reverberant / 10.0) / energy).sqrt() as f32;
        response.iter_mut().for_each(|x| *x *= gain);
        response[0] = 1.0;
        response
    }

    pub(super) fn apply(self, samples: &mut [f32], draws: &mut Draws, filter: &mut Filter) {
        let before = power(samples);
        filter.convolve(samples, &self.response(draws));
        let after = power(samples);
        if after > 0.0 {
            let gain = (before / after).sqrt() as f32;
            samples.iter_mut().for_each(|x| *x *= gain);
        }
    }
}

impl std::fmt::Display for Reverberation {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "reverberation of {:.2} s, direct sound {:+.1} dB",
            self.rt60, self.direct_to_reverberant
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn the_tail_decays_as_drawn() {
        for rt60 in [0.2, 0.6] {
            let room = Reverberation {
                rt60,
                direct_to_reverberant: 6.0,
            };
            let response = room.response(&mut Draws::new("room", 3));
            let energy = |part: &[f32]| part.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let ratio = 10.0 * (1.0 / energy(&response[1..])).log10();
            assert!((ratio - 6.0).abs() < 0.01, "{ratio}");
            // Schroeder's backward integral falls from -5 to -25 dB in a third of the RT60.
            let mut left: Vec<f64> = response[1..]
                .iter()
                .rev()
                .scan(0.0, |sum, &x| {
                    *sum += f64::from(x).powi(2);
                    Some(*sum)
                })
                .collect();
            left.reverse();
            let when = |decibels: f64| {
                let limit = left[700] * 10f64.powf(decibels / 10.0);
                left[700..].iter().position(|&e| e < limit).unwrap() as f64 / f64::from(SAMPLE_RATE)
            };
            let measured = 3.0 * (when(-25.0) - when(-5.0));
            assert!((measured / rt60 - 1.0).abs() < 0.12, "{rt60}: {measured}");
        }
    }

    #[test]
    fn a_click_rings_and_the_level_stays() {
        let mut clip = vec![0.0; 22_050];
        clip[..4_000].copy_from_slice(&probe::noise(4_000));
        let before = power(&clip);
        let room = Reverberation {
            rt60: 0.5,
            direct_to_reverberant: 3.0,
        };
        room.apply(
            &mut clip,
            &mut Draws::new("room", 3),
            &mut Filter::default(),
        );
        assert!((power(&clip) / before - 1.0).abs() < 1e-3);
        let (early, late) = (
            probe::level(&clip[4_500..5_500]),
            probe::level(&clip[9_000..10_000]),
        );
        assert!(early > -40.0 && late < early - 15.0, "{early} {late}");
    }
}
