//! Zero crossing rate and RMS, and whether a waveform can be judged at all.

use super::FeatureError;
use super::spectrogram::{HOP, frame_count};
use super::statistics::Moments;
use crate::audio::SAMPLE_RATE;

/// A waveform that stays within a range twice this wide is silent: -80 dBFS.
///
/// 16-bit audio has steps of 3.05e-5, so dither and a converter's idle noise of up to ±3 steps
/// count as silence, while a recording whose speech is 20 dB below any usable level does not. The
/// range rather than the peak decides, so a constant offset does not pass for sound.
pub const SILENCE_AMPLITUDE: f32 = 1e-4;

/// Largest energy of 512 samples that is accepted: samples are nominally within ±1, and a mean
/// amplitude of 40,000 is no audio. It keeps every later `f32` sum far from overflow.
const MAX_BLOCK_ENERGY: f64 = 1e12;

/// Magnitude up to which a sample counts as zero for crossings (`librosa.zero_crossings`).
const CROSSING_THRESHOLD: f32 = 1e-10;

/// Sums that run side by side in vector registers.
const LANES: usize = 8;

/// Hops in a frame of 2,048 samples.
const HOPS_PER_FRAME: usize = 4;

/// Means and deviations over the frames of a clip.
#[derive(Debug, Clone, Default)]
pub struct TimeDomain {
    /// Share of samples at which the sign changes, 0..=1 (`librosa.feature.zero_crossing_rate`).
    pub zero_crossing_rate: Moments<1>,
    /// Root of the mean square of a frame (`librosa.feature.rms`).
    pub rms: Moments<1>,
}

/// What frames need to know of 512 samples.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    energy: f64,
    crossings: u32,
    /// Whether the sign changes from the sample before the block to its first one.
    crossing_at_start: bool,
}

/// Zero crossing rate and RMS of centred 2,048-sample frames every 512 samples.
///
/// Beyond its ends the clip counts as zero for RMS, and as continuing its first and last sample
/// for crossings, as in librosa. A frame's first sample never counts as a crossing. Frames are
/// sums of four 512-sample blocks, so each sample is visited once.
///
/// # Errors
/// [`FeatureError::OutOfRange`] for samples that are not finite or absurdly large,
/// [`FeatureError::Silent`] for a waveform within a range of twice [`SILENCE_AMPLITUDE`].
pub fn analyse(samples: &[f32]) -> Result<TimeDomain, FeatureError> {
    let mut result = TimeDomain::default();
    let mut range = (f32::INFINITY, f32::NEG_INFINITY);
    // Blocks -2, -1, 0 and 1 of frame 0; from then on each frame moves by one.
    let mut blocks = [Block::default(); HOPS_PER_FRAME];
    blocks[3] = block(samples, 0, &mut range)?;
    for frame in 0..frame_count(samples.len()) {
        blocks.rotate_left(1);
        blocks[3] = block(samples, frame + 1, &mut range)?;
        let energy: f64 = blocks.iter().map(|b| b.energy).sum();
        let crossings: u32 = blocks.iter().map(|b| b.crossings).sum();
        let crossings = crossings - u32::from(blocks[0].crossing_at_start);
        let length = (HOPS_PER_FRAME * HOP) as f64;
        result.rms.push(&[(energy / length).sqrt()]);
        result
            .zero_crossing_rate
            .push(&[f64::from(crossings) / length]);
    }
    if range.1 - range.0 < 2.0 * SILENCE_AMPLITUDE {
        return Err(FeatureError::Silent);
    }
    Ok(result)
}

/// Block `index` of `samples`; empty beyond the end. Widens `range` to the samples' (low, high).
fn block(samples: &[f32], index: usize, range: &mut (f32, f32)) -> Result<Block, FeatureError> {
    let start = (index * HOP).min(samples.len());
    let end = (start + HOP).min(samples.len());
    let inside = &samples[start..end];
    if inside.is_empty() {
        return Ok(Block::default());
    }

    // Independent sums run side by side in vector registers. One loop for all three was not
    // vectorised, and took twice as long. A rest exists at the clip's end only.
    let (chunks, rest) = inside.as_chunks::<LANES>();
    let mut energy = [0.0_f32; LANES];
    let mut low = [range.0; LANES];
    let mut high = [range.1; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            energy[lane] += chunk[lane] * chunk[lane];
        }
    }
    for chunk in chunks {
        for lane in 0..LANES {
            low[lane] = if chunk[lane] < low[lane] {
                chunk[lane]
            } else {
                low[lane]
            };
        }
    }
    for chunk in chunks {
        for lane in 0..LANES {
            high[lane] = if chunk[lane] > high[lane] {
                chunk[lane]
            } else {
                high[lane]
            };
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        energy[lane] += x * x;
        low[lane] = low[lane].min(x);
        high[lane] = high[lane].max(x);
    }
    let energy: f64 = energy.iter().map(|&e| f64::from(e)).sum();
    if energy.is_nan() || energy > MAX_BLOCK_ENERGY {
        return Err(FeatureError::OutOfRange {
            seconds: start as f64 / f64::from(SAMPLE_RATE),
        });
    }
    *range = (
        low.iter().copied().fold(range.0, f32::min),
        high.iter().copied().fold(range.1, f32::max),
    );

    let (afters, rest_after) = inside[1..].as_chunks::<LANES>();
    let (befores, _) = inside.as_chunks::<LANES>();
    let mut counts = [0_u32; LANES];
    for (after, before) in afters.iter().zip(befores) {
        for lane in 0..LANES {
            counts[lane] += u32::from(negative(after[lane]) ^ negative(before[lane]));
        }
    }
    let rest = &inside[inside.len() - 1 - rest_after.len()..];
    let within = counts.iter().sum::<u32>()
        + rest
            .windows(2)
            .map(|x| u32::from(negative(x[0]) ^ negative(x[1])))
            .sum::<u32>();
    let crossing_at_start = start > 0 && negative(samples[start]) != negative(samples[start - 1]);
    Ok(Block {
        energy,
        crossings: within + u32::from(crossing_at_start),
        crossing_at_start,
    })
}

/// Whether a sample counts as negative for crossings.
fn negative(x: f32) -> bool {
    x <= -CROSSING_THRESHOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_sum_to_the_frames_of_the_definition() {
        let samples: Vec<f32> = (0..5000_u32)
            .map(|n| ((n * 7919) % 1000) as f32 / 500.0 - 0.9)
            .collect();
        let result = analyse(&samples).unwrap();
        let (mut rates, mut roots) = (Vec::new(), Vec::new());
        let last = samples.len() as isize - 1;
        for frame in 0..frame_count(samples.len()) as isize {
            let start = frame * 512 - 1024;
            let at = |n: isize| samples[n.clamp(0, last) as usize];
            let crossings = (start + 1..start + 2048)
                .filter(|&n| (at(n) < 0.0) != (at(n - 1) < 0.0))
                .count();
            let energy: f64 = (start..start + 2048)
                .filter(|n| (0..=last).contains(n))
                .map(|n| f64::from(at(n)).powi(2))
                .sum();
            rates.push(crossings as f64 / 2048.0);
            roots.push((energy / 2048.0).sqrt());
        }
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        assert!((result.zero_crossing_rate.means()[0] - mean(&rates)).abs() < 1e-12);
        assert!((result.rms.means()[0] - mean(&roots)).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_judged_is_an_error() {
        let silent = |x: f32| analyse(&vec![x; 30_000]).unwrap_err();
        assert_eq!(silent(0.0), FeatureError::Silent);
        assert_eq!(silent(0.5), FeatureError::Silent);
        let dither: Vec<f32> = (0..30_000).map(|n| (n % 3 - 1) as f32 / 32_768.0).collect();
        assert_eq!(analyse(&dither).unwrap_err(), FeatureError::Silent);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, f32::MAX] {
            for position in [0, 22_050, 29_999] {
                let mut samples = vec![0.1; 30_000];
                samples[position] = bad;
                let error = analyse(&samples).unwrap_err();
                assert!(
                    matches!(error, FeatureError::OutOfRange { .. }),
                    "{bad} at {position}: {error:?}"
                );
            }
        }
    }
}
