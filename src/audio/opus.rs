//! Opus packets (RFC 6716) out of OGG (RFC 7845) and WebM.
//!
//! `ropus` decodes them. Measured against libopus on speech of 8 s: `ropus` 0.12 within 72 dB (MDCT modes) to
//! bit-identical (SILK) and 14 to 18 ms; `opus-decoder` 0.1 as close, but 0.3 to 1.4 s in the hybrid and MDCT modes,
//! which a service cannot offer to strangers; `symphonia-adapter-libopus` needs cmake and C. ffmpeg's own Opus
//! decoder, which the replaced stack used, differs from libopus by a fraction of a sample of delay in the SILK modes:
//! libopus, the reference of the standard, is followed.

use ropus::{Channels, DecodeMode, Decoder};

use super::decode::{AudioError, SourceFormat};
use super::sink::{Depth, Sink};

/// Opus always decodes to this rate here, in Hz.
pub(super) const RATE: u32 = 48_000;

/// Longest packet, 120 ms, in samples.
pub(super) const MAX_PACKET: usize = 5_760;

/// One Opus stream.
pub(super) struct OpusStream {
    decoder: Decoder,
    channels: u8,
    /// Samples still to drop at the start.
    skip: usize,
    interleaved: Vec<f32>,
    planes: [Vec<f32>; 2],
    decoded: bool,
}

impl OpusStream {
    /// A stream as its identification header (`OpusHead`, RFC 7845 section 5.1) describes it.
    pub(super) fn new(head: &[u8], sink: &mut Sink) -> Result<Self, AudioError> {
        let refuse = |what: &str| AudioError::Undecodable(format!("the Opus header {what}"));
        // "OpusHead", version, channels, pre-skip, input rate, gain, mapping family.
        let head = head
            .first_chunk::<19>()
            .ok_or_else(|| refuse("is cut short"))?;
        let channels = head[9];
        let layout = match (channels, head[18]) {
            (1, 0) => Channels::Mono,
            (2, 0) => Channels::Stereo,
            _ => return Err(refuse("describes more than two channels")),
        };
        let gain = i16::from_le_bytes([head[16], head[17]]);
        let mut decoder = Decoder::new(RATE, layout).map_err(|_| refuse("is not usable"))?;
        decoder
            .set_gain(gain.into())
            .map_err(|_| refuse("asks for an impossible gain"))?;
        sink.set_rate(RATE)?;
        Ok(Self {
            decoder,
            channels,
            skip: u16::from_le_bytes([head[10], head[11]]).into(),
            interleaved: vec![0.0; MAX_PACKET * usize::from(channels)],
            planes: Default::default(),
            decoded: false,
        })
    }

    /// Decodes one packet without its last `trim_end` samples; damaged packets are skipped.
    pub(super) fn packet(
        &mut self,
        data: &[u8],
        trim_end: usize,
        sink: &mut Sink,
    ) -> Result<(), AudioError> {
        if data.is_empty() {
            return Ok(());
        }
        let Ok(samples) =
            self.decoder
                .decode_float(data, &mut self.interleaved, DecodeMode::Normal)
        else {
            return Ok(());
        };
        self.decoded = true;
        let from = self.skip.min(samples);
        self.skip -= from;
        let to = samples.saturating_sub(trim_end).max(from);
        let channels = usize::from(self.channels);
        for (channel, plane) in self.planes.iter_mut().enumerate().take(channels) {
            plane.clear();
            let frames = self.interleaved[from * channels..to * channels].chunks_exact(channels);
            plane.extend(frames.map(|frame| frame[channel]));
        }
        let planes = [self.planes[0].as_slice(), self.planes[1].as_slice()];
        sink.push(&planes[..channels], Depth::Full)
    }

    /// The stream's format, once all packets are through.
    pub(super) fn finish(self) -> Result<SourceFormat, AudioError> {
        if !self.decoded {
            return Err(AudioError::Undecodable(
                "no Opus packet could be decoded".into(),
            ));
        }
        Ok(SourceFormat {
            codec: "opus",
            sample_rate: RATE,
            channels: self.channels.into(),
        })
    }
}
