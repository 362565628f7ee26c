//! What fuzzers start from and what they found, through the same functions as theirs: `cargo fuzz` is not needed for it.
//! In a binary of its own, because the panic hook belongs to the whole process.
#![cfg(all(feature = "server", feature = "lambda"))]

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets/mod.rs"]
#[allow(dead_code, reason = "each part is used by some target")]
mod targets;

use std::path::Path;

/// A target by its name, which is that of its folder below `tests/data/fuzz`.
fn target(name: &str) -> fn(&[u8]) {
    match name {
        "artifact" => targets::artifact::run,
        "decode" => targets::decode::run,
        "features" => targets::features::run,
        "lambda_events" => targets::lambda_events::run,
        "notices" => targets::notices::run,
        "requests" => targets::requests::run,
        "resample" => targets::resample::run,
        "stream" => targets::stream::run,
        other => panic!("no fuzz target is called {other}"),
    }
}

/// Notes the panics that are known; all others are told as ever.
fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !targets::tolerated(info) {
                tell(info);
            }
        }));
    });
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every seed holds; with `FUZZ_CORPUS` set to a folder, they are written there for `make fuzz` instead.
#[test]
fn seeds_hold() {
    watch_panics();
    let seeds = seeds::seeds(root());
    let Some(corpus) = std::env::var_os("FUZZ_CORPUS") else {
        for (name, seed, bytes) in seeds {
            eprintln!("{name} {seed}");
            target(name)(&bytes);
        }
        return;
    };
    for (name, seed, bytes) in seeds {
        let folder = Path::new(&corpus).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("seed-{seed}")), bytes).unwrap();
    }
}

/// Every finding of a fuzzer, once mended, stays so: `tests/data/fuzz/<target>/<what was wrong>`.
#[test]
fn findings_stay_mended() {
    watch_panics();
    let folder = root().join("tests/data/fuzz");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap().path();
        let name = entry.file_name().unwrap().to_str().unwrap();
        for finding in std::fs::read_dir(&entry).unwrap() {
            let finding = finding.unwrap().path();
            eprintln!("{}", finding.display());
            target(name)(&std::fs::read(&finding).unwrap());
            count += 1;
        }
    }
    assert!(count > 0, "no finding in {}", folder.display());
}
