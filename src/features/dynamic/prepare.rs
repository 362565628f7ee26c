//! 16 kHz samples -> the speech that is analysed: trimmed, at a fixed level, on a fixed floor of noise.

use std::ops::Range;

use super::RATE;
use super::stft::HOP;
use crate::features::FeatureError;

/// Shortest trimmed clip that is analysed, in seconds: below it, too few frames are left for skewness and kurtosis.
pub const MIN_SPEECH_SECONDS: f64 = 0.8;
/// Seconds of the trimmed clip that are analysed at most; statistics of speech change little beyond.
pub const MAX_SECONDS: f64 = 60.0;

/// Samples in a frame whose level is measured.
const FRAME: usize = 512;
/// Frames below this share of the loudest frame's RMS are silence (-30.5 dB).
pub const SILENCE: f64 = 0.03;
/// Samples left before and after what is not silent: 50 ms.
const MARGIN: usize = 800;
/// Level of the largest sample.
const PEAK: f32 = 0.7;
/// Standard deviation of the floor of noise, -100 dBFS: more than 16-bit rounding leaves in a pause, so that a clip
/// with digital silence in it is not told from one without.
const FLOOR: f32 = 1e-5;
/// Standard deviation of a sum of four uniform 16-bit numbers, `65536 / sqrt(3)`, rounded.
const SUM_DEVIATION: f32 = 37_837.0;

/// The speech of a clip, all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// Trimmed samples at 16,000 Hz, at the fixed level and on the fixed floor.
    pub samples: Vec<f32>,
    /// Samples of the clip before them.
    pub offset: usize,
    /// What [`prepare`] makes of the same clip, where it is not all of the speech: its first [`MAX_SECONDS`], at their own
    /// level.
    beginning: Option<Vec<f32>>,
}

impl Speech {
    /// What [`prepare`] makes of the clip: the part that feature sets analyse, shape `[at most 960,000]`.
    #[must_use]
    pub fn analysed(&self) -> &[f32] {
        self.beginning.as_deref().unwrap_or(&self.samples)
    }
}

/// [`MAX_SECONDS`] in samples.
pub const LONGEST: usize = MAX_SECONDS as usize * RATE as usize;

/// Trims `samples`, shape `[n]`, and brings what is left, shape `[at most 960,000]`, to the fixed level and floor.
///
/// # Errors
/// [`FeatureError::Silent`] if every sample is 0, [`FeatureError::TooLittleSpeech`] below [`MIN_SPEECH_SECONDS`].
pub fn prepare(samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
    let speech = trim(samples);
    let mut speech = samples[speech.start..speech.end.min(speech.start + LONGEST)].to_vec();
    level(&mut speech)?;
    Ok(speech)
}

/// As [`prepare`], but of a clip of any length nothing is cut off, and the samples are changed where they are. Of one that
/// is longer, the beginning is prepared besides.
///
/// # Errors
/// Those of [`prepare`].
pub fn prepare_all(mut samples: Vec<f32>) -> Result<Speech, FeatureError> {
    let speech = trim(&samples);
    samples.truncate(speech.end);
    samples.drain(..speech.start);
    let mut beginning = (samples.len() > LONGEST).then(|| samples[..LONGEST].to_vec());
    if let Some(beginning) = &mut beginning {
        level(beginning)?;
    }
    level(&mut samples)?;
    Ok(Speech {
        samples,
        offset: speech.start,
        beginning,
    })
}

/// Brings trimmed `speech` to the fixed level and floor.
fn level(speech: &mut [f32]) -> Result<(), FeatureError> {
    let peak = speech.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if peak == 0.0 {
        return Err(FeatureError::Silent);
    }
    let seconds = speech.len() as f64 / f64::from(RATE);
    if seconds < MIN_SPEECH_SECONDS {
        return Err(FeatureError::TooLittleSpeech { seconds });
    }
    let mut noise = Noise::default();
    for x in speech {
        *x = *x / peak * PEAK + noise.next();
    }
    Ok(())
}

/// Cuts silence from both ends.
///
/// The RMS is `librosa.feature.rms`'s: frames of 512 samples centred every 160, zeros beyond the ends.
fn trim(samples: &[f32]) -> Range<usize> {
    let energy = |frame: usize| -> f64 {
        let end = (frame * HOP + FRAME / 2).min(samples.len());
        let start = (frame * HOP).saturating_sub(FRAME / 2);
        let squares = samples[start..end].iter().map(|&x| f64::from(x).powi(2));
        squares.sum()
    };
    let energies: Vec<f64> = (0..=samples.len() / HOP).map(energy).collect();
    let loudest = energies.iter().copied().fold(0.0, f64::max);
    let loud = |e: &f64| *e > loudest * SILENCE * SILENCE;
    let (Some(first), Some(last)) = (
        energies.iter().position(loud),
        energies.iter().rposition(loud),
    ) else {
        return 0..0;
    };
    let end = (last * HOP + MARGIN).min(samples.len());
    (first * HOP).saturating_sub(MARGIN).min(end)..end
}

/// The floor of noise: the same numbers for every clip, and in any language.
///
/// A sample is the sum of four draws of 16 bits, less its mean, over its standard deviation: close to Gaussian. A draw
/// is the upper half of the 32-bit generator `s -> 1664525 s + 1013904223` (Numerical Recipes), which begins at 0.
#[derive(Debug, Default)]
struct Noise {
    state: u32,
}

impl Noise {
    fn next(&mut self) -> f32 {
        let mut sum = -131_070;
        for _ in 0..4 {
            self.state = self
                .state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            sum += (self.state >> 16) as i32;
        }
        sum as f32 * (FLOOR / SUM_DEVIATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_its_deviation_and_no_mean() {
        let mut noise = Noise::default();
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(noise.next())).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 1e-7, "{mean}");
        assert!((square.sqrt() / 1e-5 - 1.0).abs() < 0.01, "{square}");
    }

    #[test]
    fn silence_is_cut_but_for_50_ms() {
        let mut samples = vec![0.0; 48_000];
        samples[16_000..32_000].fill(0.5);
        let speech = trim(&samples);
        assert!(speech.len() > 16_000 + 1_600 && speech.len() < 16_000 + 1_600 + 600);
        assert_eq!(prepare(&[0.0; 20_000]), Err(FeatureError::Silent));
        samples[20_000..].fill(0.0);
        let error = prepare(&samples).unwrap_err();
        assert!(matches!(error, FeatureError::TooLittleSpeech { .. }));
    }

    #[test]
    fn what_follows_a_minute_is_not_analysed_unless_all_is_asked_for() {
        let mut samples = vec![0.5; 1_200_000];
        samples[..100_000].fill(0.0);
        assert_eq!(prepare(&samples).unwrap().len(), 960_000);
        let all = prepare_all(samples.clone()).unwrap();
        assert!((98_900..100_000).contains(&all.offset), "{}", all.offset);
        assert_eq!(all.samples.len(), 1_200_000 - all.offset);
        // Louder towards the end: the beginning has its own level.
        samples[1_100_000..].fill(1.0);
        let all = prepare_all(samples.clone()).unwrap();
        assert_eq!(all.analysed(), prepare(&samples).unwrap());
        assert_ne!(all.analysed(), &all.samples[..LONGEST]);
        samples.truncate(900_000);
        let all = prepare_all(samples.clone()).unwrap();
        assert_eq!(all.samples, prepare(&samples).unwrap());
        assert_eq!(all.analysed(), all.samples);
    }
}
