//! What every command prints alike: colours, failures, exit codes.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// `AI_GENERATED` and faults.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// `HUMAN`.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();

/// All files were judged.
pub const ALL_JUDGED: u8 = 0;
/// Some files could not be judged.
pub const SOME_FAILED: u8 = 1;
/// Wrong usage, or nothing could be started.
pub const WRONG_USAGE: u8 = 2;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments or the environment ask for something that there is not.
    #[error("{0}")]
    Usage(String),
    /// The command could not be carried out.
    #[error("{0}")]
    Run(String),
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// 2 for wrong usage, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Usage(_) => WRONG_USAGE,
            Failure::Run(_) | Failure::Output(_) => SOME_FAILED,
        })
    }
}

/// A progress bar on standard error, drawn only on a terminal.
pub fn progress_bar(len: u64) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template(
        "{msg:12} {bar:40.cyan/blue} {human_pos}/{human_len}  {per_sec}  eta {eta}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(len), target).with_style(style)
}
