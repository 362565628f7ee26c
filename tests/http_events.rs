//! `POST /events`: what Eventarc sends of Cloud Storage, with a folder in the storage's place.
#![cfg(feature = "server")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use support::{AI, KEY, config, file, puppet, send, storage_in};
use voxproof::Detector;
use voxproof::http::{Judge, router_with};
use voxproof::storage::{Attributes, Storage};

const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

struct Place {
    folder: PathBuf,
    storage: Arc<Storage>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("voxproof-events-{name}-{}", std::process::id()));
        let storage = storage_in(&folder);
        Self { folder, storage }
    }

    fn api(&self, vars: &[(&str, &str)], judge: Arc<dyn Judge>) -> Router {
        router_with(judge, &config(vars), Some(Arc::clone(&self.storage)))
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        let about = Attributes {
            content_type: "audio/mpeg",
            language: Some("ta"),
        };
        let created =
            self.storage
                .store
                .create(&self.storage.uploads_bucket, key, about, bytes.to_vec());
        created.await.unwrap();
    }

    /// All results, by the API.
    async fn results(&self, api: &Router) -> Vec<Value> {
        let request = Request::get("/results?limit=100").header("x-api-key", KEY);
        let answer = send(api, request.body(Body::empty()).unwrap()).await;
        answer.json()["results"].as_array().unwrap().clone()
    }
}

fn detector() -> Arc<Detector> {
    Arc::new(Detector::embedded().unwrap())
}

fn data(key: &str) -> Value {
    json!({
        "kind": "storage#object", "bucket": "uploads", "name": key, "generation": "1732780800000000",
        "contentType": "audio/mpeg", "timeCreated": "2026-11-28T08:00:00.000Z",
    })
}

/// The data as the body, the attributes as headers: how Eventarc sends.
fn binary(kind: &str, data: &Value) -> Request<Body> {
    Request::post("/events")
        .header("x-api-key", KEY)
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-type", kind)
        .header(
            "ce-source",
            "//storage.googleapis.com/projects/_/buckets/uploads",
        )
        .header("ce-id", "1234567890")
        .body(Body::from(data.to_string()))
        .unwrap()
}

fn structured(kind: &str, data: &Value) -> Request<Body> {
    let event =
        json!({"specversion": "1.0", "type": kind, "source": "//s", "id": "1", "data": data});
    Request::post("/v1/events")
        .header("x-api-key", KEY)
        .header(
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        )
        .body(Body::from(event.to_string()))
        .unwrap()
}

#[tokio::test]
async fn an_object_is_judged_once_however_often_it_is_told_of() {
    let place = Place::new("judged");
    let api = place.api(&[("THRESHOLD_TA", "1")], detector());
    place.put("calls/a b.mp3", &file(AI)).await;
    place.put("letter.txt", b"this is no recording").await;
    for request in [
        binary(FINALIZED, &data("calls/a b.mp3")),
        structured(FINALIZED, &data("calls/a b.mp3")),
        structured(FINALIZED, &data("letter.txt")),
        binary(FINALIZED, &data("was/deleted.mp3")),
        // Nothing that was written.
        binary(
            "google.cloud.storage.object.v1.deleted",
            &data("calls/a b.mp3"),
        ),
        // Ours.
        binary(
            FINALIZED,
            &data("issued/6b0a2f0c-93f5-4a3c-9a53-9d3f6f3d2f11"),
        ),
    ] {
        let answer = send(&api, request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (204, ""),
            "{answer:?}"
        );
    }
    let results = place.results(&api).await;
    let found: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r["object"]["key"].as_str().unwrap(),
                r["status"].as_str().unwrap(),
                &r["code"],
                &r["classification"],
            )
        })
        .collect();
    let null = &Value::Null;
    assert_eq!(
        found,
        [
            ("calls/a b.mp3", "judged", null, &json!("HUMAN")),
            ("letter.txt", "error", &json!("not_audio"), null),
            ("was/deleted.mp3", "error", &json!("object_gone"), null),
        ]
    );
    assert_eq!(results[0]["language"], "ta");
    let p = detector().detect(&file(AI)).unwrap().ai_probability;
    assert_eq!(
        results[0]["ai_probability"], p,
        "the threshold is the language's"
    );
}

#[tokio::test]
async fn what_is_no_such_event_is_refused() {
    let place = Place::new("refused");
    let api = place.api(&[], detector());
    let mut other_bucket = data("a.mp3");
    other_bucket["bucket"] = "results".into();
    let mut no_version = binary(FINALIZED, &data("a.mp3"));
    no_version.headers_mut().remove("ce-specversion");
    let mut text = binary(FINALIZED, &data("a.mp3"));
    text.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let mut cut = binary(FINALIZED, &data("a.mp3"));
    *cut.body_mut() = Body::from("{\"bucket\": ");
    let mut large = binary(FINALIZED, &data("a.mp3"));
    *large.body_mut() = Body::from(vec![b' '; 65 * 1024]);
    for (request, code) in [
        (binary(FINALIZED, &other_bucket), "invalid_request"),
        (
            binary(FINALIZED, &json!({"name": "a.mp3"})),
            "invalid_request",
        ),
        (structured(FINALIZED, &json!("text")), "invalid_request"),
        (
            binary("com.example.other", &data("a.mp3")),
            "invalid_request",
        ),
        (
            structured("com.example.other", &data("a.mp3")),
            "invalid_request",
        ),
        (no_version, "invalid_request"),
        (text, "unsupported_media_type"),
        (cut, "malformed_json"),
        (large, "too_large"),
    ] {
        assert_eq!(send(&api, request).await.problem_code(), code);
    }
    assert_eq!(place.results(&api).await, Vec::<Value>::new());
    let without = support::api();
    let answer = send(&without, binary(FINALIZED, &data("a.mp3"))).await;
    assert_eq!(answer.problem_code(), "storage_unavailable");
}

#[tokio::test]
async fn a_key_is_needed_unless_the_platform_is_trusted() {
    let place = Place::new("keys");
    place.put("a.mp3", &file(AI)).await;
    let keyless = || {
        let mut request = binary(FINALIZED, &data("a.mp3"));
        request.headers_mut().remove("x-api-key");
        // What Eventarc sends for the platform to check.
        request
            .headers_mut()
            .insert("authorization", "Bearer eyJhbGciOi".parse().unwrap());
        request
    };
    let closed = place.api(&[], detector());
    assert_eq!(
        send(&closed, keyless()).await.problem_code(),
        "unauthorized"
    );
    let open = place.api(&[("EVENTS", "platform")], detector());
    assert_eq!(send(&open, keyless()).await.status, 204);
    assert_eq!(place.results(&open).await.len(), 1);
    // Nothing else is open.
    let results = Request::get("/results").body(Body::empty()).unwrap();
    assert_eq!(send(&open, results).await.status, 401);
}

#[tokio::test]
async fn what_may_succeed_later_is_for_the_sender_to_deliver_again() {
    let place = Place::new("later");
    place.put("panic.mp3", b"panic").await;
    let (judge, _began, _end) = puppet();
    let api = place.api(&[], judge);
    let answer = send(&api, binary(FINALIZED, &data("panic.mp3"))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem_code().as_str()),
        (500, "internal")
    );
    assert_eq!(place.results(&api).await, Vec::<Value>::new());
    // The storage is gone.
    std::fs::remove_dir_all(&place.folder).unwrap();
    std::fs::write(&place.folder, "").unwrap();
    let answer = send(&api, binary(FINALIZED, &data("panic.mp3"))).await;
    let status = answer.status.as_u16();
    assert_eq!(
        (status, answer.problem_code().as_str()),
        (503, "storage_unavailable")
    );
    assert_eq!(answer.header("retry-after"), "5");
    std::fs::remove_file(&place.folder).unwrap();
}
