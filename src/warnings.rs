//! What makes a verdict less certain than its confidence says: codes for programs, one sentence each for people.

use serde::Serialize;

use crate::quality::Quality;

/// Speech shorter than this is short, in seconds: below its window of 2.56 s, the network hears the clip repeated.
const SHORT: f64 = 2.5;
/// Sound up to less than this frequency is band-limited, in Hz.
const BAND_LIMIT: f64 = 6_500.0;
/// A signal-to-noise ratio below this is noisy, in dB.
const NOISY: f64 = 16.0;
/// A clip of which a larger share of the values lies beyond what 99 of 100 clips of the training have is far from it.
const OUT_OF_DISTRIBUTION: f64 = 0.03;

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// Little speech.
    Short,
    /// The upper part of the spectrum is missing.
    BandLimited,
    /// Peaks were cut off.
    Clipped,
    /// Noise close beneath the speech.
    Noisy,
    /// Unlike the clips that the model has learned from.
    OutOfDistribution,
    /// Pieces or minutes of a long recording were passed over: they hold no speech that could be judged.
    PassedOver,
}

impl WarningCode {
    /// All codes of a clip, in the order in which an answer lists them. [`WarningCode::PassedOver`], which only a recording of
    /// more than 12 s has, comes after them.
    pub const ALL: &'static [Self] = &[
        Self::Short,
        Self::BandLimited,
        Self::Clipped,
        Self::Noisy,
        Self::OutOfDistribution,
    ];

    /// The code as JSON writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::BandLimited => "band_limited",
            Self::Clipped => "clipped",
            Self::Noisy => "noisy",
            Self::OutOfDistribution => "out_of_distribution",
            Self::PassedOver => "passed_over",
        }
    }

    /// What it means for the verdict.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Short => {
                "Little speech to judge: verdicts on clips of less than 2.5 s are wrong more often."
            }
            Self::BandLimited => {
                "Nothing is heard above 6.5 kHz, as behind a telephone or a low bitrate: verdicts on such recordings are wrong more often."
            }
            Self::Clipped => {
                "The peaks are cut off or levelled, which adds overtones that neither a voice nor a synthesizer made: the verdict may be about them."
            }
            Self::Noisy => {
                "Noise close beneath the speech hides what tells synthetic speech: verdicts on such recordings are wrong more often."
            }
            Self::OutOfDistribution => {
                "This does not sound like the speech that the model has learned from, as music, noise or several voices at once do not: the verdict means little."
            }
            Self::PassedOver => {
                "Parts of this recording hold no speech that could be judged and were passed over: the verdict is about the rest."
            }
        }
    }
}

/// One warning of a detailed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Warning {
    /// What it is about; stable.
    pub code: WarningCode,
    /// What it means for the verdict, in one sentence.
    pub message: &'static str,
}

impl From<WarningCode> for Warning {
    fn from(code: WarningCode) -> Self {
        Self {
            code,
            message: code.message(),
        }
    }
}

/// Warnings of a clip by its `quality` and its `outlying` share, see
/// [`Model::outlying`](crate::model::Model::outlying).
#[must_use]
pub fn warnings(quality: &Quality, outlying: Option<f64>) -> Vec<Warning> {
    let holds = |code: &WarningCode| match code {
        WarningCode::Short => quality.speech_seconds < SHORT,
        WarningCode::BandLimited => quality.bandwidth < BAND_LIMIT,
        WarningCode::Clipped => quality.evenness.is_clipped(),
        WarningCode::Noisy => quality.snr < NOISY,
        WarningCode::OutOfDistribution => outlying.is_some_and(|share| share > OUT_OF_DISTRIBUTION),
        WarningCode::PassedOver => false,
    };
    let codes = WarningCode::ALL.iter().copied().filter(holds);
    codes.map(Warning::from).collect()
}
