//! Lambda's events of API Gateway, function URLs and load balancers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::service::ask;
use axum::body::Body;
use lambda_http::request::LambdaRequest;
use voxproof::http::stage::without_stage;

/// An event's JSON.
pub fn run(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<LambdaRequest>(data) else {
        return;
    };
    // As the function's own service does.
    let Ok(request) = catch_unwind(AssertUnwindSafe(|| lambda_http::Request::from(event))) else {
        return;
    };
    let request = without_stage(request);
    ask(request.map(|body| match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    }));
}
