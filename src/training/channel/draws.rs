//! Random draws of one copy: everything follows from its key.

use sha2::{Digest, Sha256};

use crate::training::rng::Rng;

/// Standard deviation of a sum of four uniform 16-bit numbers, `65536 / sqrt(3)`.
const SUM_DEVIATION: f32 = 37_837.0;

/// A source of draws.
#[derive(Debug, Clone)]
pub(super) struct Draws(Rng);

impl Draws {
    /// The draws of `key`; `stream` tells independent uses of one key apart.
    pub(super) fn new(key: &str, stream: u64) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let seed = digest.iter().take(8);
        let seed = seed.fold(0, |seed, &byte| seed << 8 | u64::from(byte));
        Self(Rng::new(seed, stream))
    }

    /// A number of the range, all of it alike.
    pub(super) fn uniform(&mut self, [low, high]: [f64; 2]) -> f64 {
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + unit * (high - low)
    }

    /// Whether something of the given share happens.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.uniform([0.0, 1.0]) < share
    }

    /// One of the items, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.0.below(items.len())]
    }

    /// Close to a Gaussian of mean 0 and deviation 1: four uniform draws added, out of one number, as millions of
    /// samples need them.
    pub(super) fn normal(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let sum: i64 = (0..4)
            .map(|part| (bits >> (16 * part) & 0xffff) as i64)
            .sum();
        (sum - 131_070) as f32 / SUM_DEVIATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_their_distribution_and_depend_on_key_and_stream() {
        let mut draws = Draws::new("a", 0);
        let n = 100_000;
        let normal: Vec<f64> = (0..n).map(|_| f64::from(draws.normal())).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let square = normal.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(
            mean.abs() < 0.02 && (square - 1.0).abs() < 0.02,
            "{mean} {square}"
        );
        let mean = (0..n).map(|_| draws.uniform([2.0, 6.0])).sum::<f64>() / f64::from(n);
        assert!((mean - 4.0).abs() < 0.02, "{mean}");
        let share = (0..n).filter(|_| draws.chance(0.24)).count();
        assert!((23_000..25_000).contains(&share), "{share}");
        let first = |key, stream| Draws::new(key, stream).uniform([0.0, 1.0]);
        assert_eq!(first("a", 0), first("a", 0));
        assert_ne!(first("a", 0), first("b", 0));
        assert_ne!(first("a", 0), first("a", 1));
    }
}
