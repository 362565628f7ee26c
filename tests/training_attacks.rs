//! Error rates under attack, from audio to the report, on made-up sounds.
#![cfg(all(feature = "training", feature = "http"))]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::features::FeatureSet;
use voxproof::model::Model;
use voxproof::training::attacks::{AttackReport, attacks};
use voxproof::training::rng::Rng;
use voxproof::training::{
    CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, EvaluateReport,
    LogisticSettings, ManifestSource, Progress, Protocol, ScoreOptions, Selection, evaluate, score,
};

const RATE: u32 = 22_050;
/// Test clips of either class in each of the six folds.
const EACH: usize = 2;

fn quiet(_: Progress) {}

/// Syllables of 1.6 s: of noise, or of harmonics with a little noise.
fn sound(ai: bool, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, 9);
    let (pitch, rate) = (rng.between(100.0, 200.0), rng.between(3.0, 5.0));
    let sample = |n: usize| {
        let t = n as f64 / f64::from(RATE);
        let swell = (std::f64::consts::PI * rate * t).sin().abs();
        let turn = std::f64::consts::TAU * pitch * t;
        let harmonics = (1..12).map(|h| (turn * f64::from(h)).sin() / f64::from(h));
        let voice: f64 = if ai { harmonics.sum() } else { 0.0 };
        let noise = rng.between(-1.0, 1.0) * if ai { 0.02 } else { 0.5 };
        (0.4 * swell * (0.5 * voice + noise)) as f32
    };
    (0..(1.6 * f64::from(RATE)) as usize).map(sample).collect()
}

/// Six families and six sources of eight clips each.
fn corpus(folder: &Path) -> CorpusOptions {
    let mut rows = String::from("file,label,family,corpus,speaker\n");
    for i in 0..96_u64 {
        let ai = i % 2 == 1;
        let (label, group) = (if ai { "ai" } else { "human" }, i / 2 % 6);
        writeln!(rows, "{i}.wav,{label},f{group},c{group},s{i}").unwrap();
        let wav = support::pcm16(&sound(ai, i), 1, RATE);
        fs::write(folder.join(format!("{i}.wav")), wav).unwrap();
    }
    let manifest = folder.join("manifest.csv");
    fs::write(&manifest, rows).unwrap();
    CorpusOptions {
        manifests: vec![ManifestSource::beside(manifest)],
        selection: Selection::default(),
        features: FeatureSet::Classic,
        feature_table: None,
        save_features: None,
        hold_out: None,
        copies: CopyOptions::default(),
    }
}

fn run(folder: &Path, jobs: usize) -> EvaluateReport {
    let estimator = EstimatorSettings::Logistic(LogisticSettings {
        c: 1.0,
        ..LogisticSettings::default()
    });
    let report = folder.join("report");
    let options = EvaluateOptions {
        attacks: EACH,
        jobs: Some(jobs),
        ..EvaluateOptions::new(corpus(folder), &[Protocol::Grouped], estimator, report)
    };
    evaluate(&options, &quiet).unwrap()
}

#[test]
fn every_attack_has_its_row_on_the_same_clips_and_threads_change_nothing() {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let report = run(&folder, 2);
    let rows = &report.attacks;
    let wanted: Vec<_> = attacks()
        .into_iter()
        .map(|attack| (attack.name, attack.strength))
        .collect();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.attack.clone(), row.strength.clone()))
        .collect();
    assert_eq!(found, wanted);
    let all = [6 * EACH, 6 * EACH];
    assert_eq!((rows[0].clips, rows[0].unjudged), (all, 0));
    // The two sounds are told apart as they are; some change makes the models err, or rows would not differ.
    assert!(rows[0].eer.value < 0.1, "{:?}", rows[0]);
    let errors = |row: &AttackReport| row.missed + row.false_alarms;
    let worst = rows.iter().max_by(|a, b| errors(a).total_cmp(&errors(b)));
    assert!(errors(worst.unwrap()) > errors(&rows[0]) + 0.2, "{worst:?}");
    for row in rows {
        let judged: usize = row.clips.iter().sum();
        assert_eq!(judged + row.unjudged, 12 * EACH, "{row:?}");
        assert!((0.0..=1.0).contains(&row.missed) && (0.0..=1.0).contains(&row.false_alarms));
    }

    let markdown = fs::read_to_string(folder.join("report/metrics.md")).unwrap();
    assert!(
        markdown.contains(
            "\n| attack | strength | EER | synthetic missed | human called synthetic |\n"
        ),
        "{markdown}"
    );
    let page = fs::read_to_string(folder.join("report/report.html")).unwrap();
    for (name, strength) in &wanted {
        assert!(markdown.contains(&format!("\n| {name} | {strength} | ")));
        assert!(page.contains(&format!("<th scope=\"row\">{name}</th><td>{strength}</td>")));
    }
    assert_eq!(run(&folder, 1).attacks, report.attacks);
}

#[test]
fn an_existing_model_is_attacked_on_clips_of_one_s_own() {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks-existing");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let model = Model::embedded("classic").unwrap();
    let mut options = ScoreOptions {
        corpus: corpus(&folder),
        report: Some(folder.join("report")),
        scores: None,
        scores_arena: None,
        attacks: 3,
        seed: 42,
        jobs: Some(2),
    };
    let report = score(&model, &options, &quiet).unwrap();
    assert_eq!(report.attacks.len(), attacks().len());
    let unattacked = &report.attacks[0];
    assert_eq!((unattacked.clips, unattacked.unjudged), ([3, 3], 0));
    let called = |row: &AttackReport| (row.missed, row.false_alarms);
    assert!(
        report
            .attacks
            .iter()
            .any(|row| called(row) != called(unattacked))
    );
    // As recorded, the rates are those of the same clips' scores.
    let again = score(&model, &options, &quiet).unwrap();
    assert_eq!(again.attacks, report.attacks);
    for file in ["metrics.md", "report.html"] {
        let text = fs::read_to_string(folder.join("report").join(file)).unwrap();
        assert!(text.contains("played back"), "{file}");
    }
    options.attacks = 0;
    assert!(score(&model, &options, &quiet).unwrap().attacks.is_empty());
    options.attacks = 3;
    options.corpus.feature_table = Some(folder.join("table.jsonl"));
    let refused = score(&model, &options, &quiet).unwrap_err().to_string();
    assert!(refused.contains("attacks change the audio"), "{refused}");
}
