//! `voxproof train` and `voxproof evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::ProgressBar;
use voxproof::features::FeatureSet;
use voxproof::training::{
    self, CopyOptions, CorpusOptions, EstimatorSettings, EvaluateOptions, ForestSettings,
    LogisticSettings, NetworkSettings, Preset, Progress, Protocol, Skipped, Stage, TrainOptions,
    TrainingError, Weighting,
};

use crate::channel::CopyArgs;
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
    /// Feature set: classic, dynamic or artefact
    #[arg(long, default_value = "classic", value_name = "SET")]
    features: String,
    /// CSV of speakers that are left out, with all of their clips (column speaker)
    #[arg(long, value_name = "CSV")]
    hold_out: Option<PathBuf>,
    /// Read features from this table (JSON lines or CSV; spectrograms for network) instead of the audio
    #[arg(long, value_name = "FILE", visible_alias = "spectrograms")]
    feature_table: Option<PathBuf>,
    /// Write the features that were used to this file, as JSON lines, or the spectrograms of network
    #[arg(long, value_name = "FILE", visible_alias = "save-spectrograms")]
    save_features: Option<PathBuf>,
    #[command(flatten)]
    copies: CopyArgs,
    /// Seed of everything that is random; the result is the same for the same seed
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads [default: all cores]; the result does not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// What is fitted.
#[derive(Debug, Args)]
struct EstimatorArgs {
    /// Kind of estimator
    #[arg(long, default_value = "random-forest", value_name = "KIND",
          value_parser = PossibleValuesParser::new(EstimatorSettings::KINDS))]
    model: String,
    /// Inverse strength of the regularisation, for logistic
    #[arg(long, value_name = "C", default_value_t = LogisticSettings::default().c, value_parser = positive)]
    c: f64,
    /// What weighs the same in training, for logistic: the two classes, or also the engine families
    /// and human sources within them
    #[arg(long, value_name = "OVER", default_value = Weighting::default().name(),
          value_parser = PossibleValuesParser::new(Weighting::ALL.iter().map(|w| w.name())))]
    weighting: String,
    /// Mini-batches, for network
    #[arg(long, value_name = "N", default_value_t = 2_400, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Clips of a mini-batch, an even number, for network
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(2..))]
    batch: u16,
    /// Average the weights over the last fifth of the steps, for network
    #[arg(long)]
    average: bool,
    /// Grouped folds whose scores the calibration is fitted to, each with half of the steps, for network [default: 3
    /// to train, 0 to evaluate]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(..=20))]
    calibration_folds: Option<u8>,
}

impl EstimatorArgs {
    /// `folds`: calibration folds where none are asked for.
    fn settings(&self, seed: u64, folds: u8) -> EstimatorSettings {
        if self.model == "network" {
            EstimatorSettings::Network(NetworkSettings {
                steps: self.steps as usize,
                batch: self.batch.into(),
                average: self.average,
                calibration_folds: self.calibration_folds.unwrap_or(folds).into(),
                seed,
                ..NetworkSettings::default()
            })
        } else if self.model == "logistic" {
            EstimatorSettings::Logistic(LogisticSettings {
                c: self.c,
                weighting: Weighting::from_name(&self.weighting).unwrap_or_default(),
            })
        } else {
            EstimatorSettings::RandomForest(ForestSettings {
                seed,
                ..ForestSettings::default()
            })
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(c) if c > 0.0 && f64::is_finite(c) => Ok(c),
        _ => Err("a number above 0 is expected".into()),
    }
}

/// Train a model on a corpus of labelled clips
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof train --manifest corpus/manifest.csv --out models
  voxproof train --manifest corpus/manifest.csv --model logistic --name linear --out models
  voxproof train --manifest training/public_sources.csv --clips corpus --hold-out training/held_out.csv --out models
  voxproof train --manifest corpus/manifest.csv --model logistic --copies 2 --out models
  voxproof train --manifest corpus/manifest.csv --model network --copies 2 --save-spectrograms s.bin --out models

Writes NAME.bin (the artifact) and NAME.training.json. Clips that cannot be read are listed at the end.
Exit status: 0 all clips were used, 1 some could not be, 2 wrong usage.")]
pub struct TrainArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// Name of the model and of its files [default: classic, or the kind of estimator if it is another]
    #[arg(long)]
    name: Option<String>,
    /// Scores of an evaluation (--protocol grouped --scores CSV) to calibrate a network by, in place of
    /// --calibration-folds
    #[arg(long, value_name = "CSV")]
    calibration_scores: Option<PathBuf>,
    /// Folder for the artifact
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Measure how well a kind of model holds on voices and engines that it has not heard
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof evaluate --manifest corpus/manifest.csv --report report
  voxproof evaluate --manifest corpus/manifest.csv --model logistic --c 0.01 --report report
  voxproof evaluate --manifest corpus/manifest.csv --protocol leave-family-source-out --report report
  voxproof evaluate --manifest corpus/manifest.csv --copies 2 --through study --report report
  voxproof evaluate --manifest corpus/manifest.csv --features channel --model logistic --report control

Fits a model for every fold and scores what the fold left out. Writes metrics.json and metrics.md.")]
pub struct EvaluateArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// Protocol, may be given more than once [default: grouped for network, all others for the rest]
    #[arg(long, value_name = "NAME",
          value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|p| p.name())))]
    protocol: Vec<String>,
    /// Also score each test clip after the random channel of this preset, in columns of its own; may be
    /// given more than once
    #[arg(long, value_name = "PRESET",
          value_parser = PossibleValuesParser::new(Preset::ALL.iter().map(|p| p.name())))]
    through: Vec<String>,
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
    /// `through`: channels that test clips are also scored through.
    fn options(&self, through: &[Preset]) -> Result<CorpusOptions, Failure> {
        let features = FeatureSet::from_name(&self.features)
            .ok_or_else(|| Failure::Usage(format!("no feature set named '{}'", self.features)))?;
        Ok(CorpusOptions {
            manifest: self.manifest.clone(),
            clips: self.clips.clone(),
            features,
            feature_table: self.feature_table.clone(),
            save_features: self.save_features.clone(),
            hold_out: self.hold_out.clone(),
            copies: CopyOptions {
                through: through
                    .iter()
                    .map(|&preset| self.copies.channel(preset))
                    .collect(),
                ..self.copies.options(self.seed)
            },
        })
    }

    fn jobs(&self) -> Option<usize> {
        self.jobs.map(usize::from)
    }
}

/// Trains and writes an artifact.
pub fn train(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let kind = args.estimator.model.as_str();
    // Only the replaced stack's estimator may take the name of its model unasked.
    let unnamed = if kind == "random-forest" {
        "classic"
    } else {
        kind
    };
    let options = TrainOptions {
        corpus: args.corpus.options(&[])?,
        name: args.name.as_deref().unwrap_or(unnamed).into(),
        version: None,
        estimator: args.estimator.settings(args.corpus.seed, 3),
        calibration_scores: args.calibration_scores.clone(),
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
    if let Some(copies) = &report.corpus.copies {
        println!("{copies}");
    }
    println!("{:.0} s", report.seconds);
    Ok(listed(&report.corpus.skipped))
}

/// Runs the protocols and prints their table.
pub fn evaluate(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    let protocols = if args.protocol.is_empty() {
        match args.estimator.model.as_str() {
            "network" => vec![Protocol::Grouped],
            _ => Protocol::QUICK.to_vec(),
        }
    } else {
        args.protocol
            .iter()
            .filter_map(|name| Protocol::from_name(name))
            .collect()
    };
    let mut through: Vec<Preset> = args
        .through
        .iter()
        .filter_map(|name| Preset::from_name(name))
        .collect();
    through.sort_unstable();
    through.dedup();
    let options = EvaluateOptions {
        corpus: args.corpus.options(&through)?,
        protocols,
        estimator: args.estimator.settings(args.corpus.seed, 0),
        seed: args.corpus.seed,
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
