//! A client of the HTTP API, for Rust programs: clips in, verdicts out. Calls wait for their answer on the calling thread.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use voxproof::client::{Ask, Client};
//!
//! let client = Client::new("https://voxproof.example.org", "the key")?;
//! let verdict = client.detect(&std::fs::read("call.mp3")?, &Ask::default())?;
//! println!("{} {:.2}", verdict.classification.as_str(), verdict.confidence);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::header::RETRY_AFTER;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body, RequestBuilder};

pub use crate::analysis::Segment;
pub use crate::detector::Classification;

/// Longest wait for an answer, upload included.
const WHOLE: Duration = Duration::from_secs(120);
/// Largest answer, in bytes; that of 300 segments has some 30 kilobytes.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// One server, and the key for it.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    key: String,
}

impl fmt::Debug for Client {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish()
    }
}

/// What is asked of a verdict; the default asks for nothing in particular. See `docs/api.md` for the meaning of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// `en`, `hi`, `ta`, `te`, `ml`, or the English name.
    pub language: Option<String>,
    /// Name of a model that the server has.
    pub model: Option<String>,
    /// Start of the part that is judged, in seconds.
    pub start: Option<f64>,
    /// End of the part that is judged, in seconds.
    pub end: Option<f64>,
}

/// A detailed verdict.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Verdict {
    /// Which class the clip is given.
    pub classification: Classification,
    /// Probability of the named class: 0.0..=1.0.
    pub confidence: f64,
    /// P(AI), unrounded: 0.0..=1.0.
    pub ai_probability: f64,
    /// Length of what was judged, in seconds.
    pub duration_seconds: f64,
    /// Name and version of the model.
    pub model: String,
    /// Code of the language that was named.
    pub language: Option<String>,
    /// Whether the evidence is too weak for a verdict.
    pub inconclusive: bool,
    /// Share of the clip's values that are rare in the model's training: 0.0..=1.0.
    pub out_of_distribution: Option<f64>,
    /// Scores of stretches of the clip.
    pub segments: Vec<Segment>,
    /// What makes the verdict less certain.
    pub warnings: Vec<Warning>,
    /// What spoke for and against, the largest first.
    pub evidence: Option<Vec<Contribution>>,
}

/// What makes a verdict less certain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Warning {
    /// Stable.
    pub code: String,
    /// In words.
    pub message: String,
}

/// What one aspect of the speech says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Contribution {
    /// Stable name of the aspect.
    pub group: String,
    /// What the aspect is, in words.
    pub meaning: String,
    /// Log-odds that it adds: above 0 it speaks for `AI_GENERATED`.
    pub contribution: f64,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address is none.
    #[error("'{0}' is no address such as https://voxproof.example.org")]
    Address(String),
    /// The server refuses; `code` says why, for programs.
    #[error("{code}: {detail} (status {status}, request {request_id})")]
    Problem {
        /// HTTP status.
        status: u16,
        /// Stable name of the fault.
        code: String,
        /// What was wrong, and what is accepted.
        detail: String,
        /// Finds the request in the server's log.
        request_id: String,
        /// How long to wait before another try, where the server says so.
        retry_after: Option<Duration>,
    },
    /// Something answers that is no voxproof.
    #[error("the answer with status {0} is none of voxproof's")]
    Strange(u16),
    /// No answer came.
    #[error("no answer: {0}")]
    Connection(#[source] Box<ureq::Error>),
}

impl From<ureq::Error> for ClientError {
    fn from(error: ureq::Error) -> Self {
        Self::Connection(Box::new(error))
    }
}

impl Client {
    /// A client of the server at `base`, `https://host[:port][/path]`, with this key.
    ///
    /// # Errors
    /// `base` is no such address.
    pub fn new(base: &str, key: &str) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/');
        let fits = base.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
        });
        if !fits {
            return Err(ClientError::Address(base.to_owned()));
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(WHOLE))
            // Problems are read, and the key goes to no other server.
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("voxproof-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self {
            agent,
            base: base.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Judges the bytes of an audio file.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub fn detect(&self, audio: &[u8], ask: &Ask) -> Result<Verdict, ClientError> {
        let request = self
            .detailed(ask)
            .header("Content-Type", "application/octet-stream");
        read(request.send(audio)?)
    }

    /// Judges the clip at `url`, which the server fetches, if its operator allows that host.
    ///
    /// # Errors
    /// As [`Client::detect`].
    pub fn detect_url(&self, url: &str, ask: &Ask) -> Result<Verdict, ClientError> {
        read(self.detailed(ask).query("url", url).send_empty()?)
    }

    fn detailed(&self, ask: &Ask) -> RequestBuilder<ureq::typestate::WithBody> {
        let request = self
            .agent
            .post(format!("{}/v1/detect", self.base))
            .header("X-API-Key", &self.key)
            .query("detail", "true");
        let seconds = |time: Option<f64>| time.map(|time| time.to_string());
        [
            ("language", ask.language.clone()),
            ("model", ask.model.clone()),
            ("start", seconds(ask.start)),
            ("end", seconds(ask.end)),
        ]
        .into_iter()
        .fold(request, |request, (name, value)| match value {
            Some(value) => request.query(name, value),
            None => request,
        })
    }
}

/// The document of an answer, or what it says is wrong.
fn read<T: DeserializeOwned>(mut answer: Response<Body>) -> Result<T, ClientError> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: String,
        request_id: String,
    }
    let status = answer.status();
    let wait = answer.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
    let body = answer.body_mut().with_config().limit(MAX_ANSWER);
    let text = body.read_to_vec()?;
    let strange = |_| ClientError::Strange(status.as_u16());
    if status.is_success() {
        return serde_json::from_slice(&text).map_err(strange);
    }
    let problem: Problem = serde_json::from_slice(&text).map_err(strange)?;
    Err(ClientError::Problem {
        status: status.as_u16(),
        code: problem.code,
        detail: problem.detail,
        request_id: problem.request_id,
        retry_after: wait.map(Duration::from_secs),
    })
}
