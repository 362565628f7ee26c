//! The set `classic`: the 73 features of librosa 0.10.1 that the replaced stack computes.

use super::FeatureError;
use super::chroma::{self, ChromaWeights, PITCH_CLASSES, PitchScale, TuningEstimator};
use super::mel::{self, MEL_BANDS, MFCC_COUNT, MelFilterBank, Mfcc, TOP_DB};
use super::spectral;
use super::spectrogram::{PowerSpectrogram, STRIDE, Stft};
use super::statistics::Moments;
use super::tempo::{OnsetEnvelope, TempoEstimator, TempoScratch};
use super::time_domain;

/// Number of values.
pub const COUNT: usize = 2 * (MFCC_COUNT + 3 + PITCH_CLASSES + 1) + 1;

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let numbered = |stem: &str, count: usize| {
        (1..=count)
            .map(|i| format!("{stem}_{i}"))
            .collect::<Vec<_>>()
    };
    let mut names = numbered("mfcc_mean", MFCC_COUNT);
    names.extend(numbered("mfcc_std", MFCC_COUNT));
    for stem in [
        "spectral_centroid",
        "spectral_rolloff",
        "zero_crossing_rate",
    ] {
        names.extend([format!("{stem}_mean"), format!("{stem}_std")]);
    }
    names.extend(numbered("chroma_mean", PITCH_CLASSES));
    names.extend(numbered("chroma_std", PITCH_CLASSES));
    names.extend(["tempo", "rms_mean", "rms_std"].map(String::from));
    names
}

/// Plans and tables.
#[derive(Debug, Default)]
pub struct Classic {
    stft: Stft,
    mel: MelFilterBank,
    mfcc: Mfcc,
    scale: PitchScale,
    tempo: TempoEstimator,
}

/// Working memory, reused from clip to clip.
#[derive(Debug, Default)]
pub struct ClassicScratch {
    spectrogram: PowerSpectrogram,
    /// Band levels of each frame in dB, where the spectrogram is kept too.
    levels: Vec<[f32; MEL_BANDS]>,
    tuning: TuningEstimator,
    weights: ChromaWeights,
    onsets: OnsetEnvelope,
    tempo: TempoScratch,
}

impl Classic {
    /// The 73 values of `samples` at 22,050 Hz, in the order of [`names`].
    ///
    /// Two passes over the spectrogram: the first finds what the whole clip decides, the tuning
    /// and the loudest band; the second computes what depends on them.
    ///
    /// # Errors
    /// Those of [`time_domain::analyse`].
    pub fn extract(
        &self,
        samples: &[f32],
        scratch: &mut ClassicScratch,
    ) -> Result<Vec<f64>, FeatureError> {
        let ClassicScratch {
            spectrogram,
            levels,
            tuning,
            weights,
            onsets,
            tempo,
        } = scratch;
        let time = time_domain::analyse(samples)?;

        let mut centroid = Moments::<1>::default();
        let mut rolloff = Moments::<1>::default();
        let mut loudest = [f32::NEG_INFINITY; MEL_BANDS];
        let mut bands = [0.0; MEL_BANDS];
        levels.clear();
        tuning.clear();
        let keep_levels = PowerSpectrogram::keeps(samples);
        spectrogram.first_pass(&self.stft, samples, |_, power| {
            let shape = spectral::spectral_shape(power);
            centroid.push(&[shape.centroid]);
            rolloff.push(&[shape.rolloff]);
            tuning.push(power);
            self.mel.apply(power, &mut bands);
            for (most, band) in loudest.iter_mut().zip(&bands) {
                *most = most.max(*band);
            }
            if keep_levels {
                mel::power_to_db(&mut bands);
                levels.push(bands);
            }
        });

        mel::power_to_db(&mut loudest);
        let floor = loudest.iter().copied().fold(f32::NEG_INFINITY, f32::max) - TOP_DB;
        self.scale.weights(tuning.estimate(), weights);
        let mut mfcc = Moments::<MFCC_COUNT>::default();
        let mut pitch_classes = Moments::<PITCH_CLASSES>::default();
        onsets.clear();
        spectrogram.second_pass(&self.stft, samples, |first, block| {
            for (row, power) in block.chunks_exact(STRIDE).enumerate() {
                if keep_levels {
                    bands = levels[first + row];
                } else {
                    self.mel.apply(power, &mut bands);
                    mel::power_to_db(&mut bands);
                }
                for level in &mut bands {
                    *level = level.max(floor);
                }
                mfcc.push(&self.mfcc.apply(&bands));
                onsets.push(&bands);
            }
            chroma::chroma(weights, block, |classes| pitch_classes.push(classes));
        });

        let mut values = Vec::with_capacity(COUNT);
        values.extend(mfcc.means());
        values.extend(mfcc.standard_deviations());
        for moments in [&centroid, &rolloff, &time.zero_crossing_rate] {
            values.extend(moments.means());
            values.extend(moments.standard_deviations());
        }
        values.extend(pitch_classes.means());
        values.extend(pitch_classes.standard_deviations());
        values.push(self.tempo.estimate(onsets.strengths(), tempo));
        values.extend(time.rms.means());
        values.extend(time.rms.standard_deviations());
        Ok(values)
    }
}
