//! One layer over a stream of frames: as frames come in, what they complete goes out, so that a layer never holds more
//! than the frames that its kernel spans and a block of new ones.
//!
//! Frames are kept with their zeros at either end, so that no place is a special case. With channels last, the part of a
//! frame that the kernel covers at a place is one contiguous run; a layer is then a matrix product whose left matrix is
//! made of such runs where they lie, without a copy (no im2col). A block of places by a block of channels is summed in
//! registers, with what vector instructions the processor has.

use fearless_simd::{Level, dispatch, f32x16, prelude::*};

use super::Conv;

/// Channels that are computed together: weights are laid out in panels of as many.
const PANEL: usize = 16;

/// A layer laid out for its input's bands.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Extent of the kernel over frames and its step.
    kernel: usize,
    stride: usize,
    /// Zero frames at either end of the clip.
    pub(super) padding: usize,
    /// Values from one frame to the next, zeros included, of the input.
    pub(super) pitch: usize,
    /// Values of the input before the first band's: zeros.
    pub(super) margin: usize,
    /// Values from one place's run to the next one's, and of a run.
    step: usize,
    run: usize,
    /// Bands and channels of the output.
    pub(super) bands: usize,
    pub(super) channels: usize,
    /// Weights, shape `[panels][kernel][run][PANEL]`, zeros beyond the last channel.
    weights: Vec<[f32; PANEL]>,
    /// Bias, shape `[panels][PANEL]`.
    bias: Vec<[f32; PANEL]>,
}

impl Layer {
    /// Lays out a sound `conv` for an input of `bands` bands.
    pub(super) fn new(conv: &Conv, bands: usize) -> Self {
        let [kernel, width] = conv.kernel.map(usize::from);
        let (inputs, channels) = (usize::from(conv.inputs), usize::from(conv.outputs));
        let (run, margin) = (width * inputs, usize::from(conv.padding[1]) * inputs);
        let panels = channels.div_ceil(PANEL);
        let mut weights = vec![[0.0; PANEL]; panels * kernel * run];
        for (row, outputs) in conv.weights.chunks_exact(channels).enumerate() {
            for (panel, part) in outputs.chunks(PANEL).enumerate() {
                weights[panel * kernel * run + row][..part.len()].copy_from_slice(part);
            }
        }
        let mut bias = vec![[0.0; PANEL]; panels];
        for (out, part) in bias.iter_mut().zip(conv.bias.chunks(PANEL)) {
            out[..part.len()].copy_from_slice(part);
        }
        Self {
            kernel,
            stride: usize::from(conv.stride[0]),
            padding: usize::from(conv.padding[0]),
            pitch: bands * inputs + 2 * margin,
            margin,
            step: usize::from(conv.stride[1]) * inputs,
            run,
            bands: conv.places(1, bands).unwrap_or(0),
            channels,
            weights,
            bias,
        }
    }

    /// Computes the frames that `input` completes, appends them to `output`, and drops what no later frame needs.
    pub(super) fn advance(&self, level: Level, input: &mut Frames, output: &mut Frames) {
        let held = input.len();
        if held < self.kernel {
            return;
        }
        let frames = (held - self.kernel) / self.stride + 1;
        let (pitch, margin) = (output.pitch, output.margin);
        let out = output.extend(frames);
        let job = Job {
            layer: self,
            input: input.held(),
            output: out,
            frames,
            pitch,
            margin,
        };
        dispatch!(level, simd => run(simd, job));
        input.drop_front(frames * self.stride);
    }
}

/// Frames on their way from one layer to the next.
#[derive(Debug, Default)]
pub(super) struct Frames {
    values: Vec<f32>,
    /// Frames to drop of those that come next: a stride longer than the kernel skips them.
    skip: usize,
    pitch: usize,
    margin: usize,
}

impl Frames {
    /// Empties the buffer, and sets the values of a frame and how many of them are zeros at either end.
    pub(super) fn reset(&mut self, pitch: usize, margin: usize) {
        self.values.clear();
        (self.skip, self.pitch, self.margin) = (0, pitch, margin);
    }

    /// Frames held.
    fn len(&self) -> usize {
        (self.values.len() / self.pitch).saturating_sub(self.skip)
    }

    /// The frames held, shape `[frames][pitch]`.
    pub(super) fn held(&self) -> &[f32] {
        &self.values[(self.skip * self.pitch).min(self.values.len())..]
    }

    /// Appends `frames` frames of zeros and hands them out, shape `[frames][pitch]`.
    pub(super) fn extend(&mut self, frames: usize) -> &mut [f32] {
        let start = self.values.len();
        self.values.resize(start + frames * self.pitch, 0.0);
        &mut self.values[start..]
    }

    fn drop_front(&mut self, frames: usize) {
        self.skip += frames;
        let gone = self.skip.min(self.values.len() / self.pitch);
        self.skip -= gone;
        let kept = gone * self.pitch..;
        let left = self.values.len() - kept.start;
        self.values.copy_within(kept, 0);
        self.values.truncate(left);
    }
}

/// A block of output frames of one layer.
struct Job<'a> {
    layer: &'a Layer,
    input: &'a [f32],
    output: &'a mut [f32],
    frames: usize,
    /// Of the output.
    pitch: usize,
    margin: usize,
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
    let places = job.frames * layer.bands;
    let slab = layer.kernel * layer.run;
    let weights: [&[[f32; PANEL]]; PANELS] =
        std::array::from_fn(|p| &layer.weights[(first + p) * slab..][..slab]);
    let bias: [f32x16<S>; PANELS] =
        std::array::from_fn(|p| f32x16::simd_from(simd, layer.bias[first + p]));
    let zero = f32x16::splat(simd, 0.0);
    let (mut frame, mut band) = (0, 0);
    let mut place = 0;
    while place < places {
        // The last block repeats the last place, so that there is one kind of block.
        let count = PLACES.min(places - place);
        let mut from = [0; PLACES];
        let mut to = [0; PLACES];
        for at in 0..PLACES {
            from[at] = frame * layer.stride * layer.pitch + band * layer.step;
            to[at] = frame * job.pitch + job.margin + band * layer.channels;
            if place + at + 1 < places {
                band += 1;
                if band == layer.bands {
                    (frame, band) = (frame + 1, 0);
                }
            }
        }
        let mut sums = [bias; PLACES];
        for row in 0..layer.kernel {
            let runs: [&[f32]; PLACES] =
                std::array::from_fn(|at| &job.input[from[at] + row * layer.pitch..][..layer.run]);
            let rows: [&[[f32; PANEL]]; PANELS] =
                std::array::from_fn(|p| &weights[p][row * layer.run..][..layer.run]);
            for k in 0..layer.run {
                let w: [f32x16<S>; PANELS] =
                    std::array::from_fn(|p| f32x16::simd_from(simd, rows[p][k]));
                for (sum, run) in sums.iter_mut().zip(&runs) {
                    let x = f32x16::splat(simd, run[k]);
                    for (sum, w) in sum.iter_mut().zip(&w) {
                        *sum = x.mul_add(*w, *sum);
                    }
                }
            }
        }
        for (sum, &to) in sums.iter().zip(&to).take(count) {
            for (p, sum) in sum.iter().enumerate() {
                let channel = (first + p) * PANEL;
                let width = PANEL.min(layer.channels - channel);
                let rectified = sum.max(zero);
                let out = &mut job.output[to + channel..][..width];
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
