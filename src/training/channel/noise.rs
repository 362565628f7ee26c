//! Additive noise of several kinds, at a drawn ratio to the clip.

use std::f64::consts::TAU;

use super::draws::Draws;
use super::filter::Filter;
use super::level::power;
use crate::audio::SAMPLE_RATE;

/// What the noise sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseKind {
    /// Flat: hiss.
    White,
    /// Falling by 3 dB an octave: air, crowds from afar.
    Pink,
    /// Falling by 6 dB an octave: wind, traffic.
    Brown,
    /// The mains, 50 or 60 Hz, with harmonics.
    Hum,
    /// Other people talking: pulse trains with moving pitch and noise, through formants, in syllables.
    Babble,
}

impl NoiseKind {
    fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Pink => "pink",
            Self::Brown => "brown",
            Self::Hum => "hum",
            Self::Babble => "babble",
        }
    }
}

/// Noise that is added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Its kind.
    pub kind: NoiseKind,
    /// Mean power of the whole clip to that of the noise, in dB.
    pub snr: f64,
}

/// Lowest frequency of coloured noise, in Hz.
const LOWEST: f64 = 20.0;
/// People in the babble.
const TALKERS: usize = 3;

impl Noise {
    pub(super) fn apply(self, samples: &mut [f32], draws: &mut Draws, filter: &mut Filter) {
        let mut noise = match self.kind {
            NoiseKind::White => white(samples.len(), draws),
            NoiseKind::Pink => coloured(samples.len(), 0.5, draws, filter),
            NoiseKind::Brown => coloured(samples.len(), 1.0, draws, filter),
            NoiseKind::Hum => hum(samples.len(), draws),
            NoiseKind::Babble => babble(samples.len(), draws, filter),
        };
        let wanted = power(samples) * 10f64.powf(-self.snr / 10.0);
        let gain = (wanted / power(&noise).max(f64::MIN_POSITIVE)).sqrt() as f32;
        noise.iter_mut().for_each(|x| *x *= gain);
        samples.iter_mut().zip(noise).for_each(|(x, n)| *x += n);
    }
}

fn white(n: usize, draws: &mut Draws) -> Vec<f32> {
    (0..n).map(|_| draws.normal()).collect()
}

/// Magnitude `f^-exponent`.
fn coloured(n: usize, exponent: f64, draws: &mut Draws, filter: &mut Filter) -> Vec<f32> {
    let mut noise = white(n, draws);
    filter.shape(&mut noise, |hz| {
        if hz < LOWEST {
            0.0
        } else {
            (hz / LOWEST).powf(-exponent)
        }
    });
    noise
}

fn hum(n: usize, draws: &mut Draws) -> Vec<f32> {
    let mains = draws.pick(&[50.0, 60.0]) * draws.uniform([0.998, 1.002]);
    let mut hum = vec![0.0; n];
    for harmonic in 1..=16 {
        let size = draws.uniform([0.1, 1.0]) / f64::from(harmonic);
        let step = TAU * mains * f64::from(harmonic) / f64::from(SAMPLE_RATE);
        // A rotating pointer: one sine a harmonic would cost more than all other stages.
        let (mut re, mut im) = {
            let phase = draws.uniform([0.0, TAU]);
            (size * phase.cos(), size * phase.sin())
        };
        let (cos, sin) = (step.cos(), step.sin());
        for x in &mut hum {
            *x += im as f32;
            (re, im) = (re * cos - im * sin, re * sin + im * cos);
        }
    }
    hum
}

fn babble(n: usize, draws: &mut Draws, filter: &mut Filter) -> Vec<f32> {
    let mut crowd = vec![0.0; n];
    for _ in 0..TALKERS {
        let mut voice = excitation(n, draws);
        let formants = [
            draws.uniform([300.0, 800.0]),
            draws.uniform([900.0, 2_200.0]),
            draws.uniform([2_300.0, 3_200.0]),
        ];
        filter.shape(&mut voice, |hz| {
            let resonance = |formant: f64| {
                let detuned = (hz - formant) / (0.12 * formant);
                1.0 / (1.0 + detuned * detuned)
            };
            let falling = 1.0 / (1.0 + (hz / 1_000.0).powi(2));
            (0.05 + formants.into_iter().map(resonance).sum::<f64>()) * falling
        });
        crowd.iter_mut().zip(voice).for_each(|(sum, x)| *sum += x);
    }
    crowd
}

/// Pulses whose rate drifts, and noise, swelling in syllables of 100 to 350 ms with pauses between some.
fn excitation(n: usize, draws: &mut Draws) -> Vec<f32> {
    let rate = f64::from(SAMPLE_RATE);
    let middle = draws.uniform([90.0, 230.0]);
    let mut voice = Vec::with_capacity(n);
    let mut phase = 0.0;
    while voice.len() < n {
        let length = (draws.uniform([0.10, 0.35]) * rate) as usize;
        let loudness = if draws.chance(0.2) {
            0.0
        } else {
            draws.uniform([0.3, 1.0])
        };
        let (from, to) = (
            middle * draws.uniform([0.85, 1.2]),
            middle * draws.uniform([0.85, 1.2]),
        );
        let breath = if draws.chance(0.25) { 1.0 } else { 0.1 };
        for i in 0..length.min(n - voice.len()) {
            let place = i as f64 / length as f64;
            let swell = loudness * (std::f64::consts::PI * place).sin();
            phase += (from + (to - from) * place) / rate;
            let pulse = if phase >= 1.0 {
                10.0 * (1.0 - breath)
            } else {
                0.0
            };
            phase -= phase.floor();
            voice.push((swell * (pulse + breath * f64::from(draws.normal()))) as f32);
        }
    }
    voice
}

impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} noise at {:.1} dB", self.kind.name(), self.snr)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    const KINDS: [NoiseKind; 5] = [
        NoiseKind::White,
        NoiseKind::Pink,
        NoiseKind::Brown,
        NoiseKind::Hum,
        NoiseKind::Babble,
    ];

    fn added(kind: NoiseKind, snr: f64) -> (Vec<f32>, Vec<f32>) {
        let clip = probe::sine(440.0, 60_000);
        let mut noisy = clip.clone();
        Noise { kind, snr }.apply(&mut noisy, &mut Draws::new("n", 1), &mut Filter::default());
        let noise = noisy.iter().zip(&clip).map(|(a, b)| a - b).collect();
        (clip, noise)
    }

    #[test]
    fn the_ratio_is_as_drawn() {
        for kind in KINDS {
            for snr in [15.0, 30.0, 45.0] {
                let (clip, noise) = added(kind, snr);
                let measured = 10.0 * (power(&clip) / power(&noise)).log10();
                assert!((measured - snr).abs() < 0.1, "{kind:?} {snr}: {measured}");
            }
        }
    }

    #[test]
    fn each_kind_has_its_colour() {
        // Level of the noise above 2 kHz against that below, in dB.
        let colour = |kind| {
            let (_, noise) = added(kind, 10.0);
            let band = |low: f64, high: f64| {
                let mut part = noise.clone();
                let gain = |hz: f64| f64::from(u8::from((low..high).contains(&hz)));
                Filter::default().shape(&mut part, gain);
                probe::level(&part)
            };
            // One octave apart in centre and equally wide in octaves.
            band(2_000.0, 4_000.0) - band(500.0, 1_000.0)
        };
        let (white, pink, brown) = (
            colour(NoiseKind::White),
            colour(NoiseKind::Pink),
            colour(NoiseKind::Brown),
        );
        assert!((white - 6.0).abs() < 0.5, "{white}");
        assert!(pink.abs() < 0.5, "{pink}");
        assert!((brown + 6.0).abs() < 0.5, "{brown}");
        assert!(colour(NoiseKind::Hum) < -30.0);
        assert!(colour(NoiseKind::Babble) < -3.0);
    }

    #[test]
    fn babble_comes_in_syllables() {
        let swing = |kind| {
            let (_, noise) = added(kind, 10.0);
            let levels: Vec<f64> = noise.chunks_exact(1_102).map(probe::level).collect();
            let mean = levels.iter().sum::<f64>() / levels.len() as f64;
            (levels.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / levels.len() as f64).sqrt()
        };
        assert!(swing(NoiseKind::White) < 0.5);
        assert!(
            swing(NoiseKind::Babble) > 2.0,
            "{}",
            swing(NoiseKind::Babble)
        );
    }
}
