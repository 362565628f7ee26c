//! Lambda: the path that the caller wrote, without the stage of API Gateway.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

/// Gives a request the path that the caller wrote behind the stage: `lambda_http` puts the stage
/// in front (`/Prod/detect`), and API Gateway does so itself for named stages of HTTP APIs.
#[must_use]
pub fn without_stage(mut request: Request) -> Request {
    let path = request.raw_http_path();
    let stage = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref(),
        _ => None,
    };
    let path = stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // A path that is no URI stays as it was, and finds no route.
    if let Ok(uri) = target.parse() {
        *request.uri_mut() = uri;
    }
    request
}
