//! What stands in the results bucket: one JSON document for each judged state of an object.

use serde::Serialize;

use super::object::ObjectRef;
use crate::detector::Verdict;

/// A result.
#[derive(Debug, Serialize)]
pub struct ResultDocument<'a> {
    /// The verdict, or why there is none.
    #[serde(flatten)]
    pub judged: Judged<'a>,
    /// The object in the state that was judged.
    pub object: &'a ObjectRef,
    /// When the judging ended, as RFC 3339 writes it.
    pub judged_at: String,
    /// How long it took.
    pub timings: Timings,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Judged<'a> {
    /// The object was judged: every member of the detailed verdict.
    Judged(Verdict<'a>),
    /// It cannot be judged, however often that is tried.
    Error {
        /// Stable name of the fault, as in the HTTP API's problems.
        code: &'a str,
        /// What is wrong and what is accepted.
        error: String,
        /// Name and version of the model that was to judge it.
        model: String,
    },
}

/// Times of a judging, in milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Timings {
    /// Reading the object.
    pub download_milliseconds: f64,
    /// Decoding and judging it, without the wait for a free core.
    pub judge_milliseconds: f64,
}

impl ResultDocument<'_> {
    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and finite numbers: there is nothing in it that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
