//! Parity of the `classic` set with librosa 0.10.1 on the same PCM.
//!
//! Golden values: tests/golden/pcm.json, made by tests/golden/make_pcm_golden.py. The signals are
//! made here again from the same integer recipes, or read from 16-bit WAV files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use voxproof::audio::Waveform;
use voxproof::features::{Extractor, FeatureSet, Scratch};

const RATE: i64 = 22_050;
const TEMPO: usize = 70;

/// One case of pcm.json.
struct Case {
    name: String,
    samples: Vec<f32>,
    expected: Vec<f64>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn cases() -> Vec<Case> {
    let document: Value =
        serde_json::from_slice(&fs::read(golden().join("pcm.json")).unwrap()).unwrap();
    let case = |case: &Value| {
        let name = case["name"].as_str().unwrap().to_owned();
        let pcm = match case["wav"].as_str() {
            Some(file) => wav(&golden().join(file)),
            None => render(case["samples"].as_u64().unwrap() as usize, &case["recipe"]),
        };
        assert_eq!(
            pcm.len() as u64,
            case["samples"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(
            checksum(&pcm),
            case["checksum"].as_u64().unwrap(),
            "{name}: the recipe made other samples"
        );
        let samples = pcm.iter().map(|&s| f32::from(s) / 32_768.0).collect();
        Case {
            name,
            samples,
            expected: numbers(&case["values"]),
        }
    };
    document["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(case)
        .collect()
}

/// Samples of a 16-bit mono WAV file as Python's `wave` writes it: a header of 44 bytes.
fn wav(path: &Path) -> Vec<i16> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[36..40], b"data");
    bytes[44..]
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect()
}

fn checksum(pcm: &[i16]) -> u64 {
    let sum: i64 = pcm
        .iter()
        .enumerate()
        .map(|(i, &s)| i64::from(s) * (i as i64 % 251 + 1))
        .sum();
    sum as u64 & 0xffff_ffff
}

/// The recipe's layers, see make_pcm_golden.py.
fn render(n: usize, recipe: &Value) -> Vec<i16> {
    let mut out = vec![0_i64; n];
    for layer in recipe.as_array().unwrap() {
        let kind = layer[0].as_str().unwrap();
        let p: Vec<i64> = layer.as_array().unwrap()[1..]
            .iter()
            .map(|v| v.as_i64().unwrap())
            .collect();
        let mut phase = 0_u32;
        let mut vibrato_phase = 0_u32;
        let mut state = p[0] as u32;
        for (i, x) in out.iter_mut().enumerate() {
            let i = i as i64;
            match kind {
                "gate" => *x = if i % p[0] < p[1] { *x } else { 0 },
                "swell" => *x = (*x * (i % p[0])).div_euclid(p[0]),
                "cut" => *x = if (p[0]..p[1]).contains(&i) { 0 } else { *x },
                "tone" => {
                    *x += (parabola(phase) * p[1]) >> 15;
                    phase = phase.wrapping_add(step_of(p[0]) as u32);
                }
                "chirp" => {
                    *x += (parabola(phase) * p[2]) >> 15;
                    let (a, b) = (step_of(p[0]), step_of(p[1]));
                    phase = phase.wrapping_add((a + ((b - a) * i).div_euclid(n as i64)) as u32);
                }
                "voice" => {
                    for h in 1..=p[3] {
                        *x += (parabola(phase.wrapping_mul(h as u32)) * (p[4] / h)) >> 15;
                    }
                    let depth = step_of(p[0]) * p[2] / 1000;
                    let vibrato = (parabola(vibrato_phase) * depth) >> 15;
                    phase = phase.wrapping_add((step_of(p[0]) + vibrato) as u32);
                    vibrato_phase = vibrato_phase.wrapping_add(step_of(p[1]) as u32);
                }
                "noise" => {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *x += ((i64::from(state >> 16) - 32_768) * p[1]) >> 15;
                }
                "clicks" => {
                    let at = (i - p[1]).rem_euclid(p[0]);
                    let sign = if at % 3 == 0 { 1 } else { -1 };
                    if i >= p[1] && at < p[2] {
                        *x += (sign * p[3] * (p[2] - at)).div_euclid(p[2]);
                    }
                }
                "square" => *x += if (i % p[0]) * 2 < p[0] { p[1] } else { -p[1] },
                "dc" => *x += p[0],
                other => panic!("unknown layer {other}"),
            }
        }
    }
    out.iter()
        .map(|&x| x.clamp(-32_768, 32_767) as i16)
        .collect()
}

/// A sine-like period of two parabolas.
fn parabola(phase: u32) -> i64 {
    let t = i64::from(phase >> 16);
    let half = t & 0x7fff;
    let p = (half * (0x8000 - half)) >> 13;
    (if t < 0x8000 { p } else { -p }).clamp(-32_767, 32_767)
}

/// Phase step of a frequency in mHz.
fn step_of(millihertz: i64) -> i64 {
    millihertz * 4_294_967_296 / (RATE * 1000)
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
