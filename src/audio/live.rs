//! Sound that arrives while it is made: MP3 frames or Opus packets in, samples out frame by frame.
//!
//! What is kept is a frame that is not whole yet, and what the decoders themselves keep; nothing grows with the call.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ropus::{Channels, DecodeMode, Decoder as OpusDecoder};

use super::decode::AudioError;
use super::mp3::LiveMp3;
use super::opus::{MAX_PACKET, RATE as OPUS_RATE};
use super::sink::{Depth, mix};

/// Opus packets in a row that may fail: losses on the way are passed over, rubbish is not worked through.
const MAX_FAILURES: usize = 100;

/// Decodes one call.
pub struct LiveDecoder {
    decoder: Decoder,
    mono: Vec<f32>,
}

enum Decoder {
    Mp3(LiveMp3),
    Opus {
        decoder: Box<OpusDecoder>,
        packet: Option<Vec<u8>>,
        interleaved: Vec<f32>,
        failures: usize,
    },
}

impl std::fmt::Debug for LiveDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.decoder {
            Decoder::Mp3(_) => "LiveDecoder(mp3)",
            Decoder::Opus { .. } => "LiveDecoder(opus)",
        })
    }
}

impl LiveDecoder {
    /// A decoder of an MP3 stream: frames one after another, cut into pieces anywhere.
    #[must_use]
    pub fn mp3() -> Self {
        Self {
            decoder: Decoder::Mp3(LiveMp3::default()),
            mono: Vec::new(),
        }
    }

    /// A decoder of Opus packets (RFC 6716), without a container.
    ///
    /// # Errors
    /// The library refuses; it has no reason to.
    pub fn opus() -> Result<Self, AudioError> {
        // Two channels: packets of one fill both alike, and their mean is the one.
        let decoder = OpusDecoder::new(OPUS_RATE, Channels::Stereo)
            .map_err(|_| AudioError::Undecodable("there is no Opus decoder".into()))?;
        Ok(Self {
            decoder: Decoder::Opus {
                decoder: Box::new(decoder),
                packet: None,
                interleaved: vec![0.0; 2 * MAX_PACKET],
                failures: 0,
            },
            mono: Vec::new(),
        })
    }

    /// Takes the next bytes of an MP3 stream, or one Opus packet; all that it makes is to be taken with
    /// [`LiveDecoder::next_frame`] before the next bytes come.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.decoder {
            Decoder::Mp3(mp3) => mp3.feed(bytes),
            Decoder::Opus { packet, .. } => *packet = Some(bytes.to_vec()),
        }
    }

    /// The samples of the next frame, mono and within -1.0..=1.0, and their rate in Hz, the same for the whole call; `None`
    /// until more bytes come.
    ///
    /// # Errors
    /// The bytes are no such sound; no bytes make it panic.
    pub fn next_frame(&mut self) -> Result<Option<(u32, &[f32])>, AudioError> {
        let Self { decoder, mono } = self;
        mono.clear();
        // As for files: one index out of bounds in a decoder must cost one call, not the process.
        let rate = catch_unwind(AssertUnwindSafe(|| match decoder {
            Decoder::Mp3(mp3) => mp3.next(mono),
            Decoder::Opus {
                decoder,
                packet,
                interleaved,
                failures,
            } => packet.take().map_or(Ok(None), |packet| {
                opus(decoder, &packet, interleaved, failures, mono)
            }),
        }))
        .unwrap_or_else(|_| Err(AudioError::Undecodable("the decoder gave up on it".into())))?;
        Ok(rate.map(|rate| (rate, &self.mono[..])))
    }
}

fn opus(
    decoder: &mut OpusDecoder,
    packet: &[u8],
    interleaved: &mut [f32],
    failures: &mut usize,
    mono: &mut Vec<f32>,
) -> Result<Option<u32>, AudioError> {
    if packet.is_empty() {
        return Ok(None);
    }
    let Ok(samples) = decoder.decode_float(packet, interleaved, DecodeMode::Normal) else {
        *failures += 1;
        if *failures > MAX_FAILURES {
            let what =
                "messages are no Opus packets: send one packet a message, without a container";
            return Err(AudioError::Undecodable(what.into()));
        }
        return Ok(None);
    };
    *failures = 0;
    let (pairs, _) = interleaved[..2 * samples].as_chunks::<2>();
    let side = |n: usize| pairs.iter().map(|pair| pair[n]).collect::<Vec<f32>>();
    mix(&[&side(0), &side(1)], Depth::Full, mono);
    Ok(Some(OPUS_RATE))
}
