//! The page at `/`: HTML, style and scripts of the folder `web`, embedded into the binary.
//!
//! It is a client of the API like any other: no key is needed to load it, and what it asks carries the key that the person
//! typed. Nothing in it comes from elsewhere, and its policy forbids the browser to load or to ask anything from elsewhere.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

/// Scripts, styles and requests of this origin alone; recordings are played from memory (`blob:`), and bars of the evidence
/// are drawn without inline styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// One file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($path:literal, $content_type:literal, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../web/", $file)),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! script {
    ($file:literal) => {
        Asset {
            path: concat!("/page/", $file),
            content_type: SCRIPT,
            bytes: include_bytes!(concat!("../../web/", $file)),
        }
    };
}

static ASSETS: [Asset; 9] = [
    asset!("/", "text/html; charset=utf-8", "index.html"),
    asset!("/page/page.css", "text/css; charset=utf-8", "page.css"),
    asset!("/page/mark.svg", "image/svg+xml", "mark.svg"),
    script!("page.js"),
    script!("card.js"),
    script!("judge.js"),
    script!("record.js"),
    script!("texts.js"),
    script!("waveform.js"),
];

/// The hash that names each asset's content, quoted as a header wants it.
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let tag = |asset: &Asset| {
        let hash = Sha256::digest(asset.bytes);
        let digits = hex(&hash[..12]);
        // Hexadecimal digits between quotes are always a header's value.
        HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""))
    };
    ASSETS.iter().map(tag).collect()
});

/// The routes of the page.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS
        .iter()
        .enumerate()
        .fold(Router::new(), |router, (index, asset)| {
            router.route(
                asset.path,
                get(async move |headers: HeaderMap| answer(asset, &TAGS[index], &headers)),
            )
        })
}

fn answer(asset: &Asset, tag: &HeaderValue, request: &HeaderMap) -> Response {
    let held = request.get_all(IF_NONE_MATCH).iter();
    let fresh = held
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|held| held.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (ETAG, tag.clone()),
        // Kept, and asked about each time: a new version of the server is a new page at once.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            PERMISSIONS,
            HeaderValue::from_static("microphone=(self), camera=(), geolocation=()"),
        ),
    ];
    if fresh {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.bytes).into_response()
}
use crate::hex::hex;
