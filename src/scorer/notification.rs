//! What Lambda hands over -> the objects that it tells of.
//!
//! The types are ours and ask for no more than is used: S3-compatible servers leave members out that
//! `aws_lambda_events` insists on, and what stands inside a queue's messages it does not cover.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use crate::storage::ObjectRef;

/// An event, by who answers for what could not be done.
#[derive(Debug, PartialEq)]
pub enum Delivery {
    /// From S3, EventBridge or SNS itself: the whole event is delivered again when the function fails.
    Direct(Vec<Told>),
    /// Messages of a queue: each is delivered again by itself.
    Queue(Vec<Message>),
    /// Tasks of an S3 Batch Operations job: each is answered by itself.
    Job(Job),
}

/// What a notice tells of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// The object was written.
    Written(ObjectRef),
    /// Something else: a deletion, S3's test event.
    Other,
}

/// One message of a queue.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// The queue's name for it.
    pub id: String,
    /// What it tells; the error where it tells nothing that is understood.
    pub told: Result<Vec<Told>, Unreadable>,
}

/// Tasks of S3 Batch Operations.
#[derive(Debug, PartialEq)]
pub struct Job {
    /// `1.0` or `2.0`: the answer repeats it.
    pub schema: String,
    /// The answer repeats it.
    pub invocation: String,
    /// The tasks.
    pub tasks: Vec<Task>,
}

/// One object of a job.
#[derive(Debug, PartialEq)]
pub struct Task {
    /// The job's name for it.
    pub id: String,
    /// The object.
    pub object: ObjectRef,
}

/// An event that is none of those that are understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; accepted are S3 notifications, EventBridge's 'Object Created', both also inside SNS or SQS, and S3 Batch Operations"
)]
pub struct Unreadable(Cow<'static, str>);

impl Delivery {
    /// Takes an event apart.
    ///
    /// # Errors
    /// It is none that is understood. A message inside a queue's event that is not understood is no error of the event.
    pub fn parse(event: &Value) -> Result<Self, Unreadable> {
        if event.get("tasks").is_some() {
            return job(event).map(Delivery::Job);
        }
        match records(event) {
            Some([first, ..]) if source(first) == Some("aws:sqs") => Ok(Delivery::Queue(
                records(event)
                    .unwrap_or_default()
                    .iter()
                    .map(message)
                    .collect(),
            )),
            _ => notice(event, 0).map(Delivery::Direct),
        }
    }
}

/// SNS inside a queue, S3 inside SNS: a notice is never deeper than that.
const DEEPEST: usize = 2;

fn notice(value: &Value, depth: usize) -> Result<Vec<Told>, Unreadable> {
    if depth > DEEPEST {
        return Err(Unreadable("the event is nested too deep".into()));
    }
    if let Some(records) = records(value) {
        return records
            .iter()
            .map(|record| match source(record) {
                Some("aws:sns") => notice_text(&record["Sns"]["Message"], depth),
                _ => s3_record(record).map(|told| vec![told]),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(|told| told.into_iter().flatten().collect());
    }
    if value.get("detail-type").is_some() {
        return event_bridge(value).map(|told| vec![told]);
    }
    if value["Type"] == "Notification" {
        return notice_text(&value["Message"], depth);
    }
    // What S3 sends when a notification is configured.
    if value["Event"] == "s3:TestEvent" {
        return Ok(vec![Told::Other]);
    }
    Err(Unreadable("the event is of no known kind".into()))
}

/// A notice as text inside another one.
fn notice_text(text: &Value, depth: usize) -> Result<Vec<Told>, Unreadable> {
    let text = text
        .as_str()
        .ok_or(Unreadable("a message has no text".into()))?;
    let value = serde_json::from_str(text)
        .map_err(|_| Unreadable("a message's text is not JSON".into()))?;
    notice(&value, depth + 1)
}

fn records(value: &Value) -> Option<&[Value]> {
    value.get("Records")?.as_array().map(Vec::as_slice)
}

fn source(record: &Value) -> Option<&str> {
    // SNS alone writes it in capitals.
    record
        .get("eventSource")
        .or_else(|| record.get("EventSource"))?
        .as_str()
}

fn message(record: &Value) -> Message {
    Message {
        id: record["messageId"].as_str().unwrap_or_default().to_owned(),
        told: notice_text(&record["body"], 0),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: String,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
}

fn s3_record(record: &Value) -> Result<Told, Unreadable> {
    let record = S3Record::deserialize(record)
        .map_err(|error| Unreadable(format!("a record is no S3 record: {error}").into()))?;
    // Records have no `s3:` in front, configurations do.
    let name = record.event_name.trim_start_matches("s3:");
    if !name.starts_with("ObjectCreated:") {
        return Ok(Told::Other);
    }
    let object = record.s3.object;
    Ok(Told::Written(
        ObjectRef::new(record.s3.bucket.name, form_decoded(&object.key)?)
            .with_version(object.version_id.as_deref())
            .with_etag(object.e_tag.as_deref())
            .with_size(object.size),
    ))
}

/// A key as S3's notifications have it: percent-encoded as in a form, with `+` for a space.
fn form_decoded(key: &str) -> Result<String, Unreadable> {
    let spaces = key.replace('+', " ");
    percent_decode_str(&spaces)
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| Unreadable("a key is not UTF-8".into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BridgeEvent {
    source: String,
    detail_type: String,
    detail: BridgeDetail,
}

#[derive(Deserialize)]
struct BridgeDetail {
    bucket: Bucket,
    object: BridgeObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BridgeObject {
    // As it is: EventBridge does not encode keys.
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
}

fn event_bridge(value: &Value) -> Result<Told, Unreadable> {
    if value["source"] == "aws.s3" && value["detail-type"] != "Object Created" {
        return Ok(Told::Other);
    }
    let event = BridgeEvent::deserialize(value)
        .map_err(|error| Unreadable(format!("no S3 event of EventBridge: {error}").into()))?;
    if event.source != "aws.s3" {
        let text = format!("EventBridge's '{}' is not from S3", event.detail_type);
        return Err(Unreadable(text.into()));
    }
    let object = event.detail.object;
    Ok(Told::Written(
        ObjectRef::new(event.detail.bucket.name, object.key)
            .with_version(object.version_id.as_deref())
            .with_etag(object.etag.as_deref())
            .with_size(object.size),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobEvent {
    invocation_schema_version: String,
    invocation_id: String,
    tasks: Vec<JobTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobTask {
    task_id: String,
    s3_key: String,
    s3_version_id: Option<String>,
    /// Schema 1.0.
    s3_bucket_arn: Option<String>,
    /// Schema 2.0.
    s3_bucket: Option<String>,
}

fn job(event: &Value) -> Result<Job, Unreadable> {
    let event = JobEvent::deserialize(event)
        .map_err(|error| Unreadable(format!("no S3 Batch Operations event: {error}").into()))?;
    let tasks = event.tasks.into_iter().map(|task| {
        let by_arn = task.s3_bucket_arn.as_deref();
        let bucket = task
            .s3_bucket
            .as_deref()
            // arn:aws:s3:::name
            .or_else(|| by_arn?.rsplit(':').next())
            .ok_or(Unreadable("a task names no bucket".into()))?;
        Ok(Task {
            object: ObjectRef::new(bucket, form_decoded(&task.s3_key)?)
                .with_version(task.s3_version_id.as_deref()),
            id: task.task_id,
        })
    });
    Ok(Job {
        schema: event.invocation_schema_version,
        invocation: event.invocation_id,
        tasks: tasks.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BUCKET: &str = "voxproof-uploads-123456789012-ap-south-1";
    /// Of the clip in the samples.
    const SIZE: u64 = include_bytes!("../../tests/data/ai/en_valle_ms1.mp3").len() as u64;

    fn sample(text: &str) -> Delivery {
        Delivery::parse(&serde_json::from_str(text).unwrap()).unwrap()
    }

    fn call(key: &str) -> ObjectRef {
        ObjectRef::new(BUCKET, key)
            .with_etag(Some("0123456789abcdef0123456789abcdef"))
            .with_size(Some(SIZE))
    }

    #[test]
    fn the_samples_tell_of_their_objects() {
        let call_1 = Told::Written(call("uploads/call 1.mp3"));
        assert_eq!(
            sample(include_str!("../../events/scorer/s3-notification.json")),
            Delivery::Direct(vec![call_1.clone()])
        );
        assert_eq!(
            sample(include_str!("../../events/scorer/eventbridge.json")),
            Delivery::Direct(vec![call_1.clone()])
        );
        assert_eq!(
            sample(include_str!("../../events/scorer/s3-test.json")),
            Delivery::Direct(vec![Told::Other])
        );
        let Delivery::Queue(messages) = sample(include_str!("../../events/scorer/sqs-batch.json"))
        else {
            panic!("no queue")
        };
        let told: Vec<_> = messages.into_iter().map(|message| message.told).collect();
        let versioned = call("uploads/\u{b85}\u{bb4}\u{bc8}.mp3")
            .with_version(Some("096fKKXTRTtl3on89fVO.nfljtsv6qko"));
        assert_eq!(
            told,
            [
                Ok(vec![call_1]),
                Ok(vec![Told::Written(versioned)]),
                Ok(vec![Told::Other])
            ]
        );
        let Delivery::Job(job) = sample(include_str!("../../events/scorer/batch-operations.json"))
        else {
            panic!("no job")
        };
        assert_eq!(
            job.tasks[0].object,
            ObjectRef::new("call-archive", "2019/call 1.mp3")
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (event, reason) in [
            ("null", "of no known kind"),
            (
                r#"{"Records": [{"eventName": "ObjectCreated:Put"}]}"#,
                "missing field `s3`",
            ),
            (
                r#"{"source": "mine", "detail-type": "Object Created", "detail": {}}"#,
                "missing field",
            ),
            (r#"{"Type": "Notification", "Message": 7}"#, "no text"),
            (
                r#"{"Type": "Notification", "Message": "prose"}"#,
                "not JSON",
            ),
            (r#"{"tasks": []}"#, "missing field"),
        ] {
            let error = Delivery::parse(&serde_json::from_str(event).unwrap()).unwrap_err();
            assert!(error.to_string().contains(reason), "{event}: {error}");
        }
    }

    #[test]
    fn notices_are_nested_only_so_deep() {
        let wrap = |inner: String| json!({"Type": "Notification", "Message": inner}).to_string();
        let parsed = |text: String| Delivery::parse(&serde_json::from_str(&text).unwrap());
        let deep = wrap(wrap(r#"{"Event": "s3:TestEvent"}"#.to_owned()));
        assert!(parsed(deep.clone()).is_ok());
        assert!(parsed(wrap(deep)).is_err());
    }
}
