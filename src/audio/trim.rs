//! Samples to drop that Symphonia's readers do not report: M4A edit lists and WebM discard padding.

/// Samples of encoder delay at the start of the first audio track of an M4A file: its edit list's first media time,
/// where that lies within the first second; 0 when there is none.
pub(super) fn mp4_start(bytes: &[u8]) -> usize {
    mp4_start_opt(bytes).unwrap_or(0)
}

fn mp4_start_opt(bytes: &[u8]) -> Option<usize> {
    let moov = boxes(bytes).find(|(kind, _)| *kind == b"moov")?.1;
    let trak = boxes(moov)
        .filter(|(kind, _)| *kind == b"trak")
        .map(|(_, trak)| trak)
        .find(|trak| inside(trak, &[b"mdia", b"minf", b"smhd"]).is_some())?;
    let media_header = inside(trak, &[b"mdia", b"mdhd"])?;
    // Version 1 has 64-bit times before the scale.
    let scale = be(media_header.get(if media_header.first()? == &1 {
        20..24
    } else {
        12..16
    })?);
    let edits = inside(trak, &[b"edts", b"elst"])?;
    let wide = edits.first()? == &1;
    let count = be(edits.get(4..8)?).min(16);
    let (size, field) = if wide { (20, 8) } else { (12, 4) };
    (0..count as usize)
        .filter_map(|i| {
            be(edits.get(8 + i * size + field..8 + i * size + 2 * field)?)
                .try_into()
                .ok()
        })
        // An empty edit has the media time -1.
        .find(|&time: &usize| (time as u64) < if wide { u64::MAX } else { u64::from(u32::MAX) })
        .filter(|&time| (time as u64) < scale)
}

/// The boxes of `bytes`, one after another: kind and body.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = be(bytes.get(..4)?);
        let kind = bytes.get(4..8)?.first_chunk()?;
        let (head, size) = match size {
            0 => (8, bytes.len()),
            1 => (16, usize::try_from(be(bytes.get(8..16)?)).ok()?),
            _ => (8, size as usize),
        };
        let body = bytes.get(head..size.min(bytes.len()))?;
        bytes = bytes.get(size.min(bytes.len())..)?;
        Some((kind, body))
    })
}

/// The body of the box at the end of `path`.
fn inside<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |within, wanted| {
        Some(boxes(within).find(|(kind, _)| kind == wanted)?.1)
    })
}

/// Samples at 48 kHz to drop from the last block of a WebM file: its last `DiscardPadding`, in nanoseconds.
pub(super) fn matroska_tail(bytes: &[u8]) -> usize {
    const SEGMENT: u64 = 0x1853_8067;
    const CLUSTER: u64 = 0x1f43_b675;
    const BLOCK_GROUP: u64 = 0xa0;
    const SIMPLE_BLOCK: u64 = 0xa3;
    const DISCARD_PADDING: u64 = 0x75a2;
    let mut nanoseconds = 0;
    let mut at = 0;
    // Only the order matters here, so the three masters are entered and everything else is stepped over.
    while let Some((id, body, size)) = element(bytes, at) {
        match id {
            SEGMENT | CLUSTER => at = body,
            BLOCK_GROUP | SIMPLE_BLOCK => {
                nanoseconds = 0;
                at = if id == BLOCK_GROUP {
                    body
                } else {
                    body.saturating_add(size)
                };
            }
            _ => {
                if id == DISCARD_PADDING && size <= 8 {
                    nanoseconds = bytes.get(body..body + size).map_or(0, be);
                }
                at = body.saturating_add(size);
            }
        }
    }
    // Longer than any packet: not a figure to believe.
    if nanoseconds > 120_000_000 {
        0
    } else {
        (nanoseconds * 48 / 1_000_000) as usize
    }
}

/// The EBML element at `at`: its id, where its body begins, and the body's size.
fn element(bytes: &[u8], at: usize) -> Option<(u64, usize, usize)> {
    let id_length = bytes.get(at)?.leading_zeros() as usize + 1;
    let id = (id_length <= 4).then(|| bytes.get(at..at + id_length).map(be))??;
    let at = at + id_length;
    let size_length = bytes.get(at)?.leading_zeros() as usize + 1;
    let size = (size_length <= 8).then(|| bytes.get(at..at + size_length).map(be))??;
    // Without the length's marker bit; all ones is an unknown size, which only entered masters have.
    let size = size & ((1u64 << (7 * size_length)) - 1);
    Some((
        id,
        at + size_length,
        usize::try_from(size).unwrap_or(usize::MAX),
    ))
}

/// Big-endian number of up to 8 bytes.
fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}
