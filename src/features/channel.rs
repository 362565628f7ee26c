//! The set `channel`: 8 figures of the recording, none of the speech in it. A control, not for judging.
//!
//! A classifier on these alone must stay near chance on unseen engines and sources; as far as it does not, the corpus
//! gives its classes away by bandwidth, length or level, and figures of every other set are to be read with that in mind.
//! The figures are those of the project's feature study, of the whole file as it is: neither trimmed nor brought to a
//! level, so that the control sees all that a file tells.

use super::dynamic::distribution::percentile;
use super::spectrogram::{BINS, FFT_SIZE, HOP, STRIDE, Stft, StftScratch, frame_count};
use super::{FeatureError, time_domain};
use crate::audio::SAMPLE_RATE;

/// Number of values.
pub const COUNT: usize = 8;

/// Shares of the mean power spectrum below a bandwidth.
const SHARES: [f64; 3] = [0.9, 0.99, 0.999];
/// Added to an RMS before its logarithm.
const FLOOR: f64 = 1e-6;

/// Names of the values, in their order: bandwidths in Hz, duration in seconds, natural logarithms of the 5th and 95th
/// percentile of the frames' RMS, largest magnitude, mean sample.
pub fn names() -> Vec<String> {
    [
        "bandwidth_90",
        "bandwidth_99",
        "bandwidth_99_9",
        "duration",
        "noise_floor",
        "level",
        "peak",
        "offset",
    ]
    .map(String::from)
    .into()
}

/// Plan of the spectrogram.
#[derive(Debug, Default)]
pub struct Channel {
    stft: Stft,
}

impl Channel {
    /// The 8 values of `samples` at 22,050 Hz, in the order of [`names`].
    ///
    /// # Errors
    /// Those of [`time_domain::analyse`].
    pub fn extract(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        time_domain::analyse(samples)?;
        let (mut scratch, mut power) = (StftScratch::default(), vec![0.0; STRIDE]);
        let mut sums = vec![0.0; BINS];
        let mut levels = Vec::with_capacity(frame_count(samples.len()));
        for frame in 0..frame_count(samples.len()) {
            self.stft
                .power_frame(samples, frame, &mut scratch, &mut power);
            for (sum, &p) in sums.iter_mut().zip(&power) {
                *sum += f64::from(p);
            }
            levels.push((rms(samples, frame) + FLOOR).ln());
        }
        let mut values = Vec::with_capacity(COUNT);
        values.extend(SHARES.map(|share| bandwidth(&sums, share)));
        values.push(samples.len() as f64 / f64::from(SAMPLE_RATE));
        values.push(percentile(&levels, 5.0));
        values.push(percentile(&levels, 95.0));
        let peak = samples.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        values.push(peak.into());
        let sum: f64 = samples.iter().map(|&x| f64::from(x)).sum();
        values.push(sum / samples.len() as f64);
        Ok(values)
    }
}

/// Frequency, in Hz, of the first bin up to which the given share of the power lies.
fn bandwidth(powers: &[f64], share: f64) -> f64 {
    let wanted = share * powers.iter().sum::<f64>();
    let mut below = 0.0;
    let bin = powers.iter().position(|power| {
        below += power;
        below >= wanted
    });
    bin.unwrap_or(BINS - 1) as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64
}

/// RMS of the frame that is centred on sample `512 * frame`, zeros beyond the ends, as `librosa.feature.rms`.
fn rms(samples: &[f32], frame: usize) -> f64 {
    let end = (frame * HOP + FFT_SIZE / 2).min(samples.len());
    let start = (frame * HOP).saturating_sub(FFT_SIZE / 2);
    let squares = samples[start..end].iter().map(|&x| f64::from(x).powi(2));
    (squares.sum::<f64>() / FFT_SIZE as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_with_an_offset_has_its_figures() {
        let step = std::f64::consts::TAU * 3_000.0 / f64::from(SAMPLE_RATE);
        // Two seconds, of which the first is at a hundredth of the level.
        let sample = |n: usize| {
            let size = if n < 22_050 { 0.005 } else { 0.5 };
            (size * (step * n as f64).sin() + 0.001) as f32
        };
        let samples: Vec<f32> = (0..44_100).map(sample).collect();
        let values = Channel::default().extract(&samples).unwrap();
        assert_eq!(values.len(), names().len());
        let near = |index: usize, wanted: f64, within: f64| {
            let name = &names()[index];
            assert!(
                (values[index] - wanted).abs() <= within,
                "{name}: {}",
                values[index]
            );
        };
        near(0, 3_000.0, 22.0);
        near(1, 3_000.0, 35.0);
        near(2, 3_000.0, 80.0);
        near(3, 2.0, 1e-9);
        near(4, (0.005f64 / 2f64.sqrt()).ln(), 0.05);
        near(5, (0.5f64 / 2f64.sqrt()).ln(), 0.01);
        near(6, 0.501, 1e-4);
        near(7, 0.001, 1e-5);
        assert_eq!(
            Channel::default().extract(&[0.0; 30_000]),
            Err(FeatureError::Silent)
        );
    }
}
