//! What the server has beside verdicts: kept verdicts, limits, figures, several models, events.
#![cfg(feature = "server")]

mod support;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use support::{AI, HUMAN, KEY, api_with, base64, config, file, post, post_json_to, post_to, send};
use voxproof::Detector;
use voxproof::http::{Models, router_of};
use voxproof::model::Model;

fn detector(name: &str) -> Arc<Detector> {
    Arc::new(Detector::new(Model::embedded(name).unwrap()))
}

fn service(vars: &[(&str, &str)]) -> Router {
    api_with(detector("default"), &config(vars))
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("x-api-key", KEY);
    request.body(Body::empty()).unwrap()
}

/// The value of the series that begins with `name` and its labels.
async fn figure(api: &Router, series: &str) -> f64 {
    let answer = send(api, get("/metrics")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let line = answer.body.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    line.map_or(0.0, |line| {
        line.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

#[tokio::test]
async fn a_verdict_is_kept_by_what_it_depends_on() {
    let api = service(&[]);
    let ask = |query: &'static str| {
        let api = api.clone();
        async move {
            let answer = send(&api, post_to(query, "audio/mpeg", file(AI))).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (answer.header("x-cache").to_owned(), answer.body)
        }
    };
    let first = ask("/detect").await;
    assert_eq!(first.0, "miss");
    assert_eq!(ask("/detect").await, ("hit".into(), first.1.clone()));
    assert_eq!(ask("/v1/detect").await, ("hit".into(), first.1.clone()));
    // The same clip in another form of request.
    let json = json!({"audio": base64(&file(AI))});
    let answer = send(&api, post_json_to("/detect", &json)).await;
    assert_eq!((answer.header("x-cache"), &answer.body), ("hit", &first.1));
    for other in [
        "/detect?detail=true",
        "/detect?detail=true&hop=2",
        "/detect?detail=true&language=ta",
        "/detect?end=2",
    ] {
        assert_eq!(ask(other).await.0, "miss", "{other}");
        assert_eq!(ask(other).await.0, "hit", "{other}");
    }
    let another = send(&api, post("audio/mpeg", file(HUMAN))).await;
    assert_eq!(another.header("x-cache"), "miss");
    assert_eq!(
        figure(&api, r#"voxproof_cache_total{outcome="hit"}"#).await,
        7.0
    );
    assert_eq!(
        figure(&api, r#"voxproof_cache_total{outcome="miss"}"#).await,
        6.0
    );
}

#[tokio::test]
async fn nothing_is_kept_when_it_is_off_nor_are_faults() {
    let off = service(&[("CACHE", "off")]);
    for _ in 0..2 {
        let answer = send(&off, post("audio/mpeg", file(AI))).await;
        assert_eq!(answer.header("x-cache"), "");
    }
    let on = service(&[]);
    for _ in 0..2 {
        let answer = send(&on, post("audio/mpeg", b"no audio at all".to_vec())).await;
        assert_eq!(answer.problem_code(), "not_audio");
        assert_eq!(answer.header("x-cache"), "");
    }
}

#[tokio::test]
async fn a_key_has_its_rate_and_others_have_theirs() {
    let api = service(&[("RATE_LIMIT", "2/h"), ("API_KEY", "first,second")]);
    let ask = |key: &'static str, path: &'static str| {
        let api = api.clone();
        async move {
            let request = Request::get(path).header("x-api-key", key);
            send(&api, request.body(Body::empty()).unwrap()).await
        }
    };
    for left in ["1", "0"] {
        let answer = ask("first", "/models").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-limit"), "2");
        assert_eq!(answer.header("ratelimit-remaining"), left);
        let reset: u64 = answer.header("ratelimit-reset").parse().unwrap();
        assert!((1..=3600).contains(&reset));
    }
    // The same limit for all routes together, whatever their version.
    for path in ["/models", "/v1/models", "/results"] {
        let answer = ask("first", path).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.problem_code(), "rate_limited");
        assert_eq!(answer.header("ratelimit-remaining"), "0");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=3600).contains(&wait));
    }
    let legacy = Request::post("/api/voice-detection").header("x-api-key", "first");
    let answer = send(&api, legacy.body(Body::from("{}")).unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["status"]),
        (429, &json!("error"))
    );
    assert_eq!(ask("second", "/models").await.status, 200);
    // A wrong key is refused before it is counted, and what needs no key is not counted.
    assert_eq!(ask("third", "/models").await.header("ratelimit-limit"), "");
    assert_eq!(ask("first", "/health").await.status, 200);
    let refused = r#"voxproof_rate_limited_total"#;
    let request = Request::get("/metrics").header("x-api-key", "second");
    let metrics = send(&api, request.body(Body::empty()).unwrap()).await;
    assert!(
        metrics.body.contains(&format!("{refused} 4\n")),
        "{}",
        metrics.body
    );
}

#[tokio::test]
async fn no_rate_without_keys_or_when_it_is_off() {
    let off = service(&[("RATE_LIMIT", "off")]);
    assert_eq!(
        send(&off, get("/models")).await.header("ratelimit-limit"),
        ""
    );
    let default = service(&[]);
    let answer = send(&default, get("/models")).await;
    assert_eq!(answer.header("ratelimit-limit"), "600");
}

#[tokio::test]
async fn metrics_tell_routes_stages_and_verdicts() {
    let api = service(&[]);
    let wrong = Request::get("/metrics").body(Body::empty()).unwrap();
    assert_eq!(send(&api, wrong).await.status, 401);
    send(
        &api,
        post_to("/v1/detect?detail=true", "audio/mpeg", file(AI)),
    )
    .await;
    send(&api, post("audio/mpeg", b"no audio".to_vec())).await;
    send(&api, get("/nowhere/at/all")).await;
    let verdict = detector("default")
        .detect(&file(AI))
        .unwrap()
        .classification;
    let judged = format!(
        r#"voxproof_verdicts_total{{model="default",classification="{}"}}"#,
        verdict.as_str()
    );
    for (series, expected) in [
        (
            r#"voxproof_requests_total{method="POST",route="/detect",status="200"}"#,
            1.0,
        ),
        (
            r#"voxproof_requests_total{method="POST",route="/detect",status="415"}"#,
            1.0,
        ),
        (
            r#"voxproof_requests_total{method="GET",route="-",status="404"}"#,
            1.0,
        ),
        (r#"voxproof_request_seconds_count{route="/detect"}"#, 2.0),
        (r#"voxproof_stage_seconds_count{stage="decode"}"#, 1.0),
        (r#"voxproof_stage_seconds_count{stage="features"}"#, 1.0),
        (r#"voxproof_stage_seconds_count{stage="model"}"#, 1.0),
        (r#"voxproof_stage_seconds_count{stage="segments"}"#, 1.0),
        (judged.as_str(), 1.0),
        ("voxproof_queue_waiting", 0.0),
    ] {
        assert_eq!(figure(&api, series).await, expected, "{series}");
    }
    let answer = send(&api, get("/v1/metrics")).await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(
        !answer.body.contains("nowhere"),
        "a caller's path is no label"
    );
}

#[tokio::test]
async fn a_request_may_name_its_model() {
    let models = Models::one(detector("default")).and(detector("classic"));
    let api = router_of(models, &config(&[]), None);
    let served = send(&api, get("/v1/models")).await.json();
    assert_eq!(served["default"], "default");
    let names: Vec<_> = served["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["name"])
        .collect();
    assert_eq!(names, ["default", "classic"]);
    for model in served["models"].as_array().unwrap() {
        assert!((0.0..0.5).contains(&model["figures"]["eer_recorded"].as_f64().unwrap()));
        assert_eq!(model["sha256"].as_str().unwrap().len(), 64);
    }
    for name in ["default", "classic"] {
        let uri = format!("/detect?detail=true&model={name}");
        let answer = send(&api, post_to(&uri, "audio/mpeg", file(AI))).await;
        let expected = detector(name).detect(&file(AI)).unwrap();
        assert_eq!(answer.json()["ai_probability"], expected.ai_probability);
        assert_eq!(answer.json()["model"], answer.header("x-model"));
        assert!(answer.header("x-model").starts_with(name));
    }
    let answer = send(&api, post_to("/detect?model=other", "audio/mpeg", file(AI))).await;
    assert_eq!(answer.problem_code(), "unknown_model");
    assert!(
        answer.json()["error"]
            .as_str()
            .unwrap()
            .contains("default, classic")
    );
}

#[tokio::test]
async fn a_split_sends_exactly_its_share() {
    let split = |text: &str| {
        let models = Models::one(detector("default")).and(detector("classic"));
        models.with_split(text)
    };
    let models = split("classic:25").unwrap();
    let chosen = (0..200).filter(|_| models.choose(None).unwrap().model().name == "classic");
    assert_eq!(chosen.count(), 50);
    assert_eq!(
        models.choose(Some("default")).unwrap().model().name,
        "default"
    );
    for bad in ["classic", "classic:101", "classic:x", "other:5"] {
        let error = split(bad).err().unwrap().to_string();
        assert!(error.starts_with("MODEL_SPLIT"), "{error}");
    }
}

#[tokio::test]
async fn a_shadow_judges_in_the_metrics_alone() {
    let models = Models::one(detector("default")).with_shadow(detector("classic"));
    let api = router_of(models, &config(&[]), None);
    let answer = send(&api, post("audio/mpeg", file(AI))).await;
    let plain = send(&service(&[]), post("audio/mpeg", file(AI))).await;
    assert_eq!(answer.body, plain.body);
    let served = send(&api, get("/models")).await.json();
    assert_eq!(served["models"].as_array().unwrap().len(), 1);
    // It has its turn after the answer.
    let series = "voxproof_shadow_difference_count";
    while figure(&api, series).await == 0.0 {
        tokio::task::yield_now().await;
    }
    let answer = send(&api, get("/metrics")).await;
    assert!(
        answer
            .body
            .contains(r#"voxproof_shadow_verdicts_total{model="classic","#)
    );
    assert!(
        !answer
            .body
            .contains(r#"verdicts_total{model="classic",classification="AI_GENERATED"} "#)
    );
}

#[tokio::test]
async fn a_batch_tells_its_progress_when_asked_to() {
    let api = service(&[]);
    let clips = json!({"clips": [
        {"id": "a", "audio": base64(&file(AI))},
        {"id": 2, "audio": base64(b"no audio")},
        {"audio": base64(&file(HUMAN)), "language": "en"},
    ]});
    let mut request = post_json_to("/v1/batch", &clips);
    let events = "text/event-stream".parse().unwrap();
    request.headers_mut().insert("accept", events);
    let answer = send(&api, request).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let mut found = vec![Value::Null; 3];
    let mut progress = Vec::new();
    let mut end = Value::Null;
    for event in answer.body.split_terminator("\n\n") {
        let (kind, data) = event.split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        match kind {
            "event: result" => {
                let index = usize::try_from(data["index"].as_u64().unwrap()).unwrap();
                found[index] = data;
            }
            "event: progress" => progress.push((data["done"].clone(), data["of"].clone())),
            "event: done" => end = data,
            other => panic!("{other}"),
        }
    }
    assert_eq!(progress, [1, 2, 3].map(|done| (json!(done), json!(3))));
    assert_eq!(end, json!({"judged": 2, "failed": 1}));
    // The same as without events, but for the clips' places.
    let plain = send(&api, post_json_to("/v1/batch", &clips)).await.json();
    for (mut event, plain) in found.into_iter().zip(plain["results"].as_array().unwrap()) {
        event.as_object_mut().unwrap().remove("index");
        assert_eq!(event, *plain);
    }
}

#[tokio::test]
async fn a_key_may_have_a_model_of_its_own() {
    use sha2::{Digest, Sha256};

    let id = |key: &str| -> String {
        let hash = Sha256::digest(key);
        hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let models = || Models::one(detector("default")).and(detector("classic"));
    let own = models()
        .with_key_models(&format!("{}:classic,", id("second")))
        .unwrap();
    let own = own.with_split("classic:0").unwrap();
    let api = router_of(own, &config(&[("API_KEY", "first,second")]), None);
    let judged = async |key: &str, uri: &str| {
        let mut request = post_to(uri, "audio/mpeg", file(AI));
        request
            .headers_mut()
            .insert("x-api-key", key.parse().unwrap());
        let answer = send(&api, request).await;
        answer
            .header("x-model")
            .split('/')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(judged("first", "/detect").await, "default");
    assert_eq!(judged("second", "/detect").await, "classic");
    assert_eq!(judged("second", "/detect?model=default").await, "default");
    for bad in [
        "classic",
        "second:classic",
        "abcdefabcdef:other",
        "abcdefabcdef:classic,ABCDEFABCDEF:default",
    ] {
        let error = models().with_key_models(bad).err().unwrap().to_string();
        assert!(error.starts_with("KEY_MODELS"), "{error}");
    }
}

#[tokio::test]
async fn a_language_may_have_a_threshold_of_its_own() {
    let p = detector("default")
        .detect(&file(AI))
        .unwrap()
        .ai_probability;
    let above = format!("{}", p + 0.5 * (1.0 - p));
    let api = service(&[("THRESHOLD_TA", &above), ("THRESHOLD_HI", "0")]);
    let ask = async |uri: &str| {
        let answer = send(&api, post_to(uri, "audio/mpeg", file(AI)))
            .await
            .json();
        (
            answer["classification"].as_str().unwrap().to_owned(),
            answer["confidence"].as_f64().unwrap(),
        )
    };
    let rounded = |p: f64| (p * 100.0).round() / 100.0;
    let (human, ai) = (
        ("HUMAN".to_owned(), rounded(1.0 - p)),
        ("AI_GENERATED".to_owned(), rounded(p)),
    );
    assert_eq!(ask("/detect?language=ta").await, human);
    assert_eq!(ask("/detect?language=hi").await, ai);
    let plain = if p > 0.5 { &ai } else { &human };
    assert_eq!(&ask("/detect").await, plain);
    assert_eq!(&ask("/detect?language=en").await, plain);
    // The same words again, from the cache.
    assert_eq!(ask("/detect?language=ta").await, human);
    let legacy =
        json!({"language": "Tamil", "audioFormat": "mp3", "audioBase64": base64(&file(AI))});
    let legacy = send(&api, post_json_to("/api/voice-detection", &legacy))
        .await
        .json();
    assert_eq!(
        (&legacy["classification"], &legacy["language"]),
        (&json!("HUMAN"), &json!("Tamil"))
    );
}
