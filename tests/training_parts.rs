//! The figures against known values, and what a manifest may and may not say.
#![cfg(feature = "training")]

use std::path::Path;

use voxproof::training::manifest::{self, Label};
use voxproof::training::metrics::Ranking;
use voxproof::training::report::replace_section;
use voxproof::training::rng::Rng;

fn eer_and_auc(scores: &[f64], labels: &[u8]) -> (f64, f64) {
    let is_ai: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
    let ranking = Ranking::new(scores, &is_ai);
    (ranking.eer(|_| 1.0), ranking.auc(|_| 1.0))
}

#[test]
fn eer_and_auc_have_their_known_values() {
    assert_eq!(
        eer_and_auc(&[0.1, 0.2, 0.8, 0.9], &[0, 0, 1, 1]),
        (0.0, 1.0)
    );
    assert_eq!(
        eer_and_auc(&[0.1, 0.2, 0.8, 0.9], &[1, 1, 0, 0]),
        (1.0, 0.0)
    );
    assert_eq!(eer_and_auc(&[0.5; 4], &[0, 1, 0, 1]), (0.5, 0.5));
    // scikit-learn's roc_auc_score documentation: 0.75
    assert_eq!(
        eer_and_auc(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]),
        (0.5, 0.75)
    );
    // one of five humans above one of five synthetic ones
    let scores = [0.1, 0.2, 0.3, 0.4, 0.6, 0.5, 0.7, 0.8, 0.9, 1.0];
    let (eer, auc) = eer_and_auc(&scores, &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert!(
        (eer - 0.2).abs() < 1e-12 && (auc - 0.96).abs() < 1e-12,
        "{eer} {auc}"
    );
    // ties across the classes count half
    let (_, auc) = eer_and_auc(&[0.1, 0.5, 0.5, 0.9], &[0, 0, 1, 1]);
    assert!((auc - 0.875).abs() < 1e-12);
}

#[test]
fn a_weight_of_two_is_the_clip_twice() {
    let ranking = Ranking::new(&[0.1, 0.6, 0.4, 0.8], &[false, false, true, true]);
    let weighted = |clip: usize| if clip == 1 { 2.0 } else { 1.0 };
    let twice = eer_and_auc(&[0.1, 0.6, 0.6, 0.4, 0.8], &[0, 0, 0, 1, 1]);
    assert!((ranking.auc(weighted) - twice.1).abs() < 1e-12);
    assert!((ranking.eer(weighted) - twice.0).abs() < 1e-12);
}

#[test]
fn intervals_widen_when_clips_hang_together() {
    let mut rng = Rng::new(1, 1);
    let is_ai: Vec<bool> = (0..400).map(|i| i % 2 == 1).collect();
    // Clips of one cluster (20 consecutive ones) share an offset.
    let offset: Vec<f64> = (0..20).map(|_| rng.below(1000) as f64 / 1000.0).collect();
    let scores: Vec<f64> = (0..400)
        .map(|i| offset[i / 20] + if is_ai[i] { 0.3 } else { 0.0 } + i as f64 * 1e-6)
        .collect();
    let ranking = Ranking::new(&scores, &is_ai);
    let (single, _) = ranking.intervals(&(0..400).collect::<Vec<_>>(), 42);
    let (clustered, _) = ranking.intervals(&(0..400).map(|i| i / 20).collect::<Vec<_>>(), 42);
    assert_eq!(single.value, clustered.value);
    assert!(
        clustered.high - clustered.low > 1.5 * (single.high - single.low),
        "{single:?} {clustered:?}"
    );
}

#[test]
fn manifest_errors_name_line_and_column() {
    let message = |text: &str| {
        manifest::parse(Path::new("m.csv"), text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message("label\nai\n"),
        "m.csv, line 1, column 'file': there is no such column"
    );
    assert_eq!(
        message("file\na.mp3\n"),
        "m.csv, line 1, column 'label': there is no such column"
    );
    assert_eq!(
        message("file,label\n"),
        "m.csv, line 2, column 'file': there are no rows"
    );
    assert_eq!(
        message("file,label\na.mp3,ai\nb.mp3,robot\n"),
        "m.csv, line 3, column 'label': 'robot' is neither ai (spoof) nor human (bonafide)"
    );
    assert_eq!(
        message("file,label\na.mp3,ai\n ,ai\n"),
        "m.csv, line 3, column 'file': it is empty"
    );
    assert_eq!(
        message("file,label\na.mp3,ai\nb.mp3\n"),
        "m.csv, line 3, column 'file': the row has 1 columns, the header 2"
    );
    assert_eq!(
        message("path,label\na.mp3,ai\na.mp3,ai\n"),
        "m.csv, line 3, column 'path': 'a.mp3' stands on line 2 already"
    );
}

#[test]
fn a_manifest_needs_little_and_takes_other_words() {
    let clips = manifest::parse(
        Path::new("m.csv"),
        b"\xef\xbb\xbfFile, Label\na.mp3,SPOOF\nb.mp3,Bona-fide\n",
    )
    .unwrap();
    assert_eq!(
        (
            clips[0].label,
            clips[0].family.as_str(),
            clips[0].kind.as_str()
        ),
        (Label::Ai, "unknown", "unknown")
    );
    assert_eq!(
        (
            clips[1].label,
            clips[1].engine.as_str(),
            clips[1].corpus.as_str()
        ),
        (Label::Human, "human", "unknown")
    );
}

#[test]
fn a_card_without_markers_is_an_error() {
    let card = Path::new(env!("CARGO_TARGET_TMPDIR")).join("card-without-markers.md");
    std::fs::write(&card, "nothing here").unwrap();
    let error = replace_section(&card, "figures", "x")
        .unwrap_err()
        .to_string();
    assert!(error.contains("<!-- figures:begin -->"), "{error}");
}
