//! The door: guessers of keys wait, others do not; what every answer's headers say.
#![cfg(feature = "server")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use support::{Answer, KEY, api_with, config, send};
use voxproof::Detector;

fn server(vars: &[(&str, &str)]) -> Router {
    api_with(Arc::new(Detector::embedded().unwrap()), &config(vars))
}

/// `GET /models` with this key from that address, noted by a proxy where `noted` says so.
async fn from(api: &Router, address: &str, noted: Option<&str>, key: &str) -> Answer {
    let mut request = Request::get("/models").header("x-api-key", key);
    if let Some(noted) = noted {
        request = request.header("x-forwarded-for", noted);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    send(api, request).await
}

#[tokio::test]
async fn who_guesses_keys_has_to_wait_even_with_the_right_one() {
    let api = server(&[("WRONG_KEYS", "3/h")]);
    for guess in ["a", "b", "c"] {
        assert_eq!(from(&api, "192.0.2.1:1000", None, guess).await.status, 401);
    }
    let waits = from(&api, "192.0.2.1:1001", None, "d").await;
    assert_eq!(
        (waits.status.as_u16(), waits.problem_code().as_str()),
        (429, "rate_limited")
    );
    let seconds: u64 = waits.header("retry-after").parse().unwrap();
    assert!((3_500..=3_601).contains(&seconds), "{seconds}");
    // Else a guess would be told from the others by its answer.
    assert_eq!(from(&api, "192.0.2.1:1002", None, KEY).await.status, 429);
    assert_eq!(from(&api, "192.0.2.2:1000", None, KEY).await.status, 200);
    // The same host by way of IPv6.
    assert_eq!(
        from(&api, "[::ffff:192.0.2.1]:9", None, KEY).await.status,
        429
    );
}

#[tokio::test]
async fn who_has_shown_a_good_key_is_not_locked_out_by_neighbours() {
    let api = server(&[("WRONG_KEYS", "2/h"), ("API_KEY", "test-key,second-key")]);
    assert_eq!(from(&api, "192.0.2.1:1", None, KEY).await.status, 200);
    for guess in ["a", "b"] {
        assert_eq!(from(&api, "192.0.2.1:2", None, guess).await.status, 401);
    }
    assert_eq!(from(&api, "192.0.2.1:3", None, "c").await.status, 429);
    assert_eq!(from(&api, "192.0.2.1:4", None, KEY).await.status, 200);
    assert_eq!(
        from(&api, "192.0.2.1:5", None, "second-key").await.status,
        429
    );
}

#[tokio::test]
async fn behind_a_proxy_its_notes_tell_callers_apart() {
    let api = server(&[("WRONG_KEYS", "2/h"), ("TRUSTED_PROXIES", "1")]);
    for guess in ["a", "b"] {
        let noted = format!("{guess}, 198.51.100.7");
        let answer = from(&api, "10.0.0.1:1", Some(&noted), guess).await;
        assert_eq!(answer.status, 401);
    }
    // What stands in front of the proxy's note the caller wrote.
    let lied = from(&api, "10.0.0.1:1", Some("8.8.8.8, 198.51.100.7"), "c").await;
    assert_eq!(lied.status, 429);
    let other = from(&api, "10.0.0.1:1", Some("198.51.100.8"), KEY).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn no_key_at_all_and_being_switched_off_count_nothing() {
    let api = server(&[("WRONG_KEYS", "1/h")]);
    for _ in 0..5 {
        let mut request = Request::get("/models").body(Body::empty()).unwrap();
        let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        assert_eq!(send(&api, request).await.status, 401);
    }
    assert_eq!(from(&api, "192.0.2.1:1", None, KEY).await.status, 200);
    let api = server(&[("WRONG_KEYS", "off")]);
    for _ in 0..30 {
        assert_eq!(from(&api, "192.0.2.1:1", None, "x").await.status, 401);
    }
}

/// Every path of the contract, and whether it may be had without a key.
const OPEN: [&str; 5] = ["/health", "/ready", "/openapi.json", "/docs", "/"];

#[tokio::test]
async fn all_but_the_open_routes_need_a_key() {
    let api = server(&[]);
    let document = send(
        &api,
        Request::get("/openapi.json").body(Body::empty()).unwrap(),
    )
    .await;
    let document = document.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 10);
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            let filled = path.replace("{id}", "5f0c5e3a-1f6e-4c5e-9d3b-0123456789ab");
            let request = Request::builder().method(&method).uri(&filled);
            let answer = send(&api, request.body(Body::empty()).unwrap()).await;
            let open = OPEN.contains(&path.trim_start_matches("/v1"));
            // The address of an upload is its own permission: without a storage there are none.
            let by_token = method == Method::PUT && path.ends_with("/uploads/{id}");
            match (open, by_token) {
                (true, _) => assert_ne!(answer.status, 401, "{method} {path}"),
                (_, true) => assert_eq!(answer.status, 503, "{method} {path}"),
                _ => assert_eq!(answer.status, 401, "{method} {path}"),
            }
        }
    }
}

#[tokio::test]
async fn every_answer_has_safe_headers_and_pages_a_strict_policy() {
    let api = server(&[]);
    for path in [
        "/",
        "/docs",
        "/health",
        "/openapi.json",
        "/models",
        "/nowhere",
    ] {
        let request = Request::get(path).header("origin", "https://evil.example");
        let answer = send(&api, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
        if answer.header("content-type").starts_with("text/html") {
            let policy = answer.header("content-security-policy");
            for wanted in ["default-src", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(wanted), "{path}: {policy}");
            }
            for risky in ["unsafe", "*", "http:", "https:", "data:"] {
                assert!(!policy.contains(risky), "{path}: {policy}");
            }
        }
    }
}
