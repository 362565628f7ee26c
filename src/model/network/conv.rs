//! One layer over a stream of frames: as frames come in, what they complete goes out, so that a layer never holds more
//! than the frames that its kernel spans and a block of new ones.
//!
//! Frames are kept with their zeros at either end, so that no place is a special case. With channels last, the part of a
//! frame that the kernel covers at a place is one contiguous run; a layer is then a matrix product whose left matrix is
//! made of such runs where they lie, without a copy (no im2col). A block of places by a block of channels is summed in
//! registers, with what vector instructions the processor has.
//!
//! The products are of whole numbers: weights have the 8 bits that an artifact holds, activations up to 16, with one scale
//! for each frame. That is twice as fast as single precision, and sums of whole numbers do not depend on their order: of the
//! same frames, a logit is the same to the bit on every processor.

use fearless_simd::{Level, dispatch, f32x16, i16x32, i32x16, prelude::*};

use super::quantise::{LARGEST, StoredConv};
use super::{Finish, Shape};
use crate::rounding::ROUNDING;

/// Channels that are computed together: weights are laid out in panels of as many.
const PANEL: usize = 16;

/// What an activation is cut down to. No network that was trained comes near it; of weights that are finite and absurd it
/// keeps all that follows finite.
pub(super) const CEILING: f32 = 1e15;

/// A layer laid out for its input's bands.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Extent of the kernel over frames and its step.
    kernel: usize,
    stride: usize,
    /// Zero frames at either end of the clip.
    pub(super) padding: usize,
    /// How its input is held.
    pub(super) input: Layout,
    /// Values from one place's run to the next one's.
    step: usize,
    /// Pairs of values of a run; the last one's second value has no weight where a run is odd.
    pairs: usize,
    /// Bands and channels of the convolution's output, before any pooling.
    pub(super) bands: usize,
    pub(super) channels: usize,
    /// What follows the convolution; [`super::finish::Pool`] does the pooling.
    pub(super) finish: Finish,
    /// Weights in units of their scale, shape `[panels][kernel][pairs][PANEL][2]`, zeros beyond the last channel.
    weights: Vec<[i16; 2 * PANEL]>,
    /// What the sums of each channel are multiplied by, shape `[panels][PANEL]`.
    scales: Vec<[f32; PANEL]>,
    /// Bias, shape `[panels][PANEL]`.
    bias: Vec<[f32; PANEL]>,
}

/// How the frames of a layer's input are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Values from one frame to the next: zeros, the bands' channels, zeros, and one value more where runs are odd.
    pitch: usize,
    /// Zeros before the first band's values.
    margin: usize,
    /// Largest whole number that a value is held as: no sum over a run leaves 32 bits.
    largest: i16,
}

impl Layer {
    /// Lays out a layer of a sound network, of the shape `shape`, for an input of `bands` bands.
    pub(super) fn new(conv: &StoredConv, shape: &Shape, bands: usize) -> Self {
        let [kernel, width] = conv.kernel.map(usize::from);
        let (inputs, channels) = (usize::from(conv.inputs), usize::from(conv.outputs));
        let (run, margin) = (width * inputs, usize::from(conv.padding[1]) * inputs);
        let (panels, pairs) = (channels.div_ceil(PANEL), run.div_ceil(2));
        let mut weights = vec![[0; 2 * PANEL]; panels * kernel * pairs];
        let none = vec![0; channels];
        // A frame of the kernel is a run of values, each with a weight for every channel.
        let frames = conv.weights.chunks_exact(run * channels);
        for (frame, values) in frames.enumerate() {
            for (pair, values) in values.chunks(2 * channels).enumerate() {
                let (low, high) = values.split_at(channels);
                let high = if high.is_empty() { &none } else { high };
                let of_panels = low.chunks(PANEL).zip(high.chunks(PANEL));
                for (panel, (low, high)) in of_panels.enumerate() {
                    let lanes = &mut weights[(panel * kernel + frame) * pairs + pair];
                    for (lane, (&low, &high)) in
                        lanes.as_chunks_mut().0.iter_mut().zip(low.iter().zip(high))
                    {
                        *lane = [i16::from(low), i16::from(high)];
                    }
                }
            }
        }
        let panels_of = |values: &[f32]| {
            let part = |part: &[f32]| {
                let mut panel = [0.0; PANEL];
                panel[..part.len()].copy_from_slice(part);
                panel
            };
            values.chunks(PANEL).map(part).collect()
        };
        let largest = i32::MAX as usize / (LARGEST as usize * 2 * pairs);
        Self {
            kernel,
            stride: usize::from(conv.stride[0]),
            padding: usize::from(conv.padding[0]),
            input: Layout {
                pitch: bands * inputs + 2 * margin + run % 2,
                margin,
                largest: i16::try_from(largest).unwrap_or(i16::MAX),
            },
            step: usize::from(conv.stride[1]) * inputs,
            pairs,
            bands: shape.convolved(1, bands).unwrap_or(0),
            channels,
            finish: conv.finish,
            weights,
            scales: panels_of(&conv.scales),
            bias: panels_of(&conv.bias),
        }
    }

    /// Bands that pooling leaves.
    pub(super) fn bands_left(&self) -> usize {
        self.bands / usize::from(self.finish.pool[1])
    }

    /// Computes the frames that `input` completes into `output`, shape `[frames][bands][channels]`, and drops what no later
    /// frame needs.
    pub(super) fn advance(&self, level: Level, input: &mut Frames, output: &mut Vec<f32>) {
        output.clear();
        let held = input.len();
        if held < self.kernel {
            return;
        }
        let frames = (held - self.kernel) / self.stride + 1;
        output.resize(frames * self.bands * self.channels, 0.0);
        let (values, scales) = input.held();
        let job = Job {
            layer: self,
            values,
            scales,
            output,
        };
        dispatch!(level, simd => run(simd, job));
        input.drop_front(frames * self.stride);
    }
}

/// Frames on their way into a layer, as whole numbers.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Shape `[frames][pitch]`.
    values: Vec<i16>,
    /// What the values of each frame are multiplied by, shape `[frames]`.
    scales: Vec<f32>,
    /// Frames to drop of those that come next: a stride longer than the kernel skips them.
    skip: usize,
    layout: Layout,
}

impl Frames {
    /// Empties the buffer for a layer's input.
    pub(super) fn reset(&mut self, layout: Layout) {
        self.values.clear();
        self.scales.clear();
        (self.skip, self.layout) = (0, layout);
    }

    /// Frames held.
    fn len(&self) -> usize {
        self.scales.len().saturating_sub(self.skip)
    }

    /// The frames held, shape `[frames][pitch]`, and their scales, shape `[frames]`.
    fn held(&self) -> (&[i16], &[f32]) {
        let first = self.skip.min(self.scales.len());
        let values = &self.values[first * self.layout.pitch..];
        (values, &self.scales[first..])
    }

    /// Appends `frames` frames of zeros.
    pub(super) fn push_zeros(&mut self, frames: usize) {
        let values = self.values.len() + frames * self.layout.pitch;
        self.values.resize(values, 0);
        self.scales.resize(self.scales.len() + frames, 0.0);
    }

    /// Appends `frames`, shape `[n][width]`, each rounded to whole numbers of its own scale.
    pub(super) fn push(&mut self, level: Level, frames: &[f32], width: usize) {
        let (held, first) = (self.scales.len(), self.values.len());
        self.push_zeros(frames.len() / width);
        let Layout {
            pitch,
            margin,
            largest,
        } = self.layout;
        let rows = self.values[first..].chunks_exact_mut(pitch);
        let rows = rows.zip(&mut self.scales[held..]);
        for (frame, (row, scale)) in frames.chunks_exact(width).zip(rows) {
            let room = &mut row[margin..margin + width];
            *scale = dispatch!(level, simd => round(simd, frame, room, f32::from(largest)));
        }
    }

    fn drop_front(&mut self, frames: usize) {
        self.skip += frames;
        let gone = self.skip.min(self.scales.len());
        self.skip -= gone;
        self.scales.drain(..gone);
        self.values.drain(..gone * self.layout.pitch);
    }
}

/// Rounds `values` to whole numbers up to `largest` into `rounded`; what these are multiplied by to be the values again.
#[inline(always)]
fn round<S: Simd>(simd: S, values: &[f32], rounded: &mut [i16], largest: f32) -> f32 {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut most = [0.0_f32; PANEL];
            let blocks = values.chunks_exact(PANEL);
            let rest = blocks.remainder();
            for block in blocks {
                for (most, x) in most.iter_mut().zip(block) {
                    *most = if x.abs() > *most { x.abs() } else { *most };
                }
            }
            let most = most
                .iter()
                .chain(rest)
                .fold(0.0, |a: f32, x| a.max(x.abs()));
            if most == 0.0 {
                rounded.fill(0);
                return 0.0;
            }
            let units = largest / most;
            for (out, x) in rounded.iter_mut().zip(values) {
                // The whole number stands in the lowest bits then.
                *out = (x * units + ROUNDING).to_bits() as i16;
            }
            most / largest
        },
    )
}

/// A block of output frames of one layer.
struct Job<'a> {
    layer: &'a Layer,
    values: &'a [i16],
    scales: &'a [f32],
    /// Shape `[frames][bands][channels]`.
    output: &'a mut [f32],
}

/// Places and panels that fill the registers without spilling: 32 of 16 lanes; 16 of 8; 32 or 16 of 4.
#[inline(always)]
fn run<S: Simd>(simd: S, job: Job) {
    match S::f32s::LEN {
        16 => tiles::<S, 8, 2>(simd, job),
        8 => tiles::<S, 6, 1>(simd, job),
        _ if cfg!(target_arch = "aarch64") => tiles::<S, 6, 1>(simd, job),
        _ => tiles::<S, 2, 1>(simd, job),
    }
}

/// All channels, `WIDE` panels at a time, then those left one panel at a time.
#[inline(always)]
fn tiles<S: Simd, const PLACES: usize, const WIDE: usize>(simd: S, mut job: Job) {
    let panels = job.layer.bias.len();
    let wide = panels / WIDE * WIDE;
    for first in (0..wide).step_by(WIDE) {
        columns::<S, PLACES, WIDE>(simd, &mut job, first);
    }
    for first in wide..panels {
        columns::<S, PLACES, 1>(simd, &mut job, first);
    }
}

/// `PANELS` panels of channels from the `first` on, over all places.
#[inline(always)]
fn columns<S: Simd, const PLACES: usize, const PANELS: usize>(
    simd: S,
    job: &mut Job,
    first: usize,
) {
    let layer = job.layer;
    let places = job.output.len() / layer.channels;
    let slab = layer.kernel * layer.pairs;
    let weights: [&[[i16; 2 * PANEL]]; PANELS] =
        std::array::from_fn(|p| &layer.weights[(first + p) * slab..][..slab]);
    let of_panel = |values: &[[f32; PANEL]]| -> [f32x16<S>; PANELS] {
        std::array::from_fn(|p| f32x16::simd_from(simd, values[first + p]))
    };
    let (bias, scales) = (of_panel(&layer.bias), of_panel(&layer.scales));
    let zero = f32x16::splat(simd, 0.0);
    let slope = f32x16::splat(simd, layer.finish.slope);
    let floor = f32x16::splat(simd, layer.finish.floor);
    let ceiling = f32x16::splat(simd, CEILING);
    let none = i32x16::splat(simd, 0);
    let (mut frame, mut band) = (0, 0);
    let mut place = 0;
    while place < places {
        // The last block repeats the last place, so that there is one kind of block.
        let count = PLACES.min(places - place);
        let mut frames = [0; PLACES];
        let mut from = [0; PLACES];
        for at in 0..PLACES {
            frames[at] = frame * layer.stride;
            from[at] = frames[at] * layer.input.pitch + band * layer.step;
            if place + at + 1 < places {
                band += 1;
                if band == layer.bands {
                    (frame, band) = (frame + 1, 0);
                }
            }
        }
        let mut sums = [[zero; PANELS]; PLACES];
        for row in 0..layer.kernel {
            let runs: [&[[i16; 2]]; PLACES] = std::array::from_fn(|at| {
                let run = &job.values[from[at] + row * layer.input.pitch..][..2 * layer.pairs];
                run.as_chunks().0
            });
            let rows: [&[[i16; 2 * PANEL]]; PANELS] =
                std::array::from_fn(|p| &weights[p][row * layer.pairs..][..layer.pairs]);
            let mut whole = [[none; PANELS]; PLACES];
            for k in 0..layer.pairs {
                let w: [i16x32<S>; PANELS] =
                    std::array::from_fn(|p| i16x32::simd_from(simd, rows[p][k]));
                for (whole, run) in whole.iter_mut().zip(&runs) {
                    let [low, high] = run[k];
                    let pair = i32::from(high) << 16 | i32::from(low.cast_unsigned());
                    let x: i16x32<S> = i32x16::splat(simd, pair).bitcast();
                    for (whole, w) in whole.iter_mut().zip(&w) {
                        *whole += x.pairwise_dot_product(*w);
                    }
                }
            }
            for ((sums, whole), frame) in sums.iter_mut().zip(&whole).zip(&frames) {
                let scale = f32x16::splat(simd, job.scales[frame + row]);
                for (sum, whole) in sums.iter_mut().zip(whole) {
                    // Not fused: the same to the bit on processors that cannot.
                    *sum += whole.to_float::<f32x16<S>>() * scale;
                }
            }
        }
        for (at, sums) in sums.iter().enumerate().take(count) {
            for (p, sum) in sums.iter().enumerate() {
                let channel = (first + p) * PANEL;
                let width = PANEL.min(layer.channels - channel);
                let value = (*sum * scales[p] + bias[p]).max(-ceiling).min(ceiling);
                let rectified = value.max(value * slope).max(floor);
                let out = &mut job.output[(place + at) * layer.channels + channel..][..width];
                if let Ok(out) = <&mut [f32; PANEL]>::try_from(&mut *out) {
                    rectified.store_array(out);
                } else {
                    out.copy_from_slice(&rectified.as_slice()[..width]);
                }
            }
        }
        place += count;
    }
}
