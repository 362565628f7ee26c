//! Training and evaluation, end to end on a small made-up feature table.
#![cfg(feature = "training")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::features::{FeatureSet, FeatureVector};
use voxproof::model::{Estimator, Model};
use voxproof::training::rng::Rng;
use voxproof::training::{
    CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, ForestSettings, ManifestSource,
    Progress, Protocol, Selection, TrainOptions, TrainingError, evaluate, forest_fit, train,
};

/// A folder of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("training-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn quiet(_: Progress) {}

/// Manifest and feature table of 240 clips: 4 families of 30, 6 sources of 20; feature 3 tells the
/// classes apart, with some overlap; the others are noise. Speaker `s5` is held out.
fn made_up(folder: &Path) -> CorpusOptions {
    let mut rng = Rng::new(7, 0);
    let mut uniform = move || rng.next_u64() as f64 / u64::MAX as f64;
    let mut rows = String::from("file,label,engine,family,kind,corpus,speaker,language,licence\n");
    let mut table = String::new();
    for i in 0..240 {
        let ai = i % 2 == 1;
        let (file, speaker) = (format!("clips/{i}.mp3"), format!("s{}", i / 2 % 40));
        if ai {
            let family = i / 2 % 4;
            let kind = if family < 2 {
                "neural-tts"
            } else {
                "neural-vocoder"
            };
            let corpus = if family == 0 { "source0" } else { "elsewhere" };
            writeln!(
                rows,
                "{file},spoof,e{family},f{family},{kind},{corpus},{speaker},en,mit"
            )
            .unwrap();
        } else {
            writeln!(
                rows,
                "{file},bonafide,,,,source{},{speaker},hi,cc-by-nc-4.0",
                i / 2 % 6
            )
            .unwrap();
        }
        let mut values: Vec<f64> = (0..73).map(|_| uniform() * 100.0).collect();
        values[3] = uniform() + if ai { 0.8 } else { 0.0 };
        writeln!(
            table,
            "{}",
            serde_json::json!({ "file": file, "duration": 2.0, "f": values })
        )
        .unwrap();
    }
    fs::write(folder.join("manifest.csv"), rows).unwrap();
    fs::write(folder.join("features.jsonl"), table).unwrap();
    fs::write(folder.join("held_out.csv"), "speaker,reason\ns5,a test\n").unwrap();
    CorpusOptions {
        manifests: vec![ManifestSource::beside(folder.join("manifest.csv"))],
        selection: Selection::default(),
        features: FeatureSet::Classic,
        feature_table: Some(folder.join("features.jsonl")),
        save_features: None,
        hold_out: Some(folder.join("held_out.csv")),
        copies: CopyOptions::default(),
    }
}

fn small_forest(seed: u64) -> EstimatorSettings {
    EstimatorSettings::RandomForest(ForestSettings {
        trees: 30,
        seed,
        ..ForestSettings::default()
    })
}

fn train_options(folder: &Path, jobs: usize) -> TrainOptions {
    TrainOptions {
        corpus: made_up(folder),
        name: "classic".into(),
        version: None,
        estimator: small_forest(42),
        calibration_scores: None,
        out: folder.join("models"),
        model_card: None,
        jobs: Some(jobs),
    }
}

#[test]
fn training_writes_a_model_that_tells_the_classes_apart() {
    let folder = folder("end-to-end");
    let card = folder.join("CARD.md");
    fs::write(&card, "<!-- training:begin -->\n<!-- training:end -->\n").unwrap();
    let options = TrainOptions {
        model_card: Some(card.clone()),
        ..train_options(&folder, 1)
    };
    let report = train(&options, &quiet).unwrap();
    let card = fs::read_to_string(&card).unwrap();
    assert!(card.contains("117 synthetic clips"), "{card}");
    assert!(folder.join("models/classic.training.json").exists());
    assert_eq!(report.corpus.held_out, [("s5".to_string(), 6)].into());
    assert_eq!(
        (
            report.corpus.human,
            report.corpus.ai,
            report.corpus.families
        ),
        (117, 117, 4)
    );
    assert_eq!(report.corpus.licences["open"], [0, 117]);
    assert_eq!(report.corpus.licences["non-commercial"], [117, 0]);
    let model = Model::from_bytes(&fs::read(&report.artifact).unwrap()).unwrap();
    assert_eq!(model.info(), &report.model);
    let probability = |separating: f64| {
        let mut values = vec![50.0; 73];
        values[3] = separating;
        model.probability(&FeatureVector {
            set: FeatureSet::Classic,
            values,
        })
    };
    assert!(
        probability(0.1) < 0.3 && probability(1.7) > 0.7,
        "{} {}",
        probability(0.1),
        probability(1.7)
    );
}

#[test]
fn the_artifact_depends_on_the_seed_alone() {
    let bytes = |test: &str, jobs: usize, seed: u64| {
        let mut options = train_options(&folder(test), jobs);
        options.estimator = small_forest(seed);
        fs::read(train(&options, &quiet).unwrap().artifact).unwrap()
    };
    let first = bytes("seed-a", 1, 42);
    assert!(
        first == bytes("seed-b", 3, 42),
        "another number of threads gives another artifact"
    );
    assert!(
        first != bytes("seed-c", 1, 43),
        "another seed gives the same artifact"
    );
}

#[test]
fn a_saved_table_is_read_back_to_the_last_bit() {
    let folder = folder("saved-table");
    let mut options = train_options(&folder, 1);
    options.corpus.save_features = Some(folder.join("saved.jsonl"));
    let first = fs::read(train(&options, &quiet).unwrap().artifact).unwrap();
    options.corpus.feature_table = options.corpus.save_features.take();
    assert!(first == fs::read(train(&options, &quiet).unwrap().artifact).unwrap());
}

#[test]
fn evaluation_reports_every_protocol() {
    let folder = folder("evaluate");
    let card = folder.join("card.md");
    fs::write(
        &card,
        "before\n<!-- figures:begin -->\nstale\n<!-- figures:end -->\nafter\n",
    )
    .unwrap();
    let (corpus, report) = (made_up(&folder), folder.join("report"));
    let mut options = EvaluateOptions {
        scores: Some(folder.join("scores.csv")),
        model_card: Some(card.clone()),
        jobs: Some(2),
        ..EvaluateOptions::new(corpus, Protocol::QUICK, small_forest(42), report)
    };
    let report = evaluate(&options, &quiet).unwrap();
    let fits: Vec<_> = report
        .protocols
        .iter()
        .map(|p| (p.protocol.name(), p.fits))
        .collect();
    assert_eq!(
        fits,
        [
            ("random", 5),
            ("leave-family-source-out", 16),
            ("leave-corpus-out", 1)
        ]
    );
    for protocol in &report.protocols {
        assert!(
            protocol.eer.value < 0.25 && protocol.auc.value > 0.8,
            "{protocol:?}"
        );
        assert!(
            protocol.eer.low <= protocol.eer.value && protocol.eer.value <= protocol.eer.high,
            "{protocol:?}"
        );
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("report/metrics.json")).unwrap()).unwrap();
    assert_eq!(json["protocols"][1]["protocol"], "leave-family-source-out");
    let markdown = fs::read_to_string(folder.join("report/metrics.md")).unwrap();
    assert!(markdown.contains("| neural-vocoder |"), "{markdown}");
    let card = fs::read_to_string(card).unwrap();
    assert!(
        card.starts_with("before\n")
            && card.ends_with("\nafter\n")
            && card.contains(markdown.trim_end())
    );
    assert!(!card.contains("stale"));
    let scores = fs::read_to_string(folder.join("scores.csv")).unwrap();
    assert!(scores.starts_with("protocol,group,part,file,label,score,condition\nrandom,all,0,"));

    options.jobs = Some(1);
    assert_eq!(
        evaluate(&options, &quiet).unwrap().markdown(),
        report.markdown(),
        "depends on the threads"
    );
    options.disjoint_speakers = true;
    assert!(
        evaluate(&options, &quiet)
            .unwrap()
            .markdown()
            .contains("Every clip of a tested speaker")
    );
}

#[test]
fn models_learn_from_the_licences_asked_for_and_are_tested_on_all() {
    let folder = folder("licences");
    let corpus = made_up(&folder);
    // Everything under an open licence but engine f3, which has none.
    let manifest = folder.join("manifest.csv");
    let rows = fs::read_to_string(&manifest).unwrap();
    let rows: String = rows
        .lines()
        .map(|row| match row {
            f3 if f3.contains(",f3,") => f3.replace(",mit", ",") + "\n",
            other => other.replace("cc-by-nc-4.0", "mit") + "\n",
        })
        .collect();
    fs::write(&manifest, rows).unwrap();
    let run = |licences: &[&str]| {
        let scores = folder.join("scores.csv");
        let options = EvaluateOptions {
            train_licences: licences.iter().map(ToString::to_string).collect(),
            scores: Some(scores.clone()),
            ..EvaluateOptions::new(
                corpus.clone(),
                &[Protocol::LeaveFamilySourceOut],
                small_forest(42),
                folder.join("report"),
            )
        };
        let report = evaluate(&options, &quiet)?;
        Ok((report.markdown(), fs::read_to_string(scores).unwrap()))
    };
    let (_, all) = run(&[]).unwrap();
    let (report, open) = run(&["open"]).unwrap();
    assert!(report.contains("these licence classes alone: open."));
    let mut same = std::collections::BTreeMap::new();
    for (all, open) in all.lines().zip(open.lines()).skip(1) {
        let [all, open]: [Vec<&str>; 2] = [all, open].map(|row| row.split(',').collect());
        assert_eq!(all[..5], open[..5], "the same clips are tested");
        *same.entry(all[1]).or_insert(true) &= all[5] == open[5];
    }
    // Where f3 is tested it is not learned from anyway.
    assert!(same.remove("f3").unwrap());
    assert!(same.len() == 3 && same.into_values().all(|same| !same));
    let refused: Result<_, TrainingError> = run(&["none-stated"]);
    assert!(
        matches!(refused, Err(TrainingError::OneClass { human: 0, .. })),
        "{refused:?}"
    );
}

#[test]
fn folds_keep_apart_what_they_promise_to() {
    let folder = folder("folds");
    let clips = made_up(&folder).manifests[0].read().unwrap();
    let random = Protocol::Random.folds(&clips, 42);
    let mut tested: Vec<_> = random.iter().flat_map(|fold| fold.test.clone()).collect();
    tested.sort_unstable();
    assert!(
        tested.into_iter().eq(0..clips.len()),
        "every clip is tested once"
    );
    for fold in &random {
        assert_eq!(
            fold.test.iter().filter(|&&i| clips[i].is_ai()).count(),
            24,
            "stratified"
        );
    }
    assert_ne!(random, Protocol::Random.folds(&clips, 43));
    for mut fold in Protocol::LeaveFamilySourceOut.folds(&clips, 42) {
        let sources = |side: &[usize]| -> Vec<String> {
            let humans = side.iter().filter(|&&i| !clips[i].is_ai());
            humans.map(|&i| clips[i].source().to_string()).collect()
        };
        let held = sources(&fold.test);
        assert!(
            !held.is_empty()
                && sources(&fold.train)
                    .iter()
                    .all(|source| !held.contains(source))
        );
        assert!(fold.train.iter().all(|&i| clips[i].family != fold.group));
        assert!(
            fold.test
                .iter()
                .all(|&i| !clips[i].is_ai() || clips[i].family == fold.group)
        );
        assert_eq!(
            fold.train.len() + fold.test.len(),
            clips.len(),
            "every clip is used"
        );
        fold.separate_speakers(&clips);
        let tested: Vec<_> = fold
            .test
            .iter()
            .filter_map(|&i| voxproof::training::protocol::speaker(&clips[i]))
            .collect();
        let trained = fold
            .train
            .iter()
            .filter_map(|&i| voxproof::training::protocol::speaker(&clips[i]));
        assert!(
            trained
                .into_iter()
                .all(|speaker| !tested.contains(&speaker))
        );
    }
}

#[test]
fn a_fitted_tree_has_the_class_proportions_of_its_leaves() {
    // One tree of depth 1 on one feature: P(AI) on either side is that side's share in the bootstrap
    // sample, so over many trees its mean is the share in the data.
    let rows: Vec<Vec<f64>> = (0..200).map(|i| vec![f64::from(i)]).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    // 25 % synthetic below 100, 90 % above.
    let is_ai: Vec<bool> = (0..200)
        .map(|i| if i < 100 { i % 4 == 0 } else { i % 10 != 0 })
        .collect();
    let settings = ForestSettings {
        trees: 400,
        max_depth: 1,
        ..ForestSettings::default()
    };
    let fitted = forest_fit::fit(&rows, &is_ai, &settings).unwrap();
    let Estimator::RandomForest(forest) = &fitted.estimator else {
        panic!("not a forest")
    };
    assert_eq!(
        (forest.trees(), forest.nodes()),
        (400, 1200),
        "a depth of 1 is one test"
    );
    let p = [20.0, 180.0].map(|x| fitted.probability(&[x]));
    assert!(
        (p[0] - 0.25).abs() < 0.02 && (p[1] - 0.9).abs() < 0.02,
        "{p:?}"
    );
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let folder = folder("bad-table");
    let mut options = train_options(&folder, 1);
    let mut message = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        options.corpus.feature_table = Some(path);
        match train(&options, &quiet).unwrap_err() {
            TrainingError::Manifest {
                line,
                column,
                problem,
                ..
            } => format!("{line} {column} {problem}"),
            other => other.to_string(),
        }
    };
    assert_eq!(
        message("short.jsonl", "{\"file\":\"a\",\"values\":[1,2]}\n"),
        "1 values 2 values; the set 'classic' has 73"
    );
    let name = &FeatureSet::Classic.names()[1];
    let values = format!("1,null{}", ",0".repeat(71));
    let expected = format!("2 {name} it is not a finite number");
    assert_eq!(
        message(
            "null.jsonl",
            &format!("\n{{\"file\":\"a\",\"values\":[{values}]}}\n")
        ),
        expected
    );
    let csv = format!(
        "file,{}\na,1,x{}\n",
        FeatureSet::Classic.names().join(","),
        ",0".repeat(71)
    );
    assert_eq!(message("text.csv", &csv), expected);
    // Every clip is missing from an empty table: nothing is left, and the message says why.
    assert!(
        message("empty.jsonl", "")
            .contains("234 were skipped; clips/0.mp3: not in the feature table")
    );
}

#[test]
fn clips_that_cannot_be_read_are_listed() {
    let folder = folder("unreadable");
    let mut options = train_options(&folder, 1);
    let table = fs::read_to_string(folder.join("features.jsonl")).unwrap();
    fs::write(
        folder.join("features.jsonl"),
        table.split_once('\n').unwrap().1,
    )
    .unwrap();
    let report = train(&options, &quiet).unwrap();
    assert_eq!(report.corpus.skipped.len(), 1);
    assert_eq!(report.corpus.skipped[0].file, "clips/0.mp3");
    // From audio: the files do not exist.
    options.corpus.feature_table = None;
    let error = train(&options, &quiet).unwrap_err();
    assert!(
        matches!(
            error,
            TrainingError::OneClass {
                human: 0,
                ai: 0,
                skipped: 234,
                ..
            }
        ),
        "{error}"
    );
}
