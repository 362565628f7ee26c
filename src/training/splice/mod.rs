//! Half-synthetic recordings: human and synthetic speech of one voice joined, and how well segments show where.
//!
//! Each splice has one border: a stretch of human clips, then one of synthetic clips by one engine, or the other way
//! round. Both are of one speaker id, or where the id has only one class, of one corpus. Loudness is the same on both
//! sides and the joint is a cross-fade of 20 ms, so that neither gives the border away.

mod voice;

use std::fmt::Write as _;

use rayon::prelude::*;

use super::manifest::{self, ManifestSource};
use super::metrics::Ranking;
use super::rng::Rng;
use super::{Progress, ProgressFn, Skipped, Stage, TrainingError, in_pool};
use crate::analysis::{Analyser, AnalysisScratch, Segment};
use crate::model::{Model, log_odds};
use voice::{Splice, Voice, draw, voices};

/// Shares of a splice that are synthetic; at 0 and 1 there is no border.
pub const SHARES: [f64; 7] = [0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0];

/// What is asked.
#[derive(Debug, Clone)]
pub struct SpliceOptions {
    /// The clips.
    pub manifests: Vec<ManifestSource>,
    /// CSV of speakers: only their voices are spliced, as the model has not heard them. All voices where absent.
    pub speakers: Option<std::path::PathBuf>,
    /// Splices of each share.
    pub each: usize,
    /// Seed of all that is random.
    pub seed: u64,
    /// Threads; all cores where absent.
    pub jobs: Option<usize>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SpliceReport {
    /// Name and version of the model.
    pub model: String,
    /// Splices.
    pub splices: usize,
    /// Voices that they are of: speaker ids, and corpora where no speaker has both classes.
    pub voices: usize,
    /// EER of the segments that lie within one side: synthetic against human ones.
    pub segment_eer: f64,
    /// Segments of either class behind it: human, synthetic.
    pub segments: [usize; 2],
    /// Distance in seconds between a border and where the segments change most, of the splices with a border: quartiles.
    pub border_error: [f64; 3],
    /// The same where the middle of the splice is guessed.
    pub border_error_of_middle: [f64; 3],
    /// By the share that is synthetic.
    pub shares: Vec<ShareReport>,
    /// Splices that could not be made or judged.
    #[serde(skip)]
    pub skipped: Vec<Skipped>,
}

/// How splices of one share are judged.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ShareReport {
    /// Part of the splice that is synthetic.
    pub share: f64,
    /// Share of the splices whose verdict is `AI_GENERATED`.
    pub called_ai: f64,
    /// Share of them with a segment of P(AI) above 0.8.
    pub a_segment_above_80_percent: f64,
    /// Median P(AI) of the clip.
    pub median: f64,
}

/// A splice and what the model makes of it.
struct Judged {
    splice: Splice,
    ai_probability: f64,
    segments: Vec<Segment>,
}

/// Splices clips of the manifests and measures what the model's segments show.
///
/// # Errors
/// [`TrainingError`] if a manifest cannot be read, or no voice has clips of both classes.
pub fn splice(
    model: &Model,
    options: &SpliceOptions,
    progress: ProgressFn,
) -> Result<SpliceReport, TrainingError> {
    let mut clips = Vec::new();
    for source in &options.manifests {
        clips.extend(source.read()?);
    }
    if let Some(path) = &options.speakers {
        let wanted = manifest::read_held_out(path)?;
        clips.retain(|clip| wanted.contains_key(&clip.speaker));
    }
    let voices: Vec<Voice> = voices(clips).into_values().collect();
    if voices.is_empty() {
        return Err(TrainingError::Fit(
            "no speaker and no corpus has human and synthetic clips to splice".into(),
        ));
    }
    let analyser = Analyser::new(model.clone());
    let total = options.each * SHARES.len();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let judged: Vec<Result<Judged, Skipped>> = in_pool(options.jobs, || {
        let judge = |scratch: &mut AnalysisScratch, number: usize| {
            let mut rng = Rng::new(options.seed, number as u64);
            let result = draw(&voices, SHARES[number % SHARES.len()], &mut rng);
            let result = result.and_then(|splice| {
                let analysis = analyser.judge(&splice.waveform, true, scratch);
                let analysis = analysis.map_err(|error| error.to_string())?;
                Ok(Judged {
                    splice,
                    ai_probability: analysis.ai_probability,
                    segments: analysis.segments,
                })
            });
            let done = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            progress(Progress {
                stage: Stage::Features,
                done,
                total,
            });
            result.map_err(|reason| Skipped {
                file: format!("splice {number}"),
                reason,
            })
        };
        Ok((0..total)
            .into_par_iter()
            .map_init(AnalysisScratch::default, judge)
            .collect())
    })?;
    let (judged, skipped): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
    let judged: Vec<_> = judged.into_iter().flatten().collect();
    let mut report = SpliceReport::of(model, &judged);
    report.voices = voices.len();
    report.skipped = skipped.into_iter().filter_map(Result::err).collect();
    Ok(report)
}

/// Where segments change most, in seconds: the time that divides their log-odds into two means with the least squared
/// distance from them. `None` for fewer than two segments.
#[must_use]
pub fn border(segments: &[Segment]) -> Option<f64> {
    // Of two segments that are as good as certain, neither is to weigh more for a digit far behind the point.
    let certain = |s: &Segment| s.ai_probability.clamp(1e-6, 1.0 - 1e-6);
    let values: Vec<f64> = segments.iter().map(certain).map(log_odds).collect();
    let spread = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        part.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    let cost = |at: &usize| spread(&values[..*at]) + spread(&values[*at..]);
    let at = (1..values.len()).min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
    let middle = |s: &Segment| (s.start + s.end) / 2.0;
    Some((middle(&segments[at - 1]) + middle(&segments[at])) / 2.0)
}

impl SpliceReport {
    fn of(model: &Model, judged: &[Judged]) -> Self {
        let threshold = model.info().threshold;
        let (mut scores, mut is_ai) = (Vec::new(), Vec::new());
        let (mut errors, mut of_middle) = (Vec::new(), Vec::new());
        for Judged {
            splice, segments, ..
        } in judged
        {
            for segment in segments {
                let before = segment.end <= splice.border;
                if before || segment.start >= splice.border {
                    scores.push(segment.ai_probability);
                    is_ai.push(before == splice.synthetic_first);
                }
            }
            if splice.share > 0.0 && splice.share < 1.0 {
                let middle = splice.waveform.duration_seconds() / 2.0;
                of_middle.push((middle - splice.border).abs());
                let found = border(segments).unwrap_or(middle);
                errors.push((found - splice.border).abs());
            }
        }
        let share = |&share: &f64| {
            let of: Vec<_> = judged
                .iter()
                .filter(|judged| judged.splice.share == share)
                .collect();
            let rate = |holds: &dyn Fn(&Judged) -> bool| {
                of.iter().filter(|judged| holds(judged)).count() as f64 / of.len().max(1) as f64
            };
            let sure = |s: &Segment| s.ai_probability > 0.8;
            let mut clips: Vec<f64> = of.iter().map(|judged| judged.ai_probability).collect();
            ShareReport {
                share,
                called_ai: rate(&|judged| judged.ai_probability > threshold),
                a_segment_above_80_percent: rate(&|judged| judged.segments.iter().any(sure)),
                median: quartiles(&mut clips)[1],
            }
        };
        let synthetic = is_ai.iter().filter(|&&ai| ai).count();
        Self {
            model: model.info().full_name(),
            splices: judged.len(),
            voices: 0,
            segment_eer: Ranking::new(&scores, &is_ai).eer(|_| 1.0),
            segments: [is_ai.len() - synthetic, synthetic],
            border_error: quartiles(&mut errors),
            border_error_of_middle: quartiles(&mut of_middle),
            shares: SHARES.iter().map(share).collect(),
            skipped: Vec::new(),
        }
    }

    /// A table of the shares under the figures of all.
    #[must_use]
    pub fn markdown(&self) -> String {
        let [low, median, high] = self.border_error;
        let mut text = format!(
            "{} splices of {} voices by {}. Segment EER {:.1} % ({} human and {} synthetic segments). Border error {median:.1} s \
             (quartiles {low:.1} to {high:.1}), guessing the middle {:.1} s.\n\n\
             | synthetic share | called AI | a segment above 0.8 | median P(AI) |\n| --- | --- | --- | --- |",
            self.splices,
            self.voices,
            self.model,
            100.0 * self.segment_eer,
            self.segments[0],
            self.segments[1],
            self.border_error_of_middle[1],
        );
        for row in &self.shares {
            let _ = write!(
                text,
                "\n| {:.0} % | {:.0} % | {:.0} % | {:.2} |",
                100.0 * row.share,
                100.0 * row.called_ai,
                100.0 * row.a_segment_above_80_percent,
                row.median
            );
        }
        text
    }
}

/// Lower quartile, median and upper quartile; NaN without values.
fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| {
        let place = (part * values.len().saturating_sub(1) as f64).round() as usize;
        values.get(place).copied().unwrap_or(f64::NAN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(probabilities: &[f64]) -> Vec<Segment> {
        let segment = |(start, &ai_probability): (usize, &f64)| Segment {
            start: start as f64,
            end: start as f64 + 3.0,
            ai_probability,
        };
        probabilities.iter().enumerate().map(segment).collect()
    }

    #[test]
    fn the_border_is_where_segments_change_most() {
        // Centres at 1.5, 2.5, ...: between the third and the fourth lies 4.0.
        let found = border(&segments(&[0.1, 0.2, 0.1, 0.9, 0.8, 0.9]));
        assert_eq!(found, Some(4.0));
        let found = border(&segments(&[0.9, 0.4, 0.3, 0.35, 0.4]));
        assert_eq!(found, Some(2.0));
        assert_eq!(border(&segments(&[0.5])), None);
    }
}
