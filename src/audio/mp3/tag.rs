//! The Xing/Info tag with its LAME extension, and Fraunhofer's VBRI tag: the first frame of many files, which carries
//! no sound but says how many samples the encoder added at either end.

use std::ops::Range;

use super::header::FrameHeader;

/// Samples by which any layer III decoder lags: 528 of its filter bank and 1.
const DECODER_DELAY: u64 = 528 + 1;

/// What a tag frame says about the samples to drop, counted from the first frame after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tag {
    /// Samples to drop at the start.
    pub(super) skip: u64,
    /// Positions to drop at the end: from the first padding sample to the end of the last frame that the tag counted.
    /// ffmpeg keeps frames beyond it, and so does voxproof.
    pub(super) discard: Range<u64>,
}

impl Tag {
    /// Reads the tag in the first frame of `stream`; `None` when the frame is an ordinary one.
    pub(super) fn parse(stream: &[u8], header: &FrameHeader) -> Option<Self> {
        let frame = stream.get(..header.bytes)?;
        Self::parse_xing(frame, header, stream.len()).or_else(|| Self::parse_vbri(frame))
    }

    /// `"Xing" | "Info"`, flags, then as flagged: frames, bytes, 100 bytes of seek table, quality; then the encoder's
    /// name in 9 bytes, 12 bytes of figures, and delay and padding in 12 bits each.
    fn parse_xing(frame: &[u8], header: &FrameHeader, available: usize) -> Option<Self> {
        // The checksum that a frame may have between header and side information is not counted: encoders that write
        // both a checksum and a tag leave it out, and ffmpeg looks here too.
        let mut rest = frame.get(FrameHeader::BYTES + header.side_info..)?;
        let mut take = |n: usize| {
            let (now, later) = rest.split_at_checked(n)?;
            rest = later;
            Some(now)
        };
        if !matches!(take(4)?, b"Xing" | b"Info") {
            return None;
        }
        let flags = be(take(4)?);
        let mut frames = 0;
        let mut bytes = 0;
        if flags & 1 != 0 {
            frames = be(take(4)?);
        }
        if flags & 2 != 0 {
            bytes = be(take(4)?);
        }
        if flags & 4 != 0 {
            take(100)?;
        }
        if flags & 8 != 0 {
            take(4)?;
        }
        if frames == 0 && bytes == 0 {
            return None;
        }
        let Some(encoder) = take(9) else {
            return Some(Self::default());
        };
        if !matches!(&encoder[..4], b"LAME" | b"Lavf" | b"Lavc") {
            return Some(Self::default());
        }
        let Some(trim) = take(12).and_then(|_| take(3)) else {
            return Some(Self::default());
        };
        let trim = be(trim);
        let (delay, padding) = (trim >> 12, trim & 0xfff);
        let skip = delay + DECODER_DELAY;
        // More bytes than the tag counted, by more than a sixteenth: files were strung together, and ffmpeg believes
        // neither the number of frames nor the padding.
        let available = (available - FrameHeader::BYTES) as u64;
        if bytes > 0 && available > bytes && available - bytes > bytes >> 4 {
            frames = 0;
        }
        let counted = frames * u64::from(header.samples);
        let discard = if frames > 0 {
            (counted + DECODER_DELAY).saturating_sub(padding)..counted
        } else {
            0..0
        };
        Some(Self { skip, discard })
    }

    /// `"VBRI"` 32 bytes after the header, version 1, delay, quality, bytes, frames. ffmpeg trims nothing for it.
    fn parse_vbri(frame: &[u8]) -> Option<Self> {
        let tag = frame.get(FrameHeader::BYTES + 32..)?;
        let known = tag.get(..6)? == b"VBRI\x00\x01"
            && (be(tag.get(10..14)?) != 0 || be(tag.get(14..18)?) != 0);
        known.then(Self::default)
    }
}

/// Big-endian number of up to 8 bytes.
fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}
