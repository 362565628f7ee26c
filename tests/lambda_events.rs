//! The real `lambda_api` binary against a stand-in for Lambda's runtime API: every file in
//! `events/` goes in as API Gateway, a function URL or a load balancer would send it.
#![cfg(feature = "lambda")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Time for one answer of the function; a debug build decodes slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with a runtime API to poll.
struct Function {
    runtime_api: TcpListener,
    process: Child,
    served: usize,
}

/// What the function sent back for an event.
enum Outcome {
    /// It went to `/response`.
    Response(Value),
    /// It went to `/error`.
    Error(Value),
}

/// The binary as Lambda starts it.
fn command(runtime_api: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda_api"));
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "voxproof")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_REGION", "ap-south-1")
        .env("LOG_LEVEL", "off")
        .env("API_KEY", "local-key");
    command
}

impl Function {
    fn start() -> Self {
        let runtime_api = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = runtime_api.local_addr().unwrap().to_string();
        let process = command(&address).spawn().unwrap();
        Self {
            runtime_api,
            process,
            served: 0,
        }
    }

    /// Hands one event over and waits for what comes back.
    fn invoke(&mut self, event: &str) -> Outcome {
        self.served += 1;
        let id = format!("invocation-{}", self.served);
        let mut handed_over = false;
        // The client may keep its connection or open another: both are taken.
        loop {
            let (stream, _) = self.runtime_api.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream);
            while let Some((target, body)) = read_request(&mut reader) {
                if target.ends_with("/invocation/next") {
                    assert!(
                        !handed_over,
                        "the function polls again without having answered"
                    );
                    handed_over = true;
                    let deadline = 4_102_444_800_000_u64;
                    let headers = format!(
                        "Lambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
                         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:ap-south-1:123456789012:function:voxproof\r\n\
                         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700\r\n"
                    );
                    respond(reader.get_mut(), "200 OK", &headers, event);
                    continue;
                }
                let value = serde_json::from_slice(&body).unwrap();
                // Closing makes the function poll on a new connection: the next invoke takes it.
                respond(
                    reader.get_mut(),
                    "202 Accepted",
                    "Connection: close\r\n",
                    "",
                );
                if target.ends_with(&format!("/invocation/{id}/response")) {
                    return Outcome::Response(value);
                }
                assert!(
                    target.ends_with(&format!("/invocation/{id}/error")),
                    "{target}"
                );
                return Outcome::Error(value);
            }
        }
    }

    /// The answer to an event that must have one: status, headers in lower case, and body.
    #[track_caller]
    fn answer(&mut self, event: &str) -> (u64, HashMap<String, String>, Value) {
        let Outcome::Response(answer) = self.invoke(event) else {
            panic!("the function failed");
        };
        assert_eq!(answer["isBase64Encoded"], false, "{answer}");
        let single = answer["headers"].as_object().cloned().unwrap_or_default();
        let multiple = answer["multiValueHeaders"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let headers = single
            .into_iter()
            .chain(
                multiple
                    .into_iter()
                    .map(|(name, values)| (name, values[0].clone())),
            )
            .map(|(name, value)| {
                (
                    name.to_lowercase(),
                    value.as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), headers, body)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads one HTTP/1.1 request: its target and its body. `None` when the connection ends.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let target = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = Vec::new();
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut piece = vec![0; size + 2];
        reader.read_exact(&mut piece).ok()?;
        body.extend(&piece[..size]);
        chunked = size > 0;
    }
    body.resize(body.len() + length, 0);
    let start = body.len() - length;
    reader.read_exact(&mut body[start..]).ok()?;
    Some((target, body))
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

fn event(name: &str) -> String {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// An event with members replaced.
fn changed(name: &str, changes: &[(&str, Value)]) -> String {
    let mut event: Value = serde_json::from_str(&event(name)).unwrap();
    for (pointer, value) in changes {
        *event
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {name}")) = value.clone();
    }
    event.to_string()
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
        ("api-gateway-rest-v1", (200, Ok(8))),
        ("function-url", (200, Ok(8))),
        ("alb", (200, Ok(2))),
        ("missing-key", (401, Err("unauthorized"))),
        ("not-audio", (415, Err("not_audio"))),
    ]);
    let mut function = Function::start();
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (status, outcome) = expected
            .get(name)
            .unwrap_or_else(|| panic!("no expectation for {name}"));
        let (answered, headers, body) = function.answer(&event(name));
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
    let mut function = Function::start();
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
        assert_eq!(function.answer(&event).0, status, "{path}");
    }
    // A REST API does not, whatever its stage is called.
    let event = changed(
        "api-gateway-rest-v1",
        &[("/requestContext/stage", json!("v1"))],
    );
    assert_eq!(function.answer(&event).0, 200);
}

#[test]
fn bad_events_do_not_end_the_function() {
    let mut function = Function::start();
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
    let (status, _, verdict) = function.answer(&event("function-url"));
    assert_eq!(status, 200);
    assert_verdict(&verdict, 8);
}

/// Starts the binary with settings that it must refuse, and gives what it said.
fn refused(set: &[(&str, &str)]) -> (ExitStatus, String) {
    let mut command = command("127.0.0.1:9");
    command
        .env_remove("API_KEY")
        .envs(set.iter().copied())
        .stderr(Stdio::piped());
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
