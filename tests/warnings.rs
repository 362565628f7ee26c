//! What a detailed answer says beside the verdict: warnings, inconclusive, segments; by library, command line and HTTP.
#![cfg(feature = "server")]

mod audio_support;
mod support;

use std::f32::consts::TAU;
use std::process::Command;

use serde_json::Value;
use support::{HUMAN, api, file, post_to, send};
use voxproof::audio::{DecodeLimits, SAMPLE_RATE, decode};
use voxproof::model::Model;
use voxproof::{Detection, Detector, WarningCode};

const BAND_LIMITED: &str = "tests/data/fixtures/mpeg25_8000_mono_cbr16_lame.mp3";

fn wav(samples: &[f32]) -> Vec<u8> {
    let to_int = |x: &f32| (x * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    audio_support::wav_of(samples.iter().map(to_int))
}

/// Eight seconds of a person reading.
fn speech() -> Vec<f32> {
    let decoded = decode(&file(HUMAN), &DecodeLimits::default()).unwrap();
    decoded.into_samples()
}

/// Three partials of equal strength for five seconds.
fn chord() -> Vec<f32> {
    let partial = |hz: f32, t: f32| (TAU * hz * t).sin() / 5.0;
    (0..5 * SAMPLE_RATE)
        .map(|n| n as f32 / SAMPLE_RATE as f32)
        .map(|t| partial(440.0, t) + partial(554.4, t) + partial(659.3, t))
        .collect()
}

fn noisy(samples: &[f32], snr: f32) -> Vec<f32> {
    let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
    // Uniform in -1..1 has a third of variance.
    let gain = (3.0 * power).sqrt() * 10f32.powf(-snr / 20.0);
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    samples.iter().map(|x| x + gain * draw()).collect()
}

fn codes(detection: &Detection) -> Vec<WarningCode> {
    detection.warnings.iter().map(|w| w.code).collect()
}

#[test]
fn each_fault_of_a_recording_has_its_warning_and_a_good_one_has_none() {
    let detector = Detector::embedded().unwrap();
    let judge = |samples: &[f32]| codes(&detector.detect_with_warnings(&wav(samples)).unwrap());
    let good = speech();
    assert_eq!(judge(&good), []);
    assert_eq!(judge(&good[..2 * 22_050]), [WarningCode::Short]);
    assert!(judge(&noisy(&good, 10.0)).contains(&WarningCode::Noisy));
    assert!(!judge(&noisy(&good, 30.0)).contains(&WarningCode::Noisy));
    let largest = good.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let limit = 0.3 * largest;
    let cut: Vec<f32> = good.iter().map(|x| x.clamp(-limit, limit)).collect();
    assert!(judge(&cut).contains(&WarningCode::Clipped));
    assert!(judge(&chord()).contains(&WarningCode::OutOfDistribution));
    let telephone = detector.detect_with_warnings(&file(BAND_LIMITED)).unwrap();
    assert!(codes(&telephone).contains(&WarningCode::BandLimited));
}

#[test]
fn the_out_of_distribution_share_is_that_of_values_beyond_the_models_bounds() {
    let detector = Detector::embedded().unwrap();
    let usual = detector.detect(&file(HUMAN)).unwrap();
    let unusual = detector.detect(&wav(&chord())).unwrap();
    assert!(usual.out_of_distribution.unwrap() < 0.02, "{usual:?}");
    assert!(unusual.out_of_distribution.unwrap() > 0.1, "{unusual:?}");
    // A share of 425 values.
    let count = unusual.out_of_distribution.unwrap() * 425.0;
    assert!((count - count.round()).abs() < 1e-9, "{count}");
    let classic = Detector::new(Model::embedded("classic").unwrap());
    assert_eq!(
        classic.detect(&file(HUMAN)).unwrap().out_of_distribution,
        None
    );
}

#[test]
fn detail_changes_no_verdict_and_costs_nothing_unasked() {
    let detector = Detector::embedded().unwrap();
    let clip = wav(&noisy(&speech(), 10.0));
    let brief = detector.detect(&clip).unwrap();
    let warned = detector.detect_with_warnings(&clip).unwrap();
    let full = detector.detect_with_segments(&clip).unwrap();
    assert!(brief.warnings.is_empty());
    assert_eq!(warned.warnings, full.warnings);
    assert!(!full.warnings.is_empty());
    for other in [&warned, &full] {
        assert_eq!(other.ai_probability, brief.ai_probability);
        assert_eq!(other.inconclusive, brief.inconclusive);
    }
    assert_eq!(warned.segments, brief.segments);
    let starts: Vec<f64> = full.segments.iter().map(|s| s.start).collect();
    assert_eq!(starts, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn a_verdict_is_inconclusive_where_the_model_is_less_than_65_percent_sure() {
    let clips = [HUMAN, "tests/data/ai/ta_fastpitch_indictts.mp3"];
    for threshold in [0.5, 0.9] {
        let detector = Detector::embedded().unwrap().with_threshold(threshold);
        let found = clips.map(|clip| detector.detect(&file(clip)).unwrap());
        for detection in &found {
            let p = detection.ai_probability;
            assert_eq!(detection.inconclusive, p > 0.35 && p < 0.65, "{p}");
        }
    }
}

#[test]
fn the_command_line_prints_codes_and_sentences() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("warnings");
    std::fs::create_dir_all(&folder).unwrap();
    let clip = folder.join("chord.wav");
    std::fs::write(&clip, wav(&chord())).unwrap();
    let run = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_voxproof"))
            .arg("detect")
            .args(flags)
            .arg(&clip)
            .env_remove("THRESHOLD")
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let verdict: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    let warnings = verdict["warnings"].as_array().unwrap();
    let far = warnings
        .iter()
        .find(|warning| warning["code"] == "out_of_distribution")
        .unwrap();
    let message = far["message"].as_str().unwrap();
    assert!(
        message.ends_with('.') && message.contains("music"),
        "{message}"
    );
    assert!(verdict["inconclusive"].is_boolean());
    assert!(verdict["out_of_distribution"].as_f64().unwrap() > 0.1);
    assert!(run(&["--segments"]).contains("  warning: out_of_distribution: "));
    // The plain line stays one line.
    assert_eq!(run(&[]).lines().count(), 1);
}

#[tokio::test]
async fn http_tells_warnings_only_in_detail() {
    let api = api();
    let clip = wav(&chord());
    let answer = send(
        &api,
        post_to("/detect?detail=true", "audio/wav", clip.clone()),
    )
    .await;
    let verdict = answer.json();
    let warnings = verdict["warnings"].as_array().unwrap();
    let codes: Vec<&str> = warnings.iter().filter_map(|w| w["code"].as_str()).collect();
    assert!(codes.contains(&"out_of_distribution"), "{codes:?}");
    assert!(warnings.iter().all(|w| w["message"].is_string()));
    assert!(verdict["inconclusive"].is_boolean());
    assert!(verdict["out_of_distribution"].is_number());
    let brief = send(&api, post_to("/detect", "audio/wav", clip))
        .await
        .json();
    let members: Vec<&String> = brief.as_object().unwrap().keys().collect();
    assert_eq!(members, ["classification", "confidence"]);
}

/// The commands that measure what a detailed answer is worth, on two clips of one make-believe voice.
#[cfg(feature = "training")]
#[test]
fn a_corpus_tells_how_often_warnings_are_given_and_how_well_borders_are_found() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("splice");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = folder.join("manifest.csv");
    let rows = format!(
        "file,label,engine,corpus,speaker\n{HUMAN},human,human,books,p1\n\
         tests/data/ai/ta_fastpitch_indictts.mp3,ai,fastpitch,books,p1\n"
    );
    std::fs::write(&manifest, rows).unwrap();
    let run = |command: &str, flags: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_voxproof"))
            .args(["corpus", command, "--json", "--clips", "."])
            .arg("--manifest")
            .arg(&manifest)
            .args(flags)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = run("splice", &["--each", "2"]);
    assert_eq!(report["splices"], 14);
    assert_eq!(report["voices"], 1);
    assert_eq!(report["shares"].as_array().unwrap().len(), 7);
    let errors = report["border_error"].as_array().unwrap();
    assert!(
        errors
            .iter()
            .all(|e| (0.0..15.0).contains(&e.as_f64().unwrap()))
    );
    assert_eq!(report, run("splice", &["--each", "2", "--jobs", "1"]));

    let report = run("warnings", &[]);
    let conditions = report["conditions"].as_array().unwrap();
    let rate = |condition: &str, code: &str| {
        let found = conditions.iter().find(|c| c["condition"] == condition);
        found.unwrap_or_else(|| panic!("{conditions:?}"))["rates"][code].as_f64()
    };
    assert_eq!(rate("recorded", "short"), Some(0.0));
    assert_eq!(rate("first 2 s", "short"), Some(1.0));
    assert_eq!(rate("white noise at 10 dB", "noisy"), Some(1.0));
    assert_eq!(rate("telephone, Mu-law", "band_limited"), Some(1.0));
    assert_eq!(rate("1.0 % clipped", "clipped"), Some(1.0));

    let nobody = folder.join("nobody.csv");
    std::fs::write(&nobody, "speaker,reason\nnobody,none\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_voxproof"))
        .args(["corpus", "splice", "--clips", ".", "--manifest"])
        .arg(&manifest)
        .arg("--speakers")
        .arg(&nobody)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no speaker and no corpus"));
}
