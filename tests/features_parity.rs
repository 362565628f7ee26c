//! Parity of the `classic` set with librosa 0.10.1 on the same PCM.
//!
//! Golden values: tests/golden/pcm.json, made by tests/golden/make_pcm_golden.py. The signals are
//! made here again from the same integer recipes, or read from 16-bit WAV files.

mod pcm_support;

use std::fs;

use pcm_support::numbers;
use serde_json::Value;
use voxproof::audio::Waveform;
use voxproof::features::{Extractor, FeatureSet, Scratch};

const TEMPO: usize = 70;

/// One case of pcm.json.
struct Case {
    name: String,
    samples: Vec<f32>,
    expected: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let document = pcm_support::document("pcm.json");
    let case = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        samples: pcm_support::samples(case),
        expected: numbers(&case["values"]),
    };
    document["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(case)
        .collect()
}

/// How much of the tolerance (1e-3 relative or 1e-4 absolute, whichever is larger) is used up.
fn used(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / (1e-3 * theirs.abs()).max(1e-4)
}

/// Worst and median share of the tolerance for each group of features, as a table.
fn table(all: &[(String, Vec<f64>, Vec<f64>)]) -> String {
    let groups = [
        ("mfcc mean", 0..20),
        ("mfcc std", 20..40),
        ("centroid", 40..42),
        ("rolloff", 42..44),
        ("zero crossings", 44..46),
        ("chroma mean", 46..58),
        ("chroma std", 58..70),
        ("tempo", 70..71),
        ("rms", 71..73),
    ];
    let mut text =
        String::from("group           share of tolerance: worst    median   worst case\n");
    for (name, range) in groups {
        let mut shares: Vec<(f64, String)> = Vec::new();
        for (case, ours, theirs) in all {
            for i in range.clone() {
                let what = format!("{case} [{}] {} against {}", i, ours[i], theirs[i]);
                shares.push((used(ours[i], theirs[i]), what));
            }
        }
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (worst, what) = &shares[shares.len() - 1];
        let median = shares[shares.len() / 2].0;
        text += &format!("{name:<15} {worst:>26.5} {median:>10.6}  {what}\n");
    }
    text
}

#[test]
fn classic_features_are_librosas() {
    let extractor = Extractor::new(FeatureSet::Classic);
    let names = FeatureSet::Classic.names();
    let mut scratch = Scratch::default();
    let mut compared = Vec::new();
    let mut faults = Vec::new();
    for case in cases() {
        let vector = extractor
            .extract(&Waveform::new(case.samples), &mut scratch)
            .unwrap();
        assert_eq!(vector.values.len(), 73);
        for (i, name) in names.iter().enumerate() {
            let (ours, theirs) = (vector.values[i], case.expected[i]);
            let within = if i == TEMPO {
                (ours - theirs).abs() <= 0.01
            } else {
                used(ours, theirs) <= 1.0
            };
            if !within {
                faults.push(format!(
                    "{}: {name} is {ours}, librosa's {theirs}",
                    case.name
                ));
            }
        }
        compared.push((case.name, vector.values, case.expected));
    }
    println!("{} cases\n{}", compared.len(), table(&compared));
    assert!(compared.len() >= 30);
    assert!(
        faults.is_empty(),
        "{} values differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The same over real clips: `VOXPROOF_PARITY_DIR` holds NAME.f32 (samples, little-endian) and
/// NAME.json (the 73 values) for each; see the report of the features stage for how they are made.
#[test]
fn classic_features_are_librosas_on_a_folder_of_clips() {
    let Ok(folder) = std::env::var("VOXPROOF_PARITY_DIR") else {
        println!("skipped: VOXPROOF_PARITY_DIR is not set");
        return;
    };
    let extractor = Extractor::new(FeatureSet::Classic);
    let mut scratch = Scratch::default();
    let mut compared = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "f32") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let samples = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let expected = numbers(
            &serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap(),
        );
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        match extractor.extract(&Waveform::new(samples), &mut scratch) {
            Ok(vector) => compared.push((name, vector.values, expected)),
            Err(error) => println!("{name}: {error}"),
        }
    }
    let outside = |i: usize| {
        compared
            .iter()
            .filter(|(_, a, b)| used(a[i], b[i]) > 1.0)
            .count()
    };
    println!("{} clips\n{}", compared.len(), table(&compared));
    for (i, name) in FeatureSet::Classic.names().iter().enumerate() {
        let count = outside(i);
        if count > 0 {
            println!("{name}: {count} clips outside the tolerance");
        }
    }
    let tempos = compared
        .iter()
        .filter(|(_, a, b)| (a[TEMPO] - b[TEMPO]).abs() > 0.01)
        .count();
    let clips = compared
        .iter()
        .filter(|(_, a, b)| (0..73).any(|i| used(a[i], b[i]) > 1.0))
        .count();
    println!("{tempos} tempos differ; {clips} clips have a value outside the tolerance");
    assert!(!compared.is_empty());
    assert_eq!(tempos, 0);
}
