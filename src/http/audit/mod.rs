//! Who asked what, where the operator wants that kept (`AUDIT_URL`): key's id, time, hash, verdict and model of every clip
//! that was judged for a caller. Never audio, never keys.
//!
//! Answers do not wait for the database. Entries wait in a bounded queue, from which one task writes them; where the
//! database is gone they wait for it, and those that do not fit into the queue are lost, counted and told in the log.

#[cfg(feature = "audit")]
mod database;
mod entry;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use entry::Entry;
pub use entry::{About, Upload};

use super::config::ConfigError;
use super::metrics::Metrics;
use super::problem::Problem;

/// Entries that may wait for the database; some 400 bytes each.
const WAITING: usize = 8192;

/// What the writer is told.
#[cfg_attr(not(feature = "audit"), expect(dead_code, reason = "nothing writes"))]
enum Message {
    /// To be kept.
    Keep(Box<Entry>),
    /// Answer when everything before this is kept.
    Finish(oneshot::Sender<()>),
}

/// The log; shared between requests.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    /// May hold a password.
    #[cfg_attr(not(feature = "audit"), expect(dead_code, reason = "nothing writes"))]
    url: String,
    queue: mpsc::Sender<Message>,
    waiting: Mutex<Option<mpsc::Receiver<Message>>>,
    metrics: OnceLock<Arc<Metrics>>,
    /// Whether the last entry did not fit.
    full: AtomicBool,
}

impl fmt::Debug for AuditLog {
    /// Without its address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog")
    }
}

impl AuditLog {
    /// The log at `AUDIT_URL`, if it is set: `sqlite:///path/to/file.db` or `postgres://user:password@host/database`.
    /// Nothing is connected to yet.
    ///
    /// # Errors
    /// It is no such address, or this build has no audit log.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let Some(url) = var("AUDIT_URL") else {
            return Ok(None);
        };
        #[cfg(feature = "audit")]
        if database::accepts(&url) {
            let (queue, waiting) = mpsc::channel(WAITING);
            return Ok(Some(Self(Arc::new(Inner {
                url,
                queue,
                waiting: Mutex::new(Some(waiting)),
                metrics: OnceLock::new(),
                full: AtomicBool::new(false),
            }))));
        }
        let _ = url;
        Err(ConfigError::BadValue {
            variable: "AUDIT_URL",
            // It may hold a password.
            found: "not shown here".to_owned(),
            accepted: if cfg!(feature = "audit") {
                "sqlite:///path/to/file.db or postgres://user:password@host[:port]/database[?sslmode=require]"
            } else {
                "nothing: this build has no audit log, which needs the cargo feature audit"
            },
        })
    }

    /// Begins to write what comes, within a runtime; calls after the first change nothing.
    pub(super) fn start(&self, metrics: &Arc<Metrics>) {
        let _ = self.0.metrics.set(Arc::clone(metrics));
        let waiting = match self.0.waiting.lock() {
            Ok(mut waiting) => waiting.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        #[cfg(feature = "audit")]
        if let Some(waiting) = waiting {
            tokio::spawn(database::write(
                self.0.url.clone(),
                waiting,
                Arc::clone(metrics),
            ));
        }
        #[cfg(not(feature = "audit"))]
        drop(waiting);
    }

    /// Keeps what was answered, a JSON document of one of the shapes or a problem. Waits for nothing.
    pub(super) fn record(&self, about: &About<'_>, answered: Result<&[u8], &Problem>) {
        self.send(Entry::of(about, answered));
    }

    /// Keeps what was found of an upload. Waits for nothing.
    pub(crate) fn record_upload(&self, upload: &Upload<'_>) {
        self.send(vec![Entry::of_upload(upload)]);
    }

    fn send(&self, entries: Vec<Entry>) {
        for entry in entries {
            let sent = self.0.queue.try_send(Message::Keep(Box::new(entry)));
            let was_full = self.0.full.swap(sent.is_err(), Ordering::Relaxed);
            if sent.is_ok() {
                continue;
            }
            if let Some(metrics) = self.0.metrics.get() {
                metrics.audited("lost", 1);
            }
            // Once for each time that the database is gone, not for each clip.
            if !was_full {
                tracing::error!("entries of the audit log are lost: the database takes none");
            }
        }
    }

    /// Waits until all that came is kept, but no longer than `most`.
    pub async fn finish(&self, most: Duration) {
        let (done, finished) = oneshot::channel();
        let all = async {
            if self.0.queue.send(Message::Finish(done)).await.is_ok() {
                let _ = finished.await;
            }
        };
        if timeout(most, all).await.is_err() {
            let left = WAITING - self.0.queue.capacity();
            tracing::error!(left, "the audit log could not be finished in time");
        }
    }
}
