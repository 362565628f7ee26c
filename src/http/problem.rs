//! Faults as RFC 9457 `application/problem+json`.

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::detector::DetectError;
use crate::language::UnknownLanguage;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The faults that there are. Programs depend on their names and statuses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them, by status.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The HTTP status that it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }

            /// The stable, machine-readable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// A short title, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = BAD_REQUEST, "malformed_json", "Malformed JSON";
    /// The JSON, the form or the query has members of the wrong kind.
    InvalidRequest = BAD_REQUEST, "invalid_request", "Invalid request";
    /// The JSON or the form has no `audio`.
    MissingAudio = BAD_REQUEST, "missing_audio", "Audio is missing";
    /// `audio` is not base64.
    InvalidBase64 = BAD_REQUEST, "invalid_base64", "Invalid base64";
    /// The body, or the audio in it, has no bytes at all.
    EmptyAudio = BAD_REQUEST, "empty_audio", "Audio is empty";
    /// No key, or a wrong one.
    Unauthorized = UNAUTHORIZED, "unauthorized", "A valid key is needed";
    /// The address of a clip is none that this server may fetch.
    UrlNotAllowed = FORBIDDEN, "url_not_allowed", "Address not allowed";
    /// There is no such route.
    NotFound = NOT_FOUND, "not_found", "No such route";
    /// The route exists, with other methods.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed";
    /// The upload of this id was made before.
    AlreadyUploaded = CONFLICT, "already_uploaded", "Already uploaded";
    /// A stored object was replaced after it had been announced; in results only.
    ObjectChanged = CONFLICT, "object_changed", "Object changed";
    /// A stored object is in an archive; in results only.
    ObjectArchived = CONFLICT, "object_archived", "Object archived";
    /// The address of an upload has expired.
    UploadExpired = GONE, "upload_expired", "Upload expired";
    /// A stored object was deleted before it was judged; in results only.
    ObjectGone = GONE, "object_gone", "Object gone";
    /// The body did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time";
    /// The body has too many bytes.
    TooLarge = PAYLOAD_TOO_LARGE, "too_large", "Body too large";
    /// The audio lasts too long.
    TooLong = PAYLOAD_TOO_LARGE, "too_long", "Audio too long";
    /// The bytes are no audio that is known.
    NotAudio = UNSUPPORTED_MEDIA_TYPE, "not_audio", "Not audio";
    /// The request's content type is none that is accepted.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type";
    /// Audio of a known kind of which nothing could be decoded.
    Undecodable = UNPROCESSABLE_ENTITY, "undecodable", "Audio cannot be decoded";
    /// Less audio than a verdict needs.
    TooShort = UNPROCESSABLE_ENTITY, "too_short", "Audio too short";
    /// Silence.
    NoSpeech = UNPROCESSABLE_ENTITY, "no_speech", "No speech";
    /// One channel of two was asked for, and there are not two.
    NotStereo = UNPROCESSABLE_ENTITY, "not_stereo", "Not stereo";
    /// The region that was asked for is not all in the recording.
    OutsideRecording = UNPROCESSABLE_ENTITY, "outside_recording", "Outside the recording";
    /// `language` is none of the five.
    UnknownLanguage = UNPROCESSABLE_ENTITY, "unknown_language", "Unknown language";
    /// No model of the name that was given is served.
    UnknownModel = UNPROCESSABLE_ENTITY, "unknown_model", "Unknown model";
    /// The route is a WebSocket, and the request asks for none.
    UpgradeRequired = UPGRADE_REQUIRED, "upgrade_required", "Upgrade required";
    /// Too many requests with this key.
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too many requests";
    /// A fault of the service itself.
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal error";
    /// The address of a clip gave no file.
    UrlUnreachable = BAD_GATEWAY, "url_unreachable", "Address gave no file";
    /// All workers are busy and the queue is full.
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded";
    /// There is no storage for uploads and results, or it does not answer.
    StorageUnavailable = SERVICE_UNAVAILABLE, "storage_unavailable", "Storage unavailable";
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

/// One fault, ready to be answered.
///
/// As a response it carries itself in the extensions, so that [`envelope`](super::envelope) can
/// write the body again with the request's id.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A fault of kind `code`; `detail` tells a person what to do about it.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            header: None,
        }
    }

    /// A fault of the service. What happened is for the log, never for the answer.
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "something went wrong on our side; the request id finds it in the log",
        )
    }

    /// Gives the answer a header; one is all that any fault needs.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The kind of fault.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What it says to a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The JSON document.
    pub fn to_json(&self, request_id: Option<&str>) -> Vec<u8> {
        #[derive(Serialize)]
        struct Document<'a> {
            r#type: String,
            title: &'static str,
            status: u16,
            detail: &'a str,
            code: &'static str,
            // The member that clients of the replaced API read.
            error: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let document = Document {
            r#type: format!("urn:voxproof:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            error: &self.detail,
            request_id,
        };
        // Strings and a number: there is nothing in it that could fail.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), self.to_json(None)).into_response();
        response.headers_mut().extend(self.header.clone());
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DetectError> for Problem {
    fn from(error: DetectError) -> Self {
        // A code that a lower module adds before this table knows it is still about the clip.
        let code = Code::from_name(error.code()).unwrap_or(Code::Undecodable);
        Self::new(code, error.to_string())
    }
}

impl From<UnknownLanguage> for Problem {
    fn from(error: UnknownLanguage) -> Self {
        Self::new(Code::UnknownLanguage, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::AudioError;
    use crate::features::FeatureError;

    #[test]
    fn every_fault_of_the_detector_has_its_code() {
        for error in [
            DetectError::Audio(AudioError::Empty),
            DetectError::Audio(AudioError::NotAudio),
            DetectError::Audio(AudioError::Undecodable(String::new())),
            DetectError::Audio(AudioError::TooLong {
                limit_seconds: 600.0,
            }),
            DetectError::Features(FeatureError::TooShort { seconds: 0.1 }),
            DetectError::Features(FeatureError::Silent),
            DetectError::Audio(AudioError::NotStereo { channels: 1 }),
            DetectError::OutsideRecording { seconds: 1.0 },
        ] {
            assert!(
                Code::from_name(error.code()).is_some(),
                "{} has no status",
                error.code()
            );
        }
    }

    #[test]
    fn codes_are_unique() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert_eq!(
                Code::ALL.iter().position(|c| c.as_str() == code.as_str()),
                Some(i)
            );
        }
    }
}
