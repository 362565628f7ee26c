//! A recording longer than the clips that models learned from is judged in pieces.

mod audio_support;
mod model_support;

use voxproof::analysis::{Analyser, Analysis, AnalysisScratch};
use voxproof::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use voxproof::detector::DetectError;
use voxproof::features::{Extractor, FeatureError, FeatureSet, FeatureVector, Scratch};
use voxproof::model::{Estimator, Logistic, Model, Payload, Scaler, encode, log_odds};
use voxproof::{Detection, Detector, WarningCode};

const RATE: usize = SAMPLE_RATE as usize;

/// Two voices in turn, so that no piece is like the next.
fn talk(seconds: f64) -> Vec<f32> {
    let voices = [
        "tests/data/human/en_librispeech_2952.mp3",
        "tests/data/ai/ta_fastpitch_indictts.mp3",
    ];
    let said = voices.map(|path| {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let clip = audio::decode(&bytes, &DecodeLimits::default()).unwrap();
        clip.into_samples()
    });
    let length = (seconds * RATE as f64) as usize;
    said.concat().into_iter().cycle().take(length).collect()
}

fn analyser(name: &str) -> Analyser {
    Analyser::new(Model::embedded(name).unwrap())
}

fn judge(analyser: &Analyser, samples: &[f32]) -> Result<Analysis, FeatureError> {
    let waveform = Waveform::new(samples.to_vec());
    analyser.judge(&waveform, false, &mut AnalysisScratch::default())
}

fn extract(set: FeatureSet, samples: &[f32]) -> FeatureVector {
    let waveform = Waveform::new(samples.to_vec());
    let extractor = Extractor::new(set);
    extractor
        .extract(&waveform, &mut Scratch::default())
        .unwrap()
}

fn wav(samples: &[f32]) -> Vec<u8> {
    audio_support::wav_of(samples.iter().map(|x| (x * 32_767.0) as i16))
}

fn detect(detector: &Detector, samples: &[f32]) -> Detection {
    detector.detect_with_warnings(&wav(samples)).unwrap()
}

fn codes(found: &Detection) -> Vec<WarningCode> {
    found.warnings.iter().map(|warning| warning.code).collect()
}

#[track_caller]
fn assert_log_odds(ai_probability: f64, expected: f64) {
    let off = log_odds(ai_probability) - expected;
    assert!(
        off.abs() < 1e-9,
        "{ai_probability}: {off} beside {expected}"
    );
}

#[test]
fn twelve_seconds_are_judged_whole() {
    let analyser = analyser("default");
    let samples = talk(12.0);
    let found = judge(&analyser, &samples).unwrap();
    let [inputs] = &found.inputs[..] else {
        panic!("{:?}", found.inputs)
    };
    assert_eq!(
        inputs.features,
        Some(extract(FeatureSet::Artefact, &samples))
    );
    let features = inputs.features.as_ref();
    assert_eq!(
        found.ai_probability,
        analyser.model().fuse(inputs.logit, features)
    );
    let outlying = features.and_then(|features| analyser.model().outlying(features));
    assert_eq!(found.outlying, outlying);
}

#[test]
fn a_longer_one_has_the_mean_log_odds_of_its_pieces_judged_alone() {
    let analyser = analyser("default");
    for (seconds, pieces) in [(12.1, 2), (20.0, 2), (20.1, 3), (58.0, 6)] {
        let samples = talk(seconds);
        let found = judge(&analyser, &samples).unwrap();
        let (mut sum, mut outlying, mut segments) = (0.0, 0.0, Vec::new());
        let mut inputs = Vec::new();
        for piece in 0..pieces {
            let start = samples.len() * piece / pieces;
            let end = samples.len() * (piece + 1) / pieces;
            let alone = judge(&analyser, &samples[start..end]).unwrap();
            sum += log_odds(alone.ai_probability);
            outlying += alone.outlying.unwrap();
            inputs.extend(alone.inputs);
            let start = start as f64 / RATE as f64;
            segments.extend(alone.segments.into_iter().map(|mut segment| {
                segment.start += start;
                segment.end += start;
                segment
            }));
        }
        assert_log_odds(found.ai_probability, sum / pieces as f64);
        assert!((found.outlying.unwrap() - outlying / pieces as f64).abs() < 1e-12);
        assert_eq!(found.inputs, inputs, "{seconds} s");
        assert_eq!(found.segments, segments);
        assert!(!found.passed_over);
    }
}

#[test]
fn beyond_a_minute_every_piece_is_heard_and_six_are_described() {
    let analyser = analyser("default");
    let model = analyser.model();
    let samples = talk(90.0);
    let alone: Vec<_> = (samples.chunks(10 * RATE))
        .map(|piece| judge(&analyser, piece).unwrap().inputs.remove(0))
        .collect();
    let found = judge(&analyser, &samples).unwrap();
    // The piece that describes each of the nine.
    let described = [0, 1, 1, 3, 4, 4, 6, 7, 7];
    let terms = alone.iter().zip(described).map(|(piece, by)| {
        let features = alone[by].features.as_ref();
        log_odds(model.fuse(piece.logit, features))
    });
    assert_log_odds(found.ai_probability, terms.sum::<f64>() / 9.0);
    let weights: Vec<f64> = found.inputs.iter().map(|inputs| inputs.weight).collect();
    assert_eq!(weights, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(found.inputs[3].features, alone[4].features);
    assert!(found.segments.last().unwrap().end > 89.0);
    assert!(found.segments.is_sorted_by(|a, b| a.start < b.start));
}

#[test]
fn the_evidence_sums_to_the_log_odds_of_a_long_one() {
    let detector = Detector::embedded().unwrap();
    for seconds in [25.0, 75.0] {
        let found = detect(&detector, &talk(seconds));
        let evidence = found.evidence.expect("the default model tells");
        let off = evidence.log_odds() - log_odds(found.ai_probability);
        assert!(off.abs() < 1e-6, "{seconds} s: {off}");
        assert_eq!(
            evidence.contributions.len(),
            1 + FeatureSet::Artefact.aspects().len()
        );
    }
}

#[test]
fn a_silent_piece_is_passed_over_and_said_to_be() {
    let detector = Detector::embedded().unwrap();
    let talk = talk(20.0);
    let (first, last) = talk.split_at(10 * RATE);
    let alone = |samples: &[f32]| log_odds(detect(&detector, samples).ai_probability);
    let expected = (alone(first) + alone(last)) / 2.0;
    // Digital silence, and the noise of a pause: 50 dB beneath the voices, it would be speech if it stood alone.
    let noise = (0..10 * RATE as u32).map(|n| {
        let random = n.wrapping_mul(2_654_435_761) >> 16;
        (random as f32 / 32_768.0 - 1.0) * 0.002
    });
    let noise: Vec<f32> = noise.collect();
    assert!(detector.detect(&wav(&noise)).is_ok());
    for pause in [vec![0.0; 10 * RATE], noise] {
        let found = detect(&detector, &[first, &pause, last].concat());
        assert_log_odds(found.ai_probability, expected);
        let off = found.evidence.as_ref().unwrap().log_odds() - expected;
        assert!(off.abs() < 1e-6, "{off}");
        let within = |s: &voxproof::Segment| s.start > 9.99 && s.end < 20.0;
        assert!(!found.segments.iter().any(within), "{:?}", found.segments);
        assert_eq!(codes(&found).last(), Some(&WarningCode::PassedOver));
        assert_eq!(found.duration_seconds, 30.0);
        let plain = detector
            .detect(&wav(&[first, &pause, last].concat()))
            .unwrap();
        assert_eq!(plain.ai_probability, found.ai_probability);
        assert!(plain.warnings.is_empty());
    }
    // What nothing was passed over of does not say so, nor what is judged whole with silence in it.
    assert!(!codes(&detect(&detector, &talk)).contains(&WarningCode::PassedOver));
    let short = [&first[..4 * RATE], &[0.0; 6 * RATE]].concat();
    assert!(!codes(&detect(&detector, &short)).contains(&WarningCode::PassedOver));
}

#[test]
fn a_silent_piece_leaves_its_features_place_to_the_next_one() {
    let analyser = analyser("default");
    // Nine pieces, of which the first five are silent.
    let mut samples = vec![0.0; 50 * RATE];
    samples.extend(talk(40.0));
    let found = judge(&analyser, &samples).unwrap();
    assert!(found.passed_over);
    assert_eq!(found.inputs.len(), 4);
    let alone = judge(&analyser, &samples[50 * RATE..]).unwrap();
    assert_log_odds(found.ai_probability, log_odds(alone.ai_probability));
}

#[test]
fn where_no_piece_can_be_judged_the_whole_is_as_before() {
    let detector = Detector::embedded().unwrap();
    let error = |samples: &[f32]| detector.detect(&wav(samples)).unwrap_err();
    let mut samples = vec![0.0; 80 * RATE];
    assert_eq!(error(&samples), DetectError::Features(FeatureError::Silent));
    let talk = talk(1.0);
    let word = &talk[RATE / 4..RATE * 3 / 4];
    samples[45 * RATE..][..word.len()].copy_from_slice(word);
    match error(&samples) {
        DetectError::Features(FeatureError::TooLittleSpeech { seconds }) => {
            assert!((0.4..0.7).contains(&seconds), "{seconds}");
        }
        other => panic!("{other:?}"),
    }
    // Words far from each other, each too little by itself, are 65 s of speech together, heard to its end.
    for start in [5, 25, 70] {
        samples[start * RATE..][..word.len()].copy_from_slice(word);
    }
    // Features look at its first minute.
    let judged = judge(&analyser("default"), &samples).unwrap();
    assert_eq!(judged.inputs.len(), 1);
    assert_eq!(
        judged.inputs[0].features,
        Some(extract(FeatureSet::Artefact, &samples))
    );
    let found = detector.detect(&wav(&samples)).unwrap();
    let (first, last) = (found.segments[0], found.segments[found.segments.len() - 1]);
    assert!(first.start > 4.8 && first.start < 5.2, "{first:?}");
    assert!(last.end > 70.3 && last.end < 70.7, "{last:?}");
}

#[test]
fn what_is_no_audio_is_an_error_of_the_whole() {
    let mut samples = talk(30.0);
    samples[25 * RATE] = f32::NAN;
    match judge(&analyser("default"), &samples) {
        Err(FeatureError::OutOfRange { seconds }) => {
            assert!((24.9..=25.0).contains(&seconds), "{seconds}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_of_the_replaced_stack_s_features_judges_whole() {
    let analyser = analyser("classic");
    assert!(!analyser.model().hears_pieces());
    let samples = talk(40.0);
    let found = judge(&analyser, &samples).unwrap();
    let whole = extract(FeatureSet::Classic, &samples);
    assert_eq!(found.ai_probability, analyser.model().probability(&whole));
    assert_eq!(found.segments.len(), 1);
}

#[test]
fn a_model_of_speech_features_alone_judges_six_pieces_at_most() {
    let count = FeatureSet::Dynamic.names().len();
    let weight = |i: usize| (i % 7) as f64 * 0.01 - 0.03;
    let estimator = Estimator::Logistic(Logistic {
        weights: (0..count).map(weight).collect(),
        bias: 0.1,
    });
    let artifact = Payload {
        features: FeatureSet::Dynamic.name().into(),
        scaler: Scaler {
            mean: vec![0.0; count],
            scale: vec![10.0; count],
        },
        ..model_support::payload(estimator)
    };
    let model = Model::from_bytes(&encode(&artifact).unwrap()).unwrap();
    let analyser = Analyser::new(model);
    assert!(analyser.model().hears_pieces());
    let samples = talk(90.0);
    let found = judge(&analyser, &samples).unwrap();
    let alone = [0, 1, 3, 4, 6, 7].map(|piece| {
        let features = extract(
            FeatureSet::Dynamic,
            &samples[piece * 10 * RATE..][..10 * RATE],
        );
        log_odds(analyser.model().probability(&features))
    });
    assert!(
        alone.iter().any(|x| (x - alone[0]).abs() > 1e-3),
        "{alone:?}"
    );
    assert_log_odds(found.ai_probability, alone.iter().sum::<f64>() / 6.0);
    let starts: Vec<f64> = found.segments.iter().map(|s| s.start).collect();
    assert_eq!(starts, [0.0, 10.0, 30.0, 40.0, 60.0, 70.0]);
}
