//! How log magnitudes differ from their neighbours, in time, in frequency, in both, and from their region's mean.
//!
//! Frames of 20 ms; the `dynamic` set's texture has two bands of longer frames, and no look at the mixed difference, in
//! which smooth spectra and steady ones both cancel.

use realfft::num_complex::Complex;

use super::moments::{self, FrameSums, PowerSums};
use super::regions::{LOUD_PERCENTILE, Lanes, REGIONS, WIDTH, bin, level_sum};
use crate::features::dynamic::distribution::percentile;
use crate::features::logarithm::ln;

const KINDS: [&str; 4] = [
    "time_difference",
    "frequency_difference",
    "mixed_difference",
    "deviation",
];

/// Number of values.
pub const COUNT: usize = REGIONS * KINDS.len() * moments::NAMES.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for band in 1..=REGIONS {
        for kind in KINDS {
            names.extend(moments::NAMES.map(|what| format!("texture_band_{band}_{kind}_{what}")));
        }
    }
    names
}

/// Log magnitudes of a clip.
#[derive(Debug)]
pub struct TextureTrack {
    /// Shape `[frames][30][8]`.
    logs: Vec<Lanes>,
    /// Shape `[frames]`, up to a factor.
    levels: Vec<f64>,
}

impl TextureTrack {
    /// Room for a clip of `frames`.
    pub fn new(frames: usize) -> Self {
        Self {
            logs: Vec::with_capacity(frames * WIDTH),
            levels: Vec::with_capacity(frames),
        }
    }

    /// Adds a frame with the spectrum `spectrum`, shape `[257]`.
    #[inline(always)]
    pub fn push(&mut self, spectrum: &[Complex<f64>]) {
        let start = self.logs.len();
        // Loops, not `extend` and `map`: those are calls, which are compiled for the oldest processor.
        for row in 0..WIDTH {
            let mut logs = Lanes::default();
            for (region, x) in logs.iter_mut().enumerate() {
                *x = spectrum[bin(row, region)].norm_sqr() as f32;
            }
            for x in &mut logs {
                *x = ln(x.sqrt() + 1e-6);
            }
            self.logs.push(logs);
        }
        self.levels.push(level_sum(&self.logs[start..]));
    }

    /// Appends the [`COUNT`] values to `values`, and gives the memory back: a megabyte for 10 s.
    #[inline(always)]
    pub fn finish(&mut self, values: &mut Vec<f64>) {
        let threshold = percentile(&self.levels, LOUD_PERCENTILE);
        let mut kinds: [PowerSums; KINDS.len()] = Default::default();
        for (t, &level) in self.levels.iter().enumerate() {
            if level > threshold {
                let frame = &self.logs[t * WIDTH..][..WIDTH];
                within_frame(frame, &mut kinds);
                if t > 0 {
                    let before = &self.logs[(t - 1) * WIDTH..][..WIDTH];
                    between_frames(before, frame, &mut kinds);
                }
            }
        }
        for region in 0..REGIONS {
            values.extend(kinds.iter().flat_map(|sums| sums.moments(region)));
        }
        self.logs = Vec::new();
    }
}

#[inline(always)]
fn difference(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|region| a[region] - b[region])
}

/// Differences in frequency, and from the mean of the region in this frame.
#[inline(always)]
fn within_frame(frame: &[Lanes], kinds: &mut [PowerSums; KINDS.len()]) {
    let mut mean = Lanes::default();
    for row in frame {
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += x;
        }
    }
    let mean = mean.map(|sum| sum * (1.0 / WIDTH as f32));
    let (mut frequency, mut deviation) = (FrameSums::default(), FrameSums::default());
    for row in frame {
        deviation.push(&difference(row, &mean));
    }
    for rows in frame.windows(2) {
        frequency.push(&difference(&rows[1], &rows[0]));
    }
    kinds[1].add(&frequency, WIDTH - 1);
    kinds[3].add(&deviation, WIDTH);
}

/// Differences in time, and the differences of these in frequency.
#[inline(always)]
fn between_frames(before: &[Lanes], frame: &[Lanes], kinds: &mut [PowerSums; KINDS.len()]) {
    let (mut time, mut mixed) = (FrameSums::default(), FrameSums::default());
    let mut below = difference(&frame[0], &before[0]);
    time.push(&below);
    for (row, row_before) in frame[1..].iter().zip(&before[1..]) {
        let change = difference(row, row_before);
        time.push(&change);
        mixed.push(&difference(&change, &below));
        below = change;
    }
    kinds[0].add(&time, WIDTH);
    kinds[2].add(&mixed, WIDTH - 1);
}
