//! `voxproof corpus warnings` and `voxproof corpus splice`: what a detailed answer is worth, measured on a corpus.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use voxproof::model::Model;
use voxproof::training::splice::{self, SpliceOptions};
use voxproof::training::warning_rates::{self, RatesOptions};

use crate::detect::json;
use crate::output::Failure;
use crate::train::{Bars, ManifestArgs, failure, listed};

/// The model, and how its clips are taken.
#[derive(Debug, Args)]
struct ModelArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Model artifact that judges [default: the embedded default]
    #[arg(long, value_name = "FILE")]
    artifact: Option<PathBuf>,
    /// Seed of all that is random
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads [default: all cores]; the result does not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl ModelArgs {
    fn model(&self) -> Result<Model, Failure> {
        let Some(path) = &self.artifact else {
            let name = Model::embedded_names()[0];
            return Model::embedded(name).map_err(|error| Failure::Usage(error.to_string()));
        };
        let named = |problem: String| Failure::Usage(format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        Model::from_bytes(&bytes).map_err(|error| named(error.to_string()))
    }

    fn print(&self, report: &impl serde::Serialize, table: &str) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", json(report))?;
        } else {
            writeln!(out, "{table}")?;
        }
        Ok(())
    }
}

/// Measure how often each warning of a detailed answer is given, to clips as recorded and through known conditions
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  voxproof corpus warnings --manifest training/public_sources.csv --clips clips --every 8

Exit status: 0 every clip was judged in every condition, 1 some were not, 2 wrong usage.")]
pub struct WarningsArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Take every N-th clip
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
}

impl WarningsArgs {
    /// Measures and prints the rates.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let options = RatesOptions {
            manifests: self.model.manifests.sources()?,
            every: self.every.into(),
            seed: self.model.seed,
            jobs: self.model.jobs.map(usize::from),
        };
        let bars = Bars::default();
        let report = warning_rates::rates(&self.model.model()?, &options, &|p| bars.show(p));
        let report = report.map_err(failure)?;
        bars.finish();
        self.model.print(&report, &report.markdown())?;
        Ok(listed(&report.skipped))
    }
}

/// Splice synthetic into human speech of the same voice and measure how well segments show where
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof corpus splice --manifest training/public_sources.csv --clips clips
  voxproof corpus splice --manifest m.csv --speakers held_out.csv --artifact kernel.bin

Exit status: 0 every splice was judged, 1 some could not be, 2 wrong usage.")]
pub struct SpliceArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// CSV of speakers whose clips alone are spliced (column speaker): those that the model has not heard
    #[arg(long, value_name = "CSV")]
    speakers: Option<PathBuf>,
    /// Splices of each of seven synthetic shares from 0 to 100 %
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..))]
    each: u16,
}

impl SpliceArgs {
    /// Measures and prints the figures.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let options = SpliceOptions {
            manifests: self.model.manifests.sources()?,
            speakers: self.speakers.clone(),
            each: self.each.into(),
            seed: self.model.seed,
            jobs: self.model.jobs.map(usize::from),
        };
        let bars = Bars::default();
        let report = splice::splice(&self.model.model()?, &options, &|p| bars.show(p));
        let report = report.map_err(failure)?;
        bars.finish();
        self.model.print(&report, &report.markdown())?;
        Ok(listed(&report.skipped))
    }
}
