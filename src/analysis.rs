//! Waveform -> what the parts of a model take -> P(AI), of the clip and of stretches of it.
//!
//! ```text
//! waveform -+-> 16 kHz -> prepared speech -+-> bands, a minute at most at once -> network -> logits of windows -+-> P(AI)
//!           |                              +-> features of a set at 16 kHz ------------------------------------+
//!           +-> features of another set ----------------------------------------------------------------------+
//! ```
//!
//! A clip of more than 12 s goes that way piece by piece, see `src/pieces.rs`.

use std::borrow::Cow;
use std::time::Instant;

use serde::Serialize;

use crate::audio::{SAMPLE_RATE, Waveform, resample, resample_in_place};
use crate::features::bands::Bands;
use crate::features::dynamic::{RATE, Speech, prepare, stft::HOP};
use crate::features::{Extractor, FeatureError, FeatureVector, MIN_SECONDS, Scratch, time_domain};
use crate::model::Model;
use crate::model::network::{Networks, NetworksScratch, Window};
use crate::options::Stretches;
use crate::pieces;
use crate::timings::{Stage, Timings};

/// Most stretches of a clip, five minutes of the default ones; those of a longer clip lie further apart, so that its time
/// is bounded.
const MOST_STRETCHES: usize = 300;
/// Most sound in all stretches together, in seconds: long ones are fewer.
const MOST_STRETCHED_SECONDS: f64 = 900.0;

/// Plans and tables of what a model takes; shared between threads.
#[derive(Debug)]
pub struct Analyser {
    model: Model,
    extractor: Option<Extractor>,
    bands: Option<Bands>,
}

/// Working memory of an analysis, reused from clip to clip; one for each thread. The networks' part is about 3 MB.
#[derive(Debug, Default)]
pub struct AnalysisScratch {
    features: Scratch,
    networks: NetworksScratch,
    /// What each stage took, summed up until it is taken.
    pub(crate) timings: Timings,
}

/// The score of one stretch of the clip.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Segment {
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
    /// P(AI) in 0.0..=1.0.
    pub ai_probability: f64,
}

impl Segment {
    /// Moves it later by so many seconds: from the time of a part to that of the whole.
    pub(crate) fn shift(&mut self, seconds: f64) {
        self.start += seconds;
        self.end += seconds;
    }
}

/// What an analysis finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// P(AI) of the clip: 0.0..=1.0.
    pub ai_probability: f64,
    /// P(AI) of stretches of the clip; never empty.
    pub segments: Vec<Segment>,
    /// How far the clip is from the training, see [`Model::outlying`]; `None` where the model cannot tell. The mean over pieces.
    pub outlying: Option<f64>,
    /// What P(AI) was made of, in order: one of a clip judged whole, else one for each piece that features were computed of.
    /// The weighted mean of their log-odds is the clip's.
    pub inputs: Vec<Inputs>,
    /// Whether there were pieces without speech to judge.
    pub passed_over: bool,
}

/// What a model's parts made or took of a clip or of pieces: the inputs of [`Model::fuse`] and [`Model::evidence`].
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// The network's mean logit; `None` without a network.
    pub logit: Option<f64>,
    /// The values of the model's set; `None` without one.
    pub features: Option<FeatureVector>,
    /// Pieces that these stand for, 1 or more.
    pub weight: f64,
}

impl Analyser {
    /// Makes the plans and tables for `model`.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self {
            extractor: model.feature_set().map(Extractor::new),
            bands: model.networks().map(|_| Bands::default()),
            model,
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Judges `waveform`: one of more than 12 s by the mean log-odds of the fewest pieces of equal length, none longer than
    /// 10 s, if the model [hears pieces](Model::hears_pieces); else whole.
    ///
    /// If `stretches` are asked for, the segments are 3 s every second of a clip longer than 4 s, each judged as a clip of its
    /// own, which takes three to four times as long; more than 300 of them are spread over the clip. Otherwise they are what
    /// the verdict leaves behind: the network's windows, or of a model of features alone the pieces or the whole clip.
    ///
    /// # Errors
    /// Those of [`Extractor::extract`]; with a network, those of a set at 16 kHz.
    pub fn judge(
        &self,
        waveform: &Waveform,
        stretches: bool,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        self.judge_in(waveform, stretches.then(Stretches::default), scratch)
    }

    /// Judges `waveform` as [`Analyser::judge`] does, in stretches of the caller's choice. A clip no longer than a window and
    /// a hop is one stretch.
    ///
    /// # Errors
    /// As [`Analyser::judge`].
    pub fn judge_in(
        &self,
        waveform: &Waveform,
        stretches: Option<Stretches>,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        let mut analysis = self.judge_clip(Cow::Borrowed(waveform), scratch)?;
        let seconds = waveform.duration_seconds();
        if let Some(stretches) = stretches {
            let before = scratch.timings;
            let started = Instant::now();
            let mut segments = Vec::new();
            if seconds > stretches.window() + stretches.hop() {
                self.judge_stretches(waveform, stretches, scratch, &mut segments);
            }
            scratch.timings = before;
            scratch.timings.add(Stage::Segments, started);
            if segments.is_empty() {
                segments.push(Segment {
                    start: 0.0,
                    end: seconds,
                    ai_probability: analysis.ai_probability,
                });
            }
            analysis.segments = segments;
        }
        Ok(analysis)
    }

    /// Judges `waveform` as [`Analyser::judge`] does without stretches, and takes its memory: less is needed of one judged
    /// whole.
    ///
    /// # Errors
    /// As [`Analyser::judge`].
    pub fn judge_owned(
        &self,
        waveform: Waveform,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        self.judge_clip(Cow::Owned(waveform), scratch)
    }

    fn judge_clip(
        &self,
        waveform: Cow<Waveform>,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        if self.model.hears_pieces()
            && pieces::count(waveform.samples().len()) > 1
            && let Some(analysis) = self.judge_pieces(&waveform, scratch)?
        {
            return Ok(analysis);
        }
        // Where no piece could be judged, their speech together may be enough; else its fault is the clip's.
        self.judge_whole(waveform, None, scratch)
    }

    /// Judges a clip or a piece, whatever its length, whole. `described`, the features of another piece, stand for its own where
    /// there are any; a model of features alone must not be given them.
    pub(crate) fn judge_whole(
        &self,
        waveform: Cow<Waveform>,
        described: Option<&FeatureVector>,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        if let Some((networks, bands)) = self.model.networks().zip(self.bands.as_ref()) {
            return self.judge_with_networks(networks, bands, waveform, described, scratch);
        }
        let extractor = self.extractor.as_ref().expect("a model has a part");
        let started = Instant::now();
        let features = extractor.extract(&waveform, &mut scratch.features)?;
        let started = scratch.timings.add(Stage::Features, started);
        let ai_probability = self.model.fuse(None, Some(&features));
        scratch.timings.add(Stage::Model, started);
        Ok(Analysis {
            ai_probability,
            segments: vec![Segment {
                start: 0.0,
                end: waveform.duration_seconds(),
                ai_probability,
            }],
            outlying: self.model.outlying(&features),
            inputs: vec![Inputs {
                logit: None,
                features: Some(features),
                weight: 1.0,
            }],
            passed_over: false,
        })
    }

    /// The last stretch ends where the clip does. One without speech to judge has no score.
    fn judge_stretches(
        &self,
        waveform: &Waveform,
        stretches: Stretches,
        scratch: &mut AnalysisScratch,
        out: &mut Vec<Segment>,
    ) {
        let samples = waveform.samples();
        let rate = SAMPLE_RATE as usize;
        let in_samples = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as usize;
        let window = in_samples(stretches.window());
        let most = ((MOST_STRETCHED_SECONDS / stretches.window()) as usize).min(MOST_STRETCHES);
        let last = samples.len().saturating_sub(window);
        let step = in_samples(stretches.hop()).max(last.div_ceil(most - 1));
        let starts = (0..last).step_by(step);
        for start in starts.chain([last]) {
            let end = (start + window).min(samples.len());
            let stretch = Waveform::new(samples[start..end].to_vec());
            if let Ok(analysis) = self.judge_owned(stretch, scratch) {
                out.push(Segment {
                    start: start as f64 / rate as f64,
                    end: end as f64 / rate as f64,
                    ai_probability: analysis.ai_probability,
                });
            }
        }
    }

    /// The verdict is that of the windows' mean logit; a part of features has one score for the clip, and adds it to each
    /// window's.
    fn judge_with_networks(
        &self,
        networks: &Networks,
        bands: &Bands,
        waveform: Cow<Waveform>,
        described: Option<&FeatureVector>,
        scratch: &mut AnalysisScratch,
    ) -> Result<Analysis, FeatureError> {
        let seconds = waveform.duration_seconds();
        if seconds < MIN_SECONDS {
            return Err(FeatureError::TooShort { seconds });
        }
        let started = Instant::now();
        time_domain::analyse(waveform.samples())?;
        let mut features = described.cloned();
        let extractor = self.extractor.as_ref().filter(|_| features.is_none());
        if let Some(extractor) = extractor.filter(|e| !e.set().starts_from_speech()) {
            features = Some(extractor.extract(&waveform, &mut scratch.features)?);
        }
        let at_16_khz = match waveform {
            Cow::Borrowed(waveform) => resample(waveform.samples(), SAMPLE_RATE, RATE),
            Cow::Owned(waveform) => {
                let mut samples = waveform.into_samples();
                resample_in_place(&mut samples, SAMPLE_RATE, RATE);
                samples
            }
        };
        let speech = prepare::prepare_all(at_16_khz)?;
        if let Some(extractor) = extractor {
            features = features.or_else(|| extractor.extract_prepared(&speech));
        }
        let started = scratch.timings.add(Stage::Features, started);
        let windows = windows(networks, bands, &speech, scratch);

        let mean = windows.iter().map(|w| w.logit).sum::<f64>() / windows.len() as f64;
        let share = self.model.share(features.as_ref());
        let fuse = |logit: f64| self.model.join(Some(logit), share);
        let segment = |window: &Window| {
            let at = |frame: usize| (speech.offset + frame * HOP) as f64 / f64::from(RATE);
            Segment {
                start: at(window.start),
                end: at(window.start + window.frames).min(seconds),
                ai_probability: fuse(window.logit),
            }
        };
        let analysis = Analysis {
            ai_probability: fuse(mean),
            segments: windows.iter().map(segment).collect(),
            outlying: features
                .as_ref()
                .and_then(|features| self.model.outlying(features)),
            inputs: vec![Inputs {
                logit: Some(mean),
                features,
                weight: 1.0,
            }],
            passed_over: false,
        };
        scratch.timings.add(Stage::Model, started);
        Ok(analysis)
    }
}

/// Windows of `speech`, their starts in frames of the whole. Speech of more than a minute is cut into the fewest pieces
/// of equal length that are not longer, and each is judged as a clip, with its own mean of the bands.
fn windows(
    networks: &Networks,
    bands: &Bands,
    speech: &Speech,
    scratch: &mut AnalysisScratch,
) -> Vec<Window> {
    let samples = &speech.samples;
    let pieces = samples.len().div_ceil(prepare::LONGEST).max(1);
    // Whole frames, so that the windows of all pieces stand on one grid.
    let length = samples.len().div_ceil(pieces).next_multiple_of(HOP);
    let mut all = Vec::new();
    for (index, piece) in samples.chunks(length).enumerate() {
        networks.hear(bands, piece, &mut scratch.networks);
        let first = index * length / HOP;
        let found = networks.windows(&mut scratch.networks);
        all.extend(found.into_iter().map(|window| Window {
            start: first + window.start,
            ..window
        }));
    }
    all
}
