//! Copies through the random channel in training and evaluation, end to end on real and on made-up clips.
#![cfg(feature = "training")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::audio::{self, DecodeLimits, Waveform};
use voxproof::features::FeatureSet;
use voxproof::training::channel::{Channel, Filter, Preset};
use voxproof::training::rng::Rng;
use voxproof::training::{
    CopyOptions, Corpus, CorpusOptions, EstimatorSettings, EvaluateOptions, LogisticSettings,
    ManifestSource, Progress, Protocol, Selection, TrainOptions, TrainingError, evaluate, train,
};

const CLIPS: [(&str, &str); 6] = [
    ("human/en_librispeech_2952.mp3", "human"),
    ("human/ml_msc_u132b8d72.mp3", "human"),
    ("human/te_commonvoice_baa99a25.mp3", "human"),
    ("ai/en_tortoise_angie.mp3", "ai"),
    ("ai/en_valle_ms1.mp3", "ai"),
    ("ai/ta_fastpitch_indictts.mp3", "ai"),
];

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("copies-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn quiet(_: Progress) {}

fn copies(training: usize, through: &[Preset], seed: u64) -> CopyOptions {
    CopyOptions {
        training,
        channel: Channel::without_ffmpeg(Preset::Wide),
        through: through
            .iter()
            .map(|&preset| Channel::without_ffmpeg(preset))
            .collect(),
        seed,
    }
}

/// The bundled clips with their labels, or with the opposite ones.
fn bundled(folder: &Path, swapped: bool) -> CorpusOptions {
    let mut rows = String::from("file,label\n");
    for (file, label) in CLIPS {
        let other = if label == "ai" { "human" } else { "ai" };
        writeln!(rows, "{file},{}", if swapped { other } else { label }).unwrap();
    }
    let manifest = folder.join("manifest.csv");
    fs::write(&manifest, rows).unwrap();
    CorpusOptions {
        manifests: vec![ManifestSource {
            manifest,
            clips: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")),
        }],
        selection: Selection::default(),
        features: FeatureSet::Channel,
        feature_table: None,
        save_features: None,
        hold_out: None,
        copies: copies(2, &[Preset::Study], 5),
    }
}

fn clip(file: &str) -> Waveform {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(file);
    audio::decode(&fs::read(path).unwrap(), &DecodeLimits::default()).unwrap()
}

#[test]
fn a_copy_depends_on_its_key_alone() {
    let clip = clip(CLIPS[0].0);
    let channel = Channel::without_ffmpeg(Preset::Wide);
    let mut used = Filter::default();
    for key in ["a", "b", "c"] {
        let first = channel.copy(&clip, key, &mut Filter::default()).unwrap();
        let again = channel.copy(&clip, key, &mut used).unwrap();
        assert!(
            first == again,
            "{key}: buffers that were used before change the copy"
        );
        let other = channel.copy(&clip, &format!("{key}2"), &mut used).unwrap();
        assert!(first != other && first != clip);
        let samples = first.samples();
        assert!(
            samples
                .iter()
                .all(|x| (-1.0..=1.0).contains(x) && (x * 32_768.0).fract() == 0.0)
        );
        assert!(first.duration_seconds() >= 1.5);
    }
    let study = Channel::new(Preset::Study)
        .copy(&clip, "a", &mut used)
        .unwrap();
    assert_eq!(
        study.samples().len(),
        clip.samples().len(),
        "the study's channel cuts nothing"
    );
}

#[test]
fn presets_pass_their_shares_of_stages() {
    let count = |preset: Preset, stage: &str| {
        let channel = Channel::without_ffmpeg(preset);
        let has = |n: &usize| {
            channel
                .chain(&format!("clip {n}"))
                .to_string()
                .contains(stage)
        };
        (0..2_000).filter(has).count() as f64 / 2_000.0
    };
    let near = |preset, stage, share: f64| {
        let found = count(preset, stage);
        assert!((found - share).abs() < 0.04, "{preset:?} {stage}: {found}");
    };
    for preset in [Preset::Study, Preset::Wide] {
        near(preset, "low-pass", 0.24);
        near(preset, "noise at", 0.6);
        near(preset, "reverberation", 0.3);
        near(preset, "tilt", 1.0);
    }
    near(Preset::Study, "MP3", 1.0);
    for stage in [
        "128 kbit/s",
        "crop",
        "telephone",
        "Opus",
        "babble",
        "clipping",
        "through ",
    ] {
        assert_eq!(count(Preset::Study, stage), 0.0, "{stage}");
        assert!(count(Preset::Wide, stage) > 0.02, "{stage}");
    }
    near(Preset::Wide, "MP3", 0.75);
    near(Preset::Wide, "telephone", 0.12);
    for (stage, share) in [
        ("reverberation", 0.45),
        ("Opus", 0.3),
        ("times as fast", 0.1),
        ("times as high", 0.1),
    ] {
        near(Preset::Harsh, stage, share);
    }
    for stage in ["times as fast", "times as high"] {
        assert_eq!(count(Preset::Wide, stage), 0.0, "{stage}");
    }
    let channel = Channel::without_ffmpeg(Preset::Wide);
    assert_eq!(channel.to_string(), "wide, without ffmpeg");
    assert_eq!(Preset::from_name("narrow"), None);
}

#[test]
fn both_classes_get_the_same_copies_whatever_the_threads() {
    let folder = folder("classes");
    let load = |swapped: bool, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let options = bundled(&folder, swapped);
        pool.install(|| Corpus::load(&options, &quiet)).unwrap()
    };
    let first = load(false, 1);
    let swapped = load(true, 3);
    assert!(first.skipped.is_empty(), "{:?}", first.skipped);
    assert_eq!(
        (
            first.copies.len(),
            first.copies[0].len(),
            first.through.len()
        ),
        (6, 2, 1)
    );
    assert_ne!(first.is_ai(), swapped.is_ai());
    assert!(
        first.rows == swapped.rows
            && first.copies == swapped.copies
            && first.through == swapped.through
    );
    // As recorded, two training copies and the test copy are four different sounds.
    for i in 0..6 {
        let mut rows: Vec<&[f64]> = first.rows_of(i).map(Vec::as_slice).collect();
        rows.push(&first.through[0][i]);
        for a in 0..4 {
            assert!((a + 1..4).all(|b| rows[a] != rows[b]), "clip {i}");
        }
    }
}

#[test]
fn a_table_holds_copies_and_says_which_are_missing() {
    let folder = folder("table");
    let mut options = bundled(&folder, false);
    let table = folder.join("saved.jsonl");
    options.save_features = Some(table.clone());
    let computed = Corpus::load(&options, &quiet).unwrap();
    let text = fs::read_to_string(&table).unwrap();
    assert_eq!(text.lines().count(), 6 * 4);
    for key in ["#wide.5.1", "#wide.5.2", "#through.study.5"] {
        assert!(text.contains(&format!("{}{key}\"", CLIPS[0].0)), "{key}");
    }
    options.save_features = None;
    options.feature_table = Some(table);
    let read = Corpus::load(&options, &quiet).unwrap();
    assert!(
        read.rows == computed.rows
            && read.copies == computed.copies
            && read.through == computed.through
    );
    options.copies = copies(3, &[], 5);
    let error = Corpus::load(&options, &quiet).unwrap_err();
    assert!(matches!(error, TrainingError::OneClass { skipped: 6, .. }));
    let missing = format!(
        "its copy {}#wide.5.3 is not in the feature table",
        CLIPS[0].0
    );
    assert!(error.to_string().contains(&missing), "{error}");
}

/// A table of 240 clips with a row for each copy. As recorded, value 0 tells the classes apart; through the channel it
/// tells nothing, and value 1 does.
fn made_up(folder: &Path, options: CopyOptions) -> CorpusOptions {
    let mut rng = Rng::new(7, 0);
    let mut uniform = move || rng.next_u64() as f64 / u64::MAX as f64;
    let mut rows = String::from("file,label,family,kind,corpus,speaker\n");
    let mut table = String::new();
    for i in 0..240 {
        let (ai, group) = (i % 2 == 1, i / 2 % 5);
        let label = if ai { "ai" } else { "human" };
        writeln!(
            rows,
            "{i}.mp3,{label},f{group},neural-tts,source{group},s{i}"
        )
        .unwrap();
        for suffix in ["", "#wide.5.1", "#wide.5.2", "#through.study.5"] {
            let mut values: Vec<f64> = (0..8).map(|_| uniform()).collect();
            values[usize::from(!suffix.is_empty())] += if ai { 0.8 } else { 0.0 };
            let row = serde_json::json!({ "file": format!("{i}.mp3{suffix}"), "values": values });
            writeln!(table, "{row}").unwrap();
        }
    }
    fs::write(folder.join("manifest.csv"), rows).unwrap();
    fs::write(folder.join("features.jsonl"), table).unwrap();
    CorpusOptions {
        manifests: vec![ManifestSource::beside(folder.join("manifest.csv"))],
        selection: Selection::default(),
        features: FeatureSet::Channel,
        feature_table: Some(folder.join("features.jsonl")),
        save_features: None,
        hold_out: None,
        copies: options,
    }
}

fn logistic() -> EstimatorSettings {
    EstimatorSettings::Logistic(LogisticSettings {
        c: 1.0,
        ..LogisticSettings::default()
    })
}

#[test]
fn evaluation_reports_both_columns_and_copies_help_through_the_channel() {
    let folder = folder("evaluate");
    let run = |training: usize| {
        let corpus = made_up(&folder, copies(training, &[Preset::Study], 5));
        let protocols = [Protocol::Random, Protocol::LeaveFamilySourceOut];
        let report = folder.join(format!("report-{training}"));
        let options = EvaluateOptions {
            seed: 1,
            scores: Some(folder.join("scores.csv")),
            jobs: Some(2),
            ..EvaluateOptions::new(corpus, &protocols, logistic(), report)
        };
        evaluate(&options, &quiet).unwrap()
    };
    let plain = run(0);
    let report = run(2);
    for (plain, report) in plain.protocols.iter().zip(&report.protocols) {
        let (without, with) = (&plain.through[0], &report.through[0]);
        assert_eq!((without.channel, with.channel), ("study", "study"));
        assert!(
            plain.eer.value < 0.2 && without.eer.value > 0.4,
            "{without:?}"
        );
        assert!(with.eer.value < 0.3, "{with:?}");
        assert_eq!(with.groups.len(), report.groups.len());
        assert_eq!(with.kinds[0].name, "neural-tts");
        assert!(with.pooled.eer > 0.0);
    }
    let json = fs::read_to_string(folder.join("report-2/metrics.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["protocols"][1]["through"][0]["channel"], "study");
    assert_eq!(json["corpus"]["copies"]["training"], 2);
    assert_eq!(json["corpus"]["copies"]["channel"], "wide, without ffmpeg");
    let markdown = fs::read_to_string(folder.join("report-2/metrics.md")).unwrap();
    for part in [
        "| protocol | EER as recorded | AUC as recorded | EER through `study` | AUC through `study` | models fitted |",
        "Trained with 2 copies of each clip through the channel wide, without ffmpeg, seed 5.",
        "unseen engine family and unseen human source, through `study` |",
        "unseen human source, through `study`, one by one:",
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
    let scores = fs::read_to_string(folder.join("scores.csv")).unwrap();
    let of = |condition: &str| {
        scores
            .lines()
            .filter(|line| line.ends_with(condition))
            .count()
    };
    assert_eq!(of(",recorded"), of(",study"));
    assert!(of(",study") >= 480);
}

#[test]
fn a_clip_weighs_the_same_with_copies_as_without() {
    // Copies that equal the clip must not change the weights of the fit.
    let folder = folder("weight");
    let train_with = |training: usize| {
        let mut corpus = made_up(&folder, copies(training, &[], 5));
        let table = folder.join("same.jsonl");
        let mut text = String::new();
        for line in fs::read_to_string(folder.join("features.jsonl"))
            .unwrap()
            .lines()
        {
            if line.contains('#') {
                continue;
            }
            writeln!(text, "{line}").unwrap();
            for copy in 1..=2 {
                let key = format!(".mp3#wide.5.{copy}");
                writeln!(text, "{}", line.replace(".mp3", &key)).unwrap();
            }
        }
        fs::write(&table, text).unwrap();
        corpus.feature_table = Some(table);
        let options = TrainOptions {
            corpus,
            name: "weights".into(),
            version: None,
            estimator: logistic(),
            calibration_scores: None,
            out: folder.join("models"),
            model_card: None,
            jobs: Some(1),
        };
        let report = train(&options, &quiet).unwrap();
        let model =
            voxproof::model::Model::from_bytes(&fs::read(report.artifact).unwrap()).unwrap();
        let probability = |x: f64| {
            let mut values = vec![0.5; 8];
            values[0] = x;
            model.probability(&voxproof::features::FeatureVector {
                set: FeatureSet::Channel,
                values,
            })
        };
        (report.model.settings, [0.2, 0.9, 1.5].map(probability))
    };
    let (settings, plain) = train_with(0);
    assert!(!settings.contains("copies"));
    let (settings, copied) = train_with(2);
    assert!(
        settings
            .ends_with("; 2 copies of each clip through the channel wide, without ffmpeg, seed 5"),
        "{settings}"
    );
    // The calibration's targets count rows, hence the tolerance.
    for (a, b) in plain.iter().zip(copied) {
        assert!((a - b).abs() < 0.02, "{plain:?} {copied:?}");
    }
}
