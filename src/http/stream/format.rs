//! What callers may send into a stream.

use crate::audio::LiveDecoder;
use crate::detector::DetectError;
use crate::http::problem::{Code, Problem};

/// Samples a second that are taken.
const RATES: [u32; 3] = [8_000, 16_000, 48_000];
/// Largest message of samples, in bytes: five seconds at the highest rate.
const MAX_PCM_BYTES: usize = 512 * 1024;
/// Largest message of frames, in bytes: it is decoded at once, at most 16 s of MP3 of the lowest rate.
const MAX_CODED_BYTES: usize = 16 * 1024;
/// What a caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Samples of 16 bits, little-endian, mono, so many a second.
    Pcm(u32),
    /// MP3 frames, cut into messages anywhere.
    Mp3,
    /// An Opus packet a message.
    Opus,
}

impl Format {
    /// The format that a query names.
    ///
    /// # Errors
    /// `invalid_request`: it names none that is taken, or a rate that is not.
    pub fn of(rate: Option<&str>, format: Option<&str>) -> Result<Self, Problem> {
        let bad = |detail: &str| Problem::new(Code::InvalidRequest, detail);
        let coded = match format {
            None | Some("pcm") => None,
            Some("mp3") => Some(Self::Mp3),
            Some("opus") => Some(Self::Opus),
            Some(_) => {
                return Err(bad(
                    "format must be pcm (16 bits, little-endian, mono), mp3 or opus",
                ));
            }
        };
        match (coded, rate) {
            (Some(coded), None) => Ok(coded),
            (Some(_), Some(_)) => Err(bad("rate is for pcm: MP3 and Opus tell theirs")),
            (None, rate) => {
                let rate = rate.and_then(|text| text.parse().ok());
                let rate = rate.filter(|rate| RATES.contains(rate));
                rate.map(Self::Pcm)
                    .ok_or_else(|| bad("rate must be 8000, 16000 or 48000 samples a second"))
            }
        }
    }

    /// Largest message.
    pub fn max_message_bytes(self) -> usize {
        match self {
            Self::Pcm(_) => MAX_PCM_BYTES,
            Self::Mp3 | Self::Opus => MAX_CODED_BYTES,
        }
    }

    /// What makes samples of it; none for samples.
    ///
    /// # Errors
    /// There is no decoder.
    pub fn decoder(self) -> Result<Option<LiveDecoder>, Problem> {
        Ok(match self {
            Self::Pcm(_) => None,
            Self::Mp3 => Some(LiveDecoder::mp3()),
            Self::Opus => Some(LiveDecoder::opus().map_err(DetectError::from)?),
        })
    }
}
