//! Recordings of hours: decoded and judged in pieces, so that memory does not grow with the duration.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use crate::detector::{DetectError, Detection, Detector, inconclusive};
use crate::features::FeatureError;
use crate::model::{Evidence, MeanLogOdds};
use crate::options::Detail;
use crate::warnings::WarningCode;

/// A recording up to this long is judged at once, as a synchronous call judges it: 10 minutes, in samples.
const AT_ONCE: usize = 600 * SAMPLE_RATE as usize;

/// Length of the pieces of a longer one: a minute, in samples. The last is half to one and a half of that.
const PIECE: usize = 60 * SAMPLE_RATE as usize;

/// Longest recording that is judged at all.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

impl Detector {
    /// Judges a recording of up to 12 hours, with warnings and segments.
    ///
    /// One of up to 10 minutes has the verdict of [`Detector::detect_with_segments`]. A longer one is judged a minute at a
    /// time, each minute as [`Detector::detect`] judges a clip, in pieces of its own: P(AI) is that of the mean log-odds of
    /// the minutes, weighted by their segments, which are what their verdicts leave behind: as many as there is speech in
    /// the pieces that were judged. Minutes and pieces without speech to judge are passed over, with a warning that says so.
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
    /// Of the pieces that could be judged.
    mean: MeanLogOdds,
    /// Shares of values far from the training, times the same weights.
    outlying: f64,
    /// What spoke for and against in the pieces, with the same weights.
    evidence: Vec<(Evidence, f64)>,
    /// The pieces so far, as one detection.
    joined: Option<Detection>,
    /// Whether there was a piece, or a part of one, without speech to judge.
    passed_over: bool,
    fault: Option<FeatureError>,
}

impl<'a> Pieces<'a> {
    fn new(detector: &'a Detector) -> Self {
        Self {
            detector,
            samples: Vec::new(),
            judged: 0,
            mean: MeanLogOdds::default(),
            outlying: 0.0,
            evidence: Vec::new(),
            joined: None,
            passed_over: false,
            fault: None,
        }
    }

    fn push(&mut self, block: &[f32]) {
        self.samples.extend_from_slice(block);
        if self.judged == 0 && self.samples.len() <= AT_ONCE {
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
                self.passed_over = true;
                self.fault.get_or_insert(fault);
                return;
            }
        };
        let weight = found.segments.len() as f64;
        self.mean.add(found.ai_probability, weight);
        self.outlying += found.out_of_distribution.unwrap_or(0.0) * weight;
        self.evidence
            .extend(found.evidence.take().map(|evidence| (evidence, weight)));
        found.warnings.retain(|warning| {
            let passed_over = warning.code == WarningCode::PassedOver;
            self.passed_over |= passed_over;
            !passed_over
        });
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
        let Some((mut joined, ai_probability)) = self.joined.zip(self.mean.ai_probability()) else {
            return Err(self.fault.unwrap_or(FeatureError::Silent));
        };
        joined.ai_probability = ai_probability;
        (joined.classification, joined.confidence) = self.detector.classify(joined.ai_probability);
        joined.inconclusive = inconclusive(joined.ai_probability);
        joined.out_of_distribution = joined
            .out_of_distribution
            .map(|_| self.outlying / self.mean.weight());
        joined.evidence = Evidence::mean(self.evidence.iter().map(|(e, weight)| (e, *weight)));
        if self.passed_over {
            joined.warnings.push(WarningCode::PassedOver.into());
        }
        joined.duration_seconds = self.judged as f64 / f64::from(SAMPLE_RATE);
        Ok(joined)
    }
}
