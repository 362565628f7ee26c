//! What a stream's caller is told, as JSON.

use serde::Serialize;

use crate::detector::Classification;
use crate::language::Language;

/// One message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said<'a> {
    /// The call so far, and its last window.
    Verdict {
        #[serde(flatten)]
        call: SoFar,
        window: Heard,
    },
    /// The last window had nothing to judge.
    NoVerdict {
        seconds: f64,
        code: &'static str,
        error: &'a str,
    },
    /// The whole call; nothing follows.
    Final {
        #[serde(flatten)]
        call: SoFar,
        model: String,
        language: Option<Language>,
    },
    /// The stream ends without a verdict; nothing follows.
    Error { code: &'static str, error: &'a str },
}

/// The verdict on the call until now.
#[derive(Debug, Serialize)]
pub struct SoFar {
    pub seconds: f64,
    pub classification: Classification,
    pub confidence: f64,
    pub ai_probability: f64,
    pub inconclusive: bool,
}

/// A window, and P(AI) of it.
#[derive(Debug, Serialize)]
pub struct Heard {
    pub start: f64,
    pub end: f64,
    pub ai_probability: f64,
}
