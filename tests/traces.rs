//! Spans of the real binaries, received by a stand-in of an OpenTelemetry collector: OTLP over HTTP, bodies in protobuf.
#![cfg(all(
    feature = "otel",
    feature = "server",
    feature = "lambda",
    feature = "scorer",
    unix
))]

mod lambda_support;
mod port_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lambda_support::{Function, Outcome};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

const CLIP: &str = "tests/data/human/ml_msc_u132b8d72.mp3";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const KEY: &str = "hush-hush";

/// Takes what is sent to `/v1/traces`, one request a connection.
struct Collector {
    address: String,
    batches: Receiver<ExportTraceServiceRequest>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, batches) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                // Before the answer: who has it may look for what was sent at once.
                if sender.send(take(&mut reader)).is_err() {
                    return;
                }
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, batches }
    }

    /// The spans of the next batch. No bytes of `KEY` are in it.
    fn spans(&self) -> Vec<Span> {
        let batch = self.batches.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(!format!("{batch:?}").contains(KEY));
        let of = batch.resource_spans;
        let named = of[0].resource.as_ref().unwrap();
        assert_eq!(
            text(&named.attributes, "service.name").as_deref(),
            Some("voxproof")
        );
        of.into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }
}

fn take(reader: &mut BufReader<TcpStream>) -> ExportTraceServiceRequest {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("a length");
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    ExportTraceServiceRequest::decode(&*body).unwrap()
}

/// An attribute, written out.
fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no span {name} in {names:?}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SPAN_KIND_SERVER and SPAN_KIND_CONSUMER of the protocol.
const SERVER: i32 = 2;
const CONSUMER: i32 = 5;

#[test]
fn a_request_to_the_server_is_a_span_in_its_callers_trace_with_the_judging_inside() {
    let collector = Collector::start();
    let mut server = Command::new(env!("CARGO_BIN_EXE_voxproof"))
        .args(["serve", "--host", "127.0.0.1", "--port", "0"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("API_KEY", KEY)
        .env("LOG_FORMAT", "json")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)
        .env_remove("OTEL_SERVICE_NAME")
        .env_remove("LOG_LEVEL")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut stream = TcpStream::connect(line["address"].as_str().unwrap()).unwrap();
    let clip = std::fs::read(CLIP).unwrap();
    write!(
        stream,
        "POST /v1/detect?hidden=yes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: audio/mpeg\r\n\
         Connection: close\r\nContent-Length: {}\r\nX-Request-Id: seen\r\n\
         traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n",
        clip.len()
    )
    .unwrap();
    stream.write_all(&clip).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // What was not sent yet is sent when it ends.
    let pid = server.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let spans = collector.spans();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let request = named(&spans, "POST /v1/detect");
    assert_eq!(request.kind, SERVER);
    assert_eq!(hexadecimal(&request.trace_id), TRACE);
    assert_eq!(hexadecimal(&request.parent_span_id), "00f067aa0ba902b7");
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/detect"),
        ("http.response.status_code", "200"),
        ("request_id", "seen"),
    ] {
        assert_eq!(
            text(&request.attributes, key).as_deref(),
            Some(value),
            "{key}"
        );
    }
    assert!(!format!("{request:?}").contains("hidden"));
    let judge = named(&spans, "judge");
    assert_eq!(judge.trace_id, request.trace_id);
    assert_eq!(judge.parent_span_id, request.span_id);
    assert!(judge.start_time_unix_nano >= request.start_time_unix_nano);
    assert!(judge.end_time_unix_nano <= request.end_time_unix_nano);
}

#[test]
fn on_lambda_spans_are_sent_before_the_answer() {
    let collector = Collector::start();
    let variables = [
        ("API_KEY", KEY),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address.as_str()),
    ];
    let mut function = Function::start(env!("CARGO_BIN_EXE_lambda_api"), &variables);
    let event = std::fs::read_to_string("events/api-gateway-http-v2.json").unwrap();
    assert!(matches!(function.invoke(&event), Outcome::Response(_)));
    let spans = collector.batches.try_recv().expect("already there");
    let spans = &spans.resource_spans[0].scope_spans[0].spans;
    // The event's key is another one.
    let request = named(spans, "POST /v1/detect");
    let status = text(&request.attributes, "http.response.status_code");
    assert_eq!(status.as_deref(), Some("401"));
}

#[test]
fn the_scorer_sends_a_span_for_an_object_and_does_not_name_it() {
    let collector = Collector::start();
    // Nothing answers in the place of S3: the object is to be delivered again, and its span is sent all the same.
    let nowhere = format!("http://127.0.0.1:{}", port_support::free_port());
    let variables = [
        ("RESULTS_BUCKET", "results-bucket"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL", nowhere.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address.as_str()),
    ];
    let mut function = Function::start(env!("CARGO_BIN_EXE_lambda_scorer"), &variables);
    let event = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": "calls"}, "object": {"key": format!("uploads/{KEY}.mp3"), "size": 9, "eTag": "e"}}}]});
    assert!(matches!(
        function.invoke(&event.to_string()),
        Outcome::Error(_)
    ));
    let spans = collector.spans();
    assert_eq!(named(&spans, "score object").kind, CONSUMER);
}
