//! The network's training, from spectrograms to an artifact that is served, on made-up sounds.
#![cfg(feature = "training")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::model::Model;
use voxproof::model::network::{RunScratch, Runner};
use voxproof::training::network::architecture::BANDS;
use voxproof::training::network::{
    Architecture, Example, NetworkSettings, Spectrogram, fit, spectrogram_table,
};
use voxproof::training::rng::Rng;
use voxproof::training::{
    CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, ExportOptions, ManifestSource,
    Progress, Protocol, Selection, TrainOptions, evaluate, export, train,
};

fn quiet(_: Progress) {}

/// Noise whose level beats every eight frames in the upper bands, in one class.
fn sound(ai: bool, seed: u64) -> Spectrogram {
    let mut rng = Rng::new(seed, 5);
    let mut logs = Vec::new();
    for frame in 0..270 {
        let beat = if ai && frame / 4 % 2 == 0 { 3.0 } else { 0.0 };
        logs.extend((0..BANDS).map(|band| {
            let upper = if band > 40 { beat } else { 0.0 };
            (rng.between(-2.0, 2.0) - 6.0 + upper) as f32
        }));
    }
    Spectrogram::new(&logs)
}

fn settings(steps: usize) -> NetworkSettings {
    NetworkSettings {
        width: 8,
        steps,
        batch: 8,
        ..NetworkSettings::default()
    }
}

#[test]
fn a_short_fit_tells_two_textures_apart_and_repeats_to_the_bit() {
    let sounds: Vec<Spectrogram> = (0..16).map(|i| sound(i % 2 == 1, i)).collect();
    let examples: Vec<Example> = (0..12)
        .map(|i| Example {
            recorded: &sounds[i],
            copies: &[],
            is_ai: i % 2 == 1,
            group: "all",
            language: "",
        })
        .collect();
    let fitted = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let average = NetworkSettings {
            average: true,
            ..settings(40)
        };
        pool.install(|| fit(&Architecture::of_width(16), &examples, &average, &|_, _| {}).unwrap())
    };
    let network = fitted(1);
    assert_eq!(network, fitted(2));
    assert_eq!(network.defect(), None);
    let runner = Runner::new(&network).unwrap();
    let logits: Vec<f64> = sounds[12..]
        .iter()
        .map(|sound| runner.windows(&sound.logs(), &mut RunScratch::default())[0].logit)
        .collect();
    for pair in logits.chunks(2) {
        assert!(pair[1] > pair[0] + 0.5, "{logits:?}");
    }
    let odd = fit(
        &Architecture::of_width(16),
        &examples,
        &NetworkSettings {
            batch: 7,
            ..settings(1)
        },
        &|_, _| {},
    );
    assert!(odd.unwrap_err().to_string().contains("an even number"));
}

/// A manifest of two families and two sources of nine clips each, and their table.
fn corpus(folder: &Path) -> CorpusOptions {
    let mut rows = String::from("file,label,family,corpus,speaker\n");
    let mut sounds = Vec::new();
    for i in 0..36_u64 {
        let ai = i % 2 == 1;
        let label = if ai { "ai" } else { "human" };
        let group = i / 2 % 2;
        writeln!(rows, "{i}.wav,{label},f{group},c{group},s{i}").unwrap();
        sounds.push((format!("{i}.wav"), sound(ai, i)));
    }
    let (manifest, table) = (folder.join("manifest.csv"), folder.join("sounds.bin"));
    fs::write(&manifest, rows).unwrap();
    let keyed: Vec<_> = sounds
        .iter()
        .map(|(key, sound)| (key.clone(), sound))
        .collect();
    spectrogram_table::write(&table, &keyed).unwrap();
    CorpusOptions {
        manifests: vec![ManifestSource::beside(manifest)],
        selection: Selection::default(),
        features: voxproof::features::FeatureSet::Classic,
        feature_table: Some(table),
        save_features: Some(folder.join("again.bin")),
        hold_out: None,
        copies: CopyOptions::default(),
    }
}

#[test]
fn grouped_scores_calibrate_a_network_that_is_served() {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network-fit");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let corpus = corpus(&folder);
    let scores = folder.join("scores.csv");
    let report = evaluate(
        &EvaluateOptions {
            seed: 1,
            disjoint_speakers: true,
            scores: Some(scores.clone()),
            jobs: Some(2),
            ..EvaluateOptions::new(
                corpus.clone(),
                &[Protocol::Grouped],
                EstimatorSettings::Network(settings(24)),
                folder.join("report"),
            )
        },
        &quiet,
    )
    .unwrap();
    // Two families and two sources fill two of the six sets.
    let grouped = &report.protocols[0];
    assert_eq!((grouped.fits, grouped.groups.len()), (2, 2));
    assert!(grouped.eer.value < 0.2, "{:?}", grouped.eer);
    assert_eq!(
        fs::read(folder.join("again.bin")).unwrap(),
        fs::read(folder.join("sounds.bin")).unwrap()
    );
    let report = train(
        &TrainOptions {
            corpus,
            name: "net".into(),
            version: None,
            estimator: EstimatorSettings::Network(settings(24)),
            calibration_scores: Some(scores),
            out: folder.join("models"),
            model_card: None,
            jobs: Some(2),
        },
        &quiet,
    )
    .unwrap();
    let model = Model::from_bytes(&fs::read(report.artifact).unwrap()).unwrap();
    assert_eq!(
        (
            model.info().estimator.as_str(),
            model.info().features.as_str()
        ),
        ("network", "bands")
    );
    let probability = |sound: &Spectrogram| {
        let windows = model.networks().unwrap().runners()[0]
            .windows(&sound.logs(), &mut RunScratch::default());
        let mean = windows.iter().map(|window| window.logit).sum::<f64>() / windows.len() as f64;
        model.fuse(Some(mean), None)
    };
    assert!(probability(&sound(true, 90)) > 0.5 && probability(&sound(false, 91)) < 0.5);
}

#[test]
fn an_export_divides_as_an_evaluation_and_names_what_the_table_holds() {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network-export");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let corpus = corpus(&folder);
    let table = corpus.save_features.clone().unwrap();
    let options = ExportOptions {
        corpus,
        protocol: Some(Protocol::Grouped),
        disjoint_speakers: true,
        seed: 1,
        out: folder.join("corpus.json"),
        jobs: Some(1),
    };
    let exported = export(&options, &quiet).unwrap();
    let text = fs::read_to_string(&options.out).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["conditions"], serde_json::json!(["recorded"]));
    assert_eq!(document["clips"].as_array().unwrap().len(), 36);
    let rows = spectrogram_table::read(&table).unwrap();
    for clip in &exported.clips {
        assert!(clip.tested.iter().all(|key| rows.contains_key(key)));
        assert_eq!(clip.ai, clip.group.starts_with('f'));
    }
    assert_eq!(exported.folds.len(), 2);
    for fold in exported.folds.iter().map(|exported| &exported.fold) {
        assert_eq!(fold.test.len(), 18);
        let tested: Vec<&str> = fold
            .test
            .iter()
            .map(|&i| exported.clips[i].group.as_str())
            .collect();
        let apart = |&i: &usize| !tested.contains(&exported.clips[i].group.as_str());
        assert!(!fold.train.is_empty() && fold.train.iter().all(apart));
    }
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-table.bin");
    fs::write(&path, "file,label\n").unwrap();
    let error = spectrogram_table::read(&path).unwrap_err().to_string();
    assert!(error.contains("not a table of spectrograms"), "{error}");
}
