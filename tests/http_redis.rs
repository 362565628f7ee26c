//! Cache and limits that servers share, against a real redis-server. Skipped where there is none, unless REQUIRE_REDIS=1.
#![cfg(feature = "server")]

mod port_support;
mod support;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use port_support::free_port;
use support::{AI, HUMAN, KEY, api_with, config, file, post, send};
use voxproof::Detector;

/// A redis-server of this test's own.
struct Redis {
    process: Child,
    port: u16,
    _folder: Folder,
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Redis {
    /// `None`, said aloud, where there is no redis-server.
    fn start() -> Option<Self> {
        let port = free_port();
        let name = format!("voxproof-redis-{}-{port}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--dir"])
            .arg(&folder.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match process {
            Ok(process) => process,
            Err(error) => {
                let required = std::env::var_os("REQUIRE_REDIS").is_some_and(|v| v == "1");
                assert!(!required, "REQUIRE_REDIS=1, and no redis-server: {error}");
                eprintln!("SKIPPED: no redis-server in PATH ({error})");
                return None;
            }
        };
        let redis = Self {
            process,
            port,
            _folder: folder,
        };
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "redis-server does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// One of several servers: what it has in memory is its own.
fn server(vars: &[(&str, &str)]) -> Router {
    api_with(Arc::new(Detector::embedded().unwrap()), &config(vars))
}

fn models() -> Request<Body> {
    let request = Request::get("/models").header("x-api-key", KEY);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn servers_share_verdicts() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let first = server(&[("REDIS_URL", &url)]);
    let answer = send(&first, post("audio/mpeg", file(AI))).await;
    assert_eq!(answer.header("x-cache"), "miss");
    // What the first one knows reaches Redis behind its answer.
    let mut shared = server(&[("REDIS_URL", &url)]);
    let mut hit = send(&shared, post("audio/mpeg", file(AI))).await;
    let since = Instant::now();
    while hit.header("x-cache") != "hit" && since.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        shared = server(&[("REDIS_URL", &url)]);
        hit = send(&shared, post("audio/mpeg", file(AI))).await;
    }
    assert_eq!((hit.header("x-cache"), &hit.body), ("hit", &answer.body));
    let other = send(&shared, post("audio/mpeg", file(HUMAN))).await;
    assert_eq!(other.header("x-cache"), "miss");
}

#[tokio::test]
async fn servers_share_limits() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let vars = [("REDIS_URL", url.as_str()), ("RATE_LIMIT", "3/h")];
    let (first, second) = (server(&vars), server(&vars));
    for (api, status) in [
        (&first, 200),
        (&second, 200),
        (&first, 200),
        (&second, 429),
        (&first, 429),
    ] {
        let answer = send(api, models()).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_dead_redis_is_no_fault() {
    // Nobody listens there: refused at once. And an address that never answers.
    let refused = format!("redis://127.0.0.1:{}", free_port());
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mute = format!("redis://{}", silent.local_addr().unwrap());
    for url in [&refused, &mute] {
        let api = server(&[("REDIS_URL", url), ("RATE_LIMIT", "2/h")]);
        let first = send(&api, post("audio/mpeg", file(AI))).await;
        assert_eq!(
            (first.status.as_u16(), first.header("x-cache")),
            (200, "miss")
        );
        // This server's own memory goes on, for verdicts and for limits.
        let again = send(&api, post("audio/mpeg", file(AI))).await;
        assert_eq!(
            (again.status.as_u16(), again.header("x-cache")),
            (200, "hit")
        );
        assert_eq!(send(&api, models()).await.status, 429);
    }
}

#[tokio::test]
async fn a_redis_that_dies_and_comes_back_is_used_again() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let port = redis.port;
    let api = server(&[("REDIS_URL", &url)]);
    assert_eq!(send(&api, post("audio/mpeg", file(AI))).await.status, 200);
    drop(redis);
    for clip in [AI, HUMAN] {
        assert_eq!(send(&api, post("audio/mpeg", file(clip))).await.status, 200);
    }
    let mut process = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It is left alone for a while, and then asked again: another server's count shows.
    let since = Instant::now();
    let mut shared = false;
    let vars = [("REDIS_URL", url.as_str()), ("RATE_LIMIT", "1000/h")];
    let (a, b) = (server(&vars), server(&vars));
    while !shared && since.elapsed() < Duration::from_secs(30) {
        send(&a, models()).await;
        let answer = send(&b, models()).await;
        let left: u64 = answer.header("ratelimit-remaining").parse().unwrap();
        let again = send(&a, models()).await;
        let after: u64 = again.header("ratelimit-remaining").parse().unwrap();
        shared = after < left;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _ = process.kill();
    let _ = process.wait();
    assert!(shared);
}

#[test]
fn an_address_that_is_none_is_refused_and_not_shown() {
    let vars = |name: &str| match name {
        "REDIS_URL" => Some("http://user:hush@host".to_owned()),
        "API_KEY" => Some(KEY.to_owned()),
        _ => None,
    };
    let error = voxproof::http::HttpConfig::from_vars(vars, false).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("REDIS_URL") && !text.contains("hush"),
        "{text}"
    );
}
