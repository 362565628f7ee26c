//! Who may call: keys, compared in constant time.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::problem::{Code, Problem};
use crate::hex::hex;

/// The header beside `Authorization` that may carry a key.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who may call the routes that judge.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever has one of these keys.
    Keys(Keys),
    /// Everyone (`--no-auth`).
    Open,
}

/// Who called: the SHA-256 of a key that was accepted. An extension of such a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller(pub(super) [u8; 32]);

impl Caller {
    /// What tells this key from others and is no secret: the first twelve hexadecimal digits of its SHA-256.
    pub fn id(&self) -> String {
        hex(&self.0[..6])
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

/// The keys that are accepted. Only their SHA-256 is kept: it gives every comparison the same
/// length, and a memory dump no key.
#[derive(Clone, Default)]
pub struct Keys(Arc<[[u8; 32]]>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// These keys.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(|key| digest(key.as_bytes())).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who calls, if `presented` is one of the keys. The time taken depends neither on which key it is
    /// nor on how much of it is right: all are compared, in full.
    fn accept(&self, presented: &[u8]) -> Option<Caller> {
        let presented = digest(presented);
        let found = self
            .0
            .iter()
            .fold(Choice::from(0), |found, key| found | key.ct_eq(&presented));
        bool::from(found).then_some(Caller(presented))
    }
}

/// What is kept of a key.
pub(super) fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Middleware: lets a request pass that carries an accepted key.
pub async fn require_key(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    let Access::Keys(keys) = &access else {
        return next.run(request).await;
    };
    let accepted = presented(request.headers()).fold(None, |found, key| {
        // No early exit from the headers either; there are three at most that count.
        found.or(keys.accept(&key))
    });
    if let Some(caller) = accepted {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let mut presented = presented(request.headers()).peekable();
    let challenge = match presented.peek() {
        None => r#"Bearer realm="voxproof""#,
        Some(_) => r#"Bearer realm="voxproof", error="invalid_token""#,
    };
    Problem::new(
        Code::Unauthorized,
        "send a valid key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
    )
    .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    .into_response()
}

/// The keys that a request carries. An `Authorization` of another scheme is not for us: a proxy
/// in between may have put it there.
pub(super) fn presented(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| key.trim_ascii())
    });
    bearer
        .into_iter()
        .chain(headers.get(X_API_KEY).map(HeaderValue::as_bytes))
        .map(Cow::Borrowed)
        .chain(subprotocol(headers).map(Cow::Owned))
}

/// What a WebSocket's subprotocol begins with that carries a key, in base64 for addresses without padding: pages cannot
/// set a header of a WebSocket, and an address would end in logs.
pub const KEY_PROTOCOL: &str = "voxproof.key.";

fn subprotocol(headers: &HeaderMap) -> Option<Vec<u8>> {
    let upgrades = headers.get(UPGRADE)?.as_bytes();
    if !upgrades.eq_ignore_ascii_case(b"websocket") {
        return None;
    }
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    let key = offered.find_map(|offer| offer.trim().strip_prefix(KEY_PROTOCOL))?;
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_accepted_and_nothing_else() {
        let keys = Keys::new(["first", "second"]);
        assert!(keys.accept(b"first").is_some() && keys.accept(b"second").is_some());
        for wrong in [&b""[..], b"firs", b"first ", b"FIRST", b"third"] {
            assert!(keys.accept(wrong).is_none());
        }
        assert!(Keys::default().accept(b"").is_none());
    }

    #[test]
    fn keys_are_never_printed() {
        assert_eq!(
            format!("{:?}", Access::Keys(Keys::new(["hush"]))),
            "Keys(Keys(1))"
        );
    }

    /// Welch's t of the times of wrong keys that begin like a good one, against those that do not: `make constant-time`. Not
    /// among the ordinary tests, whose machine is busy; one that leaks a byte's comparison has |t| in the hundreds.
    #[test]
    #[ignore = "measures time: run alone, by make constant-time"]
    fn how_much_of_a_key_is_right_cannot_be_timed() {
        use std::time::Instant;
        let good = "0123456789abcdef0123456789abcdef";
        let keys = Keys::new([good, "another-key-that-is-accepted-too"]);
        let near = good.replace("ef", "eX").into_bytes();
        let far = vec![b'z'; near.len()];
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..400_000_usize {
            // In an order that neither class can profit from.
            let class = (round ^ round >> 3 ^ round >> 7) & 1;
            let key = if class == 0 { &near } else { &far };
            let begun = Instant::now();
            let accepted = std::hint::black_box(keys.accept(std::hint::black_box(key)));
            times[class].push(begun.elapsed().as_nanos() as f64);
            assert!(accepted.is_none());
        }
        // The slowest tenth are other programs' turns.
        let statistics = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times.truncate(times.len() * 9 / 10);
            let count = times.len() as f64;
            let mean = times.iter().sum::<f64>() / count;
            let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (count - 1.0);
            (mean, variance / count)
        });
        let [(near, a), (far, b)] = statistics;
        let t = (near - far) / (a + b).sqrt();
        println!("wrong keys that begin right: {near:.1} ns, others: {far:.1} ns, t = {t:.2}");
        assert!(t.abs() < 10.0, "t = {t}");
    }
}
