//! Micro-variation of the voice: jitter, shimmer, harmonics to noise, how much is voiced, how smooth the pitch is.
//!
//! The measures are those that Praat reports (local, RAP, PPQ5; local, APQ3, APQ5; HNR), over pulses of our own. A throat's
//! periods differ by half a per cent from one to the next; vocoders make them from a smooth contour, or blur them.

use super::bands::mean;
use super::pulses::{Pitch, PitchTracker, Pulses};
use crate::features::dynamic::RATE;
use crate::features::dynamic::distribution::{Distribution, percentile};

/// A change of pitch from frame to frame below this counts as none, in semitones.
const STILL: f64 = 0.05;
/// Seconds from one frame to the next.
const FRAME: f64 = 0.01;

/// Number of values.
pub const COUNT: usize = NAMES.len();

const NAMES: [&str; 20] = [
    "jitter_local",
    "jitter_median",
    "jitter_kurtosis",
    "jitter_rap",
    "jitter_ppq5",
    "shimmer_local",
    "shimmer_median",
    "shimmer_kurtosis",
    "shimmer_apq3",
    "shimmer_apq5",
    "shimmer_db",
    "harmonics_to_noise_mean",
    "harmonics_to_noise_std",
    "voiced_share",
    "voiced_run_seconds_mean",
    "voiced_runs_a_second",
    "pitch_std",
    "pitch_step_mean",
    "pitch_curve_mean",
    "pitch_still_share",
];

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

/// Plans and tables.
#[derive(Debug, Default)]
pub struct Micro {
    tracker: PitchTracker,
}

impl Micro {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz, to `values`.
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        let pitch = self.tracker.pitch(speech);
        let pulses = pitch.pulses(speech);
        let period = |run: &Pulses| {
            run.places
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect()
        };
        let periods: Vec<Vec<f64>> = pulses.iter().map(period).collect();
        let heights: Vec<Vec<f64>> = pulses.into_iter().map(|run| run.heights).collect();
        values.extend(perturbation(&periods));
        values.extend(perturbation(&heights));
        let decibels = neighbours(&heights).map(|(a, b)| (20.0 * (b / a).log10()).abs());
        values.push(mean(&decibels.collect::<Vec<f64>>()));
        contour(&pitch, values);
    }
}

/// Neighbours of which both are above 0.
fn neighbours(tracks: &[Vec<f64>]) -> impl Iterator<Item = (f64, f64)> {
    let pairs = tracks.iter().flat_map(|track| track.windows(2));
    pairs
        .map(|pair| (pair[0], pair[1]))
        .filter(|(a, b)| *a > 0.0 && *b > 0.0)
}

/// How much values differ from pulse to pulse, over the mean of all: mean difference of neighbours; median and kurtosis of it
/// over the two's own mean; mean distance from the mean of three and of five.
fn perturbation(tracks: &[Vec<f64>]) -> [f64; 5] {
    let middle = mean(&tracks.concat());
    let changes: Vec<f64> = neighbours(tracks).map(|(a, b)| (b - a).abs()).collect();
    let relative = neighbours(tracks).map(|(a, b)| 2.0 * (b - a) / (a + b));
    let relative: Vec<f64> = relative.collect();
    let sizes: Vec<f64> = relative.iter().map(|x| x.abs()).collect();
    let smooth = |count: usize| {
        let near = tracks.iter().flat_map(|track| track.windows(count));
        let far: Vec<f64> = near
            .map(|near| (near[count / 2] - mean(near)).abs())
            .collect();
        mean(&far) / middle
    };
    [
        mean(&changes) / middle,
        percentile(&sizes, 50.0),
        Distribution::of(relative.into_iter()).kurtosis,
        smooth(3),
        smooth(5),
    ]
}

/// Harmonics to noise, voicing, and the pitch from frame to frame.
fn contour(pitch: &Pitch, values: &mut Vec<f64>) {
    let voiced: Vec<usize> = (0..pitch.voiced.len())
        .filter(|&t| pitch.voiced[t])
        .collect();
    let harmonics = voiced.iter().map(|&t| {
        let r = pitch.strengths[t].clamp(1e-3, 1.0 - 1e-3);
        10.0 * (r / (1.0 - r)).log10()
    });
    let harmonics = Distribution::of(harmonics);
    let tone = |t: usize| 12.0 * (f64::from(RATE) / pitch.periods[t]).log2();
    let tones = Distribution::of(voiced.iter().map(|&t| tone(t)));
    let (mut steps, mut curves, mut still) = (Vec::new(), Vec::new(), 0);
    for &(first, last) in &pitch.runs {
        let changes: Vec<f64> = (first + 1..=last).map(|t| tone(t) - tone(t - 1)).collect();
        still += changes.iter().filter(|change| change.abs() < STILL).count();
        curves.extend(changes.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
        steps.extend(changes.into_iter().map(f64::abs));
    }
    let frames = pitch.voiced.len() as f64;
    let runs = pitch.runs.len() as f64;
    values.extend([
        harmonics.mean,
        harmonics.deviation,
        voiced.len() as f64 / frames,
        voiced.len() as f64 / runs * FRAME,
        runs / (frames * FRAME),
        tones.deviation,
        mean(&steps),
        mean(&curves),
        still as f64 / steps.len() as f64,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perturbation_is_praats() {
        let periods = vec![vec![100.0, 102.0, 99.0, 101.0, 98.0]];
        let [local, median, _, rap, ppq5] = perturbation(&periods);
        assert!((local - 2.5 / 100.0).abs() < 1e-12);
        assert!(
            (median - (2.0 / 101.0 + 3.0 / 100.5) / 2.0).abs() < 5e-4,
            "{median}"
        );
        let three = [102.0 - 301.0 / 3.0, 302.0 / 3.0 - 99.0, 101.0 - 298.0 / 3.0];
        assert!((rap - three.iter().sum::<f64>() / 3.0 / 100.0).abs() < 1e-12);
        assert!((ppq5 - 1.0 / 100.0).abs() < 1e-12);
    }

    #[test]
    fn runs_are_kept_apart_and_what_is_not_above_zero_has_no_ratio() {
        let heights = vec![vec![1.0, 1.0], vec![2.0, 2.0], vec![-1.0, 3.0]];
        assert_eq!(neighbours(&heights).count(), 2);
        assert_eq!(perturbation(&heights)[..2], [0.0, 0.0]);
        assert!(perturbation(&[])[0].is_nan());
    }
}
