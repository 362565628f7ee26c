//! The voice's source: cepstral peak prominence, spectral flux and entropy, steadiness of the pitch.

use std::fmt;

use super::distribution::{Distribution, percentile};
use super::stft::Stft;
use super::{Listener, RATE};
use crate::features::logarithm::ln_f64;
use crate::features::transform::{Buffers, RealTransform};

/// Samples in a frame, 40 ms of them under the window: three periods of a low voice.
const FFT_SIZE: usize = 1_024;
const BINS: usize = FFT_SIZE / 2 + 1;
/// Added to magnitudes before their logarithm is taken: far below any bin of the prepared floor of noise.
const SILENT: f64 = 1e-6;
/// Sums that run side by side in vector registers.
const LANES: usize = 4;
/// Lags at which a pitch period is looked for, in samples: 400 Hz down to 60 Hz.
const LAGS: std::ops::Range<usize> = RATE as usize / 400..RATE as usize / 60;
/// Frames above this percentile of the mean log magnitude are taken for voiced.
pub const LOUD_PERCENTILE: f64 = 60.0;

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
    inverse: RealTransform<f64>,
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
            inverse: RealTransform::new(FFT_SIZE),
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
    /// Appends the [`COUNT`] values of `speech`, 16 kHz, to `values`; `listener` hears the log spectra.
    #[inline(always)]
    pub fn extend(&self, speech: &[f32], listener: &mut impl Listener, values: &mut Vec<f64>) {
        let tracks = self.tracks(speech, listener);
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

    #[inline(always)]
    fn tracks(&self, speech: &[f32], listener: &mut impl Listener) -> Tracks {
        let mut tracks = Tracks::default();
        let mut magnitudes = [0.0; BINS];
        let mut relative = [0.0; BINS];
        let mut logs = [0.0; BINS];
        let mut buffers = Buffers::default();
        self.inverse.fit(&mut buffers);
        self.stft.frames(
            speech,
            #[inline(always)]
            |spectrum| {
                for ((magnitude, log), x) in magnitudes.iter_mut().zip(&mut logs).zip(spectrum) {
                    *magnitude = x.norm_sqr().sqrt();
                    *log = *magnitude + SILENT;
                }
                logs.iter_mut().for_each(|x| *x = ln_f64(*x));
                let sums = Sums::of(&magnitudes, &logs);
                let level = sums.logs / BINS as f64;
                tracks.level.push(level);

                let per_sum = 1.0 / (sums.magnitudes + 1e-9);
                let mut distances = [0.0; LANES];
                for (magnitudes, before) in magnitudes.chunks(LANES).zip(relative.chunks_mut(LANES))
                {
                    for ((sum, x), before) in distances.iter_mut().zip(magnitudes).zip(before) {
                        let now = x * per_sum;
                        *sum += (now - *before) * (now - *before);
                        *before = now;
                    }
                }
                // The first frame has none before it.
                if !tracks.entropy.is_empty() {
                    tracks.flux.push(distances.iter().sum::<f64>().sqrt());
                }
                tracks.entropy.push(sums.entropy());

                self.inverse.even_inverse(&logs, &mut buffers);
                let cepstrum = &buffers.frame;
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
                listener.long_frame(&logs, level, lag);
            },
        );
        tracks
    }
}

/// Sums over the bins of a frame.
struct Sums {
    magnitudes: f64,
    energy: f64,
    logs: f64,
    /// Of the energy times the log magnitude.
    energy_logs: f64,
}

impl Sums {
    #[inline(always)]
    fn of(magnitudes: &[f64; BINS], logs: &[f64; BINS]) -> Self {
        let mut lanes = [[0.0; LANES]; 4];
        for (magnitudes, logs) in magnitudes.chunks(LANES).zip(logs.chunks(LANES)) {
            for (lane, (magnitude, log)) in magnitudes.iter().zip(logs).enumerate() {
                let energy = magnitude * magnitude;
                lanes[0][lane] += magnitude;
                lanes[1][lane] += energy;
                lanes[2][lane] += log;
                lanes[3][lane] += energy * log;
            }
        }
        let [magnitudes, energy, logs, energy_logs] = lanes.map(|lane| lane.iter().sum());
        Self {
            magnitudes,
            energy,
            logs,
            energy_logs,
        }
    }

    /// Entropy of the energy's distribution over the bins, in nats, from the logarithms that there are: those of
    /// magnitudes `m` plus [`SILENT`], with `ln m = ln(m + s) - s / m + s^2 / 2 m^2`.
    #[inline(always)]
    fn entropy(&self) -> f64 {
        let logs =
            self.energy_logs - SILENT * self.magnitudes + 0.5 * SILENT * SILENT * BINS as f64;
        let energy = self.energy + 1e-12;
        (self.energy * energy.ln() - 2.0 * logs) / energy
    }
}
