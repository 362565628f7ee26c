//! What the long-term average and the pauses are taken from: power in 32 bands of 250 Hz, and its mean in every bin.

use crate::features::dynamic::distribution::{Distribution, percentile};

/// Bands, of [`WIDTH`] bins each from bin 1 on: 16 to 8,016 Hz.
pub const BANDS: usize = 32;
/// Bins of 31.25 Hz in a band.
pub const WIDTH: usize = 8;
/// Bins in all.
pub const BINS: usize = BANDS * WIDTH;
/// Added to powers before their logarithm is taken, as in the coefficients' bands.
pub const SILENT: f64 = 1e-8;

/// Powers of a clip, frame by frame.
#[derive(Debug)]
pub struct BandTrack {
    /// Shape `[frames][32]`.
    pub powers: Vec<[f64; BANDS]>,
    /// Power of all bands, shape `[frames]`.
    pub totals: Vec<f64>,
    /// Sum over the frames of the power in each bin from bin 1 on.
    pub sums: [f64; BINS],
}

impl Default for BandTrack {
    fn default() -> Self {
        Self {
            powers: Vec::new(),
            totals: Vec::new(),
            sums: [0.0; BINS],
        }
    }
}

impl BandTrack {
    /// Adds a frame with the power spectrum `power`, shape `[257 or more]`.
    #[inline(always)]
    pub fn push(&mut self, power: &[f64]) {
        let power = &power[1..=BINS];
        let mut bands = [0.0; BANDS];
        for (band, bins) in bands.iter_mut().zip(power.as_chunks::<WIDTH>().0) {
            *band = bins.iter().sum();
        }
        for (sum, x) in self.sums.iter_mut().zip(power) {
            *sum += x;
        }
        self.powers.push(bands);
        self.totals.push(bands.iter().sum());
    }

    /// Mean power in each band over the frames that `chosen` says, by number; NaN where there are none.
    pub fn mean(&self, chosen: impl Fn(usize) -> bool) -> [f64; BANDS] {
        let (mut count, mut sums) = (0, [0.0; BANDS]);
        for (_, bands) in self.powers.iter().enumerate().filter(|(t, _)| chosen(*t)) {
            count += 1;
            for (sum, x) in sums.iter_mut().zip(bands) {
                *sum += x;
            }
        }
        sums.map(|sum| sum / f64::from(count))
    }
}

/// Mean of `x`, shape `[n]`; NaN without values.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Slope of the straight line through `x` by least squares, and what is left of `x` beside that line.
pub fn line(x: &[f64]) -> (f64, Vec<f64>) {
    let centre = (x.len() as f64 - 1.0) / 2.0;
    let at = |n: usize| n as f64 - centre;
    let squares: f64 = (0..x.len()).map(|n| at(n) * at(n)).sum();
    let slope = x.iter().enumerate().map(|(n, x)| at(n) * x).sum::<f64>() / squares;
    let middle = mean(x);
    let left = x
        .iter()
        .enumerate()
        .map(|(n, x)| x - middle - slope * at(n));
    (slope, left.collect())
}

/// `x` less the median of what lies within `reach` places of each: lines stand out.
pub fn beside_neighbours(x: &[f64], reach: usize) -> Vec<f64> {
    let near = |k: usize| &x[k.saturating_sub(reach)..(k + reach + 1).min(x.len())];
    let places = x.iter().enumerate();
    places
        .map(|(k, value)| value - percentile(near(k), 50.0))
        .collect()
}

/// Highest of `x`, and its population standard deviation.
pub fn peak_and_deviation(x: &[f64]) -> [f64; 2] {
    let highest = x.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
    [highest, Distribution::of(x.iter().copied()).deviation]
}

/// Runs of neighbours that `chosen` says yes to, among `count`: first and last of each.
pub fn runs(count: usize, chosen: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for t in (0..count).filter(|&t| chosen(t)) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == t => *last = t,
            _ => runs.push((t, t)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leaves_nothing_and_a_peak_stands_out() {
        let mut x: Vec<f64> = (0..32).map(|n| 3.0 - 0.5 * f64::from(n)).collect();
        let (slope, left) = line(&x);
        assert!((slope + 0.5).abs() < 1e-12);
        assert!(left.iter().all(|x| x.abs() < 1e-12));
        x[16] += 9.0;
        let found = beside_neighbours(&x, 4);
        assert!((found[16] - 9.0).abs() < 0.6, "{}", found[16]);
        assert!(found[..12].iter().all(|x| x.abs() < 2.1));
        assert_eq!(peak_and_deviation(&found)[0], found[16]);
    }

    #[test]
    fn runs_are_of_neighbours() {
        let x = [true, false, true, true, false, false, true];
        assert_eq!(runs(x.len(), |t| x[t]), [(0, 0), (2, 3), (6, 6)]);
        assert!(runs(5, |_| false).is_empty());
    }

    #[test]
    fn bands_are_of_eight_bins_and_the_mean_is_over_the_chosen_frames() {
        let mut track = BandTrack::default();
        let power: Vec<f64> = (0..260).map(f64::from).collect();
        track.push(&power);
        track.push(&[0.0; 257]);
        assert_eq!(track.powers[0][0], 36.0);
        assert_eq!(track.totals, [256.0 * 257.0 / 2.0, 0.0]);
        assert_eq!(track.mean(|t| t == 0), track.powers[0]);
        assert_eq!(track.mean(|_| true)[31] * 2.0, track.powers[0][31]);
        assert!(track.mean(|_| false)[0].is_nan());
    }
}
