//! What a store of objects can do.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::object::ObjectRef;

/// What a store's calls return: boxed, so that the store can be chosen at run time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of objects in buckets: S3 or what stands in for it.
pub trait ObjectStore: Send + Sync + 'static {
    /// The object with its version, ETag and size as they are now, or those of the version that `object` names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or a fault.
    fn head<'a>(&'a self, object: &'a ObjectRef) -> StoreFuture<'a, ObjectRef>;

    /// The object's bytes, in the state that `object` names: its version, else its ETag, else as it is now.
    ///
    /// # Errors
    /// Every variant of [`StoreError`]; [`StoreError::TooLarge`] before more than `max_bytes` were read.
    fn get<'a>(&'a self, object: &'a ObjectRef, max_bytes: u64) -> StoreFuture<'a, Fetched>;

    /// Writes an object unless there is one with this key.
    ///
    /// # Errors
    /// A fault.
    fn create<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        about: Attributes<'a>,
        body: Vec<u8>,
    ) -> StoreFuture<'a, Created>;

    /// Keys that begin with `prefix` and stand behind `after`, in order of their bytes, at most `limit` (1 to 1000).
    ///
    /// # Errors
    /// A fault.
    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Page>;

    /// An address to which the object can be `PUT` by whoever has it, once, with this type and length; `None` where the
    /// store has no addresses of its own.
    ///
    /// # Errors
    /// A fault.
    fn presign<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        upload: &'a UploadTerms,
    ) -> StoreFuture<'a, Option<SignedUpload>>;
}

/// What is kept with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// Its content type.
    pub content_type: &'a str,
    /// The language that the caller named.
    pub language: Option<&'a str>,
}

/// What an upload is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTerms {
    /// The `Content-Type` that must be sent.
    pub content_type: String,
    /// The length that must be sent, in bytes.
    pub content_length: u64,
    /// How long the address is good for.
    pub expires_in: Duration,
    /// The language that the caller named: kept with the object.
    pub language: Option<&'static str>,
}

/// An address for one upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUpload {
    /// Where to `PUT` it.
    pub url: String,
    /// Headers that must be sent as they are here.
    pub headers: Vec<(String, String)>,
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The language that was named when it was uploaded.
    pub language: Option<String>,
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was written.
    New,
    /// There was one already, which was kept.
    Existed,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object, or no longer.
    #[error("the object is gone: it was deleted after its event")]
    NotFound,
    /// The object is in another state than the one asked for.
    #[error("the object was replaced after its event; the new one has an event of its own")]
    Changed,
    /// The object is in an archive and has to be restored before it can be read.
    #[error("the object is archived; restore it and upload it again")]
    Archived,
    /// The object has more bytes than are accepted.
    #[error("the object has {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Throttling, a fault of the service, no connection or no access: the same call may succeed later.
    #[error("{0}")]
    Fault(String),
}

impl StoreError {
    /// Stable name of a fault that trying again does not cure, the same as in the HTTP API; `None` for one that it may.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            StoreError::NotFound => Some("object_gone"),
            StoreError::Changed => Some("object_changed"),
            StoreError::Archived => Some("object_archived"),
            StoreError::TooLarge { .. } => Some("too_large"),
            StoreError::Fault(_) => None,
        }
    }
}
