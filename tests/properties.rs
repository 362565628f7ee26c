//! What must hold whatever the sound: found by trying many, the same ones in every run (PROPTEST_RNG_SEED changes them).

mod audio_support;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use audio_support::{fixture, wav};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use voxproof::Detector;
use voxproof::audio::{DecodeLimits, Waveform, decode};
use voxproof::features::{Extractor, FeatureSet, Scratch};

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::embedded().unwrap());

/// Speech to start from: the bundled clips, decoded.
static CLIPS: LazyLock<Vec<Waveform>> = LazyLock::new(|| {
    [
        "human/en_librispeech_2952.mp3",
        "human/te_commonvoice_baa99a25.mp3",
        "ai/en_valle_ms1.mp3",
        "ai/ta_fastpitch_indictts.mp3",
    ]
    .map(|file| decode(&fixture(file), &DecodeLimits::default()).unwrap())
    .into()
});

fn cases(count: u32) -> Config {
    Config {
        cases: count,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2026),
        ..Config::default()
    }
}

/// Part of a clip: which clip, where it begins as a share of what there is, and its length in seconds.
fn part() -> impl Strategy<Value = Vec<f32>> {
    (0..4_usize, 0.0..1.0_f64, 2.0..4.0_f64).prop_map(|(clip, start, seconds)| {
        let samples = CLIPS[clip].samples();
        let length = ((seconds * 22_050.0) as usize).min(samples.len());
        let start = (start * (samples.len() - length) as f64) as usize;
        samples[start..start + length].to_vec()
    })
}

fn values(set: FeatureSet, samples: Vec<f32>) -> Option<Vec<f64>> {
    let extractor = Extractor::new(set);
    let found = extractor.extract(&Waveform::new(samples), &mut Scratch::default());
    found.ok().map(|vector| vector.values)
}

/// How far `b` is from `a`, relative to the larger, or absolutely where both are small.
fn distance(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

fn p_ai(detector: &Detector, wav: &[u8]) -> Option<f64> {
    detector.detect(wav).ok().map(|found| found.ai_probability)
}

fn wav_of(samples: &[f32]) -> Vec<u8> {
    audio_support::wav_of(samples.iter().map(|x| (x * 32_767.0).round() as i16))
}

proptest! {
    #![proptest_config(cases(12))]

    /// Loudness says nothing: the sets that the default model hears do not change with it, of `classic` the spectral ones.
    #[test]
    fn gain_changes_no_feature_that_is_not_loudness(samples in part(), gain in 0.1..1.0_f32) {
        let quieter: Vec<f32> = samples.iter().map(|x| x * gain).collect();
        for set in [FeatureSet::Dynamic, FeatureSet::Artefact] {
            let (Some(a), Some(b)) = (values(set, samples.clone()), values(set, quieter.clone())) else {
                continue;
            };
            for ((name, a), b) in set.names().iter().zip(a).zip(b) {
                // The third and fourth moments of few frames hang on single ones of them, which rounding moves.
                let moment = name.contains("skewness") || name.contains("kurtosis");
                let most = if moment { 0.3 } else { 0.06 };
                prop_assert!(distance(a, b) < most, "{name}: {a} and {b} at gain {gain}");
            }
        }
        let set = FeatureSet::Classic;
        if let (Some(a), Some(b)) = (values(set, samples), values(set, quieter)) {
            for ((name, a), b) in set.names().iter().zip(a).zip(b) {
                if name.starts_with("spectral") || name.starts_with("chroma") {
                    prop_assert!(distance(a, b) < 0.02, "{name}: {a} and {b} at gain {gain}");
                }
                if name.starts_with("rms") {
                    prop_assert!((b / a / f64::from(gain) - 1.0).abs() < 1e-3, "{name}: {a} and {b} at {gain}");
                }
            }
        }
    }

    /// Digital silence behind a clip is cut off before it is judged, but for the 50 ms behind the last sound: beyond them it
    /// does not matter how much there is, and they themselves move a verdict little.
    #[test]
    fn appended_silence_hardly_moves_a_verdict(samples in part(), seconds in 0.1..5.0_f64) {
        let with = |seconds: f64| {
            let silence = std::iter::repeat_n(0.0, (seconds * 22_050.0) as usize);
            let longer: Vec<f32> = samples.iter().copied().chain(silence).collect();
            p_ai(&DETECTOR, &wav_of(&longer))
        };
        if let (Some(none), Some(some), Some(more)) = (with(0.0), with(0.1), with(0.1 + seconds)) {
            prop_assert!((some - more).abs() < 0.02, "{some} and {more} with {seconds} s more silence");
            prop_assert!((none - more).abs() < 0.25, "{none} and {more} with {seconds} s of silence");
        }
    }

    /// Two channels that are the same are one, to the bit, and so is the verdict.
    #[test]
    fn a_stereo_duplicate_equals_mono(samples in part(), rate in prop::sample::select(vec![8_000_u32, 16_000, 22_050, 44_100, 48_000])) {
        let bytes = |channels: usize| -> Vec<u8> {
            let whole = samples.iter().map(|x| (x * 32_767.0).round() as i16);
            whole.flat_map(|x| x.to_le_bytes().repeat(channels)).collect()
        };
        let limits = DecodeLimits::default();
        let mono = decode(&wav(1, 1, rate, 16, &bytes(1)), &limits).unwrap();
        let stereo = decode(&wav(1, 2, rate, 16, &bytes(2)), &limits).unwrap();
        prop_assert_eq!(&mono, &stereo);
    }

    /// The same clip has the same verdict to the bit: by one detector and another, now and later, in threads or alone.
    #[test]
    fn a_verdict_is_the_same_in_every_thread_and_run(samples in part()) {
        let clip = Arc::new(wav_of(&samples));
        let expected = DETECTOR.detect_with_segments(&clip).ok();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let clip = Arc::clone(&clip);
                std::thread::spawn(move || DETECTOR.detect_with_segments(&clip).ok())
            })
            .collect();
        for thread in threads {
            prop_assert_eq!(&thread.join().unwrap(), &expected);
        }
        let fresh = Detector::embedded().unwrap();
        prop_assert_eq!(&fresh.detect_with_segments(&clip).ok(), &expected);
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// FLAC keeps what it is given: the same samples in either file decode to the same waveform to the bit.
    #[test]
    fn wav_equals_flac_to_the_bit(
        samples in prop::collection::vec(any::<i16>(), 200..6_000),
        channels in 1..=2_u16,
        rate in prop::sample::select(vec![8_000_u32, 16_000, 22_050, 44_100, 48_000, 96_000]),
        block in 16..1_200_usize,
    ) {
        let samples = &samples[..samples.len() / usize::from(channels) * usize::from(channels)];
        let data: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
        let limits = DecodeLimits { max_duration: Duration::from_secs(60) };
        let plain = decode(&wav(1, channels, rate, 16, &data), &limits).unwrap();
        let packed = decode(&flac(samples, channels, rate, block), &limits).unwrap();
        prop_assert_eq!(plain, packed);
    }
}

/// A FLAC file of 16 bits whose sub-frames are verbatim (RFC 9639), `block` samples each.
fn flac(samples: &[i16], channels: u16, rate: u32, block: usize) -> Vec<u8> {
    let frames = samples.len() / usize::from(channels);
    let packed = u64::from(rate) << 44 | u64::from(channels - 1) << 41 | 15 << 36 | frames as u64;
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    let size = (block as u16).to_be_bytes();
    file.extend([size, size].concat());
    file.extend([0; 6]);
    file.extend(packed.to_be_bytes());
    file.extend([0; 16]);
    for (number, part) in samples.chunks(block * usize::from(channels)).enumerate() {
        let start = file.len();
        file.extend([0xff, 0xf8, 0x70, ((channels - 1) << 4) as u8 | 4 << 1]);
        match number {
            0..0x80 => file.push(number as u8),
            _ => file.extend([0xc0 | (number >> 6) as u8, 0x80 | (number & 0x3f) as u8]),
        }
        let length = part.len() / usize::from(channels);
        file.extend(((length - 1) as u16).to_be_bytes());
        let check = crc(&file[start..], 8, 0x07) as u8;
        file.push(check);
        for channel in 0..usize::from(channels) {
            file.push(0x02);
            let plane = part.iter().skip(channel).step_by(channels.into());
            file.extend(plane.flat_map(|x| x.to_be_bytes()));
        }
        let check = crc(&file[start..], 16, 0x8005) as u16;
        file.extend(check.to_be_bytes());
    }
    file
}

fn crc(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
    let top = 1 << (width - 1);
    let mask = (1_u32 << width) - 1;
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << (width - 8), |crc, _| {
            (crc << 1 ^ if crc & top != 0 { polynomial } else { 0 }) & mask
        })
    })
}
