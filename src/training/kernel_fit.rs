//! Fits the kernel machine on landmarks: a ridge regression of the classes on kernels.
//!
//! With kernels `P` of the rows to the landmarks, shape `[n][m]`, of the landmarks to each other `K`, weights `w` and
//! targets `y` of +1 (synthetic) and -1 (human), it minimises
//!
//! ```text
//! sum_i w_i (P_i c - y_i)^2 + lambda c' K c
//! ```
//!
//! the "subset of regressors" (Poggio and Girosi, "Networks for approximation and learning", Proc. IEEE 78, 1990). Leaving
//! a fold out of it takes the fold's part out of `P' W P`: the scores that the calibration is fitted on cost little.
//!
//! Copies through a channel make it hold through one, and cost what only a clip as recorded shows: engines of another
//! supply are told better by a fit that hears no copies. On the same landmarks two fits are one machine, whose
//! coefficients are the mean of theirs, each in units of its own log-odds.

use std::collections::BTreeSet;
use std::fmt;

use super::TrainingError;
use super::calibrate;
use super::kernel_system::{Kernels, System};
use super::logistic_fit::COVERAGE;
use super::rng::Rng;
use super::weights::weights;
use super::whitening::{self, Speaker};
use crate::model::{
    Bounds, Calibration, Estimator, Kernel, Pipeline, Scaler, Whitened, kernel, whitened,
};

/// Settings of the kernel machine.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KernelSettings {
    /// Landmarks, at most one a clip.
    pub landmarks: usize,
    /// Strength of the regularisation.
    pub lambda: f32,
    /// Steepness of the Gaussians, for features of unit variance: see [`Kernel`].
    pub gamma: f32,
    /// What any two clips have in common: see [`Kernel`].
    pub level: f32,
    /// A clip weighs (clips of its family, within a corpus, or of its source) to this power, and the classes weigh alike.
    pub power: f64,
    /// How far the classes are made to weigh alike within each language, 0 to 1: the strength of [`weights`].
    pub languages: f64,
    /// How far what differs between recordings of one person is shrunk, see [`whitening`]; 0 leaves features as they are.
    pub whitening: f64,
    /// Share of the likeness of all features together beside that of the groups: see [`Whitened::joint`].
    pub joint: f32,
    /// Share of a clip's weight that the clip as recorded has; its copies share the rest.
    pub recorded: f64,
    /// Share of a second fit, which hears no copies, in the score; 0 where there is none. Without copies, both are one.
    pub plain: f64,
    /// Seed of the choice of landmarks.
    pub seed: u64,
}

impl Default for KernelSettings {
    /// What was best under the strict protocol, see `docs/research.md`.
    fn default() -> Self {
        Self {
            landmarks: 1_500,
            lambda: 1.0,
            gamma: 0.3,
            level: 0.1,
            power: -0.5,
            languages: 0.5,
            whitening: 0.5,
            joint: 0.0,
            recorded: 0.5,
            plain: 0.6,
            seed: 42,
        }
    }
}

impl fmt::Display for KernelSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} landmarks, one Gaussian for each group of features and {} of the likeness by one over all, gamma {}, lambda {}, whitened by {} times the covariance \
             within speakers, clips weighted by (size of family within a corpus or of source)^{}, the classes evened out within languages by {}, {} of it as recorded beside copies, a fit without copies for {} of the score, values clipped to their 0.5th and 99.5th percentile, calibrated on {} folds grouped by family \
             and source, seed {}",
            self.landmarks,
            self.joint,
            self.gamma,
            self.lambda,
            self.whitening,
            self.power,
            self.languages,
            self.recorded,
            self.plain,
            calibrate::FOLDS,
            self.seed
        )
    }
}

/// What is known of the rows, each of shape `[n]`.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub is_ai: &'a [bool],
    /// Engine family or human source.
    pub groups: &'a [&'a str],
    /// Corpus that was spoken from or imitated: an engine's clips weigh by their number in each.
    pub corpora: &'a [&'a str],
    /// Tag of the language; all of one tag where none is known.
    pub languages: &'a [&'a str],
    pub speakers: &'a [Speaker<'a>],
}

/// Clips of mean weight that a language is taken to have of either class besides its own, see [`weights`].
const SPARE: f64 = 7.0;

/// Fits all stages to `rows`, shape `[n][features]`, of which `each` in a row belong to one clip. `ends` says where each
/// group of features ends, see [`crate::features::FeatureSet::group_ends`].
///
/// # Errors
/// [`TrainingError::Fit`] if the system cannot be solved, as where a value is not finite.
pub fn fit(
    rows: &[&[f64]],
    known: &Known,
    each: usize,
    ends: &[usize],
    settings: &KernelSettings,
) -> Result<Pipeline, TrainingError> {
    if rows.iter().any(|row| row.iter().any(|x| !x.is_finite())) {
        return Err(TrainingError::Fit("a feature value is not finite".into()));
    }
    // Of clips as recorded: copies spread some values so far that what is left between clips would be small.
    let recorded: Vec<&[f64]> = rows.iter().copied().step_by(each).collect();
    let bounds = Bounds::fit(&recorded, COVERAGE);
    let mut clipped: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
    clipped.iter_mut().for_each(|row| bounds.clip(row));
    let within: Vec<&[f64]> = clipped.iter().map(Vec::as_slice).step_by(each).collect();
    let scaler = Scaler::fit(&within);
    let mut standardised = Vec::with_capacity(rows.len());
    for row in &clipped {
        let mut z = Vec::with_capacity(row.len());
        scaler.transform(row, &mut z);
        z.iter_mut()
            .for_each(|z| *z = z.clamp(-kernel::LIMIT, kernel::LIMIT));
        standardised.push(z);
    }
    drop(clipped);
    let Known {
        is_ai,
        groups,
        corpora,
        languages,
        speakers,
    } = *known;
    let parts: Vec<_> = groups.iter().zip(corpora).collect();
    let weights = weights(
        is_ai,
        &parts,
        languages,
        settings.power,
        SPARE * each as f64,
        settings.languages,
    );
    let chosen = landmarks(&weights, each, settings);
    let short_ends: Vec<u32> = ends.iter().map(|&end| end as u32).collect();
    let mixing = if settings.whitening > 0.0 || settings.joint > 0.0 {
        let human: Vec<(usize, Speaker)> = (0..rows.len())
            .step_by(each)
            .filter(|&row| !is_ai[row])
            .map(|row| (row, speakers[row]))
            .collect();
        let mixing = whitening::fit(&standardised, &human, ends, settings.whitening)?;
        for row in &mut standardised {
            *row = whitened::mix(&mixing, &short_ends, row);
        }
        Some(mixing)
    } else {
        None
    };

    let bytes: Vec<i8> = chosen
        .iter()
        .flat_map(|&row| standardised[row].iter().map(|&z| kernel::quantise(z)))
        .collect();
    let basis: Vec<Vec<f32>> = bytes
        .chunks(scaler.features())
        .map(|landmark| landmark.iter().map(|&byte| kernel::restore(byte)).collect())
        .collect();
    let kernels = Kernels::new(&standardised, &basis, is_ai, ends, settings);

    let part_of = calibrate::grouped_folds(is_ai, groups);
    let fits = fits(&weights, each, settings);
    let (scores, coefficients) = added_up(&fits, &kernels, &part_of, &chosen, is_ai)?;
    let kernel = Kernel {
        gamma: settings.gamma,
        level: settings.level,
        ends: short_ends,
        landmarks: bytes,
        coefficients,
    };
    Ok(Pipeline {
        bounds: Some(bounds),
        scaler,
        estimator: match mixing {
            Some(mixing) => Estimator::Whitened(Whitened {
                mixing,
                joint: settings.joint,
                kernel,
            }),
            None => Estimator::Kernel(kernel),
        },
        calibration: Some(platt_of(&scores, is_ai, |i| {
            let copies = if i.is_multiple_of(each) { each - 1 } else { 0 };
            (calibrate::RECORDED_TIMES * copies).max(1)
        })),
    })
}

/// [`calibrate::platt`] of rows that count `times` each.
fn platt_of(scores: &[f64], is_ai: &[bool], times: impl Fn(usize) -> usize) -> Calibration {
    let counted = (0..scores.len()).flat_map(|i| std::iter::repeat_n(i, times(i)));
    let (scores, is_ai): (Vec<f64>, Vec<bool>) = counted.map(|i| (scores[i], is_ai[i])).unzip();
    calibrate::platt(&scores, &is_ai)
}

/// The fits that the score is made of: the share of each and what its rows weigh, shape `[n]`, of the clips' `weights`.
fn fits(weights: &[f64], each: usize, settings: &KernelSettings) -> Vec<(f64, Vec<f64>)> {
    if each == 1 {
        return vec![(1.0, weights.to_vec())];
    }
    // Copies share their clip's weight, so that lambda means the same with and without them. A clip alone weighs what all
    // of its rows do.
    let spread = |recorded: f64, copy: f64| -> Vec<f64> {
        let share = |row: usize| {
            if row.is_multiple_of(each) {
                recorded
            } else {
                copy
            }
        };
        let rows = weights.iter().enumerate();
        rows.map(|(row, weight)| weight * share(row)).collect()
    };
    let copy = (1.0 - settings.recorded) / (each - 1) as f64;
    let both = [
        (1.0 - settings.plain, spread(settings.recorded, copy)),
        (settings.plain, spread(1.0, 0.0)),
    ];
    both.into_iter().filter(|&(share, _)| share > 0.0).collect()
}

/// Scores out of fold, shape `[n]`, and coefficients, shape `[landmarks]`, of the `fits` together: each in units of its own
/// log-odds, where there are several.
fn added_up(
    fits: &[(f64, Vec<f64>)],
    kernels: &Kernels,
    part_of: &[usize],
    chosen: &[usize],
    is_ai: &[bool],
) -> Result<(Vec<f64>, Vec<f32>), TrainingError> {
    let mut scores = vec![0.0; part_of.len()];
    let mut coefficients = vec![0.0; chosen.len()];
    for (share, weights) in fits {
        let system = kernels.weighted(weights);
        let own = out_of_fold(&system, part_of, chosen)?;
        let all: Vec<usize> = (0..chosen.len()).collect();
        let solution = system.solve(&[], &all)?;
        // What a fit says of clips that it may hear is what its log-odds are to mean.
        let unit = if fits.len() == 1 {
            1.0
        } else {
            platt_of(&own, is_ai, |i| usize::from(weights[i] > 0.0)).slope
        };
        for (sum, own) in scores.iter_mut().zip(own) {
            *sum += share * unit * own;
        }
        for (sum, own) in coefficients.iter_mut().zip(solution) {
            *sum += (share * unit) as f32 * own;
        }
    }
    Ok((scores, coefficients))
}

/// Scores of all rows, shape `[n]`, by fits without the rows and the landmarks of their fold, `part_of`.
fn out_of_fold(
    system: &System,
    part_of: &[usize],
    chosen: &[usize],
) -> Result<Vec<f64>, TrainingError> {
    let mut scores = vec![0.0; part_of.len()];
    for part in 0..calibrate::FOLDS {
        let test: Vec<usize> = (0..part_of.len()).filter(|&i| part_of[i] == part).collect();
        if test.is_empty() {
            continue;
        }
        let kept: Vec<usize> = (0..chosen.len())
            .filter(|&l| part_of[chosen[l]] != part)
            .collect();
        let coefficients = system.solve(&test, &kept)?;
        for i in test {
            scores[i] = system.score(i, &kept, &coefficients);
        }
    }
    Ok(scores)
}

/// Rows that become landmarks, ascending: clips as recorded, drawn without replacement with probabilities proportional
/// to their weights (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
fn landmarks(weights: &[f64], each: usize, settings: &KernelSettings) -> Vec<usize> {
    let mut rng = Rng::new(settings.seed, 0x1a2d);
    let mut keys: Vec<(f64, usize)> = (0..weights.len())
        .step_by(each)
        .map(|row| {
            // Uniform on (0, 1]; the exponential of rate w that it is turned into is smallest where w is large.
            let uniform = (rng.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
            (-uniform.ln() / weights[row], row)
        })
        .collect();
    keys.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keys.truncate(settings.landmarks.max(1));
    let chosen: BTreeSet<usize> = keys.into_iter().map(|(_, row)| row).collect();
    chosen.into_iter().collect()
}
