//! `voxproof fuse`: scores of several models on the same folds -> what their sum does, and its weights.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use voxproof::training::{self, FuseOptions, Preset};

use crate::output::Failure;
use crate::train::{Bars, CorpusArgs, failure, listed, presets};

/// Measure what the sum of several models does, from the scores of their evaluations
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof evaluate ... --model network --protocol grouped --through study --scores network.csv --report n
  voxproof evaluate ... --model kernel --features artefact --protocol grouped --through study --scores kernel.csv --report k
  voxproof fuse ... --through study --scores network.csv --scores kernel.csv --report models

A fold's scores are added with weights and a calibration that were fitted to the other folds. Writes metrics.json,
metrics.md, report.html and fusion.json, which `voxproof pack-network --fusion` takes.
Exit status: 0 all clips were used, 1 some could not be, 2 wrong usage.")]
pub struct FuseArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Scores of one model's evaluation (--scores of evaluate); given once for each model
    #[arg(long, value_name = "CSV", required = true)]
    scores: Vec<PathBuf>,
    /// Weights of the models' log-odds, in the files' order, separated by commas; the calibration alone is fitted then
    /// [default: fitted]
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',')]
    weights: Vec<f64>,
    /// Channel that the evaluations also scored through; may be given more than once
    #[arg(long, value_name = "PRESET",
          value_parser = PossibleValuesParser::new(Preset::ALL.iter().map(|p| p.name())))]
    through: Vec<String>,
    /// Decode the clips, for the control classifier (which knows the file and hears nothing) and the figures by bitrate and
    /// bandwidth
    #[arg(long)]
    control: bool,
    /// The evaluations took tested speakers out of training: the report says so, and --control does so too
    #[arg(long)]
    disjoint_speakers: bool,
    /// Folder for metrics.json, metrics.md, report.html and fusion.json
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Write the fused scores to this CSV
    #[arg(long, value_name = "CSV")]
    fused_scores: Option<PathBuf>,
    /// Model card whose generated section gets the new figures
    #[arg(long, value_name = "FILE")]
    model_card: Option<PathBuf>,
}

/// Fuses and prints the table.
pub fn run(args: &FuseArgs) -> Result<ExitCode, Failure> {
    let options = FuseOptions {
        corpus: args.corpus.options(&presets(&args.through))?,
        scores: args.scores.clone(),
        weights: (!args.weights.is_empty()).then(|| args.weights.clone()),
        report: args.report.clone(),
        disjoint_speakers: args.disjoint_speakers,
        fused_scores: args.fused_scores.clone(),
        model_card: args.model_card.clone(),
        control: args.control,
        seed: args.corpus.seed(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let (report, _) = training::fuse(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    writeln!(anstream::stdout(), "{}", report.markdown())?;
    Ok(listed(&report.corpus.skipped))
}
