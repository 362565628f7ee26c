//! What attackers and telephone lines do to verdicts: error rates under each change of a clip, at each strength.
//!
//! The folds of [`Protocol::Grouped`], so that no tested engine, source or (where asked for) speaker was heard in training.
//! A sample of each fold's test clips, as many of either class, is sent through every attack: both classes alike, since a
//! telephone does not ask who is speaking. The models are those of the folds, and every row has the same clips, so that
//! rows can be held against the first one.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::channel::band_limit::BandLimit;
use super::channel::crop::Crop;
use super::channel::level::{Clipping, Level};
use super::channel::mp3::Mp3;
use super::channel::noise::{Noise, NoiseKind};
use super::channel::opus::Opus;
use super::channel::resampling::{Interpolation, Resampling};
use super::channel::reverberation::Reverberation;
use super::channel::speed::{Pitch, Speed};
use super::channel::telephone::{Law, Telephone};
use super::channel::{Chain, Filter, Step};
use super::corpus::{Corpus, decode};
use super::evaluate::Scores;
use super::manifest::Clip;
use super::metrics::Interval;
use super::protocol::{Fold, Protocol};
use super::rng::Rng;
use super::summary::{clusters, ranking};
use super::{Progress, ProgressFn, Stage, THRESHOLD, TrainingError};
use crate::audio::Waveform;
use crate::features::FeatureError;

/// Stream of the random numbers that choose the sample.
const SAMPLE: u64 = 0xa77a;

/// A change of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Attack {
    /// What is done.
    pub name: String,
    /// How much of it.
    pub strength: String,
    /// The steps; none where the clip is as recorded.
    pub steps: Vec<Step>,
}

/// Error rates under one attack.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AttackReport {
    /// What was done.
    pub attack: String,
    /// How much of it.
    pub strength: String,
    /// Clips judged: human, synthetic.
    pub clips: [usize; 2],
    /// Clips too little of which was left to judge.
    pub unjudged: usize,
    /// Equal error rate of all folds together.
    pub eer: Interval,
    /// Share of the synthetic clips called human at the threshold 0.5.
    pub missed: f64,
    /// Share of the human clips called synthetic there.
    pub false_alarms: f64,
}

/// The attacks, the clip as recorded first.
#[must_use]
pub fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    let mut add = |name: &str, strength: String, steps: Vec<Step>| {
        all.push(Attack {
            name: name.into(),
            strength,
            steps,
        });
    };
    add("none", "as recorded".into(), Vec::new());
    for (bitrate, rate) in [(16, 16_000), (32, 22_050), (64, 44_100), (128, 44_100)] {
        let step = Step::Mp3(Mp3 { bitrate, rate });
        add("MP3", format!("{bitrate} kbit/s"), vec![step]);
    }
    for (bitrate, rate) in [(8, 16_000), (16, 16_000), (32, 48_000)] {
        let step = Step::Opus(Opus { bitrate, rate });
        add("Opus", format!("{bitrate} kbit/s"), vec![step]);
    }
    for (rate, interpolation) in [
        (8_000, Interpolation::BandLimited),
        (16_000, Interpolation::BandLimited),
        (11_025, Interpolation::Linear),
    ] {
        let step = Resampling {
            rate,
            interpolation,
        };
        add("resampling", step.to_string(), vec![Step::Resampling(step)]);
    }
    let line = Step::Telephone(Telephone { law: Law::Mu });
    add("telephone", "mu-law".into(), vec![line]);
    let limit = Step::BandLimit(BandLimit { cutoff: 5_000.0 });
    add("low-pass", "5 kHz".into(), vec![limit]);
    for (kind, name) in [
        (NoiseKind::White, "white noise"),
        (NoiseKind::Babble, "babble"),
    ] {
        for snr in [30.0, 20.0, 10.0] {
            let step = Step::Noise(Noise { kind, snr });
            add(name, format!("{snr:.0} dB below"), vec![step]);
        }
    }
    for (rt60, direct_to_reverberant) in [(0.3, 6.0), (0.6, 0.0)] {
        let step = Step::Reverberation(Reverberation {
            rt60,
            direct_to_reverberant,
        });
        add("reverberation", format!("{rt60} s"), vec![step]);
    }
    add("played back", "in a small room".into(), playback());
    let percent = |factor: f64| format!("{:+.0} %", 100.0 * (factor - 1.0));
    for factor in [0.94, 0.97, 1.03, 1.06] {
        let step = Step::Speed(Speed { factor });
        add("speed", percent(factor), vec![step]);
    }
    for factor in [0.94, 0.97, 1.03, 1.06] {
        let step = Step::Pitch(Pitch { factor });
        add("pitch", percent(factor), vec![step]);
    }
    for seconds in [3.0, 1.5] {
        let middle = Crop {
            seconds,
            place: 0.5,
        };
        let strength = format!("to {seconds} s");
        add("trimming", strength, vec![Step::Crop(middle)]);
    }
    let quiet = Step::Level(Level { peak: -30.0 });
    add("loudness", "peak at -30 dBFS".into(), vec![quiet]);
    let loud = Step::Clipping(Clipping { share: 0.01 });
    add("loudness", "1 % of the samples clipped".into(), vec![loud]);
    all
}

/// A loudspeaker that ends at 7 kHz in a small room with a fan, half a metre from the microphone.
fn playback() -> Vec<Step> {
    vec![
        Step::BandLimit(BandLimit { cutoff: 7_000.0 }),
        Step::Reverberation(Reverberation {
            rt60: 0.4,
            direct_to_reverberant: 3.0,
        }),
        Step::Noise(Noise {
            kind: NoiseKind::Pink,
            snr: 25.0,
        }),
    ]
}

/// Error rates of the folds' models under every attack, of at most `each` test clips of either class in each fold. `row`
/// makes of a sound what the models judge; `judge` fits a model for each fold and scores its test clips in each condition.
///
/// # Errors
/// [`TrainingError`] if a sampled clip cannot be read again, or a model cannot be fitted.
pub(super) fn measure<R: Clone + Default + Send + Sync, W: Default>(
    corpus: &Corpus<R>,
    folds: &[Fold],
    each: usize,
    seed: u64,
    row: impl Fn(&Waveform, &mut W) -> Result<R, FeatureError> + Sync,
    judge: &impl Fn(Protocol, &[Fold], &[&[R]]) -> Result<Scores, TrainingError>,
    progress: ProgressFn,
) -> Result<Vec<AttackReport>, TrainingError> {
    let attacks = attacks();
    let folds: Vec<Fold> = folds
        .iter()
        .map(|fold| sampled(&corpus.clips, fold, each, seed))
        .collect();
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
    tested.sort_unstable();
    tested.dedup();

    let done = AtomicUsize::new(0);
    let attacked = |(scratch, filter): &mut (W, Filter), &index: &usize| {
        let clip = &corpus.clips[index];
        let (_, waveform) = decode(&clip.path).map_err(|problem| TrainingError::Io {
            file: clip.path.clone(),
            problem,
        })?;
        let through = |attack: &Attack| {
            let key = format!(
                "{}#attack.{}.{}.{seed}",
                clip.file, attack.name, attack.strength
            );
            let copy = Chain::of(attack.steps.clone(), &key).apply(&waveform, filter);
            copy.ok().and_then(|copy| row(&copy, scratch).ok())
        };
        let rows: Vec<Option<R>> = attacks.iter().map(through).collect();
        progress(Progress {
            stage: Stage::Attacks,
            done: 1 + done.fetch_add(1, Ordering::Relaxed),
            total: tested.len(),
        });
        Ok(rows)
    };
    // Shape [clips tested][attacks].
    let rows: Vec<Vec<Option<R>>> = tested
        .par_iter()
        .map_init(Default::default, attacked)
        .collect::<Result<_, TrainingError>>()?;

    // Rows of the tested clips alone. What could not be judged has the clip's own in its place, and its score is left out below.
    let mut conditions = vec![vec![R::default(); corpus.clips.len()]; attacks.len()];
    let mut judged = vec![vec![true; corpus.clips.len()]; attacks.len()];
    for (&index, rows) in tested.iter().zip(rows) {
        for (attack, row) in rows.into_iter().enumerate() {
            judged[attack][index] = row.is_some();
            conditions[attack][index] = row.unwrap_or_else(|| corpus.rows[index].clone());
        }
    }
    let conditions: Vec<&[R]> = conditions.iter().map(Vec::as_slice).collect();
    // Shape [folds][attacks][clips tested].
    let scores = judge(Protocol::Grouped, &folds, &conditions)?;

    let report = |(place, attack): (usize, &Attack)| {
        let (mut indices, mut probabilities) = (Vec::new(), Vec::new());
        let mut unjudged = 0;
        for (fold, scores) in folds.iter().zip(&scores) {
            for (&index, &score) in fold.test.iter().zip(&scores[place]) {
                if judged[place][index] {
                    indices.push(index);
                    probabilities.push(score);
                } else {
                    unjudged += 1;
                }
            }
        }
        AttackReport::new(
            attack,
            &corpus.clips,
            &indices,
            &probabilities,
            unjudged,
            seed,
        )
    };
    Ok(attacks.iter().enumerate().map(report).collect())
}

impl AttackReport {
    /// The rates of `probabilities`, shape `[n]`, of the clips `indices`.
    fn new(
        attack: &Attack,
        clips: &[Clip],
        indices: &[usize],
        probabilities: &[f64],
        unjudged: usize,
        seed: u64,
    ) -> Self {
        let mut counts = [0; 2];
        let mut called_ai = [0; 2];
        for (&index, &probability) in indices.iter().zip(probabilities) {
            let side = usize::from(clips[index].is_ai());
            counts[side] += 1;
            called_ai[side] += usize::from(probability > THRESHOLD);
        }
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        let clusters = clusters(indices.iter().map(|&i| &clips[i]));
        Self {
            attack: attack.name.clone(),
            strength: attack.strength.clone(),
            clips: counts,
            unjudged,
            eer: ranking(clips, indices, probabilities).eer_interval(&clusters, seed),
            missed: share(counts[1] - called_ai[1], counts[1]),
            false_alarms: share(called_ai[0], counts[0]),
        }
    }
}

/// The fold with at most `each` test clips of either class; which ones depends on `seed` and on the fold alone.
fn sampled(clips: &[Clip], fold: &Fold, each: usize, seed: u64) -> Fold {
    let mut test = fold.test.clone();
    Rng::new(seed, SAMPLE + fold.part as u64).shuffle(&mut test);
    let mut taken = [0; 2];
    test.retain(|&index| {
        let count = &mut taken[usize::from(clips[index].is_ai())];
        *count += 1;
        *count <= each
    });
    test.sort_unstable();
    Fold {
        test,
        ..fold.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Label;
    use super::*;

    fn clips() -> Vec<Clip> {
        let clip = |i: usize| {
            let label = if i.is_multiple_of(3) {
                Label::Human
            } else {
                Label::Ai
            };
            Clip {
                speaker: format!("s{i}"),
                family: format!("f{}", i % 5),
                ..Clip::new(format!("{i}.mp3"), label)
            }
        };
        (0..90).map(clip).collect()
    }

    #[test]
    fn a_sample_has_both_classes_and_stays_the_same() {
        let clips = clips();
        let fold = Fold {
            group: "all".into(),
            part: 1,
            train: vec![0, 1],
            test: (2..90).collect(),
        };
        let sample = sampled(&clips, &fold, 10, 42);
        let ai = sample.test.iter().filter(|&&i| clips[i].is_ai()).count();
        assert_eq!((ai, sample.test.len()), (10, 20));
        assert_eq!(sample.train, fold.train);
        assert_eq!(sampled(&clips, &fold, 10, 42), sample);
        assert_ne!(sampled(&clips, &fold, 10, 43), sample);
        assert_eq!(sampled(&clips, &fold, 1_000, 42), fold);
    }

    #[test]
    fn rates_are_those_at_the_threshold() {
        let clips = clips();
        // Clips 0 and 3 are human, 1 and 2 synthetic.
        let attack = &attacks()[0];
        let report = AttackReport::new(attack, &clips, &[0, 1, 2, 3], &[0.6, 0.9, 0.4, 0.1], 7, 1);
        assert_eq!((report.clips, report.unjudged), ([2, 2], 7));
        assert_eq!((report.missed, report.false_alarms), (0.5, 0.5));
        assert_eq!(report.eer.value, 0.5);
    }

    #[test]
    fn attacks_have_names_of_their_own_and_leave_speech() {
        let attacks = attacks();
        let names: std::collections::BTreeSet<_> = attacks
            .iter()
            .map(|attack| (&attack.name, &attack.strength))
            .collect();
        assert_eq!(names.len(), attacks.len());
        assert!(attacks[0].steps.is_empty());
        let samples: Vec<f32> = (0..44_100)
            .map(|n| 0.3 * (n as f32 * 0.05).sin() * (n as f32 * 0.0004).sin())
            // Of 16 bits, as what comes out of a chain.
            .map(|x: f32| (x * 32_768.0).round() / 32_768.0)
            .collect();
        let clip = Waveform::new(samples);
        for attack in &attacks {
            let chain = Chain::of(attack.steps.clone(), &attack.strength);
            let copy = chain.apply(&clip, &mut Filter::default()).unwrap();
            assert!(copy.samples().iter().any(|x| x.abs() > 0.01), "{attack:?}");
            // Another speed and a cut are the only ones that change the length.
            let keeps = !matches!(attack.steps[..], [Step::Speed(_) | Step::Crop(_)]);
            assert_eq!(
                copy.samples().len() == 44_100,
                keeps || attack.strength == "to 3 s"
            );
            assert_eq!(
                copy == clip,
                attack.steps.is_empty() || attack.strength == "to 3 s",
                "{attack:?}"
            );
        }
    }
}
