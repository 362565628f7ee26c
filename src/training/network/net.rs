//! The network in training: one mini-batch forward and backward.
//!
//! Layer by layer, all clips of the mini-batch in parallel, because batch normalisation needs the sums of all before any
//! goes on. What is summed over clips is summed in their order, in shares of [`SHARE`] clips: the result is the same to
//! the bit for any number of threads.

use rayon::prelude::*;

use super::architecture::{Architecture, Places};
use super::batch_norm::{Statistics, Sums};
use super::conv::{Derivatives, Scratch};
use super::pool;

/// Clips whose weight gradients are summed by one thread.
const SHARE: usize = 2;

/// What is random in one step, besides the inputs: factors of channels and pooled values, 0 where they are dropped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dropout {
    /// Before the layer `channel_dropout`, shape `[batch][channels]`; empty for none.
    pub channels: Vec<f32>,
    /// Before the head, shape `[batch][2 * channels]`; empty for none.
    pub pooled: Vec<f32>,
}

/// Activations and derivatives of a mini-batch, kept from step to step: about 9 MB a clip for the default architecture.
#[derive(Debug)]
pub struct Net {
    architecture: Architecture,
    sizes: Vec<[usize; 2]>,
    places: Vec<Places>,
    batch: usize,
    /// Of each layer before batch normalisation, shape `[batch][frames][bands][outputs]`.
    convolved: Vec<Vec<f32>>,
    /// Of each layer after the ReLU, in that shape.
    activations: Vec<Vec<f32>>,
    /// Of each layer over the mini-batch.
    statistics: Vec<Statistics>,
    /// Shape `[batch][2 * channels]`.
    pooled: Vec<f32>,
    /// Derivatives by a layer's output and by its input.
    d_output: Vec<f32>,
    d_input: Vec<f32>,
    /// Derivatives by a layer's weights, shape `[shares][weights]`.
    shares: Vec<f32>,
}

impl Net {
    /// For mini-batches of `batch` clips.
    #[must_use]
    pub fn new(architecture: Architecture, batch: usize) -> Self {
        let sizes = architecture.sizes();
        let outputs = architecture.layers.iter().zip(&sizes[1..]);
        let outputs: Vec<usize> = outputs
            .map(|(layer, size)| batch * size[0] * size[1] * layer.outputs)
            .collect();
        let largest = outputs.iter().copied().max().unwrap_or(0);
        let largest = largest.max(batch * sizes[0][0] * sizes[0][1]);
        let weights = architecture.layers.iter().map(|layer| layer.weights());
        let weights = weights.max().unwrap_or(0);
        let zeros = |lengths: &[usize]| lengths.iter().map(|&n| vec![0.0; n]).collect();
        Self {
            places: architecture.places(),
            batch,
            convolved: zeros(&outputs),
            activations: zeros(&outputs),
            statistics: vec![Statistics::default(); architecture.layers.len()],
            pooled: vec![0.0; batch * 2 * architecture.channels()],
            d_output: vec![0.0; largest],
            d_input: vec![0.0; largest],
            shares: vec![0.0; batch.div_ceil(SHARE) * weights],
            sizes,
            architecture,
        }
    }

    /// The architecture.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Mean and variance of each layer's channels in the last mini-batch.
    #[must_use]
    pub fn statistics(&self) -> &[Statistics] {
        &self.statistics
    }

    /// Values of one clip behind a layer, or of the input before layer 0.
    fn length(&self, layer: usize) -> usize {
        let size = self.sizes[layer];
        let channels = match layer {
            0 => 1,
            n => self.architecture.layers[n - 1].outputs,
        };
        size[0] * size[1] * channels
    }

    /// The logits of `inputs`, shape `[batch][frames][bands]`.
    ///
    /// # Panics
    /// If a slice is not of the batch's length.
    pub fn forward(&mut self, parameters: &[f32], inputs: &[f32], dropout: &Dropout) -> Vec<f32> {
        assert_eq!(
            inputs.len(),
            self.batch * self.length(0),
            "inputs of a batch"
        );
        for layer in 0..self.architecture.layers.len() {
            self.forward_layer(layer, parameters, inputs, dropout);
        }
        let channels = self.architecture.channels();
        let (head, bias) = self.head(parameters);
        let length = self.length(self.architecture.layers.len());
        let last = self.activations.last().expect("there is a layer");
        let clips = self
            .pooled
            .chunks_exact_mut(2 * channels)
            .zip(last.chunks_exact(length));
        let logit = |(clip, (pooled, x)): (usize, (&mut [f32], &[f32]))| {
            pool::forward(x, channels, pooled);
            let kept = dropout.pooled.chunks_exact(2 * channels).nth(clip);
            let terms = head.iter().zip(pooled.iter()).enumerate();
            let sum: f32 = terms
                .map(|(i, (w, p))| w * p * kept.map_or(1.0, |k| k[i]))
                .sum();
            sum + bias
        };
        clips.enumerate().map(logit).collect()
    }

    fn head<'a>(&self, parameters: &'a [f32]) -> (&'a [f32], f32) {
        let head = self.architecture.head();
        (&parameters[head.clone()], parameters[head.end])
    }

    /// Factors of the channels of each clip behind `layer`.
    fn kept<'a>(
        &self,
        layer: usize,
        dropout: &'a Dropout,
    ) -> impl Fn(usize) -> Option<&'a [f32]> + use<'a> {
        let channels = self.architecture.layers[layer].outputs;
        let here = layer + 1 == self.architecture.channel_dropout;
        let kept = if here {
            dropout.channels.as_slice()
        } else {
            &[]
        };
        move |clip| kept.chunks_exact(channels).nth(clip)
    }

    fn forward_layer(
        &mut self,
        layer: usize,
        parameters: &[f32],
        inputs: &[f32],
        dropout: &Dropout,
    ) {
        let shape = self.architecture.layers[layer];
        let places = &self.places[layer];
        let (length_in, length) = (self.length(layer), self.length(layer + 1));
        let keep = self.kept(layer, dropout);
        let size = self.sizes[layer];
        let weights = &parameters[places.weights.clone()];
        let (before, here) = self.activations.split_at_mut(layer);
        let input = before.last().map_or(inputs, Vec::as_slice);
        let convolved = &mut self.convolved[layer];
        let sums: Vec<Sums> = convolved
            .par_chunks_exact_mut(length)
            .zip(input.par_chunks_exact(length_in))
            .map_init(Scratch::default, |scratch, (z, x)| {
                shape.forward(weights, x, size, z, scratch);
                Sums::of(z, shape.outputs)
            })
            .collect();
        let count = convolved.len() / shape.outputs;
        let statistics = Statistics::new(&Sums::total(&sums), count);
        let (gamma, beta) = (
            &parameters[places.gamma.clone()],
            &parameters[places.beta.clone()],
        );
        let clips = here[0]
            .par_chunks_exact_mut(length)
            .zip(convolved.par_chunks_exact(length));
        clips.enumerate().for_each(|(clip, (y, z))| {
            statistics.forward(gamma, beta, z, keep(clip), y);
        });
        self.statistics[layer] = statistics;
    }

    /// Writes the derivatives by the parameters to `gradient`, given those by the logits of the last [`Self::forward`],
    /// shape `[batch]`. All other arguments must be those of that call.
    ///
    /// # Panics
    /// If a slice is not of its length.
    pub fn backward(
        &mut self,
        parameters: &[f32],
        inputs: &[f32],
        dropout: &Dropout,
        d_logits: &[f32],
        gradient: &mut [f32],
    ) {
        gradient.fill(0.0);
        let layers = self.architecture.layers.len();
        let channels = self.architecture.channels();
        let places = self.architecture.head();
        let (head, _) = self.head(parameters);
        let length = self.length(layers);
        let last = self.activations.last().expect("there is a layer");
        let mut d_pooled = vec![0.0; 2 * channels];
        let pooled = self.pooled.chunks_exact(2 * channels);
        let clips = pooled.zip(last.chunks_exact(length)).zip(d_logits);
        let d_output = self.d_output.chunks_exact_mut(length);
        for (clip, (((pooled, x), d_logit), d)) in clips.zip(d_output).enumerate() {
            let kept = dropout.pooled.chunks_exact(2 * channels).nth(clip);
            let d_head = &mut gradient[places.clone()];
            for i in 0..2 * channels {
                let factor = d_logit * kept.map_or(1.0, |k| k[i]);
                d_head[i] += factor * pooled[i];
                d_pooled[i] = factor * head[i];
            }
            gradient[places.end] += d_logit;
            pool::backward(x, channels, pooled, &d_pooled, d);
        }
        for layer in (0..layers).rev() {
            self.backward_layer(layer, parameters, inputs, dropout, gradient);
            std::mem::swap(&mut self.d_output, &mut self.d_input);
        }
    }

    fn backward_layer(
        &mut self,
        layer: usize,
        parameters: &[f32],
        inputs: &[f32],
        dropout: &Dropout,
        gradient: &mut [f32],
    ) {
        let shape = self.architecture.layers[layer];
        let places = &self.places[layer];
        let (length_in, length) = (self.length(layer), self.length(layer + 1));
        let keep = self.kept(layer, dropout);
        let size = self.sizes[layer];
        let statistics = &self.statistics[layer];
        let (convolved, activations) = (&self.convolved[layer], &self.activations[layer]);
        let d_output = &mut self.d_output[..self.batch * length];
        let sums: Vec<Sums> = d_output
            .par_chunks_exact_mut(length)
            .zip(convolved.par_chunks_exact(length))
            .zip(activations.par_chunks_exact(length))
            .enumerate()
            .map(|(clip, ((d, z), y))| statistics.before_relu(z, y, keep(clip), d))
            .collect();
        let total = Sums::total(&sums);
        let narrow = |to: &mut [f32], from: &[f64]| {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = *from as f32);
        };
        narrow(&mut gradient[places.beta.clone()], &total.first);
        narrow(&mut gradient[places.gamma.clone()], &total.second);

        let weights = &parameters[places.weights.clone()];
        let gamma = &parameters[places.gamma.clone()];
        let count = convolved.len() / shape.outputs;
        let input = match layer {
            0 => inputs,
            n => &self.activations[n - 1],
        };
        let shares = self.batch.div_ceil(SHARE);
        let d_weights = &mut self.shares[..shares * shape.weights()];
        d_weights.fill(0.0);
        d_weights
            .par_chunks_exact_mut(shape.weights())
            .zip(d_output.par_chunks_mut(SHARE * length))
            .zip(convolved.par_chunks(SHARE * length))
            .zip(input.par_chunks(SHARE * length_in))
            .zip(self.d_input[..self.batch * length_in].par_chunks_mut(SHARE * length_in))
            .for_each_init(
                Scratch::default,
                |scratch, ((((d_weights, d), z), x), d_input)| {
                    let clips = d.chunks_exact_mut(length).zip(z.chunks_exact(length));
                    let inputs = x
                        .chunks_exact(length_in)
                        .zip(d_input.chunks_exact_mut(length_in));
                    for ((d, z), (x, d_input)) in clips.zip(inputs) {
                        statistics.backward(gamma, z, &total, count, d);
                        // Nobody asks for the derivatives by the spectrogram.
                        let d_input = (layer > 0).then_some(d_input);
                        let to = Derivatives {
                            weights: &mut *d_weights,
                            input: d_input,
                        };
                        shape.backward(weights, x, size, d, to, scratch);
                    }
                },
            );
        let sum = &mut gradient[places.weights.clone()];
        for share in d_weights.chunks_exact(shape.weights()) {
            sum.iter_mut().zip(share).for_each(|(sum, x)| *sum += x);
        }
    }
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
