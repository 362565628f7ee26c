//! Every format decodes to the reference's waveform; every bad input gets its error.

mod audio_support;

use std::time::Duration;

use audio_support::{fixture, golden_waveforms, wav};
use voxproof::audio::{AudioError, DecodeLimits, SAMPLE_RATE, decode, decode_blocks};

fn decode_default(bytes: &[u8]) -> Result<Vec<f32>, AudioError> {
    decode(bytes, &DecodeLimits::default()).map(|waveform| waveform.samples().to_vec())
}

fn seconds(limit: u64) -> DecodeLimits {
    DecodeLimits {
        max_duration: Duration::from_secs(limit),
    }
}

/// Largest difference from the reference's sample that is accepted, full scale being 1.
fn tolerance(file: &str) -> f32 {
    match file {
        // At 24 kHz, ffmpeg ends long-block band 18 at line 330, LAME and Symphonia at 332 (ISO/IEC 13818-3): two
        // spectral lines differ in frames that use that band's scale factor.
        f if f.contains("mpeg2_24000") => 8e-3,
        // Two implementations of the MDCT modes.
        f if f.contains("opus_celt") => 3e-4,
        // Silence is not 0 here, and soxr, which works in two stages, drops the first one's
        // ringing before the start: the first three samples differ.
        f if f.contains("wav_u8") => 5e-4,
        // Two steps of 16 bits: ffmpeg and Symphonia round different sums.
        _ => 6.2e-5,
    }
}

#[test]
fn every_fixture_gives_the_references_waveform() {
    let (stride, clips) = golden_waveforms();
    assert!(clips.len() >= 32, "only {} fixtures", clips.len());
    for clip in clips {
        let samples = decode_default(&fixture(&clip.file))
            .unwrap_or_else(|error| panic!("{}: {error}", clip.file));
        assert_eq!(
            samples.len(),
            clip.samples,
            "{}: number of samples",
            clip.file
        );
        let energy: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        let rms = (energy / samples.len() as f64).sqrt();
        assert!(
            (rms / clip.rms - 1.0).abs() < 1e-4,
            "{}: RMS {rms}, expected {}",
            clip.file,
            clip.rms
        );
        for (at, (ours, theirs)) in samples.iter().step_by(stride).zip(&clip.every).enumerate() {
            let difference = (ours - theirs).abs();
            assert!(
                difference <= tolerance(&clip.file),
                "{}: sample {} is {ours}, expected {theirs}",
                clip.file,
                at * stride
            );
        }
    }
}

#[test]
fn source_format_is_what_the_fixtures_name_says() {
    for clip in golden_waveforms().1 {
        let mut samples = Vec::new();
        let format = decode_blocks(
            &fixture(&clip.file),
            &DecodeLimits::default(),
            &mut |block| {
                samples.extend_from_slice(block);
            },
        )
        .unwrap();
        assert_eq!(
            samples,
            decode_default(&fixture(&clip.file)).unwrap(),
            "{}: in blocks",
            clip.file
        );
        let name = clip.file.strip_prefix("fixtures/").unwrap();
        let codec = match name.split('_').next().unwrap() {
            "wav" if name.contains("f32") => "pcm_float",
            "wav" if name.contains("mulaw") => "mulaw",
            "wav" if name.contains("alaw") => "alaw",
            "wav" => "pcm",
            mpeg if mpeg.starts_with("mpeg") => "mp3",
            other => other,
        };
        assert_eq!(format.codec, codec, "{name}");
        let rate = name
            .split('_')
            .find_map(|part| part.parse().ok())
            .unwrap_or(48_000);
        assert_eq!(format.sample_rate, rate, "{name}");
        let two = ["stereo", "joint", "dual"]
            .iter()
            .any(|word| name.contains(word));
        assert_eq!(format.channels, if two { 2 } else { 1 }, "{name}");
    }
}

#[test]
fn bundled_clips_decode() {
    for folder in ["human", "ai"] {
        for entry in std::fs::read_dir(audio_support::data().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let samples = decode_default(&std::fs::read(&path).unwrap()).unwrap();
            assert!(
                samples.len() > 4 * SAMPLE_RATE as usize,
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn what_is_no_audio_is_told_from_what_is_empty() {
    assert_eq!(decode_default(b""), Err(AudioError::Empty));
    let mut noise = vec![0; 100_000];
    audio_support::Random(7).fill(&mut noise);
    let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &noise].concat();
    let jpeg = [b"\xff\xd8\xff\xe0\0\x10JFIF\0".as_slice(), &noise].concat();
    let riff = [b"RIFF\x24\0\0\0AVI LIST".as_slice(), &noise].concat();
    let cases: [(&str, &[u8]); 9] = [
        ("text", b"This is a text about MP3 files, not one of them."),
        ("one byte", b"\xff"),
        ("zeros", &[0; 5000]),
        ("ones", &[0xff; 5000]),
        ("noise", &noise),
        ("PNG", &png),
        ("JPEG", &jpeg),
        ("AVI", &riff),
        ("HTML", b"<!doctype html><html></html>"),
    ];
    for (name, bytes) in cases {
        assert_eq!(decode_default(bytes), Err(AudioError::NotAudio), "{name}");
    }
}

#[test]
fn known_containers_without_sound_are_undecodable() {
    let flac = fixture("fixtures/flac_16000_mono.flac");
    let cases: [(&str, Vec<u8>); 8] = [
        (
            "ID3v2 tag alone",
            b"ID3\x03\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0".to_vec(),
        ),
        (
            "ID3v2 tag that claims 256 MB",
            b"ID3\x03\0\0\x7f\x7f\x7f\x7fTIT2".to_vec(),
        ),
        (
            "RIFF header alone",
            wav(1, 1, 8_000, 16, &[])[..12].to_vec(),
        ),
        ("WAV without samples", wav(1, 1, 8_000, 16, &[])),
        ("FLAC header alone", flac[..42].to_vec()),
        ("OGG magic", b"OggS".to_vec()),
        ("EBML magic", vec![0x1a, 0x45, 0xdf, 0xa3, 0x84, 0, 0, 0, 0]),
        ("ftyp alone", b"\0\0\0\x10ftypM4A \0\0\0\0".to_vec()),
    ];
    for (name, bytes) in cases {
        let result = decode_default(&bytes);
        assert!(
            matches!(result, Err(AudioError::Undecodable(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn headers_that_lie_cost_nothing() {
    let sound: Vec<u8> = (0..16_000u32)
        .flat_map(|i| ((i * 300) as i16).to_le_bytes())
        .collect();
    let whole = wav(1, 1, 16_000, 16, &sound);
    let expected = decode_default(&whole).unwrap();
    // Lengths of 4 GB, of 2 GB and of nothing: what is there counts.
    for claim in [u32::MAX, i32::MAX as u32, 0] {
        let mut lying = whole.clone();
        lying[4..8].copy_from_slice(&claim.to_le_bytes());
        lying[40..44].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(decode_default(&lying).unwrap(), expected, "{claim}");
    }
    let odd = [whole.as_slice(), &[1]].concat();
    assert_eq!(decode_default(&odd).unwrap(), expected, "trailing byte");

    // STREAMINFO's number of samples, 36 bits, says 69 billion.
    let mut flac = fixture("fixtures/flac_16000_mono.flac");
    let samples = decode_default(&flac).unwrap().len();
    flac[21] |= 0x0f;
    flac[22..26].fill(0xff);
    assert_eq!(decode_default(&flac).unwrap().len(), samples);
}

#[test]
fn impossible_wav_headers_are_refused() {
    let sound = [0u8; 64_000];
    for (name, bytes) in [
        ("0 channels", wav(1, 0, 16_000, 16, &sound)),
        ("65,535 channels", wav(1, 65_535, 16_000, 16, &sound)),
        ("0 Hz", wav(1, 1, 0, 16, &sound)),
        ("1 kHz", wav(1, 1, 1_000, 16, &sound)),
        ("4 GHz", wav(1, 1, u32::MAX, 16, &sound)),
        ("0 bits", wav(1, 1, 16_000, 0, &sound)),
        ("7 bytes", wav(1, 1, 16_000, 56, &sound)),
        ("unknown encoding", wav(0x1234, 1, 16_000, 16, &sound)),
    ] {
        let result = decode_default(&bytes);
        assert!(
            matches!(result, Err(AudioError::Undecodable(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn duration_is_bounded_while_decoding() {
    let too_long = |limit_seconds| Err(AudioError::TooLong { limit_seconds });
    let exact = wav(1, 1, 8_000, 8, &[100; 80_000]);
    assert_eq!(
        decode(&exact, &seconds(10)).unwrap().duration_seconds(),
        10.0
    );
    assert_eq!(
        decode(&wav(1, 1, 8_000, 8, &[100; 80_001]), &seconds(10)),
        too_long(10.0)
    );

    // 10 minutes and 1 second of MP3: the frames of a file without tag, again and again.
    let frames = fixture("fixtures/mpeg25_8000_mono_cbr16_lame.mp3");
    let first = frames[..144].to_vec();
    let body = &frames[144..];
    assert!(body.starts_with(&first[..2]), "frames of 144 bytes");
    let long = body.repeat(601 * 2_000 / body.len() + 1);
    assert_eq!(decode(&long, &DecodeLimits::default()), too_long(600.0));
    assert!(decode(&long, &seconds(700)).is_ok());

    for clip in golden_waveforms().1 {
        assert_eq!(
            decode(&fixture(&clip.file), &seconds(1)),
            too_long(1.0),
            "{}",
            clip.file
        );
    }
}

#[test]
fn cut_files_give_what_is_there() {
    for clip in golden_waveforms().1 {
        let whole = fixture(&clip.file);
        for part in 1..16 {
            let cut = &whole[..whole.len() * part / 16];
            match decode_default(cut) {
                Ok(samples) => {
                    assert!(
                        !samples.is_empty() && samples.len() <= clip.samples + 2_304,
                        "{} {part}/16",
                        clip.file
                    )
                }
                Err(AudioError::Undecodable(_)) => {
                    // M4A keeps its index at the end, a WebM segment that tells its size must
                    // be whole for Symphonia, OGG pages of a second count only when whole,
                    // and a picture can fill a half; ffmpeg fails on the same OGG files.
                    let kinds = [".m4a", ".webm", ".ogg", ".opus", "cover60k.mp3"];
                    let may = part <= 4 || kinds.iter().any(|kind| clip.file.ends_with(kind));
                    assert!(may, "{} {part}/16", clip.file);
                }
                Err(error) => panic!("{} {part}/16: {error}", clip.file),
            }
        }
    }
}

#[test]
fn damage_costs_frames_not_the_file() {
    let whole = fixture("fixtures/mpeg1_44100_mono_cbr64_lame.mp3");
    let samples = decode_default(&whole).unwrap().len();
    let middle = whole.len() / 2;
    let damaged = [&whole[..middle], &[0xaa; 700], &whole[middle + 100..]].concat();
    let left = decode_default(&damaged).unwrap().len();
    assert!(
        left < samples && left > samples - 4 * 1_152,
        "{left} of {samples}"
    );
    // Something in front, as streams recorded from the radio have: ffmpeg then plays the tag's frame and trims
    // nothing.
    let preceded = [b"some words ".repeat(300).as_slice(), &whole].concat();
    assert!(decode_default(&preceded).unwrap().len() > samples);
}

#[test]
fn odd_source_rates_resample_to_the_right_length_and_pitch() {
    for rate in [
        4_000u32, 5_512, 11_025, 21_999, 22_049, 22_050, 22_051, 44_099, 47_999, 96_000, 192_000,
        384_000,
    ] {
        // A tone of 1 kHz, and one above 11,025 Hz, which must vanish, where there is room for it.
        let high = if rate > 30_000 { 13_000.0 } else { 0.0 };
        let sound: Vec<u8> = (0..rate * 2)
            .flat_map(|i| {
                let turn = std::f64::consts::TAU * f64::from(i) / f64::from(rate);
                let x = 0.4 * (turn * 1_000.0).sin() + 0.4 * (turn * high).sin();
                (x as f32).to_le_bytes()
            })
            .collect();
        let samples = decode_default(&wav(3, 1, rate, 32, &sound)).unwrap();
        // librosa's floating-point product of length and ratio may come out just above a whole number.
        assert!(
            matches!(samples.len(), 44_100 | 44_101),
            "{rate} Hz: {}",
            samples.len()
        );
        let worst = (4_000..40_000)
            .map(|i| {
                let turn = std::f64::consts::TAU * i as f64 / f64::from(SAMPLE_RATE);
                (f64::from(samples[i]) - 0.4 * (turn * 1_000.0).sin()).abs()
            })
            .fold(0.0, f64::max);
        assert!(worst < 2e-5, "{rate} Hz: {worst}");
    }
}
