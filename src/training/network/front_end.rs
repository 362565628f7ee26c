//! Waveform -> spectrogram, as a network is served it.

use super::spectrogram::Spectrogram;
use crate::audio::{SAMPLE_RATE, Waveform, resample};
use crate::features::bands::{Bands, BandsScratch};
use crate::features::dynamic::{RATE, prepare};
use crate::features::{FeatureError, MIN_SECONDS, time_domain};

/// What is kept of a clip's speech: a crop is 2.56 s, and a corpus has to fit in memory.
const LONGEST_SECONDS: usize = 8;

/// Plans and tables; shared between threads.
#[derive(Debug, Default)]
pub struct FrontEnd {
    bands: Bands,
}

/// Working memory of one thread.
#[derive(Debug, Default)]
pub struct FrontEndScratch {
    bands: BandsScratch,
    logs: Vec<f32>,
}

impl FrontEnd {
    /// The first [`LONGEST_SECONDS`] of the speech of `waveform`.
    ///
    /// # Errors
    /// As [`crate::features::Extractor::extract`] for a set at 16 kHz.
    pub fn spectrogram(
        &self,
        waveform: &Waveform,
        scratch: &mut FrontEndScratch,
    ) -> Result<Spectrogram, FeatureError> {
        let seconds = waveform.duration_seconds();
        if seconds < MIN_SECONDS {
            return Err(FeatureError::TooShort { seconds });
        }
        time_domain::analyse(waveform.samples())?;
        let speech = prepare::prepare(&resample(waveform.samples(), SAMPLE_RATE, RATE))?;
        let kept = speech.len().min(LONGEST_SECONDS * RATE as usize);
        let logs = &mut scratch.logs;
        self.bands
            .compute(&speech[..kept], &mut scratch.bands, logs);
        Ok(Spectrogram::new(logs))
    }
}
