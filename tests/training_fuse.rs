//! Scores of two models on the same folds, added into one.
#![cfg(feature = "training")]

mod audio_support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::features::FeatureSet;
use voxproof::training::rng::Rng;
use voxproof::training::{
    Channel, CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, FuseOptions,
    LogisticSettings, ManifestSource, Preset, Progress, Protocol, Selection, evaluate, fuse,
};

const CLIPS: usize = 480;

/// A manifest of clips without sound, and scores whose log-odds are `strength` times the class, plus noise.
fn scores(folder: &Path, name: &str, strength: f64, seed: u64, left_out: Option<usize>) -> PathBuf {
    shifted(folder, name, strength, 0.0, seed, left_out)
}

/// The same, `shift` higher through the channel.
fn shifted(
    folder: &Path,
    name: &str,
    strength: f64,
    shift: f64,
    seed: u64,
    left_out: Option<usize>,
) -> PathBuf {
    let mut rng = Rng::new(seed, 9);
    let mut text = String::from("protocol,group,part,file,label,score,condition\n");
    for condition in ["recorded", "study"] {
        for i in 0..CLIPS {
            let (class, label) = if i % 2 == 1 {
                (1.0, "ai")
            } else {
                (-1.0, "human")
            };
            let shift = if condition == "study" { shift } else { 0.0 };
            let z = strength * class + shift + rng.between(-2.0, 2.0);
            let score = 1.0 / (1.0 + f64::exp(-z));
            if Some(i) != left_out {
                writeln!(
                    text,
                    "grouped,all,{},{i}.wav,{label},{score},{condition}",
                    i / 2 % 3
                )
                .unwrap();
            }
        }
    }
    let path = folder.join(format!("{name}.csv"));
    fs::write(&path, text).unwrap();
    path
}

fn options(name: &str) -> FuseOptions {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut rows = String::from("file,label,family,corpus,speaker\n");
    for i in 0..CLIPS {
        let label = if i % 2 == 1 { "ai" } else { "human" };
        writeln!(rows, "{i}.wav,{label},f{},c{},s{i}", i / 2 % 9, i / 2 % 6).unwrap();
    }
    let manifest = folder.join("manifest.csv");
    fs::write(&manifest, rows).unwrap();
    FuseOptions {
        corpus: CorpusOptions {
            manifests: vec![ManifestSource::beside(manifest)],
            selection: Selection::default(),
            features: FeatureSet::Classic,
            feature_table: None,
            save_features: None,
            hold_out: None,
            copies: CopyOptions {
                through: vec![Channel::without_ffmpeg(Preset::Study)],
                ..CopyOptions::default()
            },
        },
        scores: vec![
            scores(&folder, "weak", 0.4, 3, None),
            scores(&folder, "strong", 1.2, 4, None),
        ],
        weights: None,
        report: folder.join("report"),
        disjoint_speakers: true,
        fused_scores: Some(folder.join("fused.csv")),
        model_card: None,
        control: false,
        seed: 1,
        jobs: None,
    }
}

fn quiet(_: Progress) {}

/// As recorded the classes part at log-odds of 0, through the channel at 1. Counted alike, 0.5 would lie half way.
#[test]
fn a_half_lies_nearer_to_where_the_classes_part_as_recorded() {
    let mut options = options("shifted");
    let folder = options.report.parent().unwrap();
    options.scores = vec![shifted(folder, "shifted", 1.2, 1.0, 5, None)];
    options.weights = Some(vec![1.0]);
    let (_, fusion) = fuse(&options, &quiet).unwrap();
    let half = -fusion.offset / fusion.slope;
    assert!((0.15..0.45).contains(&half), "{half}");
}

#[test]
fn the_sum_is_better_than_its_parts_and_the_better_part_weighs_more() {
    let options = options("fuse");
    let (report, fusion) = fuse(&options, &quiet).unwrap();
    assert_eq!(fusion.parts, ["weak", "strong"]);
    assert!(fusion.weights[1] > fusion.weights[0] && fusion.weights[0] > 0.0);
    let grouped = &report.protocols[0];
    assert_eq!(grouped.fits, 3);
    assert_eq!(grouped.through[0].channel, "study");
    let alone = |place: usize| {
        let alone = FuseOptions {
            scores: vec![options.scores[place].clone()],
            fused_scores: None,
            ..options.clone()
        };
        fuse(&alone, &quiet).unwrap().0.protocols[0].pooled.eer
    };
    let (weak, strong) = (alone(0), alone(1));
    assert!(
        grouped.pooled.eer < strong && strong < weak,
        "{} {strong} {weak}",
        grouped.pooled.eer
    );
    assert!(grouped.pooled.calibration_error < 0.08);
    let text = report.markdown();
    assert!(
        text.contains("ensemble, features `weak + strong`"),
        "{text}"
    );
    // Weights that are given are kept, and what they do is judged with a calibration of their own.
    let given = FuseOptions {
        weights: Some(vec![0.5, 1.0]),
        fused_scores: None,
        ..options.clone()
    };
    let (with_given, kept) = fuse(&given, &quiet).unwrap();
    assert_eq!(kept.weights, [0.5, 1.0]);
    assert!(with_given.protocols[0].pooled.calibration_error < 0.08);
    let one = FuseOptions {
        weights: Some(vec![1.0]),
        ..given
    };
    let error = fuse(&one, &quiet).unwrap_err().to_string();
    assert!(error.contains("1 weights for 2 files"), "{error}");
    // The folds are the files', and what was fused can be fused again.
    let again = FuseOptions {
        scores: vec![options.fused_scores.clone().unwrap()],
        fused_scores: None,
        ..options
    };
    let again = fuse(&again, &quiet).unwrap().0;
    assert!((again.protocols[0].eer.value - grouped.eer.value).abs() < 0.02);
}

#[test]
fn a_fold_s_own_scores_do_not_choose_its_weights() {
    // In the third fold the classes of 'strong' are turned round: with weights from all folds the sum would follow.
    let options = options("fuse-own");
    let text = fs::read_to_string(&options.scores[1]).unwrap();
    let turned: Vec<String> = text
        .lines()
        .map(|line| {
            let mut cells: Vec<String> = line.split(',').map(String::from).collect();
            if cells[2] == "2" {
                cells[5] = format!("{}", 1.0 - cells[5].parse::<f64>().unwrap());
            }
            cells.join(",")
        })
        .collect();
    fs::write(&options.scores[1], turned.join("\n")).unwrap();
    fuse(&options, &quiet).unwrap();
    let fused = fs::read_to_string(options.fused_scores.unwrap()).unwrap();
    let mean = |part: &str, label: &str| {
        let scores: Vec<f64> = fused
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter(|cells| cells[2] == part && cells[4] == label)
            .map(|cells| cells[5].parse().unwrap())
            .collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    assert!(mean("2", "ai") < mean("2", "human") - 0.2);
}

#[test]
fn files_that_do_not_go_together_are_refused_by_name() {
    let options = options("fuse-apart");
    let folder = options.report.parent().unwrap().to_path_buf();
    // A clip that one file lacks is listed, not judged.
    let lacking = FuseOptions {
        scores: vec![
            options.scores[0].clone(),
            scores(&folder, "lacking", 1.2, 4, Some(7)),
        ],
        ..options.clone()
    };
    let (report, _) = fuse(&lacking, &quiet).unwrap();
    assert_eq!(report.corpus.skipped.len(), 1);
    assert_eq!(report.corpus.skipped[0].file, "7.wav");
    // One that all of them lack was not tested, as whole corpora of one class are where corpora are left out: no fault.
    let untested = FuseOptions {
        scores: vec![
            scores(&folder, "without", 0.4, 3, Some(7)),
            scores(&folder, "either", 1.2, 4, Some(7)),
        ],
        ..options.clone()
    };
    let (report, _) = fuse(&untested, &quiet).unwrap();
    assert!(report.corpus.skipped.is_empty());
    let not_tested = &report.corpus.left_out["tested in no fold of the score files"];
    assert_eq!(*not_tested, 1);
    // Other folds cannot be added.
    let text = fs::read_to_string(&options.scores[1]).unwrap();
    let moved = folder.join("moved.csv");
    fs::write(
        &moved,
        text.replace("grouped,all,0,0.wav", "grouped,all,1,0.wav"),
    )
    .unwrap();
    let apart = FuseOptions {
        scores: vec![options.scores[0].clone(), moved],
        ..options.clone()
    };
    let error = fuse(&apart, &quiet).unwrap_err().to_string();
    assert!(
        error.contains("moved.csv") && error.contains("0.wav"),
        "{error}"
    );
    // Noise is not added to what is better without it.
    let noise = FuseOptions {
        scores: vec![
            scores(&folder, "noise", -0.3, 5, None),
            options.scores[1].clone(),
        ],
        ..options
    };
    let error = fuse(&noise, &quiet).unwrap_err().to_string();
    assert!(error.contains("'noise' would weigh -"), "{error}");
}

/// A second of noise each, a synthetic clip's a little quieter as a rule.
fn noises(folder: &Path) {
    let mut rng = Rng::new(8, 2);
    for i in 0..CLIPS {
        let loud = rng.between(0.2, 0.6) * if i % 2 == 1 { 0.6 } else { 1.0 };
        let samples: Vec<i16> = (0..24_000)
            .map(|_| (rng.between(-loud, loud) * 32_767.0) as i16)
            .collect();
        let wav = audio_support::wav_of(samples);
        fs::write(folder.join(format!("{i}.wav")), wav).unwrap();
    }
}

#[test]
fn the_control_is_that_of_the_evaluation_whose_folds_are_fused() {
    let options = options("fuse-control");
    let folder = options.report.parent().unwrap();
    noises(folder);
    let corpus = CorpusOptions {
        features: FeatureSet::Channel,
        copies: CopyOptions::default(),
        ..options.corpus.clone()
    };
    let logistic = EstimatorSettings::Logistic(LogisticSettings::default());
    let evaluated = EvaluateOptions {
        seed: options.seed,
        disjoint_speakers: true,
        scores: Some(folder.join("evaluated.csv")),
        ..EvaluateOptions::new(
            corpus.clone(),
            &[Protocol::Grouped],
            logistic,
            folder.join("evaluated"),
        )
    };
    let wanted = evaluate(&evaluated, &quiet).unwrap().protocols[0].control;
    let eer = wanted.unwrap().eer.value;
    assert!((0.02..0.45).contains(&eer), "{eer}");

    let with = |scores: &Path, control: bool| {
        let options = FuseOptions {
            corpus: corpus.clone(),
            scores: vec![scores.to_path_buf()],
            weights: Some(vec![1.0]),
            control,
            ..options.clone()
        };
        let (report, _) = fuse(&options, &quiet).unwrap();
        let grouped = report.protocols.into_iter().next().unwrap();
        let of = &grouped.figures.breakdowns;
        let bandwidths = of.iter().any(|of| of.by == "bandwidth");
        (grouped.control, bandwidths)
    };
    let own = evaluated.scores.as_deref().unwrap();
    assert_eq!(with(own, true), (wanted, true));
    assert_eq!(with(own, false), (None, false));
    // Of other folds than these manifests have, it is not known what models learned from.
    assert_eq!(with(&options.scores[1], true), (None, true));
}
