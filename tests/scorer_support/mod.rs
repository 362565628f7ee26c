//! What the tests of the asynchronous path share: moto in the place of AWS, a proxy in front of it that misbehaves, and
//! the real scorer under a stand-in of Lambda's runtime API.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod aws;
#[path = "../port_support/mod.rs"]
mod port_support;
pub mod proxy;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws::Aws;
use port_support::free_port;
use proxy::Proxy;
use serde_json::{Value, json};

use crate::lambda_support::{Function, Outcome};

pub const HUMAN: &str = "tests/data/human/ml_msc_u132b8d72.mp3";
pub const AI: &str = "tests/data/ai/en_valle_ms1.mp3";
pub const UPLOADS: &str = "calls";
pub const RESULTS: &str = "results-bucket";
pub const QUEUE: &str = "uploads";
pub const DEAD: &str = "dead-letters";

pub fn file(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// moto's server, where it is installed: as the variable `MOTO_SERVER` says, in `.venv`, or on the path.
fn moto() -> Option<PathBuf> {
    let named = std::env::var_os("MOTO_SERVER").map(PathBuf::from);
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/moto_server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    named
        .into_iter()
        .chain([venv])
        .chain(std::env::split_paths(&path).map(|folder| folder.join("moto_server")))
        .find(|program| program.is_file())
}

/// AWS on the loopback: buckets for uploads and results, a queue that S3 tells of uploads, and its dead-letter queue.
pub struct Cloud {
    server: Child,
    pub aws: Aws,
    pub proxy: Proxy,
}

impl Cloud {
    /// Starts it; `None`, said loudly, where moto is not installed. `make test-full` installs it and sets `REQUIRE_MOTO`.
    pub fn start() -> Option<Self> {
        let Some(program) = moto() else {
            let required = std::env::var_os("REQUIRE_MOTO").is_some();
            assert!(!required, "moto_server is neither in .venv nor on the path");
            eprintln!("SKIPPED: moto_server is not installed; make test-full installs it");
            return None;
        };
        let port = free_port();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let aws = Aws::at(port);
        let cloud = Self {
            server,
            proxy: Proxy::start(port),
            aws,
        };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "moto does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        cloud.aws.create_bucket(UPLOADS);
        cloud.aws.create_bucket(RESULTS);
        cloud.aws.create_queue(DEAD, &json!({}));
        let redrive = json!({"maxReceiveCount": 5, "deadLetterTargetArn": aws::queue_arn(DEAD)});
        cloud.aws.create_queue(
            QUEUE,
            &json!({"RedrivePolicy": redrive.to_string(), "VisibilityTimeout": "0"}),
        );
        cloud.aws.notify(UPLOADS, QUEUE);
        // S3's test event.
        let test = cloud.aws.receive(QUEUE);
        assert_eq!(test.len(), 1);
        cloud.aws.delete(QUEUE, &text(&test[0]["ReceiptHandle"]));
        Some(cloud)
    }

    /// The scorer, which reaches AWS through the proxy alone.
    pub fn scorer(&self) -> Function {
        self.scorer_with(&[])
    }

    pub fn scorer_with(&self, variables: &[(&str, &str)]) -> Function {
        let endpoint = format!("http://127.0.0.1:{}", self.proxy.port());
        Function::start_as(env!("CARGO_BIN_EXE_lambda_scorer"), |command| {
            command
                .env("AWS_ENDPOINT_URL", endpoint)
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("RESULTS_BUCKET", RESULTS)
                .env("UPLOADS_BUCKET", UPLOADS)
                .envs(variables.iter().copied())
                .stdout(Stdio::piped());
        })
    }

    /// Takes what is in the queue, hands it over as Lambda does, deletes what did not fail, and gives the failures.
    pub fn deliver(&self, function: &mut Function) -> Vec<String> {
        let messages = self.aws.receive(QUEUE);
        if messages.is_empty() {
            return Vec::new();
        }
        let failed = failures(function, &sqs_event(&messages));
        for message in &messages {
            if !failed.contains(&text(&message["MessageId"])) {
                self.aws.delete(QUEUE, &text(&message["ReceiptHandle"]));
            }
        }
        failed
    }

    /// Every object of the results bucket, checked to be a result.
    pub fn results(&self) -> Vec<(String, Value)> {
        let keys = self.aws.list(RESULTS);
        keys.into_iter()
            .map(|key| {
                assert!(
                    key.starts_with("results/") && key.ends_with(".json"),
                    "{key}"
                );
                let document: Value = serde_json::from_slice(&self.aws.get(RESULTS, &key)).unwrap();
                let object = &document["object"];
                let bucket = text(&object["bucket"]);
                assert!(
                    key.starts_with(&format!("results/{bucket}/")),
                    "{key}: {document}"
                );
                assert!(document["judged_at"].is_string(), "{document}");
                (key, document)
            })
            .collect()
    }

    /// The one result that there is.
    #[track_caller]
    pub fn result(&self) -> Value {
        let results = self.results();
        assert_eq!(results.len(), 1, "{results:?}");
        results.into_iter().next().unwrap().1
    }

    /// Results by the object's key: classification or code.
    pub fn outcomes(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self
            .results()
            .into_iter()
            .map(|(_, document)| (text(&document["object"]["key"]), outcome(&document)))
            .collect();
        all.sort();
        all
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// Classification, or code of the error.
pub fn outcome(document: &Value) -> String {
    match document["status"].as_str() {
        Some("judged") => text(&document["classification"]),
        Some("error") => text(&document["code"]),
        _ => panic!("no status: {document}"),
    }
}

/// Messages as SQS hands them to Lambda.
pub fn sqs_event(messages: &[Value]) -> Value {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            json!({
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": aws::queue_arn(QUEUE),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({"Records": records})
}

/// A message with this text.
pub fn message(id: &str, body: &str) -> Value {
    json!({"MessageId": id, "ReceiptHandle": id, "Body": body, "MD5OfBody": ""})
}

/// S3's own notification of one object. `etag` and `version` where there are any; the key as S3 encodes it.
pub fn s3_event(key: &str, size: usize, etag: &str, version: Option<&str>) -> Value {
    let mut object =
        json!({"key": key, "size": size, "eTag": etag, "sequencer": "0062E99A88DC407460"});
    if let Some(version) = version {
        object["versionId"] = version.into();
    }
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-24T10:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": UPLOADS, "arn": format!("arn:aws:s3:::{UPLOADS}")},
               "object": object},
    }]})
}

/// The messages of `event` that the function reports as failed.
#[track_caller]
pub fn failures(function: &mut Function, event: &Value) -> Vec<String> {
    let answer = succeeded(function, event);
    let failures = answer["batchItemFailures"].as_array();
    let mut failed: Vec<_> = failures
        .unwrap_or_else(|| panic!("no batchItemFailures: {answer}"))
        .iter()
        .map(|failure| text(&failure["itemIdentifier"]))
        .collect();
    failed.sort();
    failed
}

/// The answer to an event that the function must not fail on.
#[track_caller]
pub fn succeeded(function: &mut Function, event: &Value) -> Value {
    match function.invoke(&event.to_string()) {
        Outcome::Response(answer) => answer,
        Outcome::Error(error) => panic!("the function failed: {error}"),
    }
}
