//! Corpora of several manifests: what shares a group stays together, what is not wanted is counted.
#![cfg(feature = "training")]

mod audio_support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use voxproof::audio::SAMPLE_RATE;
use voxproof::features::FeatureSet;
use voxproof::model::Model;
use voxproof::training::CorpusSummary;
use voxproof::training::audit::{Reason, audit};
use voxproof::training::manifest::{self, Clip, Label};
use voxproof::training::rng::Rng;
use voxproof::training::{
    CopyOptions, Corpus, CorpusOptions, ManifestSource, Progress, Protocol, ScoreOptions,
    Selection, TrainingError, score,
};

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("selection-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn quiet(_: Progress) {}

/// 60 human clips of 6 sources and 60 synthetic ones of 3 families, ten copies among them; every
/// third clip shares a split group with nine others, of either class.
fn grouped() -> Vec<Clip> {
    (0..120)
        .map(|i| {
            let label = if i % 2 == 1 { Label::Ai } else { Label::Human };
            let mut clip = Clip::new(format!("{i}.wav"), label);
            clip.corpus = format!("source{}", i / 2 % 6);
            if i % 2 == 1 {
                clip.family = format!("f{}", i / 2 % 3);
                let kind = if i % 12 == 11 {
                    "copy-synthesis"
                } else {
                    "neural-tts"
                };
                clip.kind = kind.into();
            }
            if i % 3 == 0 {
                clip.split_group = format!("g{}", i / 3 % 4);
            }
            clip
        })
        .collect()
}

#[test]
fn split_groups_never_stand_on_both_sides_and_copies_are_never_tested() {
    let clips = grouped();
    for &protocol in Protocol::ALL {
        let folds = protocol.folds(&clips, 42);
        assert!(!folds.is_empty(), "{}", protocol.name());
        let mut grouped_tests = 0;
        for fold in folds {
            assert!(fold.test.iter().all(|&i| !clips[i].is_copy()));
            assert!(!fold.test.is_empty() && !fold.train.is_empty());
            let group = |&i: &usize| Some(&clips[i].split_group).filter(|g| !g.is_empty());
            let tested: Vec<_> = fold.test.iter().filter_map(group).collect();
            grouped_tests += tested.len();
            assert!(
                fold.train
                    .iter()
                    .filter_map(group)
                    .all(|g| !tested.contains(&g))
            );
        }
        assert!(grouped_tests > 0, "the test shows nothing");
    }
    // Random folds stay balanced although groups go to one as a whole.
    for fold in Protocol::Random.folds(&clips, 42) {
        let humans = fold.test.iter().filter(|&&i| !clips[i].is_ai()).count();
        assert!((10..=14).contains(&humans), "{humans}");
    }
}

#[test]
fn corpora_of_a_set_are_judged_one_by_one_and_left_out_together() {
    // Seven corpora of 8 + 8, one of 8 + 7, and a speaker that the first one shares with what is never judged.
    let mut clips: Vec<Clip> = (0..8 * 16 - 1)
        .map(|i| {
            let mut clip = grouped()[i % 2].clone();
            clip.label = if i % 2 == 0 { Label::Human } else { Label::Ai };
            (clip.corpus, clip.split_group) = (format!("c{}", i / 16), String::new());
            clip.speaker = format!("s{i}");
            clip
        })
        .collect();
    for i in [0, 127] {
        let mut clip = clips[0].clone();
        clip.corpus = if i == 0 { "c0" } else { "unknown" }.into();
        clip.split_group = "somebody".into();
        clips.push(clip);
    }
    let folds = Protocol::GroupedCorpora.divide(&clips, 42, true).unwrap();
    let mut names: Vec<_> = folds.iter().map(|fold| fold.group.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
    let mut sets = [0; 6];
    for fold in &folds {
        sets[fold.part] += 1;
        assert!(fold.test.iter().all(|&i| clips[i].corpus == fold.group));
        assert!(!fold.train.is_empty());
        for other in folds.iter().filter(|other| other.part == fold.part) {
            assert_eq!(fold.train, other.train);
            assert!(fold.train.iter().all(|&i| clips[i].corpus != other.group));
        }
        let with_somebody = fold.train.contains(&(clips.len() - 1));
        let of_the_first = folds.iter().any(|f| f.group == "c0" && f.part == fold.part);
        assert_eq!(with_somebody, !of_the_first, "{}", fold.group);
    }
    sets.sort_unstable();
    assert_eq!(sets, [1, 1, 1, 1, 1, 2]);
    // They stand in sets, one after the other.
    assert!(folds.is_sorted_by_key(|fold| fold.part));
}

#[test]
fn a_group_is_the_corpus_or_speaker_of_its_name_in_manifests_without_groups() {
    let mut clips = grouped();
    for clip in &mut clips {
        clip.split_group.clear();
    }
    clips[0].split_group = "lj".into();
    clips[3].speaker = "lj".into();
    let mut folds = Protocol::Random.folds(&clips, 1);
    let fold = folds
        .iter_mut()
        .find(|fold| fold.test.contains(&0))
        .unwrap();
    fold.train.push(3);
    fold.separate_speakers(&clips);
    assert!(!fold.train.contains(&3));
}

fn write_corpus(folder: &Path, name: &str, rows: &str) -> ManifestSource {
    let manifest = folder.join(name);
    let header = "file,label,kind,licence,repo,split_group,duration_seconds,note\n";
    fs::write(&manifest, format!("{header}{rows}")).unwrap();
    ManifestSource::beside(manifest)
}

#[test]
fn what_is_left_out_is_counted_and_sources_are_listed() {
    let folder = folder("left-out");
    let first = write_corpus(
        &folder,
        "a.csv",
        "h1.wav,human,,cc0-1.0,x/y,,2.5,said\nh2.wav,human,,CC-BY-NC-4.0,x/y,,,\na1.wav,ai,neural-tts,GPL-3+,x/z,,,\n\
         a2.wav,ai,copy-synthesis,mit,x/z,h1,,\na3.wav,ai,neural-tts,mit,x/z,,,\n",
    );
    fs::create_dir_all(folder.join("b")).unwrap();
    let second = write_corpus(
        &folder.join("b"),
        "manifest.csv",
        "h3.wav,human,,none-stated,,,,\n",
    );
    fs::write(
        folder.join("b/packages.csv"),
        "package,version\nflite,2.2-5\n",
    )
    .unwrap();
    fs::write(
        folder.join("drop.csv"),
        "file,reason,other\na3.wav,near-duplicate,a1.wav\n",
    )
    .unwrap();
    let mut table = String::new();
    for file in ["h1", "h2", "h3", "a1", "a2", "a3"] {
        let row = serde_json::json!({ "file": format!("{file}.wav"), "f": vec![0.5; 73] });
        writeln!(table, "{row}").unwrap();
    }
    fs::write(folder.join("f.jsonl"), table).unwrap();
    let mut options = CorpusOptions {
        copies: CopyOptions::default(),
        manifests: vec![first.clone(), second],
        selection: Selection {
            drop: vec![folder.join("drop.csv")],
            exclude_kinds: vec!["copy-synthesis".into(), "nonesuch".into()],
            licences: vec!["open".into(), "share-alike".into()],
        },
        features: FeatureSet::Classic,
        feature_table: Some(folder.join("f.jsonl")),
        save_features: None,
        hold_out: None,
    };
    let corpus = Corpus::load(&options, &quiet).unwrap();
    let files: Vec<_> = corpus.clips.iter().map(|clip| clip.file.as_str()).collect();
    assert_eq!(files, ["h1.wav", "a1.wav"]);
    assert_eq!(corpus.clips[0].duration_seconds, Some(2.5));
    assert_eq!(corpus.clips[0].note, "said");
    let counts = [
        ("kind copy-synthesis", 1),
        ("kind nonesuch", 0),
        ("licence: non-commercial", 1),
        ("licence: none stated", 1),
        ("near-duplicate", 1),
    ];
    let counts = counts.map(|(reason, n)| (reason.to_string(), n));
    assert_eq!(corpus.left_out, counts.into());
    let summary = CorpusSummary::new(&corpus);
    assert_eq!(summary.packages["flite"], "2.2-5");
    assert_eq!(summary.repositories["x/y"], 1);
    assert!(summary.markdown().contains("near-duplicate (1)"));

    options.manifests = vec![first.clone(), first];
    let error = Corpus::load(&options, &quiet).unwrap_err();
    assert!(
        matches!(error, TrainingError::AmbiguousFile { .. }),
        "{error}"
    );
}

#[test]
fn contradictions_in_a_manifest_are_refused() {
    let message = |row: &str| {
        let text = format!("file,label,kind,duration_seconds\n{row}\n");
        manifest::parse(Path::new("m.csv"), text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(message("a.wav,human,copy-synthesis,1").contains("its label is ai"));
    assert!(message("a.wav,human,,long").contains("'long' is not a number of seconds"));
}

/// Something like speech: vowels of changing pitch and formant, syllables, breath.
fn babble(seed: u64, seconds: f64) -> Vec<f32> {
    let mut rng = Rng::new(seed, 0);
    let mut uniform = move || rng.next_u64() as f64 / u64::MAX as f64;
    let rate = f64::from(SAMPLE_RATE);
    let (mut samples, mut phase) = (Vec::new(), 0.0f64);
    while (samples.len() as f64) < seconds * rate {
        let (pitch, formant, length) = (
            90.0 + 120.0 * uniform(),
            300.0 + 1500.0 * uniform(),
            0.08 + 0.2 * uniform(),
        );
        let count = (length * rate) as usize;
        for n in 0..count {
            phase += pitch / rate;
            let envelope = (std::f64::consts::PI * n as f64 / count as f64).sin();
            let voiced: f64 = (1..20)
                .map(|h| {
                    let away = (f64::from(h) * pitch - formant) / 300.0;
                    (std::f64::consts::TAU * f64::from(h) * phase).sin() * (-away * away).exp()
                })
                .sum();
            samples.push((0.1 * envelope * voiced + 0.002 * (uniform() - 0.5)) as f32);
        }
    }
    samples
}

/// 16-bit mono WAV at 22,050 Hz.
fn wav(samples: &[f32]) -> Vec<u8> {
    audio_support::wav_of(samples.iter().map(|x| (x * 32767.0) as i16))
}

#[test]
fn the_audit_finds_copies_silence_and_what_cannot_be_read() {
    let folder = folder("audit");
    let (first, second) = (babble(1, 3.0), babble(2, 3.0));
    // Quieter, 8 bits' worth of noise, cut by 0.3 s at the front: another encoding of the same.
    let mut rng = Rng::new(3, 0);
    let noisy = |x: &f32| x * 0.4 + ((rng.below(1000) as f32) / 1000.0 - 0.5) * 0.003;
    let again: Vec<f32> = first[6_615..].iter().map(noisy).collect();
    let silence = vec![0.0001; 40_000];
    let files = [
        ("a.wav", wav(&first)),
        ("b.wav", wav(&second)),
        ("c.wav", wav(&again)),
        ("d.wav", wav(&second)),
        ("e.wav", wav(&silence)),
        ("f.wav", wav(&babble(4, 0.3)[..9_000])),
        ("g.wav", b"no audio".to_vec()),
    ];
    let mut rows = String::from("file,label\n");
    for (name, bytes) in &files {
        fs::write(folder.join(name), bytes).unwrap();
        let label = if *name == "d.wav" { "ai" } else { "human" };
        writeln!(rows, "{name},{label}").unwrap();
    }
    fs::write(folder.join("m.csv"), rows).unwrap();
    let source = ManifestSource::beside(folder.join("m.csv"));
    let findings = audit(&[source], Some(2), &quiet).unwrap();
    let found: Vec<_> = findings
        .iter()
        .map(|f| (f.file.as_str(), f.reason))
        .collect();
    assert_eq!(
        found,
        [
            ("b.wav", Reason::ContradictingLabels),
            ("c.wav", Reason::NearDuplicate),
            ("d.wav", Reason::ContradictingLabels),
            ("e.wav", Reason::NearSilent),
            ("f.wav", Reason::Short),
            ("g.wav", Reason::Unreadable),
        ]
    );
    assert_eq!(findings[1].other, "a.wav");
}

#[test]
fn an_existing_model_is_judged_and_its_scores_suit_the_arena() {
    let folder = folder("score");
    let model = Model::embedded("classic").unwrap();
    let mut table = String::new();
    let mut rows = String::from("file,label,family,kind,language\n");
    for i in 0..40 {
        let ai = i % 2 == 1;
        let label = if ai {
            "spoof,f,neural-tts"
        } else {
            "bonafide,,"
        };
        writeln!(rows, "with space/{i}.wav,{label},en").unwrap();
        let values: Vec<f64> = (0..73).map(|k| f64::from(i * 7 + k)).collect();
        let row = serde_json::json!({ "file": format!("with space/{i}.wav"), "f": values });
        writeln!(table, "{row}").unwrap();
    }
    fs::write(folder.join("m.csv"), &rows).unwrap();
    fs::write(folder.join("f.jsonl"), table).unwrap();
    let options = ScoreOptions {
        attacks: 0,
        corpus: CorpusOptions {
            copies: CopyOptions::default(),
            manifests: vec![ManifestSource::beside(folder.join("m.csv"))],
            selection: Selection::default(),
            features: FeatureSet::Dynamic,
            feature_table: Some(folder.join("f.jsonl")),
            save_features: None,
            hold_out: None,
        },
        report: Some(folder.join("report")),
        scores: Some(folder.join("scores.csv")),
        scores_arena: Some(folder.join("arena.txt")),
        seed: 42,
        jobs: Some(1),
    };
    let report = score(&model, &options, &quiet).unwrap();
    assert_eq!(
        report.model.name, "classic",
        "its own features, not those of the options"
    );
    assert!(report.eer.is_some() && report.calibration_error.is_some());
    assert_eq!((report.families.len(), report.languages.len()), (1, 1));
    assert_eq!(report.families[0].clips, 20);
    let json = fs::read(folder.join("report/metrics.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["model"]["name"], "classic");
    assert!(
        fs::read_to_string(folder.join("report/metrics.md"))
            .unwrap()
            .contains("| neural-tts | 20 |")
    );
    // Names with spaces stand in quotation marks; bona fide is large.
    let arena = fs::read_to_string(folder.join("arena.txt")).unwrap();
    let scores = fs::read_to_string(folder.join("scores.csv")).unwrap();
    let (line, row) = (
        arena.lines().next().unwrap(),
        scores.lines().nth(1).unwrap(),
    );
    let bonafide: f64 = line
        .strip_prefix("\"with space/0.wav\" ")
        .unwrap()
        .parse()
        .unwrap();
    let ai: f64 = row
        .strip_prefix("with space/0.wav,human,")
        .unwrap()
        .parse()
        .unwrap();
    assert!((bonafide + ai - 1.0).abs() < 1e-12, "{line} {row}");

    // One class alone is judged too, without the rates that need both.
    let only_ai: String = rows
        .lines()
        .filter(|line| !line.contains("bonafide"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(folder.join("m.csv"), only_ai).unwrap();
    let report = score(&model, &options, &quiet).unwrap();
    assert!(report.eer.is_none() && report.found_at_threshold.is_some());
}
