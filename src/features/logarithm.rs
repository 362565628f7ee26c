//! Natural logarithms and powers of many numbers at once: branch-free, so that loops over arrays of them become vector code.
//!
//! `x = 2^e m` with `m` from `sqrt(1/2)` to `sqrt(2)`; `ln m = 2 artanh((m - 1) / (m + 1))` by its Taylor series, whose
//! argument stays below 0.172.

use std::f64::consts::{LN_2, SQRT_2};

use crate::rounding::ROUNDING;

/// Natural logarithm of a positive, normal, finite `x`, off by at most 1.5e-7 of itself or 2e-7, whichever is larger.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // Bits of sqrt(1/2): what is subtracted leaves the exponent that brings the mantissa next to 1.
    const ORIGIN: u32 = 0x3f35_04f3;
    let offset = x.to_bits().wrapping_sub(ORIGIN);
    let exponent = (offset as i32) >> 23;
    let mantissa = f32::from_bits((offset & 0x007f_ffff).wrapping_add(ORIGIN));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    exponent as f32 * LN_2 as f32 + 2.0 * (s + s * series)
}

/// `e^x`, off by at most 3e-7 of itself; `x` is cut down to -87.0..=88.0, where the result is normal and finite.
///
/// `x = n ln 2 + r` with `r` from `-ln 2 / 2` to `ln 2 / 2`; `e^r` by its Taylor series.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // ln 2 in two parts, the first with zeros at its end, so that its multiples are exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = (x - n * HIGH) - n * LOW;
    let mut series = 1.0 / 5_040.0;
    for divisor in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        series = series * r + 1.0 / divisor;
    }
    // The whole number stands in the lowest bits of `shifted`.
    let exponent = shifted.to_bits().wrapping_sub(ROUNDING.to_bits());
    series * f32::from_bits(exponent.wrapping_add(127) << 23)
}

/// Natural logarithm of an `f64`, off by at most 1e-12.
#[inline(always)]
pub fn ln_f64(x: f64) -> f64 {
    const ORIGIN: u64 = (SQRT_2 * 0.5).to_bits();
    /// Added to an exponent and 2^52 as the bits of an `f64`, it keeps a negative one positive.
    const BIAS: u64 = 2_048;
    let offset = x.to_bits().wrapping_sub(ORIGIN);
    let exponent = (offset.wrapping_add(BIAS << 52)) >> 52;
    // Vector units convert no 64-bit integers; as the low bits of 2^52 the exponent is a number already.
    let exponent =
        f64::from_bits(exponent | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + BIAS as f64);
    let mantissa = f64::from_bits((offset & 0x000f_ffff_ffff_ffff).wrapping_add(ORIGIN));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let mut series = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series * q + 1.0 / odd;
    }
    exponent * LN_2 + 2.0 * (s + s * q * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold_over_the_range() {
        let mut worst = (0.0_f64, 0.0_f64);
        for step in 0..400_000 {
            let x = 1e-30 * 1.000_345_f64.powi(step);
            let single = x as f32;
            let exact = f64::from(single).ln();
            let off = (f64::from(ln(single)) - exact).abs();
            worst.0 = worst.0.max(off / exact.abs().max(4.0 / 3.0));
            worst.1 = worst.1.max((ln_f64(x) - x.ln()).abs());
        }
        assert!(worst.0 <= 1.5e-7, "{worst:?}");
        assert!(worst.1 <= 1e-12, "{worst:?}");
        for x in [1.0, 2.0, 0.5, std::f64::consts::FRAC_1_SQRT_2, SQRT_2] {
            assert!((ln_f64(x) - x.ln()).abs() < 1e-13);
            assert!((f64::from(ln(x as f32)) - x.ln()).abs() < 2e-7);
        }
        assert!((ln_f64(f64::MIN_POSITIVE) - f64::MIN_POSITIVE.ln()).abs() < 1e-12);
        assert!((ln_f64(f64::MAX) - f64::MAX.ln()).abs() < 1e-12);
    }

    #[test]
    fn powers_hold_their_bound() {
        let mut worst = 0.0_f64;
        for step in -87_000..=88_000 {
            let x = step as f32 / 1_000.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst <= 3e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), exp(88.0));
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
    }
}
