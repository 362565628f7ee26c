//! Uploads to results when things go wrong: objects that cannot be judged, storage that is slow, closed or away, a process
//! that dies. Nothing is lost, and nothing written that is not so.
#![cfg(feature = "scorer")]

mod audio_support;
mod lambda_support;
mod scorer_support;

use std::process::{Command, Stdio};
use std::time::Duration;

use lambda_support::Outcome;
use scorer_support::proxy::Fault;
use scorer_support::{
    AI, Cloud, HUMAN, QUEUE, RESULTS, UPLOADS, failures, file, message, outcome, s3_event,
    sqs_event, succeeded,
};

/// Half a second of sound in a WAV file of 8 kHz and 8 bits.
fn short_wav() -> Vec<u8> {
    let square = (0..4_000).map(|i| if i % 40 < 20 { 90_u8 } else { 160 });
    audio_support::wav(1, 1, 8_000, 8, &square.collect::<Vec<u8>>())
}

#[test]
fn what_cannot_be_judged_gets_a_result_that_says_why() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    cloud.aws.put(UPLOADS, "empty.mp3", b"");
    cloud
        .aws
        .put(UPLOADS, "prose.txt", b"This is text, not speech.");
    cloud.aws.put(UPLOADS, "short.wav", &short_wav());
    cloud
        .aws
        .put(UPLOADS, "damaged.flac", &[b"fLaC", &[7; 4000][..]].concat());
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert!(
        cloud.aws.receive(QUEUE).is_empty(),
        "nothing is tried again"
    );
    let found = cloud.outcomes();
    let found: Vec<_> = found
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("damaged.flac", "undecodable"),
            ("empty.mp3", "empty_audio"),
            ("prose.txt", "not_audio"),
            ("short.wav", "too_short")
        ]
    );
    for (_, document) in cloud.results() {
        assert!(document["error"].as_str().unwrap().len() > 10, "{document}");
        assert!(
            document["model"].as_str().unwrap().contains('/'),
            "{document}"
        );
        assert!(document.get("classification").is_none(), "{document}");
    }
}

#[test]
fn an_object_that_is_gone_is_a_result() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    cloud.aws.put(UPLOADS, "gone.mp3", &file(AI));
    cloud.aws.remove(UPLOADS, "gone.mp3");
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(outcome(&cloud.result()), "object_gone");
}

#[test]
fn an_object_over_the_limit_is_refused_before_it_is_read() {
    let Some(cloud) = Cloud::start() else { return };
    let clip = file(AI);
    let limit = (clip.len() - 1).to_string();
    let mut scorer = cloud.scorer_with(&[("MAX_OBJECT_BYTES", &limit)]);
    let (etag, _) = cloud.aws.put(UPLOADS, "large.mp3", &clip);
    assert!(cloud.deliver(&mut scorer).is_empty());
    let document = cloud.result();
    assert_eq!(outcome(&document), "too_large");
    assert!(
        document["error"].as_str().unwrap().contains(&limit),
        "{document}"
    );
    assert_eq!(
        cloud.proxy.asked(&format!("GET /{UPLOADS}/")),
        0,
        "it was not read"
    );

    // An event that understates the size, and one that leaves it out.
    cloud.aws.put(UPLOADS, "sly.mp3", &clip);
    let sly = s3_event("sly.mp3", 1000, &etag, None);
    succeeded(&mut scorer, &sly);
    cloud.aws.put(UPLOADS, "silent.mp3", &clip);
    let mut silent = s3_event("silent.mp3", 0, &etag, None);
    silent["Records"][0]["s3"]["object"]
        .as_object_mut()
        .unwrap()
        .remove("size");
    succeeded(&mut scorer, &silent);
    let codes: Vec<_> = cloud.outcomes().into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["too_large"; 3]);
    assert_eq!(cloud.proxy.asked("GET /calls/silent.mp3"), 0);
}

#[test]
fn throttling_is_waited_out_or_left_to_the_queue() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let slow_down = |of: &str, times| Fault {
        of: of.into(),
        times,
        answer: Some((503, "SlowDown")),
    };
    // Two refusals of reading, and of writing, pass within one delivery.
    for (key, of) in [
        ("read.mp3", "GET /calls/read.mp3"),
        ("write.mp3", "PUT /results-bucket/"),
    ] {
        cloud.aws.put(UPLOADS, key, &file(HUMAN));
        cloud.proxy.fail(slow_down(of, 2));
        assert!(cloud.deliver(&mut scorer).is_empty(), "{key}");
    }
    assert_eq!(cloud.outcomes().len(), 2);
    assert_eq!(cloud.proxy.asked("GET /calls/read.mp3"), 3);

    // More than a call's tries: the message stays, and is judged when the queue gives it out again.
    cloud.aws.put(UPLOADS, "later.mp3", &file(HUMAN));
    cloud.proxy.fail(slow_down("later.mp3", 5));
    assert_eq!(cloud.deliver(&mut scorer).len(), 1);
    assert_eq!(cloud.outcomes().len(), 2, "no result says what is not so");
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(cloud.outcomes()[0], ("later.mp3".into(), "HUMAN".into()));
    assert_eq!(cloud.outcomes().len(), 3);
}

#[test]
fn refused_access_and_a_missing_bucket_are_tried_again() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    cloud.aws.put(UPLOADS, "clip.mp3", &file(AI));
    for of in [
        "HEAD /results-bucket/",
        "GET /calls/clip.mp3",
        "PUT /results-bucket/",
    ] {
        cloud.proxy.fail(Fault {
            of: of.into(),
            times: usize::MAX,
            answer: Some((403, "AccessDenied")),
        });
        assert_eq!(cloud.deliver(&mut scorer).len(), 1, "{of}");
        assert_eq!(cloud.aws.list(RESULTS), Vec::<String>::new());
    }
    cloud.proxy.heal();
    cloud.aws.delete_bucket(RESULTS);
    assert_eq!(cloud.deliver(&mut scorer).len(), 1);
    cloud.aws.create_bucket(RESULTS);
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(outcome(&cloud.result()), "AI_GENERATED");
}

#[test]
fn an_endpoint_that_is_away_loses_nothing() {
    let Some(mut cloud) = Cloud::start() else {
        return;
    };
    let mut scorer = cloud.scorer();
    let clip = file(AI);
    let (etag, _) = cloud.aws.put(UPLOADS, "clip.mp3", &clip);
    cloud.proxy.go_away();
    assert_eq!(cloud.deliver(&mut scorer).len(), 1);
    // Whoever invokes the function itself is told by its failure.
    let event = s3_event("clip.mp3", clip.len(), &etag, None);
    let Outcome::Error(error) = scorer.invoke(&event.to_string()) else {
        panic!("it did not fail");
    };
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("no answer"),
        "{error}"
    );
    cloud.proxy.come_back();
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(outcome(&cloud.result()), "AI_GENERATED");
}

#[test]
fn a_process_killed_at_its_work_leaves_it_to_the_next_one() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.aws.put(UPLOADS, "clip.mp3", &file(AI));
    // Once while it reads the object, once while it writes the result.
    for of in ["GET /calls/clip.mp3", "PUT /results-bucket/"] {
        cloud.proxy.fail(Fault {
            of: of.into(),
            times: 1,
            answer: None,
        });
        let mut scorer = cloud.scorer();
        let messages = cloud.aws.receive(QUEUE);
        assert_eq!(messages.len(), 1);
        scorer.begin(&sqs_event(&messages).to_string());
        cloud.proxy.wait_until_held();
        drop(scorer);
        cloud.proxy.let_go();
        assert_eq!(cloud.aws.list(RESULTS), Vec::<String>::new());
    }
    assert!(cloud.deliver(&mut cloud.scorer()).is_empty());
    assert_eq!(outcome(&cloud.result()), "AI_GENERATED");
    assert!(cloud.aws.receive(QUEUE).is_empty());
}

#[test]
fn what_does_not_fit_into_the_function_s_time_is_left_to_the_next_delivery() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let clip = file(AI);
    cloud.aws.put(UPLOADS, "slow.mp3", &clip);
    cloud.aws.put(UPLOADS, "quick.mp3", &clip);
    cloud.proxy.fail(Fault {
        of: "GET /calls/slow.mp3".into(),
        times: 1,
        answer: None,
    });
    // One is held up; the other's result and the answer come before the end.
    scorer.timeout = Duration::from_secs(14);
    assert_eq!(cloud.deliver(&mut scorer).len(), 1);
    assert_eq!(
        cloud.outcomes(),
        [("quick.mp3".into(), "AI_GENERATED".into())]
    );
    // With less time than any object is begun with.
    scorer.timeout = Duration::from_secs(5);
    assert_eq!(cloud.deliver(&mut scorer).len(), 1);
    assert_eq!(cloud.proxy.asked("GET /calls/slow.mp3"), 1);
    scorer.timeout = Duration::from_secs(900);
    assert!(cloud.deliver(&mut scorer).is_empty());
    assert_eq!(cloud.outcomes().len(), 2);
}

#[test]
fn two_instances_at_once_write_one_result() {
    let Some(cloud) = Cloud::start() else { return };
    let clip = file(AI);
    let (etag, _) = cloud.aws.put(UPLOADS, "clip.mp3", &clip);
    let event = s3_event("clip.mp3", clip.len(), &etag, None).to_string();
    let event = sqs_event(&[message("1", &event)]);
    // The second asks for the result before the first has written it.
    cloud.proxy.fail(Fault {
        of: "GET /calls/clip.mp3".into(),
        times: 1,
        answer: None,
    });
    let mut slow = cloud.scorer();
    slow.begin(&event.to_string());
    cloud.proxy.wait_until_held();
    assert!(failures(&mut cloud.scorer(), &event).is_empty());
    let first = cloud.result();
    // The first one's reading breaks off, is tried again, and its result comes too late.
    cloud.proxy.let_go();
    slow.finish();
    assert_eq!(cloud.proxy.asked("PUT /results-bucket/"), 2);
    assert_eq!(cloud.result(), first);
}

#[test]
fn results_are_never_judged() {
    let Some(cloud) = Cloud::start() else { return };
    let mut scorer = cloud.scorer();
    let mut event = s3_event("results/x", 10, "e", None);
    event["Records"][0]["s3"]["bucket"]["name"] = RESULTS.into();
    assert!(failures(&mut scorer, &sqs_event(&[message("1", &event.to_string())])).is_empty());
    assert_eq!(cloud.aws.list(RESULTS), Vec::<String>::new());
    assert_eq!(cloud.proxy.asked(""), 0, "nothing was asked of S3");
}

#[test]
fn bad_settings_stop_the_start_with_their_name() {
    for (variables, named) in [
        (&[][..], "RESULTS_BUCKET"),
        (
            &[("RESULTS_BUCKET", "a"), ("UPLOADS_BUCKET", "a")],
            "RESULTS_BUCKET",
        ),
        (
            &[("RESULTS_BUCKET", "a"), ("MAX_OBJECT_BYTES", "1GB")],
            "MAX_OBJECT_BYTES",
        ),
        (&[("RESULTS_BUCKET", "a"), ("THRESHOLD", "2")], "THRESHOLD"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lambda_scorer"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(named), "{said}");
    }
}
