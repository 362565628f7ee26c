//! Schemas: those of the types that are written are derived; those of what is read, and of documents that stand in the
//! storage, are written here with the bounds that the code checks.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::detector::{Classification, Segment, Verdict};
use crate::http::answer::{Brief, Detailed, VoiceDetection};
use crate::http::batch::MAX_CLIPS;
use crate::http::health::{Health, Ready};
use crate::http::models::{Described, Served};
use crate::http::problem::Code;
use crate::language::Language;
use crate::model::figures::Figures;
use crate::model::{Contribution, ModelInfo};
use crate::options::Stretches;
use crate::timings::Milliseconds;
use crate::warnings::{Warning, WarningCode};

fn derived<T: ToSchema>() -> (String, Value) {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    (T::name().into_owned(), schema)
}

/// All schemas by name.
pub fn all() -> Map<String, Value> {
    let mut all: Map<String, Value> = [
        derived::<Brief>(),
        derived::<Classification>(),
        derived::<Contribution>(),
        derived::<Described>(),
        derived::<Detailed>(),
        derived::<Figures>(),
        derived::<Health>(),
        derived::<Language>(),
        derived::<Milliseconds>(),
        derived::<ModelInfo>(),
        derived::<Ready>(),
        derived::<Segment>(),
        derived::<Served>(),
        derived::<Verdict>(),
        derived::<VoiceDetection>(),
        derived::<Warning>(),
        derived::<WarningCode>(),
    ]
    .into_iter()
    .collect();
    let written = [
        ("Problem", problem()),
        ("Fault", fault()),
        ("VoiceDetectionError", voice_detection_error()),
        ("Channels", channels()),
        ("BatchAnswer", batch_answer()),
        ("LanguageName", language_name()),
        ("Base64Audio", base64_audio()),
        ("DetectRequest", detect_request()),
        ("DetectForm", detect_form()),
        ("BatchRequest", batch_request()),
        ("VoiceDetectionRequest", voice_detection_request()),
        ("CloudEvent", cloud_event()),
        ("StoredObject", stored_object()),
        ("StreamMessage", stream_message()),
        ("UploadRequest", upload_request()),
        ("UploadAddress", upload_address()),
        ("Pending", pending()),
        ("Result", result()),
        ("ResultsPage", results_page()),
    ];
    all.extend(written.map(|(name, schema)| (name.to_owned(), schema)));
    all
}

/// Headers of answers by name.
pub fn headers() -> Value {
    let whole = json!({"type": "integer", "minimum": 0});
    json!({
        "X-Request-Id": {"description": "The caller's id, or one of ours; it finds the request in the log.", "schema": {"type": "string"}},
        "X-Cache": {"description": "Whether this verdict had been given before; absent where none are kept.", "schema": {"enum": ["hit", "miss"]}},
        "X-Model": {"description": "Name and version of the model that judged.", "schema": {"type": "string"}},
        "RateLimit-Limit": {"description": "Requests of one window; absent where there is no limit.", "schema": whole},
        "RateLimit-Remaining": {"description": "Requests that are left in it.", "schema": whole},
        "RateLimit-Reset": {"description": "Seconds until the next window.", "schema": whole},
        "Retry-After": {"description": "Seconds to wait before another try.", "schema": whole},
        "WWW-Authenticate": {"description": "How a key is sent.", "schema": {"type": "string"}},
        "Location": {"description": "Where the result will be.", "schema": {"type": "string"}},
    })
}

fn problem() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "description": "A fault as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "code", "error", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What was wrong, and what is accepted."},
            "code": {"enum": codes, "description": "Stable; for programs."},
            "error": {"type": "string", "description": "The same as detail."},
            "request_id": {"type": "string"},
        },
    })
}

fn fault() -> Value {
    json!({
        "type": "object", "required": ["code", "error"],
        "properties": {"code": {"type": "string"}, "error": {"type": "string"}},
    })
}

fn voice_detection_error() -> Value {
    json!({
        "type": "object", "required": ["status", "message"], "additionalProperties": false,
        "properties": {"status": {"const": "error"}, "message": {"type": "string"}},
    })
}

fn channels() -> Value {
    let side = |name: &str| {
        let named = json!({"type": "object", "required": ["channel"], "properties": {"channel": {"const": name}}});
        let verdict = json!({"anyOf": [
            {"$ref": "#/components/schemas/Detailed"},
            {"$ref": "#/components/schemas/Brief"},
            {"$ref": "#/components/schemas/Fault"},
        ]});
        json!({"allOf": [named, verdict]})
    };
    json!({
        "type": "object", "required": ["channels"],
        "properties": {"channels": {
            "type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [side("left"), side("right")],
        }},
    })
}

fn batch_answer() -> Value {
    json!({
        "type": "object", "required": ["results"],
        "properties": {"results": {"type": "array", "items": {"allOf": [
            {"type": "object", "required": ["id"], "properties": {"id": true}},
            {"anyOf": [{"$ref": "#/components/schemas/Detailed"}, {"$ref": "#/components/schemas/Fault"}]},
        ]}}},
    })
}

fn language_name() -> Value {
    let names = Language::ALL
        .iter()
        .flat_map(|(_, code, name)| [*code, *name]);
    json!({"enum": names.collect::<Vec<_>>(), "description": "ISO 639-1 code or English name, in any case; echoed, the verdict does not depend on it."})
}

fn base64_audio() -> Value {
    json!({
        "type": "string", "minLength": 1, "contentEncoding": "base64",
        "description": "A file in base64: MP3, WAV, FLAC, OGG (Vorbis, Opus), WebM (Opus), M4A/AAC. White space, missing padding and a data: prefix are accepted.",
    })
}

fn optional_language() -> Value {
    json!({"anyOf": [{"$ref": "#/components/schemas/LanguageName"}, {"type": "null"}]})
}

fn detect_request() -> Value {
    let audio = json!({"$ref": "#/components/schemas/Base64Audio"});
    json!({
        "type": "object",
        "description": "Audio as `audio` or, for other clients, as `audioBase64`; not both. Other members are passed over.",
        "oneOf": [{"required": ["audio"]}, {"required": ["audioBase64"]}],
        "properties": {"audio": audio, "audioBase64": audio, "language": optional_language()},
    })
}

fn detect_form() -> Value {
    json!({
        "type": "object", "required": ["audio"],
        "properties": {
            "audio": {"type": "string", "contentMediaType": "application/octet-stream", "description": "The file."},
            "language": {"$ref": "#/components/schemas/LanguageName"},
        },
    })
}

fn batch_request() -> Value {
    json!({
        "type": "object", "required": ["clips"],
        "properties": {"clips": {
            "type": "array", "minItems": 1, "maxItems": MAX_CLIPS,
            "items": {
                "type": "object",
                "description": "What is missing or wrong in one clip is its own fault, not the call's.",
                "properties": {
                    "id": {"description": "Anything; given back as it is."},
                    "audio": {"type": ["string", "null"], "contentEncoding": "base64", "description": "As audio of POST /detect."},
                    "language": {"type": ["string", "null"], "description": "As language of POST /detect."},
                },
            },
        }},
    })
}

fn voice_detection_request() -> Value {
    json!({
        "type": "object", "required": ["audioBase64"],
        "properties": {
            "language": optional_language(),
            "audioFormat": {"type": ["string", "null"], "description": "Not needed: a file is recognised by its content."},
            "audioBase64": {"$ref": "#/components/schemas/Base64Audio"},
        },
    })
}

fn cloud_event() -> Value {
    json!({
        "type": "object", "required": ["specversion", "type", "source", "id", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "type": {"type": "string", "pattern": "^google\\.cloud\\.storage\\.object\\.v1\\."},
            "source": {"type": "string"},
            "id": {"type": "string"},
            "data": {"$ref": "#/components/schemas/StoredObject"},
        },
    })
}

fn stored_object() -> Value {
    json!({
        "type": "object", "required": ["bucket", "name"],
        "properties": {
            "bucket": {"type": "string"},
            "name": {"type": "string"},
            "size": {"type": ["string", "null"], "description": "Bytes."},
            "md5Hash": {"type": ["string", "null"], "contentEncoding": "base64"},
        },
    })
}

fn stream_message() -> Value {
    let number = json!({"type": "number"});
    let call = json!({
        "type": "object", "required": ["seconds", "classification", "confidence", "ai_probability", "inconclusive"],
        "properties": {
            "seconds": number, "classification": {"$ref": "#/components/schemas/Classification"}, "confidence": number,
            "ai_probability": number, "inconclusive": {"type": "boolean"},
        },
    });
    let window = json!({
        "type": "object", "required": ["start", "end", "ai_probability"],
        "properties": {"start": number, "end": number, "ai_probability": number},
    });
    let kind = |name: &str, also: Value| json!({"type": "object", "required": ["type"], "properties": {"type": {"const": name}}, "allOf": [also]});
    let fault = json!({"$ref": "#/components/schemas/Fault"});
    json!({
        "description": "What GET /stream says, as text.",
        "oneOf": [
            kind("verdict", json!({"allOf": [call, {"required": ["window"], "properties": {"window": window}}]})),
            kind("no_verdict", json!({"allOf": [fault, {"required": ["seconds"], "properties": {"seconds": number}}]})),
            kind("final", json!({"allOf": [call, {"required": ["model", "language"], "properties": {"model": {"type": "string"}, "language": {"type": ["string", "null"]}}}]})),
            kind("error", fault),
        ],
    })
}

fn upload_request() -> Value {
    json!({
        "type": "object", "required": ["content_type", "content_length"],
        "properties": {
            "content_type": {"type": "string", "pattern": "^audio/[a-z0-9]+$", "description": "Also video/webm, video/mp4, application/ogg, application/octet-stream."},
            "content_length": {"type": "integer", "minimum": 1, "description": "Bytes of the file; over the server's limit, MAX_OBJECT_BYTES, the answer is 413."},
            "language": optional_language(),
        },
    })
}

fn upload_address() -> Value {
    json!({
        "type": "object",
        "required": ["id", "method", "url", "headers", "expires_at", "result"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "method": {"const": "PUT"},
            "url": {"type": "string", "description": "The address is the permission: no key."},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "To be sent as they are."},
            "expires_at": {"type": "string", "format": "date-time"},
            "result": {"type": "string"},
        },
    })
}

fn pending() -> Value {
    json!({
        "type": "object", "required": ["id", "status"],
        "properties": {"id": {"type": "string"}, "status": {"enum": ["awaiting_upload", "pending"]}},
    })
}

fn result() -> Value {
    json!({
        "type": "object", "required": ["status", "object", "judged_at"],
        "description": "Every member of the detailed verdict where status is judged; code and error where it is error.",
        "properties": {
            "id": {"type": "string"},
            "status": {"enum": ["judged", "error"]},
            "object": {"type": "object"},
            "judged_at": {"type": "string", "format": "date-time"},
        },
    })
}

fn results_page() -> Value {
    json!({
        "type": "object", "required": ["results", "next"],
        "properties": {
            "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
            "next": {"type": ["string", "null"], "description": "cursor of the next page"},
        },
    })
}

/// A range of seconds.
pub fn seconds(range: &std::ops::RangeInclusive<f64>) -> Value {
    json!({"type": "number", "minimum": range.start(), "maximum": range.end()})
}

/// The bounds of a window.
pub fn window() -> Value {
    seconds(&Stretches::WINDOW)
}

/// The bounds of a hop.
pub fn hop() -> Value {
    seconds(&Stretches::HOP)
}
