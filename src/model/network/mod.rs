//! A compact convolutional network over band spectrograms: the types, what makes one sound, and its windows' logits.
//!
//! ```text
//! bands [frames][128] (--filter bank--> [frames][filters]) --less each one's mean, scaled--> conv + ReLU, conv + ReLU, ...
//!     [frames'][1][channels] --mean and deviation over a window's frames'--> head --> logit of the window
//! ```
//!
//! `filters` is the filter bank that may stand before the layers; `conv` is one layer over a stream of frames, `finish` what
//! follows it where that is more than a ReLU; `forward` chains the layers and pools; `quantise` is how an artifact holds the
//! weights, in 8 bits; `several` has more than one network hear the same spectrogram.

mod conv;
mod filters;
mod finish;
mod forward;
mod quantise;
mod several;

use serde::{Deserialize, Serialize};

use crate::features::bands;
pub use filters::Filters;
pub use finish::Finish;
pub use forward::{RunScratch, Runner, Window};
pub(super) use quantise::NetworkTail;
pub use quantise::{StoredConv, StoredNetwork};
pub use several::{Networks, NetworksScratch};

/// Most layers of a network.
const MOST_LAYERS: usize = 64;
/// Largest kernel and stride along either axis: a kernel over all bands.
const LARGEST_KERNEL: u8 = bands::BANDS as u8;
/// Most channels of a layer.
const MOST_CHANNELS: u16 = 2_048;
/// Most frames of a window: the minute that is analysed at once.
const LONGEST_WINDOW: u16 = 6_000;
/// Largest factor of the input, whose values lie within some 30 of their mean, and sum of the head's magnitudes: with them
/// and `conv::CEILING` no logit overflows.
const LARGEST_SCALE: f32 = 1e6;
const LARGEST_HEAD: f32 = 1e20;
/// Most multiplications for one frame of the input, about forty times what the default model takes: beyond it, a clip
/// of a minute takes seconds.
const MOST_WORK: usize = 20_000_000;

/// One convolution with its bias and what follows it; batch normalisation is folded into the weights.
///
/// Activations are channels-last, `[frames][bands][channels]`. Zeros pad both ends of an axis; from `n` places, an axis
/// has `floor((n + 2 padding - kernel) / stride) + 1` left, as PyTorch's `Conv2d`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Extent over frames and bands.
    pub kernel: [u8; 2],
    /// Step over frames and bands.
    pub stride: [u8; 2],
    /// Zeros at either end of frames and bands.
    pub padding: [u8; 2],
    /// Channels in.
    pub inputs: u16,
    /// Channels out.
    pub outputs: u16,
    /// Weights, shape `[kernel over frames][kernel over bands][inputs][outputs]`.
    pub weights: Vec<f32>,
    /// Bias, shape `[outputs]`.
    pub bias: Vec<f32>,
    /// What follows; where absent, a ReLU.
    #[serde(default, skip_serializing_if = "Finish::is_relu")]
    pub finish: Finish,
}

/// A whole network, as it is trained and as JSON holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Bands of a frame of the input: [`bands::BANDS`].
    pub bands: u16,
    /// Frames of a window, whose logit the network was trained to give.
    pub window: u16,
    /// Filters that the bands pass before anything else; where absent, the layers take the bands themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
    /// What the input is multiplied by, each band's (or filter's) mean over the clip subtracted.
    pub scale: f32,
    /// The layers; the last one leaves one band.
    pub layers: Vec<Conv>,
    /// Weights of the channels' means and then of their deviations, shape `[2 * channels]`.
    pub head: Vec<f32>,
    /// Logit of a window whose pooled values are all 0.
    pub head_bias: f32,
}

/// What a layer is, whatever holds its weights.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kernel: [u8; 2],
    stride: [u8; 2],
    padding: [u8; 2],
    inputs: u16,
    outputs: u16,
    /// Weights and biases that there are, and whether all are finite numbers.
    weights: usize,
    biases: usize,
    finite: bool,
    finish: Finish,
}

impl Shape {
    /// Places that the convolution leaves of `places` along `axis` (0 frames, 1 bands), `None` if the kernel is longer than
    /// what there is.
    fn convolved(&self, axis: usize, places: usize) -> Option<usize> {
        let padded = places + 2 * usize::from(self.padding[axis]);
        let room = padded.checked_sub(usize::from(self.kernel[axis]))?;
        Some(room / usize::from(self.stride[axis]) + 1)
    }

    /// Places that are left behind the layer, `None` also if they make no block of those that are pooled.
    fn places(&self, axis: usize, places: usize) -> Option<usize> {
        let convolved = self.convolved(axis, places)?;
        Some(convolved / usize::from(self.finish.pool[axis])).filter(|&left| left > 0)
    }

    /// Frames in for one frame out.
    fn step(&self) -> usize {
        usize::from(self.stride[0]) * usize::from(self.finish.pool[0])
    }

    /// What makes the layer unusable behind one of `inputs` channels, if anything.
    fn defect(&self, inputs: u16) -> Option<String> {
        let axes = self.kernel.iter().zip(&self.stride).zip(&self.padding);
        for ((&kernel, &stride), &padding) in axes {
            let extents = 1..=LARGEST_KERNEL;
            if !extents.contains(&kernel) || !extents.contains(&stride) || padding >= kernel {
                return Some(format!(
                    "kernel {kernel}, stride {stride} and padding {padding} do not fit each other; kernel and stride \
                     may be 1 to {LARGEST_KERNEL}, the padding less than the kernel"
                ));
            }
        }
        if let Some(defect) = self.finish.defect() {
            return Some(defect);
        }
        let channels = 1..=MOST_CHANNELS;
        if self.inputs != inputs || !channels.contains(&self.outputs) {
            return Some(format!(
                "it has {} channels in and {} out, behind {inputs}; at most {MOST_CHANNELS} are accepted",
                self.inputs, self.outputs
            ));
        }
        let [frames, bands] = self.kernel.map(usize::from);
        let outputs = usize::from(self.outputs);
        let expected = frames * bands * usize::from(inputs) * outputs;
        if (self.weights, self.biases) != (expected, outputs) {
            return Some(format!(
                "it has {} weights and {} biases, not {expected} and {outputs}",
                self.weights, self.biases
            ));
        }
        (!self.finite).then(|| "a weight is not a finite number".into())
    }
}

impl Conv {
    fn shape(&self) -> Shape {
        Shape {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            inputs: self.inputs,
            outputs: self.outputs,
            weights: self.weights.len(),
            biases: self.bias.len(),
            finite: self.weights.iter().chain(&self.bias).all(|w| w.is_finite()),
            finish: self.finish,
        }
    }
}

/// What a network is besides its layers' weights.
struct Outline<'a> {
    bands: u16,
    window: u16,
    filters: Option<&'a Filters>,
    scale: f32,
    shapes: Vec<Shape>,
    head: &'a [f32],
    head_bias: f32,
}

impl Network {
    /// What would make the network panic, loop, take absurd time or mislead, if anything.
    #[must_use]
    pub fn defect(&self) -> Option<String> {
        let outline = Outline {
            bands: self.bands,
            window: self.window,
            filters: self.filters.as_ref(),
            scale: self.scale,
            shapes: self.layers.iter().map(Conv::shape).collect(),
            head: &self.head,
            head_bias: self.head_bias,
        };
        outline.defect()
    }
}

impl Outline<'_> {
    /// Frames of the input for one of the last layer's.
    fn total_stride(&self) -> usize {
        let steps = self.shapes.iter().map(Shape::step);
        steps.fold(1, usize::saturating_mul)
    }

    /// Frames of the last layer's for a window of the input.
    fn frames_of_window(&self) -> usize {
        let places = |frames: usize, layer: &Shape| layer.places(0, frames);
        let mut layers = self.shapes.iter();
        let frames = layers.try_fold(usize::from(self.window), places);
        frames.unwrap_or(0)
    }

    /// As [`Network::defect`].
    fn defect(&self) -> Option<String> {
        if usize::from(self.bands) != bands::BANDS {
            return Some(format!(
                "the network takes {} bands, there are {}",
                self.bands,
                bands::BANDS
            ));
        }
        if !(1..=LONGEST_WINDOW).contains(&self.window) {
            return Some(format!(
                "a window of {} frames; 1 to {LONGEST_WINDOW} are accepted",
                self.window
            ));
        }
        if !(self.scale > 0.0 && self.scale <= LARGEST_SCALE) {
            return Some(format!(
                "the scale of the input is {}; above 0 and at most {LARGEST_SCALE} are accepted",
                self.scale
            ));
        }
        if let Some(defect) = self.filters.and_then(Filters::defect) {
            return Some(defect);
        }
        if !(1..=MOST_LAYERS).contains(&self.shapes.len()) {
            return Some(format!(
                "{} layers; 1 to {MOST_LAYERS} are accepted",
                self.shapes.len()
            ));
        }
        let mut work = 0_usize;
        let mut inputs = 1;
        let mut stride = 1_usize;
        let mut frames = usize::from(self.window);
        let mut bands = self
            .filters
            .map_or(usize::from(self.bands), |filters| filters.levels.len());
        for (index, layer) in self.shapes.iter().enumerate() {
            let found = |defect| Some(format!("layer {}: {defect}", index + 1));
            if let Some(defect) = layer.defect(inputs) {
                return found(defect);
            }
            let (Some(frames_left), Some(bands_left), Some(convolved)) = (
                layer.places(0, frames),
                layer.places(1, bands),
                layer.convolved(1, bands),
            ) else {
                return found(format!(
                    "its kernel and blocks do not fit {frames} frames of {bands} bands"
                ));
            };
            let of_convolution = stride.saturating_mul(usize::from(layer.stride[0]));
            work = work.saturating_add((convolved * layer.weights).div_ceil(of_convolution));
            (frames, bands, inputs) = (frames_left, bands_left, layer.outputs);
            stride = stride.saturating_mul(layer.step());
        }
        if bands != 1 {
            return Some(format!("the last layer leaves {bands} bands instead of 1"));
        }
        if stride > usize::from(self.window) {
            return Some(format!(
                "strides of {stride} frames in all, in a window of {}",
                self.window
            ));
        }
        if work > MOST_WORK {
            return Some(format!(
                "{work} multiplications a frame; at most {MOST_WORK} are accepted"
            ));
        }
        if self.head.len() != 2 * usize::from(inputs) {
            return Some(format!(
                "the head has {} weights, not a mean's and a deviation's for each of {inputs} channels",
                self.head.len()
            ));
        }
        let head = self.head.iter().chain([&self.head_bias]);
        let sum: f32 = head.map(|w| w.abs()).sum();
        (sum.is_nan() || sum > LARGEST_HEAD).then(|| {
            format!(
                "the magnitudes in the head sum up to {sum:e}; at most {LARGEST_HEAD:e} is accepted"
            )
        })
    }
}
