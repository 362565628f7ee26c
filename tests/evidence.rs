//! What is said to have spoken for and against is what the verdict is made of.

mod model_support;

use std::fs;
use std::path::PathBuf;

use model_support::{FEATURES, payload};
use voxproof::features::{FeatureSet, FeatureVector};
use voxproof::model::{
    Calibration, Estimator, Evidence, Forest, Logistic, Model, TreeNode, encode,
};
use voxproof::{Detector, Verdict};

/// The bundled clips of both classes.
fn clips() -> Vec<(PathBuf, Vec<u8>)> {
    let folders = ["human", "ai"].map(|class| format!("tests/data/{class}"));
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let clips: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert_eq!(clips.len(), 6);
    clips
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

#[test]
fn contributions_and_baseline_are_the_log_odds_of_the_verdict() {
    let detector = Detector::embedded().unwrap();
    let mut baselines = Vec::new();
    for (path, clip) in clips() {
        let detection = detector.detect_with_warnings(&clip).unwrap();
        let evidence = detection.evidence.expect("the default model tells");
        let off = evidence.log_odds() - log_odds(detection.ai_probability);
        assert!(off.abs() < 1e-6, "{}: {off}", path.display());
        baselines.push(evidence.baseline);
        // One term for each aspect of the set and one for the network, none of them empty words.
        assert_eq!(
            evidence.contributions.len(),
            1 + FeatureSet::Artefact.aspects().len()
        );
        let sizes: Vec<f64> = (evidence.contributions.iter())
            .map(|c| c.contribution.abs())
            .collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert!(evidence.contributions.iter().all(|c| c.contribution != 0.0));
    }
    // It is the model's, not the clip's, but for rounding: the aspects account for all that differs.
    for baseline in &baselines {
        assert!((baseline - baselines[0]).abs() < 1e-4, "{baselines:?}");
    }
}

#[test]
fn the_evidence_of_clips_agrees_with_their_classes() {
    let detector = Detector::embedded().unwrap();
    let mut sums = [0.0; 2];
    for (path, clip) in clips() {
        let evidence = detector.detect_with_warnings(&clip).unwrap().evidence;
        let ai = path.starts_with("tests/data/ai");
        sums[usize::from(ai)] += evidence.map_or(0.0, |e| e.log_odds() - e.baseline);
    }
    assert!(sums[0] < 0.0 && sums[1] > 0.0, "{sums:?}");
}

#[test]
fn a_detailed_answer_has_it_and_a_plain_one_does_not_compute_it() {
    let detector = Detector::embedded().unwrap();
    let clip = &clips()[0].1;
    assert_eq!(detector.detect(clip).unwrap().evidence, None);
    let detailed = detector.detect_with_segments(clip).unwrap();
    let json = serde_json::to_value(Verdict::new(&detailed, detector.model(), None)).unwrap();
    let evidence = json["evidence"].as_array().unwrap();
    for member in evidence {
        assert!(member["group"].is_string(), "{member}");
        assert!(
            member["meaning"].as_str().unwrap().contains(": "),
            "{member}"
        );
        assert!(member["contribution"].is_number(), "{member}");
    }
    assert!(json["evidence_baseline"].is_number());
}

fn vector(value: impl Fn(usize) -> f64) -> FeatureVector {
    FeatureVector {
        set: FeatureSet::Classic,
        values: (0..FEATURES).map(value).collect(),
    }
}

#[test]
fn a_logistic_model_says_weight_times_value_by_aspect() {
    let mut artifact = payload(Estimator::Logistic(Logistic {
        weights: (0..FEATURES)
            .map(|i| if i == 70 { -3.0 } else { 0.01 })
            .collect(),
        bias: 0.25,
    }));
    artifact.calibration = Some(Calibration {
        slope: 2.0,
        offset: -1.0,
    });
    let model = Model::from_bytes(&encode(&artifact).unwrap()).unwrap();
    // Standardised: 1 everywhere.
    let clip = vector(|_| 12.0);
    let evidence = model.evidence(None, Some(&clip)).unwrap();
    assert!((evidence.baseline - (2.0 * 0.25 - 1.0)).abs() < 1e-12);
    let found: Vec<_> = (evidence.contributions.iter())
        .map(|c| (c.group, (c.contribution * 1e6).round() / 1e6))
        .collect();
    assert_eq!(found[0], ("tempo", -6.0));
    assert_eq!(found[1], ("timbre", 0.8));
    let off = evidence.log_odds() - log_odds(model.probability(&clip));
    assert!(off.abs() < 1e-9, "{off}");
}

#[test]
fn trees_say_nothing() {
    let leaf = TreeNode::Leaf(0.7);
    let forest = Forest::compile(FEATURES, &[vec![leaf]]).unwrap();
    let artifact = payload(Estimator::RandomForest(forest));
    let model = Model::from_bytes(&encode(&artifact).unwrap()).unwrap();
    assert_eq!(model.evidence(None, Some(&vector(|_| 1.0))), None);
}

#[test]
fn the_mean_of_clips_is_the_weighted_mean_of_every_term() {
    let detector = Detector::embedded().unwrap();
    let evidence: Vec<Evidence> = (clips().iter().take(2))
        .map(|(_, clip)| {
            detector
                .detect_with_warnings(clip)
                .unwrap()
                .evidence
                .unwrap()
        })
        .collect();
    let mean = Evidence::mean([(&evidence[0], 1.0), (&evidence[1], 3.0)]).unwrap();
    let expected = (evidence[0].log_odds() + 3.0 * evidence[1].log_odds()) / 4.0;
    assert!((mean.log_odds() - expected).abs() < 1e-9);
    let pitch = |e: &Evidence| {
        e.contributions
            .iter()
            .find(|c| c.group == "pitch")
            .unwrap()
            .contribution
    };
    let expected = (pitch(&evidence[0]) + 3.0 * pitch(&evidence[1])) / 4.0;
    assert!((pitch(&mean) - expected).abs() < 1e-12);
    assert_eq!(Evidence::mean([]), None);
}
