//! What follows a convolution: a rectifier, and the largest value of each block of frames and bands.

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use super::conv::CEILING;
use crate::features::wide::wide;

/// Most frames and bands of a block that is pooled.
const LARGEST_BLOCK: u8 = 16;

/// What is done to a convolution's values. Most layers have a ReLU and nothing else: [`Finish::RELU`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, SchemaWrite, SchemaRead)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// What negative values are multiplied by, 0.0..=1.0: 0 makes a ReLU, 1 leaves values as they are (Maas, Hannun and Ng,
    /// "Rectifier nonlinearities improve neural network acoustic models", ICML 2013).
    pub slope: f32,
    /// What no value is let below after that, 0 or less; at least -1e15.
    pub floor: f32,
    /// Frames and bands of the blocks of whose values, channel by channel, only the largest is kept; `[1, 1]` keeps all. What
    /// is left over at the end of an axis is dropped, as PyTorch's `MaxPool2d` has it.
    pub pool: [u8; 2],
}

impl Default for Finish {
    fn default() -> Self {
        Self::RELU
    }
}

impl Finish {
    /// A ReLU, and no block.
    pub const RELU: Self = Self {
        slope: 0.0,
        floor: 0.0,
        pool: [1, 1],
    };

    /// Whether it is [`Finish::RELU`].
    pub(super) fn is_relu(&self) -> bool {
        *self == Self::RELU
    }

    /// What makes it unusable, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.slope) || !(-CEILING..=0.0).contains(&self.floor) {
            return Some(format!(
                "a slope of {} and a floor of {}; a slope of 0 to 1 and a floor of {:e} to 0 are accepted",
                self.slope, self.floor, -CEILING
            ));
        }
        let blocks = 1..=LARGEST_BLOCK;
        (!self.pool.iter().all(|side| blocks.contains(side))).then(|| {
            format!(
                "blocks of {} frames and {} bands; 1 to {LARGEST_BLOCK} of each are accepted",
                self.pool[0], self.pool[1]
            )
        })
    }
}

/// Frames that wait for a block to be whole.
#[derive(Debug, Default)]
pub(super) struct Pool {
    held: Vec<f32>,
}

impl Pool {
    pub(super) fn reset(&mut self) {
        self.held.clear();
    }

    /// Replaces `rows`, shape `[frames][bands][channels]`, by the largest values of the blocks of `pool` frames and bands that
    /// they complete, shape `[frames'][bands'][channels]`.
    pub(super) fn advance(
        &mut self,
        rows: &mut Vec<f32>,
        bands: usize,
        channels: usize,
        pool: [usize; 2],
    ) {
        self.held.append(rows);
        let frame = bands * channels;
        let left = bands / pool[1] * channels;
        let blocks = self.held.len() / frame / pool[0];
        rows.resize(blocks * left, f32::NEG_INFINITY);
        let of_blocks = self.held.chunks_exact(pool[0] * frame);
        wide(
            #[inline(always)]
            || {
                for (block, out) in of_blocks.zip(rows.chunks_exact_mut(left)) {
                    for frame in block.chunks_exact(frame) {
                        raise(out, frame, pool[1], channels);
                    }
                }
            },
        );
        self.held.drain(..blocks * pool[0] * frame);
    }
}

/// Raises the values of `out`, shape `[bands'][channels]`, to those of `frame`'s blocks of `pool` bands, shape
/// `[bands][channels]`, where these are larger.
#[inline(always)]
fn raise(out: &mut [f32], frame: &[f32], pool: usize, channels: usize) {
    let blocks = frame.chunks_exact(pool * channels);
    for (block, out) in blocks.zip(out.chunks_exact_mut(channels)) {
        for band in block.chunks_exact(channels) {
            for (most, x) in out.iter_mut().zip(band) {
                *most = if *x > *most { *x } else { *most };
            }
        }
    }
}
