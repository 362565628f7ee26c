//! The one place where audio, features and model are joined; every entry point calls it.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

pub use crate::analysis::Segment;
use crate::analysis::{Analyser, AnalysisScratch, Inputs};
use crate::audio::{self, AudioError, DecodeLimits, Waveform};
use crate::features::FeatureError;
use crate::language::Language;
use crate::model::{ArtifactError, Contribution, Evidence, Model, ModelInfo};
use crate::options::{Detail, Stretches};
use crate::quality::Gauge;
use crate::timings::{Stage, Timings};
use crate::warnings::{Warning, WarningCode, warnings};

/// A verdict is inconclusive where the probability of its class is below this. Of such verdicts on engines and sources
/// that were not trained on, two of five are wrong; of the others one of ten (`models/MODEL_CARD.md`).
pub const CONCLUSIVE: f64 = 0.65;

/// The two verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
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
    /// Whether P(AI) is within [`CONCLUSIVE`] of neither class: 0.35 to 0.65, wherever the threshold is.
    pub inconclusive: bool,
    /// How far the clip is from what the model was trained on: the share of its values beyond the range of 99 of 100
    /// training clips, 0.0..=1.0, see [`Model::outlying`]; the mean over pieces. `None` for a model without such bounds.
    pub out_of_distribution: Option<f64>,
    /// Scores of stretches of the clip, in order. Where they were asked for, 3 s every second of a clip longer than 4 s,
    /// of a shorter one the whole clip; a stretch without speech has none. Otherwise a network's windows (2.56 s, at
    /// least half of it shared with the next of the same piece), or pieces, or the whole clip.
    pub segments: Vec<Segment>,
    /// What makes the verdict less certain; empty where no detail was asked for.
    pub warnings: Vec<Warning>,
    /// What spoke for and against; `None` where no detail was asked for or the model cannot tell.
    pub evidence: Option<Evidence>,
}

#[cfg(feature = "http")]
impl Detection {
    /// Gives the clip the class that this threshold gives it.
    pub(crate) fn classify_by(&mut self, threshold: f64) {
        (self.classification, self.confidence) = classify(self.ai_probability, threshold);
    }
}

/// A [`Detection`] as JSON: what `voxproof detect --json` prints and `?detail=true` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
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
    /// Whether the evidence is too weak for a verdict, whatever the threshold.
    pub inconclusive: bool,
    /// Share of the clip's values beyond the range of 99 of 100 training clips; null for a model that cannot tell.
    pub out_of_distribution: Option<f64>,
    /// Scores of stretches of the clip; left out where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<&'a [Segment]>,
    /// What makes the verdict less certain.
    pub warnings: &'a [Warning],
    /// What spoke for `AI_GENERATED` (contributions above 0) and for `HUMAN` (below), the largest first, in natural
    /// log-odds: they and the baseline sum to the log-odds of `ai_probability`. Null for a model that cannot tell.
    pub evidence: Option<&'a [Contribution]>,
    /// Log-odds of a clip of which nothing speaks for either class.
    pub evidence_baseline: Option<f64>,
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
            model: model.full_name(),
            language,
            inconclusive: detection.inconclusive,
            out_of_distribution: detection.out_of_distribution,
            segments: Some(&detection.segments),
            warnings: &detection.warnings,
            evidence: detection
                .evidence
                .as_ref()
                .map(|evidence| evidence.contributions.as_slice()),
            evidence_baseline: detection.evidence.as_ref().map(|e| e.baseline),
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
    /// The part that was asked for is not all in the recording.
    #[error("start or end lies beyond the recording, which lasts {seconds} s")]
    OutsideRecording {
        /// Length of the recording, in seconds.
        seconds: f64,
    },
}

impl DetectError {
    /// Stable, machine-readable name of the fault, the same in every entry point.
    pub fn code(&self) -> &'static str {
        match self {
            DetectError::Audio(AudioError::Empty) => "empty_audio",
            DetectError::Audio(AudioError::NotAudio) => "not_audio",
            DetectError::Audio(AudioError::Undecodable(_)) => "undecodable",
            DetectError::Audio(AudioError::TooLong { .. } | AudioError::TooMuch { .. }) => {
                "too_long"
            }
            DetectError::Audio(AudioError::NotStereo { .. }) => "not_stereo",
            DetectError::OutsideRecording { .. } => "outside_recording",
            DetectError::Features(
                FeatureError::TooShort { .. } | FeatureError::TooLittleSpeech { .. },
            ) => "too_short",
            DetectError::Features(FeatureError::Silent) => "no_speech",
            DetectError::Features(FeatureError::OutOfRange { .. }) => "undecodable",
        }
    }
}

/// The class of a P(AI) by this threshold, and the class's own probability, rounded to 2 decimals.
pub(crate) fn classify(ai_probability: f64, threshold: f64) -> (Classification, f64) {
    let (classification, named) = if ai_probability > threshold {
        (Classification::AiGenerated, ai_probability)
    } else {
        (Classification::Human, 1.0 - ai_probability)
    };
    (classification, (named * 100.0).round() / 100.0)
}

/// Whether a P(AI) is within [`CONCLUSIVE`] of neither class.
pub(crate) fn inconclusive(ai_probability: f64) -> bool {
    ai_probability.max(1.0 - ai_probability) < CONCLUSIVE
}

/// Judges clips; holds a verified model and the tables of its features, is shared between threads.
#[derive(Debug)]
pub struct Detector {
    analyser: Analyser,
    gauge: Gauge,
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
            gauge: Gauge::default(),
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

    /// Judges one clip: the bytes of a whole audio file in any accepted container. There are no warnings, and the
    /// segments are what the verdict leaves behind at no cost.
    ///
    /// A clip of up to 12 s is judged whole. A longer one is cut into the fewest pieces of equal length of which none is
    /// longer than 10 s, and its P(AI) is that of the mean log-odds of the pieces; those without speech to judge are passed
    /// over. A model of the set `classic` alone judges whole whatever the length, see [`Model::hears_pieces`].
    ///
    /// # Errors
    /// The bytes are no audio, cannot be decoded, or carry too little or too much to judge.
    pub fn detect(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        self.judge(bytes, Detail::None)
    }

    /// Judges one clip, with warnings and evidence: the verdict is that of [`Detector::detect`].
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_with_warnings(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        self.judge(bytes, Detail::Warnings)
    }

    /// Judges one clip and stretches of it, with warnings and evidence: takes three to four times as long, the verdict is that of
    /// [`Detector::detect`].
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_with_segments(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        self.judge(bytes, Detail::Segments)
    }

    fn judge(&self, bytes: &[u8], detail: Detail) -> Result<Detection, DetectError> {
        let waveform = audio::decode(bytes, &self.limits)?;
        Ok(self.judge_waveform(waveform, detail)?)
    }

    /// The bounds of decoding.
    pub(crate) fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// Judges a clip that is decoded already.
    pub(crate) fn judge_waveform(
        &self,
        waveform: Waveform,
        detail: Detail,
    ) -> Result<Detection, FeatureError> {
        let (stretches, timings) = (Stretches::default(), Timings::default());
        let judged = self.judge_timed(waveform, detail, stretches, timings);
        judged.map(|(detection, _)| detection)
    }

    /// Judges it in these stretches; the stages' times are added to `timings`.
    pub(crate) fn judge_timed(
        &self,
        waveform: Waveform,
        detail: Detail,
        stretches: Stretches,
        timings: Timings,
    ) -> Result<(Detection, Timings), FeatureError> {
        let mut scratch = self
            .scratch
            .lock()
            .map(|mut s| s.pop())
            .unwrap_or_default()
            .unwrap_or_default();
        scratch.timings = timings;
        let duration_seconds = waveform.duration_seconds();
        // Before the waveform is used up.
        let started = Instant::now();
        let measured = (detail != Detail::None).then(|| self.gauge.measure(&waveform));
        scratch.timings.add(Stage::Warnings, started);
        let analysis = if detail == Detail::Segments {
            let stretches = Some(stretches);
            self.analyser.judge_in(&waveform, stretches, &mut scratch)
        } else {
            self.analyser.judge_owned(waveform, &mut scratch)
        };
        let timings = scratch.timings;
        if let Ok(mut pool) = self.scratch.lock() {
            pool.push(scratch);
        }
        let analysis = analysis?;
        let (classification, confidence) = self.classify(analysis.ai_probability);
        let warnings = measured.map(|measured| {
            let mut warnings = warnings(&measured, analysis.outlying);
            if analysis.passed_over {
                warnings.push(WarningCode::PassedOver.into());
            }
            warnings
        });
        let evidence = |inputs: &Inputs| {
            let found = (self.analyser.model()).evidence(inputs.logit, inputs.features.as_ref());
            found.map(|evidence| (evidence, inputs.weight))
        };
        let detection = Detection {
            classification,
            confidence,
            ai_probability: analysis.ai_probability,
            duration_seconds,
            inconclusive: inconclusive(analysis.ai_probability),
            out_of_distribution: analysis.outlying,
            segments: analysis.segments,
            warnings: warnings.unwrap_or_default(),
            evidence: if detail == Detail::None {
                None
            } else {
                let of_pieces: Vec<_> = analysis.inputs.iter().filter_map(evidence).collect();
                Evidence::mean(
                    of_pieces
                        .iter()
                        .map(|(evidence, weight)| (evidence, *weight)),
                )
            },
        };
        Ok((detection, timings))
    }

    /// The class of a clip with this P(AI), and the class's own probability, rounded to 2 decimals.
    pub(crate) fn classify(&self, ai_probability: f64) -> (Classification, f64) {
        classify(ai_probability, self.threshold)
    }
}
