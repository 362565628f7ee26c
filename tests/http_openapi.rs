//! The OpenAPI document is true: every path is served, every code is in it, and its examples give what they say.
#![cfg(feature = "server")]

mod support;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use support::{KEY, api, post_json_to, send};
use voxproof::http::Code;
use voxproof::http::openapi::document;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// All operations: path, method and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().clone();
        let path = path.clone();
        methods
            .into_iter()
            .map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    for path in ["/openapi.json", "/v1/openapi.json"] {
        let answer = send(&api(), get(path)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), document());
    }
    assert_eq!(document()["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_path_is_a_route_and_needs_a_key_as_it_says() {
    let api = api();
    for (path, method, operation) in operations(&document()) {
        let path = path.replace("{id}", "6b0a2f0c-93f5-4a3c-9a53-9d3f6f3d2f11");
        let request = Request::builder()
            .method(method.to_uppercase().as_str())
            .uri(&path);
        let answer = send(&api, request.body(Body::empty()).unwrap()).await;
        let open = operation["security"].as_array().is_some_and(Vec::is_empty);
        let status = answer.status.as_u16();
        assert!(![404, 405].contains(&status), "{method} {path}: {status}");
        assert_eq!(status == 401, !open, "{method} {path}: {status}");
        assert!(
            operation["responses"].get(status.to_string()).is_some(),
            "{method} {path}: {status}"
        );
    }
}

#[test]
fn references_lead_somewhere_and_ids_are_unique() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let operations = operations(&document);
    let ids: BTreeSet<_> = operations
        .iter()
        .map(|(.., o)| o["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), operations.len());
}

#[test]
fn every_code_of_an_answer_is_documented() {
    let text = document().to_string();
    let in_results = [Code::ObjectChanged, Code::ObjectArchived, Code::ObjectGone];
    // This belongs to no route of the document.
    let elsewhere = [Code::MethodNotAllowed];
    for code in Code::ALL {
        if !in_results.contains(code) && !elsewhere.contains(code) {
            let named = format!("`{}`", code.as_str());
            assert!(text.contains(&named), "{named}");
        }
    }
}

#[tokio::test]
async fn examples_give_what_they_say() {
    let api = api();
    let mut replayed = 0;
    for (path, method, operation) in operations(&document()) {
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        if body.is_null() || path == "/v1/uploads" {
            continue;
        }
        assert_eq!(method, "post");
        let answer = send(&api, post_json_to(&path, body)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        replayed += 1;
        let found = answer.json();
        let said = &operation["responses"]["200"];
        for header in said["headers"].as_object().unwrap().keys() {
            assert_ne!(
                answer.header(&header.to_lowercase()),
                "",
                "{path}: {header}"
            );
        }
        let example = &said["content"]["application/json"]["example"];
        if let Some(example) = example.as_object() {
            let members = |value: &Value| -> Vec<String> {
                value.as_object().unwrap().keys().cloned().collect()
            };
            assert_eq!(
                members(&found),
                members(&Value::Object(example.clone())),
                "{path}"
            );
            for (member, value) in example {
                let same = std::mem::discriminant(value) == std::mem::discriminant(&found[member]);
                assert!(same, "{path}: {member}");
            }
        } else {
            assert!(
                found["results"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|r| r["code"].is_null())
            );
        }
    }
    assert_eq!(replayed, 3);
}

#[tokio::test]
async fn a_language_of_the_query_is_checked_even_where_the_body_names_another() {
    let document = document();
    let body = &document["paths"]["/v1/detect"]["post"]["requestBody"]["content"]["application/json"]
        ["example"];
    let answer = send(&api(), post_json_to("/v1/detect?language=null", body)).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.problem_code(), "unknown_language");
}

#[tokio::test]
async fn the_example_of_uploads_gives_an_address() {
    let folder = std::env::temp_dir().join(format!("voxproof-openapi-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let storage = Some(support::storage_in(&folder));
    let judge = std::sync::Arc::new(voxproof::Detector::embedded().unwrap());
    let api = voxproof::http::router_with(judge, &support::config(&[]), storage);
    let document = document();
    let upload = &document["paths"]["/v1/uploads"]["post"];
    let body = &upload["requestBody"]["content"]["application/json"]["example"];
    let answer = send(&api, post_json_to("/v1/uploads", body)).await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(answer.status, 201);
    for member in document["components"]["schemas"]["UploadAddress"]["required"]
        .as_array()
        .unwrap()
    {
        assert!(
            !answer.json()[member.as_str().unwrap()].is_null(),
            "{member}"
        );
    }
}

#[tokio::test]
async fn the_reference_loads_nothing_from_elsewhere() {
    let api = api();
    let page = send(&api, get("/docs")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let mut parts = vec![page];
    for part in ["/docs/reference.js", "/docs/reference.css"] {
        assert!(parts[0].body.contains(part));
        parts.push(send(&api, get(part)).await);
    }
    for part in parts {
        assert_eq!(part.status, 200);
        let policy = part.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert!(!part.body.contains("http://") && !part.body.contains("https://"));
        assert!(!part.body.contains("innerHTML") && !part.body.contains(KEY));
    }
}
