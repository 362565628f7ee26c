//! Fitting a network to spectrograms.

use std::fmt;

use rayon::prelude::*;

use super::super::TrainingError;
use super::super::rng::Rng;
use super::adam::AdamW;
use super::architecture::Architecture;
use super::augment::augment;
use super::export::{Running, approach, export};
use super::net::{Dropout, Net};
use super::sampler::{Sampler, variant};
use super::schedule::one_cycle;
use super::spectrogram::Spectrogram;
use crate::model::network::Network;

/// Targets are this far from 0 and 1 by half.
const SMOOTHING: f64 = 0.05;
/// Decay of the weights, times the step size.
const WEIGHT_DECAY: f64 = 0.05;
/// Part of the channels and of the pooled values that are dropped.
const CHANNEL_DROPOUT: f64 = 0.1;
const POOLED_DROPOUT: f64 = 0.3;
/// How fast the running statistics of batch normalisation follow; PyTorch's default.
const MOMENTUM: f32 = 0.1;
/// Last part of the steps whose weights are averaged, and how fast the average follows.
const AVERAGED: f64 = 0.2;
const AVERAGE: f32 = 1e-3;

/// Settings of the network's training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct NetworkSettings {
    /// Channels of the first layer, see [`Architecture::of_width`]; at least 1.
    pub width: usize,
    /// Mini-batches, at least 1.
    pub steps: usize,
    /// Clips of a mini-batch, an even number.
    pub batch: usize,
    /// Largest step size.
    pub rate: f64,
    /// How far the classes are heard alike within each language, 0 to 1: see [`Sampler::new`].
    pub languages: f64,
    /// Whether weights are averaged over the last fifth of the steps.
    pub average: bool,
    /// Grouped folds whose scores the calibration is fitted to, each with half of the steps; 0 for none: the network's
    /// own logits are then taken as log-odds.
    pub calibration_folds: usize,
    /// Seed of weights, mini-batches and all else that is random.
    pub seed: u64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            width: 24,
            steps: 2_400,
            batch: 32,
            rate: 2e-3,
            languages: 0.5,
            average: false,
            calibration_folds: 0,
            seed: 42,
        }
    }
}

impl NetworkSettings {
    /// The settings of a fit for calibration: half of the steps.
    #[must_use]
    pub fn of_calibration(&self) -> Self {
        Self {
            steps: self.steps.div_ceil(2),
            ..*self
        }
    }

    /// Steps of a fit and of those for its calibration.
    #[must_use]
    pub fn all_steps(&self) -> usize {
        self.steps + self.calibration_folds * self.of_calibration().steps
    }
}

impl fmt::Display for NetworkSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "width {}, AdamW, one cycle of {} steps up to {}, mini-batches of {} crops of 2.56 s, the classes evened out within languages by {}{}, seed {}",
            self.width,
            self.steps,
            self.rate,
            self.batch,
            self.languages,
            if self.average {
                ", weights averaged over the last fifth"
            } else {
                ""
            },
            self.seed
        )
    }
}

/// A clip to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// As recorded.
    pub recorded: &'a Spectrogram,
    /// Its copies through the random channel.
    pub copies: &'a [Spectrogram],
    /// Whether it is synthetic.
    pub is_ai: bool,
    /// Engine family or human source.
    pub group: &'a str,
    /// Its language; the same tag for all whose language is not known.
    pub language: &'a str,
}

/// Independent uses of the seed.
const WEIGHTS: u64 = 0x3e7;
const CROPS: u64 = 0xc40b;
const DROPOUT: u64 = 0xd409;

/// Fits `architecture` to the examples. `progress` is told each step that is done, and the running loss.
///
/// # Errors
/// [`TrainingError::Fit`] if a class is missing, a setting cannot be used or the loss is no longer a number.
pub fn fit(
    architecture: &Architecture,
    examples: &[Example],
    settings: &NetworkSettings,
    progress: &(dyn Fn(usize, f64) + Sync),
) -> Result<Network, TrainingError> {
    let NetworkSettings { steps, batch, .. } = *settings;
    if steps == 0 || batch < 2 || batch % 2 == 1 {
        return Err(TrainingError::Fit(format!(
            "{steps} steps of {batch} clips; at least 1 step and an even number of clips are accepted"
        )));
    }
    let is_ai: Vec<bool> = examples.iter().map(|example| example.is_ai).collect();
    let groups: Vec<&str> = examples.iter().map(|example| example.group).collect();
    let languages: Vec<&str> = examples.iter().map(|example| example.language).collect();
    let sampler = Sampler::new(&is_ai, &groups, &languages, settings.languages)?;
    let decayed = architecture.decayed();
    let mut parameters = initial(architecture, settings.seed);
    let mut net = Net::new(architecture.clone(), batch);
    let mut adam = AdamW::new(parameters.len());
    let mut running = Running::new(architecture);
    let mut averages: Option<(Vec<f32>, Running)> = None;
    let mut gradient = vec![0.0; parameters.len()];
    let mut inputs = vec![0.0; batch * architecture.input[0] * architecture.input[1]];
    let averaged_from = steps - (AVERAGED * steps as f64) as usize;
    let mut smooth_loss = 0.0;
    for step in 0..steps {
        draw(
            &mut inputs,
            architecture,
            examples,
            &sampler,
            settings,
            step,
        );
        let dropout = dropout(architecture, settings, step);
        let logits = net.forward(&parameters, &inputs, &dropout);
        running.follow(net.statistics(), MOMENTUM);
        let (loss, d_logits) = loss(&logits);
        if !loss.is_finite() {
            return Err(TrainingError::Fit(format!(
                "the loss is no longer a number at step {}; a smaller step size may help",
                step + 1
            )));
        }
        net.backward(&parameters, &inputs, &dropout, &d_logits, &mut gradient);
        let rate = one_cycle(step, steps, settings.rate);
        adam.step(
            &mut parameters,
            &gradient,
            &decayed,
            WEIGHT_DECAY,
            rate,
            step,
        );
        if settings.average && step >= averaged_from {
            let (weights, statistics) =
                averages.get_or_insert_with(|| (parameters.clone(), running.clone()));
            // Over the first steps a mean, so that it does not lag behind where there are few.
            let part = AVERAGE.max(1.0 / (step - averaged_from + 1) as f32);
            approach(weights, &parameters, part);
            statistics.approach(&running, part);
        }
        smooth_loss = if step == 0 {
            loss
        } else {
            0.98 * smooth_loss + 0.02 * loss
        };
        progress(step + 1, smooth_loss);
    }
    let (parameters, running) = averages.unwrap_or((parameters, running));
    Ok(export(architecture, &parameters, &running))
}

/// Whether the clip at that place of a mini-batch is synthetic.
fn is_synthetic(place: usize) -> bool {
    place % 2 == 1
}

/// Weights as PyTorch draws them, uniform within `1 / sqrt(fan in)`; batch normalisation begins as the identity.
#[must_use]
pub fn initial(architecture: &Architecture, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, WEIGHTS);
    let mut parameters = vec![0.0; architecture.parameters()];
    let mut draw = |parameters: &mut [f32], inputs: usize| {
        let bound = (inputs as f64).sqrt().recip();
        for parameter in parameters {
            *parameter = rng.between(-bound, bound) as f32;
        }
    };
    for (shape, places) in architecture.layers.iter().zip(architecture.places()) {
        draw(&mut parameters[places.weights], shape.patch());
        parameters[places.gamma].fill(1.0);
    }
    let head = architecture.head();
    let inputs = head.len();
    draw(&mut parameters[head.start..=head.end], inputs);
    parameters
}

/// Draws and augments the crops of one step into `inputs`, shape `[batch][frames][bands]`; each crop has random numbers
/// of its own, so that it does not matter which thread makes it.
fn draw(
    inputs: &mut [f32],
    architecture: &Architecture,
    examples: &[Example],
    sampler: &Sampler,
    settings: &NetworkSettings,
    step: usize,
) {
    let [frames, bands] = architecture.input;
    let crops = inputs.par_chunks_exact_mut(frames * bands).enumerate();
    crops.for_each(|(place, crop)| {
        let number = (step * settings.batch + place) as u64;
        let mut rng = Rng::new(settings.seed.wrapping_add(number << 20), CROPS);
        let example = &examples[sampler.draw(is_synthetic(place), &mut rng)];
        let sound = match variant(example.copies.len(), &mut rng) {
            0 => example.recorded,
            copy => &example.copies[copy - 1],
        };
        // A clip that is shorter than the crop begins again.
        let start = rng.below(sound.frames().saturating_sub(frames) + 1);
        sound.write_from(start, crop);
        augment(crop, &mut rng);
    });
}

/// Factors of channels and pooled values: 0 for what is dropped, more than 1 for the rest.
fn dropout(architecture: &Architecture, settings: &NetworkSettings, step: usize) -> Dropout {
    let mut rng = Rng::new(settings.seed.wrapping_add((step as u64) << 20), DROPOUT);
    let mut draw = |count: usize, part: f64| -> Vec<f32> {
        let kept = (1.0 / (1.0 - part)) as f32;
        let factor = |rng: &mut Rng| if rng.unit() < part { 0.0 } else { kept };
        (0..settings.batch * count)
            .map(|_| factor(&mut rng))
            .collect()
    };
    let channels = match architecture.channel_dropout {
        0 => 0,
        layer => architecture.layers[layer - 1].outputs,
    };
    Dropout {
        channels: draw(channels, CHANNEL_DROPOUT),
        pooled: draw(2 * architecture.channels(), POOLED_DROPOUT),
    }
}

/// Mean cross-entropy of the logits, shape `[batch]`, with smoothed targets, and its derivatives.
pub(super) fn loss(logits: &[f32]) -> (f64, Vec<f32>) {
    let n = logits.len() as f64;
    let mut sum = 0.0;
    let mut derivatives = Vec::with_capacity(logits.len());
    for (place, &logit) in logits.iter().enumerate() {
        let z = f64::from(logit);
        let target = f64::from(u8::from(is_synthetic(place))) * (1.0 - 2.0 * SMOOTHING) + SMOOTHING;
        sum += z.max(0.0) - z * target + (-z.abs()).exp().ln_1p();
        let probability = 1.0 / (1.0 + (-z).exp());
        derivatives.push(((probability - target) / n) as f32);
    }
    (sum / n, derivatives)
}
