//! `voxproof corpus`: manifests of published corpora, and clips that had better be dropped.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use voxproof::training::adapters::Layout;
use voxproof::training::{self, ExportOptions, Preset, Protocol, audit, manifest};

use crate::conditions::{SpliceArgs, WarningsArgs};
use crate::output::{ALL_JUDGED, Failure, SOME_FAILED};
use crate::train::{Bars, CorpusArgs, ManifestArgs, failure, listed, presets};

/// Make and check the manifests that train and evaluate read
#[derive(Debug, Args)]
pub struct CorpusCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Manifest(AdoptArgs),
    Check(CheckArgs),
    Export(Box<ExportArgs>),
    Warnings(WarningsArgs),
    Splice(SpliceArgs),
}

/// Write spectrograms, their clips and the folds of a protocol for a trainer elsewhere
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof corpus export --manifest m.csv --copies 2 --save-spectrograms m.bin --out m.json
  voxproof corpus export --manifest m.csv --copies 2 --through study --protocol grouped --disjoint-speakers \\
    --save-spectrograms m.bin --out m.json

Clips are left out and divided as train and evaluate do it. training/network/train.py reads both files.
Exit status: 0 all clips were used, 1 some could not be, 2 wrong usage.")]
struct ExportArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Also make a spectrogram of each clip after the random channel of this preset; may be given more than once
    #[arg(long, value_name = "PRESET",
          value_parser = PossibleValuesParser::new(Preset::ALL.iter().map(|p| p.name())))]
    through: Vec<String>,
    /// Also write the folds of this protocol
    #[arg(long, value_name = "NAME",
          value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|p| p.name())))]
    protocol: Option<String>,
    /// Take clips of tested speakers, of either class, out of the folds' training
    #[arg(long, requires = "protocol")]
    disjoint_speakers: bool,
    /// JSON to write: clips, their keys in the table of spectrograms, folds
    #[arg(long, value_name = "JSON")]
    out: PathBuf,
}

/// Write the manifest of a published corpus from its folders and protocol files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof corpus manifest asvspoof2019-la LA --out la.csv
  voxproof corpus manifest wavefake generated_audio --human LJSpeech-1.1 --out wavefake.csv
  voxproof corpus manifest speech-df-arena protocols/in_the_wild.csv --out arena.csv

Then: voxproof train --manifest la.csv --clips LA ...
Rows of protocol files without audio are not written, but told.
Exit status: 0 all rows have audio, 1 some have none, 2 wrong usage.")]
struct AdoptArgs {
    /// How the corpus is laid out
    #[arg(value_parser = PossibleValuesParser::new(Layout::ALL.iter().map(|layout| layout.name())))]
    layout: String,
    /// Folder of the corpus (for speech-df-arena also the table itself)
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Folder of human speech that is published apart: LJSpeech or JSUT for wavefake, M-AILABS for mlaad
    #[arg(long, value_name = "DIR")]
    human: Option<PathBuf>,
    /// The manifest to write; its files are relative to DIR
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
}

/// List clips that had better be dropped: unreadable, short, nearly silent, there twice
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof corpus check --manifest corpus/manifest.csv > dropped.csv
  voxproof train --manifest corpus/manifest.csv --drop dropped.csv --out models

Prints CSV: file,reason,other. Reasons: unreadable, short (less than 1 s of sound), near-silent (below
-60 dBFS), duplicate (the same bytes as another clip), near-duplicate (the same recording, encoded again
or cut otherwise), contradicting-labels (the same recording stands there as human and as synthetic: all
copies are listed). Of other copies, the first in the manifests is kept.
Exit status: 0 every clip could be read, 1 some could not, 2 wrong usage.")]
struct CheckArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Threads [default: all cores]; the result does not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// Runs the subcommand.
pub fn run(args: &CorpusCommand) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Manifest(args) => adopt(args),
        Command::Check(args) => check(args),
        Command::Export(args) => export(args),
        Command::Warnings(args) => args.run(),
        Command::Splice(args) => args.run(),
    }
}

fn export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let options = ExportOptions {
        corpus: args.corpus.options(&presets(&args.through))?,
        protocol: args.protocol.as_deref().and_then(Protocol::from_name),
        disjoint_speakers: args.disjoint_speakers,
        seed: args.corpus.seed(),
        out: args.out.clone(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let export = training::export(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    writeln!(
        anstream::stdout(),
        "{}  {} clips, {} folds",
        args.out.display(),
        export.clips.len(),
        export.folds.len()
    )?;
    Ok(listed(&export.skipped))
}

fn adopt(args: &AdoptArgs) -> Result<ExitCode, Failure> {
    let layout = Layout::from_name(&args.layout)
        .ok_or_else(|| Failure::Usage(format!("no layout named '{}'", args.layout)))?;
    let adopted = layout
        .read(&args.dir, args.human.as_deref())
        .map_err(failure)?;
    manifest::write(&args.out, &adopted.clips).map_err(failure)?;
    let ai = adopted.clips.iter().filter(|clip| clip.is_ai()).count();
    writeln!(
        anstream::stdout(),
        "{}  {} human and {ai} synthetic clips",
        args.out.display(),
        adopted.clips.len() - ai
    )?;
    Ok(listed(&adopted.missing))
}

fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let bars = Bars::default();
    let jobs = args.jobs.map(usize::from);
    let sources = args.manifests.sources()?;
    let findings =
        audit::audit(&sources, jobs, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    let mut out = anstream::stdout().lock();
    writeln!(out, "file,reason,other")?;
    for finding in &findings {
        let cells = [&finding.file, finding.reason.name(), &finding.other].map(quoted);
        writeln!(out, "{}", cells.join(","))?;
    }
    let unreadable = findings
        .iter()
        .any(|finding| finding.reason == audit::Reason::Unreadable);
    Ok(ExitCode::from(if unreadable {
        SOME_FAILED
    } else {
        ALL_JUDGED
    }))
}

/// A cell of a CSV, in quotation marks where it has to be.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}
