//! One cycle of the step size: up for a tenth of the steps, then down to almost nothing, both along a cosine.
//!
//! Smith and Topin, "Super-Convergence", 2018, as PyTorch's `OneCycleLR` has it: the decay of Adam's first average goes
//! the other way, from 0.95 down to 0.85 and up again.

use std::f64::consts::PI;

use super::adam::Rate;

/// The largest step size over the first one, and the first over the last.
const INITIAL_DIVISOR: f64 = 25.0;
const FINAL_DIVISOR: f64 = 1e4;
/// Part of the steps in which the step size grows.
const WARM_UP: f64 = 0.1;
/// Range of the decay of Adam's first average.
const BETA1: [f64; 2] = [0.85, 0.95];

/// Step size and decay at `step`, from 0, of `steps`, with `largest` at the end of the warm-up.
#[must_use]
pub fn one_cycle(step: usize, steps: usize, largest: f64) -> Rate {
    let first = largest / INITIAL_DIVISOR;
    let last = first / FINAL_DIVISOR;
    let (step, steps) = (step as f64, steps as f64);
    let top = (WARM_UP * steps - 1.0).max(0.0);
    let end = steps - 1.0;
    // Along half a cosine from `a` to `b`.
    let between = |a: f64, b: f64, part: f64| b + (a - b) / 2.0 * (1.0 + (PI * part).cos());
    if step < top {
        let part = step / top;
        Rate {
            rate: between(first, largest, part),
            beta1: between(BETA1[1], BETA1[0], part),
        }
    } else {
        let part = (step - top) / (end - top).max(1.0);
        Rate {
            rate: between(largest, last, part),
            beta1: between(BETA1[0], BETA1[1], part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `OneCycleLR(AdamW(lr=2e-3), 2e-3, 200, pct_start=.1)`, torch 2.
    #[test]
    fn the_cycle_is_pytorchs() {
        for (step, rate, beta1) in EXPECTED {
            let found = one_cycle(step, 200, 2e-3);
            assert!((found.rate / rate - 1.0).abs() < 1e-9, "{step}: {found:?}");
            assert!((found.beta1 - beta1).abs() < 1e-9, "{step}: {found:?}");
        }
    }
    const EXPECTED: [(usize, f64, f64); 6] = [
        (0, 7.999_999_999_999_999e-5, 0.95),
        (7, 0.000_654_372_392_333_149_1, 0.920_084_771_232_648_4),
        (19, 0.002, 0.85),
        (20, 0.001_999_847_695_765_611, 0.850_007_615_242_180_4),
        (100, 0.001_156_437_839_302_370_6, 0.892_178_276_747_988_4),
        (199, 8e-9, 0.95),
    ];
}
