//! Requests to every route: JSON, base64, forms, queries, headers.

use super::Source;
use super::service::{KEY, ask};
use axum::body::Body;
use axum::http::{Method, Request, Uri};

const ROUTES: [(&str, &str); 12] = [
    ("POST", "/detect"),
    ("POST", "/v1/detect"),
    ("POST", "/batch"),
    ("POST", "/api/voice-detection"),
    ("POST", "/uploads"),
    ("GET", "/results"),
    ("GET", "/results/5f0c5e3a-1f6e-4c5e-9d3b-0123456789ab"),
    ("PUT", "/uploads/5f0c5e3a-1f6e-4c5e-9d3b-0123456789ab"),
    ("GET", "/models"),
    ("GET", "/stream"),
    ("GET", "/"),
    ("OPTIONS", "/detect"),
];

const TYPES: [&str; 6] = [
    "application/json",
    "audio/mpeg",
    "multipart/form-data; boundary=edge",
    "application/problem+json",
    "multipart/form-data",
    "text/plain",
];

/// A line with a query, a line with a header of the caller's choice, then the body; before them a byte each that choose
/// route, type, and whether there is a key.
pub fn run(data: &[u8]) {
    let mut source = Source(data);
    let (method, path) = ROUTES[usize::from(source.byte()) % ROUTES.len()];
    let kind = usize::from(source.byte()) % (TYPES.len() + 1);
    let key = source.byte() % 16 != 15;
    let mut rest = source.0.splitn(3, |byte| *byte == b'\n');
    let query = rest.next().unwrap_or_default();
    let header = rest.next().unwrap_or_default();
    let body = rest.next().unwrap_or_default();

    let mut target = path.as_bytes().to_vec();
    if !query.is_empty() {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    let Ok(uri) = Uri::try_from(target) else {
        return;
    };
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(uri);
    if key {
        request = request.header("x-api-key", KEY);
    }
    if let Some(kind) = TYPES.get(kind) {
        request = request.header("content-type", *kind);
    }
    if let Some(at) = header.iter().position(|byte| *byte == b':') {
        request = request.header(&header[..at], &header[at + 1..]);
    }
    if let Ok(request) = request.body(Body::from(body.to_vec())) {
        ask(request);
    }
}
