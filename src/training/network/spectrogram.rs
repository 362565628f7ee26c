//! A clip as the network hears it, small enough to keep a corpus in memory.

use super::architecture::BANDS;

/// Steps of a stored value in one neper of power: ln(power) is at least -16.2 and far below 31, so 16 bits hold it, and
/// the rounding, 0.0005 at most, is a thousandth of how much the value of a frame of noise varies.
const STEPS: f32 = 1_024.0;

/// Logarithms of the power in [`BANDS`] bands every 10 ms, as 16-bit numbers: 26 kB a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spectrogram {
    /// Shape `[frames][BANDS]`.
    values: Vec<i16>,
}

impl Spectrogram {
    /// From ln(power), shape `[frames][BANDS]`.
    ///
    /// # Panics
    /// If the last frame is not whole.
    #[must_use]
    pub fn new(logs: &[f32]) -> Self {
        assert_eq!(logs.len() % BANDS, 0, "whole frames");
        // `as` saturates.
        let values = logs.iter().map(|x| (x * STEPS).round() as i16).collect();
        Self { values }
    }

    /// From stored values; none if the last frame is not whole, or there is no frame.
    #[must_use]
    pub fn from_stored(values: Vec<i16>) -> Option<Self> {
        let whole = !values.is_empty() && values.len().is_multiple_of(BANDS);
        whole.then_some(Self { values })
    }

    /// The stored values, shape `[frames][BANDS]`.
    #[must_use]
    pub fn stored(&self) -> &[i16] {
        &self.values
    }

    /// Number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.values.len() / BANDS
    }

    /// Writes frames from `start` on to `logs`, shape `[frames][BANDS]`; past the end, the clip begins again.
    pub fn write_from(&self, start: usize, logs: &mut [f32]) {
        let values = self.values.iter().cycle().skip(start * BANDS);
        for (log, &value) in logs.iter_mut().zip(values) {
            *log = f32::from(value) / STEPS;
        }
    }

    /// All frames as ln(power).
    #[must_use]
    pub fn logs(&self) -> Vec<f32> {
        self.values.iter().map(|&x| f32::from(x) / STEPS).collect()
    }
}
