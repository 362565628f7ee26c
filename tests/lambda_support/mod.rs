//! A stand-in for Lambda's runtime API, with a real binary of ours that polls it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Time for one answer of the function; a debug build decodes slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time that the function is told it has, unless a test says otherwise.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The binary `program` as Lambda starts it, with the runtime API at `runtime_api` and no other environment.
pub fn command(program: &str, runtime_api: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "voxproof")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_REGION", "ap-south-1")
        .env("LOG_LEVEL", "off");
    command
}

/// The binary with a runtime API to poll.
pub struct Function {
    runtime_api: TcpListener,
    pub process: Child,
    served: usize,
    /// Time that the function is told it has.
    pub timeout: Duration,
}

/// What the function sent back for an event.
#[derive(Debug)]
pub enum Outcome {
    /// It went to `/response`.
    Response(Value),
    /// It went to `/error`.
    Error(Value),
}

impl Function {
    /// Starts `program` with these variables beside those that Lambda sets.
    pub fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_as(program, |command| {
            command.envs(variables.iter().copied());
        })
    }

    /// Starts `program` after `prepare` had its way with the command.
    pub fn start_as(program: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let runtime_api = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = command(program, &runtime_api.local_addr().unwrap().to_string());
        prepare(&mut command);
        Self {
            process: command.spawn().unwrap(),
            runtime_api,
            served: 0,
            timeout: TIMEOUT,
        }
    }

    /// Hands one event over and does not wait.
    pub fn begin(&mut self, event: &str) {
        self.served += 1;
        let (stream, _) = self.runtime_api.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (target, _) = read_request(&mut reader).unwrap();
        assert!(target.ends_with("/invocation/next"), "{target}");
        let headers = invocation(&format!("invocation-{}", self.served), self.timeout);
        respond(reader.get_mut(), "200 OK", &headers, event);
    }

    /// Waits for what comes back of the event that [`Function::begin`] handed over.
    pub fn finish(&mut self) -> Outcome {
        self.outcome(None)
    }

    /// Hands one event over and waits for what comes back.
    pub fn invoke(&mut self, event: &str) -> Outcome {
        self.served += 1;
        self.outcome(Some(event))
    }

    /// Hands `event` over where there is one, and waits for what comes back.
    fn outcome(&mut self, event: Option<&str>) -> Outcome {
        let id = format!("invocation-{}", self.served);
        let mut event = event;
        // The client may keep its connection or open another: both are taken.
        loop {
            let (stream, _) = self.runtime_api.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream);
            while let Some((target, body)) = read_request(&mut reader) {
                if target.ends_with("/invocation/next") {
                    let event = event
                        .take()
                        .expect("the function polls again without having answered");
                    let headers = invocation(&id, self.timeout);
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
}

/// The answer to an event that must have one: status, headers in lower case, and body.
#[track_caller]
pub fn answer(function: &mut Function, event: &str) -> (u64, HashMap<String, String>, Value) {
    let Outcome::Response(answer) = function.invoke(event) else {
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

/// A sample event.
pub fn event(name: &str) -> String {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// An event with members replaced.
pub fn changed(name: &str, changes: &[(&str, Value)]) -> String {
    let mut event: Value = serde_json::from_str(&event(name)).unwrap();
    for (pointer, value) in changes {
        *event
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {name}")) = value.clone();
    }
    event.to_string()
}

/// Headers of the invocation `id` that ends after `timeout`.
fn invocation(id: &str, timeout: Duration) -> String {
    let deadline = (SystemTime::now() + timeout)
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    format!(
        "Lambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:ap-south-1:123456789012:function:voxproof\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700\r\n"
    )
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads one HTTP/1.1 request: its target and its body. `None` when the connection ends.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
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

pub fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}
