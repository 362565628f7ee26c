//! The service's settings, read from the environment or from wherever else names have values.

use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::auth::{Access, Keys};
#[cfg(feature = "server")]
use super::connections::ConnectionLimits;
#[cfg(feature = "server")]
use super::service::ServiceConfig;
use crate::language::{Language, LanguageThresholds};

/// 10 MB, the largest body that is accepted by default.
pub const DEFAULT_MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// How many callers may wait for each worker. At some 10 ms a clip the last of them waits a third
/// of a second: longer queues only make clients give up after the work was done.
const QUEUE_PER_WORKER: usize = 32;

/// Settings of the HTTP API.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Who may call.
    pub access: Access,
    /// Whose pages may call from a browser.
    pub cors: CorsOrigins,
    /// Most bytes of a body.
    pub max_body_bytes: usize,
    /// P(AI) above which the verdict is `AI_GENERATED`; `None` is the model's own.
    pub threshold: Option<f64>,
    /// The same for clips of a language that the caller named.
    pub language_thresholds: LanguageThresholds,
    /// Clips judged at a time.
    pub workers: usize,
    /// Callers that may wait for a worker before others are refused.
    pub queue_length: usize,
    /// Longest wait for the next piece of a body.
    pub read_timeout: Duration,
    /// Longest wait for answers in flight when shutting down.
    pub shutdown_grace: Duration,
    /// Bounds of connections.
    #[cfg(feature = "server")]
    pub connections: ConnectionLimits,
    /// What the server alone does.
    #[cfg(feature = "server")]
    pub service: ServiceConfig,
}

/// Origins that a browser's page may call from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None but the API's own.
    None,
    /// All.
    Any,
    /// These.
    List(Vec<HeaderValue>),
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable has a value that it may not have.
    #[error("{variable} is {found}; accepted is {accepted}")]
    BadValue {
        /// Name of the variable.
        variable: &'static str,
        /// The value, quoted; of a key, not the value.
        found: String,
        /// What it may be.
        accepted: &'static str,
    },
    /// No keys, and no word that none are wanted.
    #[error(
        "API_KEY is not set: name one key, or several separated by commas, or pass --no-auth to serve everyone"
    )]
    NoKeys,
}

impl HttpConfig {
    /// Settings from the process's environment.
    ///
    /// # Errors
    /// As [`HttpConfig::from_vars`].
    pub fn from_env(no_auth: bool) -> Result<Self, ConfigError> {
        Self::from_vars(environment, no_auth)
    }

    /// Settings from `lookup`, which gives a variable's value by its name. A command line puts its
    /// flags in front of the environment there, so that flags win and are checked alike. Empty
    /// values count as unset. `no_auth` serves everyone, whatever keys there are.
    ///
    /// # Errors
    /// A value that cannot be used, or neither keys nor `no_auth`.
    pub fn from_vars(
        lookup: impl Fn(&str) -> Option<String>,
        no_auth: bool,
    ) -> Result<Self, ConfigError> {
        let var = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        // Wiped when its hashes are made; what the environment itself holds, the system keeps.
        let list = lookup("API_KEY").map(SecretString::from);
        let keys = list.map_or(Ok(Keys::default()), |list| keys(list.expose_secret()))?;
        let access = match (no_auth, keys.is_empty()) {
            (true, _) => Access::Open,
            (false, true) => return Err(ConfigError::NoKeys),
            (false, false) => Access::Keys(keys),
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            host: var("HOST").unwrap_or_else(|| "0.0.0.0".to_owned()),
            port: parsed("PORT", var("PORT"), "a number from 0 to 65535", |_| true)?
                .unwrap_or(8080),
            access,
            cors: var("CORS_ORIGINS").map_or(Ok(CorsOrigins::None), |list| cors_origins(&list))?,
            max_body_bytes: parsed(
                "MAX_BODY_BYTES",
                var("MAX_BODY_BYTES"),
                "a number of bytes from 1024 to 1073741824",
                |bytes| (1024..=1 << 30).contains(bytes),
            )?
            .unwrap_or(DEFAULT_MAX_BODY_BYTES),
            threshold: threshold(var)?,
            language_thresholds: language_thresholds(var)?,
            workers,
            queue_length: workers * QUEUE_PER_WORKER,
            read_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(25),
            #[cfg(feature = "server")]
            connections: ConnectionLimits::default(),
            #[cfg(feature = "server")]
            service: ServiceConfig::from_vars(var)?,
        })
    }
}

/// P(AI) above which the verdict is `AI_GENERATED`, from `THRESHOLD` by `lookup`; `None` is the model's own.
///
/// # Errors
/// It is no probability.
pub fn threshold(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<f64>, ConfigError> {
    probability("THRESHOLD", lookup)
}

/// Thresholds of languages, from `THRESHOLD_EN`, `THRESHOLD_HI`, `THRESHOLD_TA`, `THRESHOLD_TE` and `THRESHOLD_ML` by
/// `lookup`.
///
/// # Errors
/// One is no probability.
pub fn language_thresholds(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<LanguageThresholds, ConfigError> {
    let mut thresholds = LanguageThresholds::default();
    for (language, variable) in [
        (Language::En, "THRESHOLD_EN"),
        (Language::Hi, "THRESHOLD_HI"),
        (Language::Ta, "THRESHOLD_TA"),
        (Language::Te, "THRESHOLD_TE"),
        (Language::Ml, "THRESHOLD_ML"),
    ] {
        thresholds.set(language, probability(variable, &lookup)?);
    }
    Ok(thresholds)
}

fn probability(
    variable: &'static str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Option<f64>, ConfigError> {
    let value = lookup(variable).filter(|value| !value.trim().is_empty());
    parsed(variable, value, "a probability from 0 to 1", |p| {
        (0.0..=1.0).contains(p)
    })
}

/// A variable of the process's environment. What is not UTF-8 is kept as far as it goes, so that
/// it is refused as a bad value rather than taken for unset.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Parses a value where there is one, and refuses it unless `fits` agrees.
pub(crate) fn parsed<T: FromStr>(
    variable: &'static str,
    value: Option<String>,
    accepted: &'static str,
    fits: impl Fn(&T) -> bool,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = value else { return Ok(None) };
    match text.parse() {
        Ok(value) if fits(&value) => Ok(Some(value)),
        _ => Err(ConfigError::BadValue {
            variable,
            found: format!("'{text}'"),
            accepted,
        }),
    }
}

fn keys(list: &str) -> Result<Keys, ConfigError> {
    let keys: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .collect();
    if keys
        .iter()
        .any(|key| !key.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(ConfigError::BadValue {
            variable: "API_KEY",
            found: "not shown here".to_owned(),
            accepted: "keys of visible ASCII characters without spaces, separated by commas",
        });
    }
    Ok(Keys::new(keys))
}

fn cors_origins(list: &str) -> Result<CorsOrigins, ConfigError> {
    if list == "*" {
        return Ok(CorsOrigins::Any);
    }
    let bad = |origin: &str| ConfigError::BadValue {
        variable: "CORS_ORIGINS",
        found: format!("'{origin}'"),
        accepted: "* or origins such as https://example.org, separated by commas",
    };
    list.split(',')
        .map(|origin| {
            let origin = origin.trim();
            // Browsers send scheme, host and port, and nothing after: anything else never matches.
            let uri: Uri = origin.parse().map_err(|_| bad(origin))?;
            let bare = uri.scheme().is_some()
                && uri.authority().is_some()
                && !origin.ends_with('/')
                && uri.path() == "/";
            if !bare || uri.query().is_some() {
                return Err(bad(origin));
            }
            HeaderValue::from_str(origin).map_err(|_| bad(origin))
        })
        .collect::<Result<_, _>>()
        .map(CorsOrigins::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<HttpConfig, ConfigError> {
        let lookup = |name: &str| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        HttpConfig::from_vars(lookup, false)
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = config(&[("API_KEY", "a, b,")]).unwrap();
        assert!(matches!(config.access, Access::Keys(keys) if keys.len() == 2));
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 8080));
        assert_eq!((config.max_body_bytes, config.threshold), (10 << 20, None));
        assert_eq!(config.cors, CorsOrigins::None);
    }

    #[test]
    fn no_keys_means_no_start_unless_that_is_wanted() {
        assert_eq!(config(&[]).unwrap_err(), ConfigError::NoKeys);
        assert_eq!(
            config(&[("API_KEY", " , ")]).unwrap_err(),
            ConfigError::NoKeys
        );
        let open = HttpConfig::from_vars(|_| None, true).unwrap();
        assert!(matches!(open.access, Access::Open));
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_accepted() {
        for (name, value) in [
            ("PORT", "80800"),
            ("MAX_BODY_BYTES", "10MB"),
            ("MAX_BODY_BYTES", "0"),
            ("THRESHOLD", "1.5"),
            ("THRESHOLD", "NaN"),
            ("THRESHOLD_TA", "-0.1"),
            ("CORS_ORIGINS", "example.org"),
            ("CORS_ORIGINS", "https://example.org/"),
            ("CORS_ORIGINS", "https://a.example, *"),
        ] {
            let error = config(&[("API_KEY", "k"), (name, value)])
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(name) && error.contains("accepted"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_bad_key_is_refused_and_not_shown() {
        let error = config(&[("API_KEY", "hu sh")]).unwrap_err().to_string();
        assert!(
            error.starts_with("API_KEY") && !error.contains("hu sh"),
            "{error}"
        );
    }
}
