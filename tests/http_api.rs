//! The router, driven without a network: what callers may rely on.
#![cfg(feature = "http")]

mod support;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use support::{
    AI, HUMAN, KEY, api, api_with, base64, config, file, form, post, post_json, post_to, send,
};
use voxproof::Detector;

/// Checks the default answer: two members, each in its range.
#[track_caller]
fn assert_brief(verdict: &Value) {
    let members = verdict.as_object().unwrap();
    assert_eq!(
        members.keys().collect::<Vec<_>>(),
        ["classification", "confidence"]
    );
    assert!(["AI_GENERATED", "HUMAN"].contains(&verdict["classification"].as_str().unwrap()));
    let confidence = verdict["confidence"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&confidence));
    assert_eq!(
        (confidence * 100.0).round() / 100.0,
        confidence,
        "two decimals"
    );
}

#[tokio::test]
async fn the_three_forms_of_request_give_the_same_verdict() {
    let api = api();
    for path in [HUMAN, AI] {
        let audio = file(path);
        let expected = Detector::embedded().unwrap().detect(&audio).unwrap();
        let multipart = form(&[
            ("note", None, b"ignored"),
            ("audio", Some("clip.mp3"), &audio),
            ("language", None, b"Tamil"),
        ]);
        for request in [
            post_json(&json!({"audio": base64(&audio)})),
            post_json(
                &json!({"audioBase64": base64(&audio), "language": "HINDI", "audioFormat": "mp3"}),
            ),
            post_json(
                &json!({"audio": format!("data:audio/mpeg;base64,\r\n{}\n", base64(&audio)), "language": null}),
            ),
            post("audio/mpeg", audio.clone()),
            post("Audio/X-Whatever; codecs=mp3", audio.clone()),
            post("application/octet-stream", audio.clone()),
            post("multipart/form-data; boundary=edge", multipart),
            post_to("/v1/detect", "audio/mpeg", audio.clone()),
            post_to(
                "/detect?detail=false&language=te",
                "audio/mpeg",
                audio.clone(),
            ),
        ] {
            let answer = send(&api, request).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert_brief(&answer.json());
            assert_eq!(
                answer.json()["classification"],
                expected.classification.as_str()
            );
            assert_eq!(answer.json()["confidence"], expected.confidence);
        }
    }
}

#[tokio::test]
async fn detail_gives_the_whole_verdict() {
    let api = api();
    let audio = file(HUMAN);
    let expected = Detector::embedded().unwrap().detect(&audio).unwrap();
    let answer = send(
        &api,
        post_to(
            "/v1/detect?detail=true&language=English",
            "audio/mpeg",
            audio,
        ),
    )
    .await;
    let verdict = answer.json();
    let mut members: Vec<&String> = verdict.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(
        members,
        [
            "ai_probability",
            "classification",
            "confidence",
            "duration_seconds",
            "evidence",
            "evidence_baseline",
            "inconclusive",
            "language",
            "model",
            "out_of_distribution",
            "segments",
            "timings",
            "warnings"
        ]
    );
    assert_eq!(verdict["ai_probability"], expected.ai_probability);
    assert_eq!(verdict["duration_seconds"], expected.duration_seconds);
    assert_eq!(verdict["language"], "en");
    assert!(verdict["model"].as_str().unwrap().contains('/'));
    assert!(verdict["warnings"].is_array());
    let segments = verdict["segments"].as_array().unwrap();
    assert!(!segments.is_empty());
    for segment in segments {
        assert!(segment["start"].as_f64() < segment["end"].as_f64());
        assert!((0.0..=1.0).contains(&segment["ai_probability"].as_f64().unwrap()));
    }
}

#[tokio::test]
async fn the_language_of_the_body_goes_before_that_of_the_query() {
    let api = api();
    let body = json!({"audio": base64(&file(AI)), "language": " malayalam "}).to_string();
    let answer = send(
        &api,
        post_to("/detect?detail=true&language=hi", "application/json", body),
    )
    .await;
    assert_eq!(answer.json()["language"], "ml");
    let answer = send(&api, post_to("/detect?detail=true", "audio/mpeg", file(AI))).await;
    assert_eq!(answer.json()["language"], Value::Null);
}

#[tokio::test]
async fn health_and_ready_need_no_key() {
    let api = api();
    for path in ["/health", "/v1/health"] {
        let answer = send(&api, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        let health = answer.json();
        assert_eq!(health["status"], "healthy");
        assert_eq!(health["model_loaded"], true);
        assert!(health["model"].as_str().unwrap().contains('/'));
        let timestamp: jiff::Timestamp = health["timestamp"].as_str().unwrap().parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(timestamp);
        assert!(age.as_secs().abs() < 60, "{age:?}");
    }
    for path in ["/ready", "/v1/ready"] {
        let answer = send(&api, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"status": "ready"}))
        );
    }
}

#[tokio::test]
async fn either_header_and_any_key_is_accepted() {
    let judge = Arc::new(Detector::embedded().unwrap());
    let api = api_with(judge, &config(&[("API_KEY", "first, second")]));
    for (name, value, status) in [
        ("authorization", "Bearer first", 200),
        ("authorization", "bearer  second", 200),
        ("x-api-key", "second", 200),
        ("x-api-key", "first, second", 401),
        ("authorization", "Basic Zmlyc3Q6", 401),
        ("authorization", "first", 401),
        ("authorization", "Bearer ", 401),
        ("x-api-key", "", 401),
    ] {
        let request = Request::post("/detect")
            .header(name, value)
            .header("content-type", "audio/mpeg")
            .body(Body::from(file(AI)))
            .unwrap();
        let answer = send(&api, request).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn no_auth_serves_everyone() {
    let config = voxproof::http::HttpConfig::from_vars(|_| None, true).unwrap();
    let api = api_with(Arc::new(Detector::embedded().unwrap()), &config);
    let request = Request::post("/detect")
        .header("content-type", "audio/mpeg")
        .body(Body::from(file(AI)))
        .unwrap();
    assert_eq!(send(&api, request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn request_ids_go_in_and_out() {
    let api = api();
    let with_id = |id: &str| {
        Request::get("/health")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        send(&api, with_id("trace-42")).await.header("x-request-id"),
        "trace-42"
    );
    let replaced = send(&api, with_id("no spaces {}")).await;
    assert!(
        replaced
            .header("x-request-id")
            .parse::<uuid::Uuid>()
            .is_ok()
    );
    let first = send(&api, Request::get("/health").body(Body::empty()).unwrap()).await;
    let second = send(&api, Request::get("/health").body(Body::empty()).unwrap()).await;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn every_answer_has_safe_headers() {
    let api = api();
    for request in [
        Request::get("/health").body(Body::empty()).unwrap(),
        Request::get("/nowhere").body(Body::empty()).unwrap(),
        post("audio/mpeg", file(AI)),
    ] {
        let answer = send(&api, request).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

fn preflight(origin: &str) -> Request<Body> {
    Request::builder()
        .method(Method::OPTIONS)
        .uri("/v1/detect")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn cors_is_closed_unless_opened() {
    let closed = send(&api(), preflight("https://a.example")).await;
    assert_eq!(closed.header("access-control-allow-origin"), "");

    let judge = Arc::new(Detector::embedded().unwrap());
    let listed = api_with(
        judge.clone(),
        &config(&[("CORS_ORIGINS", "https://a.example,http://localhost:3000")]),
    );
    for (origin, allowed) in [
        ("https://a.example", "https://a.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://b.example", ""),
    ] {
        let answer = send(&listed, preflight(origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("x-api-key")
        );
    }

    let open = api_with(judge, &config(&[("CORS_ORIGINS", "*")]));
    assert_eq!(
        send(&open, preflight("https://b.example"))
            .await
            .header("access-control-allow-origin"),
        "*"
    );
    // A page must be able to read faults too, and their ids.
    let mut wrong_key = post("audio/mpeg", file(AI));
    wrong_key
        .headers_mut()
        .insert("x-api-key", "wrong".parse().unwrap());
    wrong_key
        .headers_mut()
        .insert("origin", "https://b.example".parse().unwrap());
    let answer = send(&open, wrong_key).await;
    assert_eq!(answer.problem_code(), "unauthorized");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("x-request-id")
    );
}

#[tokio::test]
async fn keys_are_not_in_the_debug_output() {
    assert!(!format!("{:?}", config(&[])).contains(KEY));
}
