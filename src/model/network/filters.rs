//! A filter bank before the first layer: powers of the bands, weighted and added up, as logarithms.

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use crate::features::bands::BANDS;
use crate::features::logarithm::{exp, ln};
use crate::features::wide::wide;

/// Most filters.
const MOST_FILTERS: usize = 256;
/// Largest weight of a band in a filter: a sum over all bands stays finite.
const LARGEST_WEIGHT: f32 = 1e6;
/// Largest magnitude of a level.
const LARGEST_LEVEL: f32 = 1e6;
/// Added to each filter's power before its logarithm is taken.
const POWER_FLOOR: f32 = 1e-9;

/// A bank of filters over the bands' powers, for example mel bands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SchemaWrite, SchemaRead)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Weights of the bands' powers in each filter, 0 or more, shape `[filters][bands]`.
    pub weights: Vec<f32>,
    /// What is added to each filter's values after its mean over the clip was taken off and the scale multiplied by: the
    /// level that later layers expect of it, shape `[filters]`.
    pub levels: Vec<f32>,
}

impl Filters {
    /// What makes it unusable, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        let filters = self.levels.len();
        if !(1..=MOST_FILTERS).contains(&filters) || self.weights.len() != filters * BANDS {
            return Some(format!(
                "a filter bank of {filters} levels and {} weights; 1 to {MOST_FILTERS} filters with a weight for each of {BANDS} \
                 bands are accepted",
                self.weights.len()
            ));
        }
        let accepted = 0.0..=LARGEST_WEIGHT;
        if let Some(weight) = self.weights.iter().find(|w| !accepted.contains(*w)) {
            return Some(format!(
                "a filter's weight of {weight}; 0 to {LARGEST_WEIGHT} are accepted"
            ));
        }
        let beyond = |level: &&f32| level.is_nan() || level.abs() > LARGEST_LEVEL;
        self.levels.iter().find(beyond).map(|level| {
            format!(
                "a filter's level of {level}; magnitudes of at most {LARGEST_LEVEL} are accepted"
            )
        })
    }
}

/// A filter bank laid out to run: of each filter only the bands that it weighs.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    /// First band of each filter, and its weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
    pub(super) levels: Vec<f32>,
}

impl Bank {
    pub(super) fn new(filters: &Filters) -> Self {
        let span = |weights: &[f32]| {
            let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
            let end = weights.iter().rposition(|&w| w > 0.0).map_or(0, |l| l + 1);
            (first, weights[first..end].to_vec())
        };
        Self {
            filters: filters.weights.chunks_exact(BANDS).map(span).collect(),
            levels: filters.levels.clone(),
        }
    }

    /// Appends the logarithms of the filters' powers, shape `[filters]`, for a frame of the bands' `powers` to `out`.
    #[inline(always)]
    pub(super) fn push(&self, powers: &[f32; BANDS], out: &mut Vec<f32>) {
        let first = out.len();
        for (start, weights) in &self.filters {
            let terms = weights.iter().zip(&powers[*start..]);
            out.push(terms.map(|(w, power)| w * power).sum::<f32>() + POWER_FLOOR);
        }
        out[first..]
            .iter_mut()
            .for_each(|value| *value = ln(*value));
    }

    /// Appends the same for `frames` of logarithms, shape `[n][BANDS]`: shape `[n][filters]`.
    pub(super) fn extend(&self, frames: &[f32], out: &mut Vec<f32>) {
        wide(
            #[inline(always)]
            || {
                let mut powers = [0.0; BANDS];
                for frame in frames.chunks_exact(BANDS) {
                    for (power, &x) in powers.iter_mut().zip(frame) {
                        *power = exp(x);
                    }
                    self.push(&powers, out);
                }
            },
        );
    }
}
