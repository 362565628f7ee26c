//! `voxproof evaluate`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use voxproof::model::Model;
use voxproof::training::manifest::LICENCE_CLASSES;
use voxproof::training::{self, EvaluateOptions, Preset, Protocol, ScoreOptions};

use crate::output::Failure;
use crate::train::{Bars, CorpusArgs, EstimatorArgs, failure, listed, presets};

/// Measure how well a kind of model holds on voices and engines that it has not heard
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof evaluate --manifest corpus/manifest.csv --report report
  voxproof evaluate --manifest corpus/manifest.csv --model logistic --c 0.01 --report report
  voxproof evaluate --manifest corpus/manifest.csv --protocol leave-family-source-out --report report
  voxproof evaluate --manifest corpus/manifest.csv --copies 2 --through study --report report
  voxproof evaluate --manifest corpus/manifest.csv --model logistic --protocol grouped --learning-curve --report report
  voxproof evaluate --manifest corpus/manifest.csv --model logistic --protocol grouped --attacks 100 --report report
  voxproof evaluate --manifest corpus/manifest.csv --train-licences open,share-alike --report report
  voxproof evaluate --manifest la.csv --clips LA --embedded default --report report
  voxproof evaluate --manifest la.csv --clips LA --model-dir models --name linear --report report

Fits a model for every fold and scores what the fold left out. With --embedded or --model-dir, nothing is
fitted: that model is judged on all clips, with its own features. Writes metrics.json, metrics.md and report.html.
Exit status: 0 all clips were used, 1 some could not be, 2 wrong usage.")]
pub struct EvaluateArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// Judge this embedded model (see `voxproof model`) and fit nothing
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model_dir", "protocol", "model"])]
    embedded: Option<String>,
    /// Judge the model NAME.bin in this folder, as train writes it, and fit nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["protocol", "model"])]
    model_dir: Option<PathBuf>,
    /// Which model in the folder of --model-dir [default: the only one in it]
    #[arg(long, value_name = "NAME", requires = "model_dir")]
    name: Option<String>,
    /// Write scores for Speech DF Arena's toolkit (file and score, larger for bona fide) to this file
    #[arg(long, value_name = "FILE")]
    scores_arena: Option<PathBuf>,
    /// Protocol, may be given more than once [default: grouped for network, random, leave-family-source-out and
    /// leave-corpus-out for the rest]
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
    /// Let models learn from clips of these licence classes alone, separated by commas, and test them on all: what a model
    /// without the others would be worth [default: all]
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', conflicts_with_all = ["embedded", "model_dir"],
          value_parser = PossibleValuesParser::new(LICENCE_CLASSES))]
    train_licences: Vec<String>,
    /// With --feature-table: decode the clips all the same, for the control classifier (which knows the file and hears
    /// no speech) and for figures by bitrate and bandwidth; without a table they are always there
    #[arg(long, conflicts_with_all = ["embedded", "model_dir"])]
    control: bool,
    /// Also fit models to an eighth, a quarter, half and all of the engine families, in the folds of grouped
    #[arg(long, conflicts_with_all = ["embedded", "model_dir"])]
    learning_curve: bool,
    /// Also judge N test clips of either class in each fold of grouped, or N of all that an existing model is judged on,
    /// under every attack: codecs, noise, rooms, speed ...
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    attacks: u32,
    /// Folder for metrics.json, metrics.md and report.html
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Write every test score to this CSV
    #[arg(long, value_name = "CSV")]
    scores: Option<PathBuf>,
    /// Model card whose generated section gets the new figures
    #[arg(long, value_name = "FILE")]
    model_card: Option<PathBuf>,
}

/// Runs the protocols and prints their table.
pub fn evaluate(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    if let Some(model) = args.existing()? {
        return judge(args, &model);
    }
    if args.scores_arena.is_some() {
        let problem = "--scores-arena needs a model to judge: --embedded NAME or --model-dir DIR";
        return Err(Failure::Usage(problem.into()));
    }
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
    let through = presets(&args.through);
    let options = EvaluateOptions {
        corpus: args.corpus.options(&through)?,
        protocols,
        estimator: args.estimator.settings(args.corpus.seed(), 0),
        seed: args.corpus.seed(),
        disjoint_speakers: args.disjoint_speakers,
        train_licences: args.train_licences.clone(),
        report: args.report.clone(),
        scores: args.scores.clone(),
        model_card: args.model_card.clone(),
        control: args.control,
        learning_curve: args.learning_curve,
        attacks: args.attacks as usize,
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let report = training::evaluate(&options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    writeln!(anstream::stdout(), "{}", report.markdown())?;
    Ok(listed(&report.corpus.skipped))
}

impl EvaluateArgs {
    /// The model to judge, if it is one that exists.
    fn existing(&self) -> Result<Option<Model>, Failure> {
        let usage = |problem: String| Failure::Usage(problem);
        if let Some(name) = &self.embedded {
            let model = Model::embedded(name).map_err(|error| usage(error.to_string()))?;
            return Ok(Some(model));
        }
        let Some(folder) = &self.model_dir else {
            return Ok(None);
        };
        let path = match &self.name {
            Some(name) => folder.join(format!("{name}.bin")),
            None => only_artifact(folder)?,
        };
        let named = |problem: String| Failure::Usage(format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| named(error.to_string()))?;
        let model = Model::from_bytes(&bytes).map_err(|error| named(error.to_string()))?;
        Ok(Some(model))
    }
}

/// The one `NAME.bin` of a folder.
fn only_artifact(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Failure::Usage(format!("{}: {error}", folder.display())))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "bin"))
        .collect();
    found.sort();
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Usage(format!(
            "there is no NAME.bin in {}",
            folder.display()
        ))),
        several => {
            let names: Vec<_> = several
                .iter()
                .filter_map(|path| path.file_stem()?.to_str())
                .collect();
            Err(Failure::Usage(format!(
                "{} holds several models, --name chooses one: {}",
                folder.display(),
                names.join(", ")
            )))
        }
    }
}

/// Judges an existing model.
fn judge(args: &EvaluateArgs, model: &Model) -> Result<ExitCode, Failure> {
    let options = ScoreOptions {
        corpus: args.corpus.options(&[])?,
        report: Some(args.report.clone()),
        scores: args.scores.clone(),
        scores_arena: args.scores_arena.clone(),
        attacks: args.attacks as usize,
        seed: args.corpus.seed(),
        jobs: args.corpus.jobs(),
    };
    let bars = Bars::default();
    let report =
        training::score(model, &options, &|progress| bars.show(progress)).map_err(failure)?;
    bars.finish();
    writeln!(anstream::stdout(), "{}", report.markdown())?;
    Ok(listed(&report.corpus.skipped))
}
