//! Sound that comes in pieces is the sound of the whole file.
#![cfg(feature = "server")]

mod support;

use support::{AI, HUMAN, file, ogg_packets};
use voxproof::audio::{DecodeLimits, LiveDecoder, SAMPLE_RATE, decode, resample};

/// Samples at 22,050 Hz of what these pieces make.
fn live(mut decoder: LiveDecoder, pieces: impl Iterator<Item = Vec<u8>>, skip: usize) -> Vec<f32> {
    let (mut all, mut rate) = (Vec::new(), None);
    for piece in pieces {
        decoder.feed(&piece);
        while let Some((now, samples)) = decoder.next_frame().unwrap() {
            assert_eq!(*rate.get_or_insert(now), now);
            all.extend_from_slice(samples);
        }
    }
    resample(&all[skip..], rate.unwrap(), SAMPLE_RATE)
}

/// The largest distance of one from the other, the last tenth of a second of the shorter one left out: what an encoder
/// added at the end is dropped from a file alone.
fn distance(one: &[f32], other: &[f32]) -> f32 {
    let shorter = one.len().min(other.len()) - 2_205;
    assert!(
        one.len().abs_diff(other.len()) < 4_410,
        "{} and {}",
        one.len(),
        other.len()
    );
    let pairs = one[..shorter].iter().zip(other);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn mp3_frames_make_the_files_samples_wherever_they_are_cut() {
    let fixtures = std::fs::read_dir("tests/data/fixtures").unwrap();
    let names = fixtures.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let mp3 = names.filter(|name| name.ends_with(".mp3") && !name.contains("truncated"));
    let mut tried = 0;
    for name in mp3.chain([AI.to_owned(), HUMAN.to_owned()]) {
        let bytes = file(&name);
        let whole = decode(&bytes, &DecodeLimits::default()).unwrap();
        for piece in [1, 417, 4_096, bytes.len()] {
            let found = live(
                LiveDecoder::mp3(),
                bytes.chunks(piece).map(<[u8]>::to_vec),
                0,
            );
            let far = distance(&found, whole.samples());
            assert!(far < 1e-6, "{name} in pieces of {piece}: {far}");
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn opus_packets_make_the_files_samples() {
    for name in ["opus_voip_24k_mono.opus", "opus_celt_64k_stereo.ogg"] {
        let bytes = file(&format!("tests/data/fixtures/{name}"));
        let whole = decode(&bytes, &DecodeLimits::default()).unwrap();
        let head = bytes
            .windows(8)
            .position(|part| part == b"OpusHead")
            .unwrap();
        let skip = u16::from_le_bytes([bytes[head + 10], bytes[head + 11]]);
        let packets = ogg_packets(&bytes).into_iter();
        let found = live(LiveDecoder::opus().unwrap(), packets, skip.into());
        let far = distance(&found, whole.samples());
        assert!(far < 1e-4, "{name}: {far}");
    }
}

#[test]
fn no_bytes_make_it_panic_and_rubbish_is_not_worked_through() {
    let mut state = 7_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let clip = file(AI);
    for round in 0..50 {
        let mut bytes = clip.clone();
        for _ in 0..200 {
            let at = (usize::from(random()) << 8 | usize::from(random())) % bytes.len();
            bytes[at] = random();
        }
        for mut decoder in [LiveDecoder::mp3(), LiveDecoder::opus().unwrap()] {
            'call: for piece in bytes.chunks(1 + 37 * round) {
                decoder.feed(piece);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'call,
                    }
                }
            }
        }
    }
    let mut mp3 = LiveDecoder::mp3();
    mp3.feed(&vec![0x55; 70_000]);
    let error = mp3.next_frame().unwrap_err().to_string();
    assert!(error.contains("no MP3 frames"), "{error}");
}
