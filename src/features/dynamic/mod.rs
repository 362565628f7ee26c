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

use std::fmt;

use realfft::num_complex::Complex;

use super::wide::wide;
use super::{FeatureError, time_domain};
use crate::audio::{SAMPLE_RATE, resample};
use lfcc::{FilterBank, LfccTrack};
use modulation::Envelopes;
pub use prepare::{MAX_SECONDS, MIN_SPEECH_SECONDS, Speech};
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

/// What a further set hears of the spectra while the 425 values are made, so that no spectrum is computed twice. The
/// passes come in the order of the methods; each hears every frame, in order. What is not listened to passes by.
pub trait Listener {
    /// A frame under 20 ms: its spectrum, shape `[257]`.
    #[inline(always)]
    fn short_frame(&mut self, _spectrum: &[Complex<f64>]) {}

    /// After the last frame under 20 ms.
    #[inline(always)]
    fn short_frames_end(&mut self) {}

    /// A frame under 40 ms: its log magnitudes, shape `[513]`, their mean `level`, and its pitch period `lag` in samples.
    #[inline(always)]
    fn long_frame(&mut self, _logs: &[f64], _level: f64, _lag: usize) {}

    /// A frame under 25 ms: its spectrum, shape `[257]`.
    #[inline(always)]
    fn medium_frame(&mut self, _spectrum: &[Complex<f64>]) {}
}

/// Hears nothing.
impl Listener for () {}

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

/// A set that describes speech at 16,000 Hz.
pub trait DescribesSpeech: fmt::Debug + Send + Sync {
    /// The values of prepared `speech` ([`prepare::prepare`]), in the order of the set's names.
    fn values(&self, speech: &[f32]) -> Vec<f64>;

    /// The values of `samples` at 16,000 Hz, which must be finite.
    ///
    /// # Errors
    /// [`FeatureError::Silent`] if every sample is 0, [`FeatureError::TooLittleSpeech`] if less than
    /// [`MIN_SPEECH_SECONDS`] are left of the trimmed clip.
    fn analyse(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        Ok(self.values(&prepare::prepare(samples)?))
    }

    /// The values of `samples` at 22,050 Hz.
    ///
    /// Besides the 16 kHz copy of the clip (64 kB a second), memory is bounded: what follows the first
    /// [`MAX_SECONDS`] of the trimmed clip is not analysed.
    ///
    /// # Errors
    /// Those of [`time_domain::analyse`] and of [`analyse`](Self::analyse).
    fn extract(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        time_domain::analyse(samples)?;
        self.analyse(&resample(samples, SAMPLE_RATE, RATE))
    }
}

impl DescribesSpeech for Dynamic {
    /// The 425 values, in the order of [`names`].
    fn values(&self, speech: &[f32]) -> Vec<f64> {
        let mut values = Vec::with_capacity(COUNT);
        wide(
            #[inline(always)]
            || self.describe(speech, &mut (), &mut values),
        );
        values
    }
}

impl Dynamic {
    /// Appends the 425 values of prepared `speech` to `values`, and lets `listener` hear the spectra.
    #[inline(always)]
    pub fn describe(&self, speech: &[f32], listener: &mut impl Listener, values: &mut Vec<f64>) {
        let (mut narrow, mut wide) = (LfccTrack::default(), LfccTrack::default());
        let mut envelopes = Envelopes::default();
        let mut power = vec![0.0; lfcc::PADDED];
        self.stft.frames(
            speech,
            #[inline(always)]
            |spectrum| {
                for (p, x) in power.iter_mut().zip(spectrum) {
                    *p = x.norm_sqr();
                }
                narrow.push(&self.narrow, &power);
                wide.push(&self.wide, &power);
                envelopes.push(&power);
                listener.short_frame(spectrum);
            },
        );

        listener.short_frames_end();

        let first = values.len();
        narrow.finish(values);
        wide.finish(values);
        envelopes.finish(values);
        self.voice.extend(speech, listener, values);
        self.texture.extend(speech, listener, values);
        define(&mut values[first..]);
    }
}

/// Sets values that are not finite to 0: a statistic without spread is undefined, and the reference has 0 for it too.
#[inline(always)]
pub fn define(values: &mut [f64]) {
    for value in values {
        if !value.is_finite() {
            *value = 0.0;
        }
    }
}
