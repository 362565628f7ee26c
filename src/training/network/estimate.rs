//! Networks of a corpus: fitted to some of its clips, scoring others, calibrated.

use std::path::Path;

use rayon::prelude::*;

use super::super::conditions::{self, RECORDED};
use super::super::corpus::Corpus;
use super::super::estimator::{group, language};
use super::super::protocol::Fold;
use super::super::{TrainingError, calibrate};
use super::architecture::Architecture;
use super::fit::{Example, NetworkSettings, fit};
use super::spectrogram::Spectrogram;
use crate::model::Calibration;
use crate::model::network::{Network, RunScratch, Runner};

/// What stands for the feature set of a network in reports.
pub const FEATURES: &str = "bands";

/// Hears of each step that is done: how many, of how many.
pub type Told<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Fits a network to the clips `chosen`.
///
/// # Errors
/// As [`fit`].
pub fn fit_to(
    corpus: &Corpus<Spectrogram>,
    chosen: &[usize],
    settings: &NetworkSettings,
    told: &(dyn Fn(usize) + Sync),
) -> Result<Network, TrainingError> {
    let example = |&index: &usize| Example {
        recorded: &corpus.rows[index],
        copies: &corpus.copies[index],
        is_ai: corpus.clips[index].is_ai(),
        group: group(&corpus.clips[index]),
        language: language(&corpus.clips[index]),
    };
    let examples: Vec<Example> = chosen.iter().map(example).collect();
    let architecture = Architecture::of_width(settings.width);
    fit(&architecture, &examples, settings, &|step, _| told(step))
}

/// Logits of spectrograms by the serving code, with the weights in 8 bits as an artifact holds them: the mean over the
/// windows.
///
/// # Errors
/// [`TrainingError::Fit`] if the network cannot be served.
pub fn logits<'a>(
    network: &Network,
    sounds: impl IntoParallelIterator<Item = &'a Spectrogram, Iter: IndexedParallelIterator>,
) -> Result<Vec<f64>, TrainingError> {
    let runner = Runner::new(network).map_err(TrainingError::Fit)?;
    let logit = |scratch: &mut RunScratch, sound: &Spectrogram| {
        let windows = runner.windows(&sound.logs(), scratch);
        windows.iter().map(|window| window.logit).sum::<f64>() / windows.len().max(1) as f64
    };
    Ok(sounds
        .into_par_iter()
        .map_init(RunScratch::default, logit)
        .collect())
}

/// Fits a network for each fold and scores its test clips in each condition, shape `[folds][conditions][clips tested]`.
/// One fold after the other: a fit is parallel in itself.
///
/// # Errors
/// As [`fit`].
pub fn score_folds(
    corpus: &Corpus<Spectrogram>,
    folds: &[Fold],
    conditions: &[&[Spectrogram]],
    settings: &NetworkSettings,
    told: Told,
) -> Result<Vec<Vec<Vec<f64>>>, TrainingError> {
    let steps = settings.all_steps();
    let mut scored = Vec::new();
    let mut fitted: Option<(Network, Calibration)> = None;
    for (number, fold) in folds.iter().enumerate() {
        let told = |step| told(number * steps + step, folds.len() * steps);
        // Corpora of one set follow each other and have the same network.
        let known = fitted.filter(|_| folds[number - 1].train == fold.train);
        let (network, calibration) = match known {
            Some(known) => known,
            None => fit_calibrated(corpus, &fold.train, settings, None, &told)?,
        };
        let score = |rows: &&[Spectrogram]| {
            let sounds: Vec<&Spectrogram> = fold.test.iter().map(|&i| &rows[i]).collect();
            let logits = logits(&network, sounds)?;
            Ok(logits
                .into_iter()
                .map(|z| calibration.probability(z))
                .collect())
        };
        let scores: Result<Vec<_>, TrainingError> = conditions.iter().map(score).collect();
        scored.push(scores?);
        fitted = Some((network, calibration));
    }
    Ok(scored)
}

/// Fits a network to the clips `chosen` and its calibration to scores of clips whose group the scoring network had not
/// heard: those of `calibration_scores`, or those of [`NetworkSettings::calibration_folds`] further fits with half of the
/// steps; without either, the network's logit is taken as log-odds.
///
/// # Errors
/// As [`fit`] and [`read_scores`].
pub fn fit_calibrated(
    corpus: &Corpus<Spectrogram>,
    chosen: &[usize],
    settings: &NetworkSettings,
    calibration_scores: Option<&Path>,
    told: &(dyn Fn(usize) + Sync),
) -> Result<(Network, Calibration), TrainingError> {
    let network = fit_to(corpus, chosen, settings, told)?;
    let is_ai: Vec<bool> = chosen.iter().map(|&i| corpus.clips[i].is_ai()).collect();
    if let Some(path) = calibration_scores {
        let (scores, is_ai) = read_scores(path)?;
        return Ok((network, calibrate::platt(&scores, &is_ai)));
    }
    let folds = settings.calibration_folds;
    if folds == 0 {
        return Ok((network, Calibration::LOG_ODDS));
    }
    let groups: Vec<&str> = chosen.iter().map(|&i| group(&corpus.clips[i])).collect();
    let part_of = calibrate::grouped_into(folds, &is_ai, &groups);
    let shorter = settings.of_calibration();
    let mut scores = vec![0.0; chosen.len()];
    for part in 0..folds {
        let (test, train): (Vec<usize>, Vec<usize>) =
            (0..chosen.len()).partition(|&i| part_of[i] == part);
        if test.is_empty() {
            continue;
        }
        let train: Vec<usize> = train.iter().map(|&i| chosen[i]).collect();
        let before = settings.steps + part * shorter.steps;
        let fold = fit_to(corpus, &train, &shorter, &|step| told(before + step))?;
        let sounds: Vec<&Spectrogram> = test.iter().map(|&i| &corpus.rows[chosen[i]]).collect();
        for (i, logit) in test.iter().zip(logits(&fold, sounds)?) {
            scores[*i] = logit;
        }
    }
    Ok((network, calibrate::platt(&scores, &is_ai)))
}

/// Logits and classes of a CSV that `voxproof evaluate --scores` wrote for a network without calibration: those of the
/// protocol `grouped`, as recorded.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be read, [`TrainingError::Manifest`] if a column is missing, a score is not a
/// probability, or a class has no row.
pub fn read_scores(path: &Path) -> Result<(Vec<f64>, Vec<bool>), TrainingError> {
    let (mut scores, mut is_ai) = (Vec::new(), Vec::new());
    let rows = conditions::read_scores(path)?.into_iter();
    for row in rows.filter(|row| row.protocol == "grouped" && row.condition == RECORDED) {
        scores.push(row.log_odds());
        is_ai.push(row.label == "ai");
    }
    if is_ai.iter().all(|&ai| ai) || !is_ai.contains(&true) {
        let problem = "scores of both classes, of the protocol grouped and as recorded, are needed";
        return Err(TrainingError::Manifest {
            file: path.to_path_buf(),
            line: 1,
            column: "score".into(),
            problem: problem.into(),
        });
    }
    Ok((scores, is_ai))
}
