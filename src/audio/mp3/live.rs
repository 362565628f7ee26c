//! MP3 frames out of a stream that arrives in pieces.

use super::super::decode::AudioError;
use super::super::sink::{Depth, mix};
use super::super::sniff::id3v2_bytes;
use super::frames::FrameDecoder;
use super::header::FrameHeader;
use super::kept;
use super::tag::Tag;

/// Bytes without a frame among them that are passed over.
const MAX_JUNK: usize = 64 * 1024;

/// One stream.
#[derive(Default)]
pub struct LiveMp3 {
    /// What came and is not decoded yet, from `at` on.
    pending: Vec<u8>,
    at: usize,
    /// Bytes of a tag in front that are still to be passed over.
    skip: usize,
    /// Bytes passed over since the last frame.
    junk: usize,
    stream: Option<Stream>,
}

/// What the first frame has told.
struct Stream {
    first: FrameHeader,
    decoder: FrameDecoder,
    tag: Tag,
    /// Samples so far, before any were dropped.
    position: u64,
}

impl LiveMp3 {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.at);
        self.at = 0;
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.pending.extend_from_slice(&bytes[skipped..]);
    }

    /// Adds the samples of the next frame that can be decoded to `mono`; their rate, or `None` until more bytes come.
    pub fn next(&mut self, mono: &mut Vec<f32>) -> Result<Option<u32>, AudioError> {
        while self.find()? {
            let header = FrameHeader::parse(&self.pending[self.at..]);
            let (Some(header), Some(stream)) = (header, &mut self.stream) else {
                return Ok(None);
            };
            let frame = &self.pending[self.at..self.at + header.bytes];
            self.at += header.bytes;
            self.junk = 0;
            let keep = kept(stream.position, u64::from(header.samples), &stream.tag);
            stream.position += u64::from(header.samples);
            if let Some(planes) = stream.decoder.decode(frame, &header) {
                let planes = planes.map(|plane| &plane[keep.clone()]);
                mix(
                    &planes[..usize::from(header.channels)],
                    Depth::Sixteen,
                    mono,
                );
                return Ok(Some(stream.first.rate));
            }
        }
        Ok(None)
    }

    /// Goes to the next frame of the stream; whether it is there as a whole.
    fn find(&mut self) -> Result<bool, AudioError> {
        loop {
            let rest = &self.pending[self.at..];
            if rest.len() < FrameHeader::BYTES {
                return Ok(false);
            }
            if self.stream.is_none() && rest.starts_with(b"ID3") {
                // Its header has ten bytes.
                if rest.len() < 10 {
                    return Ok(false);
                }
                if let Some(tag) = id3v2_bytes(rest) {
                    let here = tag.min(rest.len());
                    self.skip = tag - here;
                    self.at += here;
                    continue;
                }
            }
            match (FrameHeader::parse(rest), &self.stream) {
                (Some(header), Some(stream)) if stream.first.continues(&header) => {
                    return Ok(rest.len() >= header.bytes);
                }
                (Some(header), None) => {
                    // A frame counts as the first when another one follows it.
                    let Some(behind) = rest.get(header.bytes..header.bytes + FrameHeader::BYTES)
                    else {
                        return Ok(false);
                    };
                    if FrameHeader::parse(behind).is_some_and(|next| header.continues(&next)) {
                        self.begin(header);
                        continue;
                    }
                }
                _ => {}
            }
            self.at += 1;
            self.junk += 1;
            if self.junk > MAX_JUNK {
                return Err(AudioError::Undecodable(
                    "there are no MP3 frames in it".into(),
                ));
            }
        }
    }

    fn begin(&mut self, first: FrameHeader) {
        let tag = Tag::parse(&self.pending[self.at..], &first);
        // The tag's frame has no sound.
        self.at += if tag.is_some() { first.bytes } else { 0 };
        let skip = tag.map_or(0, |tag| tag.skip);
        self.stream = Some(Stream {
            first,
            decoder: FrameDecoder::new(first.rate),
            // Where the stream will end is not known.
            tag: Tag {
                skip,
                discard: 0..0,
            },
            position: 0,
        });
    }
}
