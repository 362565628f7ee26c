//! How phases differ between neighbours: how concentrated the differences are around one angle.
//!
//! Three of them, in each region: along frequency (the group delay), along frequency and time (how it changes), and twice
//! along time (how the advance of a bin's phase changes). A voice is one source whose harmonics keep step; a model of
//! phases, or a vocoder's iterations, leave more or less order than that.
//!
//! A spread of angles is the length of the mean of unit vectors (Mardia and Jupp, "Directional Statistics", 2000, 2.3), so
//! no angle is ever computed: differences are products of unit numbers, and twice an angle is a square.

use realfft::num_complex::Complex;

use super::regions::{LOUD_PERCENTILE, Lanes, REGIONS, WIDTH, bin, level_sum};
use crate::features::dynamic::distribution::percentile;
use crate::features::logarithm::ln;
use crate::rounding::ROUNDING;

const KINDS: [&str; 3] = ["group_delay", "group_delay_change", "phase_acceleration"];
const SPREADS: [&str; 4] = [
    "coherence",
    "double_coherence",
    "coherence_over_bins",
    "coherence_over_time",
];
/// A region's rows and the one above it.
const ROWS: usize = WIDTH + 1;

/// Number of values.
pub const COUNT: usize = REGIONS * KINDS.len() * SPREADS.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for band in 1..=REGIONS {
        for kind in KINDS {
            names.extend(SPREADS.map(|what| format!("{kind}_band_{band}_{what}")));
        }
    }
    names
}

/// A complex number of each region.
#[derive(Debug, Clone, Copy, Default)]
struct Pairs {
    re: Lanes,
    im: Lanes,
}

impl Pairs {
    #[inline(always)]
    fn times(&self, other: &Self) -> Self {
        Self {
            re: std::array::from_fn(|r| self.re[r] * other.re[r] - self.im[r] * other.im[r]),
            im: std::array::from_fn(|r| self.re[r] * other.im[r] + self.im[r] * other.re[r]),
        }
    }

    /// Product with the conjugate of `other`.
    #[inline(always)]
    fn over(&self, other: &Self) -> Self {
        Self {
            re: std::array::from_fn(|r| self.re[r] * other.re[r] + self.im[r] * other.im[r]),
            im: std::array::from_fn(|r| self.im[r] * other.re[r] - self.re[r] * other.im[r]),
        }
    }

    #[inline(always)]
    fn add(&mut self, other: &Self) {
        for r in 0..REGIONS {
            self.re[r] += other.re[r];
            self.im[r] += other.im[r];
        }
    }
}

/// What a unit number's parts are multiplied by to be held as whole numbers. A clip's phases take half of the memory so, 1 MB for
/// 10 s, and spreads, means of thousands of them, hear nothing of it.
const STEPS: f32 = 32_767.0;

/// A unit number of each region, in whole numbers.
#[derive(Debug, Clone, Copy)]
struct Units {
    re: [i16; REGIONS],
    im: [i16; REGIONS],
}

impl Units {
    #[inline(always)]
    fn of(pairs: &Pairs) -> Self {
        // The whole number stands in the lowest bits.
        let rounded = |x: f32| (x * STEPS + ROUNDING).to_bits() as i16;
        Self {
            re: std::array::from_fn(|r| rounded(pairs.re[r])),
            im: std::array::from_fn(|r| rounded(pairs.im[r])),
        }
    }

    #[inline(always)]
    fn pairs(&self) -> Pairs {
        let share = |x: i16| f32::from(x) * (1.0 / STEPS);
        Pairs {
            re: std::array::from_fn(|r| share(self.re[r])),
            im: std::array::from_fn(|r| share(self.im[r])),
        }
    }
}

/// Phases of a clip as unit numbers.
#[derive(Debug)]
pub struct PhaseTrack {
    /// Shape `[frames][31]`.
    units: Vec<Units>,
    /// Shape `[frames]`, up to a factor.
    levels: Vec<f64>,
}

impl PhaseTrack {
    /// Room for a clip of `frames`.
    pub fn new(frames: usize) -> Self {
        Self {
            units: Vec::with_capacity(frames * ROWS),
            levels: Vec::with_capacity(frames),
        }
    }

    /// Adds a frame with the spectrum `spectrum`, shape `[257]`.
    #[inline(always)]
    pub fn push(&mut self, spectrum: &[Complex<f64>]) {
        let mut logs = [Lanes::default(); WIDTH];
        for row in 0..ROWS {
            let re: Lanes = std::array::from_fn(|r| spectrum[bin(row, r)].re as f32);
            let im: Lanes = std::array::from_fn(|r| spectrum[bin(row, r)].im as f32);
            let magnitude: Lanes = std::array::from_fn(|r| (re[r] * re[r] + im[r] * im[r]).sqrt());
            // The phase of 0 is 0.
            let silent: Lanes = std::array::from_fn(|r| if magnitude[r] > 0.0 { 0.0 } else { 1.0 });
            let scale: Lanes = std::array::from_fn(|r| 1.0 / (magnitude[r] + silent[r]));
            self.units.push(Units::of(&Pairs {
                re: std::array::from_fn(|r| re[r] * scale[r] + silent[r]),
                im: std::array::from_fn(|r| im[r] * scale[r]),
            }));
            if row < WIDTH {
                logs[row] = std::array::from_fn(|r| ln(magnitude[r] + 1e-6));
            }
        }
        self.levels.push(level_sum(&logs));
    }

    /// Appends the [`COUNT`] values to `values`.
    #[inline(always)]
    pub fn finish(self, values: &mut Vec<f64>) {
        let threshold = percentile(&self.levels, LOUD_PERCENTILE);
        let mut kinds: [Spread; KINDS.len()] = Default::default();
        // This frame and the two before it, the last one first.
        let mut frames = [[Pairs::default(); ROWS]; 3];
        for (t, (units, level)) in self.units.chunks_exact(ROWS).zip(&self.levels).enumerate() {
            frames.rotate_right(1);
            for (pairs, units) in frames[0].iter_mut().zip(units) {
                *pairs = units.pairs();
            }
            if *level > threshold {
                group_delay(&frames[0], &mut kinds[0]);
                if t > 0 {
                    group_delay_change(&frames[1], &frames[0], &mut kinds[1]);
                }
                if t > 1 {
                    acceleration(&frames, &mut kinds[2]);
                }
            }
        }
        for region in 0..REGIONS {
            values.extend(kinds.iter().flat_map(|kind| kind.spreads(region)));
        }
    }
}

#[inline(always)]
fn group_delay(frame: &[Pairs; ROWS], spread: &mut Spread) {
    spread.add_frame(|row| frame[row + 1].over(&frame[row]));
}

#[inline(always)]
fn group_delay_change(before: &[Pairs; ROWS], frame: &[Pairs; ROWS], spread: &mut Spread) {
    spread.add_frame(|row| {
        let delay_before = before[row + 1].over(&before[row]);
        frame[row + 1].over(&frame[row]).over(&delay_before)
    });
}

/// Of `frames`, the last one first.
#[inline(always)]
fn acceleration(frames: &[[Pairs; ROWS]; 3], spread: &mut Spread) {
    spread.add_frame(|row| {
        let middle = &frames[1][row];
        frames[0][row]
            .times(&frames[2][row])
            .over(&middle.times(middle))
    });
}

/// Sums of unit numbers in each region.
#[derive(Debug)]
struct Spread {
    frames: usize,
    /// Over time, shape `[30]`.
    bins: [Pairs; WIDTH],
    /// Of the squares, over everything.
    squares_re: [f64; REGIONS],
    squares_im: [f64; REGIONS],
    /// Of the lengths of the sums over the bins of each frame.
    lengths: [f64; REGIONS],
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            frames: 0,
            bins: [Pairs::default(); WIDTH],
            squares_re: [0.0; REGIONS],
            squares_im: [0.0; REGIONS],
            lengths: [0.0; REGIONS],
        }
    }
}

impl Spread {
    /// Adds a frame whose rows are `unit`'s.
    #[inline(always)]
    fn add_frame(&mut self, unit: impl Fn(usize) -> Pairs) {
        self.frames += 1;
        let (mut sum, mut squares) = (Pairs::default(), Pairs::default());
        for row in 0..WIDTH {
            let z = unit(row);
            self.bins[row].add(&z);
            sum.add(&z);
            squares.add(&z.times(&z));
        }
        for r in 0..REGIONS {
            self.squares_re[r] += f64::from(squares.re[r]);
            self.squares_im[r] += f64::from(squares.im[r]);
            self.lengths[r] += f64::from((sum.re[r] * sum.re[r] + sum.im[r] * sum.im[r]).sqrt());
        }
    }

    /// The values of a region, as [`SPREADS`] names them; NaN without frames.
    fn spreads(&self, region: usize) -> [f64; SPREADS.len()] {
        let mut sum = Complex::<f64>::default();
        let mut lengths = 0.0;
        for pair in &self.bins {
            let over_time = Complex::new(f64::from(pair.re[region]), f64::from(pair.im[region]));
            lengths += over_time.norm();
            sum += over_time;
        }
        let squares = Complex::new(self.squares_re[region], self.squares_im[region]);
        let all = (self.frames * WIDTH) as f64;
        [sum.norm(), squares.norm(), self.lengths[region], lengths].map(|length| length / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_phases_are_coherent_and_scattered_ones_are_not() {
        let spectrum = |t: usize, noise: bool| -> Vec<Complex<f64>> {
            let angle = |bin: usize| {
                if noise {
                    // Two rounds of multiplying and mixing (squares alone are a chirp, which is coherent).
                    let n = ((t * 257 + bin) as u32).wrapping_mul(2_654_435_761);
                    let n = (n ^ (n >> 15)).wrapping_mul(2_246_822_519);
                    f64::from((n ^ (n >> 13)) >> 8) / 1e3
                } else {
                    0.3 * bin as f64 + 0.7 * t as f64
                }
            };
            (0..257)
                .map(|b| Complex::from_polar(1.0 + t as f64, angle(b)))
                .collect()
        };
        for noise in [false, true] {
            let mut track = PhaseTrack::new(40);
            (0..40).for_each(|t| track.push(&spectrum(t, noise)));
            let mut values = Vec::new();
            track.finish(&mut values);
            assert_eq!(values.len(), COUNT);
            for (name, value) in names().iter().zip(values) {
                if noise {
                    assert!(value < 0.45, "{name} {value}");
                } else {
                    assert!((value - 1.0).abs() < 1e-5, "{name} {value}");
                }
            }
        }
    }
}
