//! Power spectra of a recording: their mean, and their bands over time.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::audio::SAMPLE_RATE;

/// Samples of a frame: 46 ms, so that the gaps between a voice's harmonics show the noise beneath it.
const FRAME: usize = 1_024;
/// Samples from one frame to the next.
const HOP: usize = FRAME / 2;
/// Bins of a frame.
pub const BINS: usize = FRAME / 2 + 1;
/// Bins in a band: 172 Hz.
const BAND: usize = 8;
/// Bands of a frame, from bin 1 on.
pub const BANDS: usize = (BINS - 1) / BAND;
/// Hz from one bin to the next.
pub const BIN_HZ: f64 = SAMPLE_RATE as f64 / FRAME as f64;

/// Plan and window; shared between threads.
pub struct Spectra {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
}

impl fmt::Debug for Spectra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spectra").finish_non_exhaustive()
    }
}

impl Default for Spectra {
    fn default() -> Self {
        let hann = |n: usize| (0.5 - 0.5 * (TAU * n as f64 / FRAME as f64).cos()) as f32;
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FRAME),
            window: (0..FRAME).map(hann).collect(),
        }
    }
}

/// What the spectra of a recording hold.
#[derive(Debug)]
pub struct Heard {
    /// Mean power of each bin, shape `[BINS]`.
    pub mean: Vec<f64>,
    /// Power of each band, the mean of its bins, shape `[frames][BANDS]`.
    pub bands: Vec<f32>,
}

impl Spectra {
    /// The spectra of the whole frames of `samples`, of which there must be at least one.
    pub fn hear(&self, samples: &[f32]) -> Heard {
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut work = self.fft.make_scratch_vec();
        let frames = (samples.len().saturating_sub(FRAME)) / HOP + 1;
        let mut heard = Heard {
            mean: vec![0.0; BINS],
            bands: Vec::with_capacity(frames * BANDS),
        };
        let mut power = [0.0_f32; BINS];
        for place in samples.windows(FRAME).step_by(HOP) {
            for ((out, x), w) in frame.iter_mut().zip(place).zip(&self.window) {
                *out = x * w;
            }
            self.fft
                .process_with_scratch(&mut frame, &mut spectrum, &mut work)
                .expect("buffers have the plan's lengths");
            for (power, x) in power.iter_mut().zip(&spectrum) {
                *power = x.norm_sqr();
            }
            for (sum, &power) in heard.mean.iter_mut().zip(&power) {
                *sum += f64::from(power);
            }
            let bands = power[1..].chunks_exact(BAND);
            heard
                .bands
                .extend(bands.map(|band| band.iter().sum::<f32>() / BAND as f32));
        }
        let share = 1.0 / frames as f64;
        heard.mean.iter_mut().for_each(|sum| *sum *= share);
        heard
    }
}
