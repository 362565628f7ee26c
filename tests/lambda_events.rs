//! The real `lambda_api` binary against a stand-in for Lambda's runtime API: every file in
//! `events/` goes in as API Gateway, a function URL or a load balancer would send it.
#![cfg(feature = "lambda")]

mod lambda_support;

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lambda_support::{Function, Outcome, answer, changed, command, event};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lambda_api");

/// The function as it is deployed, but for its key.
fn start() -> Function {
    Function::start(PROGRAM, &[("API_KEY", "local-key")])
}

#[track_caller]
fn assert_verdict(verdict: &Value, members: usize) {
    assert_eq!(verdict.as_object().unwrap().len(), members, "{verdict}");
    assert!(
        ["AI_GENERATED", "HUMAN"].contains(&verdict["classification"].as_str().unwrap()),
        "{verdict}"
    );
    assert!(
        (0.0..=1.0).contains(&verdict["confidence"].as_f64().unwrap()),
        "{verdict}"
    );
}

#[test]
fn every_sample_event_is_answered() {
    // Status, and members of the verdict or the problem's code.
    let expected: HashMap<&str, (u64, Result<usize, &str>)> = HashMap::from([
        ("api-gateway-http-v2", (200, Ok(2))),
        ("api-gateway-rest-v1", (200, Ok(13))),
        ("function-url", (200, Ok(13))),
        ("alb", (200, Ok(2))),
        ("missing-key", (401, Err("unauthorized"))),
        ("not-audio", (415, Err("not_audio"))),
    ]);
    let mut function = start();
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).unwrap() {
        let path = entry.unwrap().path();
        // A folder holds the events of another function.
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (status, outcome) = expected
            .get(name)
            .unwrap_or_else(|| panic!("no expectation for {name}"));
        let (answered, headers, body) = answer(&mut function, &event(name));
        assert_eq!(answered, *status, "{name}: {body}");
        assert!(!headers["x-request-id"].is_empty());
        match outcome {
            Ok(members) => {
                assert_eq!(headers["content-type"], "application/json");
                assert_verdict(&body, *members);
            }
            Err(code) => {
                assert_eq!(headers["content-type"], "application/problem+json");
                assert_eq!(body["code"], *code, "{name}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn stages_are_no_part_of_the_path() {
    let mut function = start();
    // An HTTP API with a named stage puts it in front of the path.
    for (path, status) in [
        ("/live/v1/detect", 200),
        ("/live", 404),
        ("/lively/v1/detect", 404),
    ] {
        let event = changed(
            "api-gateway-http-v2",
            &[
                ("/rawPath", json!(path)),
                ("/requestContext/stage", json!("live")),
            ],
        );
        assert_eq!(answer(&mut function, &event).0, status, "{path}");
    }
    // A REST API does not, whatever its stage is called.
    let event = changed(
        "api-gateway-rest-v1",
        &[("/requestContext/stage", json!("v1"))],
    );
    assert_eq!(answer(&mut function, &event).0, 200);
}

#[test]
fn bad_events_do_not_end_the_function() {
    let mut function = start();
    for event in [
        "{}".to_owned(),
        "not json".to_owned(),
        "null".to_owned(),
        json!({"Records": [{"eventSource": "aws:s3"}]}).to_string(),
        // lambda_http panics on a host that makes no URL.
        changed("api-gateway-http-v2", &[("/headers/host", json!("a b"))]),
        changed("alb", &[("/path", json!("no slash"))]),
    ] {
        match function.invoke(&event) {
            Outcome::Error(error) => assert!(error["errorType"].is_string(), "{error}"),
            Outcome::Response(answer) => {
                assert!(answer["statusCode"].as_u64().unwrap() >= 400, "{answer}")
            }
        }
    }
    let bad_base64 = changed("function-url", &[("/body", json!("!!!"))]);
    match function.invoke(&bad_base64) {
        Outcome::Error(_) => {}
        Outcome::Response(answer) => {
            assert!(answer["statusCode"].as_u64().unwrap() >= 400, "{answer}")
        }
    }
    let (status, _, verdict) = answer(&mut function, &event("function-url"));
    assert_eq!(status, 200);
    assert_verdict(&verdict, 13);
}

/// Two readings of one request is what smuggling lives from: here an event's body and path are what is judged, whatever its
/// headers say of length, coding, method, host or path.
#[test]
fn headers_cannot_say_another_request_than_the_event() {
    let mut function = start();
    for (header, value) in [
        ("content-length", "0"),
        ("content-length", "99999999"),
        ("content-length", "5, 7"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity, chunked"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/health"),
        ("x-rewrite-url", "/health"),
        ("x-forwarded-prefix", "/other"),
        ("x-forwarded-host", "evil.example"),
        ("connection", "x-api-key, authorization"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
    ] {
        for name in ["api-gateway-http-v2", "function-url", "alb"] {
            let mut event: Value = serde_json::from_str(&event(name)).unwrap();
            event["headers"][header] = json!(value);
            let (status, _, verdict) = answer(&mut function, &event.to_string());
            assert_eq!(status, 200, "{header} in {name}: {verdict}");
            assert!(verdict["classification"].is_string(), "{header} in {name}");
        }
    }
    // A REST API and a load balancer may send headers twice over, once as lists: a key counts in either, a wrong one
    // beside it does not open anything, and no list of nothing is a key.
    let name = "api-gateway-rest-v1";
    for (single, multiple, expected) in [
        (json!({}), json!({"X-API-Key": ["local-key"]}), 200),
        (json!({"X-API-Key": "local-key"}), json!({}), 200),
        (
            json!({"X-API-Key": "wrong"}),
            json!({"X-API-Key": ["wrong"]}),
            401,
        ),
        (json!({}), json!({"X-API-Key": ["wrong", "worse"]}), 401),
        (json!({}), json!({"X-API-Key": []}), 401),
        (json!({}), json!({"X-API-Key": [""]}), 401),
    ] {
        let mut event: Value = serde_json::from_str(&event(name)).unwrap();
        let mut headers = single.as_object().unwrap().clone();
        headers.insert("Content-Type".into(), json!("application/json"));
        headers.insert("Host".into(), json!("voxproof.example"));
        let mut lists = multiple.as_object().unwrap().clone();
        lists.insert("Content-Type".into(), json!(["application/json"]));
        event["headers"] = headers.into();
        event["multiValueHeaders"] = lists.into();
        let (status, _, body) = answer(&mut function, &event.to_string());
        assert_eq!(status, expected, "{single} {multiple}: {body}");
    }
    // Nor does a path lead elsewhere by its spelling.
    for path in [
        "/v1//detect",
        "/v1/../v1/detect",
        "/v1/detect%2f..%2fhealth",
        "/v1/detect%00",
        "/v1/detect;a=b",
        "/health/../v1/models",
        "/v1%2fmodels",
    ] {
        let event = changed("api-gateway-http-v2", &[("/rawPath", json!(path))]);
        let (status, _, body) = answer(&mut function, &event);
        assert_eq!(status, 404, "{path}: {body}");
    }
    let headers = json!({"authorization": "Bearer local-key\r\nX-Admin: yes", "host": "here"});
    let event = changed("function-url", &[("/headers", headers)]);
    match function.invoke(&event) {
        Outcome::Error(error) => assert!(error["errorType"].is_string(), "{error}"),
        Outcome::Response(answer) => assert_ne!(answer["statusCode"], 200, "{answer}"),
    }
}

#[test]
fn what_takes_too_long_is_answered_before_the_function_is_killed() {
    let mut function = start();
    // Less than what is kept for the answer: nothing is waited for.
    function.timeout = Duration::from_millis(400);
    let (status, headers, problem) = answer(&mut function, &event("function-url"));
    assert_eq!((status, &problem["code"]), (503, &json!("overloaded")));
    assert_eq!(headers["retry-after"], "1");
    assert!(!problem["request_id"].as_str().unwrap().is_empty());
    function.timeout = Duration::from_secs(900);
    let (status, _, verdict) = answer(&mut function, &event("function-url"));
    assert_eq!(status, 200);
    assert_verdict(&verdict, 13);
}

/// Starts the binary with settings that it must refuse, and gives what it said.
fn refused(set: &[(&str, &str)]) -> (ExitStatus, String) {
    let mut command = command(PROGRAM, "127.0.0.1:9");
    command.envs(set.iter().copied()).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn without_keys_or_with_bad_settings_it_does_not_start() {
    for (set, named) in [
        (&[][..], "API_KEY"),
        (&[("API_KEY", "k"), ("THRESHOLD", "2")], "THRESHOLD"),
        (&[("API_KEY", "k"), ("LOG_FORMAT", "xml")], "LOG_FORMAT"),
    ] {
        let (status, said) = refused(set);
        assert!(!status.success());
        assert!(said.contains(named), "{said}");
    }
}
