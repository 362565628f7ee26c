//! How fast the envelopes of eight bands move: shares of modulation power from 1 to 50 Hz.
//!
//! Speech has a peak at the syllable rate, about 4 Hz, whoever speaks and whatever is said.

use std::f64::consts::PI;

use realfft::RealFftPlanner;

use super::distribution::Distribution;
use crate::features::logarithm::ln_f64;

/// Edges of the eight audio bands, in bins of 31.25 Hz: 62 Hz to 3,687 Hz.
const EDGES: [usize; BANDS + 1] = [2, 6, 12, 20, 30, 45, 65, 90, 118];
const BANDS: usize = 8;
/// The lower half of the audio bands, up to 937 Hz.
const LOW_BANDS: usize = 4;
/// Modulation bands, in Hz: the lower edge belongs to a band, the upper one does not.
const RATES: [(f64, f64); 6] = [
    (1.0, 3.0),
    (3.0, 6.0),
    (6.0, 12.0),
    (12.0, 20.0),
    (20.0, 35.0),
    (35.0, 50.0),
];
/// Half the frame rate, in Hz.
const NYQUIST: f64 = 50.0;
/// Least length of the transform, in frames.
const LEAST_LENGTH: usize = 256;

/// Number of values.
pub const COUNT: usize = 4 * RATES.len();

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    let mut names = Vec::with_capacity(COUNT);
    for (from, to) in RATES {
        names.extend(
            ["mean", "low_mean", "high_mean", "std"]
                .map(|what| format!("modulation_{from}_{to}_hz_{what}")),
        );
    }
    names
}

/// Log power of the audio bands, frame by frame, shape `[8][frames]`.
#[derive(Debug, Default)]
pub struct Envelopes {
    bands: [Vec<f64>; BANDS],
}

impl Envelopes {
    /// Adds a frame with the power spectrum `power`, shape `[257]` or longer.
    #[inline(always)]
    pub fn push(&mut self, power: &[f64]) {
        for (band, edges) in self.bands.iter_mut().zip(EDGES.windows(2)) {
            let sum: f64 = power[edges[0]..edges[1]].iter().sum();
            band.push(ln_f64(sum + 1e-8));
        }
    }

    /// Appends the [`COUNT`] values: for each modulation band, the mean over the audio bands, over the lower and the
    /// upper half of them, and the deviation, of the log share of modulation power.
    pub fn finish(self, values: &mut Vec<f64>) {
        let frames = self.bands[0].len();
        let length = frames.max(LEAST_LENGTH);
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(length);
        let mut envelope = fft.make_input_vec();
        let mut spectrum = fft.make_output_vec();
        let mut work = fft.make_scratch_vec();
        // As np.linspace(0, 50, bins): a clip's last bin is half the frame rate only if its frames are even, but the
        // reference names it so either way.
        let step = NYQUIST / (spectrum.len() - 1) as f64;
        // Shape [6][8].
        let mut shares = [[0.0; BANDS]; RATES.len()];
        for (index, band) in self.bands.iter().enumerate() {
            let mean = band.iter().sum::<f64>() / frames as f64;
            envelope.fill(0.0);
            for (n, (out, x)) in envelope.iter_mut().zip(band).enumerate() {
                // Symmetric Hann window (np.hanning).
                let hann = 0.5 - 0.5 * (2.0 * PI * n as f64 / (frames - 1) as f64).cos();
                *out = (x - mean) * hann;
            }
            fft.process_with_scratch(&mut envelope, &mut spectrum, &mut work)
                .expect("buffers have the plan's lengths");
            let power = |wanted: &dyn Fn(f64) -> bool| -> f64 {
                spectrum
                    .iter()
                    .enumerate()
                    .filter(|(bin, _)| wanted(*bin as f64 * step))
                    .map(|(_, x)| x.norm_sqr())
                    .sum()
            };
            let total = power(&|hz| hz > 1.0) + 1e-12;
            for (share, (from, to)) in shares.iter_mut().zip(RATES) {
                let inside = power(&|hz| hz >= from && hz < to);
                share[index] = (inside / total + 1e-9).ln();
            }
        }
        for share in &shares {
            let all = Distribution::of(share.iter().copied());
            let (low, high) = share.split_at(LOW_BANDS);
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            values.extend([all.mean, mean(low), mean(high), all.deviation]);
        }
    }
}
