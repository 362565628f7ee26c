//! `POST /api/voice-detection`: the contract that many clients of such APIs have, over the same detector.

use std::borrow::Cow;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::Shape;
use super::body;
use super::judging::{Answered, Asker, Order, answer};
use super::payload::{self, Clip, Text, base64_audio, invalid_json};
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::language::Language;
use crate::options::{Detail, DetectOptions};

const EXPECTED: &str = r#"{"language": "Tamil", "audioFormat": "mp3", "audioBase64": "..."}"#;

/// What clients send. The format is not needed, a file is recognised by its content; members that are not known are passed
/// over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(default)]
    language: Option<String>,
    #[serde(borrow, default, rename = "audioFormat")]
    _audio_format: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    audio_base64: Option<Text<'a>>,
}

/// A fault in the shape that these clients read.
#[derive(Debug, Serialize)]
pub struct Fault<'a> {
    status: &'static str,
    message: &'a str,
}

impl<'a> Fault<'a> {
    /// The document.
    pub fn to_json(problem: &'a Problem) -> Vec<u8> {
        let fault = Self {
            status: "error",
            message: problem.detail(),
        };
        // Text alone: there is nothing in it that could fail.
        serde_json::to_vec(&fault).unwrap_or_default()
    }
}

/// An extension of a response whose fault is to be written as a [`Fault`].
#[derive(Debug, Clone, Copy)]
pub struct AsFault;

/// Middleware: faults of the routes within, those of keys and limits included, are written as these clients read them.
pub async fn as_fault(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(AsFault);
    response
}

/// Judges one clip.
///
/// # Errors
/// As `POST /detect`, with the same statuses.
pub async fn voice_detection(
    State(app): State<AppState>,
    request: Request,
) -> Result<Answered, Problem> {
    let (parts, body) = request.into_parts();
    let asker = Asker::of(&parts.extensions, "/api/voice-detection");
    if body.is_end_stream() {
        return Err(payload::empty());
    }
    let bytes = body::read(body, &app.body_limits).await?;
    let order = Order {
        options: DetectOptions {
            detail: Detail::Warnings,
            ..DetectOptions::default()
        },
        shape: Shape::VoiceDetection,
        model: None,
        asker,
    };
    answer(&app, order, move || {
        let body: Body = read(&bytes)?;
        let language = body.language.as_deref().map(str::parse::<Language>);
        let text = body
            .audio_base64
            .ok_or_else(|| Problem::new(Code::MissingAudio, "'audioBase64' is missing: base64"))?;
        let audio = base64_audio(&text.0)?;
        Ok(Clip {
            audio,
            language: language.transpose()?,
            named: body.language,
        })
    })
    .await
}

fn read(bytes: &[u8]) -> Result<Body<'_>, Problem> {
    serde_json::from_slice(bytes).map_err(|error| invalid_json(&error, EXPECTED))
}
