//! The eight regions that the spectrum's fine structure is described in, side by side in vector registers.
//!
//! Region `r` has the 30 bins of 31.25 Hz from bin `4 + 30 r` on: 125 Hz to 7,625 Hz in all. Row `j` of a frame has bin
//! `j` of each region, so that the next row is the next bin, and sums over a region's bins are sums over rows.

/// Regions.
pub const REGIONS: usize = 8;
/// Bins of a region.
pub const WIDTH: usize = 30;
/// First bin of the first region.
const FIRST: usize = 4;
/// Bins that a frame's level is the mean log magnitude of, from [`FIRST`] on: up to 6,250 Hz.
const LEVEL_BINS: usize = 196;
/// Frames above this percentile of the level are described.
pub const LOUD_PERCENTILE: f64 = 40.0;

/// A number of each region.
pub type Lanes = [f32; REGIONS];

/// Bin of a row and region.
#[inline(always)]
pub fn bin(row: usize, region: usize) -> usize {
    FIRST + WIDTH * region + row
}

/// Sum over the bins that the level is taken from, of `rows`, shape `[30]`.
#[inline(always)]
pub fn level_sum(rows: &[Lanes]) -> f64 {
    let whole = LEVEL_BINS / WIDTH;
    let mut sums = [0.0_f32; REGIONS];
    let mut last = 0.0_f32;
    for (row, x) in rows[..WIDTH].iter().enumerate() {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += x;
        }
        if row < LEVEL_BINS % WIDTH {
            last += x[whole];
        }
    }
    sums[..whole].iter().map(|&x| f64::from(x)).sum::<f64>() + f64::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_that_of_bins_4_to_199() {
        assert_eq!(bin(0, 0), 4);
        assert_eq!(bin(WIDTH - 1, REGIONS - 1), 243);
        let rows: Vec<Lanes> = (0..WIDTH)
            .map(|row| std::array::from_fn(|region| bin(row, region) as f32))
            .collect();
        assert_eq!(level_sum(&rows), (4..200).sum::<usize>() as f64);
    }
}
