//! Bytes of any accepted container -> mono waveform at 22,050 Hz, in memory.

mod decode;
mod resample;
mod waveform;

pub use decode::{AudioError, DecodeLimits, decode};
pub use waveform::{SAMPLE_RATE, Waveform};
