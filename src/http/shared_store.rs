//! Redis, where servers share what they keep. It may be gone at any time: every call has an answer within a bounded wait,
//! and after a failure it is left alone for a while.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Longest wait for an answer: that of a store beside the server takes less than a millisecond.
const WAIT: Duration = Duration::from_millis(250);
/// How long it is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// A connection that mends itself, shared between requests.
#[derive(Clone)]
pub struct SharedStore(Arc<Inner>);

struct Inner {
    client: Client,
    manager: OnceCell<ConnectionManager>,
    since: Instant,
    /// Milliseconds after `since` until when it is left alone.
    paused_until: AtomicU64,
}

impl std::fmt::Debug for SharedStore {
    /// Without its address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedStore")
    }
}

impl SharedStore {
    /// The store at this address, `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS by the system's
    /// certificates; nothing is connected yet.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self(Arc::new(Inner {
            client: Client::open(url)?,
            manager: OnceCell::new(),
            since: Instant::now(),
            paused_until: AtomicU64::new(0),
        })))
    }

    /// What is kept under `key`; `None` also where the store does not answer.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut command = redis::cmd("GET");
        command.arg(key);
        self.bounded(|mut manager| async move { command.query_async(&mut manager).await })
            .await
            .flatten()
    }

    /// Keeps `value` under `key` for `time`, if the store answers.
    pub async fn set(&self, key: &str, value: &[u8], time: Duration) {
        let mut command = redis::cmd("SET");
        command
            .arg(key)
            .arg(value)
            .arg("EX")
            .arg(time.as_secs().max(1));
        self.bounded(|mut manager| async move { command.query_async::<()>(&mut manager).await })
            .await;
    }

    /// Counts one more under `key`, which is forgotten after `time`; the new count, unless the store does not answer.
    pub async fn count(&self, key: &str, time: Duration) -> Option<u64> {
        let mut both = redis::pipe();
        both.atomic()
            .cmd("INCR")
            .arg(key)
            .cmd("EXPIRE")
            .arg(key)
            .arg(time.as_secs().max(1))
            .ignore();
        let counted: Option<(u64,)> = self
            .bounded(|mut manager| async move { both.query_async(&mut manager).await })
            .await;
        counted.map(|(count,)| count)
    }

    async fn bounded<T, F, W>(&self, call: F) -> Option<T>
    where
        F: FnOnce(ConnectionManager) -> W,
        W: Future<Output = RedisResult<T>>,
    {
        let inner = &self.0;
        let now = || u64::try_from(inner.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now() < inner.paused_until.load(Ordering::Relaxed) {
            return None;
        }
        let answer = timeout(WAIT, async { call(self.manager().await?.clone()).await }).await;
        let problem = match answer {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        inner.paused_until.store(now() + pause, Ordering::Relaxed);
        tracing::warn!(problem, "Redis is left alone for a while");
        None
    }

    async fn manager(&self) -> RedisResult<&ConnectionManager> {
        let connect = || async {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(WAIT))
                .set_response_timeout(Some(WAIT))
                .set_number_of_retries(1);
            ConnectionManager::new_lazy_with_config(self.0.client.clone(), config)
        };
        self.0.manager.get_or_try_init(connect).await
    }
}
