//! `POST /detect?url=`: a clip is fetched from an address that the caller names and the operator allows.
//!
//! Whoever may name addresses may have a server ask what only it can reach. So: hosts are listed ([`allow`]), what their
//! names resolve to is checked ([`address`]) and connected to as it was checked ([`connection`]), redirects are walked here
//! and checked as the first address was, and bytes and time are bounded.

mod address;
mod allow;
mod connection;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

pub use allow::Allowed;
use connection::{Tls, get};

use super::body::{self, BodyLimits};
use super::problem::{Code, Problem};

/// Redirects that are followed.
const REDIRECTS: usize = 3;
/// Longest time for all of it.
const WHOLE: Duration = Duration::from_secs(30);
/// Longest address, in bytes.
const MAX_URL: usize = 4096;
/// Clips that are fetched at a time.
const AT_A_TIME: usize = 32;

/// Fetches clips.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    allowed: Allowed,
    tls: Tls,
    places: Semaphore,
}

/// Why there is no clip, in words for the caller.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// The address is none that may be fetched.
    Refused(&'static str),
    /// It may be, and nothing came of it.
    Unreachable(&'static str),
    /// It answered with this status.
    Status(StatusCode),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(detail) => Problem::new(Code::UrlNotAllowed, detail),
            Fault::Unreachable(detail) => Problem::new(
                Code::UrlUnreachable,
                format!("url could not be fetched: {detail}"),
            ),
            Fault::Status(status) => Problem::new(
                Code::UrlUnreachable,
                format!("url answered with status {}, not 200", status.as_u16()),
            ),
        }
    }
}

impl Fetcher {
    /// Fetches from these hosts.
    pub fn new(allowed: Allowed) -> Self {
        Self(Arc::new(Inner {
            allowed,
            tls: Tls::default(),
            places: Semaphore::new(AT_A_TIME),
        }))
    }

    /// The bytes at `url`.
    ///
    /// # Errors
    /// `invalid_request`: it is no address; `url_not_allowed`: it, or where it leads, may not be fetched;
    /// `url_unreachable`: nothing came, or something else than a file; `too_large`: more bytes than a body may have;
    /// `overloaded`: as many clips are fetched as may be at a time.
    pub async fn fetch(&self, url: &str, limits: &BodyLimits) -> Result<Bytes, Problem> {
        let inner = &self.0;
        let Ok(_place) = inner.places.try_acquire() else {
            return Err(Problem::new(
                Code::Overloaded,
                "as many clips are fetched as may be at a time; try again in a second",
            )
            .with_header(axum::http::header::RETRY_AFTER, 1.into()));
        };
        match timeout(WHOLE, inner.walk(url, limits)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Fault::Unreachable("it took too long").into()),
        }
    }
}

impl Inner {
    async fn walk(&self, url: &str, limits: &BodyLimits) -> Result<Bytes, Problem> {
        let no_url = || {
            let detail = format!(
                "url must be an address such as https://example.org/clip.mp3, at most {MAX_URL} bytes"
            );
            Problem::new(Code::InvalidRequest, detail)
        };
        if url.len() > MAX_URL {
            return Err(no_url());
        }
        let mut url = Url::parse(url).map_err(|_| no_url())?;
        for _ in 0..=REDIRECTS {
            let target = self.allowed.check(url).map_err(Fault::Refused)?;
            let answer = get(&target, &self.tls).await?;
            let head = &answer.response;
            if let Some(next) = redirect(head.status(), head.headers()) {
                let next = next.and_then(|next| target.url.join(next).ok());
                url = next.ok_or(Fault::Unreachable("it leads to what is no address"))?;
                continue;
            }
            if head.status() != StatusCode::OK {
                return Err(Fault::Status(head.status()).into());
            }
            let encoding = head.headers().get(CONTENT_ENCODING);
            if encoding.is_some_and(|encoding| encoding != "identity") {
                return Err(Fault::Unreachable("it is compressed, which was not asked for").into());
            }
            return read(Body::new(answer.response.into_body()), limits).await;
        }
        Err(Fault::Unreachable("it leads from one address to the next too often").into())
    }
}

/// Where a redirect leads, if it is one: `Some(None)` where it does not say.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<Option<&str>> {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| headers.get(LOCATION)?.to_str().ok())
}

async fn read(body: Body, limits: &BodyLimits) -> Result<Bytes, Problem> {
    body::read(body, limits)
        .await
        .map_err(|problem| match problem.code() {
            Code::TooLarge => Problem::new(
                Code::TooLarge,
                format!(
                    "the file at url is larger than {} bytes, the most that is accepted",
                    limits.max_bytes
                ),
            ),
            // Other bodies have the memory: no fault of the host's.
            Code::Overloaded => problem,
            _ => Fault::Unreachable("it broke off").into(),
        })
}
