//! Recordings longer than a synchronous call takes: judged in pieces, with the verdict of all of them.

mod audio_support;

use voxproof::audio::{self, DecodeLimits, SAMPLE_RATE};
use voxproof::detector::DetectError;
use voxproof::features::FeatureError;
use voxproof::{Detection, Detector, WarningCode};

const RATE: usize = SAMPLE_RATE as usize;

fn speech(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let waveform = audio::decode(&bytes, &DecodeLimits::default()).unwrap();
    waveform.into_samples()
}

/// `seconds` of `samples` over and over.
fn looped(samples: &[f32], seconds: usize) -> Vec<f32> {
    samples
        .iter()
        .copied()
        .cycle()
        .take(seconds * RATE)
        .collect()
}

fn wav(samples: &[f32]) -> Vec<u8> {
    audio_support::wav_of(samples.iter().map(|x| (x * 32_767.0) as i16))
}

fn judged(detector: &Detector, samples: &[f32]) -> Detection {
    detector.detect_recording(&wav(samples)).unwrap()
}

#[test]
fn a_short_one_has_the_verdict_of_a_clip() {
    let detector = Detector::embedded().unwrap();
    let clip = std::fs::read("tests/data/ai/en_valle_ms1.mp3").unwrap();
    assert_eq!(
        detector.detect_recording(&clip),
        detector.detect_with_segments(&clip)
    );
}

#[test]
fn a_long_one_has_the_mean_log_odds_of_its_pieces_weighted_by_their_segments() {
    let detector = Detector::embedded().unwrap();
    // Ten minutes and 40 s: pieces of a minute, the last of 40 s. One voice, then another.
    let mut samples = looped(&speech("tests/data/ai/ta_fastpitch_indictts.mp3"), 180);
    samples.extend(looped(
        &speech("tests/data/human/ml_msc_u132b8d72.mp3"),
        460,
    ));
    let whole = judged(&detector, &samples);
    assert!((whole.duration_seconds - 640.0).abs() < 1e-9);

    let (mut sum, mut weight, mut segments) = (0.0, 0.0, Vec::new());
    for (index, piece) in samples.chunks(60 * RATE).enumerate() {
        let found = detector.detect_with_warnings(&wav(piece)).unwrap();
        let (p, n) = (found.ai_probability, found.segments.len() as f64);
        sum += (p / (1.0 - p)).ln() * n;
        weight += n;
        segments.extend(found.segments.into_iter().map(|mut segment| {
            segment.start += 60.0 * index as f64;
            segment.end += 60.0 * index as f64;
            segment
        }));
    }
    let expected = 1.0 / (1.0 + (-sum / weight).exp());
    assert!(
        (whole.ai_probability - expected).abs() < 1e-9,
        "{} {expected}",
        whole.ai_probability
    );
    let evidence = whole.evidence.expect("the default model tells");
    let off = evidence.log_odds() - sum / weight;
    assert!(off.abs() < 1e-6, "{off}");
    assert_eq!(whole.segments, segments);
    assert!(whole.segments.is_sorted_by(|a, b| a.start < b.start));
    // What differs along the recording is seen along it.
    let mean = |from: f64, to: f64| {
        let inside: Vec<_> = segments
            .iter()
            .filter(|s| s.start >= from && s.end <= to)
            .collect();
        inside.iter().map(|s| s.ai_probability).sum::<f64>() / inside.len() as f64
    };
    assert!(mean(0.0, 180.0) > mean(180.0, 640.0) + 0.2);
}

#[test]
fn silence_within_is_passed_over_and_silence_alone_is_a_fault() {
    let detector = Detector::embedded().unwrap();
    let voice = looped(&speech("tests/data/human/en_librispeech_2952.mp3"), 60);
    let mut samples = vec![0.0; 600 * RATE];
    samples.extend(&voice);
    let found = judged(&detector, &samples);
    let alone = judged(&detector, &voice);
    assert_eq!(found.classification, alone.classification);
    assert!((found.ai_probability - alone.ai_probability).abs() < 1e-9);
    assert!(found.segments.iter().all(|segment| segment.start >= 600.0));
    // What was passed over is told, after the warnings of what was judged.
    let codes = |found: &Detection| -> Vec<_> { found.warnings.iter().map(|w| w.code).collect() };
    let mut expected = codes(&alone);
    expected.push(WarningCode::PassedOver);
    assert_eq!(codes(&found), expected);
    // Half a minute of silence is a part of a minute that is judged: said once, and at the end too.
    samples.extend(vec![0.0; 30 * RATE]);
    samples.extend(&voice);
    assert_eq!(codes(&judged(&detector, &samples)), expected);

    let silence = detector.detect_recording(&wav(&vec![0.0; 630 * RATE]));
    assert_eq!(silence, Err(DetectError::Features(FeatureError::Silent)));
}
