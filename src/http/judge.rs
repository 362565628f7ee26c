//! What the routes need of a detector.

use crate::audio::{AudioError, Waveform};
use crate::detector::{Classification, DetectError, Detection, Detector, classify};
use crate::model::ModelInfo;
use crate::options::{Detail, DetectOptions, Found, Judged};
use crate::timings::Timings;

/// Judges clips for the routes. [`Detector`] is the one implementation that ships; tests put a slow
/// or a panicking one in its place.
pub trait Judge: Send + Sync + 'static {
    /// Judges the bytes of one audio file.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    fn detect(&self, audio: &[u8]) -> Result<Detection, DetectError>;

    /// Judges them and stretches of the clip; a judge that knows no stretches answers as to [`Judge::detect`].
    ///
    /// # Errors
    /// As [`Detector::detect`].
    fn detect_with_segments(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        self.detect(audio)
    }

    /// Judges a stored recording, of hours too, with segments; a judge that knows no pieces answers as to
    /// [`Judge::detect_with_segments`].
    ///
    /// # Errors
    /// As [`Detector::detect_recording`].
    fn detect_recording(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        self.detect_with_segments(audio)
    }

    /// Judges as `options` ask for; a judge that knows only how much is to be told answers as to the others.
    ///
    /// # Errors
    /// As [`Detector::detect_with`].
    fn judge(&self, audio: &[u8], options: &DetectOptions) -> Result<Judged, DetectError> {
        let detection = match options.detail {
            Detail::Segments => self.detect_with_segments(audio)?,
            Detail::None | Detail::Warnings => self.detect(audio)?,
        };
        Ok(Judged::One(Found {
            detection,
            timings: Timings::default(),
        }))
    }

    /// Judges a waveform, without detail; a judge of files alone refuses.
    ///
    /// # Errors
    /// Those of the analysis.
    fn judge_waveform(&self, _waveform: Waveform) -> Result<Detection, DetectError> {
        Err(DetectError::Audio(AudioError::NotAudio))
    }

    /// The class of a P(AI), and the class's own probability, rounded to 2 decimals.
    fn classify(&self, ai_probability: f64) -> (Classification, f64) {
        classify(ai_probability, self.model().threshold)
    }

    /// What is known of the model that judges.
    fn model(&self) -> &ModelInfo;
}

impl Judge for Detector {
    fn detect(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        Detector::detect(self, audio)
    }

    fn detect_with_segments(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        Detector::detect_with_segments(self, audio)
    }

    fn detect_recording(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        Detector::detect_recording(self, audio)
    }

    fn judge_waveform(&self, waveform: Waveform) -> Result<Detection, DetectError> {
        Ok(Detector::judge_waveform(self, waveform, Detail::None)?)
    }

    fn classify(&self, ai_probability: f64) -> (Classification, f64) {
        Detector::classify(self, ai_probability)
    }

    fn judge(&self, audio: &[u8], options: &DetectOptions) -> Result<Judged, DetectError> {
        self.detect_with(audio, options)
    }

    fn model(&self) -> &ModelInfo {
        Detector::model(self)
    }
}
