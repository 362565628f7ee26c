//! Verdicts that were given before, by what they depend on: SHA-256 of the audio, model, threshold and options.
//! Nothing of a clip is kept but that hash.

use std::time::Duration;

use axum::body::Bytes;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::config::{ConfigError, parsed};
use super::judging::Order;
use super::payload::Clip;
use super::shared_store::SharedStore;
use crate::hex::hex;
use crate::model::ModelInfo;

/// Bounds of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Most verdicts in memory.
    pub entries: u64,
    /// How long a verdict is kept.
    pub time: Duration,
}

impl CacheSettings {
    /// Settings from `CACHE` (`on`, `off`), `CACHE_ENTRIES` and `CACHE_TTL`; `None` where nothing is to be kept.
    ///
    /// # Errors
    /// A value that cannot be used.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let on = match var("CACHE").as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => {
                return Err(ConfigError::BadValue {
                    variable: "CACHE",
                    found: format!("'{other}'"),
                    accepted: "on or off",
                });
            }
        };
        let entries = parsed(
            "CACHE_ENTRIES",
            var("CACHE_ENTRIES"),
            "a number from 1 to 1000000",
            |n| (1..=1_000_000).contains(n),
        )?;
        let seconds = parsed(
            "CACHE_TTL",
            var("CACHE_TTL"),
            "seconds from 1 to 2592000",
            |n| (1..=2_592_000).contains(n),
        )?;
        Ok(on.then_some(Self {
            entries: entries.unwrap_or(4096),
            time: Duration::from_secs(seconds.unwrap_or(3600)),
        }))
    }
}

/// What a verdict depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of the answer about the clip whose audio has this SHA-256.
    pub fn new(
        audio: &[u8; 32],
        clip: &Clip,
        order: &Order,
        model: &ModelInfo,
        threshold: Option<f64>,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(audio);
        // Debug forms name all there is of an option, so that a new one cannot be forgotten here.
        hash.update(format!(
            "{:?}|{:?}|{:?}|{:?}|{}|{threshold:?}",
            order.options, order.shape, clip.language, clip.named, model.sha256
        ));
        Self(hash.finalize().into())
    }

    fn text(&self) -> String {
        format!("voxproof:verdict:{}", hex(&self.0))
    }
}

/// Answers by key: in memory, and in Redis where there is one.
#[derive(Debug, Clone)]
pub struct VerdictCache {
    memory: Cache<Key, Bytes>,
    shared: Option<SharedStore>,
    time: Duration,
}

impl VerdictCache {
    /// An empty one.
    pub fn new(settings: CacheSettings, shared: Option<SharedStore>) -> Self {
        Self {
            memory: Cache::builder()
                .max_capacity(settings.entries)
                .time_to_live(settings.time)
                .build(),
            shared,
            time: settings.time,
        }
    }

    /// The answer that was given before.
    pub async fn get(&self, key: &Key) -> Option<Bytes> {
        if let Some(found) = self.memory.get(key) {
            return Some(found);
        }
        let found = Bytes::from(self.shared.as_ref()?.get(&key.text()).await?);
        self.memory.insert(*key, found.clone());
        Some(found)
    }

    /// Keeps an answer. Redis is not waited for.
    pub fn put(&self, key: Key, answer: &Bytes) {
        self.memory.insert(key, answer.clone());
        if let Some(shared) = self.shared.clone() {
            let (answer, time) = (answer.clone(), self.time);
            tokio::spawn(async move { shared.set(&key.text(), &answer, time).await });
        }
    }
}

/// Whether the answer about this clip is kept. One that echoes a long text of the caller's own is not: its words would be
/// kept, too.
pub fn keeps(clip: &Clip) -> bool {
    clip.named
        .as_deref()
        .is_none_or(|name| name.len() <= MAX_NAME)
}

/// Longest name of a language whose answer is kept, in bytes.
const MAX_NAME: usize = 40;
