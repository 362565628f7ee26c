//! An example of every fault of the document. A test asks the real router for each, and compares.

use serde_json::{Value, json};

use crate::http::problem::{Code, Problem};
use crate::http::voice_detection::Fault;

/// What it says where it happens as in the test.
fn detail(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::MalformedJson => "the body is not valid JSON; see line 1, column 1",
        Code::InvalidRequest => "detail must be true or false",
        Code::MissingAudio => "'audio' is missing: base64 in JSON, a file in multipart/form-data",
        Code::InvalidBase64 => "'audio' is not valid base64",
        Code::EmptyAudio => "there is no audio: the body, or 'audio' in it, is empty",
        Code::Unauthorized => "send a valid key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
        Code::UrlNotAllowed => "the host of url is not one that this server may fetch from",
        Code::NotFound => "there is no upload with this id",
        Code::AlreadyUploaded => "this upload was made before; POST /uploads gives another address",
        Code::UploadExpired => "the address has expired; POST /uploads gives another",
        Code::RequestTimeout => {
            "nothing more of the body arrived for 30 s, or less than 8000 bytes a second"
        }
        Code::TooLarge => "the body is larger than 10485760 bytes, the most that is accepted",
        Code::TooLong => "the audio is longer than 600 s, the most that is accepted",
        Code::NotAudio => {
            "not a recognised audio file; send MP3, WAV, FLAC, OGG (Vorbis or Opus), WebM (Opus) or M4A/AAC audio"
        }
        Code::UnsupportedMediaType => {
            "send Content-Type application/json, multipart/form-data, audio/* or application/octet-stream"
        }
        Code::Undecodable => "the audio could not be decoded: it ends too early",
        Code::TooShort => "the audio is 0.05 s long; at least 1 s is needed",
        Code::NoSpeech => "the audio is silent; a recording with audible speech is needed",
        Code::NotStereo => {
            "one side of a stereo recording was asked for; this one has 1 channel(s)"
        }
        Code::OutsideRecording => "start or end lies beyond the recording, which lasts 2 s",
        Code::UnknownLanguage => {
            "unknown language 'Klingon'; accepted are en, hi, ta, te, ml or English, Hindi, Tamil, Telugu, Malayalam, in any case"
        }
        Code::UnknownModel => "no model named 'other' is served; there is: default",
        Code::UpgradeRequired => "this route is a WebSocket: connect with ws:// or wss://",
        Code::RateLimited => "this key may send 600 requests in 60 s; wait as Retry-After says",
        Code::Internal => "something went wrong on our side; the request id finds it in the log",
        Code::UrlUnreachable => "url could not be fetched: its host cannot be connected to",
        Code::Overloaded => "all workers are busy; try again in a second",
        Code::StorageUnavailable => {
            "this server has no storage for uploads and results; POST /detect judges a clip at once"
        }
        // In results alone, or of no route of the document.
        Code::ObjectChanged | Code::ObjectArchived | Code::ObjectGone | Code::MethodNotAllowed => {
            return None;
        }
    })
}

/// Examples of these faults, each by its code.
pub fn problems(codes: &[Code]) -> Value {
    examples(codes, detail, |problem| {
        problem.to_json(Some("3f2b6c1e-8d0a-4b57-9b41-6a1c2f0d9e77"))
    })
}

/// The same as clients of `POST /api/voice-detection` read them.
pub fn errors(codes: &[Code]) -> Value {
    let detail = |code| match code {
        Code::MissingAudio => Some("'audioBase64' is missing: base64"),
        other => detail(other),
    };
    examples(codes, detail, |problem| Fault::to_json(problem))
}

fn examples(
    codes: &[Code],
    detail: impl Fn(Code) -> Option<&'static str>,
    write: impl Fn(&Problem) -> Vec<u8>,
) -> Value {
    let example = |code: &Code| {
        let problem = Problem::new(*code, detail(*code)?);
        // Our own document.
        let value: Value = serde_json::from_slice(&write(&problem)).unwrap_or_default();
        Some((
            code.as_str().to_owned(),
            json!({"summary": code.title(), "value": value}),
        ))
    };
    Value::Object(codes.iter().filter_map(example).collect())
}
