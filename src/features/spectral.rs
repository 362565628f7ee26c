//! Spectral centroid and roll-off of one frame.

use super::spectrogram::{FFT_SIZE, STRIDE};
use super::wide::wide;
use crate::audio::SAMPLE_RATE;

/// Share of a frame's magnitude that lies below the roll-off frequency.
const ROLLOFF_SHARE: f64 = 0.85;
/// Bins whose magnitudes are summed at a time.
const GROUP: usize = 32;
/// Width of a frequency bin, in Hz.
const BIN_HZ: f64 = SAMPLE_RATE as f64 / FFT_SIZE as f64;

/// Sums that run side by side in vector registers.
const LANES: usize = 8;
/// Index of each bin in its group.
const RAMP: [[f32; LANES]; GROUP / LANES] = {
    let mut ramp = [[0.0; LANES]; GROUP / LANES];
    let mut i = 0;
    while i < GROUP {
        ramp[i / LANES][i % LANES] = i as f32;
        i += 1;
    }
    ramp
};

/// Where a frame's magnitude lies in frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralShape {
    /// Mean frequency, weighted by magnitude, in Hz: `Σ f |X| / Σ |X|`
    /// (`librosa.feature.spectral_centroid`); 0 for a silent frame.
    pub centroid: f64,
    /// Lowest bin frequency, in Hz, at which the running sum of magnitudes reaches 85 % of the
    /// whole (`librosa.feature.spectral_rolloff`); 0 for a silent frame.
    pub rolloff: f64,
}

/// Centroid and roll-off of one power spectrum of length [`STRIDE`].
///
/// One pass sums groups of 32 bins; the running sum is then only formed inside the group in which
/// it crosses the threshold.
pub fn spectral_shape(power: &[f32]) -> SpectralShape {
    wide(
        #[inline(always)]
        || shape_of(power),
    )
}

#[inline(always)]
fn shape_of(power: &[f32]) -> SpectralShape {
    let mut magnitudes = [0.0_f32; STRIDE];
    for (m, p) in magnitudes.iter_mut().zip(power) {
        *m = p.sqrt();
    }
    let (groups, _) = magnitudes.as_chunks::<GROUP>();
    let mut sums = [0.0_f64; STRIDE / GROUP];
    let mut total = 0.0;
    let mut weighted = 0.0;
    // Moment about the first bin of each group, of all groups together.
    let mut moment = [0.0_f32; LANES];
    for (g, (group, group_sum)) in groups.iter().zip(&mut sums).enumerate() {
        let mut sum = [0.0_f32; LANES];
        for (chunk, ramp) in group.as_chunks::<LANES>().0.iter().zip(&RAMP) {
            for lane in 0..LANES {
                sum[lane] += chunk[lane];
                moment[lane] += chunk[lane] * ramp[lane];
            }
        }
        *group_sum = f64::from(across(sum));
        total += *group_sum;
        weighted += *group_sum * (g * GROUP) as f64;
    }
    weighted += f64::from(across(moment));
    if total <= 0.0 {
        return SpectralShape {
            centroid: 0.0,
            rolloff: 0.0,
        };
    }

    let threshold = ROLLOFF_SHARE * total;
    let mut running = 0.0;
    let mut g = 0;
    while g + 1 < sums.len() && running + sums[g] < threshold {
        running += sums[g];
        g += 1;
    }
    let within = groups[g].iter().take_while(|&&m| {
        running += f64::from(m);
        running < threshold
    });
    let bin = g * GROUP + within.count();
    SpectralShape {
        centroid: BIN_HZ * weighted / total,
        rolloff: BIN_HZ * bin.min(FFT_SIZE / 2) as f64,
    }
}

/// Sum over the lanes.
#[inline(always)]
fn across(lanes: [f32; LANES]) -> f32 {
    let half: [f32; LANES / 2] = std::array::from_fn(|i| lanes[i] + lanes[i + LANES / 2]);
    (half[0] + half[2]) + (half[1] + half[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::spectrogram::BINS;

    #[test]
    fn follows_the_definition() {
        let mut power = vec![0.0_f32; STRIDE];
        assert_eq!(
            spectral_shape(&power),
            SpectralShape {
                centroid: 0.0,
                rolloff: 0.0
            }
        );
        power[BINS - 1] = 4.0;
        assert_eq!(
            spectral_shape(&power),
            SpectralShape {
                centroid: 11_025.0,
                rolloff: 11_025.0
            }
        );
        for (k, p) in power[..BINS].iter_mut().enumerate() {
            *p = ((k * 37) % 101) as f32;
        }
        let total: f64 = power.iter().map(|&p| f64::from(p).sqrt()).sum();
        let weighted: f64 = power
            .iter()
            .enumerate()
            .map(|(k, &p)| k as f64 * f64::from(p).sqrt())
            .sum();
        let mut running = 0.0;
        let bin = power
            .iter()
            .position(|&p| {
                running += f64::from(p).sqrt();
                running >= 0.85 * total
            })
            .unwrap();
        let shape = spectral_shape(&power);
        assert!((shape.centroid - BIN_HZ * weighted / total).abs() < 1e-2);
        assert_eq!(shape.rolloff, BIN_HZ * bin as f64);
    }
}
