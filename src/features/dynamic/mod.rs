//! The set `dynamic`: how speech moves, 425 values at 16,000 Hz.
//!
//! ```text
//! waveform -> resample to 16 kHz -> trim -> level and floor -+-> lfcc (50-3,700 Hz)      180
//!                                                            +-> lfcc (50-7,600 Hz)      180
//!                                                            +-> modulation               24
//!                                                            +-> voice                    15
//!                                                            +-> texture                  26
//! ```
//!
//! Averages tell recordings apart by microphone and codec; these values leave the averages out where they can, so that
//! what is left is how a voice changes from frame to frame. The definitions are those of the project's feature study
//! (librosa 0.10.1 and scipy 1.11.4), except for the floor of noise, which [`prepare`] makes without a library's
//! generator. `tests/dynamic_parity.rs` holds every value to it.

pub mod distribution;
pub mod lfcc;
pub mod modulation;
pub mod prepare;
pub mod stft;
pub mod texture;
pub mod voice;

use super::{FeatureError, time_domain};
use crate::audio::{SAMPLE_RATE, resample};
use lfcc::{FilterBank, LfccTrack};
use modulation::Envelopes;
pub use prepare::{MAX_SECONDS, MIN_SPEECH_SECONDS};
use stft::Stft;
use texture::Texture;
use voice::Voice;

/// Sample rate that the set is computed at, in Hz: what most speech corpora have, so that their upper band is not
/// mistaken for a trait of the speaker.
pub const RATE: u32 = 16_000;

/// Number of values.
pub const COUNT: usize = 2 * lfcc::COUNT + modulation::COUNT + voice::COUNT + texture::COUNT;

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    [
        lfcc::names("lfcc"),
        lfcc::names("wide_lfcc"),
        modulation::names(),
        voice::names(),
        texture::names(),
    ]
    .concat()
}

/// Plans and tables.
#[derive(Debug)]
pub struct Dynamic {
    /// 512-point frames of 20 ms, for LFCC and modulation.
    stft: Stft,
    narrow: FilterBank,
    wide: FilterBank,
    voice: Voice,
    texture: Texture,
}

impl Default for Dynamic {
    fn default() -> Self {
        Self {
            stft: Stft::new(512, 320),
            narrow: FilterBank::new(50.0, 3_700.0),
            wide: FilterBank::new(50.0, 7_600.0),
            voice: Voice::default(),
            texture: Texture::default(),
        }
    }
}

impl Dynamic {
    /// The 425 values of `samples` at 22,050 Hz, in the order of [`names`].
    ///
    /// Besides the 16 kHz copy of the clip (64 kB a second), memory is bounded: what follows the first
    /// [`MAX_SECONDS`] of the trimmed clip is not analysed.
    ///
    /// # Errors
    /// Those of [`time_domain::analyse`] and of [`analyse`](Self::analyse).
    pub fn extract(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        time_domain::analyse(samples)?;
        self.analyse(&resample(samples, SAMPLE_RATE, RATE))
    }

    /// The 425 values of `samples` at 16,000 Hz, which must be finite.
    ///
    /// # Errors
    /// [`FeatureError::Silent`] if every sample is 0, [`FeatureError::TooLittleSpeech`] if less than
    /// [`MIN_SPEECH_SECONDS`] are left of the trimmed clip.
    pub fn analyse(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        let speech = prepare::prepare(samples)?;

        let (mut narrow, mut wide) = (LfccTrack::default(), LfccTrack::default());
        let mut envelopes = Envelopes::default();
        let mut power = vec![0.0; self.stft.bins()];
        self.stft.frames(&speech, |spectrum| {
            for (p, x) in power.iter_mut().zip(spectrum) {
                *p = x.norm_sqr();
            }
            narrow.push(&self.narrow, &power);
            wide.push(&self.wide, &power);
            envelopes.push(&power);
        });

        let mut values = Vec::with_capacity(COUNT);
        narrow.finish(&mut values);
        wide.finish(&mut values);
        envelopes.finish(&mut values);
        self.voice.extend(&speech, &mut values);
        self.texture.extend(&speech, &mut values);
        for value in &mut values {
            // A statistic without spread is undefined; the reference has 0 for it too.
            if !value.is_finite() {
                *value = 0.0;
            }
        }
        Ok(values)
    }
}
