//! What happens to a crop before the network hears it in training: a floor of noise, the mean of each band taken off, a
//! band limit, a masked band and a masked stretch of time (as SpecAugment; Park et al., 2019).

use super::super::rng::Rng;
use super::architecture::{BANDS, SCALE};

/// How often each happens.
const NOISE: f64 = 0.3;
const BAND_LIMIT: f64 = 0.15;
const BAND_MASK: f64 = 0.4;
const TIME_MASK: f64 = 0.4;

/// Alters `crop`, ln(power) of shape `[frames][BANDS]`, in place and makes the network's input of it.
pub fn augment(crop: &mut [f32], rng: &mut Rng) {
    if rng.unit() < NOISE {
        noise_floor(crop, rng);
    }
    centre(crop);
    let frames = crop.len() / BANDS;
    // What is masked is at its band's mean, which is 0.
    if rng.unit() < BAND_LIMIT {
        mask(crop, 0..frames, 50 + rng.below(70)..BANDS);
    }
    if rng.unit() < BAND_MASK {
        let start = rng.below(120);
        mask(
            crop,
            0..frames,
            start..(start + 2 + rng.below(14)).min(BANDS),
        );
    }
    if rng.unit() < TIME_MASK {
        let start = rng.below(frames.saturating_sub(30).max(1));
        mask(
            crop,
            start..(start + 5 + rng.below(25)).min(frames),
            0..BANDS,
        );
    }
    crop.iter_mut().for_each(|x| *x *= SCALE);
}

/// Takes off each band's mean over the frames.
pub fn centre(crop: &mut [f32]) {
    let frames = (crop.len() / BANDS) as f32;
    let mut means = [0.0_f32; BANDS];
    for row in crop.chunks_exact(BANDS) {
        means.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    means.iter_mut().for_each(|mean| *mean /= frames);
    for row in crop.chunks_exact_mut(BANDS) {
        row.iter_mut().zip(&means).for_each(|(x, mean)| *x -= mean);
    }
}

/// Adds the power of Gaussian noise, which is exponentially distributed in a bin, of a random level and slope over
/// frequency.
fn noise_floor(crop: &mut [f32], rng: &mut Rng) {
    let (level, slope) = (rng.between(-9.0, -1.0), rng.between(-2.0, 0.5));
    let floor = |band: usize| level + slope * ((2.0 * band as f64 + 8.0) / 40.0).ln();
    let floors: Vec<f32> = (0..BANDS).map(|band| floor(band).exp() as f32).collect();
    for row in crop.chunks_exact_mut(BANDS) {
        for (x, floor) in row.iter_mut().zip(&floors) {
            // 1 - unit() is never 0.
            let exponential = -(1.0 - rng.unit() as f32).max(f32::MIN_POSITIVE).ln();
            *x = (x.exp() + floor * (exponential + 1e-4)).ln();
        }
    }
}

fn mask(crop: &mut [f32], frames: std::ops::Range<usize>, bands: std::ops::Range<usize>) {
    for row in crop
        .chunks_exact_mut(BANDS)
        .take(frames.end)
        .skip(frames.start)
    {
        row[bands.clone()].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop() -> Vec<f32> {
        (0..64 * BANDS)
            .map(|i| (i as f32 * 0.37).sin() * 2.0 - 8.0)
            .collect()
    }

    #[test]
    fn bands_are_centred_and_masks_leave_zeros() {
        let (mut plain, mut masked) = (0, 0);
        for seed in 0..100 {
            let mut input = crop();
            augment(&mut input, &mut Rng::new(seed, 0));
            assert!(input.iter().all(|x| x.is_finite()));
            let zeros = input.iter().filter(|x| **x == 0.0).count();
            if zeros > 0 {
                assert!(zeros >= 2 * 64, "{zeros}");
                masked += 1;
            } else {
                let mean: f32 = input.iter().step_by(BANDS).sum::<f32>() / 64.0;
                assert!(mean.abs() < 1e-4, "{mean}");
                plain += 1;
            }
        }
        // 0.85 * 0.6 * 0.6 = 0.306 are left whole.
        assert!(
            (15..=47).contains(&plain) && masked + plain == 100,
            "{plain}"
        );
    }

    #[test]
    fn the_floor_only_adds_power() {
        let mut noisy = crop();
        noise_floor(&mut noisy, &mut Rng::new(3, 0));
        let gains = noisy.iter().zip(crop()).map(|(a, b)| a - b);
        let gains: Vec<f32> = gains.collect();
        assert!(gains.iter().all(|gain| *gain > -1e-4));
        assert!(gains.iter().any(|gain| *gain > 0.1));
    }
}
