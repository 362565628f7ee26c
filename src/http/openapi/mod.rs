//! `GET /openapi.json`: the contract, made from the code: schemas of the types that are written and read, codes and
//! statuses of the table of problems, bounds of the constants that are checked. `GET /docs` shows it.

mod examples;
mod faults;
mod operation;
mod operations;
mod reference;
mod schemas;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use reference::{reference, script, style};

/// The document, OpenAPI 3.1.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (path, method, operation) in operations::all() {
        let path = paths
            .entry(format!("/v1{path}"))
            .or_insert_with(|| json!({}));
        path[method] = operation.into_value();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "voxproof",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description": "Tells AI-generated speech from human speech. Every path also stands without its /v1. Faults are RFC 9457 problems with a stable `code`.",
        },
        "tags": [
            {"name": "verdicts", "description": "A clip in, a verdict out."},
            {"name": "uploads", "description": "Files that are too large or too long for a call; 503 where the server has no storage."},
            {"name": "service", "description": "What the server is and how it does."},
        ],
        "security": [{"key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "headers": schemas::headers(),
            "schemas": schemas::all(),
        },
    })
}

/// Serves the document.
pub async fn openapi() -> Response {
    static TEXT: LazyLock<Bytes> =
        // Our own types have string keys and finite numbers: there is nothing in it that could fail.
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, TEXT.clone()).into_response()
}
