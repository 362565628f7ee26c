//! Silence and breath: how much of a clip is pause, what lies in it, and how speech begins and ends.
//!
//! Synthesizers pause where text has commas, in digital silence or in the noise that they learned, and seldom breathe.

use super::bands::{BANDS, BandTrack, SILENT, line, mean, runs};
use crate::features::dynamic::distribution::{Distribution, percentile};

/// How far below the 95th percentile of the level a frame is pause, in dB.
const PAUSE_BELOW: f64 = 26.0;
/// Frames of 10 ms that a pause has at least.
const SHORTEST: usize = 6;
/// Where breath lies below the 95th percentile of the level, in dB.
const BREATH_BELOW: std::ops::Range<f64> = 15.0..40.0;
/// Entropy of breath over the bands, as a share of the highest there is.
const BREATH_ENTROPY: f64 = 0.7;
/// Seconds from one frame to the next.
const FRAME: f64 = 0.01;

/// Number of values.
pub const COUNT: usize = NAMES.len();

const NAMES: [&str; 12] = [
    "pause_share",
    "pauses_a_second",
    "pause_seconds_mean",
    "pause_seconds_longest",
    "pause_level_mean",
    "pause_level_std",
    "pause_level_lowest",
    "pause_tilt",
    "pause_flatness",
    "pause_end_rise",
    "pause_start_fall",
    "pause_breath_share",
];

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

impl BandTrack {
    /// Appends the [`COUNT`] values to `values`.
    pub fn pauses(&self, values: &mut Vec<f64>) {
        let decibels = |x: &f64| 10.0 * (x + SILENT).log10();
        let levels: Vec<f64> = self.totals.iter().map(decibels).collect();
        let top = percentile(&levels, 95.0);
        let quiet = |t: usize| levels[t] < top - PAUSE_BELOW;
        let quiet_levels: Vec<f64> = (0..levels.len())
            .filter(|&t| quiet(t))
            .map(|t| levels[t])
            .collect();
        let levels_in_pauses = Distribution::of(quiet_levels.iter().copied());

        let lengths = runs(levels.len(), quiet)
            .into_iter()
            .map(|(a, b)| b - a + 1);
        let lengths: Vec<f64> = lengths
            .filter(|&frames| frames >= SHORTEST)
            .map(|frames| frames as f64 * FRAME)
            .collect();
        let frames = levels.len() as f64;
        values.extend([
            quiet_levels.len() as f64 / frames,
            lengths.len() as f64 / (frames * FRAME),
            mean(&lengths),
            lengths.iter().copied().fold(0.0, f64::max),
            levels_in_pauses.mean - top,
            levels_in_pauses.deviation,
            percentile(&levels, 2.0) - top,
        ]);

        let floor = self.mean(quiet).map(|x| x + SILENT);
        let logs = floor.map(f64::ln);
        values.extend([line(&logs).0, mean(&logs) - mean(&floor).ln()]);

        let changes: Vec<f64> = levels.windows(3).map(|three| three[2] - three[0]).collect();
        values.extend([percentile(&changes, 95.0), percentile(&changes, 5.0)]);

        let breath = (0..levels.len()).filter(|&t| {
            BREATH_BELOW.contains(&(top - levels[t]))
                && self.entropy(t) > BREATH_ENTROPY * (BANDS as f64).ln()
        });
        values.push(breath.count() as f64 / frames);
    }

    /// Entropy of a frame's power over the bands, in nats.
    fn entropy(&self, frame: usize) -> f64 {
        let share = |x: &f64| x / self.totals[frame];
        -self.powers[frame]
            .iter()
            .map(share)
            .map(|p| p * p.ln())
            .sum::<f64>()
    }
}
