//! Which kind of estimator is trained, and with which settings.

use std::fmt;

use super::boosting_fit::{self, BoostingSettings};
use super::corpus::Corpus;
use super::forest_fit::{self, ForestSettings};
use super::kernel_fit::{self, KernelSettings, Known};
use super::logistic_fit::{self, LogisticSettings};
use super::mlp_fit::{self, MlpSettings};
use super::network::NetworkSettings;
use super::{TrainingError, manifest::Clip, protocol};
use crate::model::Pipeline;

/// An estimator to be fitted. In JSON, the settings alone: the kind stands beside them.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum EstimatorSettings {
    /// The replaced stack's: [`forest_fit`].
    RandomForest(ForestSettings),
    /// The linear one: [`logistic_fit`].
    Logistic(LogisticSettings),
    /// The replaced stack's second: [`boosting_fit`].
    GradientBoosting(BoostingSettings),
    /// The replaced stack's third: [`mlp_fit`].
    Mlp(MlpSettings),
    /// Likeness to clips of the training, group of features by group: [`kernel_fit`].
    Kernel(KernelSettings),
    /// The convolutional one, over spectrograms: [`super::network`].
    Network(NetworkSettings),
}

impl EstimatorSettings {
    /// Names of the kinds, as on the command line and in [`crate::model::ModelInfo`].
    pub const KINDS: &'static [&'static str] = &[
        "random-forest",
        "logistic",
        "gradient-boosting",
        "mlp",
        "kernel",
        "network",
    ];

    /// Name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RandomForest(_) => Self::KINDS[0],
            Self::Logistic(_) => Self::KINDS[1],
            Self::GradientBoosting(_) => Self::KINDS[2],
            Self::Mlp(_) => Self::KINDS[3],
            Self::Kernel(_) => Self::KINDS[4],
            Self::Network(_) => Self::KINDS[5],
        }
    }

    /// Fits all stages to the clips `chosen` of a corpus.
    ///
    /// # Errors
    /// [`TrainingError::Fit`] if the estimator cannot be fitted to them; a network cannot be fitted to features.
    pub fn fit(&self, corpus: &Corpus, chosen: &[usize]) -> Result<Pipeline, TrainingError> {
        // A clip's copies follow it, with its class and its group.
        let each = 1 + corpus.copy_options.training;
        let clips: Vec<&Clip> = chosen
            .iter()
            .flat_map(|&i| std::iter::repeat_n(&corpus.clips[i], each))
            .collect();
        let rows: Vec<&[f64]> = chosen
            .iter()
            .flat_map(|&i| corpus.rows_of(i))
            .map(Vec::as_slice)
            .collect();
        let is_ai: Vec<bool> = clips.iter().map(|clip| clip.is_ai()).collect();
        match self {
            Self::RandomForest(settings) => forest_fit::fit(&rows, &is_ai, settings),
            Self::Logistic(settings) => {
                let groups = groups(&clips, each);
                // The objective adds up rows: the penalty then weighs as much as without copies.
                let settings = LogisticSettings {
                    c: settings.c / each as f64,
                    ..*settings
                };
                logistic_fit::fit(&rows, &is_ai, &groups, &settings)
            }
            Self::GradientBoosting(settings) => boosting_fit::fit(&rows, &is_ai, settings),
            Self::Mlp(settings) => mlp_fit::fit(&rows, &is_ai, settings),
            Self::Kernel(settings) => {
                let groups = groups(&clips, each);
                let ends = corpus.features.group_ends();
                let speakers: Vec<_> = clips.iter().map(|clip| protocol::speaker(clip)).collect();
                let corpora: Vec<_> = clips.iter().map(|clip| clip.source()).collect();
                let languages: Vec<_> = clips.iter().map(|clip| language(clip)).collect();
                let known = Known {
                    is_ai: &is_ai,
                    groups: &groups,
                    corpora: &corpora,
                    languages: &languages,
                    speakers: &speakers,
                };
                kernel_fit::fit(&rows, &known, each, ends, settings)
            }
            Self::Network(_) => Err(TrainingError::Fit(
                "a network is fitted to spectrograms, not to features".into(),
            )),
        }
    }
}

/// The group of each row, shape `[n]`, of which `each` belong to one clip.
///
/// A class of one group is divided row by row for calibration: with copies, every clip is then a group of its own, so
/// that its copies stay with it. Weights are the same either way.
fn groups<'a>(clips: &[&'a Clip], each: usize) -> Vec<&'a str> {
    let single = |ai: bool| {
        let mut class = clips.iter().filter(|clip| clip.is_ai() == ai);
        let first = class.next().map(|clip| group(clip));
        each > 1 && class.all(|clip| Some(group(clip)) == first)
    };
    let single = [single(false), single(true)];
    let group = |clip: &&'a Clip| {
        if single[usize::from(clip.is_ai())] {
            &clip.file
        } else {
            group(clip)
        }
    };
    clips.iter().map(group).collect()
}

/// What a clip shares with others that it is not independent of: the engine family of a synthetic
/// clip, the recording source of a human one.
pub(super) fn group(clip: &Clip) -> &str {
    if clip.is_ai() {
        &clip.family
    } else {
        clip.source()
    }
}

/// The language of a clip without its region; one name for all whose language nobody knows.
pub(super) fn language(clip: &Clip) -> &str {
    match clip.language.split(['-', '_']).next() {
        Some("" | "und" | "unknown") | None => "",
        Some(language) => language,
    }
}

impl fmt::Display for EstimatorSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::RandomForest(settings) => settings.fmt(f),
            Self::Logistic(settings) => settings.fmt(f),
            Self::GradientBoosting(settings) => settings.fmt(f),
            Self::Mlp(settings) => settings.fmt(f),
            Self::Kernel(settings) => settings.fmt(f),
            Self::Network(settings) => settings.fmt(f),
        }
    }
}
