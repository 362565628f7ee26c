//! What the server has and a function on Lambda has not: figures, kept verdicts, limits, and a store that servers share.

use std::sync::Arc;

use super::audit::AuditLog;
use super::cache::{CacheSettings, VerdictCache};
use super::config::{ConfigError, parsed};
use super::events::EventAccess;
use super::fetch::{Allowed, Fetcher};
use super::lockout::Lockout;
use super::metrics::Metrics;
use super::rate_limit::{Rate, RateLimiter};
use super::shared_store::SharedStore;

/// Wrong keys that an address may send by default.
const WRONG_KEYS: Rate = Rate {
    requests: 10,
    seconds: 60,
};

/// Its settings.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// How verdicts are kept; `None` where none are.
    pub cache: Option<CacheSettings>,
    /// How often a key may call; `None` is as often as it likes.
    pub rate: Option<Rate>,
    /// How many wrong keys an address may send; `None` is as many as it likes.
    pub wrong_keys: Option<Rate>,
    /// Proxies between the callers and this server, whose notes on addresses are believed.
    pub trusted_proxies: usize,
    /// Redis, for cache and limits.
    pub shared: Option<SharedStore>,
    /// Where clips may be fetched from; `None` where none are.
    pub urls: Option<Allowed>,
    /// Keeps who asked what; `None` where nobody wants that.
    pub audit: Option<AuditLog>,
    /// Who lets events in.
    pub events: EventAccess,
}

impl ServiceConfig {
    /// Settings from `CACHE`, `CACHE_ENTRIES`, `CACHE_TTL`, `RATE_LIMIT`, `WRONG_KEYS`, `TRUSTED_PROXIES`, `REDIS_URL`,
    /// `URL_HOSTS`, `URL_HOSTS_INSIDE`, `AUDIT_URL` and `EVENTS`.
    ///
    /// # Errors
    /// A value that cannot be used.
    pub fn from_vars(var: impl Fn(&str) -> Option<String> + Copy) -> Result<Self, ConfigError> {
        let shared = var("REDIS_URL").map(|url| {
            SharedStore::new(&url).map_err(|_| ConfigError::BadValue {
                variable: "REDIS_URL",
                // It may hold a password.
                found: "not shown here".to_owned(),
                accepted: "redis://[user:password@]host[:port][/database], or rediss:// for TLS",
            })
        });
        Ok(Self {
            cache: CacheSettings::from_vars(var)?,
            rate: Rate::from_var(var("RATE_LIMIT"))?,
            wrong_keys: Rate::parsed("WRONG_KEYS", var("WRONG_KEYS"), WRONG_KEYS)?,
            trusted_proxies: parsed(
                "TRUSTED_PROXIES",
                var("TRUSTED_PROXIES"),
                "a number of proxies from 0 to 8",
                |n| *n <= 8,
            )?
            .unwrap_or(0),
            shared: shared.transpose()?,
            urls: Allowed::from_vars(var)?,
            audit: AuditLog::from_vars(var)?,
            events: EventAccess::from_var(var("EVENTS"))?,
        })
    }

    /// The cache, where verdicts are kept.
    pub(super) fn cache(&self) -> Option<VerdictCache> {
        let settings = self.cache?;
        Some(VerdictCache::new(settings, self.shared.clone()))
    }

    /// The audit log, where there is one, and has it written from now on.
    pub(super) fn audit(&self, metrics: &Arc<Metrics>) -> Option<AuditLog> {
        let log = self.audit.clone()?;
        log.start(metrics);
        Some(log)
    }

    /// What fetches clips, where any may be fetched.
    pub(super) fn fetcher(&self) -> Option<Fetcher> {
        self.urls.clone().map(Fetcher::new)
    }

    /// What slows guessers of keys down, where something does.
    pub(super) fn lockout(&self, metrics: &Arc<Metrics>) -> Option<Arc<Lockout>> {
        let lockout = Lockout::new(self.wrong_keys?, self.trusted_proxies, Arc::clone(metrics));
        Some(Arc::new(lockout))
    }

    /// The limiter, where there are limits.
    pub(super) fn limiter(&self, metrics: &Arc<Metrics>) -> Option<Arc<RateLimiter>> {
        let limiter = RateLimiter::new(self.rate?, self.shared.clone(), Arc::clone(metrics));
        Some(Arc::new(limiter))
    }
}
