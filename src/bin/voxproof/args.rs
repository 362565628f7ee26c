//! The command line, as `--help` shows it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Tells AI-generated speech from human speech.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
Examples:
  voxproof detect clip.mp3                    one line a file: HUMAN 0.93  clip.mp3
  voxproof detect --json --segments calls/    a folder, one JSON object a line
  API_KEY=secret voxproof serve --port 8080   the HTTP API

Exit status: 0 all were judged, 1 some could not be, 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Detect(DetectArgs),
    Features(FeaturesArgs),
    Serve(ServeArgs),
    Health(HealthArgs),
    Model(ModelArgs),
    #[cfg(feature = "training")]
    Train(crate::train::TrainArgs),
    #[cfg(feature = "training")]
    Evaluate(crate::evaluate::EvaluateArgs),
    #[cfg(feature = "training")]
    Fuse(crate::fuse::FuseArgs),
    #[cfg(feature = "training")]
    Channel(crate::channel::ChannelArgs),
    #[cfg(feature = "training")]
    Corpus(crate::corpus::CorpusCommand),
    #[cfg(feature = "training")]
    #[command(hide = true)]
    PackNetwork(crate::pack::PackArgs),
}

/// Judge audio files: AI-generated or human
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof detect clip.mp3 call.ogg           HUMAN 0.93  clip.mp3
  voxproof detect --json archive/             folders are walked; one JSON object a line
  curl -s URL | voxproof detect -             standard input

Accepted: MP3, WAV, FLAC, OGG (Vorbis, Opus), WebM (Opus), M4A/AAC; at least 1 s. The container is
recognised by content. In folders, files with an audio extension are taken.
Exit status: 0 all were judged, 1 some could not be, 2 wrong usage.")]
pub struct DetectArgs {
    /// Audio files, folders, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Also the score of each stretch of the clip
    #[arg(long)]
    pub segments: bool,
    /// Length of a segment in seconds, 1 to 30 [default: 3]
    #[arg(long, value_name = "SECONDS", requires = "segments")]
    pub window: Option<f64>,
    /// From one segment's start to the next one's in seconds, 0.1 to 30 [default: 1]
    #[arg(long, value_name = "SECONDS", requires = "segments")]
    pub hop: Option<f64>,
    /// Which side of a stereo recording is judged: mix (the mean of all channels), left, right, or each of the two apart
    #[arg(long, value_name = "CHANNEL", default_value = "mix",
          value_parser = clap::builder::PossibleValuesParser::new(["mix", "left", "right", "each"]))]
    pub channel: String,
    /// Judge from here on, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub start: Option<f64>,
    /// Judge up to here, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub end: Option<f64>,
    /// Which embedded model judges (see `voxproof model`)
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// P(AI) above which a clip is AI_GENERATED [default: the model's, 0.5]
    #[arg(long, env = "THRESHOLD", value_parser = probability, value_name = "P")]
    pub threshold: Option<f64>,
    /// Language of the speech: en, hi, ta, te, ml or the English name; echoed in the verdict
    #[arg(long, value_parser = language, value_name = "LANGUAGE")]
    pub language: Option<voxproof::Language>,
    /// Longest audio that is accepted, in seconds
    #[arg(long, default_value_t = 600.0, value_parser = seconds, value_name = "SECONDS")]
    pub max_duration: f64,
}

/// Print the features that a model sees
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof features clip.mp3                  one name and value a line
  voxproof features --json *.mp3 | jq .values")]
pub struct FeaturesArgs {
    /// Audio files, folders, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Feature set: classic (the 73 librosa features of the replaced stack), dynamic (425 of how speech moves), artefact
    /// (those and 396 of the fine structure of spectrum, phase, residual and envelope), extended (those and 311 of MFCC,
    /// average spectrum, jitter, shimmer, pauses and frame rates) or channel (8 of the file, a control)
    #[arg(long, default_value = "classic", value_name = "NAME")]
    pub set: String,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Longest audio that is accepted, in seconds
    #[arg(long, default_value_t = 600.0, value_parser = seconds, value_name = "SECONDS")]
    pub max_duration: f64,
}

/// Serve the HTTP API
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  API_KEY=secret voxproof serve
  voxproof serve --host 127.0.0.1 --port 9000 --no-auth

Flags win over the environment, the environment over a .env file in the working folder.
Variables: API_KEY (several separated by commas), HOST, PORT, CORS_ORIGINS, MAX_BODY_BYTES,
THRESHOLD, LOG_LEVEL or RUST_LOG, LOG_FORMAT (text, json); RATE_LIMIT (600/min, off), CACHE (on, off),
CACHE_ENTRIES, CACHE_TTL (seconds), REDIS_URL; MODELS, MODEL_SPLIT (NAME:PERCENT), SHADOW_MODEL.
docs/operating.md says what each means.")]
pub struct ServeArgs {
    /// Address to listen on [default: 0.0.0.0]
    #[arg(long)]
    pub host: Option<String>,
    /// Port to listen on [default: 8080]
    #[arg(long)]
    pub port: Option<u16>,
    /// Serve without keys: anyone who can reach the port may call
    #[arg(long)]
    pub no_auth: bool,
    /// Model that judges: an embedded one (see `voxproof model`) or an artifact's file. Several may be given: the first one
    /// judges what names none, `?model=NAME` another [default: MODELS, a list separated by commas, else the default one]
    #[arg(long, value_name = "MODEL")]
    pub model: Vec<String>,
    /// P(AI) above which a clip is AI_GENERATED [default: the model's, 0.5]
    #[arg(long, value_parser = probability, value_name = "P")]
    pub threshold: Option<f64>,
}

/// Ask a running server whether it is healthy (for container health checks)
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Host of the server
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port of the server
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub port: u16,
}

/// Show the embedded models: version, features, training data, threshold, checksum
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Only this model
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("a probability from 0 to 1 is expected".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if (1.0..=86_400.0).contains(&s) => Ok(s),
        _ => Err("seconds from 1 to 86400 are expected".into()),
    }
}

fn language(text: &str) -> Result<voxproof::Language, String> {
    text.parse()
        .map_err(|error: voxproof::UnknownLanguage| error.to_string())
}
