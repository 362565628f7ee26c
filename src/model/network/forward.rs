//! Bands -> logits of windows.

use fearless_simd::Level;

use super::Network;
use super::conv::{Frames, Layer};

/// Frames of the input that pass through all layers together: few enough that what is between two layers stays in the
/// processor's cache, enough that a layer's weights are read for many places.
const BLOCK: usize = 32;
/// Added to a variance before its root is taken.
const VARIANCE_FLOOR: f32 = 1e-4;

/// A network laid out to run; shared between threads.
#[derive(Debug, Clone)]
pub struct Runner {
    layers: Vec<Layer>,
    bands: usize,
    window: usize,
    total_stride: usize,
    scale: f32,
    channels: usize,
    head: Vec<f32>,
    head_bias: f32,
    level: Level,
}

/// Buffers of a run, reused from clip to clip; one for each thread. About 1 MB for the default model.
#[derive(Debug, Default)]
pub struct RunScratch {
    mean: Vec<f32>,
    frames: Vec<Frames>,
}

/// A window of a clip and what the network makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// First frame.
    pub start: usize,
    /// Frames; fewer than the network's window for a clip shorter than it.
    pub frames: usize,
    /// Log-odds of AI, before calibration.
    pub logit: f64,
}

impl Runner {
    /// Lays out `network`.
    ///
    /// # Panics
    /// If the network has a [`defect`](Network::defect).
    #[must_use]
    pub fn new(network: &Network) -> Self {
        assert_eq!(network.defect(), None, "a sound network");
        let mut bands = usize::from(network.bands);
        let lay_out = |conv| {
            let layer = Layer::new(conv, bands);
            bands = layer.bands;
            layer
        };
        Self {
            layers: network.layers.iter().map(lay_out).collect(),
            bands: usize::from(network.bands),
            window: usize::from(network.window),
            total_stride: network.total_stride(),
            scale: network.scale,
            channels: network.channels(),
            head: network.head.clone(),
            head_bias: network.head_bias,
            level: Level::new(),
        }
    }

    /// Windows of a clip's `frames`, shape `[n][bands]`, and their logits: the first starts at the clip's start, the last
    /// one ends at its end, neighbours overlap by half a window or more. A clip shorter than a window is repeated until
    /// it fills it, and is one window of its own length. None without frames.
    #[must_use]
    pub fn windows(&self, frames: &[f32], scratch: &mut RunScratch) -> Vec<Window> {
        let count = frames.len() / self.bands;
        if count == 0 {
            return Vec::new();
        }
        let length = count.max(self.window);
        self.convolve(frames, length, scratch);
        let last = scratch.frames.last().expect("there is a layer");
        let values = last.held();
        let spare = length - self.window;
        let steps = (2 * spare).div_ceil(self.window);
        let window = |step: usize| {
            let start = (spare * step).checked_div(steps).unwrap_or(0);
            let from = start / self.total_stride;
            let to = (from + self.window / self.total_stride) * self.channels;
            let pooled = &values[from * self.channels..to.min(values.len())];
            Window {
                start,
                frames: self.window.min(count),
                logit: f64::from(self.pool(pooled)),
            }
        };
        (0..=steps).map(window).collect()
    }

    /// Leaves the last layer's output for `length` frames, which repeat `frames`, in the last buffer of `scratch`.
    fn convolve(&self, frames: &[f32], length: usize, scratch: &mut RunScratch) {
        let count = frames.len() / self.bands;
        let mean = &mut scratch.mean;
        mean.clear();
        mean.resize(self.bands, 0.0);
        // In blocks, so that a minute's sums stay as exact as a second's.
        let mut sums = vec![0.0; self.bands];
        for block in frames.chunks(BLOCK * self.bands) {
            sums.fill(0.0);
            for frame in block.chunks_exact(self.bands) {
                sums.iter_mut().zip(frame).for_each(|(sum, x)| *sum += x);
            }
            let share = 1.0 / count as f32;
            mean.iter_mut()
                .zip(&sums)
                .for_each(|(mean, sum)| *mean += sum * share);
        }

        scratch
            .frames
            .resize_with(self.layers.len() + 1, Frames::default);
        let buffers = scratch.frames.iter_mut();
        let layouts = self.layers.iter().map(|layer| (layer.pitch, layer.margin));
        for (buffer, (pitch, margin)) in buffers.zip(layouts.chain([(self.channels, 0)])) {
            buffer.reset(pitch, margin);
        }
        for (layer, buffer) in self.layers.iter().zip(&mut scratch.frames) {
            buffer.extend(layer.padding);
        }
        let first = &self.layers[0];
        for block in (0..length).step_by(BLOCK) {
            let taken = BLOCK.min(length - block);
            let room = scratch.frames[0].extend(taken);
            for (at, row) in room.chunks_exact_mut(first.pitch).enumerate() {
                let source = (block + at) % count * self.bands;
                let frame = &frames[source..source + self.bands];
                let places = &mut row[first.margin..first.margin + self.bands];
                for ((out, x), mean) in places.iter_mut().zip(frame).zip(&scratch.mean) {
                    *out = (x - mean) * self.scale;
                }
            }
            self.advance(0, &mut scratch.frames);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            scratch.frames[index].extend(layer.padding);
            self.advance(index, &mut scratch.frames);
        }
    }

    /// Runs the layers from the `first` on over what has come in.
    fn advance(&self, first: usize, frames: &mut [Frames]) {
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            let (inputs, outputs) = frames.split_at_mut(index + 1);
            layer.advance(self.level, &mut inputs[index], &mut outputs[0]);
        }
    }

    /// Logit of the last layer's output over a window, shape `[n][channels]`.
    fn pool(&self, values: &[f32]) -> f32 {
        let count = (values.len() / self.channels).max(1) as f32;
        let (means, deviations) = self.head.split_at(self.channels);
        let mut logit = self.head_bias;
        for (channel, (of_mean, of_deviation)) in means.iter().zip(deviations).enumerate() {
            let track = || values.iter().skip(channel).step_by(self.channels);
            let mean = track().sum::<f32>() / count;
            let variance = track().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
            logit += of_mean * mean + of_deviation * (variance + VARIANCE_FLOOR).sqrt();
        }
        logit
    }
}
