//! The PCM of the golden cases: read from 16-bit WAV files, or made from their integer recipes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const RATE: i64 = 22_050;

/// Folder of the golden values.
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A JSON file among the golden values.
pub fn document(file: &str) -> Value {
    serde_json::from_slice(&fs::read(golden().join(file)).unwrap()).unwrap()
}

/// A JSON array of numbers.
pub fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// Samples of a case of pcm.json, checked against its length and checksum.
pub fn samples(case: &Value) -> Vec<f32> {
    let name = &case["name"];
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
    pcm.iter().map(|&s| f32::from(s) / 32_768.0).collect()
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
