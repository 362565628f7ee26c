//! What spoke for and against: a model's log-odds, split into one term for each aspect of the speech.
//!
//! The log-odds of an [`Ensemble`](super::Ensemble) are a weighted sum, so that the network's logit is a term of its own. A
//! kernel machine's score splits by [`Kernel::shares`](super::Kernel::shares), a logistic model's into weights times values.
//! Trees and layers do not split exactly in a way as simple, and are not explained.
//!
//! A term is relative to a reference: for aspects of features its mean over clips of the training (of a kernel machine
//! over its landmarks, half of which are synthetic), for the network even odds. What remains is the baseline; terms and
//! baseline sum to the log-odds of P(AI).

use std::sync::OnceLock;

use serde::Serialize;

use super::{Calibration, Estimator, Kernel, Model, Pipeline};
use crate::features::FeatureVector;
use crate::features::aspects::{Aspect, NETWORK};

/// What one aspect of the speech says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Contribution {
    /// Stable name of the aspect, see [`crate::features::aspects`].
    pub group: &'static str,
    /// What the aspect is, in words.
    pub meaning: &'static str,
    /// Log-odds (natural) that it adds: above 0 it speaks for `AI_GENERATED`, below for `HUMAN`.
    pub contribution: f64,
}

/// What all aspects say: their contributions and the baseline sum to the log-odds of P(AI).
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Log-odds of a clip of whose aspects each is as its reference.
    pub baseline: f64,
    /// Contributions, the largest first, whatever their sign.
    pub contributions: Vec<Contribution>,
}

impl Evidence {
    fn new(baseline: f64, contributions: Vec<Contribution>) -> Self {
        let mut evidence = Self {
            baseline,
            contributions,
        };
        evidence.sort();
        evidence
    }

    fn sort(&mut self) {
        let size = |c: &Contribution| c.contribution.abs();
        self.contributions
            .sort_by(|a, b| size(b).total_cmp(&size(a)));
    }

    /// Log-odds that it sums to.
    #[must_use]
    pub fn log_odds(&self) -> f64 {
        let terms = self.contributions.iter().map(|c| c.contribution);
        self.baseline + terms.sum::<f64>()
    }

    /// The weighted mean of the evidence of several clips by the same model; `None` without clips or weight.
    #[must_use]
    pub fn mean<'a>(clips: impl IntoIterator<Item = (&'a Self, f64)>) -> Option<Self> {
        let mut sum: Option<Self> = None;
        let mut total = 0.0;
        for (clip, weight) in clips {
            let sum = sum.get_or_insert_with(|| Self {
                baseline: 0.0,
                contributions: Vec::new(),
            });
            total += weight;
            sum.baseline += weight * clip.baseline;
            for c in &clip.contributions {
                let weighted = weight * c.contribution;
                match sum.contributions.iter_mut().find(|s| s.group == c.group) {
                    Some(found) => found.contribution += weighted,
                    None => sum.contributions.push(Contribution {
                        contribution: weighted,
                        ..*c
                    }),
                }
            }
        }
        let mut mean = sum.filter(|_| total > 0.0)?;
        mean.baseline /= total;
        for c in &mut mean.contributions {
            c.contribution /= total;
        }
        mean.sort();
        Some(mean)
    }
}

/// The mean shares of aspects over the training, computed when they are first asked for: it takes some 50 ms.
pub(super) type Reference = OnceLock<Vec<f64>>;

impl Model {
    /// What spoke for and against, of the inputs of [`Model::fuse`]; `None` where the model's features are judged by trees
    /// or layers, which do not split.
    ///
    /// # Panics
    /// As [`Model::fuse`].
    #[must_use]
    pub fn evidence(
        &self,
        logit: Option<f64>,
        features: Option<&FeatureVector>,
    ) -> Option<Evidence> {
        let outer = self.calibration.unwrap_or(Calibration::LOG_ODDS);
        let mut baseline = outer.offset;
        let mut contributions = Vec::new();
        if let Some((network, logit)) = self.network.as_ref().zip(logit) {
            let contribution = outer.slope * network.weight * logit;
            contributions.push(named(&NETWORK, contribution));
        }
        if let Some((part, vector)) = self.features.as_ref().zip(features) {
            let aspects = part.part.set.aspects();
            let shares = split(
                &part.part.pipeline,
                &vector.values,
                aspects,
                &self.reference,
            )?;
            let weight = outer.slope * part.weight;
            baseline += weight * shares.baseline;
            let terms = aspects.iter().zip(shares.terms);
            contributions.extend(terms.map(|(aspect, term)| named(aspect, weight * term)));
        }
        Some(Evidence::new(baseline, contributions))
    }
}

fn named(aspect: &Aspect, contribution: f64) -> Contribution {
    Contribution {
        group: aspect.name,
        meaning: aspect.meaning,
        contribution,
    }
}

/// Shares of a kernel machine less their means over landmarks.
fn beside_reference(
    kernel: &Kernel,
    x: &[f32],
    ends: &[usize],
    joint: f32,
    reference: &Reference,
) -> Vec<f64> {
    let mut terms = kernel.shares(x, ends, joint);
    let reference = reference.get_or_init(|| kernel.mean_shares(ends, joint));
    for (term, mean) in terms.iter_mut().zip(reference) {
        *term -= mean;
    }
    terms
}

/// Log-odds of a pipeline, split.
struct Split {
    baseline: f64,
    /// Shape `[aspects]`.
    terms: Vec<f64>,
}

fn split(
    pipeline: &Pipeline,
    values: &[f64],
    aspects: &[Aspect],
    reference: &Reference,
) -> Option<Split> {
    let calibration = (pipeline.calibration).or_else(|| pipeline.estimator.uncalibrated())?;
    let ends: Vec<usize> = aspects.iter().map(|aspect| aspect.end).collect();
    let standardised = pipeline.standardise(values);
    let mut terms = match &pipeline.estimator {
        Estimator::Kernel(kernel) => beside_reference(kernel, &standardised, &ends, 0.0, reference),
        // A mixed value is what its feature says less what others of its group say of it.
        Estimator::Whitened(whitened) => {
            let mixed = whitened.mixed(&standardised);
            beside_reference(&whitened.kernel, &mixed, &ends, whitened.joint, reference)
        }
        Estimator::Logistic(logistic) => logistic.shares(&standardised, &ends),
        Estimator::RandomForest(_) | Estimator::GradientBoosting(_) | Estimator::Mlp(_) => {
            return None;
        }
    };
    // The rest is the same for every clip but for what single precision rounds, some 1e-5, which so is not lost.
    let rest = pipeline.estimator.score(&standardised) - terms.iter().sum::<f64>();
    for term in &mut terms {
        *term *= calibration.slope;
    }
    Some(Split {
        baseline: calibration.log_odds(rest),
        terms,
    })
}
