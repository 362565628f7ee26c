//! `POST /detect?url=`: what is fetched, and what never is. The hosts are servers of these tests, on this machine.
#![cfg(feature = "server")]

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use support::{AI, Answer, KEY, api_with, config, file, post, post_to, send};
use voxproof::Detector;

/// What a host was asked, and how often.
#[derive(Clone, Default)]
struct Seen {
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    requests: Arc<AtomicUsize>,
}

async fn host(seen: Seen) -> SocketAddr {
    async fn clip(State(seen): State<Seen>, headers: HeaderMap) -> Vec<u8> {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        seen.headers.lock().unwrap().push(headers);
        file(AI)
    }
    async fn leads(Path(times): Path<usize>, State(seen): State<Seen>) -> Redirect {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if times == 0 {
            return Redirect::to("/clip.mp3");
        }
        Redirect::temporary(&format!("../leads/{}", times - 1))
    }
    async fn away(Path(to): Path<String>) -> Redirect {
        Redirect::permanent(&to)
    }
    async fn status(Path(code): Path<u16>) -> Response {
        (StatusCode::from_u16(code).unwrap(), file(AI)).into_response()
    }
    async fn endless() -> Body {
        let piece = || Ok::<_, std::io::Error>(axum::body::Bytes::from(vec![0; 64 * 1024]));
        Body::from_stream(futures_util::stream::repeat_with(piece))
    }
    async fn silent() -> Response {
        std::future::pending().await
    }
    async fn compressed() -> Response {
        ([(header::CONTENT_ENCODING, "gzip")], file(AI)).into_response()
    }
    let router = Router::new()
        .route("/clip.mp3", get(clip))
        .route("/empty", get(|| async {}))
        .route("/letter", get(|| async { "this is no recording" }))
        .route("/leads/{times}", get(leads))
        .route("/away/{*to}", get(away))
        .route("/nowhere", get(|| async { StatusCode::FOUND }))
        .route("/status/{code}", get(status))
        .route("/endless", get(endless))
        .route("/silent", get(silent))
        .route("/compressed", get(compressed))
        .with_state(seen);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn api(vars: &[(&str, &str)]) -> Router {
    api_with(Arc::new(Detector::embedded().unwrap()), &config(vars))
}

fn asking(url: &str) -> Request<Body> {
    let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
    let request = Request::post(format!("/v1/detect?detail=true&language=en&url={url}"));
    let request = request.header("x-api-key", KEY);
    request.body(Body::empty()).unwrap()
}

async fn ask(api: &Router, url: &str) -> Answer {
    send(api, asking(url)).await
}

#[tokio::test]
async fn a_clip_behind_an_address_is_judged_as_if_it_had_been_sent() {
    let seen = Seen::default();
    let address = host(seen.clone()).await;
    let origin = format!("http://{address}");
    let api = api(&[("URL_HOSTS_INSIDE", &origin)]);
    let there = ask(&api, &format!("{origin}/clip.mp3?signature=a%2Fb#part")).await;
    assert_eq!(there.status, 200, "{there:?}");
    let sent = send(
        &api,
        post_to("/detect?detail=true&language=en", "audio/mpeg", file(AI)),
    )
    .await;
    assert_eq!(
        sent.header("x-cache"),
        "hit",
        "the same clip by its content"
    );
    assert_eq!(there.json(), sent.json());
    assert_eq!(there.json()["language"], "en");
    // Nothing of the caller reaches the host.
    let headers = seen.headers.lock().unwrap().pop().unwrap();
    assert_eq!(headers["host"], address.to_string());
    assert!(!format!("{headers:?}").contains(KEY) && headers.get("x-request-id").is_none());
}

#[tokio::test]
async fn redirects_are_followed_so_far_and_checked_as_the_first_address_was() {
    let seen = Seen::default();
    let address = host(seen.clone()).await;
    let other = Seen::default();
    let elsewhere = host(other.clone()).await;
    let origin = format!("http://{address}");
    let api = api(&[("URL_HOSTS_INSIDE", &origin)]);
    let followed = ask(&api, &format!("{origin}/leads/2")).await;
    assert_eq!(followed.status, 200, "{followed:?}");
    let too_often = ask(&api, &format!("{origin}/leads/3")).await;
    assert_eq!(too_often.problem_code(), "url_unreachable");
    for (to, code) in [
        (format!("http://{elsewhere}/clip.mp3"), "url_not_allowed"),
        (format!("//{elsewhere}/clip.mp3"), "url_not_allowed"),
        (
            "http://169.254.169.254/latest/meta-data".into(),
            "url_not_allowed",
        ),
        ("file:///etc/passwd".into(), "url_not_allowed"),
        (format!("http://user@{address}/clip.mp3"), "url_not_allowed"),
        ("http://[".into(), "url_unreachable"),
    ] {
        let answer = ask(&api, &format!("{origin}/away/{to}")).await;
        assert_eq!(answer.problem_code(), code, "{to}");
    }
    assert_eq!(ask(&api, &format!("{origin}/nowhere")).await.status, 502);
    assert_eq!(other.requests.load(Ordering::Relaxed), 0, "it was asked");
}

#[tokio::test]
async fn nothing_is_fetched_unless_hosts_are_listed() {
    let seen = Seen::default();
    let origin = format!("http://{}", host(seen.clone()).await);
    for api in [
        api(&[]),
        api(&[("URL_HOSTS", "media.example.org")]),
        // Names of this machine are no way in, nor are its addresses.
        api(&[(
            "URL_HOSTS",
            "localhost,127.0.0.1,[::1],[::ffff:7f00:1],0.0.0.0",
        )]),
        api(&[("URL_HOSTS_INSIDE", "http://127.0.0.1:1,http://localhost")]),
    ] {
        for url in [
            origin.clone() + "/clip.mp3",
            origin.replace("http:", "https:") + "/clip.mp3",
            "https://localhost/clip.mp3".into(),
            "https://127.0.0.1/".into(),
            "https://2130706433/".into(),
            "https://0x7f.1/".into(),
            "https://[::1]/".into(),
            "https://[::ffff:127.0.0.1]/".into(),
            "https://0/".into(),
            "https://user:secret@localhost/".into(),
            "gopher://127.0.0.1/".into(),
        ] {
            let answer = ask(&api, &url).await;
            assert_eq!(answer.status, 403, "{url}: {answer:?}");
            assert_eq!(answer.problem_code(), "url_not_allowed", "{url}");
            assert!(!answer.body.contains("127.0.0.1"), "{answer:?}");
        }
    }
    assert_eq!(seen.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_comes_is_bounded_and_its_faults_are_told_apart() {
    let seen = Seen::default();
    let origin = format!("http://{}", host(seen).await);
    let mut settings = config(&[("URL_HOSTS_INSIDE", &format!("{origin},http://127.0.0.1:1"))]);
    settings.read_timeout = Duration::from_millis(300);
    let judge = Arc::new(Detector::embedded().unwrap());
    let api = api_with(judge, &settings);
    for (path, status, code) in [
        ("/empty", 400, "empty_audio"),
        ("/letter", 415, "not_audio"),
        ("/endless", 413, "too_large"),
        ("/status/404", 502, "url_unreachable"),
        ("/status/204", 502, "url_unreachable"),
        ("/compressed", 502, "url_unreachable"),
    ] {
        let answer = ask(&api, &format!("{origin}{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.problem_code(), code);
    }
    let refused = ask(&api, "http://127.0.0.1:1/clip.mp3").await;
    assert_eq!(refused.problem_code(), "url_unreachable");
    for url in [
        "",
        "clip.mp3",
        "https://",
        &format!("https://a.example/{}", "x".repeat(5000)),
    ] {
        let answer = ask(&api, url).await;
        assert_eq!(answer.problem_code(), "invalid_request", "{url}");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("url"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_nothing_is_given_up() {
    let origin = format!("http://{}", host(Seen::default()).await);
    let api = api(&[("URL_HOSTS_INSIDE", &origin)]);
    let answer = ask(&api, &format!("{origin}/silent")).await;
    assert_eq!(answer.problem_code(), "url_unreachable");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("too long")
    );
}

#[tokio::test]
async fn an_address_and_a_body_are_one_too_many() {
    let api = api(&[]);
    let answer = send(
        &api,
        post_to("/detect?url=https://a.example/", "audio/mpeg", file(AI)),
    )
    .await;
    assert_eq!(answer.problem_code(), "invalid_request");
    assert_eq!(send(&api, post("audio/mpeg", file(AI))).await.status, 200);
    let twice: Value = send(&api, post_to("/detect?url=a&url=b", "audio/mpeg", ""))
        .await
        .json();
    assert_eq!(twice["code"], "invalid_request");
}
