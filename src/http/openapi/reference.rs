//! `GET /docs`: the document as a page. Page, script and style are ours and come from this server; nothing else may be
//! loaded.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// Only what this server has, and no script in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// The page.
pub async fn reference() -> Response {
    file("text/html; charset=utf-8", include_str!("reference.html"))
}

/// What draws it.
pub async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("reference.js"),
    )
}

/// How it looks.
pub async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("reference.css"))
}
