//! OGG, WebM, M4A and ADTS files: Symphonia takes them apart and decodes all but Opus.

use std::io::Cursor;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::packet::Packet;
use symphonia::default::formats::{AdtsReader, IsoMp4Reader, MkvReader, OggReader};

use super::decode::{AudioError, SourceFormat};
use super::opus::OpusStream;
use super::sink::{Depth, Sink};
use super::sniff::Container;
use super::{mp4, trim};

/// Packets in a row that may fail before the rest is given up: damage is skipped, rubbish is not worked through.
const MAX_FAILURES: usize = 1_000;

/// Decodes the file `bytes`, a `container`, into `sink`.
pub(super) fn decode(
    bytes: &[u8],
    container: Container,
    sink: &mut Sink,
) -> Result<SourceFormat, AudioError> {
    let mended = match container {
        Container::Mp4 => mp4::mended(bytes),
        _ => None,
    };
    let bytes = mended.as_deref().unwrap_or(bytes);
    let mut reader = open(bytes, container).map_err(undecodable)?;
    let (track, parameters) = reader
        .tracks()
        .iter()
        .find_map(|track| Some((track.id, track.codec_params.as_ref()?.audio()?.clone())))
        .ok_or_else(|| AudioError::Undecodable("it has no audio track".into()))?;
    let packets = Packets {
        reader: &mut *reader,
        track,
        failures: 0,
    };
    if parameters.codec == CODEC_ID_OPUS {
        let tail = if container == Container::Matroska {
            trim::matroska_tail(bytes)
        } else {
            0
        };
        decode_opus(packets, &parameters, tail, sink)
    } else {
        let skip = if container == Container::Mp4 {
            trim::mp4_start(bytes)
        } else {
            0
        };
        decode_packets(packets, &parameters, skip, sink)
    }
}

fn open(bytes: &[u8], container: Container) -> Result<Box<dyn FormatReader + '_>, Error> {
    let source: Box<dyn MediaSource> = match container {
        // As a stream, whose length is not known: of a file that is cut short, what there is is read, and no index leads to
        // where nothing is.
        Container::Matroska => Box::new(ReadOnlySource::new(bytes)),
        _ => Box::new(Cursor::new(bytes)),
    };
    let source = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    Ok(match container {
        Container::Ogg => Box::new(OggReader::try_new(source, options)?),
        Container::Matroska => Box::new(MkvReader::try_new(source, options)?),
        Container::Mp4 => Box::new(IsoMp4Reader::try_new(source, options)?),
        Container::Adts => Box::new(AdtsReader::try_new(source, options)?),
        Container::Wav | Container::Mp3 | Container::Flac => {
            return Err(Error::Unsupported("not a Symphonia container"));
        }
    })
}

fn undecodable(error: Error) -> AudioError {
    AudioError::Undecodable(match error {
        Error::IoError(_) => "it ends too early".into(),
        other => other.to_string(),
    })
}

/// The packets of one track.
struct Packets<'a> {
    reader: &'a mut dyn FormatReader,
    track: u32,
    failures: usize,
}

impl Packets<'_> {
    /// The track's next packet; `None` at the end, or where nothing more can be read.
    fn next(&mut self) -> Option<Packet> {
        loop {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Some(packet),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(Error::DecodeError(_)) if self.failures < MAX_FAILURES => self.failures += 1,
                // The end of the bytes inside a packet, or a new stream chained behind this one: what was decoded
                // so far is judged.
                Err(_) => return None,
            }
        }
    }
}

fn decode_opus(
    mut packets: Packets,
    parameters: &AudioCodecParameters,
    tail: usize,
    sink: &mut Sink,
) -> Result<SourceFormat, AudioError> {
    let head = parameters.extra_data.as_deref().unwrap_or_default();
    let mut stream = OpusStream::new(head, sink)?;
    let mut next = packets.next();
    while let Some(packet) = next {
        next = packets.next();
        let trim = if next.is_none() { tail } else { 0 };
        stream.packet(&packet.data, packet.trim_end.get() as usize + trim, sink)?;
    }
    stream.finish()
}

/// Decodes with Symphonia; the first `skip` samples are the encoder's delay.
fn decode_packets(
    mut packets: Packets,
    parameters: &AudioCodecParameters,
    mut skip: usize,
    sink: &mut Sink,
) -> Result<SourceFormat, AudioError> {
    let (codec, depth) = match parameters.codec {
        CODEC_ID_AAC => ("aac", Depth::Sixteen),
        CODEC_ID_FLAC => ("flac", Depth::Full),
        CODEC_ID_VORBIS => ("vorbis", Depth::Full),
        _ => ("other", Depth::Full),
    };
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(undecodable)?;
    let mut planes: Vec<Vec<f32>> = Vec::new();
    let mut channels = None;
    let mut failure = None;
    while let Some(packet) = packets.next() {
        let buffer: GenericAudioBufferRef = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(Error::ResetRequired) => break,
            Err(error) => {
                packets.failures += 1;
                if packets.failures > MAX_FAILURES {
                    break;
                }
                failure.get_or_insert(error);
                continue;
            }
        };
        if buffer.frames() == 0 || !sink.set_rate(buffer.spec().rate())? {
            continue;
        }
        buffer.copy_to_vecs_planar::<f32>(&mut planes);
        let from = skip.min(buffer.frames());
        skip -= from;
        channels.get_or_insert(buffer.num_planes());
        let slices: Vec<&[f32]> = planes.iter().map(|plane| &plane[from..]).collect();
        sink.push(&slices, depth)?;
    }
    let sample_rate = parameters.sample_rate.unwrap_or_default();
    match (channels, failure) {
        (Some(channels), _) => Ok(SourceFormat {
            codec,
            sample_rate,
            channels: channels as u16,
        }),
        (None, Some(failure)) => Err(undecodable(failure)),
        (None, None) => Err(AudioError::Undecodable("it holds no samples".into())),
    }
}
