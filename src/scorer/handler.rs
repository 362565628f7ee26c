//! A Lambda event -> the answer that says what has to be delivered again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::notification::{Delivery, Job, Message, Told, Unreadable};
use super::report::{Entry, Reporter};
use super::score::{Outcome, Retry, Scored, Scorer};
use crate::storage::ObjectRef;

/// Objects that are read while others are judged.
const READ_AHEAD: usize = 2;

/// No object is begun with less time left than this: a function that is cut off delivers a whole batch again.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// Time that is kept for the answer.
const TO_ANSWER: Duration = Duration::from_secs(3);

/// Answers Lambda's events.
pub struct Handler {
    scorer: Arc<Scorer>,
    reporter: Arc<Reporter>,
    in_flight: usize,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id for it.
    pub request_id: String,
    /// When the function is cut off.
    pub deadline: SystemTime,
}

/// The event as a whole has to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It is none that is understood.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Some of its objects have no result yet.
    #[error("{failed} of {all} objects have no result yet; the first because: {first}")]
    Unfinished {
        /// Objects without a result.
        failed: usize,
        /// Objects in the event.
        all: usize,
        /// What the first one lacked.
        first: Retry,
    },
}

/// What became of each different object of an event.
type Outcomes = HashMap<ObjectRef, Result<Scored, Retry>>;

impl Handler {
    /// Answers events with `scorer`; `reporter` writes a line for each object.
    pub fn new(scorer: Scorer, reporter: Reporter) -> Self {
        Self {
            scorer: Arc::new(scorer),
            reporter: Arc::new(reporter),
            in_flight: std::thread::available_parallelism().map_or(1, usize::from) + READ_AHEAD,
        }
    }

    /// Judges every object that `event` tells of. The answer is the one that the event's source expects: the failures of a
    /// batch of messages, the results of a job's tasks, `null` for an event without an answer.
    ///
    /// # Errors
    /// The event has to be delivered again as a whole.
    pub async fn handle(
        &self,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, HandleError> {
        let delivery = Delivery::parse(event).inspect_err(|error| {
            self.reporter
                .write(&Entry::unreadable(&invocation.request_id, None, error));
        })?;
        match delivery {
            Delivery::Direct(told) => {
                let objects: Vec<_> = told.iter().filter_map(Told::object).cloned().collect();
                let outcomes = self.score_all(objects, invocation).await;
                direct_answer(&outcomes)
            }
            Delivery::Queue(messages) => Ok(self.queue(&messages, invocation).await),
            Delivery::Job(job) => {
                let objects = job.tasks.iter().map(|task| task.object.clone()).collect();
                let outcomes = self.score_all(objects, invocation).await;
                Ok(job_answer(&job, &outcomes))
            }
        }
    }

    async fn queue(&self, messages: &[Message], invocation: &Invocation) -> Value {
        let objects = messages
            .iter()
            .flat_map(|message| message.told.as_deref().unwrap_or_default())
            .filter_map(Told::object)
            .cloned()
            .collect();
        let outcomes = self.score_all(objects, invocation).await;
        let failed = messages.iter().filter(|message| match &message.told {
            // Not ours to drop: the queue gives it to the dead-letter queue, where a person finds it.
            Err(error) => {
                self.reporter.write(&Entry::unreadable(
                    &invocation.request_id,
                    Some(&message.id),
                    error,
                ));
                true
            }
            Ok(told) => told
                .iter()
                .filter_map(Told::object)
                .any(|object| !matches!(outcomes.get(object), Some(Ok(_)))),
        });
        let failures: Vec<_> = failed
            .map(|message| json!({"itemIdentifier": message.id}))
            .collect();
        json!({"batchItemFailures": failures})
    }

    /// Scores each different object once.
    async fn score_all(&self, objects: Vec<ObjectRef>, invocation: &Invocation) -> Outcomes {
        let places = Arc::new(Semaphore::new(self.in_flight));
        let mut tasks = JoinSet::new();
        let mut outcomes = Outcomes::new();
        for object in objects {
            if outcomes
                .insert(object.clone(), Err(Retry::Unfinished))
                .is_some()
            {
                continue;
            }
            let (scorer, reporter) = (Arc::clone(&self.scorer), Arc::clone(&self.reporter));
            let (places, invocation) = (Arc::clone(&places), invocation.clone());
            tasks.spawn(async move {
                let _place = places.acquire().await;
                let left = invocation.deadline.duration_since(SystemTime::now());
                let scored = if left.is_ok_and(|left| left >= LEAST_TIME) {
                    scorer.score(&object).instrument(object_span()).await
                } else {
                    Err(Retry::OutOfTime)
                };
                let model = scorer.model();
                reporter.write(&Entry::of(&invocation.request_id, &model, &object, &scored));
                (object, scored)
            });
        }
        // What is unfinished shortly before the end is delivered again by itself, and not with a whole batch that was cut
        // off. Tasks end with the set, but for a decoding that has begun.
        let left = invocation.deadline.duration_since(SystemTime::now());
        let collect = async {
            while let Some(task) = tasks.join_next().await {
                if let Ok((object, scored)) = task {
                    outcomes.insert(object, scored);
                }
            }
        };
        let _ =
            tokio::time::timeout(left.unwrap_or_default().saturating_sub(TO_ANSWER), collect).await;
        for (object, scored) in &outcomes {
            if *scored == Err(Retry::Unfinished) {
                let (id, model) = (&invocation.request_id, self.scorer.model());
                self.reporter.write(&Entry::of(id, &model, object, scored));
            }
        }
        outcomes
    }
}

/// What a trace has of an object: its time, and nothing that names it.
fn object_span() -> tracing::Span {
    tracing::debug_span!("score object", otel.kind = "consumer")
}

impl Told {
    fn object(&self) -> Option<&ObjectRef> {
        match self {
            Told::Written(object) => Some(object),
            Told::Other => None,
        }
    }
}

fn direct_answer(outcomes: &Outcomes) -> Result<Value, HandleError> {
    let mut failed = outcomes.values().filter_map(|scored| scored.as_ref().err());
    let Some(first) = failed.next() else {
        return Ok(Value::Null);
    };
    Err(HandleError::Unfinished {
        first: first.clone(),
        failed: 1 + failed.count(),
        all: outcomes.len(),
    })
}

fn job_answer(job: &Job, outcomes: &Outcomes) -> Value {
    let results: Vec<_> = job
        .tasks
        .iter()
        .map(|task| {
            let (code, text) = match outcomes.get(&task.object) {
                Some(Ok(scored)) => (
                    "Succeeded",
                    match &scored.outcome {
                        Outcome::Judged { classification, .. } => {
                            classification.as_str().to_owned()
                        }
                        Outcome::Refused { code } => (*code).to_owned(),
                        Outcome::Duplicate => "had its result".to_owned(),
                        Outcome::Ignored => "is one of our own".to_owned(),
                    },
                ),
                Some(Err(retry)) => ("TemporaryFailure", retry.to_string()),
                None => ("TemporaryFailure", Retry::Unfinished.to_string()),
            };
            json!({"taskId": task.id, "resultCode": code, "resultString": text})
        })
        .collect();
    json!({
        "invocationSchemaVersion": job.schema,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": job.invocation,
        "results": results,
    })
}
