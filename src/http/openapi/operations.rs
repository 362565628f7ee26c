//! Every route as the document has it: path without its version, method, operation.

use serde_json::{Value, json};

use super::examples;
use super::operation::{Operation, schema};
use super::schemas::{hop, window};
use crate::http::problem::Code;

/// What may be wrong with a body that carries audio, and with the audio.
const AUDIO: &[Code] = &[
    Code::MalformedJson,
    Code::InvalidRequest,
    Code::MissingAudio,
    Code::InvalidBase64,
    Code::EmptyAudio,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::TooLong,
    Code::NotAudio,
    Code::UnsupportedMediaType,
    Code::Undecodable,
    Code::TooShort,
    Code::NoSpeech,
    Code::UnknownLanguage,
    Code::Overloaded,
];
/// What may be wrong with the options of a verdict.
const OPTIONS: &[Code] = &[Code::NotStereo, Code::OutsideRecording, Code::UnknownModel];
/// What may be wrong with the address of a clip.
const ADDRESS: &[Code] = &[Code::UrlNotAllowed, Code::UrlUnreachable];
/// What may be wrong with a small JSON body or a query.
const REQUEST: &[Code] = &[
    Code::MalformedJson,
    Code::InvalidRequest,
    Code::RequestTimeout,
    Code::TooLarge,
];
const VERDICT: &[&str] = &["X-Cache", "X-Model"];

/// All of them.
pub fn all() -> Vec<(&'static str, &'static str, Operation)> {
    vec![
        ("/detect", "post", detect()),
        ("/batch", "post", batch()),
        ("/api/voice-detection", "post", voice_detection()),
        ("/stream", "get", stream()),
        ("/uploads", "post", upload()),
        ("/uploads/{id}", "put", receive()),
        ("/results/{id}", "get", result()),
        ("/results", "get", results()),
        ("/events", "post", events()),
        ("/models", "get", models()),
        ("/metrics", "get", metrics()),
        ("/health", "get", health()),
        ("/ready", "get", ready()),
        ("/openapi.json", "get", openapi()),
        ("/docs", "get", docs()),
    ]
}

fn detect() -> Operation {
    let time = || json!({"type": "number", "minimum": 0});
    let binary = || json!({"type": "string", "contentMediaType": "application/octet-stream"});
    let verdict = json!({"anyOf": [schema("Detailed"), schema("Brief"), schema("Channels")]});
    Operation::new(
        "verdicts",
        "detect",
        "Judge one clip",
        "Up to 10 minutes of audio; at least 1 s of it. The container is recognised by its content. More than 12 s are judged in the fewest pieces of equal length, at most 10 s: P(AI) of the mean log-odds of those with speech. Models of the set `classic` alone judge whole.",
    )
    .parameter("query", "detail", json!({"type": "boolean", "default": false}), "The full verdict with segments, warnings and timings, in place of class and confidence alone.")
    .parameter("query", "language", schema("LanguageName"), "The language of a body that has no place for it.")
    .parameter("query", "channel", json!({"enum": ["mix", "left", "right", "each"], "default": "mix"}), "The mean of all channels, one side of a stereo recording, or each of the two apart.")
    .parameter("query", "start", time(), "Judge from here on, in seconds.")
    .parameter("query", "end", time(), "Judge up to here, in seconds; after start.")
    .parameter("query", "window", window(), "Length of a segment in seconds, 3 by default; with detail=true only. Together the segments have at most 900 s.")
    .parameter("query", "hop", hop(), "From one segment's start to the next one's in seconds, 1 by default; with detail=true only. There are at most 300 segments.")
    .parameter("query", "model", json!({"type": "string"}), "Which of the models of GET /models judges.")
    .parameter("query", "url", json!({"type": "string", "format": "uri", "maxLength": 4096}), "Where the clip is, in place of a body: https, of a host that the server's operator allows.")
    .optional_body([
        ("application/json", schema("DetectRequest"), Some(examples::detect())),
        ("audio/mpeg", binary(), None),
        ("application/octet-stream", binary(), None),
        ("multipart/form-data", schema("DetectForm"), None),
    ])
    .answer(200, "The verdict.", VERDICT, Some(("application/json", verdict, Some(examples::brief()))))
    .problems(&[AUDIO, OPTIONS, ADDRESS].concat())
}

fn batch() -> Operation {
    Operation::new(
        "verdicts",
        "batch",
        "Judge up to 100 small clips",
        "Answers stand in the order of the clips; a clip that cannot be judged has code and error in its place. With Accept: text/event-stream each is an event `result` (with its `index`) as soon as it is done, followed by `progress`, and `done` at the end.",
    )
    .body([("application/json", schema("BatchRequest"), Some(examples::batch()))])
    .answer(200, "The verdicts.", &[], Some(("application/json", schema("BatchAnswer"), None)))
    .or(200, "text/event-stream", json!({"type": "string"}))
    .problems(&[REQUEST, &[Code::EmptyAudio]].concat())
}

fn voice_detection() -> Operation {
    let answer = Some((
        "application/json",
        schema("VoiceDetection"),
        Some(examples::voice_detection_answer()),
    ));
    Operation::new(
        "verdicts",
        "voiceDetection",
        "Judge one clip, for clients of other services",
        "The contract that many clients of such services have. Statuses are those of POST /detect, faults have status and message.",
    )
    .body([("application/json", schema("VoiceDetectionRequest"), Some(examples::voice_detection()))])
    .answer(200, "The verdict in that contract's words.", VERDICT, answer)
    .errors(AUDIO)
}

fn stream() -> Operation {
    Operation::new(
        "verdicts",
        "stream",
        "Judge a call in progress",
        "A WebSocket (HTTP/1.1). Send sound as binary messages and the text `end` at the end; verdicts come as text, JSON objects of the schema StreamMessage, about once a second of sound. They are made of windows of 3 s, in whose place come pieces of 10 s as they are complete, and at the end what is left. Pages, which cannot set headers of a WebSocket, offer the subprotocols `voxproof` and `voxproof.key.` followed by the key in base64 for addresses, without padding.",
    )
    .parameter("query", "format", json!({"enum": ["pcm", "mp3", "opus"], "default": "pcm"}), "Samples of 16 bits, little-endian, mono, messages of up to 512 KiB; MP3 frames, cut into messages anywhere; or one Opus packet a message. Of the last two up to 16 KiB a message.")
    .parameter("query", "rate", json!({"enum": [8000, 16_000, 48_000]}), "Samples a second of pcm, where it is needed; MP3 and Opus tell theirs.")
    .parameter("query", "model", json!({"type": "string"}), "Which of the models of GET /models judges.")
    .parameter("query", "language", schema("LanguageName"), "The language of the call, which may have a threshold of its own.")
    .answer(101, "The stream is open.", &[], None)
    .problems(&[Code::InvalidRequest, Code::UnknownModel, Code::UnknownLanguage, Code::UpgradeRequired, Code::Overloaded])
}

fn upload() -> Operation {
    let address = Some(("application/json", schema("UploadAddress"), None));
    Operation::new(
        "uploads",
        "createUpload",
        "Ask for an address for one upload",
        "For files of up to 12 hours. The address is good for 15 minutes, for one upload of this type and length.",
    )
    .body([("application/json", schema("UploadRequest"), Some(examples::upload()))])
    .answer(201, "The address.", &["Location"], address)
    .problems(&[
        REQUEST,
        &[Code::EmptyAudio, Code::UnsupportedMediaType, Code::UnknownLanguage, Code::StorageUnavailable],
    ].concat())
}

fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn receive() -> Operation {
    Operation::new(
        "uploads",
        "putUpload",
        "Upload a file to its address",
        "Where the storage is a folder of the server; addresses of S3 lead there. Needs no key but the token in the address, and the headers that came with it.",
    )
    .open()
    .parameter("path", "id", id(), "The upload's id.")
    .parameter("query", "token", json!({"type": "string"}), "The token of the address.")
    .body([
        ("audio/mpeg", json!({"type": "string", "contentMediaType": "application/octet-stream"}), None),
        ("application/octet-stream", json!({"type": "string", "contentMediaType": "application/octet-stream"}), None),
    ])
    .answer(200, "It was taken and will be judged.", &[], None)
    .problems(&[
        Code::Unauthorized, Code::NotFound, Code::UploadExpired, Code::UnsupportedMediaType, Code::InvalidRequest,
        Code::AlreadyUploaded, Code::RequestTimeout, Code::TooLarge, Code::StorageUnavailable,
    ])
}

fn result() -> Operation {
    Operation::new(
        "uploads",
        "result",
        "The result of an upload",
        "404 for an id that was never given out, or whose address expired unused.",
    )
    .parameter("path", "id", id(), "The upload's id.")
    .answer(
        200,
        "The result.",
        &[],
        Some(("application/json", schema("Result"), None)),
    )
    .answer(
        202,
        "There is none yet.",
        &["Retry-After"],
        Some(("application/json", schema("Pending"), None)),
    )
    .problems(&[Code::NotFound, Code::StorageUnavailable])
}

fn results() -> Operation {
    Operation::new(
        "uploads",
        "results",
        "All results, in pages",
        "Without their segments, in the order of their objects' keys.",
    )
    .parameter(
        "query",
        "limit",
        json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
        "Most results of the page.",
    )
    .parameter(
        "query",
        "cursor",
        json!({"type": "string"}),
        "next of the page before.",
    )
    .parameter(
        "query",
        "prefix",
        json!({"type": "string"}),
        "Only objects whose BUCKET/KEY begins like this.",
    )
    .answer(
        200,
        "A page.",
        &[],
        Some(("application/json", schema("ResultsPage"), None)),
    )
    .problems(&[Code::InvalidRequest, Code::StorageUnavailable])
}

fn events() -> Operation {
    Operation::new(
        "uploads",
        "events",
        "Be told of an upload",
        "A CloudEvent of Google Cloud Storage, as Eventarc sends it: the whole event, or its data with its attributes as headers. The object is judged before the answer. Needs no key where the server is set to trust the platform in front of it (EVENTS=platform).",
    )
    .parameter("header", "ce-specversion", json!({"type": "string"}), "1.0, of an event whose data is the body.")
    .parameter("header", "ce-type", json!({"type": "string"}), "The type of such an event.")
    .body([
        ("application/cloudevents+json", schema("CloudEvent"), Some(examples::event())),
        ("application/json", schema("StoredObject"), None),
    ])
    .answer(204, "The object has its result, or the event is of something else than a new object.", &[], None)
    .problems(&[
        Code::MalformedJson, Code::InvalidRequest, Code::RequestTimeout, Code::TooLarge, Code::UnsupportedMediaType,
        Code::Overloaded, Code::StorageUnavailable,
    ])
}

fn models() -> Operation {
    Operation::new(
        "service",
        "models",
        "The models that are served",
        "With the figures of their cards: how often each errs on engines that it does not know.",
    )
    .answer(
        200,
        "The models.",
        &[],
        Some(("application/json", schema("Served"), None)),
    )
    .problems(&[])
}

fn metrics() -> Operation {
    Operation::new(
        "service",
        "metrics",
        "Figures for Prometheus",
        "OpenMetrics text.",
    )
    .answer(
        200,
        "The figures.",
        &[],
        Some((
            "application/openmetrics-text",
            json!({"type": "string"}),
            None,
        )),
    )
    .problems(&[])
}

fn health() -> Operation {
    Operation::new(
        "service",
        "health",
        "Whether the process is alive",
        "Cheap; waits for no worker.",
    )
    .open()
    .answer(
        200,
        "It is.",
        &[],
        Some(("application/json", schema("Health"), None)),
    )
    .problems(&[])
}

fn ready() -> Operation {
    Operation::new(
        "service",
        "ready",
        "Whether the model is verified",
        "Callers may be sent here.",
    )
    .open()
    .answer(
        200,
        "It is.",
        &[],
        Some(("application/json", schema("Ready"), None)),
    )
    .problems(&[])
}

fn openapi() -> Operation {
    Operation::new("service", "openapi", "This document", "OpenAPI 3.1.")
        .open()
        .answer(
            200,
            "The document.",
            &[],
            Some(("application/json", json!({"type": "object"}), None)),
        )
        .problems(&[])
}

fn docs() -> Operation {
    Operation::new(
        "service",
        "docs",
        "This document as a page",
        "Needs no outside network.",
    )
    .open()
    .answer(
        200,
        "The page.",
        &[],
        Some(("text/html", json!({"type": "string"}), None)),
    )
    .problems(&[])
}
