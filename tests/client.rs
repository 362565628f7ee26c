//! The client against the real server.
#![cfg(all(feature = "client", feature = "server"))]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::{AI, HUMAN, KEY, config, file};
use voxproof::Detector;
use voxproof::client::{Ask, Client, ClientError};
use voxproof::http::Server;

async fn start(vars: &[(&str, &str)]) -> SocketAddr {
    let mut config = config(vars);
    config.host = "127.0.0.1".to_owned();
    config.port = 0;
    let judge = Arc::new(Detector::embedded().unwrap());
    let server = Server::bind(&config, judge).await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    address
}

/// Calls on a thread of their own, as they wait for their answers.
async fn call<T: Send + 'static>(
    address: SocketAddr,
    key: &str,
    call: impl FnOnce(Client) -> T + Send + 'static,
) -> T {
    let client = Client::new(&format!("http://{address}/"), key).unwrap();
    assert!(!format!("{client:?}").contains(key));
    tokio::task::spawn_blocking(|| call(client)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_the_detectors() {
    let address = start(&[]).await;
    let detector = Detector::embedded().unwrap();
    for clip in [AI, HUMAN] {
        let ask = Ask {
            language: Some("Tamil".to_owned()),
            end: Some(2.5),
            ..Ask::default()
        };
        let found = call(address, KEY, move |client| client.detect(&file(clip), &ask)).await;
        let found = found.unwrap();
        assert_eq!(found.language.as_deref(), Some("ta"));
        assert_eq!(found.duration_seconds, 2.5);
        let whole = call(address, KEY, move |client| {
            client.detect(&file(clip), &Ask::default())
        });
        let (whole, expected) = (
            whole.await.unwrap(),
            detector.detect_with_segments(&file(clip)).unwrap(),
        );
        assert_eq!(whole.classification, expected.classification);
        assert_eq!(whole.ai_probability, expected.ai_probability);
        assert_eq!(whole.segments, expected.segments);
        assert_eq!(whole.warnings.len(), expected.warnings.len());
        let evidence = expected.evidence.unwrap().contributions;
        assert_eq!(whole.evidence.unwrap().len(), evidence.len());
        assert!(whole.model.starts_with("default/"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_by_their_code() {
    let address = start(&[("RATE_LIMIT", "2/h")]).await;
    let code = async |key: &str, audio: &'static [u8]| {
        let answer = call(address, key, move |client| {
            client.detect(audio, &Ask::default())
        });
        match answer.await.unwrap_err() {
            ClientError::Problem {
                code,
                status,
                request_id,
                retry_after,
                ..
            } => {
                assert!(!request_id.is_empty());
                (code, status, retry_after)
            }
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        code("another", b"x").await,
        ("unauthorized".into(), 401, None)
    );
    assert_eq!(
        code(KEY, b"no recording").await,
        ("not_audio".into(), 415, None)
    );
    let fetched = call(address, KEY, |client| {
        client.detect_url("https://a.example/clip.mp3?a=b&c=d", &Ask::default())
    });
    let fetched = fetched.await.unwrap_err().to_string();
    assert!(fetched.starts_with("url_not_allowed: "), "{fetched}");
    let (code, status, wait) = code(KEY, b"x").await;
    assert_eq!((code.as_str(), status), ("rate_limited", 429));
    assert!((1..=3600).contains(&wait.unwrap().as_secs()));
}

#[test]
fn no_server_and_no_address_are_told_apart() {
    for bad in ["", "voxproof", "ftp://host", "http://host?key=1"] {
        assert!(
            matches!(Client::new(bad, KEY), Err(ClientError::Address(_))),
            "{bad}"
        );
    }
    let nobody = Client::new("http://127.0.0.1:1", KEY).unwrap();
    let error = nobody.detect(b"x", &Ask::default()).unwrap_err();
    assert!(matches!(error, ClientError::Connection(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_is_not_believed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other = axum::Router::new().route(
        "/v1/detect",
        axum::routing::post(|| async { "{\"classification\": \"HUMAN\"}" }),
    );
    tokio::spawn(async move { axum::serve(listener, other).await });
    let answer = call(address, KEY, |client| client.detect(b"x", &Ask::default()));
    let answer = tokio::time::timeout(Duration::from_secs(60), answer)
        .await
        .unwrap();
    assert!(
        matches!(answer, Err(ClientError::Strange(200))),
        "{answer:?}"
    );
}
