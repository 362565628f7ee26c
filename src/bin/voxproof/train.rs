//! `voxproof train` and `voxproof evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::ProgressBar;
use voxproof::features::FeatureSet;
use voxproof::training::{
    self, CorpusOptions, EvaluateOptions, ForestSettings, Progress, Protocol, Skipped, Stage,
    TrainOptions, TrainingError,
};

use crate::output::{ALL_JUDGED, Failure, SOME_FAILED, progress_bar};

/// The data of a training or an evaluation.
#[derive(Debug, Args)]
struct CorpusArgs {
    /// CSV: file (or path), label (ai, human, spoof, bonafide), engine, family, kind, corpus, speaker,
    /// language, licence
    #[arg(long, value_name = "CSV")]
    manifest: PathBuf,
    /// Folder that the manifest's files are relative to [default: the manifest's own]
    #[arg(long, value_name = "DIR")]
    clips: Option<PathBuf>,
    /// Feature set
    #[arg(long, default_value = "classic", value_name = "SET")]
    features: String,
    /// CSV of speakers that are left out, with all of their clips (column speaker)
    #[arg(long, value_name = "CSV")]
    hold_out: Option<PathBuf>,
    /// Read features from this table (JSON lines or CSV) instead of the audio
    #[arg(long, value_name = "FILE")]
    feature_table: Option<PathBuf>,
    /// Write the features that were used to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    save_features: Option<PathBuf>,
    /// Seed of everything that is random; the result is the same for the same seed
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads [default: all cores]; the result does not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// Train a model on a corpus of labelled clips
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof train --manifest corpus/manifest.csv --out models
  voxproof train --manifest training/public_sources.csv --clips corpus --hold-out training/held_out.csv --out models

Writes NAME.bin (the artifact) and NAME.training.json. Clips that cannot be read are listed at the end.
Exit status: 0 all clips were used, 1 some could not be, 2 wrong usage.")]
pub struct TrainArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Kind of estimator
    #[arg(long, default_value = "random-forest", value_parser = PossibleValuesParser::new(["random-forest"]))]
    model: String,
    /// Name of the model and of its files
    #[arg(long, default_value = "classic")]
    name: String,
    /// Folder for the artifact
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Measure how well a kind of model holds on voices and engines that it has not heard
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof evaluate --manifest corpus/manifest.csv --report report
  voxproof evaluate --manifest corpus/manifest.csv --protocol leave-family-source-out --report report

Fits a model for every fold and scores what the fold left out. Writes metrics.json and metrics.md.")]
pub struct EvaluateArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Protocol, may be given more than once [default: all]
    #[arg(long, value_name = "NAME",
          value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|p| p.name())))]
    protocol: Vec<String>,
    /// Also take clips of tested speakers, of either class, out of training
    #[arg(long)]
    disjoint_speakers: bool,
    /// Folder for metrics.json and metrics.md
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Write every test score to this CSV
    #[arg(long, value_name = "CSV")]
    scores: Option<PathBuf>,
    /// Model card whose generated section gets the new figures
    #[arg(long, value_name = "FILE")]
    model_card: Option<PathBuf>,
}

impl CorpusArgs {
    fn options(&self) -> Result<CorpusOptions, Failure> {
        let features = FeatureSet::from_name(&self.features)
            .ok_or_else(|| Failure::Usage(format!("no feature set named '{}'", self.features)))?;
        Ok(CorpusOptions {
            manifest: self.manifest.clone(),
            clips: self.clips.clone(),
            features,
            feature_table: self.feature_table.clone(),
            save_features: self.save_features.clone(),
            hold_out: self.hold_out.clone(),
        })
    }

    fn forest(&self) -> ForestSettings {
        ForestSettings {
            seed: self.seed,
            ..ForestSettings::default()
        }
    }

    fn jobs(&self) -> Option<usize> {
        self.jobs.map(usize::from)
    }
}

/// Trains and writes an artifact.
pub fn train(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let options = TrainOptions {
        corpus: args.corpus.options()?,
        name: args.name.clone(),
        version: None,
        forest: args.corpus.forest(),
        out: args.out.clone(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let report = training::train(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    println!(
        "{}  {} {}",
        report.artifact.display(),
        report.model.name,
        report.model.version
    );
    println!("{}", report.model.training_data);
    println!("{:.0} s", report.seconds);
    Ok(listed(&report.corpus.skipped))
}

/// Runs the protocols and prints their table.
pub fn evaluate(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    let protocols = if args.protocol.is_empty() {
        Protocol::ALL.to_vec()
    } else {
        args.protocol
            .iter()
            .filter_map(|name| Protocol::from_name(name))
            .collect()
    };
    let options = EvaluateOptions {
        corpus: args.corpus.options()?,
        protocols,
        forest: args.corpus.forest(),
        disjoint_speakers: args.disjoint_speakers,
        report: args.report.clone(),
        scores: args.scores.clone(),
        model_card: args.model_card.clone(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let report = training::evaluate(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    println!("{}", report.markdown());
    Ok(listed(&report.corpus.skipped))
}

fn failure(error: TrainingError) -> Failure {
    match error {
        TrainingError::Manifest { .. }
        | TrainingError::OneClass { .. }
        | TrainingError::NothingToLeaveOut { .. } => Failure::Usage(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}

/// Lists the clips that were left out because they could not be used: never silently.
fn listed(skipped: &[Skipped]) -> ExitCode {
    if skipped.is_empty() {
        return ExitCode::from(ALL_JUDGED);
    }
    eprintln!("{} clips could not be used:", skipped.len());
    for clip in skipped {
        eprintln!("  {}: {}", clip.file, clip.reason);
    }
    ExitCode::from(SOME_FAILED)
}

/// One progress bar at a time, for the stage that runs.
#[derive(Default)]
struct Bars {
    current: Mutex<Option<(Stage, ProgressBar)>>,
}

impl Bars {
    fn show(&self, progress: Progress) {
        let Ok(mut current) = self.current.lock() else {
            return;
        };
        if !matches!(&*current, Some((stage, _)) if *stage == progress.stage) {
            let bar = progress_bar(progress.total as u64).with_message(match progress.stage {
                Stage::Features => "features",
                Stage::Fit => "fitting",
                Stage::Evaluate(protocol) => protocol.name(),
            });
            if let Some((_, finished)) = current.replace((progress.stage, bar)) {
                finished.finish();
            }
        }
        if let Some((_, bar)) = &*current {
            bar.set_position(progress.done as u64);
        }
    }

    fn finish(&self) {
        if let Ok(Some((_, bar))) = self.current.lock().as_deref() {
            bar.finish();
        }
    }
}
