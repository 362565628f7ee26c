//! Parity of the `dynamic` set with the study's functions (librosa 0.10.1, scipy 1.11.4) on the same PCM.
//!
//! Golden values: tests/golden/dynamic.json, made by tests/golden/make_dynamic_golden.py from the cases of pcm.json.
//! A value's distance is relative to its size or to the feature's standard deviation over 200 clips of the corpus,
//! whichever is larger: a model's scaler divides by that deviation.
//!
//! Behind the resampler the arithmetic is the reference's, and the tolerance is tight: 2e-5, but 3e-4 for the skewness of
//! the entropy, which the reference sums in `f32`. From 22,050 Hz it cannot be: soxr's first samples and its gain beyond
//! 4.5 kHz (2e-4) differ from ours, and order statistics of a clip (which lag is the highest, which frames are loud)
//! jump by a whole frame for any difference; -100 dB of noise on the reference's own input moves its values further than
//! we are from it. So 95 % of the values must be within 2e-3, and no value may be off by a third of its unit.

mod pcm_support;

use std::collections::HashMap;

use pcm_support::{document, numbers, samples};
use serde_json::Value;
use voxproof::audio::{Waveform, resample, resample_in_place};
use voxproof::features::dynamic::{DescribesSpeech, Dynamic};
use voxproof::features::{Extractor, FeatureError, FeatureSet, Scratch};

/// One of the two rows of a case: values, or none where the trimmed clip is too short.
type Row = Option<Vec<f64>>;

/// No value may be further away, resampled or not.
const LARGEST: f64 = 0.3;

struct Golden {
    spread: Vec<f64>,
    /// By the case's name: through the resampler, and with the samples taken for 16 kHz.
    rows: HashMap<String, (Row, Row)>,
}

fn golden_values() -> Golden {
    let document = document("dynamic.json");
    let row = |value: &Value| value.as_array().map(|_| numbers(value));
    let rows = document["cases"].as_array().unwrap().iter().map(|case| {
        let name = case["name"].as_str().unwrap().to_owned();
        (name, (row(&case["values"]), row(&case["unresampled"])))
    });
    Golden {
        spread: numbers(&document["spread"]),
        rows: rows.collect(),
    }
}

/// Compares every case's values with those that `pick` takes of its rows, and prints the worst of each case. The share
/// `share_within` of all values must be within the `tolerance` of its feature.
fn compare(
    tolerance: impl Fn(&str) -> f64,
    share_within: f64,
    judge: impl Fn(&[f32]) -> Result<Vec<f64>, FeatureError>,
    pick: impl Fn(&(Row, Row)) -> &Row,
) {
    let golden = golden_values();
    let names = FeatureSet::Dynamic.names();
    assert_eq!(golden.spread.len(), names.len());
    let mut faults = Vec::new();
    let mut compared = 0;
    let mut worst: Vec<(f64, String)> = Vec::new();
    for case in document("pcm.json")["cases"].as_array().unwrap() {
        let case_name = case["name"].as_str().unwrap();
        let found = judge(&samples(case));
        let Some(expected) = pick(&golden.rows[case_name]) else {
            let error = found.unwrap_err();
            assert!(
                matches!(error, FeatureError::TooLittleSpeech { .. }),
                "{case_name}: {error}"
            );
            continue;
        };
        let values = found.unwrap();
        assert_eq!(values.len(), names.len());
        compared += 1;
        let mut most = (0.0, String::new());
        for (i, name) in names.iter().enumerate() {
            let (ours, theirs) = (values[i], expected[i]);
            let unit = theirs.abs().max(golden.spread[i]);
            let distance = (ours - theirs).abs() / unit;
            let what = format!("{case_name}: {name} {ours} against {theirs}");
            if distance > tolerance(name) {
                faults.push(format!("{distance:.2e} {what}"));
            }
            if distance >= most.0 {
                most = (distance, what);
            }
        }
        worst.push(most);
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("{compared} cases; the worst value of each:");
    for (distance, what) in &worst {
        println!("{distance:.2e} {what}");
    }
    assert!(compared >= 30);
    let share = 1.0 - faults.len() as f64 / (compared * names.len()) as f64;
    println!("{share:.5} of the values are within the tolerance");
    assert!(worst[0].0 <= LARGEST, "{}", worst[0].1);
    assert!(share >= share_within, "{}", faults.join("\n"));
}

#[test]
fn behind_the_resampler_the_values_are_the_references() {
    let dynamic = Dynamic::default();
    compare(
        |name| {
            if name == "entropy_skewness" {
                3e-4
            } else {
                2e-5
            }
        },
        1.0,
        |samples| dynamic.analyse(samples),
        |(_, unresampled)| unresampled,
    );
}

#[test]
fn from_22050_hz_the_values_are_the_references() {
    let extractor = Extractor::new(FeatureSet::Dynamic);
    compare(
        |_| 2e-3,
        0.95,
        |samples| {
            extractor
                .extract(&Waveform::new(samples.to_vec()), &mut Scratch::default())
                .map(|vector| vector.values)
        },
        |(values, _)| values,
    );
}

#[test]
fn resampling_keeps_a_tone_and_the_length() {
    let tone = |rate: f64| move |n: usize| (n as f64 * 440.0 * std::f64::consts::TAU / rate).sin();
    let samples: Vec<f32> = (0..44_100).map(|n| tone(22_050.0)(n) as f32).collect();
    let resampled = resample(&samples, 22_050, 16_000);
    assert_eq!(resampled.len(), 32_000);
    for (n, x) in resampled.iter().enumerate().take(31_500).skip(500) {
        assert!((f64::from(*x) - tone(16_000.0)(n)).abs() < 1e-4);
    }
    assert_eq!(resample(&samples, 22_050, 22_050), samples);
    assert!(resample(&[], 22_050, 16_000).is_empty());
}

#[test]
fn resampling_in_place_writes_the_same_samples() {
    let tone = |n: usize| (n as f32 * 0.05).sin() * if n % 9_000 < 700 { 0.0 } else { 0.4 };
    for (from, to) in [
        (22_050, 16_000),
        (44_100, 22_050),
        (48_000, 8_000),
        (16_001, 16_000),
        (16_000, 16_000),
    ] {
        for length in [0, 1, 2, 5_000, 12_288, 12_289, 100_003] {
            let samples: Vec<f32> = (0..length).map(tone).collect();
            let mut in_place = samples.clone();
            resample_in_place(&mut in_place, from, to);
            assert!(
                in_place == resample(&samples, from, to),
                "{length} of {from} to {to} Hz"
            );
        }
    }
}
