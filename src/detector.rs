//! The one place where audio, features and model are joined; every entry point calls it.

use std::sync::Mutex;

use serde::Serialize;

pub use crate::analysis::Segment;
use crate::analysis::{Analyser, AnalysisScratch};
use crate::audio::{self, AudioError, DecodeLimits, Waveform};
use crate::features::FeatureError;
use crate::language::Language;
use crate::model::{ArtifactError, Model, ModelInfo};

/// The two verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Classification {
    /// Synthetic speech ("spoof" in the field's terms).
    AiGenerated,
    /// Human speech ("bonafide").
    Human,
}

impl Classification {
    /// The verdict as JSON and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Classification::AiGenerated => "AI_GENERATED",
            Classification::Human => "HUMAN",
        }
    }
}

/// The verdict on one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Which class the clip is given.
    pub classification: Classification,
    /// Probability of the named class, rounded to 2 decimals: 0.0..=1.0.
    pub confidence: f64,
    /// P(AI), unrounded: 0.0..=1.0.
    pub ai_probability: f64,
    /// Length of the decoded clip, in seconds.
    pub duration_seconds: f64,
    /// Scores of stretches of the clip, in order: a network's windows (2.56 s, at least half of it shared with the next)
    /// within the silence at the clip's ends; by a model of features alone, 3 s every second where they were asked for.
    /// A clip shorter than a window has one, of its whole length.
    pub segments: Vec<Segment>,
    /// What makes the verdict less certain, in words.
    pub warnings: Vec<String>,
}

/// A [`Detection`] as JSON: what `voxproof detect --json` prints and `?detail=true` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict<'a> {
    /// The file judged; on the command line only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<&'a str>,
    /// Which class the clip is given.
    pub classification: Classification,
    /// Probability of the named class, rounded to 2 decimals.
    pub confidence: f64,
    /// P(AI), unrounded.
    pub ai_probability: f64,
    /// Length of the decoded clip, in seconds.
    pub duration_seconds: f64,
    /// Name and version of the model, for example `classic/2026.11.1`.
    pub model: String,
    /// The language that the caller named.
    pub language: Option<Language>,
    /// Scores of stretches of the clip; left out where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<&'a [Segment]>,
    /// What makes the verdict less certain, in words.
    pub warnings: &'a [String],
}

impl<'a> Verdict<'a> {
    /// The full verdict, segments included, without a file's name.
    pub fn new(detection: &'a Detection, model: &ModelInfo, language: Option<Language>) -> Self {
        Self {
            file: None,
            classification: detection.classification,
            confidence: detection.confidence,
            ai_probability: detection.ai_probability,
            duration_seconds: detection.duration_seconds,
            model: format!("{}/{}", model.name, model.version),
            language,
            segments: Some(&detection.segments),
            warnings: &detection.warnings,
        }
    }

    /// Names the file that was judged.
    #[must_use]
    pub fn with_file(mut self, file: &'a str) -> Self {
        self.file = Some(file);
        self
    }
}

/// Why a clip could not be judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DetectError {
    /// The bytes could not be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The waveform could not be analysed.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

impl DetectError {
    /// Stable, machine-readable name of the fault, the same in every entry point.
    pub fn code(&self) -> &'static str {
        match self {
            DetectError::Audio(AudioError::Empty) => "empty_audio",
            DetectError::Audio(AudioError::NotAudio) => "not_audio",
            DetectError::Audio(AudioError::Undecodable(_)) => "undecodable",
            DetectError::Audio(AudioError::TooLong { .. }) => "too_long",
            DetectError::Features(
                FeatureError::TooShort { .. } | FeatureError::TooLittleSpeech { .. },
            ) => "too_short",
            DetectError::Features(FeatureError::Silent) => "no_speech",
            DetectError::Features(FeatureError::OutOfRange { .. }) => "undecodable",
        }
    }
}

/// Judges clips; holds a verified model and the tables of its features, is shared between threads.
#[derive(Debug)]
pub struct Detector {
    analyser: Analyser,
    threshold: f64,
    limits: DecodeLimits,
    scratch: Mutex<Vec<AnalysisScratch>>,
}

impl Detector {
    /// A detector around the default embedded model.
    ///
    /// # Errors
    /// The artifact is damaged.
    pub fn embedded() -> Result<Self, ArtifactError> {
        Ok(Self::new(Model::embedded(Model::embedded_names()[0])?))
    }

    /// A detector around `model`, with the model's threshold and the default limits.
    pub fn new(model: Model) -> Self {
        Self {
            threshold: model.info().threshold,
            analyser: Analyser::new(model),
            limits: DecodeLimits::default(),
            scratch: Mutex::default(),
        }
    }

    /// Moves the threshold: P(AI) above it is `AI_GENERATED`.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Changes the bounds of decoding.
    #[must_use]
    pub fn with_limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What is known of the model.
    pub fn model(&self) -> &ModelInfo {
        self.analyser.model().info()
    }

    /// Judges one clip: the bytes of a whole audio file in any accepted container.
    ///
    /// The segments are what the verdict leaves behind at no cost: see [`Detector::detect_with_segments`].
    ///
    /// # Errors
    /// The bytes are no audio, cannot be decoded, or carry too little or too much to judge.
    pub fn detect(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        self.judge(bytes, false)
    }

    /// Judges one clip and stretches of it, which takes a model of features alone three times as long or more; the
    /// verdict is that of [`Detector::detect`].
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_with_segments(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        self.judge(bytes, true)
    }

    fn judge(&self, bytes: &[u8], stretches: bool) -> Result<Detection, DetectError> {
        let waveform = audio::decode(bytes, &self.limits)?;
        Ok(self.judge_waveform(&waveform, stretches)?)
    }

    /// Judges a clip that is decoded already.
    pub(crate) fn judge_waveform(
        &self,
        waveform: &Waveform,
        stretches: bool,
    ) -> Result<Detection, FeatureError> {
        let mut scratch = self
            .scratch
            .lock()
            .map(|mut s| s.pop())
            .unwrap_or_default()
            .unwrap_or_default();
        let analysis = self.analyser.judge(waveform, stretches, &mut scratch);
        if let Ok(mut pool) = self.scratch.lock() {
            pool.push(scratch);
        }
        let analysis = analysis?;
        let (classification, confidence) = self.classify(analysis.ai_probability);
        Ok(Detection {
            classification,
            confidence,
            ai_probability: analysis.ai_probability,
            duration_seconds: waveform.duration_seconds(),
            segments: analysis.segments,
            warnings: Vec::new(),
        })
    }

    /// The class of a clip with this P(AI), and the class's own probability, rounded to 2 decimals.
    pub(crate) fn classify(&self, ai_probability: f64) -> (Classification, f64) {
        let (classification, named) = if ai_probability > self.threshold {
            (Classification::AiGenerated, ai_probability)
        } else {
            (Classification::Human, 1.0 - ai_probability)
        };
        (classification, (named * 100.0).round() / 100.0)
    }
}
