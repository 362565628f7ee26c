//! Several networks that hear the same spectrogram: one pass makes the inputs of all, and a window has one logit.

use super::{RunScratch, Runner, Window};
use crate::features::bands::{Bands, BandsScratch};

/// Most networks of a model.
const MOST_NETWORKS: usize = 8;

/// One network or more over the same windows, and what each one's logit counts; shared between threads.
#[derive(Debug, Clone)]
pub struct Networks {
    runners: Vec<Runner>,
    /// Share of each one's logit in a window's, shape `[networks]`: they sum up to 1.
    shares: Vec<f64>,
}

/// Buffers of [`Networks`], reused from clip to clip; one for each thread.
#[derive(Debug, Default)]
pub struct NetworksScratch {
    bands: BandsScratch,
    /// Inputs of each network.
    inputs: Vec<Vec<f32>>,
    runs: Vec<RunScratch>,
}

impl Networks {
    /// Puts `runners` together, of which each counts as much as its `weights` says: above 0, as many as there are networks.
    ///
    /// # Errors
    /// Says so where there is none or more than 8, or where their windows differ in length.
    pub fn new(runners: Vec<Runner>, weights: &[f64]) -> Result<Self, String> {
        if !(1..=MOST_NETWORKS).contains(&runners.len()) || runners.len() != weights.len() {
            return Err(format!(
                "{} networks with {} weights; 1 to {MOST_NETWORKS} of both are accepted",
                runners.len(),
                weights.len()
            ));
        }
        let window = runners[0].window();
        if let Some(other) = runners.iter().find(|runner| runner.window() != window) {
            return Err(format!(
                "its networks have windows of {window} and of {} frames; they must be alike",
                other.window()
            ));
        }
        let sum: f64 = weights.iter().sum();
        Ok(Self {
            runners,
            shares: weights.iter().map(|weight| weight / sum).collect(),
        })
    }

    /// The networks, in the order of the artifact.
    #[must_use]
    pub fn runners(&self) -> &[Runner] {
        &self.runners
    }

    /// Leaves the inputs of all networks for `speech`, samples as [`Bands::compute`] takes them, in `scratch`.
    pub fn hear(&self, bands: &Bands, speech: &[f32], scratch: &mut NetworksScratch) {
        scratch.inputs.resize_with(self.runners.len(), Vec::new);
        let inputs = &mut scratch.inputs;
        // One logarithm for the root that others need of the powers, and theirs.
        if let [runner] = &self.runners[..]
            && runner.takes_bands()
        {
            return bands.compute(speech, &mut scratch.bands, &mut inputs[0]);
        }
        inputs.iter_mut().for_each(Vec::clear);
        bands.powers(
            speech,
            &mut scratch.bands,
            #[inline(always)]
            |powers| {
                for (runner, inputs) in self.runners.iter().zip(inputs.iter_mut()) {
                    runner.push_inputs(powers, inputs);
                }
            },
        );
    }

    /// Windows of what was [heard](Self::hear) last, as [`Runner::windows_of_inputs`] finds them; their logits are the
    /// weighted means of the networks'.
    #[must_use]
    pub fn windows(&self, scratch: &mut NetworksScratch) -> Vec<Window> {
        scratch
            .runs
            .resize_with(self.runners.len(), RunScratch::default);
        let parts = self.runners.iter().zip(&self.shares);
        let heard = scratch.inputs.iter().zip(&mut scratch.runs);
        let mut all: Vec<Window> = Vec::new();
        for ((runner, share), (inputs, run)) in parts.zip(heard) {
            let found = runner.windows_of_inputs(inputs, run);
            if all.is_empty() {
                all = found;
                all.iter_mut().for_each(|window| window.logit *= share);
                continue;
            }
            for (window, other) in all.iter_mut().zip(found) {
                window.logit += share * other.logit;
            }
        }
        all
    }
}
