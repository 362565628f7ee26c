//! The layers of the network that is trained, and where each one's parameters stand in one vector.

use std::ops::Range;

use super::conv::Shape;

/// Frames of a crop, and of the windows that are scored: 2.56 s.
pub const WINDOW: usize = 256;
/// Bands of a frame.
pub const BANDS: usize = 128;
/// What the input is multiplied by: logarithms of speech less their mean deviate by about 2.
pub const SCALE: f32 = 0.5;

/// A network before training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Frames and bands of an input.
    pub input: [usize; 2],
    /// Convolutions, each followed by batch normalisation and a ReLU; the last one leaves one band.
    pub layers: Vec<Shape>,
    /// Number of the layer before which whole channels are dropped.
    pub channel_dropout: usize,
}

/// Parameters of one layer in the vector of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `[kernel frames][kernel bands][inputs][outputs]`
    pub weights: Range<usize>,
    /// Factors of the batch normalisation, `[outputs]`.
    pub gamma: Range<usize>,
    /// Offsets of the batch normalisation, `[outputs]`.
    pub beta: Range<usize>,
}

/// A convolution of 3 x 3 with zeros around.
const fn square(inputs: usize, outputs: usize, stride: [usize; 2]) -> Shape {
    Shape {
        kernel: [3, 3],
        stride,
        padding: [1, 1],
        inputs,
        outputs,
    }
}

impl Architecture {
    /// Six convolutions of 3 x 3 that leave 64 frames of 8 bands, and one over those bands; the first has `width`
    /// channels, the last six times as many. A width of 16 has 156,305 parameters, one of 24 has 350,809.
    #[must_use]
    pub fn of_width(width: usize) -> Self {
        let [w, w2, w4] = [width, 2 * width, 4 * width];
        Self {
            input: [WINDOW, BANDS],
            layers: vec![
                square(1, w, [2, 2]),
                square(w, w2, [1, 2]),
                square(w2, w2, [1, 1]),
                square(w2, w4, [2, 2]),
                square(w4, w4, [1, 1]),
                square(w4, w4, [1, 2]),
                Shape {
                    kernel: [1, 8],
                    stride: [1, 1],
                    padding: [0, 0],
                    inputs: w4,
                    outputs: 6 * w,
                },
            ],
            channel_dropout: 4,
        }
    }

    /// Frames and bands before each layer and after the last one, shape `[layers + 1]`.
    ///
    /// # Panics
    /// If a kernel does not fit what the layers before it leave.
    #[must_use]
    pub fn sizes(&self) -> Vec<[usize; 2]> {
        let mut sizes = vec![self.input];
        for layer in &self.layers {
            let size = sizes[sizes.len() - 1];
            sizes.push(layer.output(size).expect("the kernel fits"));
        }
        sizes
    }

    /// Channels of the last layer.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// Where the parameters of each layer stand.
    #[must_use]
    pub fn places(&self) -> Vec<Places> {
        let mut end = 0;
        let mut next = |count: usize| {
            end += count;
            end - count..end
        };
        let places = |layer: &Shape| Places {
            weights: next(layer.weights()),
            gamma: next(layer.outputs),
            beta: next(layer.outputs),
        };
        self.layers.iter().map(places).collect()
    }

    /// Where the head's weights stand, `[2 * channels]`; its bias follows and is the last parameter.
    #[must_use]
    pub fn head(&self) -> Range<usize> {
        let start = self.places().last().map_or(0, |places| places.beta.end);
        start..start + 2 * self.channels()
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.head().end + 1
    }

    /// Which parameters decay: the weights, neither normalisation nor bias.
    #[must_use]
    pub fn decayed(&self) -> Vec<bool> {
        let mut decayed = vec![false; self.parameters()];
        for places in self.places() {
            decayed[places.weights].fill(true);
        }
        decayed[self.head()].fill(true);
        decayed
    }
}
