//! Uploads, their results and batches, with a local folder and a worker in the place of AWS.
#![cfg(feature = "http")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use support::{AI, Answer, KEY, base64, config, file, post_to, send};
use tokio::sync::mpsc::unbounded_channel;
use voxproof::Detector;
use voxproof::http::{Judge, router_with};
use voxproof::scorer::{Scorer, worker};
use voxproof::storage::{Attributes, Storage, StorageConfig};

/// A clip that the default model takes for a person's.
const HUMAN: &str = "tests/data/human/ml_msc_u132b8d72.mp3";

/// An empty folder for the test `name`.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    // One test leaves a file where the folder was.
    let _ = std::fs::remove_file(&folder);
    folder
}

fn storage(folder: &std::path::Path, more: &[(&str, &str)]) -> Storage {
    let lookup = |name: &str| {
        let set = more.iter().find(|(n, _)| *n == name);
        set.map(|(_, value)| (*value).to_owned())
            .or_else(|| (name == "DATA_DIR").then(|| folder.to_string_lossy().into_owned()))
    };
    StorageConfig::from_vars(lookup)
        .unwrap()
        .open()
        .unwrap()
        .unwrap()
}

/// The API over `storage`, with a worker beside it.
fn attended(mut storage: Storage) -> Router {
    let judge: Arc<dyn Judge> = Arc::new(Detector::embedded().unwrap());
    let (sender, arrivals) = unbounded_channel();
    let scorer = Scorer::new(
        Arc::clone(&storage.store),
        &storage.results_bucket,
        Arc::clone(&judge),
        storage.max_object_bytes,
    );
    tokio::spawn(worker::work(scorer, storage.clone(), arrivals));
    storage.arrivals = Some(sender);
    router_with(judge, &config(&[]), Some(Arc::new(storage)))
}

/// The API over `storage`, and nobody who judges.
fn unattended(storage: Storage) -> Router {
    let judge = Arc::new(Detector::embedded().unwrap());
    router_with(judge, &config(&[]), Some(Arc::new(storage)))
}

async fn get(api: &Router, path: &str) -> Answer {
    let request = Request::get(path).header("x-api-key", KEY);
    send(api, request.body(Body::empty()).unwrap()).await
}

/// Asks for an address.
async fn address(api: &Router, wanted: &Value) -> Value {
    let answer = send(
        api,
        post_to("/v1/uploads", "application/json", wanted.to_string()),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let address = answer.json();
    assert_eq!(answer.header("location"), address["result"]);
    address
}

fn wanted(clip: &[u8]) -> Value {
    json!({"content_type": "audio/mpeg", "content_length": clip.len()})
}

/// Uploads as the address says, without a key.
async fn put(api: &Router, address: &Value, clip: &[u8]) -> Answer {
    let mut request = Request::put(address["url"].as_str().unwrap());
    for (name, value) in address["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    send(api, request.body(Body::from(clip.to_vec())).unwrap()).await
}

/// Asks for the result until it is there.
async fn result(api: &Router, address: &Value) -> Value {
    let path = address["result"].as_str().unwrap();
    loop {
        let answer = get(api, path).await;
        if answer.status == StatusCode::OK {
            return answer.json();
        }
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(answer.json()["status"], "pending");
        assert!(!answer.header("retry-after").is_empty());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_upload_is_judged_and_its_result_found_by_its_id() {
    let api = attended(storage(&folder("uploads-judged"), &[]));
    let clip = file(AI);
    let mut ask = wanted(&clip);
    ask["language"] = "Tamil".into();
    let given = address(&api, &ask).await;
    assert_eq!(given["method"], "PUT");
    let awaited = get(&api, given["result"].as_str().unwrap()).await;
    assert_eq!(awaited.status, StatusCode::ACCEPTED);
    assert_eq!(awaited.json()["status"], "awaiting_upload");

    assert_eq!(put(&api, &given, &clip).await.status, StatusCode::OK);
    let found = result(&api, &given).await;
    let expected = Detector::embedded()
        .unwrap()
        .detect_recording(&clip)
        .unwrap();
    assert_eq!(found["id"], given["id"]);
    assert_eq!(found["status"], "judged");
    assert_eq!(found["classification"], expected.classification.as_str());
    assert_eq!(found["ai_probability"], expected.ai_probability);
    assert_eq!(found["language"], "ta");
    assert_eq!(
        found["segments"].as_array().unwrap().len(),
        expected.segments.len()
    );

    let again = put(&api, &given, &clip).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.problem_code(), "already_uploaded");

    let prose = b"This is text, not speech.";
    let given = address(&api, &wanted(prose)).await;
    assert_eq!(put(&api, &given, prose).await.status, StatusCode::OK);
    let found = result(&api, &given).await;
    assert_eq!(
        (&found["status"], &found["code"]),
        (&json!("error"), &json!("not_audio"))
    );
}

#[tokio::test]
async fn what_was_uploaded_before_the_start_is_judged_after_it() {
    let folder = folder("uploads-restart");
    let api = unattended(storage(&folder, &[]));
    let clip = file(HUMAN);
    let given = address(&api, &wanted(&clip)).await;
    assert_eq!(put(&api, &given, &clip).await.status, StatusCode::OK);
    let path = given["result"].as_str().unwrap();
    assert_eq!(get(&api, path).await.json()["status"], "pending");
    let api = attended(storage(&folder, &[]));
    assert_eq!(result(&api, &given).await["classification"], "HUMAN");
}

#[tokio::test]
async fn an_address_is_given_only_for_what_can_be_judged() {
    let api = unattended(storage(
        &folder("uploads-terms"),
        &[("MAX_OBJECT_BYTES", "2048")],
    ));
    for (body, code) in [
        ("{", "malformed_json"),
        (r#"{"content_type": "audio/mpeg"}"#, "invalid_request"),
        (
            r#"{"content_type": "audio/mpeg", "content_length": -1}"#,
            "invalid_request",
        ),
        (
            r#"{"content_type": "audio/mpeg", "content_length": 0}"#,
            "empty_audio",
        ),
        (
            r#"{"content_type": "audio/mpeg", "content_length": 2049}"#,
            "too_large",
        ),
        (
            r#"{"content_type": "text/html", "content_length": 9}"#,
            "unsupported_media_type",
        ),
        (
            r#"{"content_type": "a\nb", "content_length": 9}"#,
            "unsupported_media_type",
        ),
        (
            r#"{"content_type": "audio/mpeg", "content_length": 9, "language": "xx"}"#,
            "unknown_language",
        ),
    ] {
        let answer = send(&api, post_to("/uploads", "application/json", body)).await;
        assert_eq!(answer.problem_code(), code, "{body}");
    }
    let no_key = Request::post("/uploads").body(Body::from("{}")).unwrap();
    assert_eq!(send(&api, no_key).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_address_takes_what_was_announced_and_nothing_else() {
    let storage = storage(&folder("uploads-bound"), &[]);
    let store = Arc::clone(&storage.store);
    let api = unattended(storage);
    let clip = file(AI);
    let given = address(&api, &wanted(&clip)).await;
    let url = given["url"].as_str().unwrap();
    let other = |url: &str, kind: &str, clip: &[u8]| {
        let request = Request::put(url).header(header::CONTENT_TYPE, kind);
        request.body(Body::from(clip.to_vec())).unwrap()
    };
    let plain = url.split('?').next().unwrap();
    let stranger = plain.replace(
        given["id"].as_str().unwrap(),
        "0b9d2a4e-7c1f-4e57-9a43-000000000000",
    );
    for (request, code) in [
        (other(plain, "audio/mpeg", &clip), "unauthorized"),
        (
            other(&format!("{plain}?token=0"), "audio/mpeg", &clip),
            "unauthorized",
        ),
        (other(&stranger, "audio/mpeg", &clip), "not_found"),
        (other(url, "audio/wav", &clip), "unsupported_media_type"),
        (other(url, "audio/mpeg", &clip[1..]), "invalid_request"),
        (
            other(url, "audio/mpeg", &[&clip[..], b"x"].concat()),
            "too_large",
        ),
    ] {
        assert_eq!(send(&api, request).await.problem_code(), code);
    }
    let path = given["result"].as_str().unwrap();
    assert_eq!(
        get(&api, path).await.json()["status"],
        "awaiting_upload",
        "nothing was taken"
    );

    // An address that has expired.
    let id = "6f0f3c1e-5b0e-4f5e-8d3f-3a3b1c2d4e5f";
    let note = json!({"expires_at": "2026-01-01T00:00:00Z", "content_type": "audio/mpeg",
                      "content_length": clip.len(), "language": null, "token": "t"});
    let about = Attributes {
        content_type: "application/json",
        language: None,
    };
    let key = format!("issued/{id}");
    store
        .create("uploads", &key, about, note.to_string().into_bytes())
        .await
        .unwrap();
    let late = other(&format!("/uploads/{id}?token=t"), "audio/mpeg", &clip);
    assert_eq!(send(&api, late).await.problem_code(), "upload_expired");
    for unknown in [id, "0b9d2a4e-7c1f-4e57-9a43-000000000000", "no-uuid"] {
        let answer = get(&api, &format!("/results/{unknown}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.problem_code(), "not_found");
    }
}

#[tokio::test]
async fn results_come_in_pages_without_their_segments() {
    let api = attended(storage(&folder("uploads-pages"), &[]));
    let clip = file(AI);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let given = address(&api, &wanted(&clip)).await;
        assert_eq!(put(&api, &given, &clip).await.status, StatusCode::OK);
        result(&api, &given).await;
        ids.push(given["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    let (mut found, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = get(&api, &format!("/results?limit=2{cursor}")).await.json();
        let results = page["results"].as_array().unwrap();
        sizes.push(results.len());
        for result in results {
            assert_eq!(result["classification"], "AI_GENERATED");
            assert!(result.get("segments").is_none());
            found.push(result["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((found, sizes), (ids.clone(), vec![2, 2, 1]));
    let one = get(&api, &format!("/results?prefix=uploads/uploads/{}", ids[3]))
        .await
        .json();
    assert_eq!(one["results"][0]["id"], ids[3]);
    assert_eq!(one["results"].as_array().unwrap().len(), 1);
    let none = get(&api, "/results?prefix=other/").await.json();
    assert_eq!(none, json!({"results": [], "next": null}));
    for query in ["limit=0", "limit=101", "limit=x", "cursor=%21", "page=2"] {
        let answer = get(&api, &format!("/results?{query}")).await;
        assert_eq!(answer.problem_code(), "invalid_request", "{query}");
    }
}

#[tokio::test]
async fn without_a_storage_uploads_and_results_are_not_available() {
    let api = support::api();
    let id = "0b9d2a4e-7c1f-4e57-9a43-000000000000";
    let ask = post_to("/uploads", "application/json", wanted(b"x").to_string());
    let upload = Request::put(format!("/uploads/{id}"))
        .body(Body::empty())
        .unwrap();
    for answer in [
        send(&api, ask).await,
        send(&api, upload).await,
        get(&api, "/results").await,
        get(&api, &format!("/v1/results/{id}")).await,
    ] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.problem_code(), "storage_unavailable");
    }
}

#[tokio::test]
async fn a_storage_that_fails_is_said_to_and_told_nothing_of() {
    let folder = folder("uploads-broken");
    let api = unattended(storage(&folder, &[]));
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "a file in the folder's place").unwrap();
    let ask = post_to("/uploads", "application/json", wanted(b"x").to_string());
    for answer in [send(&api, ask).await, get(&api, "/results").await] {
        assert_eq!(answer.problem_code(), "storage_unavailable");
        assert!(!answer.body.contains("uploads-broken"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each_clip_in_its_order() {
    let api = support::api();
    let clips = json!({"clips": [
        {"id": "human", "audio": base64(&file(HUMAN)), "language": "en"},
        {"id": 7, "audio": base64(b"This is text, not speech.")},
        {"audio": base64(&file(AI))},
        {"id": {"call": 1}, "audio": "!!!"},
        {"id": "silent"},
        {"id": "greek", "audio": base64(&file(AI)), "language": "el"},
        {"id": "empty", "audio": ""},
    ]});
    let answer = send(
        &api,
        post_to("/v1/batch", "application/json", clips.to_string()),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    let of = |member: &str| -> Vec<Value> { results.iter().map(|r| r[member].clone()).collect() };
    assert_eq!(
        of("id"),
        [
            json!("human"),
            json!(7),
            Value::Null,
            json!({"call": 1}),
            json!("silent"),
            json!("greek"),
            json!("empty")
        ]
    );
    let codes = [
        Value::Null,
        json!("not_audio"),
        Value::Null,
        json!("invalid_base64"),
        json!("missing_audio"),
        json!("unknown_language"),
        json!("empty_audio"),
    ];
    assert_eq!(of("code"), codes);
    for (result, code) in results.iter().zip(&codes) {
        assert_eq!(result["error"].is_string(), code.is_string(), "{result}");
        assert_eq!(
            result["classification"].is_string(),
            code.is_null(),
            "{result}"
        );
    }
    assert_eq!(results[0]["classification"], "HUMAN");
    assert_eq!(results[0]["language"], "en");
    assert_eq!(results[2]["classification"], "AI_GENERATED");
    assert!(results[2]["ai_probability"].is_number());
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_where_its_form_is_wrong() {
    let api = support::api();
    let many = json!({"clips": vec![json!({"audio": "AAAA"}); 101]}).to_string();
    for (body, code) in [
        ("", "empty_audio"),
        ("{", "malformed_json"),
        ("{}", "invalid_request"),
        (r#"{"clips": []}"#, "invalid_request"),
        (r#"{"clips": [{"audio": 7}]}"#, "invalid_request"),
        (many.as_str(), "invalid_request"),
    ] {
        let answer = send(&api, post_to("/batch", "application/json", body.to_owned())).await;
        assert_eq!(answer.problem_code(), code, "{body:.40}");
    }
    // A hundred fit, more than may wait in the queue.
    let hundred = json!({"clips": vec![json!({"audio": "AAAA"}); 100]}).to_string();
    let answer = send(&api, post_to("/batch", "application/json", hundred))
        .await
        .json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    assert!(results.iter().all(|result| result["code"] == "not_audio"));
}
