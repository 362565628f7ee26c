//! `voxproof`: the command line and the HTTP server. Each command is a module that only
//! translates: arguments -> detector -> lines or JSON.
#![forbid(unsafe_code)]

mod args;
#[cfg(feature = "training")]
mod channel;
#[cfg(feature = "training")]
mod conditions;
#[cfg(feature = "training")]
mod corpus;
mod detect;
#[cfg(feature = "training")]
mod evaluate;
mod features;
mod files;
#[cfg(feature = "training")]
mod fuse;
mod health;
mod model;
mod output;
#[cfg(feature = "training")]
mod pack;
mod serve;
#[cfg(feature = "training")]
mod train;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use output::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Detect(args) => detect::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Health(args) => health::run(&args),
        Command::Model(args) => model::run(&args),
        #[cfg(feature = "training")]
        Command::Train(args) => train::train(&args),
        #[cfg(feature = "training")]
        Command::Evaluate(args) => evaluate::evaluate(&args),
        #[cfg(feature = "training")]
        Command::Fuse(args) => fuse::run(&args),
        #[cfg(feature = "training")]
        Command::Channel(args) => channel::run(&args),
        #[cfg(feature = "training")]
        Command::Corpus(args) => corpus::run(&args),
        #[cfg(feature = "training")]
        Command::PackNetwork(args) => pack::run(&args),
    };
    match outcome {
        Ok(code) => code,
        // The reader of our output went away (`| head`): nobody is left to tell.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            anstream::eprintln!(
                "{}error:{} {failure}",
                output::ERROR.render(),
                output::ERROR.render_reset()
            );
            failure.exit_code()
        }
    }
}
