//! The waveform that every later stage works on.

/// Sample rate of every [`Waveform`], in Hz: librosa's default.
pub const SAMPLE_RATE: u32 = 22_050;

/// A mono waveform at [`SAMPLE_RATE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    samples: Vec<f32>,
}

impl Waveform {
    /// Wraps mono samples at [`SAMPLE_RATE`], nominally within -1.0..=1.0.
    pub fn new(samples: Vec<f32>) -> Self {
        Self { samples }
    }

    /// The samples, shape `[n]`, nominally within -1.0..=1.0.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The samples, without a copy.
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// Length in seconds.
    pub fn duration_seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}
