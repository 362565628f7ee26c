//! The command line as its users meet it: the real binary, real clips, exit codes and output.
#![cfg(feature = "server")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const HUMAN: &str = "tests/data/human/en_librispeech_2952.mp3";
const AI: &str = "tests/data/ai/en_valle_ms1.mp3";

fn voxproof(args: &[&str]) -> Output {
    command(args).output().expect("the binary starts")
}

/// The binary in an environment that does not leak the developer's own settings into it.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxproof"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    for variable in [
        "API_KEY",
        "HOST",
        "PORT",
        "THRESHOLD",
        "CORS_ORIGINS",
        "MAX_BODY_BYTES",
    ] {
        command.env_remove(variable);
    }
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8 output")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8 output")
}

fn json_lines(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect()
}

#[cfg(feature = "training")]
#[test]
fn the_networks_of_an_artifact_are_packed_anew() {
    let folder = folder("packed-anew");
    let pack = |weights: &str, more: &[&str]| {
        let out = folder.to_str().expect("UTF-8");
        voxproof(&[&["pack-network", weights, "--out", out], more].concat())
    };
    let packed = pack("models/default.bin", &["--name", "alone"]);
    assert!(packed.status.success(), "{}", stderr(&packed));
    let info: Value = serde_json::from_str(stdout(&packed)).expect("JSON");
    assert_eq!(info["features"], "bands");
    let alone = folder.join("alone.bin");
    let alone = alone.to_str().expect("UTF-8");

    // Of the artifact that came out the same weights are taken again, to the byte.
    let again = pack(alone, &["--name", "alone"]);
    let again: Value = serde_json::from_str(stdout(&again)).expect("JSON");
    assert_eq!(again["sha256"], info["sha256"]);
    assert_eq!(again["training_data"], info["training_data"]);

    // Beside another model of features.
    let fusion = folder.join("fusion.json");
    std::fs::write(&fusion, r#"{"parts": ["embedding", "tdnn", "classic"], "weights": [1, 0.5, 0.5], "slope": 1, "offset": 0, "given_weights": true}"#)
        .expect("a writable folder");
    let fusion = ["--fusion", fusion.to_str().expect("UTF-8")];
    let both = pack(
        alone,
        &[
            &["--name", "both", "--features", "models/classic.bin"],
            &fusion[..],
        ]
        .concat(),
    );
    let both: Value =
        serde_json::from_str(stdout(&both)).unwrap_or_else(|_| panic!("{}", stderr(&both)));
    assert_eq!(both["features"], "bands + classic");

    // With what the report beside the model of features tells of the data, which goes into a card too.
    let card = folder.join("CARD.md");
    std::fs::write(
        &card,
        "# Card\n<!-- training:begin -->\nold\n<!-- training:end -->\nend\n",
    )
    .expect("a writable folder");
    let told = [
        ["--name", "told"],
        ["--features", "models/classic.bin"],
        ["--training", "models/classic.training.json"],
        ["--model-card", card.to_str().expect("UTF-8")],
        fusion,
    ]
    .concat();
    let packed = pack(alone, &told);
    assert!(packed.status.success(), "{}", stderr(&packed));
    let read = |path: &Path| -> Value {
        let text = std::fs::read_to_string(path).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    };
    let (report, features) = (
        read(&folder.join("told.training.json")),
        read(Path::new("models/classic.training.json")),
    );
    assert_eq!(report["corpus"], features["corpus"]);
    let info: Value = serde_json::from_str(stdout(&packed)).expect("JSON");
    assert_eq!(report["model"], info);
    let text = std::fs::read_to_string(&card).expect("a card");
    assert!(
        text.contains("1231 human clips") && !text.contains("old") && text.ends_with("\nend\n"),
        "{text}"
    );
    let mut untold = told.clone();
    untold[5] = HUMAN;
    let refused = pack(alone, &untold);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains(HUMAN), "{}", stderr(&refused));

    // Several networks, without a fusion in equal shares.
    let twice = voxproof(&[
        "pack-network",
        alone,
        alone,
        "--name",
        "twice",
        "--out",
        folder.to_str().expect("UTF-8"),
    ]);
    let info: Value =
        serde_json::from_str(stdout(&twice)).unwrap_or_else(|_| panic!("{}", stderr(&twice)));
    assert_eq!(info["features"], "bands");
    assert_eq!(info["estimator"], "networks");
    for (weights, expected) in [
        ("models/classic.bin", "no network in it"),
        (HUMAN, "expected value"),
    ] {
        let refused = pack(weights, &["--name", "refused"]);
        assert_eq!(refused.status.code(), Some(2));
        let text = stderr(&refused);
        assert!(text.contains(weights) && text.contains(expected), "{text}");
    }
    assert!(!folder.join("refused.bin").exists());
}

/// A folder of this test's own, emptied first.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a writable target folder");
    path
}

#[test]
fn detect_prints_one_line_a_file() {
    let output = voxproof(&["detect", HUMAN, AI]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 2);
    for (line, file) in lines.iter().zip([HUMAN, AI]) {
        let (verdict, rest) = line.split_once(' ').expect("verdict, confidence, file");
        assert!(verdict == "HUMAN" || verdict == "AI_GENERATED", "{line}");
        let (confidence, name) = rest.split_once("  ").expect("two spaces before the file");
        assert!(
            (0.0..=1.0).contains(&confidence.parse::<f64>().expect("a number")),
            "{line}"
        );
        assert_eq!(confidence.len(), 4, "two decimals: {line}");
        assert_eq!(name, file);
    }
    assert!(!stdout(&output).contains('\x1b'), "no colours in a pipe");
    assert!(
        stderr(&output).is_empty(),
        "no progress bar in a pipe: {}",
        stderr(&output)
    );
}

#[test]
fn detect_json_has_the_documented_members_and_agrees_with_itself() {
    let output = voxproof(&["detect", "--json", "--language", "Tamil", HUMAN, AI]);
    assert_eq!(output.status.code(), Some(0));
    for (row, file) in json_lines(&output).iter().zip([HUMAN, AI]) {
        let mut keys: Vec<_> = row
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "ai_probability",
                "classification",
                "confidence",
                "duration_seconds",
                "evidence",
                "evidence_baseline",
                "file",
                "inconclusive",
                "language",
                "model",
                "out_of_distribution",
                "warnings"
            ]
        );
        assert_eq!(row["file"], file);
        assert_eq!(row["language"], "ta");
        let p = row["ai_probability"].as_f64().expect("a number");
        let is_ai = row["classification"] == "AI_GENERATED";
        assert_eq!(is_ai, p > 0.5);
        let named = if is_ai { p } else { 1.0 - p };
        assert!((row["confidence"].as_f64().expect("a number") - named).abs() <= 0.005 + 1e-9);
    }
}

#[test]
fn segments_are_shown_only_when_asked_for() {
    let rows = json_lines(&voxproof(&["detect", "--json", "--segments", HUMAN]));
    let segments = rows[0]["segments"].as_array().expect("segments");
    assert!(!segments.is_empty());
    let duration = rows[0]["duration_seconds"].as_f64().expect("a number");
    // A clip longer than 4 s: 3 s every second, the last one up to the clip's end.
    let starts: Vec<f64> = segments
        .iter()
        .map(|s| s["start"].as_f64().expect("a number"))
        .collect();
    assert!(starts.len() >= 3 && starts[0] == 0.0, "{starts:?}");
    assert!(
        starts
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= 1.0 && pair[1] > pair[0]),
        "{starts:?}"
    );
    assert!(
        segments
            .iter()
            .all(|s| s["end"].as_f64().expect("a number") <= duration + 1e-9)
    );
    assert!(stdout(&voxproof(&["detect", "--segments", HUMAN])).contains("P(AI)"));
}

#[test]
fn standard_input_is_judged_like_the_file() {
    let mut child = command(&["detect", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&std::fs::read(AI).expect("the clip"))
        .expect("it reads");
    let mut from_stdin = json_lines(&child.wait_with_output().expect("it ends"));
    let mut from_file = json_lines(&voxproof(&["detect", "--json", AI]));
    assert_eq!(from_stdin[0]["file"], "-");
    from_stdin[0]["file"] = Value::Null;
    from_file[0]["file"] = Value::Null;
    assert_eq!(from_stdin, from_file);
}

#[test]
fn folders_are_walked_in_order_and_other_files_left_alone() {
    let dir = folder("walk");
    std::fs::create_dir(dir.join("b")).expect("a folder");
    std::fs::copy(HUMAN, dir.join("b/Two.MP3")).expect("a copy");
    std::fs::copy(AI, dir.join("a.mp3")).expect("a copy");
    std::fs::write(dir.join("notes.txt"), "not audio").expect("a file");
    let output = voxproof(&["detect", "--json", dir.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let names: Vec<_> = json_lines(&output)
        .iter()
        .map(|r| r["file"].as_str().expect("a name").to_owned())
        .collect();
    assert!(
        names[0].ends_with("a.mp3") && names[1].ends_with("Two.MP3") && names.len() == 2,
        "{names:?}"
    );
}

#[test]
fn many_files_keep_their_order() {
    let files: Vec<_> = (0..21)
        .map(|i| if i % 3 == 0 { AI } else { HUMAN })
        .collect();
    let output = voxproof(&[&["detect"], files.as_slice()].concat());
    let judged: Vec<_> = stdout(&output)
        .lines()
        .filter_map(|l| l.split("  ").nth(1))
        .collect();
    assert_eq!(judged, files);
}

#[test]
fn a_bad_file_is_told_and_the_rest_judged() {
    let dir = folder("bad");
    let text = dir.join("text.mp3");
    std::fs::write(&text, "this is not audio").expect("a file");
    let text = text.to_str().expect("UTF-8");
    let output = voxproof(&["detect", text, "no/such/file.mp3", HUMAN]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output).lines().count(), 1, "the good file alone");
    assert!(stderr(&output).contains("text.mp3") && stderr(&output).contains("no/such/file.mp3"));

    let rows = json_lines(&voxproof(&[
        "detect",
        "--json",
        text,
        "no/such/file.mp3",
        HUMAN,
    ]));
    assert_eq!(
        (&rows[0]["code"], &rows[1]["code"]),
        (&"not_audio".into(), &"unreadable".into())
    );
    assert_eq!(rows[0]["file"], text);
    assert!(
        rows[0]["error"].as_str().expect("text").contains("MP3"),
        "says what is accepted"
    );
    assert!(rows[2]["classification"].is_string());
}

#[test]
fn a_duration_over_the_limit_is_an_error_that_names_the_limit() {
    let output = voxproof(&["detect", "--json", "--max-duration", "2", HUMAN]);
    assert_eq!(output.status.code(), Some(1));
    let row = &json_lines(&output)[0];
    assert_eq!(row["code"], "too_long");
    assert!(
        row["error"].as_str().expect("text").contains("2 s"),
        "{row}"
    );
}

#[test]
fn the_threshold_moves_the_verdict() {
    let verdict = |threshold| {
        json_lines(&voxproof(&[
            "detect",
            "--json",
            "--threshold",
            threshold,
            HUMAN,
        ]))[0]
            .clone()
    };
    assert_eq!(verdict("0")["classification"], "AI_GENERATED");
    assert_eq!(verdict("1")["classification"], "HUMAN");
    assert_eq!(
        verdict("0")["ai_probability"],
        verdict("1")["ai_probability"]
    );
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_accepted() {
    let empty = folder("empty");
    for (args, expected) in [
        (vec![], "Usage"),
        (vec!["detect"], "FILE"),
        (vec!["detect", "--nonsense", HUMAN], "--nonsense"),
        (vec!["detect", "--model", "nope", HUMAN], "classic"),
        (vec!["detect", "--language", "Klingon", HUMAN], "Malayalam"),
        (vec!["detect", "--threshold", "2", HUMAN], "from 0 to 1"),
        (
            vec!["detect", empty.to_str().expect("UTF-8")],
            "no audio file",
        ),
        (vec!["features", "--set", "nope", HUMAN], "classic"),
        (vec!["model", "--model", "nope"], "classic"),
        (vec!["serve"], "API_KEY"),
        (vec!["serve", "--port", "99999999"], "port"),
    ] {
        let output = voxproof(&args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(expected),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn features_are_the_73_of_the_reference_by_name() {
    let output = voxproof(&["features", "--json", HUMAN]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let row = &json_lines(&output)[0];
    let names: Vec<_> = row["names"]
        .as_array()
        .expect("names")
        .iter()
        .map(|n| n.as_str().expect("text"))
        .collect();
    let values: Vec<_> = row["values"]
        .as_array()
        .expect("values")
        .iter()
        .map(|v| v.as_f64().expect("finite"))
        .collect();
    assert_eq!((names.len(), values.len()), (73, 73));
    assert_eq!(
        (names[0], names[39], names[40], names[46], names[70]),
        (
            "mfcc_mean_1",
            "mfcc_std_20",
            "spectral_centroid_mean",
            "chroma_mean_1",
            "tempo"
        )
    );
    assert_eq!(row["sample_rate"], 22_050);
    let centroid = values[40];
    assert!(
        (300.0..6_000.0).contains(&centroid),
        "speech has its centroid there, in Hz: {centroid}"
    );
    assert!(stdout(&voxproof(&["features", HUMAN])).contains("rms_std"));
}

#[test]
fn model_tells_what_is_embedded() {
    let output = voxproof(&["model", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let row = &json_lines(&output)[0];
    assert_eq!(row["threshold"], 0.5);
    assert_eq!(row["sha256"].as_str().expect("text").len(), 64);
    assert!(!row["training_data"].as_str().expect("text").is_empty());
    assert!(stdout(&voxproof(&["model"])).contains("(default)"));
}

#[cfg(feature = "training")]
#[test]
fn a_copy_through_the_channel_is_written_and_described() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("channel-copy.wav");
    let out = out.to_str().expect("a UTF-8 path");
    let copy = |seed: &str| {
        let output = voxproof(&["channel", HUMAN, out, "--preset", "study", "--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (
            stdout(&output).to_owned(),
            std::fs::read(out).expect("it was written"),
        )
    };
    let first = copy("7");
    assert!(
        first.0.contains("tilt ") && first.0.contains("kbit/s at "),
        "{}",
        first.0
    );
    assert_eq!(copy("7"), first);
    assert_ne!(copy("8").1, first.1);
    let judged = voxproof(&["detect", out]);
    assert_eq!(judged.status.code(), Some(0), "{}", stderr(&judged));

    let missing = voxproof(&["channel", "nonesuch.mp3", out]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nonesuch.mp3: cannot be read"));
    let preset = voxproof(&["channel", HUMAN, out, "--preset", "narrow"]);
    assert_eq!(preset.status.code(), Some(2));
    assert!(
        stderr(&preset).contains("study, wide"),
        "{}",
        stderr(&preset)
    );
}

#[test]
fn help_shows_examples() {
    for args in [
        vec!["--help"],
        vec!["detect", "--help"],
        vec!["features", "--help"],
        vec!["serve", "--help"],
    ] {
        let output = voxproof(&args);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Examples:"), "{args:?}");
    }
}

#[test]
fn health_fails_where_nothing_listens() {
    // Port 9 (discard) is never a voxproof.
    let output = voxproof(&["health", "--port", "9"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no healthy server"));
}

#[cfg(feature = "training")]
#[test]
fn a_reader_that_went_away_ends_a_command_quietly() {
    let copy = folder("reader-gone").join("copy.wav");
    let mut child = command(&["channel", HUMAN, copy.to_str().unwrap(), "--no-ffmpeg"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert_ne!(output.status.code(), Some(101));
    assert!(copy.exists());
}
