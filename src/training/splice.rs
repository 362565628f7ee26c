//! Half-synthetic recordings: human and synthetic speech of one voice joined, and how well segments show where.
//!
//! Each splice has one border: a stretch of human clips, then one of synthetic clips by one engine, or the other way
//! round. Both are of one speaker id, or where the id has only one class, of one corpus. Loudness is the same on both
//! sides and the joint is a cross-fade of 20 ms, so that neither gives the border away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rayon::prelude::*;

use super::manifest::{self, Clip, ManifestSource};
use super::metrics::Ranking;
use super::rng::Rng;
use super::{Progress, ProgressFn, Skipped, Stage, TrainingError, in_pool};
use crate::analysis::{Analyser, AnalysisScratch, Segment};
use crate::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use crate::model::Model;

/// A splice, P(AI) of the whole, and its stretches.
type Judged = (Splice, f64, Vec<Segment>);

/// Shares of a splice that are synthetic; at 0 and 1 there is no border.
pub const SHARES: [f64; 7] = [0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0];
/// What the length of a splice is drawn from, in seconds.
const SECONDS: [f64; 2] = [8.0, 15.0];
/// Shortest one where a voice has no more, in seconds.
const SHORTEST: f64 = 6.0;
/// Draws of a voice before a splice is given up: many have too few clips for one.
const ATTEMPTS: usize = 50;
/// Samples of the cross-fade.
const FADE: usize = SAMPLE_RATE as usize / 50;
/// Root mean square that both sides are brought to.
const LEVEL: f32 = 0.08;

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

/// The clips of one voice: human ones, and the synthetic ones of each engine.
#[derive(Debug, Default)]
struct Voice {
    human: Vec<Clip>,
    engines: BTreeMap<String, Vec<Clip>>,
}

/// A splice and where its border is, in seconds.
struct Splice {
    waveform: Waveform,
    share: f64,
    border: f64,
    synthetic_first: bool,
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
                Ok((splice, analysis.ai_probability, analysis.segments))
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

/// A splice of a voice that has enough to say for it.
fn draw(voices: &[Voice], share: f64, rng: &mut Rng) -> Result<Splice, String> {
    let mut splice = || voices[rng.below(voices.len())].splice(share, rng);
    let mut result = splice();
    for _ in 1..ATTEMPTS {
        if result.is_ok() {
            break;
        }
        result = splice();
    }
    result
}

/// Voices by corpus and speaker id; corpora of which no speaker has both classes are one voice each.
fn voices(clips: Vec<Clip>) -> BTreeMap<(String, String), Voice> {
    let mut speakers: BTreeMap<(String, String), Voice> = BTreeMap::new();
    let mut corpora: BTreeMap<(String, String), Voice> = BTreeMap::new();
    for clip in clips.into_iter().filter(|clip| !clip.is_copy()) {
        if clip.corpus == "unknown" || clip.corpus == "own" {
            continue;
        }
        let add = |voices: &mut BTreeMap<_, Voice>, speaker: &str| {
            let voice = voices
                .entry((clip.corpus.clone(), speaker.to_string()))
                .or_default();
            if clip.is_ai() {
                let engine = voice.engines.entry(clip.engine.clone()).or_default();
                engine.push(clip.clone());
            } else {
                voice.human.push(clip.clone());
            }
        };
        if !clip.speaker.is_empty() {
            add(&mut speakers, &clip.speaker);
        }
        add(&mut corpora, "");
    }
    let both = |voice: &Voice| !voice.human.is_empty() && !voice.engines.is_empty();
    speakers.retain(|_, voice| both(voice));
    corpora.retain(|_, voice| both(voice));
    let covered: BTreeSet<String> = speakers.keys().map(|(corpus, _)| corpus.clone()).collect();
    corpora.retain(|(corpus, _), _| !covered.contains(corpus));
    speakers.append(&mut corpora);
    speakers
}

impl Voice {
    fn splice(&self, share: f64, rng: &mut Rng) -> Result<Splice, String> {
        let engines: Vec<&Vec<Clip>> = self.engines.values().collect();
        let engine = engines[rng.below(engines.len())];
        let human = joined(&self.human, rng)?;
        let synthetic = joined(engine, rng)?;
        // As long as both sides last.
        let seconds = |samples: &[f32]| samples.len() as f64 / f64::from(SAMPLE_RATE);
        let longest =
            (seconds(&synthetic) / share.max(1e-9)).min(seconds(&human) / (1.0 - share).max(1e-9));
        let length = rng.between(SECONDS[0], SECONDS[1]).min(longest);
        if length < SHORTEST {
            return Err(format!(
                "the voice's clips last {length:.1} s at a share of {share}"
            ));
        }
        let count = |part: f64| (part * length * f64::from(SAMPLE_RATE)) as usize;
        let part =
            |samples: &[f32], share: f64| samples[..count(share).min(samples.len())].to_vec();
        let sides = [part(&human, 1.0 - share), part(&synthetic, share)];
        let synthetic_first = rng.unit() < 0.5;
        let [first, second] = if synthetic_first {
            let [human, synthetic] = sides;
            [synthetic, human]
        } else {
            sides
        };
        let border = seconds(&first);
        Ok(Splice {
            waveform: Waveform::new(cross_faded(first, &second)),
            share,
            border,
            synthetic_first,
        })
    }
}

/// Clips in random order, joined until the longest splice is filled, at one level.
fn joined(clips: &[Clip], rng: &mut Rng) -> Result<Vec<f32>, String> {
    let mut order: Vec<&Clip> = clips.iter().collect();
    rng.shuffle(&mut order);
    let wanted = (SECONDS[1] * f64::from(SAMPLE_RATE)) as usize;
    let mut samples = Vec::new();
    for clip in order {
        let named = |problem: String| format!("{}: {problem}", clip.path.display());
        let bytes = std::fs::read(&clip.path).map_err(|error| named(error.to_string()))?;
        let waveform = audio::decode(&bytes, &DecodeLimits::default());
        let mut next = waveform
            .map_err(|error| named(error.to_string()))?
            .into_samples();
        level(&mut next);
        samples = cross_faded(samples, &next);
        if samples.len() >= wanted {
            break;
        }
    }
    Ok(samples)
}

fn level(samples: &mut [f32]) {
    let power: f32 = samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32;
    let gain = LEVEL / power.sqrt().max(1e-6);
    // Scaled beyond full scale, the loudest peaks would be clipped by a file.
    samples
        .iter_mut()
        .for_each(|x| *x = (*x * gain).clamp(-1.0, 1.0));
}

/// `first`, then `second`, overlapping by the cross-fade.
fn cross_faded(mut first: Vec<f32>, second: &[f32]) -> Vec<f32> {
    let fade = FADE.min(first.len()).min(second.len());
    let from = first.len() - fade;
    for (n, (x, y)) in first[from..].iter_mut().zip(second).enumerate() {
        let share = (n + 1) as f32 / (fade + 1) as f32;
        *x = *x * (1.0 - share) + y * share;
    }
    first.extend(&second[fade..]);
    first
}

/// Where segments change most, in seconds: the time that divides their log-odds into two means with the least squared
/// distance from them. `None` for fewer than two segments.
#[must_use]
pub fn border(segments: &[Segment]) -> Option<f64> {
    let log_odds = |s: &Segment| {
        let p = s.ai_probability.clamp(1e-6, 1.0 - 1e-6);
        (p / (1.0 - p)).ln()
    };
    let values: Vec<f64> = segments.iter().map(log_odds).collect();
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
        for (splice, _, segments) in judged {
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
            let of: Vec<_> = judged.iter().filter(|(s, ..)| s.share == share).collect();
            let rate = |holds: &dyn Fn(&Judged) -> bool| {
                of.iter().filter(|judged| holds(judged)).count() as f64 / of.len().max(1) as f64
            };
            let sure = |s: &Segment| s.ai_probability > 0.8;
            let mut clips: Vec<f64> = of.iter().map(|(_, p, _)| *p).collect();
            ShareReport {
                share,
                called_ai: rate(&|(_, p, _)| *p > threshold),
                a_segment_above_80_percent: rate(&|(.., segments)| segments.iter().any(sure)),
                median: quartiles(&mut clips)[1],
            }
        };
        let synthetic = is_ai.iter().filter(|&&ai| ai).count();
        Self {
            model: format!("{}/{}", model.info().name, model.info().version),
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

    #[test]
    fn a_cross_fade_keeps_all_but_the_overlap() {
        let joined = cross_faded(vec![1.0; 5_000], &[-1.0; 3_000]);
        assert_eq!(joined.len(), 8_000 - FADE);
        assert_eq!((joined[0], joined[joined.len() - 1]), (1.0, -1.0));
        assert!(joined.is_sorted_by(|a, b| a >= b));
        assert_eq!(cross_faded(Vec::new(), &[0.5; 10]), [0.5; 10]);
    }

    #[test]
    fn a_corpus_is_a_voice_where_no_speaker_has_both_classes() {
        use crate::training::manifest::Label;
        let clip = |corpus: &str, speaker: &str, label, engine: &str| Clip {
            corpus: corpus.into(),
            speaker: speaker.into(),
            engine: engine.into(),
            ..Clip::new(format!("{corpus}-{speaker}-{engine}.mp3"), label)
        };
        let found = voices(vec![
            clip("vctk", "p1", Label::Human, "human"),
            clip("vctk", "p1", Label::Ai, "a"),
            clip("vctk", "p2", Label::Ai, "a"),
            clip("jsut", "x", Label::Human, "human"),
            clip("jsut", "y", Label::Ai, "b"),
            clip("unknown", "z", Label::Human, "human"),
            clip("unknown", "z", Label::Ai, "b"),
            clip("aishell", "z", Label::Ai, "b"),
        ]);
        let keys: Vec<_> = found.keys().cloned().collect();
        let key = |corpus: &str, speaker: &str| (corpus.to_string(), speaker.to_string());
        assert_eq!(keys, [key("jsut", ""), key("vctk", "p1")]);
    }
}
