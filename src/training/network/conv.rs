//! A convolution and its derivatives: patches of the input as the rows of a matrix ("im2col"), then a matrix product.
//!
//! Activations are channels-last, `[frames][bands][channels]`, so that a patch is one contiguous run for each frame of
//! the kernel. Patches are made for [`TILE`] outputs at a time, which stay in the second-level cache.

use super::gemm;

/// Outputs whose patches are made at once, about.
const TILE: usize = 512;

/// Extents of a convolution, over frames and bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Of the kernel.
    pub kernel: [usize; 2],
    /// Step from one output to the next.
    pub stride: [usize; 2],
    /// Zeros at either end.
    pub padding: [usize; 2],
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
}

/// Working memory of one thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Patches, shape `[outputs of a tile][patch]`.
    patches: Vec<f32>,
}

/// Where derivatives go.
#[derive(Debug)]
pub struct Derivatives<'a> {
    /// Those by the weights are added here, shape `[patch][outputs]`.
    pub weights: &'a mut [f32],
    /// Those by the input are written here, where they are asked for.
    pub input: Option<&'a mut [f32]>,
}

impl Shape {
    /// Frames and bands that come out of that many, as PyTorch's `Conv2d` has it; none where the kernel does not fit.
    #[must_use]
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let padded = size[axis] + 2 * self.padding[axis];
            output[axis] = padded.checked_sub(self.kernel[axis])? / self.stride[axis] + 1;
        }
        Some(output)
    }

    /// Values of a patch: rows of the weights.
    #[must_use]
    pub fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.inputs
    }

    /// Number of weights, `[kernel frames][kernel bands][inputs][outputs]`.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.patch() * self.outputs
    }

    /// Convolves `input`, shape `[frames][bands][inputs]` with `size` frames and bands, into `output`, shape
    /// `[frames'][bands'][outputs]`.
    ///
    /// # Panics
    /// If the kernel does not fit or a slice is of another length.
    pub fn forward(
        &self,
        weights: &[f32],
        input: &[f32],
        size: [usize; 2],
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let [_, bands] = self.output(size).expect("the kernel fits");
        let rows = (TILE / bands).max(1);
        for (tile, output) in output.chunks_mut(rows * bands * self.outputs).enumerate() {
            let outputs = output.len() / self.outputs;
            let first = tile * rows;
            self.gather(input, size, first..first + outputs / bands, scratch);
            let extents = [outputs, self.patch(), self.outputs];
            gemm::product(&scratch.patches, weights, output, extents);
        }
    }

    /// Derivatives given those by the output, `d_output`.
    ///
    /// # Panics
    /// If the kernel does not fit or a slice is of another length.
    pub fn backward(
        &self,
        weights: &[f32],
        input: &[f32],
        size: [usize; 2],
        d_output: &[f32],
        to: Derivatives,
        scratch: &mut Scratch,
    ) {
        let Derivatives {
            weights: d_weights,
            input: mut d_input,
        } = to;
        let [_, bands] = self.output(size).expect("the kernel fits");
        let rows = (TILE / bands).max(1);
        if let Some(d_input) = d_input.as_deref_mut() {
            d_input.fill(0.0);
        }
        for (tile, d_output) in d_output.chunks(rows * bands * self.outputs).enumerate() {
            let outputs = d_output.len() / self.outputs;
            let frames = tile * rows..tile * rows + outputs / bands;
            let extents = [outputs, self.patch(), self.outputs];
            self.gather(input, size, frames.clone(), scratch);
            gemm::add_transposed_product(&scratch.patches, d_output, d_weights, extents);
            if let Some(d_input) = d_input.as_deref_mut() {
                gemm::product_transposed(d_output, weights, &mut scratch.patches, extents);
                self.scatter(&scratch.patches, size, frames, d_input);
            }
        }
    }

    /// Patches of the outputs of `frames`.
    fn gather(
        &self,
        input: &[f32],
        size: [usize; 2],
        frames: std::ops::Range<usize>,
        scratch: &mut Scratch,
    ) {
        let [_, bands] = self.output(size).expect("the kernel fits");
        let patches = &mut scratch.patches;
        patches.resize(frames.len() * bands * self.patch(), 0.0);
        self.runs(size, frames, |at, run| match run {
            Run::Zeros(length) => patches[at..at + length].fill(0.0),
            Run::Input(from, length) => {
                patches[at..at + length].copy_from_slice(&input[from..from + length]);
            }
        });
    }

    /// Adds patches to where they came from.
    fn scatter(
        &self,
        patches: &[f32],
        size: [usize; 2],
        frames: std::ops::Range<usize>,
        input: &mut [f32],
    ) {
        self.runs(size, frames, |at, run| {
            if let Run::Input(from, length) = run {
                let sums = input[from..from + length].iter_mut();
                sums.zip(&patches[at..at + length])
                    .for_each(|(sum, x)| *sum += x);
            }
        });
    }

    /// Hands each contiguous run of the patches of `frames` to `visit`: where it stands in them, and what it is.
    #[inline]
    fn runs(
        &self,
        [frames_in, bands_in]: [usize; 2],
        frames: std::ops::Range<usize>,
        mut visit: impl FnMut(usize, Run),
    ) {
        let [_, bands] = self.output([frames_in, bands_in]).expect("the kernel fits");
        let width = self.kernel[1] * self.inputs;
        let mut at = 0;
        for frame in frames {
            for band in 0..bands {
                // The kernel's bands that lie within the input.
                let start = band * self.stride[1];
                let before = self.padding[1].saturating_sub(start).min(self.kernel[1]);
                let end = (bands_in + self.padding[1]).saturating_sub(start);
                let end = end.min(self.kernel[1]).max(before);
                for tap in 0..self.kernel[0] {
                    let place = (frame * self.stride[0] + tap).checked_sub(self.padding[0]);
                    match place.filter(|&place| place < frames_in && before < end) {
                        None => visit(at, Run::Zeros(width)),
                        Some(place) => {
                            let first = before * self.inputs;
                            let length = (end - before) * self.inputs;
                            let from = place * bands_in + start + before - self.padding[1];
                            if first > 0 {
                                visit(at, Run::Zeros(first));
                            }
                            visit(at + first, Run::Input(from * self.inputs, length));
                            if first + length < width {
                                let rest = width - first - length;
                                visit(at + first + length, Run::Zeros(rest));
                            }
                        }
                    }
                    at += width;
                }
            }
        }
    }
}

/// A part of a patch.
enum Run {
    /// So many zeros beyond the input's ends.
    Zeros(usize),
    /// Of the input, from there, so many values.
    Input(usize, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(count: usize, rate: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * rate).sin()).collect()
    }

    /// The definition, place by place.
    fn direct(shape: &Shape, weights: &[f32], input: &[f32], size: [usize; 2]) -> Vec<f32> {
        let [frames, bands] = shape.output(size).unwrap();
        let mut output = vec![0.0; frames * bands * shape.outputs];
        for frame in 0..frames {
            for band in 0..bands {
                for tap in 0..shape.patch() {
                    let (kernel_frame, rest) = (
                        tap / (shape.kernel[1] * shape.inputs),
                        tap % (shape.kernel[1] * shape.inputs),
                    );
                    let (kernel_band, channel) = (rest / shape.inputs, rest % shape.inputs);
                    let t = (frame * shape.stride[0] + kernel_frame) as isize
                        - shape.padding[0] as isize;
                    let b =
                        (band * shape.stride[1] + kernel_band) as isize - shape.padding[1] as isize;
                    if t < 0 || b < 0 || t >= size[0] as isize || b >= size[1] as isize {
                        continue;
                    }
                    let x = input[(t as usize * size[1] + b as usize) * shape.inputs + channel];
                    for out in 0..shape.outputs {
                        output[(frame * bands + band) * shape.outputs + out] +=
                            x * weights[tap * shape.outputs + out];
                    }
                }
            }
        }
        output
    }

    const SHAPES: [([usize; 2], Shape); 4] = [
        (
            [9, 8],
            Shape {
                kernel: [3, 3],
                stride: [2, 2],
                padding: [1, 1],
                inputs: 1,
                outputs: 4,
            },
        ),
        (
            [70, 16],
            Shape {
                kernel: [3, 3],
                stride: [1, 2],
                padding: [1, 1],
                inputs: 3,
                outputs: 5,
            },
        ),
        (
            [6, 8],
            Shape {
                kernel: [1, 8],
                stride: [1, 1],
                padding: [0, 0],
                inputs: 4,
                outputs: 3,
            },
        ),
        (
            [7, 5],
            Shape {
                kernel: [5, 3],
                stride: [1, 1],
                padding: [2, 1],
                inputs: 2,
                outputs: 2,
            },
        ),
    ];

    #[test]
    fn outputs_are_those_of_the_definition() {
        for (size, shape) in SHAPES {
            let (weights, input) = (
                waves(shape.weights(), 0.37),
                waves(size[0] * size[1] * shape.inputs, 0.11),
            );
            let expected = direct(&shape, &weights, &input, size);
            let mut output = vec![7.0; expected.len()];
            shape.forward(&weights, &input, size, &mut output, &mut Scratch::default());
            for (a, b) in output.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-5, "{shape:?}: {a} {b}");
            }
        }
    }

    /// The convolution is linear in its input and in its weights: with `L = d . conv(w, x)`, the derivatives are right if
    /// and only if `d_x . u = d . conv(w, u)` and `d_w . v = d . conv(v, x)` for every `u` and `v`.
    #[test]
    fn derivatives_are_the_adjoints() {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        for (size, shape) in SHAPES {
            let length = size[0] * size[1] * shape.inputs;
            let (weights, input) = (waves(shape.weights(), 0.37), waves(length, 0.11));
            let (v, u) = (waves(shape.weights(), 0.91), waves(length, 0.53));
            let output = direct(&shape, &weights, &u, size);
            let d = waves(output.len(), 0.23);
            let (mut d_weights, mut d_input) = (vec![0.0; shape.weights()], vec![3.0; length]);
            let scratch = &mut Scratch::default();
            let to = Derivatives {
                weights: &mut d_weights,
                input: Some(&mut d_input),
            };
            shape.backward(&weights, &input, size, &d, to, scratch);
            let by_input = [dot(&d_input, &u), dot(&d, &output)];
            let by_weights = [
                dot(&d_weights, &v),
                dot(&d, &direct(&shape, &v, &input, size)),
            ];
            for [a, b] in [by_input, by_weights] {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{shape:?}: {a} {b}");
            }
        }
    }
}
