//! Which object, and which state of it.

use serde::Serialize;

/// One state of an object: what an event names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ObjectRef {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, where the bucket keeps versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// ETag without its quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl ObjectRef {
    /// The object `key` in `bucket`, in whatever state it is.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            version_id: None,
            etag: None,
            size: None,
        }
    }

    /// Sets the version. `null`, which objects have that were written while versioning was off, names no single state.
    #[must_use]
    pub fn with_version(mut self, version: Option<&str>) -> Self {
        self.version_id = version
            .filter(|v| !v.is_empty() && *v != "null")
            .map(str::to_owned);
        self
    }

    /// Sets the ETag, with or without its quotes.
    #[must_use]
    pub fn with_etag(mut self, etag: Option<&str>) -> Self {
        self.etag = etag
            .map(|e| e.trim_matches('"'))
            .filter(|e| !e.is_empty())
            .map(str::to_owned);
        self
    }

    /// Sets the size in bytes.
    #[must_use]
    pub fn with_size(mut self, size: Option<u64>) -> Self {
        self.size = size;
        self
    }

    /// What tells this state of the object from others: the version, else the ETag.
    pub fn state(&self) -> Option<&str> {
        self.version_id.as_deref().or(self.etag.as_deref())
    }
}
