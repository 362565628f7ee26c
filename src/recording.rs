//! Recordings of hours: decoded and judged in pieces, so that memory does not grow with the duration.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use crate::detector::{DetectError, Detection, Detector, inconclusive};
use crate::features::FeatureError;
use crate::model::{Calibration, Evidence};
use crate::options::Detail;
use crate::warnings::WarningCode;

/// A recording up to this long is judged whole, as a synchronous call judges it: 10 minutes, in samples.
const WHOLE: usize = 600 * SAMPLE_RATE as usize;

/// Length of the pieces of a longer one: a minute, in samples. The last is half to one and a half of that.
const PIECE: usize = 60 * SAMPLE_RATE as usize;

/// Longest recording that is judged at all.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Probabilities are kept this far from 0 and 1 before their logarithms are taken.
const EDGE: f64 = 1e-12;

/// Log-odds of a P(AI), finite.
pub(crate) fn log_odds(ai_probability: f64) -> f64 {
    let p = ai_probability.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

impl Detector {
    /// Judges a recording of up to 12 hours, with warnings and segments.
    ///
    /// One of up to 10 minutes has the verdict of [`Detector::detect_with_segments`]. A longer one is judged in pieces of
    /// a minute: its P(AI) is that of the mean log-odds of the pieces, weighted by their segments, which are what the pieces'
    /// verdicts leave behind. Pieces without speech to judge are passed over,
    /// with a warning that says so.
    ///
    /// # Errors
    /// As [`Detector::detect`]; where no piece could be judged, the first one's fault.
    pub fn detect_recording(&self, bytes: &[u8]) -> Result<Detection, DetectError> {
        let limits = DecodeLimits {
            max_duration: LONGEST,
        };
        let mut pieces = Pieces::new(self);
        let mut panic: Option<Box<dyn Any + Send>> = None;
        audio::decode_blocks(bytes, &limits, &mut |block| {
            // The decoder takes a panic for damage in the file. One of the analysis is none, and goes on below.
            if panic.is_none() {
                panic = catch_unwind(AssertUnwindSafe(|| pieces.push(block))).err();
            }
        })?;
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        Ok(pieces.finish()?)
    }
}

/// Takes samples, judges a piece whenever there is one, and sums up.
struct Pieces<'a> {
    detector: &'a Detector,
    /// Samples that are not judged yet.
    samples: Vec<f32>,
    /// Samples judged.
    judged: usize,
    /// Log-odds of the pieces, times their weights.
    sum: f64,
    /// Shares of values far from the training, times the same weights.
    outlying: f64,
    /// What spoke for and against in the pieces, with the same weights.
    evidence: Vec<(Evidence, f64)>,
    weight: f64,
    /// The pieces so far, as one detection.
    joined: Option<Detection>,
    fault: Option<FeatureError>,
}

impl<'a> Pieces<'a> {
    fn new(detector: &'a Detector) -> Self {
        Self {
            detector,
            samples: Vec::new(),
            judged: 0,
            sum: 0.0,
            outlying: 0.0,
            evidence: Vec::new(),
            weight: 0.0,
            joined: None,
            fault: None,
        }
    }

    fn push(&mut self, block: &[f32]) {
        self.samples.extend_from_slice(block);
        if self.judged == 0 && self.samples.len() <= WHOLE {
            return;
        }
        let mut taken = 0;
        while self.samples.len() - taken > PIECE + PIECE / 2 {
            let piece = Waveform::new(self.samples[taken..taken + PIECE].to_vec());
            self.judge(piece);
            taken += PIECE;
        }
        if taken > 0 {
            // A new buffer: the first one has grown to the length of a recording that is judged whole.
            self.samples = self.samples[taken..].to_vec();
        }
    }

    fn judge(&mut self, piece: Waveform) {
        let start = self.judged as f64 / f64::from(SAMPLE_RATE);
        self.judged += piece.samples().len();
        let mut found = match self.detector.judge_waveform(piece, Detail::Warnings) {
            Ok(found) => found,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                return;
            }
        };
        let weight = found.segments.len() as f64;
        self.sum += log_odds(found.ai_probability) * weight;
        self.outlying += found.out_of_distribution.unwrap_or(0.0) * weight;
        self.evidence
            .extend(found.evidence.take().map(|evidence| (evidence, weight)));
        self.weight += weight;
        found.segments.iter_mut().for_each(|s| s.shift(start));
        match &mut self.joined {
            None => self.joined = Some(found),
            Some(joined) => {
                joined.segments.append(&mut found.segments);
                for warning in found.warnings {
                    if !joined.warnings.contains(&warning) {
                        joined.warnings.push(warning);
                    }
                }
            }
        }
    }

    fn finish(mut self) -> Result<Detection, FeatureError> {
        let rest = Waveform::new(std::mem::take(&mut self.samples));
        if self.judged == 0 {
            return self.detector.judge_waveform(rest, Detail::Segments);
        }
        self.judge(rest);
        let Some(mut joined) = self.joined else {
            return Err(self.fault.unwrap_or(FeatureError::Silent));
        };
        joined.ai_probability = Calibration::LOG_ODDS.probability(self.sum / self.weight);
        (joined.classification, joined.confidence) = self.detector.classify(joined.ai_probability);
        joined.inconclusive = inconclusive(joined.ai_probability);
        joined.out_of_distribution = joined
            .out_of_distribution
            .map(|_| self.outlying / self.weight);
        joined.evidence = Evidence::mean(self.evidence.iter().map(|(e, weight)| (e, *weight)));
        if self.fault.is_some() {
            joined.warnings.push(WarningCode::PassedOver.into());
        }
        joined.duration_seconds = self.judged as f64 / f64::from(SAMPLE_RATE);
        Ok(joined)
    }
}
