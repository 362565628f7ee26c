//! The report of an evaluation, end to end on a small made-up corpus: the page and what it shares with `metrics.json`.
#![cfg(feature = "training")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use voxproof::features::FeatureSet;
use voxproof::training::rng::Rng;
use voxproof::training::{
    Channel, CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, LogisticSettings,
    ManifestSource, Preset, Progress, Protocol, Selection, evaluate,
};

/// A clip whose label is wrong, with a name that HTML must not take for its own.
const SUSPECT: &str = "clips/<odd> & \"0\".mp3";

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn quiet(_: Progress) {}

/// 240 clips of 8 families and 6 sources with their test copies, as figures of their files; the sixth of the eight values
/// tells the classes apart, with some overlap, less so in copies. Clip 0 is called human and sounds synthetic.
fn made_up(folder: &Path) -> CorpusOptions {
    let mut rng = Rng::new(11, 0);
    let mut rows = String::from(
        "file,label,engine,family,kind,corpus,speaker,sex,language,licence,duration_seconds\n",
    );
    let mut table = String::new();
    for i in 0..240 {
        let (ai, group) = (i % 2 == 1, i / 2);
        let file = match i {
            0 => SUSPECT.to_owned(),
            _ => format!("clips/{i}.mp3"),
        };
        let quoted = file.replace('"', "\"\"");
        let (language, sex) = (["en", "en", "hi"][group % 3], ["f", "m", ""][group % 3]);
        if ai {
            let family = group % 8;
            let kind = if family < 4 {
                "neural-tts"
            } else {
                "neural-codec"
            };
            writeln!(
                rows,
                "\"{quoted}\",ai,e{family},f{family},{kind},made-up,v{group},{sex},{language},mit,"
            )
        } else {
            let source = group % 6;
            writeln!(
                rows,
                "\"{quoted}\",human,,,,source{source},s{group},{sex},{language},cc-by-nc-4.0,"
            )
        }
        .unwrap();
        for (key, gap) in [
            (file.clone(), 0.8),
            (format!("{file}#through.study.42"), 0.3),
        ] {
            let mut values: Vec<f64> = (0..8).map(|_| rng.unit()).collect();
            // Bandwidth and duration: as broad and as long in both classes.
            values[2] = [3_000.0, 6_000.0, 10_000.0][group % 3];
            values[3] = 2.0 + 4.0 * values[3];
            values[5] += if ai { gap } else { 0.0 };
            values[5] = if i == 0 { 3.0 } else { values[5] };
            let row = serde_json::json!({ "file": key, "values": values });
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
        copies: CopyOptions {
            through: vec![Channel::without_ffmpeg(Preset::Study)],
            ..CopyOptions::default()
        },
    }
}

fn options(folder: &Path, jobs: usize) -> EvaluateOptions {
    let estimator = EstimatorSettings::Logistic(LogisticSettings {
        c: 1.0,
        ..LogisticSettings::default()
    });
    let protocols = [Protocol::Random, Protocol::Grouped];
    EvaluateOptions {
        learning_curve: true,
        jobs: Some(jobs),
        ..EvaluateOptions::new(
            made_up(folder),
            &protocols,
            estimator,
            folder.join("report"),
        )
    }
}

fn percent(rate: &Value) -> String {
    format!("{:.1}\u{202f}%", rate.as_f64().unwrap() * 100.0)
}

#[test]
fn the_page_shows_the_figures_of_the_json() {
    let folder = folder("page");
    evaluate(&options(&folder, 2), &quiet).unwrap();
    let page = fs::read_to_string(folder.join("report/report.html")).unwrap();
    let json: Value =
        serde_json::from_slice(&fs::read(folder.join("report/metrics.json")).unwrap()).unwrap();

    // One file that asks for nothing outside of it, for light and dark and for narrow screens.
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for outside in ["http", "<script", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for inside in [
        "prefers-color-scheme:dark",
        "width=device-width",
        "class=\"plot\"",
    ] {
        assert!(page.contains(inside), "{inside}");
    }

    for protocol in json["protocols"].as_array().unwrap() {
        let (recorded, through) = (
            &protocol["eer"]["value"],
            &protocol["through"][0]["eer"]["value"],
        );
        let control = &protocol["control"]["eer"]["value"];
        assert!(
            recorded.as_f64().unwrap() < through.as_f64().unwrap(),
            "{protocol}"
        );
        for rate in [recorded, through, control] {
            assert!(page.contains(&percent(rate)), "{rate}");
        }
        let id = protocol["protocol"].as_str().unwrap();
        let section = page
            .split_once(&format!("<section id=\"{id}\">"))
            .unwrap()
            .1;
        let section = section.split_once("</section>").unwrap().0;
        for title in [
            "Detection error trade-off",
            "Reliability",
            "Scores of both classes",
            "Kind of engine",
            "Language",
            "Licence class",
            "Sex of the speaker",
            "Bandwidth of the recording",
            "Duration",
            "MP3 bitrate",
            "Steps of the channel",
            "Engine families, one by one",
            "through study",
        ] {
            assert!(section.contains(title), "no {title} in {id}");
        }
        // The wrong label is the first suspect.
        let suspects = section.split_once("most confidently wrong").unwrap().1;
        let first = suspects.split_once("<code>").unwrap().1;
        assert!(
            first.starts_with("clips/&lt;odd&gt; &amp; &quot;0&quot;.mp3</code>"),
            "{id}"
        );
        assert_eq!(protocol["figures"]["suspects"][0]["file"], SUSPECT);
        assert!(!section.contains("<odd>"));
    }

    // Only the folds that leave families out have a map of them; every family and every source is in it.
    assert_eq!(
        page.matches("EER of each engine family against each human source, ")
            .count(),
        2
    );
    let grid = &json["protocols"][1]["figures"]["grid"];
    assert_eq!(
        (
            grid["families"].as_array().unwrap().len(),
            grid["sources"].as_array().unwrap().len()
        ),
        (8, 6)
    );
    let names = (0..8)
        .map(|n| format!(">\nf{n}\n<"))
        .chain((0..6).map(|n| format!(">\nsource{n}\n<")));
    names.for_each(|name| assert!(page.contains(&name), "{name}"));
}

#[test]
fn breakdowns_count_every_clip_once() {
    let folder = folder("breakdowns");
    evaluate(&options(&folder, 2), &quiet).unwrap();
    let json: Value =
        serde_json::from_slice(&fs::read(folder.join("report/metrics.json")).unwrap()).unwrap();
    let figures = &json["protocols"][0]["figures"];
    let rows = |figures: &Value, by: &str| -> Vec<(String, u64, u64)> {
        let breakdowns = figures["breakdowns"].as_array().unwrap();
        let found = breakdowns.iter().find(|breakdown| breakdown["by"] == by);
        let rows = found.unwrap_or_else(|| panic!("no {by}"))["rows"]
            .as_array()
            .unwrap();
        let row = |row: &Value| {
            let name = row["name"].as_str().unwrap().to_owned();
            (
                name,
                row["human"].as_u64().unwrap(),
                row["synthetic"].as_u64().unwrap(),
            )
        };
        rows.iter().map(row).collect()
    };
    let row = |name: &str, human, synthetic| (name.to_owned(), human, synthetic);
    assert_eq!(
        rows(figures, "language"),
        [row("en", 80, 80), row("hi", 40, 40)]
    );
    let sexes = [
        row("female", 40, 40),
        row("male", 40, 40),
        row("not known", 40, 40),
    ];
    assert_eq!(rows(figures, "sex"), sexes);
    assert_eq!(
        rows(figures, "bandwidth"),
        [
            row("up to 3.6 kHz", 40, 40),
            row("5 to 7 kHz", 40, 40),
            row("9 kHz and more", 40, 40)
        ]
    );
    assert_eq!(
        rows(figures, "licence"),
        [row("non-commercial", 120, 0), row("open", 0, 120)]
    );
    assert_eq!(
        rows(figures, "kind"),
        [row("neural-codec", 120, 60), row("neural-tts", 120, 60)]
    );
    let total = |by: &str, figures: &Value| -> u64 {
        rows(figures, by)
            .iter()
            .map(|(_, human, synthetic)| human + synthetic)
            .sum()
    };
    assert_eq!(total("duration", figures), 240);
    // Every copy was stored as MP3 at the end of the channel; of the files themselves no bitrate is known.
    let through = &json["protocols"][0]["through"][0]["figures"];
    assert_eq!(total("bitrate", through), 240);
    assert!(
        rows(through, "bitrate")
            .iter()
            .all(|(name, ..)| name.ends_with(" kbit/s"))
    );
    // With and without each of four steps.
    assert_eq!(total("channel", through), 4 * 240);
}

#[test]
fn more_families_are_learned_from_along_the_curve_and_threads_change_nothing() {
    let read = |jobs: usize| {
        let folder = folder(&format!("jobs{jobs}"));
        let report = evaluate(&options(&folder, jobs), &quiet).unwrap();
        (
            report,
            fs::read_to_string(folder.join("report/report.html")).unwrap(),
        )
    };
    let (report, page) = read(1);
    // Six folds of eight families: two folds test two of them, the others one.
    let families: Vec<_> = report
        .learning_curve
        .iter()
        .map(|point| point.families)
        .collect();
    let shares: Vec<_> = report
        .learning_curve
        .iter()
        .map(|point| point.share)
        .collect();
    assert_eq!(shares, [0.125, 0.25, 0.5, 1.0]);
    assert_eq!(families[0], 1.0);
    assert!((families[3] - 40.0 / 6.0).abs() < 1e-12, "{families:?}");
    assert!(families.is_sorted());
    let grouped = report
        .protocols
        .iter()
        .find(|p| p.protocol == Protocol::Grouped)
        .unwrap();
    assert_eq!(
        report.learning_curve[3].eer, grouped.eer,
        "all families are the protocol itself"
    );
    assert!(page.contains("id=\"learning-curve\""));
    let markdown = report.markdown();
    assert!(
        markdown.contains("Control, EER: ") && markdown.contains("Near 50 %"),
        "{markdown}"
    );
    assert!(
        markdown.contains("| engine families in training"),
        "{markdown}"
    );
    // The features are the control's own here, with other strength: it hears what the model hears.
    let control = grouped.control.unwrap();
    assert!(
        (control.eer.value - grouped.eer.value).abs() < 0.05,
        "{control:?}"
    );

    assert!(read(2).1 == page, "depends on the threads");
}
