//! From bytes to a waveform: what the container is, who decodes it, what can go wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::sink::Sink;
use super::sniff::{Container, sniff};
use super::{Waveform, container, flac, mp3, wav};

/// Bounds enforced while decoding.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// Longest decoded audio that is accepted.
    pub max_duration: Duration,
}

impl Default for DecodeLimits {
    /// 10 minutes, the bound of a synchronous call.
    fn default() -> Self {
        Self {
            max_duration: Duration::from_secs(600),
        }
    }
}

/// Why bytes could not be turned into a waveform.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AudioError {
    /// There are no bytes at all.
    #[error(
        "the file is empty; send MP3, WAV, FLAC, OGG (Vorbis or Opus), WebM (Opus) or M4A/AAC audio"
    )]
    Empty,
    /// The bytes are no audio container that is accepted.
    #[error(
        "not a recognised audio file; send MP3, WAV, FLAC, OGG (Vorbis or Opus), WebM (Opus) or M4A/AAC audio"
    )]
    NotAudio,
    /// A known container in which no frame could be decoded; the text says what failed.
    #[error("the audio could not be decoded: {0}")]
    Undecodable(String),
    /// Decoding passed the limit, in seconds.
    #[error("the audio is longer than {limit_seconds} s, the most that is accepted")]
    TooLong {
        /// The limit that was passed, in seconds.
        limit_seconds: f64,
    },
    /// Decoding passed the limit on samples of all channels together, which high rates and many channels reach before the
    /// one on duration.
    #[error(
        "the audio holds more than {most} samples, all channels together; send it at a lower sample rate or with fewer channels"
    )]
    TooMuch {
        /// The limit that was passed.
        most: u64,
    },
    /// One channel of two was asked for, and there are not two.
    #[error("one side of a stereo recording was asked for; this one has {channels} channel(s)")]
    NotStereo {
        /// How many there are.
        channels: usize,
    },
}

/// What of a recording's channels is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// The mean of all.
    #[default]
    Mean,
    /// The left one of two.
    Left,
    /// The right one of two.
    Right,
}

/// What the sound was before it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFormat {
    /// `mp3`, `pcm`, `pcm_float`, `mulaw`, `alaw`, `flac`, `vorbis`, `opus`, `aac` or `other`.
    pub codec: &'static str,
    /// Sample rate in Hz; Opus counts as 48,000 Hz.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u16,
}

/// Decodes `bytes`, mixes to mono by the mean of the channels and resamples to 22,050 Hz.
///
/// The container is recognised by its content: MP3 (MPEG-1, 2 and 2.5), WAV, FLAC, OGG (Vorbis, Opus), WebM (Opus,
/// Vorbis), M4A and ADTS (AAC-LC). Encoder delay and padding are trimmed as ffmpeg trims them; damaged frames are
/// skipped or silent; a stream that changes its sample rate keeps the frames of the first one.
///
/// # Errors
/// Every variant of [`AudioError`]; no bytes make it panic.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Waveform, AudioError> {
    decode_side(bytes, Side::Mean, limits)
}

/// Decodes like [`decode`], but may take one channel of two instead of the mean.
///
/// # Errors
/// As [`decode`], and [`AudioError::NotStereo`].
pub fn decode_side(
    bytes: &[u8],
    side: Side,
    limits: &DecodeLimits,
) -> Result<Waveform, AudioError> {
    let mut samples = Vec::new();
    let mut take = |block: &[f32]| samples.extend_from_slice(block);
    decode_guarded(bytes, side, limits, &mut take)?;
    Ok(Waveform::new(samples))
}

/// Decodes like [`decode`], but hands the waveform on in blocks of up to some thousand samples at 22,050 Hz while it
/// decodes, so that memory does not grow with the duration.
///
/// # Errors
/// As [`decode`]; blocks that were handed on before an error are void.
pub fn decode_blocks(
    bytes: &[u8],
    limits: &DecodeLimits,
    out: &mut dyn FnMut(&[f32]),
) -> Result<SourceFormat, AudioError> {
    decode_guarded(bytes, Side::Mean, limits, out)
}

fn decode_guarded(
    bytes: &[u8],
    side: Side,
    limits: &DecodeLimits,
    out: &mut dyn FnMut(&[f32]),
) -> Result<SourceFormat, AudioError> {
    if bytes.is_empty() {
        return Err(AudioError::Empty);
    }
    // The decoders are other people's parsers of hostile input. They are fuzzed, but one index out of bounds in them
    // must cost one answer, not the process.
    catch_unwind(AssertUnwindSafe(|| {
        decode_unguarded(bytes, side, limits, out)
    }))
    .unwrap_or_else(|_| Err(AudioError::Undecodable("the decoder gave up on it".into())))
}

fn decode_unguarded(
    bytes: &[u8],
    side: Side,
    limits: &DecodeLimits,
    out: &mut dyn FnMut(&[f32]),
) -> Result<SourceFormat, AudioError> {
    let (container, body) = sniff(bytes).ok_or(AudioError::NotAudio)?;
    let mut sink = Sink::new(*limits, side, out);
    let mut format = match container {
        Container::Mp3 => mp3::decode(body, &mut sink),
        Container::Wav => wav::decode(body, &mut sink),
        Container::Flac => flac::decode(body, &mut sink),
        other => container::decode(body, other, &mut sink),
    }?;
    // What the decoder found counts, not what the header said.
    format.sample_rate = sink
        .finish()
        .ok_or_else(|| AudioError::Undecodable("it holds no samples".into()))?;
    Ok(format)
}
