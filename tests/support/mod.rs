//! What the HTTP tests share: clips, a router around any judge, requests and answers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use voxproof::Detector;
use voxproof::detector::{DetectError, Detection};
use voxproof::http::{HttpConfig, Judge, router};
use voxproof::model::ModelInfo;
use voxproof::storage::{Storage, StorageConfig};

pub const KEY: &str = "test-key";
pub const HUMAN: &str = "tests/data/human/en_librispeech_2952.mp3";
pub const AI: &str = "tests/data/ai/en_valle_ms1.mp3";

/// The bytes of a file of this package.
pub fn file(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// A WAV file, 8 kHz, 8 bits, mono: the smallest way to write `seconds` of sound.
pub fn wav(seconds: usize, sample: impl Fn(usize) -> u8) -> Vec<u8> {
    let samples = 8_000 * seconds;
    let mut wav = Vec::with_capacity(44 + samples);
    let size = u32::try_from(samples).unwrap();
    wav.extend(b"RIFF");
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    for field in [16_u32, 0x0001_0001, 8_000, 8_000, 0x0008_0001] {
        wav.extend(field.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    wav.extend((0..samples).map(sample));
    wav
}

/// A WAV file of 16 bits: samples within -1.0..=1.0, channels side by side.
pub fn pcm16(samples: &[f32], channels: u16, rate: u32) -> Vec<u8> {
    let size = u32::try_from(2 * samples.len()).unwrap();
    let mut wav = Vec::with_capacity(44 + 2 * samples.len());
    wav.extend(b"RIFF");
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(channels.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend((2 * u32::from(channels) * rate).to_le_bytes());
    wav.extend((2 * channels).to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    let whole = |x: &f32| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    wav.extend(samples.iter().flat_map(|x| whole(x).to_le_bytes()));
    wav
}

/// The packets of an OGG file with one stream, its two headers not among them.
pub fn ogg_packets(mut file: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while file.len() > 27 {
        assert_eq!(&file[..4], b"OggS");
        let lengths = &file[27..27 + usize::from(file[26])];
        let mut at = 27 + lengths.len();
        for &length in lengths {
            packet.extend_from_slice(&file[at..at + usize::from(length)]);
            at += usize::from(length);
            if length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        file = &file[at..];
    }
    packets.split_off(2)
}

/// Settings as the environment would give them.
pub fn config(vars: &[(&str, &str)]) -> HttpConfig {
    let lookup = |name: &str| {
        let set = vars
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned());
        set.or_else(|| (name == "API_KEY").then(|| KEY.to_owned()))
    };
    HttpConfig::from_vars(lookup, false).unwrap()
}

/// The API with the embedded model and default settings.
pub fn api() -> Router {
    api_with(Arc::new(Detector::embedded().unwrap()), &config(&[]))
}

pub fn api_with(judge: Arc<dyn Judge>, config: &HttpConfig) -> Router {
    router(judge, config)
}

/// The storage of a server whose `DATA_DIR` is `folder`.
pub fn storage_in(folder: &Path) -> Arc<Storage> {
    let at = folder.to_str().unwrap();
    let stored = StorageConfig::from_vars(|name| (name == "DATA_DIR").then(|| at.to_owned()));
    Arc::new(stored.unwrap().open().unwrap().unwrap())
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem as the contract has it, and gives its code.
    #[track_caller]
    pub fn problem_code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16(), "{self:?}");
        for member in ["type", "title", "detail", "code", "error", "request_id"] {
            assert!(
                json[member].as_str().is_some_and(|s| !s.is_empty()),
                "no {member}: {self:?}"
            );
        }
        assert_eq!(json["request_id"], self.header("x-request-id"));
        for inner in [
            "src/",
            ".rs",
            "panicked",
            "symphonia",
            "unwrap",
            "serde",
            KEY,
        ] {
            assert!(!self.body.contains(inner), "'{inner}' leaks: {self:?}");
        }
        json["code"].as_str().unwrap().to_owned()
    }
}

/// A `POST /detect` with the key.
pub fn post(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    post_to("/detect", content_type, body)
}

pub fn post_to(uri: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(uri)
        .header("x-api-key", KEY)
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

pub fn post_json(body: &Value) -> Request<Body> {
    post("application/json", body.to_string())
}

pub fn post_json_to(uri: &str, body: &Value) -> Request<Body> {
    post_to(uri, "application/json", body.to_string())
}

pub async fn send(api: &Router, request: Request<Body>) -> Answer {
    let response = api.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A multipart body of these fields, with boundary `edge`; a field with a file name is a file.
pub fn form(fields: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, value) in fields {
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file_name) = file_name {
            body.extend(format!("; filename=\"{file_name}\"\r\nContent-Type: audio/mpeg").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    body
}

/// A judge under the test's command: says when it began, ends when it is told to, or panics.
pub struct Puppet {
    began: Sender<()>,
    end: Mutex<Receiver<()>>,
    inner: Detector,
}

impl Judge for Puppet {
    fn detect(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        assert_ne!(audio, b"panic", "expected by the test");
        self.began.send(()).unwrap();
        self.end.lock().unwrap().recv().unwrap();
        self.inner.detect(audio)
    }

    fn model(&self) -> &ModelInfo {
        self.inner.model()
    }
}

/// A puppet, what it says when it begins, and what lets it end.
pub fn puppet() -> (Arc<Puppet>, Receiver<()>, Sender<()>) {
    let (began, has_begun) = channel();
    let (end, ended) = channel();
    let inner = Detector::embedded().unwrap();
    (
        Arc::new(Puppet {
            began,
            end: Mutex::new(ended),
            inner,
        }),
        has_begun,
        end,
    )
}
