//! How often each warning of a detailed answer is given: on clips as recorded, and on copies of known condition.
//!
//! What a threshold of [`crate::warnings`] is worth: it should be silent on good recordings and speak where the
//! condition is what it is about.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rayon::prelude::*;

use super::channel::band_limit::BandLimit;
use super::channel::level::Clipping;
use super::channel::mp3::Mp3;
use super::channel::noise::{Noise, NoiseKind};
use super::channel::telephone::{Law, Telephone};
use super::channel::{Chain, Channel, Filter, Preset, Step};
use super::corpus::decode;
use super::manifest::{Clip, ManifestSource};
use super::{Progress, ProgressFn, Skipped, Stage, TrainingError, in_pool};
use crate::analysis::{Analyser, AnalysisScratch};
use crate::audio::{SAMPLE_RATE, Waveform};
use crate::model::Model;
use crate::quality::Gauge;
use crate::warnings::{WarningCode, warnings};

/// What is asked.
#[derive(Debug, Clone)]
pub struct RatesOptions {
    /// The clips.
    pub manifests: Vec<ManifestSource>,
    /// Every how many clips one is taken, from 1.
    pub every: usize,
    /// Seed of the copies.
    pub seed: u64,
    /// Threads; all cores where absent.
    pub jobs: Option<usize>,
}

/// Rates of all conditions.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RatesReport {
    /// Conditions in the order in which they were measured.
    pub conditions: Vec<ConditionRates>,
    /// Clips that could not be judged in a condition.
    #[serde(skip)]
    pub skipped: Vec<Skipped>,
}

/// Rates of one condition.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ConditionRates {
    /// What the clips went through.
    pub condition: String,
    /// Clips that were judged.
    pub clips: usize,
    /// Share of them with each warning, by code.
    pub rates: BTreeMap<&'static str, f64>,
    /// Share of them without any.
    pub none: f64,
}

/// What clips go through.
enum Condition {
    Recorded,
    /// The first seconds alone.
    First(f64),
    Steps(Vec<Step>),
    Channel(Channel),
}

fn conditions() -> Vec<(String, Condition)> {
    let mut all = vec![
        ("recorded".to_string(), Condition::Recorded),
        ("first 2 s".into(), Condition::First(2.0)),
    ];
    let mp3 = |bitrate, rate| Step::Mp3(Mp3 { bitrate, rate });
    let mut steps = |name: &str, steps| all.push((name.into(), Condition::Steps(steps)));
    for law in [Law::Mu, Law::A] {
        steps(
            &format!("telephone, {law:?}-law"),
            vec![Step::Telephone(Telephone { law })],
        );
    }
    for cutoff in [5_000.0, 7_000.0] {
        let limit = Step::BandLimit(BandLimit { cutoff });
        steps(&format!("low-pass {cutoff:.0} Hz"), vec![limit]);
    }
    steps("MP3 at 16 kbit/s", vec![mp3(16, 16_000)]);
    for (kind, name) in [(NoiseKind::White, "white"), (NoiseKind::Pink, "pink")] {
        for snr in [10.0, 15.0, 20.0, 30.0] {
            let noise = Step::Noise(Noise { kind, snr });
            steps(&format!("{name} noise at {snr:.0} dB"), vec![noise]);
        }
    }
    for share in [0.001, 0.003, 0.01] {
        let cut = Step::Clipping(Clipping { share });
        let percent = 100.0 * share;
        steps(&format!("{percent:.1} % clipped"), vec![cut]);
        steps(
            &format!("{percent:.1} % clipped, then MP3 at 48 kbit/s"),
            vec![cut, mp3(48, 22_050)],
        );
    }
    for preset in Preset::ALL {
        // Without ffmpeg: the same copies everywhere.
        let channel = Channel::without_ffmpeg(*preset);
        all.push((
            format!("channel {}", preset.name()),
            Condition::Channel(channel),
        ));
    }
    all
}

impl Condition {
    fn apply(
        &self,
        clip: &Clip,
        waveform: &Waveform,
        seed: u64,
        filter: &mut Filter,
    ) -> Result<Waveform, String> {
        let key = format!("{}#warnings.{seed}", clip.file);
        let copy = match self {
            Self::Recorded => Ok(waveform.clone()),
            Self::First(seconds) => {
                let count = (seconds * f64::from(SAMPLE_RATE)) as usize;
                let samples = waveform.samples();
                Ok(Waveform::new(samples[..count.min(samples.len())].to_vec()))
            }
            Self::Steps(steps) => Chain::of(steps.clone(), &key).apply(waveform, filter),
            Self::Channel(channel) => channel.copy(waveform, &key, filter),
        };
        copy.map_err(|error| error.to_string())
    }
}

/// Measures how often each warning is given to clips of the manifests.
///
/// # Errors
/// [`TrainingError`] if a manifest cannot be read.
pub fn rates(
    model: &Model,
    options: &RatesOptions,
    progress: ProgressFn,
) -> Result<RatesReport, TrainingError> {
    let mut clips = Vec::new();
    for source in &options.manifests {
        clips.extend(source.read()?);
    }
    let clips: Vec<Clip> = clips.into_iter().step_by(options.every.max(1)).collect();
    let conditions = conditions();
    let analyser = Analyser::new(model.clone());
    let gauge = Gauge::default();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let judge = |(scratch, filter): &mut (AnalysisScratch, Filter), clip: &Clip| {
        let decoded = decode(&clip.path).map(|(_, waveform)| waveform);
        let found = conditions
            .iter()
            .map(|(_, condition)| {
                let waveform = decoded.as_ref().map_err(String::clone)?;
                let copy = condition.apply(clip, waveform, options.seed, filter)?;
                let analysis = analyser
                    .judge(&copy, false, scratch)
                    .map_err(|error| error.to_string())?;
                let given = warnings(&gauge.measure(&copy), analysis.outlying);
                Ok(given.iter().map(|warning| warning.code).collect())
            })
            .collect();
        let done = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        progress(Progress {
            stage: Stage::Features,
            done,
            total: clips.len(),
        });
        found
    };
    // Shape [clips][conditions].
    let found: Vec<Vec<Result<Vec<WarningCode>, String>>> = in_pool(options.jobs, || {
        Ok(clips.par_iter().map_init(Default::default, judge).collect())
    })?;
    let mut report = RatesReport {
        conditions: Vec::new(),
        skipped: Vec::new(),
    };
    for (index, (name, _)) in conditions.iter().enumerate() {
        let mut judged = Vec::new();
        for (clip, found) in clips.iter().zip(&found) {
            match &found[index] {
                Ok(codes) => judged.push(codes),
                Err(reason) => report.skipped.push(Skipped {
                    file: format!("{} ({name})", clip.file),
                    reason: reason.clone(),
                }),
            }
        }
        report.conditions.push(ConditionRates::of(name, &judged));
    }
    Ok(report)
}

impl ConditionRates {
    fn of(condition: &str, judged: &[&Vec<WarningCode>]) -> Self {
        let share = |count: usize| count as f64 / judged.len().max(1) as f64;
        let rate = |code: &WarningCode| {
            let count = judged.iter().filter(|codes| codes.contains(code)).count();
            (code.as_str(), share(count))
        };
        Self {
            condition: condition.into(),
            clips: judged.len(),
            rates: WarningCode::ALL.iter().map(rate).collect(),
            none: share(judged.iter().filter(|codes| codes.is_empty()).count()),
        }
    }
}

impl RatesReport {
    /// A table, one row a condition, in per cent.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("| condition | clips |");
        for code in WarningCode::ALL {
            let _ = write!(text, " {} |", code.as_str());
        }
        text.push_str(" none |\n| --- | --- |");
        text.push_str(&" --- |".repeat(WarningCode::ALL.len() + 1));
        for row in &self.conditions {
            let _ = write!(text, "\n| {} | {} |", row.condition, row.clips);
            for code in WarningCode::ALL {
                let _ = write!(text, " {:.1} |", 100.0 * row.rates[code.as_str()]);
            }
            let _ = write!(text, " {:.1} |", 100.0 * row.none);
        }
        text
    }
}
