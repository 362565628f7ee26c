//! MP4 files that are cut short: Symphonia refuses a file whose boxes claim more than there is, ffmpeg plays what there is.

use std::ops::Range;

/// Boxes that hold boxes, on the way to a track's index and fragments.
const MASTERS: [&[u8; 4]; 7] = [
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf",
];

/// Longest chain of boxes in boxes that is followed.
const DEEPEST: usize = 8;

/// The file with every box that claims more than the one around it has cut down to what is there, one without its index's
/// part made a gap; `None` where none does.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut wrong = Vec::new();
    overlong(bytes, 0..bytes.len(), 0, &mut wrong);
    if wrong.is_empty() {
        return None;
    }
    let mut mended = bytes.to_vec();
    for Overlong { at, size, whole } in wrong {
        // A size of 0 says: to the end of the file.
        let size = u32::try_from(size).unwrap_or(0);
        mended[at..at + 4].copy_from_slice(&size.to_be_bytes());
        if !whole {
            mended[at + 4..at + 8].copy_from_slice(b"free");
        }
    }
    Some(mended)
}

/// A box that claims more than there is.
struct Overlong {
    at: usize,
    /// What there is of it.
    size: usize,
    /// Whether what is there can be used: the sound itself, or boxes of its own.
    whole: bool,
}

fn overlong(bytes: &[u8], within: Range<usize>, depth: usize, wrong: &mut Vec<Overlong>) {
    let mut at = within.start;
    // A box whose size is 0 or of 64 bits is left as it is: the one lasts to the end, the other nobody writes by mistake.
    while let Some(head) = bytes[..within.end].get(at..at + 8) {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if size < 8 {
            return;
        }
        let master = MASTERS.iter().any(|kind| head[4..] == kind[..]);
        let left = within.end - at;
        if size > left {
            let whole = master || &head[4..] == b"mdat";
            wrong.push(Overlong {
                at,
                size: left,
                whole,
            });
        }
        let end = at + size.min(left);
        if master && depth < DEEPEST {
            overlong(bytes, at + 8..end, depth + 1, wrong);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = (8 + body.len()) as u32;
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn boxes_are_cut_down_to_what_is_there() {
        let index = boxed(b"trak", &boxed(b"udta", &[7; 20]));
        let file = [boxed(b"ftyp", b"M4A "), boxed(b"moov", &index)].concat();
        assert_eq!(mended(&file), None);
        let cut = mended(&file[..file.len() - 5]).unwrap();
        // moov, trak, and the leaf, which is a gap now.
        let expected = [
            boxed(b"ftyp", b"M4A "),
            boxed(b"moov", &boxed(b"trak", &boxed(b"free", &[7; 15]))),
        ];
        assert_eq!(cut, expected.concat());
        let sound = [boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[9; 50])].concat();
        let cut = mended(&sound[..40]).unwrap();
        assert_eq!(
            cut,
            [boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[9; 20])].concat()
        );
    }

    #[test]
    fn nothing_is_followed_without_end() {
        let mut deep = Vec::new();
        for _ in 0..1000 {
            deep = boxed(b"moov", &deep);
        }
        assert_eq!(mended(&deep), None);
        assert_eq!(mended(&[0; 4000]), None);
        assert_eq!(
            mended(b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
    }
}
