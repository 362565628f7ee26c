//! What every answer has: a request id, safe headers, a line in the log, and, where it is a
//! problem, the request id inside the problem.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

use super::problem::Problem;
use super::voice_detection::{AsFault, Fault};

/// The header that carries a request's id, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a caller.
const MAX_ID: usize = 128;

/// The id of a request: the caller's, or one of ours. An extension of every request.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id if it is short and made of letters, digits and `-_.:=/+`, which can break
    /// neither a header nor a log line; else a fresh UUID.
    fn of(headers: &HeaderMap) -> Self {
        let harmless = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:=/+".contains(b);
        let given = headers
            .get(X_REQUEST_ID)
            .filter(|id| (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(harmless));
        Self(given.cloned().unwrap_or_else(|| {
            // 36 hexadecimal digits and hyphens are always a header's value.
            HeaderValue::from_str(&Uuid::new_v4().to_string())
                .unwrap_or(HeaderValue::from_static("unknown"))
        }))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Middleware: the outermost one.
pub async fn envelope(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    // The route's pattern, not the path: what callers write into a path is not for the log.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = id.as_str());

    let mut response = async {
        let response = next.run(request).await;
        tracing::info!(
            method = method.as_str(),
            route,
            status = response.status().as_u16(),
            code = response
                .extensions()
                .get::<Problem>()
                .map(|p| p.code().as_str()),
            milliseconds = started.elapsed().as_secs_f64() * 1e3,
            "answered"
        );
        response
    }
    .instrument(span)
    .await;

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response.headers_mut().remove(CONTENT_LENGTH);
        let json = match response.extensions_mut().remove::<AsFault>() {
            Some(AsFault) => {
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(CONTENT_TYPE, json);
                Fault::to_json(&problem)
            }
            None => problem.to_json(Some(id.as_str())),
        };
        *response.body_mut() = Body::from(json);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.0);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &'static str) -> String {
        let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(given))]);
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for("Root=1-67891233-abcdef"), "Root=1-67891233-abcdef");
        for bad in ["", "two words", "\"quoted\"", "{json}"] {
            assert!(id_for(bad).parse::<Uuid>().is_ok(), "{bad}");
        }
        let long = HeaderValue::from_str(&"a".repeat(MAX_ID + 1)).unwrap();
        let id = RequestId::of(&HeaderMap::from_iter([(X_REQUEST_ID, long)]));
        assert!(id.as_str().parse::<Uuid>().is_ok());
        assert!(
            RequestId::of(&HeaderMap::new())
                .as_str()
                .parse::<Uuid>()
                .is_ok()
        );
    }
}
