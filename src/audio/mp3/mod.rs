//! MP3: frames are found here and decoded by Symphonia.
//!
//! Symphonia's own MP3 reader trims encoder delay and padding only where the tag's checksum holds, counts frames past
//! the tagged end differently from ffmpeg, drops a last frame that is cut short, and takes any 11 set bits for a
//! frame after damage. This one follows ffmpeg 5.1, which the replaced stack used: the tests hold the same number of
//! samples, to the sample.

mod header;
mod tag;

use symphonia::core::audio::{Audio, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::MpaDecoder;

use super::decode::{AudioError, SourceFormat};
use super::sink::{Depth, Sink};
use header::FrameHeader;
use tag::Tag;

/// How far into the bytes the first frame is looked for; ffmpeg's bound.
const MAX_JUNK: usize = 64 * 1024;

/// Where the first of the frames is, if `bytes` (after any ID3v2 tags) is an MP3 stream.
///
/// A frame at the very start counts when another one follows it or the bytes end with or inside it; behind other
/// bytes, where 32 bits may look like a header by chance, three in a row count.
pub(super) fn find_start(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len().min(MAX_JUNK)).find(|&at| {
        let Some(first) = FrameHeader::parse(&bytes[at..]) else {
            return false;
        };
        let (mut next, mut wanted) = (at + first.bytes, if at == 0 { 1 } else { 2 });
        while wanted > 0 {
            match bytes.get(next..).and_then(FrameHeader::parse) {
                Some(header) if first.continues(&header) => next += header.bytes,
                // The stream may end before there are so many frames, with an ID3v1 tag behind it.
                _ => return at == 0 && (next >= bytes.len() || bytes[next..].starts_with(b"TAG")),
            }
            wanted -= 1;
        }
        true
    })
}

/// Decodes the frames of `bytes`, which starts behind any ID3v2 tags, into `sink`.
pub(super) fn decode(bytes: &[u8], sink: &mut Sink) -> Result<SourceFormat, AudioError> {
    let bytes = without_id3v1(bytes);
    let start = find_start(bytes)
        .ok_or_else(|| AudioError::Undecodable("no MP3 frame was found".into()))?;
    let first = FrameHeader::parse(&bytes[start..]).expect("find_start has parsed it");
    sink.set_rate(first.rate)?;

    let tag = bytes
        .get(start..start + first.bytes)
        .and_then(|frame| Tag::parse(frame, &first));
    let mut at = if tag.is_some() {
        start + first.bytes
    } else {
        start
    };
    let tag = tag.unwrap_or_default();

    let mut decoder = FrameDecoder::default();
    // Position of the next frame in samples, before anything is dropped.
    let mut position = 0;
    let mut sounding = None;
    while let Some((found, header)) = next_frame(bytes, at, &first) {
        let end = (found + header.bytes).min(bytes.len());
        at = end;
        let keep = kept(position, u64::from(header.samples), &tag);
        position += u64::from(header.samples);
        let decoded = decoder.decode(&bytes[found..end], &header);
        sounding = sounding.or(decoded.then_some(header.channels));
        let planes = decoder.planes(&header);
        sink.push(
            &planes.map(|plane| &plane[keep.clone()])[..usize::from(header.channels)],
            Depth::Sixteen,
        )?;
    }
    match sounding {
        Some(channels) => Ok(SourceFormat {
            codec: "mp3",
            sample_rate: first.rate,
            channels: u16::from(channels),
        }),
        None => Err(AudioError::Undecodable(
            "no MP3 frame could be decoded".into(),
        )),
    }
}

/// Which samples of the frame at `position` are kept.
fn kept(position: u64, samples: u64, tag: &Tag) -> std::ops::Range<usize> {
    let from = tag.skip.saturating_sub(position).min(samples);
    let drop = if position < tag.discard.end {
        (position + samples)
            .saturating_sub(tag.discard.start)
            .min(samples)
    } else {
        0
    };
    let to = (samples - drop).max(from);
    from as usize..to as usize
}

/// The next frame at or behind `at` that continues the stream of `first`.
fn next_frame(bytes: &[u8], at: usize, first: &FrameHeader) -> Option<(usize, FrameHeader)> {
    let parse = |at: usize| {
        bytes
            .get(at..)
            .and_then(FrameHeader::parse)
            .filter(|header| first.continues(header))
    };
    if let Some(header) = parse(at) {
        return Some((at, header));
    }
    // Out of step: what looks like a frame must be followed by another one, or end the stream.
    (at + 1..bytes.len().saturating_sub(FrameHeader::BYTES)).find_map(|at| {
        let header = parse(at)?;
        let next = at + header.bytes;
        (next == bytes.len() || parse(next).is_some()).then_some((at, header))
    })
}

/// `bytes` without the 128 bytes of an ID3v1 tag at their end.
fn without_id3v1(bytes: &[u8]) -> &[u8] {
    match bytes.len().checked_sub(128) {
        Some(at) if bytes[at..].starts_with(b"TAG") => &bytes[..at],
        _ => bytes,
    }
}

/// Symphonia's decoder, fed frame by frame.
#[derive(Default)]
struct FrameDecoder {
    /// The decoder and the number of channels that it has settled on.
    decoder: Option<(u8, MpaDecoder)>,
    /// A frame that is cut short, made whole with zeros.
    whole: Vec<u8>,
    /// The last frame's samples by channel.
    planes: [Vec<f32>; 2],
}

impl FrameDecoder {
    /// Decodes one frame; false, and silence, when it is damaged: ffmpeg keeps the timeline in most cases too.
    fn decode(&mut self, frame: &[u8], header: &FrameHeader) -> bool {
        for plane in &mut self.planes {
            plane.clear();
            plane.resize(header.samples as usize, 0.0);
        }
        if self
            .decoder
            .as_ref()
            .is_none_or(|(channels, _)| *channels != header.channels)
        {
            let mut parameters = AudioCodecParameters::new();
            parameters.for_codec(CODEC_ID_MP3);
            let options = AudioDecoderOptions::default().gapless(false);
            self.decoder = MpaDecoder::try_new(&parameters, &options)
                .ok()
                .map(|decoder| (header.channels, decoder));
        }
        let Some((_, decoder)) = &mut self.decoder else {
            return false;
        };
        let data = if frame.len() < header.bytes {
            self.whole.clear();
            self.whole.extend_from_slice(frame);
            self.whole.resize(header.bytes, 0);
            &self.whole
        } else {
            frame
        };
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(header.samples), data);
        let Ok(GenericAudioBufferRef::F32(buffer)) = decoder.decode_ref(&packet) else {
            return false;
        };
        for (channel, plane) in self
            .planes
            .iter_mut()
            .enumerate()
            .take(header.channels.into())
        {
            let Some(from) = buffer
                .plane(channel)
                .filter(|from| from.len() == plane.len())
            else {
                return false;
            };
            plane.copy_from_slice(from);
        }
        true
    }

    /// The last frame's channels, shape `[2][samples]`, the second one unused for mono.
    fn planes(&self, _header: &FrameHeader) -> [&[f32]; 2] {
        [&self.planes[0], &self.planes[1]]
    }
}
