//! The long-term average spectrum, relative to the clip's own: its shape beside a straight line, speech over pauses, and
//! lines that stand out of it.
//!
//! A microphone tilts the average; what is left beside the tilt, and how far speech stands above the same recording's
//! pauses in each band, is more of the voice. Upsampling by zeros and a filter (checkerboards) leaves lines at fixed frequencies.

use super::bands::{
    BANDS, BINS, BandTrack, SILENT, beside_neighbours, line, mean, peak_and_deviation,
};
use crate::features::dynamic::distribution::percentile;

/// Frames above this percentile of the level are speech.
const LOUD_PERCENTILE: f64 = 60.0;
/// Frames up to this one are pauses, or what comes nearest to them.
const QUIET_PERCENTILE: f64 = 20.0;
/// Bins on either side that a bin is compared with.
const REACH: usize = 4;
/// Regions that lines are looked for in, of 1 kHz each.
const REGIONS: usize = 8;

/// Number of values.
pub const COUNT: usize = 2 * BANDS + 1 + 2 * REGIONS;

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for stem in ["average_shape_band", "average_contrast_band"] {
        names.extend((1..=BANDS).map(|band| format!("{stem}_{band}")));
    }
    names.push("average_contrast_mean".into());
    for stem in ["average_line_highest_band", "average_line_std_band"] {
        names.extend((1..=REGIONS).map(|region| format!("{stem}_{region}")));
    }
    names
}

impl BandTrack {
    /// Appends the [`COUNT`] values to `values`.
    pub fn average(&self, values: &mut Vec<f64>) {
        let levels: Vec<f64> = self.totals.iter().map(|x| (x + SILENT).ln()).collect();
        let (high, low) = (
            percentile(&levels, LOUD_PERCENTILE),
            percentile(&levels, QUIET_PERCENTILE),
        );
        let loud = self.mean(|t| levels[t] > high).map(|x| (x + SILENT).ln());
        let quiet = self.mean(|t| levels[t] <= low).map(|x| (x + SILENT).ln());
        let contrast: [f64; BANDS] = std::array::from_fn(|band| loud[band] - quiet[band]);
        let middle = mean(&contrast);
        values.extend(line(&loud).1);
        values.extend(contrast.map(|x| x - middle));
        values.push(middle);

        let frames = self.totals.len() as f64;
        let bins = self.sums.map(|sum| (sum / frames + SILENT).ln());
        let lines = beside_neighbours(&bins, REACH);
        let regions = lines.chunks_exact(BINS / REGIONS).map(peak_and_deviation);
        let regions: Vec<[f64; 2]> = regions.collect();
        values.extend(regions.iter().map(|[highest, _]| highest));
        values.extend(regions.iter().map(|[_, deviation]| deviation));
    }
}
