//! Wrong keys: how many an address may send before it is told to wait.
//!
//! Who guesses is slowed down to some tries a minute. Who has shown a good key from the same address is not: behind an
//! office's or a carrier's one address, a stranger's guesses lock nobody out. Memory is bounded: the addresses and keys that
//! have not been seen for longest are forgotten first.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::sync::Cache;

use super::auth::{digest, presented};
use super::metrics::Metrics;
use super::problem::{Code, Problem};
use super::rate_limit::Rate;

/// What proxies add: the addresses that a request came through, the nearest last.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses with wrong keys, and addresses with good ones, that are remembered: some megabytes at most.
const REMEMBERED: u64 = 10_000;

/// How long a good key is remembered with its address after its last use.
const WELCOME: Duration = Duration::from_secs(24 * 3600);

/// Wrong keys in a window that begins with the first of them.
#[derive(Debug)]
struct Wrong {
    since: Instant,
    count: AtomicU64,
}

/// Remembers who sent wrong keys.
#[derive(Debug)]
pub struct Lockout {
    rate: Rate,
    proxies: usize,
    wrong: Cache<IpAddr, Arc<Wrong>>,
    welcome: Cache<(IpAddr, [u8; 32]), ()>,
    metrics: Arc<Metrics>,
}

impl Lockout {
    /// So many wrong keys an address, which stands `proxies` proxies away.
    pub fn new(rate: Rate, proxies: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            rate,
            proxies,
            wrong: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(Duration::from_secs(rate.seconds))
                .build(),
            welcome: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(WELCOME)
                .build(),
            metrics,
        }
    }

    /// Seconds that `address` has to wait, if it does.
    fn wait(&self, address: IpAddr) -> Option<u64> {
        let wrong = self.wrong.get(&address)?;
        let left = Duration::from_secs(self.rate.seconds).saturating_sub(wrong.since.elapsed());
        let full = wrong.count.load(Ordering::Relaxed) >= self.rate.requests;
        (full && !left.is_zero()).then(|| left.as_secs() + 1)
    }

    fn count(&self, address: IpAddr) {
        let wrong = self.wrong.get_with(address, || {
            Arc::new(Wrong {
                since: Instant::now(),
                count: AtomicU64::new(0),
            })
        });
        wrong.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Middleware around the keys.
pub async fn guard(State(lockout): State<Arc<Lockout>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address =
        peer.map(|ConnectInfo(peer)| client(peer.ip(), request.headers(), lockout.proxies));
    let keys: Vec<[u8; 32]> = presented(request.headers())
        .map(|key| digest(&key))
        .collect();
    let (Some(address), false) = (address, keys.is_empty()) else {
        return next.run(request).await;
    };
    if let Some(seconds) = lockout.wait(address)
        && !keys
            .iter()
            .any(|key| lockout.welcome.contains_key(&(address, *key)))
    {
        lockout.metrics.limited();
        let Rate {
            requests,
            seconds: window,
        } = lockout.rate;
        let detail = format!(
            "{requests} wrong keys came from this address within {window} s; wait as Retry-After says"
        );
        return Problem::new(Code::RateLimited, detail)
            .with_header(RETRY_AFTER, HeaderValue::from(seconds))
            .into_response();
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::UNAUTHORIZED {
        // Behind the keys, so one of them was good.
        for key in keys {
            lockout.welcome.insert((address, key), ());
        }
    } else if response.headers().contains_key(WWW_AUTHENTICATE) {
        lockout.count(address);
    }
    response
}

/// The caller's address: the peer's, or what the last of so many proxies has noted.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let noted: Vec<&str> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .collect();
    // What stands before it the caller may have written.
    let noted = proxies
        .checked_sub(1)
        .and_then(|behind| noted.iter().rev().nth(behind))
        .and_then(|text| {
            let bare = text.parse().ok();
            bare.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        });
    network(noted.unwrap_or(peer))
}

/// The address, of IPv6 the network of 64 bits: a host has all of one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(proxies: usize, noted: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for list in noted {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(list));
        }
        client(IpAddr::from([10, 0, 0, 1]), &headers, proxies).to_string()
    }

    #[test]
    fn an_address_is_what_a_trusted_proxy_noted() {
        assert_eq!(
            through(0, &["203.0.113.7"]),
            "10.0.0.1",
            "anyone may write that"
        );
        assert_eq!(through(1, &["198.51.100.9, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(
            through(1, &["198.51.100.9", "203.0.113.7:4711"]),
            "203.0.113.7"
        );
        assert_eq!(
            through(2, &["1.1.1.1, 203.0.113.7", "10.0.0.9"]),
            "203.0.113.7"
        );
        assert_eq!(through(1, &["nonsense"]), "10.0.0.1");
        assert_eq!(through(3, &["203.0.113.7"]), "10.0.0.1");
        assert_eq!(through(1, &["2001:db8:1:2:3:4:5:6"]), "2001:db8:1:2::");
        assert_eq!(through(1, &["[2001:db8::1]:443"]), "2001:db8::");
        assert_eq!(through(1, &["::ffff:203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn addresses_are_forgotten_rather_than_piled_up() {
        let lockout = Lockout::new(Rate::default(), 0, Arc::default());
        for address in 0..50_000_u32 {
            lockout.count(IpAddr::from(address.to_be_bytes()));
        }
        lockout.wrong.run_pending_tasks();
        assert!(lockout.wrong.entry_count() <= REMEMBERED);
    }
}
