//! `voxproof features`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use voxproof::DetectError;
use voxproof::audio::{self, DecodeLimits, SAMPLE_RATE};
use voxproof::features::{Extractor, FeatureSet, Scratch};

use crate::args::FeaturesArgs;
use crate::detect::json;
use crate::files;
use crate::output::{ALL_JUDGED, ERROR, Failure, SOME_FAILED};

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    duration_seconds: f64,
    sample_rate: u32,
    names: &'static [String],
    values: &'a [f64],
}

/// Prints the features of each file.
pub fn run(args: &FeaturesArgs) -> Result<ExitCode, Failure> {
    let set = FeatureSet::from_name(&args.set).ok_or_else(|| {
        let known: Vec<_> = FeatureSet::ALL.iter().map(|set| set.name()).collect();
        Failure::Usage(format!(
            "no feature set named '{}'; there is: {}",
            args.set,
            known.join(", ")
        ))
    })?;
    let extractor = Extractor::new(set);
    let limits = DecodeLimits {
        max_duration: Duration::from_secs_f64(args.max_duration),
    };
    let mut scratch = Scratch::default();
    let mut failed = false;
    for path in files::expand(&args.files)? {
        let file = path.to_string_lossy();
        let mut out = anstream::stdout().lock();
        match row(&path, &extractor, &limits, &mut scratch) {
            Ok((duration_seconds, values)) if args.json => {
                let row = Row {
                    file: &file,
                    duration_seconds,
                    sample_rate: SAMPLE_RATE,
                    names: set.names(),
                    values: &values,
                };
                writeln!(out, "{}", json(&row))?;
            }
            Ok((duration_seconds, values)) => {
                writeln!(out, "{file}  ({duration_seconds:.2} s)")?;
                for (name, value) in set.names().iter().zip(&values) {
                    writeln!(out, "  {name:24} {value:14.6}")?;
                }
            }
            Err((error, code)) => {
                failed = true;
                if args.json {
                    writeln!(
                        out,
                        "{}",
                        json(&serde_json::json!({"file": file, "error": error, "code": code}))
                    )?;
                } else {
                    anstream::eprintln!("{ERROR}error:{ERROR:#} {file}: {error}");
                }
            }
        }
    }
    Ok(ExitCode::from(if failed {
        SOME_FAILED
    } else {
        ALL_JUDGED
    }))
}

/// Duration and values, or the fault and its code.
fn row(
    path: &Path,
    extractor: &Extractor,
    limits: &DecodeLimits,
    scratch: &mut Scratch,
) -> Result<(f64, Vec<f64>), (String, &'static str)> {
    let bytes =
        files::read(path).map_err(|error| (format!("cannot be read: {error}"), "unreadable"))?;
    let analyse = || -> Result<_, DetectError> {
        let waveform = audio::decode(&bytes, limits)?;
        let features = extractor.extract(&waveform, scratch)?;
        Ok((waveform.duration_seconds(), features.values))
    };
    let mut analyse = analyse;
    analyse().map_err(|error| (error.to_string(), error.code()))
}
