//! Bad input: each has its status and its code, and says nothing internal.
#![cfg(feature = "http")]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use http_body::Frame;
use serde_json::json;
use support::{
    AI, HUMAN, KEY, api, api_with, base64, config, file, form, post, post_json, post_to, send, wav,
};
use voxproof::Detector;

/// The smallest PNG there is.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

async fn assert_fault(request: Request<Body>, status: u16, codes: &[&str]) {
    let answer = send(&api(), request).await;
    assert_eq!(answer.status, status, "{answer:?}");
    let code = answer.problem_code();
    assert!(
        codes.contains(&code.as_str()),
        "{code} is none of {codes:?}"
    );
}

#[tokio::test]
async fn nothing_at_all_is_empty_audio() {
    for content_type in [
        "application/json",
        "audio/mpeg",
        "multipart/form-data; boundary=edge",
        "text/plain",
    ] {
        assert_fault(post(content_type, Body::empty()), 400, &["empty_audio"]).await;
    }
    let bare = Request::post("/detect")
        .header("x-api-key", KEY)
        .body(Body::empty())
        .unwrap();
    assert_fault(bare, 400, &["empty_audio"]).await;
    assert_fault(post_json(&json!({"audio": ""})), 400, &["empty_audio"]).await;
    assert_fault(
        post_json(&json!({"audio": "data:audio/mpeg;base64,"})),
        400,
        &["empty_audio"],
    )
    .await;
    let form = form(&[("audio", Some("a.mp3"), b"")]);
    assert_fault(
        post("multipart/form-data; boundary=edge", form),
        400,
        &["empty_audio"],
    )
    .await;
    // A body whose emptiness shows only once it is read.
    let stream = Body::new(http_body_util::Full::new(Bytes::new()));
    assert_fault(post("audio/mpeg", stream), 400, &["empty_audio"]).await;
}

#[tokio::test]
async fn bad_json_is_told_apart() {
    for body in [
        "not json",
        "{",
        r#"{"audio": "SUQz""#,
        "{\"audio\": \"\u{1}\"}",
        r#"{"audio": "SUQz"} more"#,
    ] {
        assert_fault(post("application/json", body), 400, &["malformed_json"]).await;
    }
    assert_fault(
        post("application/json", &b"{\"audio\": \"\xff\"}"[..]),
        400,
        &["malformed_json"],
    )
    .await;
    for body in ["{}", r#"{"language": "en"}"#, r#"{"audio": null}"#] {
        assert_fault(post("application/json", body), 400, &["missing_audio"]).await;
    }
    for body in [
        r#"{"audio": 5}"#,
        r#"{"audio": ["SUQz"]}"#,
        r#"{"audio": "SUQz", "language": 1}"#,
        r#"{"audio": "SUQz", "audioBase64": "SUQz"}"#,
        r#""SUQz""#,
        "5",
        "null",
    ] {
        assert_fault(post("application/json", body), 400, &["invalid_request"]).await;
    }
    for audio in [
        "not base64!",
        "SUQzA",
        "data:audio/mpeg,SUQz",
        "data:audio/mpeg;base64",
    ] {
        assert_fault(
            post_json(&json!({"audio": audio})),
            400,
            &["invalid_base64"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_fault_never_quotes_the_clip() {
    let voice = "U0VDUkVU".repeat(1000);
    for body in [
        format!("\"{voice}\""),
        format!("{{\"audio\": [\"{voice}\"]}}"),
        format!("{{\"audio\": \"{voice}!\"}}"),
    ] {
        let answer = send(&api(), post("application/json", body)).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.body.contains("U0VDUkVU"), "{answer:?}");
    }
}

#[tokio::test]
async fn damaged_forms_are_refused() {
    let whole = form(&[("audio", Some("a.mp3"), &file(AI))]);
    let twice = form(&[
        ("audio", Some("a.mp3"), b"ID3"),
        ("audio", Some("b.mp3"), b"ID3"),
    ]);
    let without = form(&[("file", Some("a.mp3"), b"ID3"), ("language", None, b"en")]);
    let edge = "multipart/form-data; boundary=edge";
    assert_fault(
        post(edge, whole[..whole.len() / 2].to_vec()),
        400,
        &["invalid_request"],
    )
    .await;
    assert_fault(
        post("multipart/form-data", whole.clone()),
        400,
        &["invalid_request"],
    )
    .await;
    assert_fault(
        post("multipart/form-data; boundary=other", whole),
        400,
        &["invalid_request", "missing_audio"],
    )
    .await;
    assert_fault(post(edge, twice), 400, &["invalid_request"]).await;
    assert_fault(post(edge, without), 400, &["missing_audio"]).await;
}

#[tokio::test]
async fn what_is_not_audio_is_415() {
    for bytes in [
        &b"This is a text about nothing in particular, long enough to be one.\n".repeat(50)[..],
        PNG,
    ] {
        assert_fault(
            post_json(&json!({"audio": base64(bytes)})),
            415,
            &["not_audio"],
        )
        .await;
        assert_fault(post("audio/mpeg", bytes.to_vec()), 415, &["not_audio"]).await;
        let form = form(&[("audio", Some("a.mp3"), bytes)]);
        assert_fault(
            post("multipart/form-data; boundary=edge", form),
            415,
            &["not_audio"],
        )
        .await;
    }
}

#[tokio::test]
async fn too_little_of_an_mp3_cannot_be_judged() {
    // An ID3 tag and a fraction of a second at most.
    let stump = &file(HUMAN)[..1200];
    assert_fault(
        post_json(&json!({"audio": base64(stump)})),
        422,
        &["undecodable", "too_short"],
    )
    .await;
}

#[tokio::test]
async fn half_an_mp3_is_judged_like_ffmpeg_would() {
    let clip = file(HUMAN);
    let answer = send(&api(), post("audio/mpeg", clip[..clip.len() / 2].to_vec())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn too_long_too_short_and_silent() {
    let hum = |i: usize| if i % 80 < 40 { 100 } else { 156 };
    assert_fault(
        post_json(&json!({"audio": base64(&wav(601, hum))})),
        413,
        &["too_long"],
    )
    .await;
    assert_fault(
        post("audio/wav", wav(0, hum)),
        422,
        &["too_short", "undecodable"],
    )
    .await;
    let mut half_a_second = wav(1, hum);
    half_a_second.truncate(44 + 4000);
    assert_fault(post("audio/wav", half_a_second), 422, &["too_short"]).await;
    assert_fault(post("audio/wav", wav(3, |_| 128)), 422, &["no_speech"]).await;
}

/// A body without a length, in pieces of 64 KiB.
struct Pieces(Bytes);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let size = self.0.len().min(64 << 10);
        Poll::Ready((size > 0).then(|| Ok(Frame::data(self.0.split_to(size)))))
    }
}

#[tokio::test]
async fn eleven_megabytes_are_too_large_however_they_are_announced() {
    let body = vec![b'A'; 11_000_000];
    assert_fault(post("audio/mpeg", body.clone()), 413, &["too_large"]).await;
    let quoted = format!("{{\"audio\": \"{}\"}}", "A".repeat(11_000_000));
    assert_fault(post("application/json", quoted), 413, &["too_large"]).await;
    // Without a length, in pieces.
    let pieces = Pieces(Bytes::from(body));
    assert_fault(post("audio/mpeg", Body::new(pieces)), 413, &["too_large"]).await;
}

#[tokio::test]
async fn the_limit_can_be_moved() {
    let api = api_with(
        Arc::new(Detector::embedded().unwrap()),
        &config(&[("MAX_BODY_BYTES", "2048")]),
    );
    let answer = send(&api, post("audio/mpeg", file(AI))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem_code().as_str()),
        (413, "too_large")
    );
    assert!(answer.json()["error"].as_str().unwrap().contains("2048"));
}

#[tokio::test]
async fn no_key_and_a_wrong_key_are_401() {
    for (key, challenge) in [(None, "Bearer realm"), (Some("wrong"), "invalid_token")] {
        for path in ["/detect", "/v1/detect"] {
            let mut request = post_to(path, "audio/mpeg", file(AI));
            request.headers_mut().remove("x-api-key");
            if let Some(key) = key {
                request
                    .headers_mut()
                    .insert("authorization", format!("Bearer {key}").parse().unwrap());
            }
            let answer = send(&api(), request).await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.problem_code(), "unauthorized");
            assert!(answer.header("www-authenticate").contains(challenge));
        }
    }
}

#[tokio::test]
async fn unknown_languages_are_422_with_what_is_accepted() {
    let clip = file(AI);
    let form = form(&[
        ("audio", Some("a.mp3"), &clip),
        ("language", None, b"Klingon"),
    ]);
    for request in [
        post_json(&json!({"audio": base64(&clip), "language": "de"})),
        post_json(&json!({"audio": base64(&clip), "language": ""})),
        post_to("/detect?language=French", "audio/mpeg", clip.clone()),
        post("multipart/form-data; boundary=edge", form),
    ] {
        let answer = send(&api(), request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem_code().as_str()),
            (422, "unknown_language")
        );
        assert!(
            answer.json()["error"]
                .as_str()
                .unwrap()
                .contains("Malayalam")
        );
    }
}

#[tokio::test]
async fn unknown_content_types_are_415() {
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "image/png",
        "nonsense",
        "audio",
    ] {
        assert_fault(
            post(content_type, file(AI)),
            415,
            &["unsupported_media_type"],
        )
        .await;
    }
    let untyped = Request::post("/detect")
        .header("x-api-key", KEY)
        .body(Body::from(file(AI)))
        .unwrap();
    assert_fault(untyped, 415, &["unsupported_media_type"]).await;
}

#[tokio::test]
async fn a_bad_query_is_400() {
    for query in [
        "detail=perhaps",
        "detail=1",
        "detail=",
        "detail=true&detail=true",
    ] {
        let request = post_to(&format!("/detect?{query}"), "audio/mpeg", file(AI));
        assert_fault(request, 400, &["invalid_request"]).await;
    }
}

#[tokio::test]
async fn unknown_routes_and_methods() {
    // The page stands there, where there is one.
    let (status, code) = if cfg!(feature = "page") {
        (405, "method_not_allowed")
    } else {
        (404, "not_found")
    };
    assert_fault(post_to("/", "audio/mpeg", file(AI)), status, &[code]).await;
    for path in [
        "/nowhere",
        "/v1",
        "/v1/nowhere",
        "/v2/detect",
        "/detect/",
        "/detect/more",
        "//detect",
    ] {
        assert_fault(post_to(path, "audio/mpeg", file(AI)), 404, &["not_found"]).await;
    }
    for (method, path, allow) in [
        (Method::GET, "/detect", "POST"),
        (Method::PUT, "/v1/detect", "POST"),
        (Method::OPTIONS, "/detect", "POST"),
        (Method::POST, "/health", "GET,HEAD"),
        (Method::DELETE, "/v1/ready", "GET,HEAD"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-api-key", KEY)
            .body(Body::empty());
        let answer = send(&api(), request.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem_code().as_str()),
            (405, "method_not_allowed")
        );
        assert_eq!(answer.header("allow"), allow);
    }
}
