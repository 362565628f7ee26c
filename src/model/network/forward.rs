//! Bands -> logits of windows.

use fearless_simd::Level;

use super::conv::{Frames, Layer};
use super::filters::Bank;
use super::finish::Pool;
use super::{Network, StoredNetwork};
use crate::features::bands::BANDS;
use crate::features::logarithm::ln;

/// Frames of the input that pass through all layers together: few enough that what is between two layers stays in the
/// processor's cache, enough that a layer's weights are read for many places.
const BLOCK: usize = 32;
/// Added to a variance before its root is taken.
const VARIANCE_FLOOR: f32 = 1e-4;

/// A network laid out to run; shared between threads.
#[derive(Debug, Clone)]
pub struct Runner {
    layers: Vec<Layer>,
    /// Bands of the spectrogram, and values of a frame of the first layer's input.
    bands: usize,
    width: usize,
    filters: Option<Bank>,
    window: usize,
    total_stride: usize,
    /// Frames of the last layer for a window.
    pooled: usize,
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
    /// Each layer's input, and what waits to be pooled behind it.
    frames: Vec<Frames>,
    pools: Vec<Pool>,
    /// What a layer made last, on its way to the next one.
    block: Vec<f32>,
    /// What the last layer made, shape `[frames][channels]`.
    output: Vec<f32>,
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
    /// Lays out `network`, its weights rounded to 8 bits.
    ///
    /// # Errors
    /// What [`Network::defect`] says, if anything.
    pub fn new(network: &Network) -> Result<Self, String> {
        Self::of_stored(&StoredNetwork::new(network)?)
    }

    /// Lays out the network of an artifact.
    ///
    /// # Errors
    /// What [`StoredNetwork::defect`] says, if anything.
    pub fn of_stored(network: &StoredNetwork) -> Result<Self, String> {
        if let Some(defect) = network.defect() {
            return Err(defect);
        }
        let filters = network.filters.as_ref().map(Bank::new);
        let inputs = filters
            .as_ref()
            .map_or(usize::from(network.bands), |bank| bank.levels.len());
        let outline = network.outline();
        let mut bands = inputs;
        let lay_out = |(conv, shape)| {
            let layer = Layer::new(conv, shape, bands);
            bands = layer.bands_left();
            layer
        };
        let layers = network.layers.iter().zip(&outline.shapes);
        Ok(Self {
            layers: layers.map(lay_out).collect(),
            bands: usize::from(network.bands),
            width: inputs,
            filters,
            window: usize::from(network.window),
            total_stride: outline.total_stride(),
            pooled: outline.frames_of_window(),
            scale: network.scale,
            channels: network.channels(),
            head: network.head.clone(),
            head_bias: network.head_bias,
            level: Level::new(),
        })
    }

    /// Whether the layers take the logarithms of the bands themselves.
    pub(super) fn takes_bands(&self) -> bool {
        self.filters.is_none()
    }

    /// Appends the inputs for a frame of the bands' `powers`.
    #[inline(always)]
    pub(super) fn push_inputs(&self, powers: &[f32; BANDS], inputs: &mut Vec<f32>) {
        match &self.filters {
            Some(bank) => bank.push(powers, inputs),
            None => inputs.extend(powers.iter().map(|&power| ln(power))),
        }
    }

    /// Frames of a window.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Windows of a clip's `frames`, logarithms of shape `[n][bands]`, and their logits, as
    /// [`windows_of_inputs`](Self::windows_of_inputs) finds them.
    #[must_use]
    pub fn windows(&self, frames: &[f32], scratch: &mut RunScratch) -> Vec<Window> {
        let Some(bank) = &self.filters else {
            return self.windows_of_inputs(frames, scratch);
        };
        let mut inputs = Vec::with_capacity(frames.len() / self.bands * self.width);
        bank.extend(frames, &mut inputs);
        self.windows_of_inputs(&inputs, scratch)
    }

    /// Windows of a clip's `inputs`, shape `[n][inputs]`, and their logits: the first starts at the clip's start, the last
    /// one ends at its end, neighbours overlap by half a window or more. A clip shorter than a window is repeated until
    /// it fills it, and is one window of its own length. None without frames.
    #[must_use]
    pub fn windows_of_inputs(&self, inputs: &[f32], scratch: &mut RunScratch) -> Vec<Window> {
        let count = inputs.len() / self.width;
        if count == 0 {
            return Vec::new();
        }
        let length = count.max(self.window);
        self.convolve(inputs, length, scratch);
        let values = &scratch.output;
        let spare = length - self.window;
        let steps = (2 * spare).div_ceil(self.window);
        let window = |step: usize| {
            let start = (spare * step).checked_div(steps).unwrap_or(0);
            let from = start / self.total_stride;
            let to = from + self.pooled;
            let pooled = &values[from * self.channels..to * self.channels];
            Window {
                start,
                frames: self.window.min(count),
                logit: f64::from(self.pool(pooled)),
            }
        };
        (0..=steps).map(window).collect()
    }

    /// Leaves the last layer's output for `length` frames, which repeat `frames`, shape `[n][inputs]`, in `scratch`.
    fn convolve(&self, frames: &[f32], length: usize, scratch: &mut RunScratch) {
        let count = frames.len() / self.width;
        let mean = &mut scratch.mean;
        mean.clear();
        mean.resize(self.width, 0.0);
        // In blocks, so that a minute's sums stay as exact as a second's.
        let mut sums = vec![0.0; self.width];
        for block in frames.chunks(BLOCK * self.width) {
            sums.fill(0.0);
            for frame in block.chunks_exact(self.width) {
                sums.iter_mut().zip(frame).for_each(|(sum, x)| *sum += x);
            }
            let share = 1.0 / count as f32;
            mean.iter_mut()
                .zip(&sums)
                .for_each(|(mean, sum)| *mean += sum * share);
        }

        let RunScratch {
            mean,
            frames: inputs,
            pools,
            block: rows,
            output,
            ..
        } = scratch;
        output.clear();
        pools.resize_with(self.layers.len(), Pool::default);
        pools.iter_mut().for_each(Pool::reset);
        inputs.resize_with(self.layers.len(), Frames::default);
        for (layer, input) in self.layers.iter().zip(inputs.iter_mut()) {
            input.reset(layer.input);
            input.push_zeros(layer.padding);
        }
        for block in (0..length).step_by(BLOCK) {
            rows.clear();
            for at in block..(block + BLOCK).min(length) {
                let frame = &frames[at % count * self.width..][..self.width];
                let centred = frame.iter().zip(&*mean);
                let scaled = centred.map(|(x, mean)| (x - mean) * self.scale);
                match &self.filters {
                    Some(bank) => rows.extend(scaled.zip(&bank.levels).map(|(x, level)| x + level)),
                    None => rows.extend(scaled),
                }
            }
            inputs[0].push(self.level, rows, self.width);
            self.advance(0, inputs, pools, rows, output);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            inputs[index].push_zeros(layer.padding);
            self.advance(index, inputs, pools, rows, output);
        }
    }

    /// Runs the layers from the `first` on over what has come in; what the last one makes is appended to `output`.
    fn advance(
        &self,
        first: usize,
        inputs: &mut [Frames],
        pools: &mut [Pool],
        rows: &mut Vec<f32>,
        output: &mut Vec<f32>,
    ) {
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            layer.advance(self.level, &mut inputs[index], rows);
            let pool = layer.finish.pool.map(usize::from);
            if pool != [1, 1] {
                pools[index].advance(rows, layer.bands, layer.channels, pool);
            }
            match inputs.get_mut(index + 1) {
                Some(next) => {
                    let width = layer.bands_left() * layer.channels;
                    next.push(self.level, rows, width);
                }
                None => output.extend_from_slice(rows),
            }
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
