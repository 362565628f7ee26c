//! The voice's source: cepstral peak prominence, spectral flux and entropy, steadiness of the pitch.

use std::fmt;
use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner};

use super::RATE;
use super::distribution::{Distribution, percentile};
use super::stft::Stft;

/// Samples in a frame, 40 ms of them under the window: three periods of a low voice.
const FFT_SIZE: usize = 1_024;
/// Lags at which a pitch period is looked for, in samples: 400 Hz down to 60 Hz.
const LAGS: std::ops::Range<usize> = RATE as usize / 400..RATE as usize / 60;
/// Frames above this percentile of the mean log magnitude are taken for voiced.
const LOUD_PERCENTILE: f64 = 60.0;

/// Number of values.
pub const COUNT: usize = NAMES.len();

const NAMES: [&str; 15] = [
    "cpp_mean",
    "cpp_std",
    "cpp_skewness",
    "flux_mean",
    "flux_std",
    "flux_skewness",
    "flux_kurtosis",
    "entropy_mean",
    "entropy_std",
    "entropy_skewness",
    "pitch_jump_median",
    "pitch_jump_below_2_percent",
    "pitch_jump_below_half_percent",
    "cpp_change_std",
    "entropy_change_std",
];

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

/// Plans.
pub struct Voice {
    stft: Stft,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice").field("stft", &self.stft).finish()
    }
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            stft: Stft::new(FFT_SIZE, 640),
            inverse: RealFftPlanner::new().plan_fft_inverse(FFT_SIZE),
        }
    }
}

/// What is kept of each frame, shape `[frames]` each.
#[derive(Debug, Default)]
struct Tracks {
    /// Mean log magnitude.
    level: Vec<f64>,
    /// Highest cepstral value among [`LAGS`] over the mean one: how strongly voiced.
    prominence: Vec<f64>,
    /// Lag of it, in samples: the pitch period.
    lag: Vec<usize>,
    /// Entropy of the power's distribution over the bins, in nats.
    entropy: Vec<f64>,
    /// Distance of the magnitudes, summing to 1, from the frame before, shape `[frames - 1]`.
    flux: Vec<f64>,
}

impl Voice {
    /// Appends the [`COUNT`] values of `speech`, 16 kHz, to `values`.
    pub fn extend(&self, speech: &[f32], values: &mut Vec<f64>) {
        let tracks = self.tracks(speech);
        let threshold = percentile(&tracks.level, LOUD_PERCENTILE);
        let loud = |frame: &usize| tracks.level[*frame] > threshold;
        let loud: Vec<usize> = (0..tracks.level.len()).filter(loud).collect();

        let prominence = Distribution::of(loud.iter().map(|&t| tracks.prominence[t]));
        let entropy = Distribution::of(loud.iter().map(|&t| tracks.entropy[t]));
        let flux = Distribution::of(tracks.flux.iter().copied());
        let jumps: Vec<f64> = loud
            .windows(2)
            .map(|t| {
                (tracks.lag[t[0]] as f64 / tracks.lag[t[1]] as f64)
                    .ln()
                    .abs()
            })
            .collect();
        let below = |most: f64| {
            let count = jumps.iter().filter(|&&jump| jump < most).count();
            count as f64 / jumps.len() as f64
        };
        let change = |track: &[f64]| {
            let changes = track.windows(2).map(|pair| pair[1] - pair[0]);
            Distribution::of(changes).deviation
        };
        values.extend([prominence.mean, prominence.deviation, prominence.skewness]);
        values.extend([flux.mean, flux.deviation, flux.skewness, flux.kurtosis]);
        values.extend([entropy.mean, entropy.deviation, entropy.skewness]);
        values.extend([percentile(&jumps, 50.0), below(0.02), below(0.005)]);
        values.extend([change(&tracks.prominence), change(&tracks.entropy)]);
    }

    fn tracks(&self, speech: &[f32]) -> Tracks {
        let mut tracks = Tracks::default();
        let mut magnitudes = vec![0.0; self.stft.bins()];
        let mut before = magnitudes.clone();
        let mut logs = self.inverse.make_input_vec();
        let mut cepstrum = self.inverse.make_output_vec();
        let mut work = self.inverse.make_scratch_vec();
        self.stft.frames(speech, |spectrum| {
            let (mut sum, mut energy, mut level) = (0.0, 0.0, 0.0);
            for ((magnitude, log), x) in magnitudes.iter_mut().zip(&mut logs).zip(spectrum) {
                let power = x.norm_sqr();
                *magnitude = power.sqrt();
                *log = (*magnitude + 1e-6).ln().into();
                sum += *magnitude;
                energy += power;
                level += log.re;
            }
            tracks.level.push(level / magnitudes.len() as f64);

            let mut entropy = 0.0;
            let per_energy = 1.0 / (energy + 1e-12);
            let per_sum = 1.0 / (sum + 1e-9);
            let mut distance = 0.0;
            for (magnitude, before) in magnitudes.iter().zip(&mut before) {
                let share = magnitude * magnitude * per_energy;
                entropy -= share * (share + 1e-12).ln();
                let relative = magnitude * per_sum;
                distance += (relative - *before) * (relative - *before);
                *before = relative;
            }
            // The first frame has none before it.
            if !tracks.entropy.is_empty() {
                tracks.flux.push(distance.sqrt());
            }
            tracks.entropy.push(entropy);

            self.inverse
                .process_with_scratch(&mut logs, &mut cepstrum, &mut work)
                .expect("buffers have the plan's lengths and the first and last bin are real");
            let (mut highest, mut lag, mut total) = (-1.0, 0, 0.0);
            for at in LAGS {
                let value = cepstrum[at].abs();
                total += value;
                if value > highest {
                    (highest, lag) = (value, at);
                }
            }
            let mean = total / LAGS.len() as f64;
            // The inverse transform leaves out the division by its length.
            tracks.prominence.push((highest - mean) / FFT_SIZE as f64);
            tracks.lag.push(lag);
        });
        tracks
    }
}
