//! Energy in the twelve pitch classes, on a scale tuned to the clip.
//!
//! `librosa.feature.chroma_stft` with its defaults: the tuning is estimated from the spectral
//! peaks of the *power* spectrogram, then a bank of Gaussian bumps a semitone apart, built for that
//! tuning, maps bins to pitch classes.

use super::spectrogram::{BINS, FFT_SIZE, STRIDE};
use crate::audio::SAMPLE_RATE;

/// Pitch classes, from C to B.
pub const PITCH_CLASSES: usize = 12;
/// Steps of the tuning histogram over one semitone (`resolution` 0.01).
const TUNING_STEPS: usize = 100;
/// Bins whose peaks are considered: 150 Hz <= f < 4000 Hz (`librosa.piptrack`).
const PEAK_BINS: std::ops::Range<usize> = 14..372;
/// A peak must exceed this share of its frame's maximum (`librosa.piptrack`).
const PEAK_THRESHOLD: f32 = 0.1;
/// Relative error that a power of an `f32` transform may have where it matters, near the maximum
/// of its frame.
const ROUNDING: f32 = 4e-6;
/// Bins that are looked at together for whether any can be a peak.
const SKIP: usize = 8;
/// Frequency of pitch 0, four octaves below A4.
const PITCH_ZERO_HZ: f64 = 440.0 / 16.0;

/// A spectral peak: its interpolated power, and the histogram step that its pitch falls into.
#[derive(Debug, Clone, Copy)]
struct Peak {
    power: f32,
    step: u8,
}

/// Estimates how far a clip's pitches lie from A4 = 440 Hz (`librosa.estimate_tuning`).
///
/// Holds 8 bytes a peak; speech has about 5 to 10 peaks a frame.
#[derive(Debug, Default)]
pub struct TuningEstimator {
    peaks: Vec<Peak>,
}

impl TuningEstimator {
    /// Forgets the last clip.
    pub fn clear(&mut self) {
        self.peaks.clear();
    }

    /// Adds the peaks of one power spectrum (`librosa.piptrack`; parabolic interpolation after
    /// <https://ccrma.stanford.edu/~jos/sasp/Sinusoidal_Peak_Interpolation.html>), of length
    /// `STRIDE`.
    ///
    /// The precision of every step is the reference's, because a pitch on the border of two
    /// histogram steps decides the whole scale.
    pub fn push(&mut self, power: &[f32]) {
        self.collect(power);
    }

    /// As [`push`](Self::push), unless neighbouring bins are so nearly equal that the rounding of
    /// the transform decides which of them are peaks. Then nothing is added and `false` returned:
    /// push the frame as `Stft::precise_power_frame` computes it.
    ///
    /// It is so in frames of digital silence but for a few samples, whose spectrum is flat: their
    /// dozens of chance peaks shift the median of all peaks, which has changed the tuning.
    pub fn try_push(&mut self, power: &[f32]) -> bool {
        let before = self.peaks.len();
        let clear = self.collect(power);
        if !clear {
            self.peaks.truncate(before);
        }
        clear
    }

    /// Adds the peaks; whether none hangs on rounding.
    fn collect(&mut self, power: &[f32]) -> bool {
        let threshold = PEAK_THRESHOLD * maximum(&power[..STRIDE]);
        let nearly = threshold * (1.0 - ROUNDING);
        let mut clear = true;
        // Most bins are far below the threshold: they are passed over eight at a time.
        let starts = PEAK_BINS.step_by(SKIP).filter(|&k| {
            power[k..k + SKIP]
                .iter()
                .fold(false, |any, &p| any | (p > nearly))
        });
        for k in starts.flat_map(|k| k..(k + SKIP).min(PEAK_BINS.end)) {
            let (below, centre, above) = (power[k - 1], power[k], power[k + 1]);
            if centre <= nearly {
                continue;
            }
            let margin = centre * ROUNDING;
            if centre < below - margin || centre < above - margin {
                continue;
            }
            clear &=
                centre - below > margin && centre - above > margin && centre - threshold > margin;
            if !(centre > threshold && centre > below && centre >= above) {
                continue;
            }
            let curvature = f64::from(above + below) - 2.0 * f64::from(centre);
            let slope = f64::from(above - below) / 2.0;
            let shift = if slope.abs() >= curvature.abs() {
                0.0
            } else {
                (-slope / curvature) as f32
            };
            let peak = centre + 0.5 * ((above - below) / 2.0) * shift;
            let bin = k as f64 + f64::from(shift);
            let hz = (bin * f64::from(SAMPLE_RATE) / FFT_SIZE as f64) as f32;
            self.peaks.push(Peak {
                power: peak,
                step: tuning_step(hz),
            });
        }
        clear
    }

    /// Tuning in semitones, -0.5..0.5: the fullest histogram step (its lower edge) of the pitches
    /// of the peaks that are at least as strong as the median peak; 0 without peaks.
    pub fn estimate(&mut self) -> f64 {
        let middle = self.peaks.len() / 2;
        if self.peaks.is_empty() {
            return 0.0;
        }
        let even = self.peaks.len().is_multiple_of(2);
        let (lower, upper, _) = self
            .peaks
            .select_nth_unstable_by(middle, |a, b| a.power.total_cmp(&b.power));
        let upper = upper.power;
        let median = if even {
            let lower = lower
                .iter()
                .map(|p| p.power)
                .fold(f32::NEG_INFINITY, f32::max);
            (lower + upper) / 2.0
        } else {
            upper
        };
        let mut counts = [0_u32; TUNING_STEPS];
        for peak in self.peaks.iter().filter(|p| p.power >= median) {
            counts[usize::from(peak.step)] += 1;
        }
        // The first of several fullest steps, as NumPy's argmax.
        let fullest = (0..TUNING_STEPS)
            .rev()
            .max_by_key(|&i| counts[i])
            .unwrap_or(0);
        step_edge(fullest)
    }
}

/// Lower edge of a histogram step, in semitones.
fn step_edge(step: usize) -> f64 {
    step as f64 * (1.0 / TUNING_STEPS as f64) - 0.5
}

/// Histogram step of a frequency's distance from the nearest semitone.
fn tuning_step(hz: f32) -> u8 {
    let semitones = PITCH_CLASSES as f32 * (hz / PITCH_ZERO_HZ as f32).log2();
    let mut residual = semitones.rem_euclid(1.0);
    if residual >= 0.5 {
        residual -= 1.0;
    }
    let residual = f64::from(residual);
    // The product may round across an edge; the edges themselves decide.
    let mut step = (((residual + 0.5) * TUNING_STEPS as f64) as usize).min(TUNING_STEPS - 1);
    if step > 0 && residual < step_edge(step) {
        step -= 1;
    } else if step + 1 < TUNING_STEPS && residual >= step_edge(step + 1) {
        step += 1;
    }
    step as u8
}

/// Largest of a row of powers whose length is a multiple of 8; 0 for none.
fn maximum(power: &[f32]) -> f32 {
    let mut largest = [0.0_f32; 8];
    for chunk in power.as_chunks::<8>().0 {
        for lane in 0..8 {
            largest[lane] = if chunk[lane] > largest[lane] {
                chunk[lane]
            } else {
                largest[lane]
            };
        }
    }
    largest.into_iter().fold(0.0, f32::max)
}

/// What pitch classes need to know of the bins, whatever the tuning.
#[derive(Debug)]
pub struct PitchScale {
    /// Pitch of each bin in semitones above [`PITCH_ZERO_HZ`], untuned.
    pitches: Vec<f64>,
    /// Distance to the next bin in semitones, at least 1: the width of the bin's bump.
    widths: Vec<f64>,
}

/// Weights of the pitch classes in each bin, shape `[bins][12]`.
pub type ChromaWeights = Vec<[f32; PITCH_CLASSES]>;

impl Default for PitchScale {
    fn default() -> Self {
        Self::new()
    }
}

impl PitchScale {
    /// Computes the pitches of the bins.
    pub fn new() -> Self {
        let classes = PITCH_CLASSES as f64;
        let pitch = |bin: usize| {
            let hz = bin as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64;
            classes * (hz / PITCH_ZERO_HZ).log2()
        };
        // Bin 0 has no pitch; it is put one and a half octaves below bin 1.
        let pitches: Vec<f64> = (0..=BINS)
            .map(|k| {
                if k == 0 {
                    pitch(1) - 1.5 * classes
                } else {
                    pitch(k)
                }
            })
            .collect();
        let widths = pitches.windows(2).map(|p| (p[1] - p[0]).max(1.0)).collect();
        Self {
            pitches: pitches[..BINS].to_vec(),
            widths,
        }
    }

    /// Weights for a tuning in semitones (`librosa.filters.chroma`): Gaussian bumps around each
    /// pitch class, of unit length over the classes of a bin, faded by a Gaussian two octaves wide
    /// around 5 octaves above [`PITCH_ZERO_HZ`].
    pub fn weights(&self, tuning: f64, weights: &mut ChromaWeights) {
        const CENTRE_OCTAVE: f64 = 5.0;
        const OCTAVE_WIDTH: f64 = 2.0;
        let classes = PITCH_CLASSES as f64;
        weights.clear();
        for (pitch, width) in self.pitches.iter().zip(&self.widths) {
            let pitch = pitch - tuning;
            // Class `c` lies at distance d_c = (pitch - c + 6) mod 12 - 6. Walking through the
            // classes in the order of growing distance, d = lowest, lowest + 1, .., each Gaussian
            // exp(-2 (d / width)^2) follows from the one before by a factor that itself falls
            // geometrically: two calls of exp in place of twelve.
            let shifted = (pitch + classes / 2.0).rem_euclid(classes);
            let nearest_below = shifted.floor();
            let lowest = shifted - nearest_below - classes / 2.0;
            let precision = 2.0 / (width * width);
            let mut bump = (-precision * lowest * lowest).exp();
            let mut factor = (-precision * (2.0 * lowest + 1.0)).exp();
            let decay = (-2.0 * precision).exp();
            let mut bumps = [0.0; PITCH_CLASSES];
            let mut energy = 0.0;
            for step in 0..PITCH_CLASSES {
                // d grows as c falls: step 0 is class `nearest_below`. The sum starts from A; the
                // shift by 3 makes it start from C.
                let class = (nearest_below as usize + 2 * PITCH_CLASSES - step - 3) % PITCH_CLASSES;
                bumps[class] = bump;
                energy += bump * bump;
                bump *= factor;
                factor *= decay;
            }
            let octaves = (pitch / classes - CENTRE_OCTAVE) / OCTAVE_WIDTH;
            let scale = (-0.5 * octaves * octaves).exp() / energy.sqrt();
            weights.push(bumps.map(|b| (b * scale) as f32));
        }
    }
}

/// Frames whose classes are summed together, so that a bin's weights are loaded once for all; three
/// frames' sums fit the sixteen vector registers of the smallest target.
const FRAMES_AT_ONCE: usize = 3;

/// Chroma of a block of power spectra `STRIDE` apart: for each frame, the energies of the twelve
/// pitch classes over their largest, 0..=1 (all 0 for a silent frame), handed to `visit`.
pub fn chroma(
    weights: &ChromaWeights,
    block: &[f32],
    mut visit: impl FnMut(&[f64; PITCH_CLASSES]),
) {
    let (rows, _) = block.as_chunks::<STRIDE>();
    for rows in rows.chunks(FRAMES_AT_ONCE) {
        // A last, shorter group repeats its last frame rather than have a loop of its own.
        let sums = class_energies(
            weights,
            std::array::from_fn(|i| &rows[i.min(rows.len() - 1)]),
        );
        for sum in &sums[..rows.len()] {
            let largest = sum.iter().copied().fold(0.0, f32::max);
            let largest = if largest < f32::MIN_POSITIVE {
                1.0
            } else {
                largest
            };
            visit(&sum.map(|s| f64::from(s / largest)));
        }
    }
}

/// Energies of the pitch classes in three power spectra.
///
/// Never inlined: what callers do with the sums must not decide how this loop, the most expensive
/// after the transform, is compiled (it was seen seven times slower).
#[inline(never)]
fn class_energies(
    weights: &[[f32; PITCH_CLASSES]],
    rows: [&[f32; STRIDE]; FRAMES_AT_ONCE],
) -> [[f32; PITCH_CLASSES]; FRAMES_AT_ONCE] {
    let mut sums = [[0.0_f32; PITCH_CLASSES]; FRAMES_AT_ONCE];
    for (((w, &a), &b), &c) in weights.iter().zip(rows[0]).zip(rows[1]).zip(rows[2]) {
        for class in 0..PITCH_CLASSES {
            sums[0][class] += a * w[class];
            sums[1][class] += b * w[class];
            sums[2][class] += c * w[class];
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_definition() {
        let scale = PitchScale::new();
        for tuning in [-0.5, -0.13, 0.0, 0.49] {
            let mut weights = ChromaWeights::new();
            scale.weights(tuning, &mut weights);
            assert_eq!(weights.len(), BINS);
            for (k, got) in weights.iter().enumerate() {
                let pitch = scale.pitches[k] - tuning;
                let bumps: Vec<f64> = (0..12)
                    .map(|c| {
                        let d = (pitch - f64::from(c) + 126.0).rem_euclid(12.0) - 6.0;
                        (-0.5 * (2.0 * d / scale.widths[k]).powi(2)).exp()
                    })
                    .collect();
                let length = bumps.iter().map(|b| b * b).sum::<f64>().sqrt();
                let fade = (-0.5 * ((pitch / 12.0 - 5.0) / 2.0).powi(2)).exp();
                for c in 0..12 {
                    let exact = bumps[(c + 3) % 12] / length * fade;
                    assert!(
                        (f64::from(got[c]) - exact).abs() < 1e-6,
                        "bin {k}, class {c}: {} {exact}",
                        got[c]
                    );
                }
            }
        }
    }

    #[test]
    fn tuning_steps_are_a_cent_wide() {
        assert_eq!(tuning_step(440.0), 50);
        let sharp = |cents: f64| tuning_step((440.0 * (cents / 1200.0).exp2()) as f32);
        assert_eq!(sharp(20.5), 70);
        assert_eq!(sharp(-20.5), 29);
        assert_eq!(sharp(49.5), 99);
        assert_eq!(sharp(50.5), 0);
        assert_eq!(TuningEstimator::default().estimate(), 0.0);
    }
}
