//! MP3: frames are found here and decoded one by one in [`frames`].
//!
//! Symphonia's own MP3 reader trims encoder delay and padding only where the tag's checksum holds, counts frames past
//! the tagged end differently from ffmpeg, drops a last frame that is cut short, and takes any 11 set bits for a
//! frame after damage. This one follows ffmpeg 5.1, which the replaced stack used: the tests hold the same number of
//! samples, to the sample.

mod frames;
mod header;
#[cfg(feature = "server")]
mod live;
mod tag;

use super::decode::{AudioError, SourceFormat};
use super::sink::{Depth, Sink};
use frames::FrameDecoder;
use header::FrameHeader;
#[cfg(feature = "server")]
pub(super) use live::LiveMp3;
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

    // Behind other bytes, ffmpeg takes the tag's frame for an ordinary one.
    let tag = if start == 0 {
        Tag::parse(bytes, &first)
    } else {
        None
    };
    let mut at = start + if tag.is_some() { first.bytes } else { 0 };
    let tag = tag.unwrap_or_default();

    let mut decoder = FrameDecoder::new(first.rate);
    // Position of the next frame in samples, before anything is dropped.
    let mut position = 0;
    let mut sounding = None;
    while let Some((found, header)) = next_frame(bytes, at, &first) {
        let end = (found + header.bytes).min(bytes.len());
        // ffmpeg hands its decoder what it had to skip together with the frame behind it, which is lost with it
        // unless the skipped bytes are 0.
        let lost = bytes[at..found].iter().any(|&byte| byte != 0);
        at = end;
        let keep = kept(position, u64::from(header.samples), &tag);
        position += u64::from(header.samples);
        if lost {
            continue;
        }
        let Some(planes) = decoder.decode(&bytes[found..end], &header) else {
            continue;
        };
        sounding.get_or_insert(header.channels);
        let planes = planes.map(|plane| &plane[keep.clone()]);
        sink.push(&planes[..usize::from(header.channels)], Depth::Sixteen)?;
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
    (at..bytes.len()).find_map(|at| {
        let header = FrameHeader::parse(&bytes[at..])?;
        first.continues(&header).then_some((at, header))
    })
}

/// `bytes` without the 128 bytes of an ID3v1 tag at their end.
fn without_id3v1(bytes: &[u8]) -> &[u8] {
    match bytes.len().checked_sub(128) {
        Some(at) if bytes[at..].starts_with(b"TAG") => &bytes[..at],
        _ => bytes,
    }
}
