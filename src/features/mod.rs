//! Waveform -> fixed-length, named feature vectors.
//!
//! The files are the stages: [`spectrogram`] (frames, window, FFT), [`mel`] (bands, decibels,
//! MFCC), [`spectral`] (centroid, roll-off), [`chroma`] (tuning, pitch classes), [`tempo`] (onsets,
//! periodicity), [`time_domain`] (zero crossings, RMS, silence), and [`statistics`] over the
//! frames. Each feature set joins the stages that it needs; [`classic`] is the first. [`dynamic`] is
//! how speech moves rather than its averages, at 16,000 Hz, with stages of its own; [`artefact`] is
//! that and what synthesis leaves in the fine structure of spectrum, phase, residual and envelope;
//! `extended` (a Cargo feature) is that and MFCC, average spectrum, jitter, shimmer, pauses and frame rates.
//! [`channel`] is a control for evaluation: what a file tells without its speech.
//!
//! Guarantee: on the same samples, every value of `classic` is within 1e-3 (relative) or 1e-4
//! (absolute) of librosa 0.10.1's, and the tempo within 0.01; `tests/features_parity.rs` holds it.
//! `dynamic` is held to its own reference by `tests/dynamic_parity.rs`, what `artefact` adds to it,
//! and `extended` to that, by `tests/artefact_parity.rs`.

pub mod artefact;
pub mod aspects;
pub mod bands;
pub mod channel;
pub mod chroma;
pub mod classic;
pub mod dynamic;
#[cfg(feature = "extended")]
pub mod extended;
pub mod logarithm;
pub mod mel;
pub mod spectral;
pub mod spectrogram;
pub mod statistics;
pub mod tempo;
pub mod time_domain;
pub mod transform;
pub mod wide;

use std::sync::LazyLock;

use crate::audio::Waveform;
use artefact::Artefact;
use channel::Channel;
use classic::{Classic, ClassicScratch};
use dynamic::{DescribesSpeech, Dynamic, Speech};
#[cfg(feature = "extended")]
use extended::Extended;

/// Shortest waveform that features are computed from, in seconds.
pub const MIN_SECONDS: f64 = 1.0;

/// A named set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeatureSet {
    /// The 73 librosa 0.10.1 features of the stack that voxproof replaces.
    Classic,
    /// 425 statistics of how the spectrum, the envelope and the pitch change over time.
    Dynamic,
    /// Those 425, and 396 of the fine structure of spectrum, phase, residual and envelope.
    Artefact,
    /// Those 821, and 311 of MFCC, average spectrum, jitter, shimmer, pauses and frame rates.
    #[cfg(feature = "extended")]
    Extended,
    /// 8 figures of the file and nothing of the speech: the control that honest data leaves at chance.
    Channel,
}

impl FeatureSet {
    /// All sets there are.
    pub const ALL: &'static [FeatureSet] = &[
        FeatureSet::Classic,
        FeatureSet::Dynamic,
        FeatureSet::Artefact,
        #[cfg(feature = "extended")]
        FeatureSet::Extended,
        FeatureSet::Channel,
    ];

    /// The set's name, as the command line and artifacts write it.
    pub fn name(self) -> &'static str {
        match self {
            FeatureSet::Classic => "classic",
            FeatureSet::Dynamic => "dynamic",
            FeatureSet::Artefact => "artefact",
            #[cfg(feature = "extended")]
            FeatureSet::Extended => "extended",
            FeatureSet::Channel => "channel",
        }
    }

    /// Whether the set needs of a waveform its speech at 16 kHz alone: [`Extractor::extract_prepared`] knows it.
    #[must_use]
    pub fn starts_from_speech(self) -> bool {
        match self {
            FeatureSet::Dynamic | FeatureSet::Artefact => true,
            #[cfg(feature = "extended")]
            FeatureSet::Extended => true,
            FeatureSet::Classic | FeatureSet::Channel => false,
        }
    }

    /// The set of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// Where each group of values ends, rising: values that describe one aspect stand together. The last is the number
    /// of values.
    pub fn group_ends(self) -> &'static [usize] {
        match self {
            FeatureSet::Classic => &[73],
            FeatureSet::Dynamic => &[dynamic::COUNT],
            FeatureSet::Artefact => &artefact::GROUP_ENDS,
            #[cfg(feature = "extended")]
            FeatureSet::Extended => &extended::GROUP_ENDS,
            FeatureSet::Channel => &[channel::COUNT],
        }
    }

    /// Names of the values, in their order.
    pub fn names(self) -> &'static [String] {
        static CLASSIC: LazyLock<Vec<String>> = LazyLock::new(classic::names);
        static DYNAMIC: LazyLock<Vec<String>> = LazyLock::new(dynamic::names);
        static ARTEFACT: LazyLock<Vec<String>> = LazyLock::new(artefact::names);
        #[cfg(feature = "extended")]
        static EXTENDED: LazyLock<Vec<String>> = LazyLock::new(extended::names);
        static CHANNEL: LazyLock<Vec<String>> = LazyLock::new(channel::names);
        match self {
            FeatureSet::Classic => &CLASSIC,
            FeatureSet::Dynamic => &DYNAMIC,
            FeatureSet::Artefact => &ARTEFACT,
            #[cfg(feature = "extended")]
            FeatureSet::Extended => &EXTENDED,
            FeatureSet::Channel => &CHANNEL,
        }
    }
}

/// The values of one set for one waveform, in the order of [`FeatureSet::names`]; all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureVector {
    /// Which set the values are of.
    pub set: FeatureSet,
    /// The values.
    pub values: Vec<f64>,
}

/// Why no features could be computed from a waveform.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// The waveform is shorter than [`MIN_SECONDS`].
    #[error("the audio is {seconds:.2} s long; at least {MIN_SECONDS} s is needed")]
    TooShort {
        /// Length of the waveform, in seconds.
        seconds: f64,
    },
    /// Silence at both ends cut off, less than [`dynamic::MIN_SPEECH_SECONDS`] are left.
    #[error(
        "only {seconds:.2} s of the audio is not silence; at least {} s is needed",
        dynamic::MIN_SPEECH_SECONDS
    )]
    TooLittleSpeech {
        /// Length of what is left, in seconds.
        seconds: f64,
    },
    /// The waveform carries no energy to judge: it stays within a range of 2e-4, see
    /// [`time_domain::SILENCE_AMPLITUDE`].
    #[error("the audio is silent; a recording with audible speech is needed")]
    Silent,
    /// The waveform holds samples that are not finite, or thousands of times full scale.
    #[error(
        "the audio holds samples that are not numbers or far beyond full scale, at {seconds:.2} s"
    )]
    OutOfRange {
        /// Where the first of them is, in seconds, within 1/40 s.
        seconds: f64,
    },
}

/// Computes one set of features; holds the plans and tables, is shared between threads.
#[derive(Debug)]
pub struct Extractor {
    set: FeatureSet,
    stages: Stages,
}

/// Plans and tables of one set.
#[derive(Debug)]
enum Stages {
    Classic(Box<Classic>),
    Speech(Box<dyn DescribesSpeech>),
    Channel(Box<Channel>),
}

/// Working memory of one extraction, reused from clip to clip; one for each thread.
///
/// For `classic` it grows to about 5 kB a frame (200 kB a second) for clips of up to 64 s, 14 MB at
/// most; longer clips need about 100 bytes a frame. `dynamic`,
/// `artefact` and `extended` keep nothing between clips; `artefact` takes 300 kB a second while it runs, of 60 s at most.
#[derive(Debug, Default)]
pub struct Scratch {
    classic: ClassicScratch,
}

impl Extractor {
    /// Makes the plans and tables of `set`.
    pub fn new(set: FeatureSet) -> Self {
        let stages = match set {
            FeatureSet::Classic => Stages::Classic(Box::default()),
            FeatureSet::Dynamic => Stages::Speech(Box::<Dynamic>::default()),
            FeatureSet::Artefact => Stages::Speech(Box::<Artefact>::default()),
            #[cfg(feature = "extended")]
            FeatureSet::Extended => Stages::Speech(Box::<Extended>::default()),
            FeatureSet::Channel => Stages::Channel(Box::default()),
        };
        Self { set, stages }
    }

    /// The set that is computed.
    pub fn set(&self) -> FeatureSet {
        self.set
    }

    /// Features of `waveform`; no value is NaN or infinite.
    ///
    /// # Errors
    /// [`FeatureError::TooShort`] below [`MIN_SECONDS`], [`FeatureError::Silent`] without sound,
    /// [`FeatureError::OutOfRange`] for samples that are no audio, and for `dynamic`,
    /// `artefact` and `extended` [`FeatureError::TooLittleSpeech`].
    pub fn extract(
        &self,
        waveform: &Waveform,
        scratch: &mut Scratch,
    ) -> Result<FeatureVector, FeatureError> {
        let seconds = waveform.duration_seconds();
        if seconds < MIN_SECONDS {
            return Err(FeatureError::TooShort { seconds });
        }
        let values = match &self.stages {
            Stages::Classic(classic) => {
                classic.extract(waveform.samples(), &mut scratch.classic)?
            }
            Stages::Speech(stages) => stages.extract(waveform.samples())?,
            Stages::Channel(channel) => channel.extract(waveform.samples())?,
        };
        debug_assert!(values.iter().all(|v| v.is_finite()));
        Ok(FeatureVector {
            set: self.set,
            values,
        })
    }

    /// What [`Extractor::extract`] finds in a waveform whose `speech` is prepared already: neither resampled nor trimmed
    /// again. `None` for a set that does not start from it.
    pub fn extract_prepared(&self, speech: &Speech) -> Option<FeatureVector> {
        let Stages::Speech(stages) = &self.stages else {
            return None;
        };
        let values = stages.values(speech.analysed());
        Some(FeatureVector {
            set: self.set,
            values,
        })
    }
}
