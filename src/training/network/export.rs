//! Parameters in training -> the network that is served: batch normalisation folded into the convolutions.

use super::architecture::{Architecture, SCALE};
use super::batch_norm::{EPSILON, Statistics};
use crate::model::network::{Conv, Finish, Network};

/// What batch normalisation subtracts and divides by outside of training: averages over mini-batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Mean of each layer's channels, shape `[layers][outputs]`.
    pub mean: Vec<Vec<f32>>,
    /// Their variance, likewise.
    pub variance: Vec<Vec<f32>>,
}

impl Running {
    /// As training begins: mean 0, variance 1.
    #[must_use]
    pub fn new(architecture: &Architecture) -> Self {
        let filled = |value: f32| {
            let layers = architecture.layers.iter();
            layers.map(|layer| vec![value; layer.outputs]).collect()
        };
        Self {
            mean: filled(0.0),
            variance: filled(1.0),
        }
    }

    /// Moves by `part` of the way to the statistics of a mini-batch.
    pub fn follow(&mut self, statistics: &[Statistics], part: f32) {
        for (layer, of_batch) in statistics.iter().enumerate() {
            approach(&mut self.mean[layer], &of_batch.mean, part);
            approach(&mut self.variance[layer], &of_batch.unbiased, part);
        }
    }

    /// Moves by `part` of the way to another average.
    pub fn approach(&mut self, other: &Self, part: f32) {
        for layer in 0..self.mean.len() {
            approach(&mut self.mean[layer], &other.mean[layer], part);
            approach(&mut self.variance[layer], &other.variance[layer], part);
        }
    }
}

/// Moves `average` by `part` of the way to `values`.
pub fn approach(average: &mut [f32], values: &[f32], part: f32) {
    for (average, value) in average.iter_mut().zip(values) {
        *average += part * (value - *average);
    }
}

/// The network of `parameters`.
#[must_use]
pub fn export(architecture: &Architecture, parameters: &[f32], running: &Running) -> Network {
    let byte = |extents: [usize; 2]| extents.map(|n| n as u8);
    let places = architecture.places();
    let layers = architecture.layers.iter().zip(&places).enumerate();
    let layers = layers.map(|(layer, (shape, places))| {
        let variance = running.variance[layer].iter();
        let gamma = &parameters[places.gamma.clone()];
        let slope: Vec<f32> = (gamma.iter().zip(variance))
            .map(|(g, v)| (f64::from(*g) / (f64::from(*v) + EPSILON).sqrt()) as f32)
            .collect();
        let beta = parameters[places.beta.clone()].iter();
        let bias = beta.zip(&running.mean[layer]).zip(&slope);
        let weights = parameters[places.weights.clone()].chunks_exact(shape.outputs);
        Conv {
            kernel: byte(shape.kernel),
            stride: byte(shape.stride),
            padding: byte(shape.padding),
            inputs: shape.inputs as u16,
            outputs: shape.outputs as u16,
            weights: weights
                .flat_map(|row| row.iter().zip(&slope).map(|(w, s)| w * s))
                .collect(),
            bias: bias.map(|((b, m), s)| b - m * s).collect(),
            finish: Finish::RELU,
        }
    });
    let head = architecture.head();
    Network {
        bands: architecture.input[1] as u16,
        window: architecture.input[0] as u16,
        filters: None,
        scale: SCALE,
        layers: layers.collect(),
        head_bias: parameters[head.end],
        head: parameters[head].to_vec(),
    }
}
