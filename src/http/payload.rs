//! A request's body in its three forms -> the clip's bytes and what was said about it.

use std::borrow::Cow;
use std::ops::Deref;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::error::Category;

use super::problem::{Code, Problem};
use crate::language::Language;

/// What the content types say that a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON with the audio in base64.
    Json,
    /// The audio itself.
    Raw,
    /// `multipart/form-data` with a field `audio`.
    Multipart,
}

impl Form {
    /// The form of a body with these headers.
    ///
    /// # Errors
    /// `unsupported_media_type`, with what is accepted.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let given = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media = given
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match media.as_str() {
            "application/json" => Ok(Form::Json),
            "multipart/form-data" => Ok(Form::Multipart),
            "application/octet-stream" | "application/ogg" => Ok(Form::Raw),
            // Browsers give recordings without pictures these names too.
            "video/webm" | "video/mp4" | "video/ogg" => Ok(Form::Raw),
            other if other.starts_with("audio/") => Ok(Form::Raw),
            other if other.ends_with("+json") => Ok(Form::Json),
            _ => Err(Problem::new(
                Code::UnsupportedMediaType,
                "send Content-Type application/json, multipart/form-data, audio/* or application/octet-stream",
            )),
        }
    }
}

/// A body that has been read but, where that takes the processor, not yet decoded.
#[derive(Debug)]
pub enum Payload {
    /// JSON as it came.
    Json(Bytes),
    /// The file itself, with the language's name if there was one.
    File(Bytes, Option<String>),
}

/// A clip to judge.
#[derive(Debug)]
pub struct Clip {
    /// The bytes of an audio file.
    pub audio: Audio,
    /// The language that the caller named.
    pub language: Option<Language>,
    /// The same as the caller wrote it, where the answer echoes that.
    pub named: Option<String>,
}

impl Clip {
    /// A clip whose answer has the language's code, if any.
    pub fn new(audio: Audio, language: Option<Language>) -> Self {
        Self {
            audio,
            language,
            named: None,
        }
    }
}

/// Bytes of a file: a request's own, or decoded from base64.
#[derive(Debug)]
pub enum Audio {
    /// Part of the request's body.
    Shared(Bytes),
    /// Decoded.
    Owned(Vec<u8>),
}

impl Deref for Audio {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Audio::Shared(bytes) => bytes,
            Audio::Owned(bytes) => bytes,
        }
    }
}

impl Payload {
    /// Takes apart a body that was read whole.
    ///
    /// # Errors
    /// The body is empty, or the form has no `audio` or is damaged.
    pub async fn new(form: Form, headers: &HeaderMap, body: Bytes) -> Result<Self, Problem> {
        if body.is_empty() {
            return Err(empty());
        }
        match form {
            Form::Json => Ok(Payload::Json(body)),
            Form::Raw => Ok(Payload::File(body, None)),
            Form::Multipart => fields(headers, body).await,
        }
    }

    /// Decodes what is still encoded. Costs milliseconds for a body of megabytes: not for an
    /// async thread. `language` is the one from the query, which the body's own overrides.
    ///
    /// # Errors
    /// As in the table of problems: JSON, base64, language or an empty clip.
    pub fn into_clip(self, language: Option<String>) -> Result<Clip, Problem> {
        match self {
            Payload::File(audio, named) => {
                let language = named.or(language).map(|name| name.parse()).transpose()?;
                not_empty(Audio::Shared(audio)).map(|audio| Clip::new(audio, language))
            }
            Payload::Json(body) => {
                let request: JsonRequest =
                    serde_json::from_slice(&body).map_err(|error| json_problem(&error))?;
                let named = request
                    .language
                    .as_ref()
                    .map(|name| &*name.0)
                    .or(language.as_deref());
                let language = named.map(str::parse).transpose()?;
                let audio = request.audio.ok_or_else(missing)?;
                base64_audio(&audio.0).map(|audio| Clip::new(audio, language))
            }
        }
    }
}

/// The JSON form. Members that are not known are passed over: existing clients send some.
#[derive(Deserialize)]
struct JsonRequest<'a> {
    #[serde(borrow, default, alias = "audioBase64")]
    audio: Option<Text<'a>>,
    #[serde(borrow, default)]
    language: Option<Text<'a>>,
}

/// A string that borrows from the body where it has no escapes. (`Option<Cow<str>>` by itself
/// would always be copied: serde borrows a bare `Cow` only.)
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Says what is wrong with the JSON, without quoting it: it may be megabytes, and a voice.
fn json_problem(error: &serde_json::Error) -> Problem {
    invalid_json(
        error,
        r#"{"audio": "base64", "language": "en"} with each member once"#,
    )
}

/// Says where the JSON is wrong and what is `expected`, without quoting it.
pub(super) fn invalid_json(error: &serde_json::Error, expected: &str) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => Problem::new(
            Code::InvalidRequest,
            format!("expected an object {expected}; see {place}"),
        ),
        Category::Syntax | Category::Eof | Category::Io => Problem::new(
            Code::MalformedJson,
            format!("the body is not valid JSON; see {place}"),
        ),
    }
}

/// Standard base64, with white space, with or without padding and a `data:...;base64,` prefix.
fn decode_base64(text: &str) -> Result<Vec<u8>, Problem> {
    let invalid = |detail| Problem::new(Code::InvalidBase64, detail);
    let text = text.trim_start();
    let encoded = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => {
            let (meta, encoded) = text
                .split_once(',')
                .ok_or_else(|| invalid("the data: prefix of 'audio' has no comma"))?;
            if !meta.trim_end().to_ascii_lowercase().ends_with(";base64") {
                return Err(invalid("the data: prefix of 'audio' does not say base64"));
            }
            encoded
        }
        _ => text,
    };
    base64_simd::forgiving_decode_to_vec(encoded.as_bytes())
        .map_err(|_| invalid("'audio' is not valid base64"))
}

async fn fields(headers: &HeaderMap, body: Bytes) -> Result<Payload, Problem> {
    let damaged = || {
        Problem::new(
            Code::InvalidRequest,
            "the multipart/form-data body is damaged",
        )
    };
    let twice = || {
        Problem::new(
            Code::InvalidRequest,
            "send one field 'audio' and at most one 'language'",
        )
    };
    let mut request = Request::new(Body::from(body));
    request.headers_mut().extend(
        headers
            .get(CONTENT_TYPE)
            .map(|value| (CONTENT_TYPE, value.clone())),
    );
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| damaged())?;

    let (mut audio, mut language) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| damaged())? {
        match field.name() {
            Some("audio") => {
                let bytes = field.bytes().await.map_err(|_| damaged())?;
                if audio.replace(bytes).is_some() {
                    return Err(twice());
                }
            }
            Some("language") => {
                let name = field.text().await.map_err(|_| damaged())?;
                if language.replace(name).is_some() {
                    return Err(twice());
                }
            }
            _ => {}
        }
    }
    Ok(Payload::File(audio.ok_or_else(missing)?, language))
}

fn missing() -> Problem {
    Problem::new(
        Code::MissingAudio,
        "'audio' is missing: base64 in JSON, a file in multipart/form-data",
    )
}

/// The fault of a body, or a clip, without any bytes.
pub fn empty() -> Problem {
    Problem::new(
        Code::EmptyAudio,
        "there is no audio: the body, or 'audio' in it, is empty",
    )
}

fn not_empty(audio: Audio) -> Result<Audio, Problem> {
    if audio.is_empty() {
        Err(empty())
    } else {
        Ok(audio)
    }
}

/// The audio that a base64 text holds.
pub(super) fn base64_audio(text: &str) -> Result<Audio, Problem> {
    not_empty(Audio::Owned(decode_base64(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode_base64(text).ok()
    }

    #[test]
    fn base64_is_read_as_clients_send_it() {
        for text in [
            "SUQz",
            " SU\r\nQz\n",
            "data:audio/mpeg;base64,SUQz",
            "DATA:;Base64, SUQz",
            "data:a/b;x=y;base64,SUQz",
        ] {
            assert_eq!(decoded(text).as_deref(), Some(&b"ID3"[..]), "{text:?}");
        }
        assert_eq!(
            decoded("SQ").as_deref(),
            Some(&b"I"[..]),
            "padding may be missing"
        );
        for text in [
            "SUQ!",
            "SUQzA",
            "data:audio/mpeg,ID3",
            "data:audio/mpeg;base64",
            "-_-_",
        ] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn audio_in_json_is_borrowed_unless_it_has_escapes() {
        let request: JsonRequest =
            serde_json::from_str(r#"{"audioBase64":"SUQz","language":"t\u0061"}"#).unwrap();
        assert!(matches!(request.audio, Some(Text(Cow::Borrowed("SUQz")))));
        assert!(matches!(request.language, Some(Text(Cow::Owned(ref l))) if l == "ta"));
    }

    #[test]
    fn content_types_are_recognised_in_any_case_and_with_parameters() {
        let form = |text: &str| {
            Form::of(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                text.parse().unwrap(),
            )]))
            .ok()
        };
        assert_eq!(form("Application/JSON; charset=utf-8"), Some(Form::Json));
        assert_eq!(form("audio/ogg; codecs=opus"), Some(Form::Raw));
        assert_eq!(
            form("multipart/form-data; boundary=x"),
            Some(Form::Multipart)
        );
        assert_eq!(form("text/plain"), None);
        assert_eq!(Form::of(&HeaderMap::new()).ok(), None);
    }
}
