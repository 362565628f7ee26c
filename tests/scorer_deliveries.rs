//! Uploads to results: the real scorer behind S3 and SQS (moto), whatever way an event takes and however often it comes.
#![cfg(feature = "scorer")]

mod lambda_support;
mod scorer_support;

use std::io::Read;

use lambda_support::Outcome;
use scorer_support::{
    AI, Cloud, DEAD, HUMAN, QUEUE, RESULTS, UPLOADS, failures, file, message, outcome, s3_event,
    sqs_event, succeeded, text,
};
use serde_json::{Value, json};
use voxproof::Detector;

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn an_upload_becomes_a_result_with_the_verdict_of_the_detector() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let clip = file(AI);
    let (etag, _) = cloud.aws.put_with(
        UPLOADS,
        "2026/11/clip.mp3",
        "x-amz-meta-language: ta\r\n",
        &clip,
    );
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert!(
        cloud.aws.receive(QUEUE).is_empty(),
        "the message is deleted"
    );

    let detector = Detector::embedded().unwrap();
    let model = detector.model();
    let expected = detector.detect_recording(&clip).unwrap();
    let (key, document) = cloud.results().pop().unwrap();
    assert_eq!(
        key,
        format!(
            "results/{UPLOADS}/2026/11/clip.mp3/{etag}/{}-{}.json",
            model.name, model.version
        )
    );
    assert_eq!(outcome(&document), expected.classification.as_str());
    assert_eq!(document["confidence"], expected.confidence);
    assert_eq!(document["ai_probability"], expected.ai_probability);
    assert_eq!(document["duration_seconds"], expected.duration_seconds);
    let segments = document["segments"].as_array().unwrap();
    assert_eq!(segments.len(), expected.segments.len());
    assert_eq!(document["language"], "ta");
    assert_eq!(
        document["model"],
        format!("{}/{}", model.name, model.version)
    );
    assert!(document["warnings"].is_array(), "{document}");
    assert!(document["timings"]["judge_milliseconds"].as_f64().unwrap() > 0.0);
    let object =
        json!({"bucket": UPLOADS, "key": "2026/11/clip.mp3", "etag": etag, "size": clip.len()});
    assert_eq!(document["object"], object);
}

#[test]
fn every_way_an_event_can_take_is_understood() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let clip = file(AI);
    let put = |key: &str| cloud.aws.put(UPLOADS, key, &clip).0;

    let etag = put("direct.mp3");
    let direct = s3_event("direct.mp3", clip.len(), &etag, None);
    assert_eq!(succeeded(&mut scorer, &direct), Value::Null);

    put("bridge +%.mp3");
    let bridge = |detail_type: &str, key: &str| {
        json!({
            "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": detail_type,
            "source": "aws.s3", "account": "123456789012", "time": "2026-11-24T10:00:00Z", "region": "ap-south-1",
            "resources": [format!("arn:aws:s3:::{UPLOADS}")],
            "detail": {"version": "0", "bucket": {"name": UPLOADS}, "reason": "PutObject", "requester": "123456789012",
                       "object": {"key": key, "size": clip.len(), "etag": etag, "sequencer": "00617F08299329D189"}},
        })
    };
    // EventBridge does not encode keys.
    let created = bridge("Object Created", "bridge +%.mp3");
    assert_eq!(succeeded(&mut scorer, &created), Value::Null);
    let deleted = bridge("Object Deleted", "direct.mp3");
    assert_eq!(succeeded(&mut scorer, &deleted), Value::Null);

    // By SNS, with and without a queue behind it, and EventBridge with a queue behind it.
    put("topic.mp3");
    let inner = s3_event("topic.mp3", clip.len(), &etag, None).to_string();
    let topic = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": inner}}]});
    assert_eq!(succeeded(&mut scorer, &topic), Value::Null);
    put("queued topic.mp3");
    let inner = s3_event("queued+topic.mp3", clip.len(), &etag, None).to_string();
    let from_topic =
        json!({"Type": "Notification", "MessageId": "a", "Message": inner}).to_string();
    put("queued-bridge.mp3");
    let from_bridge = bridge("Object Created", "queued-bridge.mp3").to_string();
    let messages = [message("1", &from_topic), message("2", &from_bridge)];
    assert!(failures(&mut scorer, &sqs_event(&messages)).is_empty());

    // S3's test event and a deletion are no uploads, and no failures.
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": UPLOADS});
    let mut removal = s3_event("direct.mp3", 0, "", None);
    removal["Records"][0]["eventName"] = "ObjectRemoved:Delete".into();
    let messages = [
        message("1", &test.to_string()),
        message("2", &removal.to_string()),
    ];
    assert!(failures(&mut scorer, &sqs_event(&messages)).is_empty());
    assert_eq!(succeeded(&mut scorer, &test), Value::Null);

    let ai = "AI_GENERATED";
    assert_eq!(
        cloud.outcomes(),
        owned(&[
            ("bridge +%.mp3", ai),
            ("direct.mp3", ai),
            ("queued topic.mp3", ai),
            ("queued-bridge.mp3", ai),
            ("topic.mp3", ai)
        ])
    );

    // An event of another kind is an error, so that whoever sent it learns of it.
    for other in [
        json!({}),
        json!({"Records": [{"eventSource": "aws:kinesis"}]}),
    ] {
        let answer = scorer.invoke(&other.to_string());
        assert!(matches!(answer, Outcome::Error(_)), "{other}: {answer:?}");
    }
}

#[test]
fn keys_of_any_script_and_with_any_sign_find_their_object() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let keys = ["a b+c&d=é.mp3", "நேர்காணல்/பதிவு 1.mp3", "100%/~'()!*.mp3"];
    for key in keys {
        cloud.aws.put(UPLOADS, key, &file(HUMAN));
    }
    assert!(cloud.deliver(&mut scorer).is_empty());
    let mut expected: Vec<_> = keys.map(|key| (key.to_owned(), "HUMAN".to_owned())).into();
    expected.sort();
    assert_eq!(cloud.outcomes(), expected);
}

#[test]
fn a_batch_fails_only_where_trying_again_may_help() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let (etag, _) = cloud.aws.put(UPLOADS, "good.mp3", &file(HUMAN));
    let (fault, _) = cloud.aws.put(UPLOADS, "fault.mp3", &file(AI));
    let (prose, _) = cloud
        .aws
        .put(UPLOADS, "prose.mp3", b"This is text, not speech.");
    let size = |path| file(path).len();
    let messages = [
        message(
            "good",
            &s3_event("good.mp3", size(HUMAN), &etag, None).to_string(),
        ),
        message(
            "fault",
            &s3_event("fault.mp3", size(AI), &fault, None).to_string(),
        ),
        message(
            "prose",
            &s3_event("prose.mp3", 25, &prose, None).to_string(),
        ),
        message("unreadable", "{\"Records\": ["),
    ];
    cloud.proxy.fail(scorer_support::proxy::Fault {
        of: format!("GET /{UPLOADS}/fault.mp3"),
        times: usize::MAX,
        answer: Some((500, "InternalError")),
    });
    assert_eq!(
        failures(&mut scorer, &sqs_event(&messages)),
        ["fault", "unreadable"]
    );
    let two = [("good.mp3", "HUMAN"), ("prose.mp3", "not_audio")];
    assert_eq!(cloud.outcomes(), owned(&two));

    cloud.proxy.heal();
    assert!(failures(&mut scorer, &sqs_event(&messages[1..2])).is_empty());
    let three = [("fault.mp3", "AI_GENERATED"), two[0], two[1]];
    assert_eq!(cloud.outcomes(), owned(&three));
}

#[test]
fn a_message_that_cannot_be_parsed_ends_in_the_dead_letter_queue() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    cloud.aws.send(QUEUE, "no notice at all");
    for delivery in 1..=5 {
        assert_eq!(cloud.deliver(&mut scorer).len(), 1, "delivery {delivery}");
    }
    assert!(cloud.deliver(&mut scorer).is_empty(), "five were enough");
    let dead = cloud.aws.receive(DEAD);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["Body"], "no notice at all");
    assert_eq!(cloud.aws.list(RESULTS), Vec::<String>::new());
}

#[test]
fn duplicates_are_neither_judged_nor_written_again() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let clip = file(AI);
    let (etag, _) = cloud.aws.put(UPLOADS, "clip.mp3", &clip);
    let event = s3_event("clip.mp3", clip.len(), &etag, None).to_string();
    // Twice in one batch, then again by itself, then to another instance.
    let both = sqs_event(&[message("1", &event), message("2", &event)]);
    assert!(failures(&mut scorer, &both).is_empty());
    let first = cloud.result();
    assert!(failures(&mut scorer, &sqs_event(&[message("3", &event)])).is_empty());
    assert!(failures(&mut cloud.scorer(), &sqs_event(&[message("4", &event)])).is_empty());
    assert_eq!(cloud.result(), first, "the first result stays");
    assert_eq!(
        cloud.proxy.asked(&format!("GET /{UPLOADS}/clip.mp3")),
        1,
        "it was read once"
    );
    assert_eq!(cloud.proxy.asked("PUT "), 1, "one result was written");
    // The same bytes again are the same object, as far as an ETag can tell.
    cloud.aws.put(UPLOADS, "clip.mp3", &clip);
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(cloud.result(), first);
}

#[test]
fn events_out_of_order_give_each_state_its_own_result() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let put = |key: &str, path: &str| {
        let (etag, version) = cloud.aws.put(UPLOADS, key, &file(path));
        s3_event(key, file(path).len(), &etag, version.as_deref())
    };
    // Without versions the first state is gone when its event comes.
    let first = put("plain.mp3", AI);
    let second = put("plain.mp3", HUMAN);
    for event in [&second, &first, &second] {
        assert_eq!(succeeded(&mut scorer, event), Value::Null);
    }
    let plain = [("plain.mp3", "HUMAN"), ("plain.mp3", "object_changed")];
    assert_eq!(cloud.outcomes(), owned(&plain));

    cloud.aws.keep_versions(UPLOADS);
    let first = put("versions.mp3", AI);
    let second = put("versions.mp3", HUMAN);
    for event in [&second, &first] {
        assert_eq!(succeeded(&mut scorer, event), Value::Null);
    }
    let all = [
        plain[0],
        plain[1],
        ("versions.mp3", "AI_GENERATED"),
        ("versions.mp3", "HUMAN"),
    ];
    assert_eq!(cloud.outcomes(), owned(&all));
    for (key, document) in cloud.results() {
        if let Some(version) = document["object"]["version_id"].as_str() {
            assert!(key.contains(&format!("/versions.mp3/{version}/")), "{key}");
        }
    }
}

#[test]
fn a_job_of_batch_operations_is_answered_task_by_task() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let (etag, _) = cloud.aws.put(UPLOADS, "an old call.mp3", &file(HUMAN));
    let job = |schema: &str, key: &str, bucket: (&str, String)| {
        json!({
            "invocationSchemaVersion": schema, "invocationId": "invocation", "job": {"id": "job"},
            "tasks": [{"taskId": "task", "s3Key": key, "s3VersionId": null, bucket.0: bucket.1}],
        })
    };
    let arn = ("s3BucketArn", format!("arn:aws:s3:::{UPLOADS}"));
    let answer = succeeded(&mut scorer, &job("1.0", "an+old+call.mp3", arn.clone()));
    assert_eq!(answer["invocationId"], "invocation");
    assert_eq!(answer["invocationSchemaVersion"], "1.0");
    let task = json!({"taskId": "task", "resultCode": "Succeeded", "resultString": "HUMAN"});
    assert_eq!(answer["results"], json!([task]));
    // The state, which a manifest does not name, was asked for.
    assert_eq!(cloud.result()["object"]["etag"], etag);

    let named = ("s3Bucket", UPLOADS.to_owned());
    let again = succeeded(&mut scorer, &job("2.0", "an%20old%20call.mp3", named));
    assert_eq!(again["results"][0]["resultString"], "had its result");
    let gone = succeeded(&mut scorer, &job("1.0", "gone.mp3", arn.clone()));
    assert_eq!(gone["results"][0]["resultString"], "object_gone");
    let two = [("an old call.mp3", "HUMAN"), ("gone.mp3", "object_gone")];
    assert_eq!(cloud.outcomes(), owned(&two));

    cloud.proxy.fail(scorer_support::proxy::Fault {
        of: "HEAD".into(),
        times: usize::MAX,
        answer: Some((403, "")),
    });
    let refused = succeeded(&mut scorer, &job("1.0", "other.mp3", arn));
    assert_eq!(refused["results"][0]["resultCode"], "TemporaryFailure");
}

#[test]
fn lines_carry_metrics_and_neither_keys_nor_audio() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer =
        cloud.scorer_with(&[("LOG_LEVEL", "info"), ("POWERTOOLS_SERVICE_NAME", "calls")]);
    cloud.aws.put(UPLOADS, "secret-name.mp3", &file(AI));
    cloud.aws.put(UPLOADS, "secret-name.txt", b"text");
    assert!(cloud.deliver(&mut scorer).is_empty());
    let mut out = scorer.process.stdout.take().unwrap();
    scorer.process.kill().unwrap();
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    assert!(!said.contains("secret-name"), "{said}");
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let with = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message)
            .unwrap()
    };
    let judged = with("judged");
    assert_eq!(judged["classification"], "AI_GENERATED");
    assert_eq!(judged["function_request_id"], "invocation-1");
    assert_eq!(judged["service"], "calls");
    assert!(text(&judged["model"]).contains('/'));
    let metrics = &judged["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Namespace"], "voxproof");
    assert_eq!(metrics["Dimensions"], json!([["service"]]));
    for metric in metrics["Metrics"].as_array().unwrap() {
        let name = text(&metric["Name"]);
        assert!(judged[&name].is_number(), "{name} has no value: {judged}");
    }
    assert!(judged["JudgeTime"].as_f64().unwrap() > 0.0);
    assert_eq!(with("cannot be judged")["code"], "not_audio");
    let cold = lines
        .iter()
        .filter(|line| line["cold_start"] == true)
        .count();
    assert_eq!(cold, 1, "{said}");
}
