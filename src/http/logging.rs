//! Logs for the server and for Lambda: text where a person looks on, JSON lines elsewhere.
//!
//! What is logged of a request is its id, method, route, status and time. Never audio, never keys.

use std::io::{self, IsTerminal};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::config::{ConfigError, environment};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Levels, for everything or by module: `info`, `warn,voxproof=debug`.
    pub levels: Targets,
    /// How lines look.
    pub format: LogFormat,
}

impl LogConfig {
    /// Settings from the process's environment.
    ///
    /// # Errors
    /// As [`LogConfig::from_vars`].
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(environment)
    }

    /// Settings from `LOG_LEVEL`, else `RUST_LOG`, and `LOG_FORMAT`.
    ///
    /// # Errors
    /// A value that cannot be used.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let var = |name: &'static str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .map(|value| (name, value))
        };
        let levels = match var("LOG_LEVEL").or_else(|| var("RUST_LOG")) {
            None => Targets::new().with_default(tracing::Level::INFO),
            Some((variable, value)) => levels(&value).ok_or_else(|| ConfigError::BadValue {
                variable,
                found: format!("'{value}'"),
                accepted: "off, error, warn, info, debug or trace, also by module as in warn,voxproof=debug",
            })?,
        };
        let format = match var("LOG_FORMAT")
            .map(|(_, value)| value.to_ascii_lowercase())
            .as_deref()
        {
            Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            None if io::stderr().is_terminal() => LogFormat::Text,
            None => LogFormat::Json,
            Some(other) => {
                return Err(ConfigError::BadValue {
                    variable: "LOG_FORMAT",
                    found: format!("'{other}'"),
                    accepted: "text or json",
                });
            }
        };
        #[cfg(feature = "otel")]
        super::traces::wanted(lookup)?;
        Ok(Self { levels, format })
    }
}

/// Reads a list of levels. A bare word that is no level would be taken for a module's name, and a
/// slip such as `inof` would log everything; it is refused.
fn levels(list: &str) -> Option<Targets> {
    let bare_words_are_levels = list
        .split(',')
        .map(str::trim)
        .all(|part| part.contains('=') || part.parse::<tracing::metadata::LevelFilter>().is_ok());
    if bare_words_are_levels {
        list.parse().ok()
    } else {
        None
    }
}

/// Crates whose lines below a warning show what they send: addresses, and so the keys of objects.
const TALKATIVE: [&str; 7] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_s3",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
];

/// `levels` with nothing but warnings of crates that show keys, unless the list names the crate itself.
fn without_keys(levels: &Targets) -> Targets {
    let general = levels.default_level().unwrap_or(LevelFilter::OFF);
    TALKATIVE
        .iter()
        .filter(|name| levels.iter().all(|(target, _)| target != **name))
        .fold(levels.clone(), |levels, name| {
            levels.with_target(*name, general.min(LevelFilter::WARN))
        })
}

/// How a function's process ends: with the error on standard error where there is one, for logging may be what failed.
pub fn ended(
    result: Result<(), Box<dyn std::error::Error + Send + Sync>>,
) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Starts logging to standard error. Calls after the first change nothing.
pub fn init(config: &LogConfig) {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    let subscriber =
        tracing_subscriber::registry().with(lines.with_filter(without_keys(&config.levels)));
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(super::traces::layer());
    // An error means that a subscriber is already there, such as a test's: that one is kept.
    let _ = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<LogConfig, ConfigError> {
        LogConfig::from_vars(|name| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn log_level_goes_before_rust_log() {
        let levels = config(&[("LOG_LEVEL", "WARN"), ("RUST_LOG", "trace")])
            .unwrap()
            .levels;
        assert_eq!(levels.to_string(), "warn");
        let levels = config(&[("RUST_LOG", "error,voxproof=debug")])
            .unwrap()
            .levels;
        assert!(levels.would_enable("voxproof::http", &tracing::Level::DEBUG));
        assert!(!levels.would_enable("hyper", &tracing::Level::WARN));
    }

    #[test]
    fn crates_that_show_keys_only_warn_unless_they_are_named() {
        let levels = |list: &str| without_keys(&list.parse().unwrap());
        let debug = levels("debug");
        assert!(debug.would_enable("voxproof::scorer", &tracing::Level::DEBUG));
        assert!(debug.would_enable("aws_sdk_s3::operation", &tracing::Level::WARN));
        assert!(!debug.would_enable("aws_sdk_s3::operation", &tracing::Level::INFO));
        assert!(!debug.would_enable("aws_smithy_runtime::client", &tracing::Level::DEBUG));
        assert!(!levels("off").would_enable("aws_config", &tracing::Level::ERROR));
        let named = levels("info,aws_sdk_s3=trace");
        assert!(named.would_enable("aws_sdk_s3", &tracing::Level::TRACE));
        assert!(!named.would_enable("aws_config", &tracing::Level::INFO));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, value) in [
            ("LOG_LEVEL", "inof"),
            ("RUST_LOG", "voxproof=loud"),
            ("LOG_FORMAT", "xml"),
        ] {
            let error = config(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
