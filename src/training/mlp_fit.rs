//! Fitting the multi-layer perceptron: scaler, then Adam with early stopping.
//!
//! What is computed is scikit-learn 1.3's `MLPClassifier(early_stopping=True)`; only the random
//! numbers differ:
//!
//! ```text
//! start      weights and biases uniform in +-sqrt(6 / (inputs + outputs))       (Glorot and Bengio, 2010)
//! batch      gradient of  mean log loss + alpha / 2 * sum w^2 / batch size,  biases left out
//! step t     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2                     (Kingma and Ba, 2015)
//!            w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + 1e-8)
//! iteration  all training samples once, in a new order
//! stop       after more than `patience` iterations in a row that raise the accuracy on the validation
//!            part by less than `tolerance`; the weights of the best iteration are taken
//! ```
//!
//! One fit runs on one thread; protocols run many side by side.

use super::TrainingError;
use super::dense::{add_product, transpose};
use super::rng::Rng;
use crate::model::{Estimator, Layer, Mlp, Pipeline, Scaler};

/// Decay of the first moment, `b1`.
const FIRST_DECAY: f32 = 0.9;
/// Decay of the second moment, `b2`.
const SECOND_DECAY: f32 = 0.999;
/// Keeps the step finite where a weight has had no gradient yet.
const EPSILON: f32 = 1e-8;

/// Settings of the perceptron.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MlpSettings {
    /// Units of the hidden layers.
    pub hidden: [usize; 3],
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    pub alpha: f64,
    /// Samples a step; all of them where there are fewer.
    pub batch: usize,
    /// Most iterations.
    pub iterations: usize,
    /// Share of the samples, of each class alike, on which it is decided when to stop.
    pub validation: f64,
    /// Iterations without improvement that are waited for.
    pub patience: usize,
    /// What counts as an improvement of the validation accuracy.
    pub tolerance: f64,
    /// Seed of start, validation part and order.
    pub seed: u64,
}

impl Default for MlpSettings {
    /// The settings of the stack that voxproof replaces.
    fn default() -> Self {
        Self {
            hidden: [128, 64, 32],
            learning_rate: 0.001,
            alpha: 1e-4,
            batch: 200,
            iterations: 500,
            validation: 0.1,
            patience: 10,
            tolerance: 1e-4,
            seed: 42,
        }
    }
}

impl std::fmt::Display for MlpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let [a, b, c] = self.hidden;
        write!(
            f,
            "{a}, {b}, {c} rectified units, Adam {}, L2 {}, batches of {}, at most {} iterations, stopped \
             early on {} % of the samples after {} without improvement, seed {}",
            self.learning_rate,
            self.alpha,
            self.batch,
            self.iterations,
            100.0 * self.validation,
            self.patience,
            self.seed
        )
    }
}

/// Fits scaler and perceptron to `rows`, shape `[n][features]`, with `is_ai`, shape `[n]`.
///
/// # Errors
/// [`TrainingError::Fit`] if a class has fewer than two samples, a value is not finite, or the
/// weights grow without limit.
pub fn fit(
    rows: &[&[f64]],
    is_ai: &[bool],
    settings: &MlpSettings,
) -> Result<Pipeline, TrainingError> {
    let scaler = Scaler::fit(rows);
    let features = scaler.features();
    let mut x = Vec::with_capacity(rows.len() * features);
    let mut standardised = Vec::new();
    for row in rows {
        scaler.transform(row, &mut standardised);
        x.extend_from_slice(&standardised);
    }
    if let Some(bad) = x.iter().position(|x| !x.is_finite()) {
        let problem = format!("feature {} is not finite in a sample", bad % features);
        return Err(TrainingError::Fit(problem));
    }

    let mut rng = Rng::new(settings.seed, 0);
    let (mut order, validation) = divide(is_ai, settings.validation, &mut rng)?;
    let mut trainer = Trainer::new(start(features, &settings.hidden, &mut rng), settings);
    let (mut best, mut best_accuracy) = (trainer.mlp().clone(), f64::NEG_INFINITY);
    let mut waited = 0;
    for _ in 0..settings.iterations {
        rng.shuffle(&mut order);
        trainer.iteration(&x, is_ai, &order);
        let accuracy = trainer.accuracy(&x, is_ai, &validation);
        waited = if accuracy < best_accuracy + settings.tolerance {
            waited + 1
        } else {
            0
        };
        if accuracy > best_accuracy {
            best_accuracy = accuracy;
            best.clone_from(trainer.mlp());
        }
        if waited > settings.patience {
            break;
        }
    }
    let finite = |layer: &Layer| {
        layer
            .weights
            .iter()
            .chain(&layer.bias)
            .all(|w| w.is_finite())
    };
    if !best.layers().iter().all(finite) {
        return Err(TrainingError::Fit("the weights grew without limit".into()));
    }
    Ok(Pipeline {
        bounds: None,
        scaler,
        estimator: Estimator::Mlp(best),
        calibration: None,
    })
}

/// Indices of the training and of the validation samples; the latter are `share` of all, rounded up,
/// with about that share of each class and one of each at least.
fn divide(
    is_ai: &[bool],
    share: f64,
    rng: &mut Rng,
) -> Result<(Vec<usize>, Vec<usize>), TrainingError> {
    let classes = [false, true].map(|class| {
        let mut members: Vec<usize> = (0..is_ai.len()).filter(|&i| is_ai[i] == class).collect();
        rng.shuffle(&mut members);
        members
    });
    if classes.iter().any(|members| members.len() < 2) {
        let problem = "two samples of each class are needed, one of them for validation";
        return Err(TrainingError::Fit(problem.into()));
    }
    let [humans, ais] = &classes;
    let total = (share * is_ai.len() as f64).ceil().max(2.0);
    let of_ai = (total * ais.len() as f64 / is_ai.len() as f64).round();
    let within = |wanted: f64, members: &[usize]| (wanted as usize).clamp(1, members.len() - 1);
    let (human_test, human_train) = humans.split_at(within(total - of_ai, humans));
    let (ai_test, ai_train) = ais.split_at(within(of_ai, ais));
    Ok((
        [human_train, ai_train].concat(),
        [human_test, ai_test].concat(),
    ))
}

/// Layers with random weights and biases, see the module's text.
fn start(features: usize, hidden: &[usize], rng: &mut Rng) -> Mlp {
    let sizes: Vec<usize> = [&[features], hidden, &[1]].concat();
    let layers = sizes.windows(2).map(|size| {
        let (inputs, outputs) = (size[0], size[1]);
        let bound = (6.0 / (inputs + outputs) as f64).sqrt();
        let mut uniform = |count: usize| -> Vec<f32> {
            let unit = |rng: &mut Rng| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            (0..count)
                .map(|_| ((2.0 * unit(rng) - 1.0) * bound) as f32)
                .collect()
        };
        Layer {
            weights: uniform(inputs * outputs),
            bias: uniform(outputs),
        }
    });
    Mlp::new(features, layers.collect())
}

/// Adam's moments of one layer, and its gradient.
#[derive(Debug, Clone)]
struct Moments {
    gradient: Layer,
    first: Layer,
    second: Layer,
}

/// An MLP while it is trained, with the state of Adam and all scratch.
#[derive(Debug, Clone)]
pub struct Trainer {
    mlp: Mlp,
    settings: MlpSettings,
    moments: Vec<Moments>,
    /// Steps taken.
    steps: i32,
    /// What enters each layer, shape `[batch][inputs]`, and last the outputs.
    activations: Vec<Vec<f32>>,
    /// Derivative of the loss by the sums of a layer, shape `[batch][outputs]`, and by its inputs.
    delta: Vec<f32>,
    next_delta: Vec<f32>,
    turned: Vec<f32>,
}

impl Trainer {
    /// Starts from the weights of `mlp`.
    #[must_use]
    pub fn new(mlp: Mlp, settings: &MlpSettings) -> Self {
        let zeros = |layer: &Layer| Layer {
            weights: vec![0.0; layer.weights.len()],
            bias: vec![0.0; layer.bias.len()],
        };
        let moments = mlp.layers().iter().map(|layer| Moments {
            gradient: zeros(layer),
            first: zeros(layer),
            second: zeros(layer),
        });
        Self {
            moments: moments.collect(),
            activations: vec![Vec::new(); mlp.layers().len() + 1],
            mlp,
            settings: *settings,
            steps: 0,
            delta: Vec::new(),
            next_delta: Vec::new(),
            turned: Vec::new(),
        }
    }

    /// The weights as they stand.
    #[must_use]
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// Takes a step for each batch of the samples `order`, in that order; the last batch may be
    /// smaller. `x` has shape `[n][features]`, `is_ai` shape `[n]`; `order` refers to both.
    pub fn iteration(&mut self, x: &[f32], is_ai: &[bool], order: &[usize]) {
        for batch in order.chunks(self.settings.batch) {
            self.forward(x, batch);
            self.backward(is_ai, batch);
            self.step();
        }
    }

    /// Share of the samples `chosen` whose class is told right.
    fn accuracy(&mut self, x: &[f32], is_ai: &[bool], chosen: &[usize]) -> f64 {
        self.forward(x, chosen);
        let outputs = &self.activations[self.mlp.layers().len()];
        let right = outputs
            .iter()
            .zip(chosen)
            .filter(|&(&output, &i)| (output > 0.0) == is_ai[i]);
        right.count() as f64 / chosen.len() as f64
    }

    /// Fills the activations for the samples `batch`.
    fn forward(&mut self, x: &[f32], batch: &[usize]) {
        let features = self.mlp.features();
        let inputs = &mut self.activations[0];
        inputs.clear();
        for &i in batch {
            inputs.extend_from_slice(&x[i * features..(i + 1) * features]);
        }
        let layers = self.mlp.layers();
        for (number, layer) in layers.iter().enumerate() {
            let (before, after) = self.activations.split_at_mut(number + 1);
            let (inputs, outputs) = (&before[number], &mut after[0]);
            let width = layer.bias.len();
            outputs.clear();
            batch
                .iter()
                .for_each(|_| outputs.extend_from_slice(&layer.bias));
            add_product(
                inputs,
                &layer.weights,
                outputs,
                layer.weights.len() / width,
                width,
            );
            if number + 1 < layers.len() {
                outputs.iter_mut().for_each(|x| *x = x.max(0.0));
            }
        }
    }

    /// Fills the gradients, from the activations of the samples `batch`.
    fn backward(&mut self, is_ai: &[bool], batch: &[usize]) {
        let scale = 1.0 / batch.len() as f32;
        let last = self.mlp.layers().len();
        self.delta.clear();
        let outputs = self.activations[last].iter().zip(batch);
        self.delta.extend(outputs.map(|(&output, &i)| {
            let p = 1.0 / (1.0 + (-output).exp());
            (p - f32::from(u8::from(is_ai[i]))) * scale
        }));
        let penalty = self.settings.alpha as f32 * scale;
        for (number, layer) in self.mlp.layers().iter().enumerate().rev() {
            let width = layer.bias.len();
            let inner = layer.weights.len() / width;
            let gradient = &mut self.moments[number].gradient;
            let weights = gradient.weights.iter_mut().zip(&layer.weights);
            weights.for_each(|(gradient, weight)| *gradient = penalty * weight);
            let inputs = &self.activations[number];
            transpose(inputs, &mut self.turned, inner);
            add_product(
                &self.turned,
                &self.delta,
                &mut gradient.weights,
                batch.len(),
                width,
            );
            gradient.bias.fill(0.0);
            for row in self.delta.chunks_exact(width) {
                gradient.bias.iter_mut().zip(row).for_each(|(g, d)| *g += d);
            }
            if number > 0 {
                transpose(&layer.weights, &mut self.turned, width);
                self.next_delta.clear();
                self.next_delta.resize(inputs.len(), 0.0);
                add_product(
                    &self.delta,
                    &self.turned,
                    &mut self.next_delta,
                    width,
                    inner,
                );
                let rectified = self.next_delta.iter_mut().zip(inputs);
                rectified
                    .filter(|(_, x)| **x == 0.0)
                    .for_each(|(d, _)| *d = 0.0);
                std::mem::swap(&mut self.delta, &mut self.next_delta);
            }
        }
    }

    /// One step of Adam along the gradients.
    fn step(&mut self) {
        self.steps += 1;
        let correction = |decay: f32| 1.0 - f64::from(decay).powi(self.steps);
        let rate = self.settings.learning_rate * correction(SECOND_DECAY).sqrt();
        let rate = (rate / correction(FIRST_DECAY)) as f32;
        let layers = self.mlp.layers_mut().iter_mut();
        for (layer, moments) in layers.zip(&mut self.moments) {
            let Moments {
                gradient,
                first,
                second,
            } = moments;
            adam(
                &mut layer.weights,
                &gradient.weights,
                &mut first.weights,
                &mut second.weights,
                rate,
            );
            adam(
                &mut layer.bias,
                &gradient.bias,
                &mut first.bias,
                &mut second.bias,
                rate,
            );
        }
    }
}

/// Adam's step for parameters and their moments, all of one length.
fn adam(
    parameters: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    rate: f32,
) {
    let moments = first.iter_mut().zip(second);
    for ((w, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
        *m = FIRST_DECAY * *m + (1.0 - FIRST_DECAY) * g;
        *v = SECOND_DECAY * *v + (1.0 - SECOND_DECAY) * g * g;
        *w -= rate * *m / (v.sqrt() + EPSILON);
    }
}
