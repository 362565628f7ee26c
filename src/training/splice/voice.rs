//! Voices and their splices: which clips are joined, and how.

use std::collections::{BTreeMap, BTreeSet};

use crate::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use crate::training::manifest::Clip;
use crate::training::rng::Rng;

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

/// The clips of one voice: human ones, and the synthetic ones of each engine.
#[derive(Debug, Default)]
pub(super) struct Voice {
    human: Vec<Clip>,
    engines: BTreeMap<String, Vec<Clip>>,
}

/// A splice and where its border is, in seconds.
pub(super) struct Splice {
    pub waveform: Waveform,
    pub share: f64,
    pub border: f64,
    pub synthetic_first: bool,
}

/// A splice of a voice that has enough to say for it.
pub(super) fn draw(voices: &[Voice], share: f64, rng: &mut Rng) -> Result<Splice, String> {
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
pub(super) fn voices(clips: Vec<Clip>) -> BTreeMap<(String, String), Voice> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
