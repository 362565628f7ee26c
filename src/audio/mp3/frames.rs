//! From one MP3 frame to samples: by Symphonia, or at 24 kHz by nanomp3.
//!
//! Symphonia is the faster one. At 24 kHz ffmpeg, which the replaced stack used, departs from the standard in one band
//! edge, and a copy of nanomp3 (a safe port of minimp3) departs with it: see vendor/voxproof-nanomp3/README.md.

use symphonia::core::audio::{Audio, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::MpaDecoder;
use voxproof_nanomp3::{DecodeError, Decoder as Nano, MAX_SAMPLES_PER_FRAME};

use super::header::FrameHeader;

/// The rate, in Hz, at which ffmpeg departs from the standard.
const NANO_RATE: u32 = 24_000;

/// Decodes the frames of one stream.
pub(super) struct FrameDecoder {
    decoder: Decoder,
    /// A frame that is cut short, made whole with zeros.
    whole: Vec<u8>,
}

enum Decoder {
    /// The decoder and the number of channels that it has settled on.
    Symphonia(Option<(u8, Box<MpaDecoder>)>),
    /// The decoder, what it writes, and that by channel.
    Nano(Box<Nano>, Vec<f32>, [Vec<f32>; 2]),
}

impl FrameDecoder {
    /// A decoder of frames of `rate`, in Hz.
    pub(super) fn new(rate: u32) -> Self {
        let decoder = if rate == NANO_RATE {
            let pcm = vec![0.0; MAX_SAMPLES_PER_FRAME];
            Decoder::Nano(Box::new(Nano::new()), pcm, Default::default())
        } else {
            Decoder::Symphonia(None)
        };
        Self {
            decoder,
            whole: Vec::new(),
        }
    }

    /// Decodes one frame; its channels, shape `[2][samples]`, the second one unused for mono. `None` when the frame
    /// is damaged beyond use; ffmpeg drops such frames too.
    pub(super) fn decode(&mut self, frame: &[u8], header: &FrameHeader) -> Option<[&[f32]; 2]> {
        let data = if frame.len() < header.bytes {
            self.whole.clear();
            self.whole.extend_from_slice(frame);
            self.whole.resize(header.bytes, 0);
            &self.whole
        } else {
            frame
        };
        match &mut self.decoder {
            Decoder::Symphonia(decoder) => decode_symphonia(decoder, data, header),
            Decoder::Nano(decoder, pcm, planes) => decode_nano(decoder, pcm, planes, data, header),
        }
    }
}

fn decode_symphonia<'a>(
    decoder: &'a mut Option<(u8, Box<MpaDecoder>)>,
    data: &[u8],
    header: &FrameHeader,
) -> Option<[&'a [f32]; 2]> {
    // It does not go along with a change between mono and stereo.
    if decoder
        .as_ref()
        .is_none_or(|(channels, _)| *channels != header.channels)
    {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_MP3);
        let options = AudioDecoderOptions::default().gapless(false);
        let made = MpaDecoder::try_new(&parameters, &options).ok()?;
        *decoder = Some((header.channels, Box::new(made)));
    }
    let (_, decoder) = decoder.as_mut()?;
    let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(header.samples), data);
    let Ok(GenericAudioBufferRef::F32(buffer)) = decoder.decode_ref(&packet) else {
        return None;
    };
    let samples = header.samples as usize;
    let plane = |channel| {
        buffer
            .plane(channel)
            .filter(|plane: &&[f32]| plane.len() == samples)
    };
    let left = plane(0)?;
    Some([
        left,
        if header.channels == 2 {
            plane(1)?
        } else {
            left
        },
    ])
}

fn decode_nano<'a>(
    decoder: &mut Nano,
    pcm: &mut [f32],
    planes: &'a mut [Vec<f32>; 2],
    data: &[u8],
    header: &FrameHeader,
) -> Option<[&'a [f32]; 2]> {
    let (samples, channels) = (header.samples as usize, usize::from(header.channels));
    match decoder.decode(data, pcm).1 {
        Ok(info) if info.samples_produced == samples && info.channels.num() == header.channels => {}
        // Sound that begins in a frame that is not there: silence, as ffmpeg and Symphonia give.
        Err(DecodeError::ReservoirUnavailable(_)) => pcm[..samples * channels].fill(0.0),
        _ => return None,
    }
    for (channel, plane) in planes.iter_mut().enumerate().take(channels) {
        plane.clear();
        plane.extend(
            pcm[..samples * channels]
                .chunks_exact(channels)
                .map(|frame| frame[channel]),
        );
    }
    let [left, right] = planes;
    Some([left, if channels == 2 { right } else { left }])
}
