//! `POST /events`: CloudEvents that tell of uploads, as Google's Eventarc sends them for Cloud Storage. The object is judged
//! before the answer, and its result written where the results of all uploads are.
//!
//! An answer below 300 says that the event is done with: also one about an object that cannot be judged, whose result says
//! so. Others are for the sender to deliver again.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::body::{self, BodyLimits};
use super::config::ConfigError;
use super::payload::invalid_json;
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::hex::hex;
use crate::scorer::{Retry, Scorer, worker};
use crate::storage::ObjectRef;

/// Largest event, in bytes; one has some two kilobytes.
const MAX_EVENT_BYTES: usize = 64 * 1024;
/// The event of an object that was written.
const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";
/// What all events of that storage begin with.
const STORAGE: &str = "google.cloud.storage.object.v1.";
const EXPECTED: &str = r#"{"bucket": "...", "name": "..."} as data of the event"#;

/// Who lets events in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventAccess {
    /// A key, as on every route.
    #[default]
    Key,
    /// The platform in front: Eventarc can send no key of ours.
    Platform,
}

impl EventAccess {
    /// The word of `EVENTS`.
    ///
    /// # Errors
    /// It is another than `key` and `platform`.
    pub fn from_var(value: Option<String>) -> Result<Self, ConfigError> {
        match value.as_deref() {
            None | Some("key") => Ok(Self::Key),
            Some("platform") => Ok(Self::Platform),
            Some(other) => Err(ConfigError::BadValue {
                variable: "EVENTS",
                found: format!("'{other}'"),
                accepted: "key or platform",
            }),
        }
    }
}

/// Judges the objects that events tell of.
#[derive(Clone)]
pub struct Events {
    /// Judges and writes results.
    pub scorer: Arc<Scorer>,
    /// The bucket whose objects are judged; of others nothing is read.
    pub bucket: String,
}

/// A CloudEvent, in one document.
#[derive(Deserialize)]
struct Structured {
    specversion: String,
    r#type: String,
    // Every event has these; they say nothing that is needed here.
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(default)]
    data: Value,
}

/// An object of Cloud Storage, as its events have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredObject {
    bucket: String,
    name: String,
    /// A number, as a text.
    size: Option<String>,
    /// Base64; objects that were put together from others have none.
    md5_hash: Option<String>,
}

impl StoredObject {
    /// The same, as the S3-compatible interface names it: there an ETag is the MD5.
    fn object(&self) -> ObjectRef {
        let md5 = self.md5_hash.as_deref().and_then(|text| {
            let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
            (bytes.len() == 16).then(|| hex(&bytes))
        });
        let size = self.size.as_deref().and_then(|size| size.parse().ok());
        ObjectRef::new(&self.bucket, &self.name)
            .with_etag(md5.as_deref())
            .with_size(size)
    }
}

/// Takes one event, and answers when its object has a result.
///
/// # Errors
/// It is no event that is known, of another bucket, or its object has no result yet.
pub async fn events(State(app): State<AppState>, request: Request) -> Result<StatusCode, Problem> {
    app.archive.storage()?;
    // There where there is a storage.
    let events = app.events.as_ref().ok_or_else(Problem::internal)?;
    let (parts, body) = request.into_parts();
    let limits = BodyLimits {
        max_bytes: MAX_EVENT_BYTES,
        ..app.body_limits.clone()
    };
    let kind = Kind::of(&parts.headers)?;
    let bytes = body::read(body, &limits).await?;
    let Some(object) = kind.object(&bytes)? else {
        return Ok(StatusCode::NO_CONTENT);
    };
    if object.bucket != events.bucket {
        return Err(Problem::new(
            Code::InvalidRequest,
            "the event is of a bucket that is not this server's for uploads",
        ));
    }
    match events.scorer.score(&object).await {
        Ok(scored) => {
            worker::told(&scored);
            Ok(StatusCode::NO_CONTENT)
        }
        Err(retry) => {
            tracing::warn!(error = %retry, "an event's object could not be judged yet");
            Err(later(&retry))
        }
    }
}

/// How an event is put into a request.
enum Kind {
    /// Its attributes are headers, the body is its data.
    Binary(String),
    /// The body is all of it.
    Structured,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let media = text(CONTENT_TYPE.as_str()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/cloudevents+json") {
            return Ok(Self::Structured);
        }
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "send an event as application/cloudevents+json, or its data as application/json with the headers ce-...",
            ));
        }
        match (text("ce-specversion"), text("ce-type")) {
            (Some("1.0"), Some(kind)) => Ok(Self::Binary(kind.to_owned())),
            _ => Err(not_understood()),
        }
    }

    /// The object that was written, if that is what the event tells.
    fn object(self, bytes: &[u8]) -> Result<Option<ObjectRef>, Problem> {
        let wrong = |error: serde_json::Error| invalid_json(&error, EXPECTED);
        let (kind, data) = match self {
            Self::Binary(kind) => (kind, None),
            Self::Structured => {
                let event: Structured = serde_json::from_slice(bytes).map_err(wrong)?;
                if event.specversion != "1.0" {
                    return Err(not_understood());
                }
                (event.r#type, Some(event.data))
            }
        };
        if !kind.starts_with(STORAGE) {
            return Err(not_understood());
        }
        if kind != FINALIZED {
            return Ok(None);
        }
        let object: StoredObject = match data {
            Some(data) => serde_json::from_value(data),
            None => serde_json::from_slice(bytes),
        }
        .map_err(wrong)?;
        Ok(Some(object.object()))
    }
}

fn not_understood() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        format!("expected a CloudEvent of version 1.0 and type {FINALIZED}"),
    )
}

/// The problem of an object that has no result yet.
fn later(retry: &Retry) -> Problem {
    let wait = HeaderValue::from_static("5");
    match retry {
        Retry::Panicked => Problem::internal(),
        Retry::Store(_) => Problem::new(Code::StorageUnavailable, "the storage does not answer")
            .with_header(RETRY_AFTER, wait),
        Retry::Full | Retry::OutOfTime | Retry::Unfinished => {
            Problem::new(Code::Overloaded, "all workers are busy; deliver it again")
                .with_header(RETRY_AFTER, wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_the_etag_of_the_s3_compatible_interface() {
        let object = |text: &str| serde_json::from_str::<StoredObject>(text).unwrap().object();
        let found = object(
            r#"{"bucket": "b", "name": "a/ö.mp3", "size": "12", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg==", "etag": "CKih16GjycICEAE="}"#,
        );
        let expected = ObjectRef::new("b", "a/ö.mp3").with_size(Some(12));
        let md5_of_nothing = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(found, expected.with_etag(Some(md5_of_nothing)));
        // Without one, or with what is none, its state is asked for.
        for md5 in ["", r#", "md5Hash": "AAAA""#, r#", "md5Hash": "?""#] {
            let found = object(&format!(
                r#"{{"bucket": "b", "name": "a", "size": "many"{md5}}}"#
            ));
            assert_eq!(found, ObjectRef::new("b", "a"));
        }
    }
}
