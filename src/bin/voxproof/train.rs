//! `voxproof train`, and the arguments that it shares with other commands on a corpus.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::ProgressBar;
use voxproof::features::FeatureSet;
use voxproof::training::manifest::LICENCE_CLASSES;
use voxproof::training::{
    self, BoostingSettings, CopyOptions, CorpusOptions, EstimatorSettings, ForestSettings,
    KernelSettings, LogisticSettings, ManifestSource, MlpSettings, NetworkSettings, Preset,
    Progress, Selection, Skipped, Stage, TrainOptions, TrainingError, Weighting,
};

use crate::channel::CopyArgs;
use crate::output::{ALL_JUDGED, Failure, SOME_FAILED, progress_bar};

/// The manifests of a corpus.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// CSV: file (or path), label (ai, human, spoof, bonafide), engine, family, kind, corpus, speaker,
    /// sex, language, licence, split_group; may be given more than once
    #[arg(long, value_name = "CSV", required = true)]
    manifest: Vec<PathBuf>,
    /// Folder that the manifest's files are relative to; the first belongs to the first manifest, and
    /// so on [default: the manifest's own]
    #[arg(long, value_name = "DIR")]
    clips: Vec<PathBuf>,
}

impl ManifestArgs {
    /// The manifests with their folders.
    pub fn sources(&self) -> Result<Vec<ManifestSource>, Failure> {
        if self.clips.len() > self.manifest.len() {
            return Err(Failure::Usage(format!(
                "{} --clips for {} --manifest: each belongs to the manifest of the same place",
                self.clips.len(),
                self.manifest.len()
            )));
        }
        let folders = self.clips.iter().map(Some).chain(std::iter::repeat(None));
        let pairs = self.manifest.iter().zip(folders);
        Ok(pairs
            .map(|(manifest, clips)| ManifestSource {
                manifest: manifest.clone(),
                clips: clips.cloned(),
            })
            .collect())
    }
}

/// The data of a training or an evaluation.
#[derive(Debug, Args)]
pub struct CorpusArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// CSV of clips that are dropped (columns file, reason), may be given more than once
    #[arg(long, value_name = "CSV")]
    drop: Vec<PathBuf>,
    /// Leave out the clips of this kind, for example copy-synthesis; may be given more than once
    #[arg(long, value_name = "KIND")]
    exclude_kind: Vec<String>,
    /// Keep only clips whose licence is of these classes, separated by commas [default: all]. GPL and
    /// CC-BY-SA are share-alike: with `open,share-alike` the clips of Debian's main section stay
    #[arg(long, value_name = "CLASSES", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(LICENCE_CLASSES))]
    licences: Vec<String>,
    /// Feature set: classic, dynamic, artefact, extended, or channel (of the file and nothing of the speech: a
    /// control)
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
pub struct EstimatorArgs {
    /// Kind of estimator
    #[arg(long, default_value = "random-forest", value_name = "KIND",
          value_parser = PossibleValuesParser::new(EstimatorSettings::KINDS))]
    pub model: String,
    /// Inverse strength of the regularisation, for logistic
    #[arg(long, value_name = "C", default_value_t = LogisticSettings::default().c, value_parser = positive)]
    c: f64,
    /// Landmarks, for kernel: what an artifact's size and a verdict's time grow with
    #[arg(long, value_name = "N", default_value_t = KernelSettings::default().landmarks as u32,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    landmarks: u32,
    /// Strength of the regularisation, for kernel
    #[arg(long, value_name = "LAMBDA", default_value_t = f64::from(KernelSettings::default().lambda), value_parser = positive)]
    lambda: f64,
    /// How far what differs between recordings of one person is shrunk, for kernel; 0: not at all
    #[arg(long, value_name = "BETA", default_value_t = KernelSettings::default().whitening, value_parser = not_negative)]
    whitening: f64,
    /// Share of the likeness of all features together beside that of each group, for kernel
    #[arg(long, value_name = "SHARE", default_value_t = f64::from(KernelSettings::default().joint), value_parser = share)]
    joint: f64,
    /// Share of a clip's weight that the clip as recorded has beside its copies, for kernel
    #[arg(long, value_name = "SHARE", default_value_t = KernelSettings::default().recorded, value_parser = share)]
    recorded: f64,
    /// Share in the score of a fit that hears no copies, beside one that does, for kernel
    #[arg(long, value_name = "SHARE", default_value_t = KernelSettings::default().plain, value_parser = share)]
    plain: f64,
    /// How far the classes are made to weigh alike within each language, for kernel and network
    #[arg(long, value_name = "SHARE", default_value_t = KernelSettings::default().languages, value_parser = share)]
    languages: f64,
    /// What weighs the same in training, for logistic: the two classes, or also the engine families
    /// and human sources within them
    #[arg(long, value_name = "OVER", default_value = Weighting::default().name(),
          value_parser = PossibleValuesParser::new(Weighting::ALL.iter().map(|w| w.name())))]
    weighting: String,
    /// Channels of the first layer, for network: size and time grow with its square
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=256))]
    width: u16,
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
    /// `folds`: calibration folds of a network where none are asked for.
    pub fn settings(&self, seed: u64, folds: u8) -> EstimatorSettings {
        match self.model.as_str() {
            "network" => EstimatorSettings::Network(NetworkSettings {
                width: self.width.into(),
                steps: self.steps as usize,
                batch: self.batch.into(),
                average: self.average,
                languages: self.languages,
                calibration_folds: self.calibration_folds.unwrap_or(folds).into(),
                seed,
                ..NetworkSettings::default()
            }),
            "logistic" => EstimatorSettings::Logistic(LogisticSettings {
                c: self.c,
                weighting: Weighting::from_name(&self.weighting).unwrap_or_default(),
            }),
            "gradient-boosting" => EstimatorSettings::GradientBoosting(BoostingSettings {
                seed,
                ..BoostingSettings::default()
            }),
            "kernel" => EstimatorSettings::Kernel(KernelSettings {
                landmarks: self.landmarks as usize,
                lambda: self.lambda as f32,
                whitening: self.whitening,
                joint: self.joint as f32,
                recorded: self.recorded,
                plain: self.plain,
                languages: self.languages,
                seed,
                ..KernelSettings::default()
            }),
            "mlp" => EstimatorSettings::Mlp(MlpSettings {
                seed,
                ..MlpSettings::default()
            }),
            _ => EstimatorSettings::RandomForest(ForestSettings {
                seed,
                ..ForestSettings::default()
            }),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(c) if c > 0.0 && f64::is_finite(c) => Ok(c),
        _ => Err("a number above 0 is expected".into()),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(beta) if beta >= 0.0 && f64::is_finite(beta) => Ok(beta),
        _ => Err("a number of 0 or more is expected".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1 is expected".into()),
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
  voxproof train --manifest a/manifest.csv --manifest b.csv --clips a --clips b --licences open,share-alike --out models

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
    /// Model card whose generated section on the data is written anew
    #[arg(long, value_name = "FILE")]
    model_card: Option<PathBuf>,
}

impl CorpusArgs {
    /// `through`: channels that test clips are also scored through.
    pub fn options(&self, through: &[Preset]) -> Result<CorpusOptions, Failure> {
        let features = FeatureSet::from_name(&self.features)
            .ok_or_else(|| Failure::Usage(format!("no feature set named '{}'", self.features)))?;
        Ok(CorpusOptions {
            manifests: self.manifests.sources()?,
            selection: Selection {
                drop: self.drop.clone(),
                exclude_kinds: self.exclude_kind.clone(),
                licences: self.licences.clone(),
            },
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

    /// Seed of everything that is random.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Threads, where not all cores.
    pub fn jobs(&self) -> Option<usize> {
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
        model_card: args.model_card.clone(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let report = training::train(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    writeln!(
        anstream::stdout(),
        "{}  {} {}",
        report.artifact.display(),
        report.model.name,
        report.model.version
    )?;
    writeln!(anstream::stdout(), "{}", report.model.training_data)?;
    if let Some(copies) = &report.corpus.copies {
        writeln!(anstream::stdout(), "{copies}")?;
    }
    writeln!(anstream::stdout(), "{:.0} s", report.seconds)?;
    Ok(listed(&report.corpus.skipped))
}

/// Presets of those names, each once, in their order of declaration.
pub fn presets(names: &[String]) -> Vec<Preset> {
    let mut presets: Vec<Preset> = names
        .iter()
        .filter_map(|name| Preset::from_name(name))
        .collect();
    presets.sort_unstable();
    presets.dedup();
    presets
}

/// What kind of failure an error is.
pub fn failure(error: TrainingError) -> Failure {
    match error {
        TrainingError::Manifest { .. }
        | TrainingError::AmbiguousFile { .. }
        | TrainingError::Layout { .. }
        | TrainingError::OneClass { .. }
        | TrainingError::NothingToLeaveOut { .. } => Failure::Usage(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}

/// Clips that are listed one by one on a terminal; reports hold all of them.
const LISTED: usize = 1000;

/// Lists the clips that were left out because they could not be used: never silently.
pub fn listed(skipped: &[Skipped]) -> ExitCode {
    if skipped.is_empty() {
        return ExitCode::from(ALL_JUDGED);
    }
    eprintln!("{} clips could not be used:", skipped.len());
    for clip in skipped.iter().take(LISTED) {
        eprintln!("  {}: {}", clip.file, clip.reason);
    }
    if skipped.len() > LISTED {
        eprintln!("  and {} more", skipped.len() - LISTED);
    }
    ExitCode::from(SOME_FAILED)
}

/// One progress bar at a time, for the stage that runs.
#[derive(Default)]
pub struct Bars {
    current: Mutex<Option<(Stage, ProgressBar)>>,
}

impl Bars {
    /// Shows how far a stage has come.
    pub fn show(&self, progress: Progress) {
        let Ok(mut current) = self.current.lock() else {
            return;
        };
        if !matches!(&*current, Some((stage, _)) if *stage == progress.stage) {
            let bar = progress_bar(progress.total as u64).with_message(match progress.stage {
                Stage::Features => "features",
                Stage::Attacks => "attacks",
                Stage::Fingerprint | Stage::Recordings => "reading",
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

    /// Leaves the last bar as it is.
    pub fn finish(&self) {
        if let Ok(Some((_, bar))) = self.current.lock().as_deref() {
            bar.finish();
        }
    }
}
