//! Bad days: more callers than workers, and a detector that panics.
#![cfg(feature = "http")]

mod support;

use axum::body::Body;
use axum::http::Request;
use support::{AI, api_with, config, file, post, puppet, send};

#[tokio::test]
async fn a_full_queue_is_503_and_a_caller_that_leaves_frees_its_place() {
    let (judge, has_begun, end) = puppet();
    let mut config = config(&[]);
    (config.workers, config.queue_length) = (1, 1);
    let api = api_with(judge, &config);
    let call = || {
        let api = api.clone();
        tokio::spawn(async move { send(&api, post("audio/mpeg", file(AI))).await })
    };

    let running = call();
    while has_begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    let waiting = call();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let refused = call().await.unwrap();
    assert_eq!(
        (refused.status.as_u16(), refused.problem_code().as_str()),
        (503, "overloaded")
    );
    assert_eq!(refused.header("retry-after"), "1");
    let health = send(&api, Request::get("/health").body(Body::empty()).unwrap()).await;
    assert_eq!(health.status, 200, "health does not queue");

    waiting.abort();
    assert!(waiting.await.is_err());
    let next = call();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!next.is_finished(), "the place that was left is taken");
    end.send(()).unwrap();
    end.send(()).unwrap();
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(next.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_panic_is_500_and_the_next_caller_is_served() {
    let (judge, _has_begun, end) = puppet();
    let api = api_with(judge, &config(&[]));
    let answer = send(&api, post("audio/mpeg", "panic")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem_code().as_str()),
        (500, "internal")
    );
    assert!(!answer.body.contains("expected by the test"));
    end.send(()).unwrap();
    assert_eq!(send(&api, post("audio/mpeg", file(AI))).await.status, 200);
}
