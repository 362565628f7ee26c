//! Every example of a fault in the OpenAPI document is what the router answers: each is asked for.
#![cfg(feature = "server")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use serde_json::{Value, json};
use support::{
    AI, Answer, KEY, api, api_with, base64, config, file, post, post_json, post_to, puppet, send,
    wav,
};
use voxproof::Detector;
use voxproof::http::openapi::document;
use voxproof::http::{Code, router_with};
use voxproof::storage::{Attributes, Storage};

const ID: &str = "6b0a2f0c-93f5-4a3c-9a53-9d3f6f3d2f11";

/// The examples of the document by code; all routes have the same.
fn examples(media: &str) -> BTreeMap<String, Value> {
    fn collect(value: &Value, media: &str, found: &mut BTreeMap<String, Value>) {
        if let Some(examples) = value
            .get(media)
            .and_then(|content| content["examples"].as_object())
        {
            for (code, example) in examples {
                let before = found.insert(code.clone(), example["value"].clone());
                assert!(
                    before.is_none_or(|before| before == example["value"]),
                    "{code}"
                );
            }
        }
        match value {
            Value::Object(members) => members.values().for_each(|v| collect(v, media, found)),
            Value::Array(values) => values.iter().for_each(|v| collect(v, media, found)),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    collect(&document()["paths"], media, &mut found);
    found
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("x-api-key", KEY);
    request.body(Body::empty()).unwrap()
}

fn detector() -> Arc<Detector> {
    Arc::new(Detector::embedded().unwrap())
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn storage(name: &str) -> (Arc<Storage>, Folder) {
    let name = format!("voxproof-problems-{name}-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    (support::storage_in(&folder.0), folder)
}

/// The answer's document is the example of its code, but for the request's id.
fn check(examples: &mut BTreeMap<String, Value>, code: &str, answer: &Answer) {
    assert_eq!(answer.problem_code(), code, "{answer:?}");
    let mut found = answer.json();
    let example = examples
        .remove(code)
        .unwrap_or_else(|| panic!("no example of {code}"));
    found["request_id"] = example["request_id"].clone();
    assert_eq!(found, example);
}

#[tokio::test]
async fn examples_of_faults_are_what_is_answered() {
    let mut examples = examples("application/problem+json");
    let plain = api_with(
        detector(),
        &config(&[
            ("URL_HOSTS", "media.example.org"),
            ("URL_HOSTS_INSIDE", "http://127.0.0.1:1"),
        ]),
    );
    let mut without_key = post("audio/mpeg", file(AI));
    without_key.headers_mut().remove("x-api-key");
    let brief: Vec<u8> = wav(1, |n| (n % 50) as u8)[..44 + 400].to_vec();
    let ogg_head = file("tests/data/fixtures/vorbis_44100_mono.ogg")[..100].to_vec();
    let url = |url: &str| post_to(&format!("/detect?url={url}"), "audio/mpeg", "");
    for (code, request) in [
        ("malformed_json", post("application/json", "}")),
        (
            "invalid_request",
            post_to("/detect?detail=maybe", "audio/mpeg", file(AI)),
        ),
        ("missing_audio", post_json(&json!({"language": "en"}))),
        ("invalid_base64", post_json(&json!({"audio": "?"}))),
        ("empty_audio", post_json(&json!({"audio": ""}))),
        ("unauthorized", without_key),
        ("url_not_allowed", url("https://example.org/clip.mp3")),
        ("too_large", post("audio/mpeg", vec![0; (10 << 20) + 1])),
        ("too_long", post("audio/wav", wav(601, |n| (n % 50) as u8))),
        ("not_audio", post("audio/mpeg", "this is no recording")),
        ("unsupported_media_type", post("text/plain", "hello")),
        ("undecodable", post("audio/ogg", ogg_head)),
        ("too_short", post("audio/wav", brief)),
        ("no_speech", post("audio/wav", wav(2, |_| 128))),
        (
            "not_stereo",
            post_to("/detect?channel=left", "audio/mpeg", file(AI)),
        ),
        (
            "outside_recording",
            post_to("/detect?end=3", "audio/wav", wav(2, |n| (n % 50) as u8)),
        ),
        (
            "unknown_language",
            post_to("/detect?language=Klingon", "audio/mpeg", file(AI)),
        ),
        (
            "unknown_model",
            post_to("/detect?model=other", "audio/mpeg", file(AI)),
        ),
        ("upgrade_required", get("/stream?format=opus")),
        ("url_unreachable", url("http://127.0.0.1:1/clip.mp3")),
        ("storage_unavailable", get("/results")),
    ] {
        check(&mut examples, code, &send(&plain, request).await);
    }

    let mut last = send(&plain, get("/models")).await;
    // A minute may end in between.
    for _ in 0..2_000 {
        if last.status == 429 {
            break;
        }
        last = send(&plain, get("/models")).await;
    }
    check(&mut examples, "rate_limited", &last);

    let (judge, began, end) = puppet();
    let mut settings = config(&[("CACHE", "off")]);
    (settings.workers, settings.queue_length) = (1, 0);
    let busy = api_with(judge, &settings);
    check(
        &mut examples,
        "internal",
        &send(&busy, post("audio/mpeg", "panic")).await,
    );
    let first = tokio::spawn({
        let busy = busy.clone();
        async move { send(&busy, post("audio/mpeg", file(AI))).await }
    });
    tokio::task::spawn_blocking(move || began.recv().unwrap())
        .await
        .unwrap();
    check(
        &mut examples,
        "overloaded",
        &send(&busy, post("audio/mpeg", file(AI))).await,
    );
    end.send(()).unwrap();
    assert_eq!(first.await.unwrap().status, 200);

    uploads(&mut examples).await;
    // Asked for by a test of its own, in time that does not pass.
    assert!(examples.remove("request_timeout").is_some());
    assert_eq!(examples.keys().next(), None, "not asked for");
}

/// Those of uploads: an id that was never given out, an address that was used, one that is too old.
async fn uploads(examples: &mut BTreeMap<String, Value>) {
    let (storage, _folder) = storage("uploads");
    let api = router_with(detector(), &config(&[]), Some(Arc::clone(&storage)));
    let put = |path: &str| {
        let request = Request::put(path).header("content-type", "audio/mpeg");
        request.body(Body::from(file(AI))).unwrap()
    };
    check(
        examples,
        "not_found",
        &send(&api, get(&format!("/results/{ID}"))).await,
    );
    let wanted = json!({"content_type": "audio/mpeg", "content_length": file(AI).len()});
    let issued = send(&api, support::post_json_to("/uploads", &wanted))
        .await
        .json();
    let at = issued["url"].as_str().unwrap();
    assert_eq!(send(&api, put(at)).await.status, 200);
    check(examples, "already_uploaded", &send(&api, put(at)).await);
    let old = json!({
        "content_type": "audio/mpeg", "content_length": 1, "language": null, "token": "t",
        "expires_at": "2020-01-01T00:00:00Z",
    });
    let about = Attributes {
        content_type: "application/json",
        language: None,
    };
    let note = old.to_string().into_bytes();
    let key = format!("issued/{ID}");
    storage
        .store
        .create(&storage.uploads_bucket, &key, about, note)
        .await
        .unwrap();
    let answer = send(&api, put(&format!("/uploads/{ID}?token=t"))).await;
    check(examples, "upload_expired", &answer);
}

#[tokio::test(start_paused = true)]
async fn the_example_of_a_body_that_does_not_come_is_what_is_answered() {
    let never = futures_util::stream::pending::<std::io::Result<Bytes>>();
    let answer = send(&api(), post("audio/mpeg", Body::from_stream(never))).await;
    check(
        &mut examples("application/problem+json"),
        "request_timeout",
        &answer,
    );
}

#[tokio::test]
async fn examples_for_clients_of_other_services_are_what_they_are_answered() {
    let examples = examples("application/json");
    let api: Router = api();
    let asked = |body: &Value| support::post_json_to("/api/voice-detection", body);
    let sound = base64(b"this is no recording");
    for (code, request) in [
        ("invalid_base64", asked(&json!({"audioBase64": "?"}))),
        ("not_audio", asked(&json!({"audioBase64": sound}))),
        ("empty_audio", asked(&json!({"audioBase64": ""}))),
        ("missing_audio", asked(&json!({"language": "en"}))),
    ] {
        let answer = send(&api, request).await;
        assert_eq!(answer.status, Code::from_name(code).unwrap().status());
        assert_eq!(answer.json(), examples[code], "{code}");
    }
}
