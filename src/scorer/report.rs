//! One JSON line for each object: log entry and CloudWatch metrics in one, as Powertools for AWS Lambda writes them
//! (Embedded Metric Format: `_aws` names the members that are metrics).
//!
//! Never audio, and never an object's key: an object is named by the beginning of a hash of bucket, key and state.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::notification::Unreadable;
use super::score::{Outcome, Retry, Scored};
use crate::detector::Classification;
use crate::hex::hex;
use crate::storage::{ObjectRef, Timings};

/// Writes entries as lines.
pub struct Reporter {
    out: Mutex<Box<dyn Write + Send>>,
    namespace: String,
    service: String,
    cold: AtomicBool,
}

/// What there is to tell of one object or message.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    level: &'static str,
    members: Map<String, Value>,
    metrics: Vec<(&'static str, &'static str, f64)>,
}

impl Reporter {
    /// Writes to `out`. Namespace and service are Powertools' `POWERTOOLS_METRICS_NAMESPACE` and `POWERTOOLS_SERVICE_NAME`
    /// by `lookup`, else `voxproof` and `scorer`.
    pub fn new(out: impl Write + Send + 'static, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name, default: &str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        Self {
            out: Mutex::new(Box::new(out)),
            namespace: var("POWERTOOLS_METRICS_NAMESPACE", "voxproof"),
            service: var("POWERTOOLS_SERVICE_NAME", "scorer"),
            cold: AtomicBool::new(true),
        }
    }

    /// Writes one line, in one piece.
    pub fn write(&self, entry: &Entry) {
        let cold = self.cold.swap(false, Ordering::Relaxed);
        let mut line = self.line(entry, cold).to_string();
        line.push('\n');
        if let Ok(mut out) = self.out.lock() {
            // Nobody is left to tell where the log itself is closed.
            let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }

    fn line(&self, entry: &Entry, cold: bool) -> Value {
        let now = jiff::Timestamp::now();
        let mut line = entry.members.clone();
        line.insert("level".into(), entry.level.into());
        line.insert("timestamp".into(), now.to_string().into());
        line.insert("service".into(), self.service.as_str().into());
        line.insert("cold_start".into(), cold.into());
        let start = cold.then_some(("ColdStart", "Count", 1.0));
        let metrics = entry.metrics.iter().copied().chain(start);
        let named: Vec<_> = metrics
            .map(|(name, unit, value)| {
                line.insert(name.into(), value.into());
                json!({"Name": name, "Unit": unit})
            })
            .collect();
        let directive = json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": self.namespace,
                "Dimensions": [["service"]],
                "Metrics": named,
            }],
        });
        line.insert("_aws".into(), directive);
        line.into()
    }
}

impl Entry {
    fn new(level: &'static str, message: &str, request_id: &str) -> Self {
        Self {
            level,
            members: Map::from_iter([
                ("message".to_owned(), message.into()),
                ("function_request_id".to_owned(), request_id.into()),
            ]),
            metrics: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn count(self, metric: &'static str) -> Self {
        self.measure(metric, "Count", 1.0)
    }

    fn measure(mut self, metric: &'static str, unit: &'static str, value: f64) -> Self {
        self.metrics.push((metric, unit, value));
        self
    }

    /// What became of `object` in the invocation `request_id`.
    pub fn of(
        request_id: &str,
        model: &str,
        object: &ObjectRef,
        scored: &Result<Scored, Retry>,
    ) -> Self {
        let entry = match scored {
            Err(retry) => Entry::new("WARN", "to be delivered again", request_id)
                .with("reason", retry.to_string())
                .count("Retried"),
            Ok(scored) => {
                let times = |entry: Entry| {
                    let Timings {
                        download_milliseconds,
                        judge_milliseconds,
                    } = scored.timings;
                    entry
                        .measure("DownloadTime", "Milliseconds", download_milliseconds)
                        .measure("JudgeTime", "Milliseconds", judge_milliseconds)
                };
                match &scored.outcome {
                    Outcome::Judged {
                        classification,
                        duration_seconds,
                    } => times(Entry::new("INFO", "judged", request_id))
                        .with("classification", classification.as_str())
                        .count("Judged")
                        .count(match classification {
                            Classification::AiGenerated => "AiGenerated",
                            Classification::Human => "Human",
                        })
                        .measure("AudioDuration", "Seconds", *duration_seconds),
                    Outcome::Refused { code } => {
                        times(Entry::new("INFO", "cannot be judged", request_id))
                            .with("code", *code)
                            .count("Refused")
                    }
                    Outcome::Duplicate => {
                        Entry::new("INFO", "had its result", request_id).count("Duplicates")
                    }
                    Outcome::Ignored => {
                        Entry::new("WARN", "one of our own, which is not judged", request_id)
                            .count("Ignored")
                    }
                }
            }
        };
        entry
            .with("model", model)
            .with("object", name(object))
            .with("bytes", object.size)
    }

    /// A message, or an event, that is not understood.
    pub fn unreadable(request_id: &str, message_id: Option<&str>, error: &Unreadable) -> Self {
        Entry::new("ERROR", "not understood", request_id)
            .with("message_id", message_id)
            .with("reason", error.to_string())
            .count("Unreadable")
    }
}

/// A name for an object by which lines of it are found, and which says nothing of it.
fn name(object: &ObjectRef) -> String {
    let state = object.state().unwrap_or_default();
    let text = format!("{}\n{}\n{state}", object.bucket, object.key);
    hex(&Sha256::digest(text.as_bytes())[..8])
}
