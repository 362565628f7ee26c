//! Mel bands, decibels and cepstral coefficients (MFCC).

use std::f64::consts::PI;

use super::spectrogram::{BINS, FFT_SIZE};
use crate::audio::SAMPLE_RATE;

/// Mel bands of a frame.
pub const MEL_BANDS: usize = 128;
/// Cepstral coefficients of a frame.
pub const MFCC_COUNT: usize = 20;
/// Dynamic range below the loudest band of the clip that is kept, in dB (`power_to_db`, `top_db`).
pub const TOP_DB: f32 = 80.0;
/// Power below which a band counts as this power: -100 dB (`power_to_db`, `amin`).
const MIN_POWER: f32 = 1e-10;
/// Filters are stored in multiples of this many weights, so that sums run in vector registers.
const LANES: usize = 4;

/// Slaney's mel scale (Auditory Toolbox, 1998; `librosa.mel_to_hz` with `htk=False`): linear below
/// 1 kHz, logarithmic above.
fn mel_to_hz(mel: f64) -> f64 {
    const HZ_PER_MEL: f64 = 200.0 / 3.0;
    const BREAK_MEL: f64 = 1000.0 / HZ_PER_MEL;
    if mel < BREAK_MEL {
        HZ_PER_MEL * mel
    } else {
        1000.0 * (log_step() * (mel - BREAK_MEL)).exp()
    }
}

/// Inverse of [`mel_to_hz`] above 1 kHz.
fn hz_to_mel_above_break(hz: f64) -> f64 {
    15.0 + (hz / 1000.0).ln() / log_step()
}

/// Growth of ln(frequency) a mel above 1 kHz.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

/// `bands + 2` frequencies in Hz, 0 to `highest` (above 1 kHz), evenly on the mel scale (`librosa.mel_frequencies`): those
/// of a band's lower edge, centre and upper edge follow each other.
pub fn edges(bands: usize, highest: f64) -> Vec<f64> {
    let top = hz_to_mel_above_break(highest);
    (0..bands + 2)
        .map(|i| mel_to_hz(top * i as f64 / (bands + 1) as f64))
        .collect()
}

/// Triangular filters from 0 Hz to half the sample rate, each of unit area in Hz
/// (`librosa.filters.mel` with `norm="slaney"`).
///
/// Most weights of the full 128 x 1025 matrix are zero; only each filter's own run is stored.
#[derive(Debug)]
pub struct MelFilterBank {
    filters: Vec<Filter>,
    weights: Vec<[f32; LANES]>,
}

/// One filter: where it begins among the bins, and how many groups of weights it has.
#[derive(Debug, Clone, Copy)]
struct Filter {
    first_bin: usize,
    groups: usize,
}

impl Default for MelFilterBank {
    fn default() -> Self {
        Self::new()
    }
}

impl MelFilterBank {
    /// Computes the filters.
    pub fn new() -> Self {
        let edges = edges(MEL_BANDS, f64::from(SAMPLE_RATE) / 2.0);
        let mut bank = Self {
            filters: Vec::with_capacity(MEL_BANDS),
            weights: Vec::new(),
        };
        for edge in edges.windows(3) {
            let (low, centre, high) = (edge[0], edge[1], edge[2]);
            let weight = |bin: usize| {
                let hz = bin as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64;
                let triangle = ((hz - low) / (centre - low))
                    .min((high - hz) / (high - centre))
                    .max(0.0);
                (triangle * 2.0 / (high - low)) as f32
            };
            let lowest = (low * FFT_SIZE as f64 / f64::from(SAMPLE_RATE)) as usize;
            let first_bin = (lowest..BINS).find(|&k| weight(k) > 0.0).unwrap_or(0);
            let length = (first_bin..BINS).take_while(|&k| weight(k) > 0.0).count();
            let groups = length.div_ceil(LANES);
            for group in 0..groups {
                bank.weights.push(std::array::from_fn(|lane| {
                    let k = group * LANES + lane;
                    if k < length {
                        weight(first_bin + k)
                    } else {
                        0.0
                    }
                }));
            }
            bank.filters.push(Filter { first_bin, groups });
        }
        bank
    }

    /// Band powers of one power spectrum of length `STRIDE`.
    pub fn apply(&self, power: &[f32], bands: &mut [f32; MEL_BANDS]) {
        let mut weights = self.weights.as_slice();
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            let (own, rest) = weights.split_at(filter.groups);
            weights = rest;
            let (bins, _) = power[filter.first_bin..].as_chunks::<LANES>();
            let mut sum = [0.0_f32; LANES];
            for (w, p) in own.iter().zip(bins) {
                for lane in 0..LANES {
                    sum[lane] += w[lane] * p[lane];
                }
            }
            *band = (sum[0] + sum[2]) + (sum[1] + sum[3]);
        }
    }
}

/// Powers to decibels, in place: `10 log10(max(1e-10, p))` (`librosa.power_to_db` before its
/// `top_db`).
pub fn power_to_db(bands: &mut [f32; MEL_BANDS]) {
    for p in bands {
        *p = decibels(p.max(MIN_POWER));
    }
}

/// `10 log10(x)` for positive, normal `x`, within 2 units in the last place.
///
/// Cephes' `logf` without its branches, so that loops over it are vectorised, which calls of
/// [`f32::log10`] are not.
#[inline]
fn decibels(x: f32) -> f32 {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    // x = m 2^e with m within sqrt(1/2)..sqrt(2).
    let exponent = (bits.wrapping_sub(SQRT_HALF_BITS) as i32) >> 23;
    let z = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
    let mut y = 7.037_683_6e-2;
    for c in [
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        y = y * z + c;
    }
    let ln_m = z + (y * z * z * z - 0.5 * z * z);
    10.0 * std::f32::consts::LOG10_E * ln_m + 10.0 * std::f32::consts::LOG10_2 * exponent as f32
}

/// Orthonormal type-2 cosine transform of 128 band levels, its first 20 coefficients:
/// `X_k = s_k Σ x_n cos(π k (2n + 1) / 256)`, `s_0 = sqrt(1/128)`, else `sqrt(2/128)`
/// (`scipy.fftpack.dct`, `type=2, norm="ortho"`, as in `librosa.feature.mfcc`).
#[derive(Debug)]
pub struct Mfcc {
    /// Weights of coefficients 0, 2, .. 18 for `x_n + x_(127-n)`; two of each row are zero.
    even: Vec<[f32; ROW]>,
    /// Weights of coefficients 1, 3, .. 19 for `x_n - x_(127-n)`.
    odd: Vec<[f32; ROW]>,
}

/// Length of a row of [`Mfcc`]'s weights: 10, rounded up to a multiple of 4.
const ROW: usize = 12;

impl Default for Mfcc {
    fn default() -> Self {
        Self::new()
    }
}

impl Mfcc {
    /// Computes the weights.
    pub fn new() -> Self {
        let weight = |k: usize, n: usize| {
            if k >= MFCC_COUNT {
                return 0.0;
            }
            let scale = (if k == 0 { 1.0 } else { 2.0 } / MEL_BANDS as f64).sqrt();
            (scale * (PI * (k * (2 * n + 1)) as f64 / (2 * MEL_BANDS) as f64).cos()) as f32
        };
        let rows = |odd: usize| {
            (0..MEL_BANDS / 2)
                .map(|n| std::array::from_fn(|i| weight(2 * i + odd, n)))
                .collect::<Vec<_>>()
        };
        Self {
            even: rows(0),
            odd: rows(1),
        }
    }

    /// Coefficients of one frame's band levels.
    ///
    /// Even coefficients are symmetric about the middle band and odd ones antisymmetric, so half
    /// of the multiplications are saved.
    pub fn apply(&self, levels: &[f32; MEL_BANDS]) -> [f64; MFCC_COUNT] {
        let mut even = [0.0_f32; ROW];
        let mut odd = [0.0_f32; ROW];
        for n in 0..MEL_BANDS / 2 {
            let (a, b) = (levels[n], levels[MEL_BANDS - 1 - n]);
            let (sum, difference) = (a + b, a - b);
            for i in 0..ROW {
                even[i] += sum * self.even[n][i];
                odd[i] += difference * self.odd[n][i];
            }
        }
        std::array::from_fn(|k| f64::from(if k % 2 == 0 { even[k / 2] } else { odd[k / 2] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::spectrogram::STRIDE;

    #[test]
    fn decibels_are_accurate_over_the_whole_range() {
        let mut x = 1e-10_f32;
        while x < 1e20 {
            let exact = 10.0 * f64::from(x).log10();
            let error = (f64::from(decibels(x)) - exact).abs();
            assert!(error <= 3e-7 * exact.abs() + 1e-6, "{x}: off by {error}");
            x *= 1.000_7;
        }
        assert_eq!(decibels(1.0), 0.0);
        let mut bands = [0.0; MEL_BANDS];
        power_to_db(&mut bands);
        assert!(bands.iter().all(|&b| (b + 100.0).abs() < 1e-4));
    }

    #[test]
    fn filters_have_unit_area_and_keep_within_the_bins() {
        let bank = MelFilterBank::new();
        assert_eq!(bank.filters.len(), MEL_BANDS);
        let mut power = vec![0.0; STRIDE];
        power[..BINS].fill(1.0);
        let mut bands = [0.0; MEL_BANDS];
        bank.apply(&power, &mut bands);
        // Wide filters approach their area, 1 / (width of a bin in Hz).
        let area = FFT_SIZE as f32 / SAMPLE_RATE as f32;
        for band in &bands[60..127] {
            assert!((band / area - 1.0).abs() < 0.05, "{band} against {area}");
        }
        for filter in &bank.filters {
            assert!(filter.first_bin + filter.groups * LANES <= STRIDE);
        }
    }

    #[test]
    fn cosine_transform_follows_the_definition() {
        let levels: [f32; MEL_BANDS] = std::array::from_fn(|n| ((n * 29) % 83) as f32 - 60.0);
        let got = Mfcc::new().apply(&levels);
        for (k, value) in got.iter().enumerate() {
            let sum: f64 = (0..MEL_BANDS)
                .map(|n| f64::from(levels[n]) * (PI * (k * (2 * n + 1)) as f64 / 256.0).cos())
                .sum();
            let exact = sum * (if k == 0 { 1.0_f64 } else { 2.0 } / 128.0).sqrt();
            assert!(
                (value - exact).abs() < 1e-4,
                "coefficient {k}: {value} against {exact}"
            );
        }
    }
}
