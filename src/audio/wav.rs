//! WAV (RIFF and RF64): linear PCM, floating point, mu-law and A-law.
//!
//! Read here rather than by Symphonia because recorders and pipes leave wrong lengths in headers (0, 4 GB, an odd
//! byte at the end), which ffmpeg puts up with: the sound is whatever stands between the `data` header and the end of
//! the chunk or of the bytes, whichever comes first.

use super::decode::{AudioError, SourceFormat};
use super::sink::{Depth, Sink};

/// Sample frames converted at a time.
const BLOCK: usize = 4096;

/// Channels that are accepted: more is no recording of speech, and a lying header must not make big buffers.
const MAX_CHANNELS: u16 = 64;

/// How samples stand in the data chunk.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    /// Unsigned 8 bits.
    U8,
    /// Signed, little-endian, of 2, 3 or 4 bytes.
    Signed(usize),
    F32,
    F64,
    MuLaw,
    ALaw,
}

/// The `fmt ` chunk.
struct Format {
    encoding: Encoding,
    rate: u32,
    channels: u16,
}

/// Decodes the WAV file `bytes` into `sink`.
pub(super) fn decode(bytes: &[u8], sink: &mut Sink) -> Result<SourceFormat, AudioError> {
    let damaged = |what: &str| AudioError::Undecodable(format!("the WAV header {what}"));
    let mut format = None;
    let mut at = 12;
    let data = loop {
        let header = bytes
            .get(at..at + 8)
            .ok_or_else(|| damaged("has no data chunk"))?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let body = &bytes[at + 8..];
        match &header[..4] {
            b"fmt " => format = Some(Format::parse(&body[..length.min(body.len())])?),
            // 0 and 2^32 - 1 are left by writers that cannot go back: the sound goes on to the end.
            b"data" if length == 0 || length >= body.len() => break body,
            b"data" => break &body[..length],
            _ => {}
        }
        // Chunks are padded to even lengths.
        at = at
            .saturating_add(8)
            .saturating_add(length)
            .saturating_add(length & 1);
        if at >= bytes.len() {
            return Err(damaged("has no data chunk"));
        }
    };
    let Format {
        encoding,
        rate,
        channels,
    } = format.ok_or_else(|| damaged("has no format chunk"))?;
    sink.set_rate(rate)?;

    let width = encoding.bytes();
    let frame = width * usize::from(channels);
    let mut planes = vec![Vec::with_capacity(BLOCK); channels.into()];
    for block in data.chunks(BLOCK * frame) {
        // The last block may end inside a frame, which is dropped.
        let whole = &block[..block.len() / frame * frame];
        for (channel, plane) in planes.iter_mut().enumerate() {
            plane.clear();
            encoding.read(&whole[(channel * width).min(whole.len())..], frame, plane);
        }
        let slices: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
        sink.push(&slices, Depth::Full)?;
    }
    if data.len() < frame {
        return Err(AudioError::Undecodable(
            "the WAV file holds no samples".into(),
        ));
    }
    Ok(SourceFormat {
        codec: encoding.name(),
        sample_rate: rate,
        channels,
    })
}

impl Format {
    /// Reads the body of a `fmt ` chunk.
    fn parse(body: &[u8]) -> Result<Self, AudioError> {
        let refuse = |what: String| Err(AudioError::Undecodable(what));
        let Some(head) = body.first_chunk::<16>() else {
            return refuse("the WAV format chunk is cut short".into());
        };
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let (mut tag, channels) = (u16_at(0), u16_at(2));
        let rate = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        // Containers of 12 bits in 2 bytes, or 20 in 3, are left-justified: whole bytes count.
        let bytes = u16_at(14).div_ceil(8);
        const EXTENSIBLE: u16 = 0xfffe;
        if tag == EXTENSIBLE {
            // The sub-format's first 2 bytes are the tag proper.
            tag = body
                .get(24..26)
                .map_or(1, |sub| u16::from_le_bytes([sub[0], sub[1]]));
        }
        let encoding = match (tag, bytes) {
            (1, 1) => Encoding::U8,
            (1, 2..=4) => Encoding::Signed(bytes.into()),
            (3, 4) => Encoding::F32,
            (3, 8) => Encoding::F64,
            (6, 1) => Encoding::ALaw,
            (7, 1) => Encoding::MuLaw,
            _ => {
                return refuse(format!(
                    "WAV encoding {tag:#06x} with {} bits is not supported",
                    u16_at(14)
                ));
            }
        };
        if channels == 0 || channels > MAX_CHANNELS {
            return refuse(format!("the WAV header claims {channels} channels"));
        }
        Ok(Self {
            encoding,
            rate,
            channels,
        })
    }
}

impl Encoding {
    /// Bytes of one sample.
    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::MuLaw | Self::ALaw => 1,
            Self::Signed(bytes) => bytes,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::U8 | Self::Signed(_) => "pcm",
            Self::F32 | Self::F64 => "pcm_float",
            Self::MuLaw => "mulaw",
            Self::ALaw => "alaw",
        }
    }

    /// Appends the first sample of every `frame` bytes of `from`, scaled to -1.0..=1.0.
    fn read(self, from: &[u8], frame: usize, to: &mut Vec<f32>) {
        let frames = from.chunks(frame);
        match self {
            Self::U8 => to.extend(frames.map(|s| (f32::from(s[0]) - 128.0) / 128.0)),
            Self::Signed(2) => {
                to.extend(frames.map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32_768.0))
            }
            // Left-justified in 32 bits, so that one scale serves.
            Self::Signed(3) => {
                to.extend(frames.map(|s| scale_i32(i32::from_le_bytes([0, s[0], s[1], s[2]]))))
            }
            Self::Signed(_) => {
                to.extend(frames.map(|s| scale_i32(i32::from_le_bytes([s[0], s[1], s[2], s[3]]))))
            }
            Self::F32 => to.extend(frames.map(|s| f32::from_le_bytes([s[0], s[1], s[2], s[3]]))),
            Self::F64 => to.extend(frames.map(|s| {
                f64::from_le_bytes([s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]]) as f32
            })),
            Self::MuLaw => to.extend(frames.map(|s| f32::from(mu_law(s[0])) / 32_768.0)),
            Self::ALaw => to.extend(frames.map(|s| f32::from(a_law(s[0])) / 32_768.0)),
        }
    }
}

fn scale_i32(x: i32) -> f32 {
    (f64::from(x) / 2_147_483_648.0) as f32
}

/// ITU-T G.711 mu-law to 16 bits.
fn mu_law(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 0x0f) << 3) + 0x84) << (code >> 4 & 7);
    if code & 0x80 != 0 {
        0x84 - magnitude
    } else {
        magnitude - 0x84
    }
}

/// ITU-T G.711 A-law to 16 bits.
fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = (code >> 4 & 7, i16::from(code & 0x0f) << 4);
    let magnitude = if segment == 0 {
        step + 8
    } else {
        (step + 0x108) << (segment - 1)
    };
    if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}
