//! Which container the bytes are, by their content.

use super::mp3;

/// The containers that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// RIFF or RF64 WAVE.
    Wav,
    /// Native FLAC.
    Flac,
    /// OGG with Vorbis, Opus or FLAC.
    Ogg,
    /// WebM and Matroska.
    Matroska,
    /// MP4, M4A, 3GP, MOV.
    Mp4,
    /// Raw AAC frames.
    Adts,
    /// MPEG audio, layer III.
    Mp3,
}

/// The container of `bytes` and the bytes without any ID3v2 tags in front; `None` when they are no audio that is
/// accepted. Bytes behind an ID3v2 tag that are nothing else count as MP3, which alone has such tags by custom.
pub(super) fn sniff(bytes: &[u8]) -> Option<(Container, &[u8])> {
    let mut rest = bytes;
    while let Some(length) = id3v2_bytes(rest) {
        rest = rest.get(length..).unwrap_or_default();
    }
    let tagged = rest.len() != bytes.len();
    let container = match rest {
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ]
        | [
            b'R',
            b'F',
            b'6',
            b'4',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => Container::Wav,
        [b'f', b'L', b'a', b'C', ..] => Container::Flac,
        [b'O', b'g', b'g', b'S', ..] => Container::Ogg,
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Container::Matroska,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Container::Mp4,
        _ if is_adts(rest) => Container::Adts,
        _ if tagged || mp3::find_start(rest).is_some() => Container::Mp3,
        _ => return None,
    };
    Some((container, rest))
}

/// Bytes of the ID3v2 tag at the start of `bytes`, header and footer included.
pub(super) fn id3v2_bytes(bytes: &[u8]) -> Option<usize> {
    let &[b'I', b'D', b'3', major, minor, flags, a, b, c, d, ..] = bytes else {
        return None;
    };
    // Sizes have 7 bits in a byte.
    if major == 0xff || minor == 0xff || (a | b | c | d) & 0x80 != 0 {
        return None;
    }
    let size = [a, b, c, d].iter().fold(0, |n, &b| n << 7 | usize::from(b));
    const FOOTER: u8 = 0x10;
    Some(10 + size + if flags & FOOTER != 0 { 10 } else { 0 })
}

/// Whether `bytes` begins with two ADTS frames, or one that fills it.
fn is_adts(bytes: &[u8]) -> bool {
    // 12 bits of sync and layer 0.
    let frame = |at: usize| match bytes.get(at..at + 7) {
        Some(&[0xff, b1, _, b3, b4, b5, _]) if b1 & 0xf6 == 0xf0 => {
            Some(usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5))
        }
        _ => None,
    };
    match frame(0) {
        Some(length) if length > 7 => length == bytes.len() || frame(length).is_some(),
        _ => false,
    }
}
