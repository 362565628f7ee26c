//! `voxproof detect`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;
use voxproof::audio::DecodeLimits;
use voxproof::evidence::sentence;
use voxproof::model::Model;
use voxproof::options::{Detail, Found, OptionsError};
use voxproof::{
    Classification, DetectError, DetectOptions, Detector, Judged, Region, Stretches, Verdict,
};

use crate::args::DetectArgs;
use crate::files;
use crate::output::{ALL_JUDGED, ERROR, Failure, GOOD, SOME_FAILED, progress_bar};

/// From this many files on a progress bar is shown.
const MANY: usize = 8;

/// A file that could not be judged, as `--json` prints it.
#[derive(Serialize)]
pub struct FileFault<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'static str>,
    error: String,
    code: &'static str,
}

/// Why one file has no verdict.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error(transparent)]
    Detect(#[from] DetectError),
}

impl FileError {
    fn code(&self) -> &'static str {
        match self {
            FileError::Unreadable(_) => "unreadable",
            FileError::Detect(error) => error.code(),
        }
    }
}

/// Judges the files, prints one line each, in the order given.
pub fn run(args: &DetectArgs) -> Result<ExitCode, Failure> {
    let options = options(args).map_err(|error| Failure::Usage(error.to_string()))?;
    let files = files::expand(&args.files)?;
    let detector = detector(args.model.as_deref(), args.threshold)?.with_limits(DecodeLimits {
        max_duration: Duration::from_secs_f64(args.max_duration),
    });
    let bar =
        (files.len() >= MANY).then(|| progress_bar(files.len() as u64).with_message("judging"));
    let mut failed = false;
    // Blocks keep the output in order and the verdicts coming while all cores work.
    for block in files.chunks(4 * rayon::current_num_threads()) {
        let verdicts: Vec<_> = block
            .par_iter()
            .map(|path| {
                let verdict = judge(&detector, path, &options);
                if let Some(bar) = &bar {
                    bar.inc(1);
                }
                verdict
            })
            .collect();
        let print = || -> Result<bool, Failure> {
            let mut failed = false;
            for (path, verdict) in block.iter().zip(&verdicts) {
                failed |= verdict.is_err();
                print_verdict(args, &detector, path, verdict)?;
            }
            Ok(failed)
        };
        failed |= match &bar {
            Some(bar) => bar.suspend(print)?,
            None => print()?,
        };
    }
    Ok(ExitCode::from(if failed {
        SOME_FAILED
    } else {
        ALL_JUDGED
    }))
}

/// A detector around the named embedded model, or the default one.
pub fn detector(model: Option<&str>, threshold: Option<f64>) -> Result<Detector, Failure> {
    let model = Model::embedded(model.unwrap_or(Model::embedded_names()[0]))
        .map_err(|e| Failure::Usage(e.to_string()))?;
    let detector = Detector::new(model);
    Ok(match threshold {
        Some(threshold) => detector.with_threshold(threshold),
        None => detector,
    })
}

fn options(args: &DetectArgs) -> Result<DetectOptions, OptionsError> {
    Ok(DetectOptions {
        detail: match (args.segments, args.json) {
            (true, _) => Detail::Segments,
            (false, true) => Detail::Warnings,
            (false, false) => Detail::None,
        },
        channel: args.channel.parse()?,
        region: Region::new(args.start, args.end)?,
        stretches: Stretches::new(args.window, args.hop)?,
    })
}

fn judge(detector: &Detector, path: &Path, options: &DetectOptions) -> Result<Judged, FileError> {
    Ok(detector.detect_with(&files::read(path)?, options)?)
}

fn print_verdict(
    args: &DetectArgs,
    detector: &Detector,
    path: &Path,
    judged: &Result<Judged, FileError>,
) -> Result<(), Failure> {
    let file = path.to_string_lossy();
    match judged {
        Ok(Judged::One(found)) => print_found(args, detector, &file, None, found),
        Ok(Judged::Each(sides)) => {
            for (channel, side) in ["left", "right"].into_iter().zip(sides.iter()) {
                match side {
                    Ok(found) => print_found(args, detector, &file, Some(channel), found)?,
                    Err(error) => print_fault(args, &file, Some(channel), error, error.code())?,
                }
            }
            Ok(())
        }
        Err(error) => print_fault(args, &file, None, error, error.code()),
    }
}

/// A verdict, as `--json` prints it.
#[derive(Serialize)]
struct OfChannel<'a> {
    #[serde(flatten)]
    verdict: Verdict<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'static str>,
}

fn print_found(
    args: &DetectArgs,
    detector: &Detector,
    file: &str,
    channel: Option<&'static str>,
    found: &Found,
) -> Result<(), Failure> {
    let detection = &found.detection;
    let mut out = anstream::stdout().lock();
    if args.json {
        let mut verdict = Verdict::new(detection, detector.model(), args.language).with_file(file);
        if !args.segments {
            verdict.segments = None;
        }
        writeln!(out, "{}", json(&OfChannel { verdict, channel }))?;
        return Ok(());
    }
    let style = match detection.classification {
        Classification::AiGenerated => ERROR,
        Classification::Human => GOOD,
    };
    writeln!(
        out,
        "{style}{}{style:#} {:.2}  {file}{}",
        detection.classification.as_str(),
        detection.confidence,
        of(channel)
    )?;
    if args.segments {
        for s in &detection.segments {
            writeln!(
                out,
                "  {:8.2} s to {:8.2} s  P(AI) {:.2}",
                s.start, s.end, s.ai_probability
            )?;
        }
    }
    if args.segments && detection.inconclusive {
        writeln!(out, "  inconclusive: P(AI) {:.2}", detection.ai_probability)?;
    }
    if let (true, Some(evidence)) = (args.segments, &detection.evidence) {
        writeln!(out, "  evidence: {}", sentence(evidence))?;
    }
    for warning in &detection.warnings {
        writeln!(
            out,
            "  warning: {}: {}",
            warning.code.as_str(),
            warning.message
        )?;
    }
    Ok(())
}

/// The channel's name behind that of the file, where there is one.
fn of(channel: Option<&str>) -> String {
    channel.map_or_else(String::new, |channel| format!(" ({channel})"))
}

fn print_fault(
    args: &DetectArgs,
    file: &str,
    channel: Option<&'static str>,
    error: &dyn std::error::Error,
    code: &'static str,
) -> Result<(), Failure> {
    if args.json {
        let fault = FileFault {
            file,
            channel,
            error: error.to_string(),
            code,
        };
        writeln!(anstream::stdout().lock(), "{}", json(&fault))?;
    } else {
        anstream::eprintln!("{ERROR}error:{ERROR:#} {file}{}: {error}", of(channel));
    }
    Ok(())
}

/// One line of JSON.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and finite numbers")
}
