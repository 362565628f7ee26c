//! Code for the widest vector instructions that the processor has, chosen when it runs.
//!
//! Loops over arrays are compiled for the oldest processor of an architecture unless told otherwise; one binary serves all
//! of them here. What is inlined into [`wide`] is compiled several times, and the copy for this processor runs. No copy
//! fuses a product with a sum or changes the order of a sum: they differ in no bit. (Transforms are a library's, which does.)

use fearless_simd::{Level, Simd, dispatch};

/// Runs `work`, compiled for this processor: `work` and what it calls in loops must be `#[inline(always)]`, or it stays as
/// narrow as it was. `sum`, `map` and `extend` of a long iterator are calls too: where they do the work, write a loop.
#[inline]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    dispatch!(Level::new(), simd => simd.vectorize(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_once_and_its_value_comes_back() {
        let mut count = 0;
        let sum = wide(
            #[inline(always)]
            || {
                count += 1;
                (1..=1_000).map(|x| 1.0 / f64::from(x)).sum::<f64>()
            },
        );
        let plain: f64 = (1..=1_000).map(|x| 1.0 / f64::from(x)).sum();
        assert_eq!((count, sum), (1, plain));
    }
}
