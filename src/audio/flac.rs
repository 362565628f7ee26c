//! Native FLAC (RFC 9639): frames are found here and decoded one by one by Symphonia.
//!
//! Symphonia's own reader drops every frame whose checksum does not hold, which is a quarter of a second for one wrong bit.
//! ffmpeg keeps it, noise and all. Here a frame begins where a header does that fits the stream and whose own checksum
//! holds, and ends where the next one begins.

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::decode::{AudioError, SourceFormat};
use super::sink::{Depth, Sink};

/// Bytes of a stream's description.
const STREAMINFO: usize = 34;
/// Frames that may be lost in a row: numbers that lie further ahead are no frame's.
const MOST_LOST: u64 = 4096;

/// What the stream says of itself (RFC 9639 section 8.2), as far as frames must agree.
struct Stream<'a> {
    info: &'a [u8],
    longest: u32,
    rate: u32,
    channels: u8,
    depth: u8,
    /// Where the frames begin.
    frames: &'a [u8],
}

/// What a frame's header says (RFC 9639 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Number of the frame, or of its first sample.
    number: u64,
    samples: u32,
    by_sample: bool,
}

/// Decodes the FLAC file `bytes` into `sink`.
pub(super) fn decode(bytes: &[u8], sink: &mut Sink) -> Result<SourceFormat, AudioError> {
    let damaged = |what: &str| AudioError::Undecodable(format!("the FLAC file {what}"));
    let stream = Stream::parse(bytes).ok_or_else(|| damaged("has no stream information"))?;
    sink.set_rate(stream.rate)?;
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_FLAC)
        .with_extra_data(stream.info.into());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| AudioError::Undecodable(error.to_string()))?;

    let mut planes: Vec<Vec<f32>> = Vec::new();
    let mut decoded = false;
    let mut next = stream.next_frame(0, None);
    while let Some((at, header)) = next {
        next = stream.next_frame(at + 1, Some(header));
        let end = next.map_or(stream.frames.len(), |(end, _)| end);
        if let Some(buffer) = decode_frame(&mut *decoder, &stream.frames[at..end], header) {
            buffer.copy_to_vecs_planar::<f32>(&mut planes);
            let slices: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
            decoded = true;
            sink.push(&slices, Depth::Full)?;
        }
    }
    if !decoded {
        return Err(damaged("has no frame that can be decoded"));
    }
    Ok(SourceFormat {
        codec: "flac",
        sample_rate: stream.rate,
        channels: stream.channels.into(),
    })
}

/// One frame's samples; `None` where it is damaged beyond use, as ffmpeg drops it.
fn decode_frame<'a>(
    decoder: &'a mut dyn AudioDecoder,
    frame: &[u8],
    header: Header,
) -> Option<GenericAudioBufferRef<'a>> {
    let duration = Duration::from(header.samples);
    let packet = PacketRef::new(0, Timestamp::ZERO, duration, frame);
    let buffer = decoder.decode_ref(&packet).ok()?;
    (buffer.frames() > 0).then_some(buffer)
}

impl<'a> Stream<'a> {
    /// Reads the description and steps over the other blocks; one that claims more than there is ends them.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        const INFO: u8 = 0;
        const LAST: u8 = 0x80;
        let mut rest = bytes.get(4..)?;
        let mut info = None;
        while let &[kind, a, b, c, ref body @ ..] = rest {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if kind & !LAST == INFO && info.is_none() {
                info = body.get(..STREAMINFO);
            }
            let Some(behind) = body.get(length..) else {
                break;
            };
            rest = behind;
            if kind & LAST != 0 {
                break;
            }
        }
        let info = info?;
        let packed = info[10..18].iter().fold(0, |n, &b| n << 8 | u64::from(b));
        Some(Self {
            info,
            longest: u32::from(u16::from_be_bytes([info[2], info[3]])),
            rate: (packed >> 44) as u32,
            channels: (packed >> 41 & 7) as u8 + 1,
            depth: (packed >> 36 & 31) as u8 + 1,
            frames: rest,
        })
    }

    /// The first frame at or behind `from` that may follow `last`.
    fn next_frame(&self, from: usize, last: Option<Header>) -> Option<(usize, Header)> {
        (from..self.frames.len()).find_map(|at| {
            let header = self.header(&self.frames[at..])?;
            let follows = last.is_none_or(|last| {
                let step = if last.by_sample {
                    u64::from(self.longest.max(last.samples))
                } else {
                    1
                };
                let ahead = header.number.wrapping_sub(last.number);
                last.by_sample == header.by_sample && (1..=MOST_LOST * step).contains(&ahead)
            });
            follows.then_some((at, header))
        })
    }

    /// The header at the start of `bytes`, if it is one of this stream.
    fn header(&self, bytes: &[u8]) -> Option<Header> {
        let &[0xff, sync, sizes, form, ref rest @ ..] = bytes else {
            return None;
        };
        if sync & 0xfe != 0xf8 || form & 1 != 0 {
            return None;
        }
        let (number, mut length) = coded_number(rest)?;
        let mut field = |bytes: usize| {
            let value = rest.get(length..length + bytes)?;
            length += bytes;
            Some(value.iter().fold(0, |n, &b| n << 8 | u32::from(b)))
        };
        let samples = match sizes >> 4 {
            0 => return None,
            1 => 192,
            code @ 2..=5 => 576 << (code - 2),
            6 => field(1)? + 1,
            7 => field(2)? + 1,
            code => 256 << (code - 8),
        };
        let rate = match sizes & 15 {
            0 => self.rate,
            code @ 1..=11 => {
                const RATES: [u32; 11] = [
                    88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100,
                    48_000, 96_000,
                ];
                RATES[usize::from(code) - 1]
            }
            12 => field(1)? * 1000,
            13 => field(2)?,
            14 => field(2)? * 10,
            _ => return None,
        };
        let channels = match form >> 4 {
            code @ 0..=7 => code + 1,
            8..=10 => 2,
            _ => return None,
        };
        let depth = match form >> 1 & 7 {
            0 => self.depth,
            1 => 8,
            2 => 12,
            4 => 16,
            5 => 20,
            6 => 24,
            7 => 32,
            _ => return None,
        };
        let fits = (rate, channels, depth) == (self.rate, self.channels, self.depth)
            && (1..=self.longest).contains(&samples);
        let whole = bytes.get(..4 + length)?;
        (fits && *bytes.get(4 + length)? == crc8(whole)).then_some(Header {
            number,
            samples,
            by_sample: sync & 1 != 0,
        })
    }
}

/// A number of up to 36 bits in 1 to 7 bytes, coded as UTF-8 codes characters, and how many bytes it took.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let lead = u64::from(first) & ((1 << (7 - length)) - 1);
    let number = bytes.get(1..length)?.iter().try_fold(lead, |number, &b| {
        (b & 0xc0 == 0x80).then(|| number << 6 | u64::from(b & 0x3f))
    })?;
    Some((number, length))
}

/// CRC-8 with the polynomial 0x07.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            crc << 1 ^ if crc & 0x80 != 0 { 0x07 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_to_seven_bytes() {
        assert_eq!(coded_number(&[0x7f]), Some((127, 1)));
        assert_eq!(coded_number(&[0xc2, 0x80]), Some((128, 2)));
        assert_eq!(coded_number(&[0xe1, 0x80, 0x80]), Some((0x1000, 3)));
        let most = [0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf];
        assert_eq!(coded_number(&most), Some(((1 << 36) - 1, 7)));
        for bad in [&[0x80][..], &[0xff], &[0xc2], &[0xc2, 0x00], &[]] {
            assert_eq!(coded_number(bad), None, "{bad:02x?}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 9639, appendix D.1.2: a frame's header and its checksum.
        assert_eq!(crc8(&[0xff, 0xf8, 0x69, 0x18, 0x00, 0x00]), 0xbf);
    }
}
