//! Bytes of any accepted container -> mono waveform at 22,050 Hz, in memory.
//!
//! ```text
//! bytes -> sniff -> mp3 | wav | flac | container (-> opus) -> sink: depth, mean of channels, bound -> resample -> waveform
//! ```

mod container;
mod decode;
mod flac;
#[cfg(feature = "server")]
mod live;
mod mp3;
mod mp4;
mod opus;
mod resample;
mod sink;
mod sniff;
mod trim;
mod wav;
mod waveform;

pub use decode::{
    AudioError, DecodeLimits, Side, SourceFormat, decode, decode_blocks, decode_side,
};
#[cfg(feature = "server")]
pub use live::LiveDecoder;
pub use resample::{resample, resample_in_place};
pub use waveform::{SAMPLE_RATE, Waveform};
