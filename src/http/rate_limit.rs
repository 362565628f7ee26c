//! How often one key may call: counted in windows of fixed length, in memory or, for all servers together, in Redis.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::config::ConfigError;
use super::metrics::Metrics;
use super::problem::{Code, Problem};
use super::shared_store::SharedStore;
use crate::hex::hex;

/// Requests of a window. The three names are those of draft-ietf-httpapi-ratelimit-headers up to its version 06, which
/// clients read; later versions put all into one header.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// Requests that are left in it.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until the next one.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests of one window.
    pub requests: u64,
    /// Length of a window, in seconds.
    pub seconds: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            requests: 600,
            seconds: 60,
        }
    }
}

impl Rate {
    /// The rate of `RATE_LIMIT`: `600/min`, also `/s`, `/h`; `None` for `off`.
    ///
    /// # Errors
    /// It is neither.
    pub fn from_var(value: Option<String>) -> Result<Option<Self>, ConfigError> {
        Self::parsed("RATE_LIMIT", value, Self::default())
    }

    /// The rate that a variable says, or this one where it says none; `None` for `off`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parsed(
        variable: &'static str,
        value: Option<String>,
        default: Self,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(text) = value else {
            return Ok(Some(default));
        };
        if text == "off" {
            return Ok(None);
        }
        let rate = text.split_once('/').and_then(|(requests, unit)| {
            let requests = requests.trim().parse().ok().filter(|n| *n > 0)?;
            let seconds = match unit.trim() {
                "s" | "sec" | "second" => 1,
                "min" | "minute" => 60,
                "h" | "hour" => 3600,
                _ => return None,
            };
            Some(Self { requests, seconds })
        });
        rate.map(Some).ok_or_else(|| ConfigError::BadValue {
            variable,
            found: format!("'{text}'"),
            accepted: "off, or requests a second, minute or hour such as 600/min",
        })
    }
}

/// What is left to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    /// Requests of this window, the last one included.
    used: u64,
    /// Seconds until the next window.
    reset: u64,
}

/// Counts requests.
#[derive(Debug)]
pub struct RateLimiter {
    rate: Rate,
    shared: Option<SharedStore>,
    /// Window and requests of each key. There are no more of them than accepted keys.
    counts: Mutex<HashMap<Caller, (u64, u64)>>,
    metrics: Arc<Metrics>,
}

impl RateLimiter {
    /// A limiter that has counted nothing.
    pub fn new(rate: Rate, shared: Option<SharedStore>, metrics: Arc<Metrics>) -> Self {
        Self {
            rate,
            shared,
            counts: Mutex::default(),
            metrics,
        }
    }

    /// Counts one request of `caller` at `now`, which is since 1970.
    async fn count(&self, caller: Caller, now: Duration) -> Standing {
        let window = now.as_secs() / self.rate.seconds;
        let reset = (window + 1) * self.rate.seconds - now.as_secs();
        // In memory always: where Redis is gone, this server's own count goes on.
        let own = self.count_here(caller, window);
        let all = match &self.shared {
            Some(shared) => {
                let key = format!("voxproof:rate:{window}:{}", hex(&caller.0[..16]));
                let time = Duration::from_secs(2 * self.rate.seconds);
                shared.count(&key, time).await.unwrap_or(0)
            }
            None => 0,
        };
        Standing {
            used: own.max(all),
            reset,
        }
    }

    fn count_here(&self, caller: Caller, window: u64) -> u64 {
        let mut counts = match self.counts.lock() {
            Ok(counts) => counts,
            // Counts are whole whatever happened to their holder.
            Err(poisoned) => poisoned.into_inner(),
        };
        let (of, used) = counts.entry(caller).or_insert((window, 0));
        if *of != window {
            (*of, *used) = (window, 0);
        }
        *used += 1;
        *used
    }

    fn headers(&self, standing: Standing, headers: &mut HeaderMap) {
        let left = self.rate.requests.saturating_sub(standing.used);
        headers.insert(LIMIT, HeaderValue::from(self.rate.requests));
        headers.insert(REMAINING, HeaderValue::from(left));
        headers.insert(RESET, HeaderValue::from(standing.reset));
    }
}

/// Middleware behind the keys: refuses what is over the rate, and tells everyone where they stand.
pub async fn limit(
    State(limiter): State<Arc<RateLimiter>>,
    request: Request,
    next: Next,
) -> Response {
    // Without keys there is nobody to tell apart.
    let Some(caller) = request.extensions().get::<Caller>().copied() else {
        return next.run(request).await;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let standing = limiter.count(caller, now.unwrap_or_default()).await;
    let mut response = if standing.used > limiter.rate.requests {
        limiter.metrics.limited();
        let Rate { requests, seconds } = limiter.rate;
        let detail = format!(
            "this key may send {requests} requests in {seconds} s; wait as Retry-After says"
        );
        Problem::new(Code::RateLimited, detail)
            .with_header(RETRY_AFTER, HeaderValue::from(standing.reset))
            .into_response()
    } else {
        next.run(request).await
    };
    limiter.headers(standing, response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let rate = |text: &str| Rate::from_var(Some(text.to_owned()));
        assert_eq!(Rate::from_var(None), Ok(Some(Rate::default())));
        assert_eq!(rate("off"), Ok(None));
        for (text, requests, seconds) in
            [("5/s", 5, 1), ("600/min", 600, 60), ("9 / hour", 9, 3600)]
        {
            assert_eq!(rate(text), Ok(Some(Rate { requests, seconds })));
        }
        for text in ["600", "0/min", "-1/s", "10/day", "on"] {
            let error = rate(text).unwrap_err().to_string();
            assert!(error.starts_with("RATE_LIMIT"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_window_forgets_the_one_before_and_keys_do_not_share() {
        let rate = Rate {
            requests: 2,
            seconds: 10,
        };
        let limiter = RateLimiter::new(rate, None, Arc::default());
        let (a, b) = (Caller([1; 32]), Caller([2; 32]));
        let mut used = Vec::new();
        for (caller, at) in [(a, 100), (a, 104), (b, 105), (a, 109), (a, 110)] {
            let standing = limiter.count(caller, Duration::from_secs(at)).await;
            used.push((standing.used, standing.reset));
        }
        assert_eq!(used, [(1, 10), (2, 6), (1, 5), (3, 1), (1, 10)]);
    }

    #[tokio::test]
    async fn a_clock_that_jumps_neither_locks_out_nor_piles_up() {
        let rate = Rate {
            requests: 2,
            seconds: 10,
        };
        let limiter = RateLimiter::new(rate, None, Arc::default());
        let caller = Caller([1; 32]);
        let mut standings = Vec::new();
        // Forwards by a year, back by a century, to 1970, and on from there.
        for at in [1_000_000_000, 1_031_536_000, 0, 1, u64::MAX / 20, 2] {
            standings.push(limiter.count(caller, Duration::from_secs(at)).await);
        }
        assert!(
            standings
                .iter()
                .all(|s| s.used <= 2 && (1..=10).contains(&s.reset))
        );
        assert_eq!(limiter.counts.lock().unwrap().len(), 1);
    }
}
