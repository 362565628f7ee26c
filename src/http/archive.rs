//! What the routes of uploads and results share.

use std::sync::Arc;

use super::body::{BodyLimits, Memory};
use super::problem::{Code, Problem};
use crate::storage::Storage;
use crate::storage::result_key::ending;

/// The storage behind the routes, and their bounds. It knows of models only the name of one: these routes judge nothing,
/// and a function that serves nothing else has no model in it.
pub struct Archive {
    storage: Option<Arc<Storage>>,
    /// Bounds of a request's body.
    pub body_limits: BodyLimits,
    /// What uploads into a folder may take of the memory together.
    pub upload_memory: Memory,
    /// What the key of the result that is preferred ends with, where an upload has those of several models.
    pub preferred: String,
}

impl Archive {
    /// An archive in `storage`, if there is one. Results by the model of this name and version come before others'.
    pub fn new(
        storage: Option<Arc<Storage>>,
        body_limits: BodyLimits,
        (name, version): (&str, &str),
    ) -> Self {
        // As the scorer's: together no more than the largest one that is accepted.
        let largest = storage
            .as_ref()
            .map_or(0, |storage| storage.max_object_bytes);
        Self {
            storage,
            body_limits,
            upload_memory: Memory::new(usize::try_from(largest).unwrap_or(usize::MAX)),
            preferred: ending(name, version),
        }
    }

    /// The storage, where there is one.
    ///
    /// # Errors
    /// `storage_unavailable` where there is none.
    pub fn storage(&self) -> Result<&Arc<Storage>, Problem> {
        self.storage.as_ref().ok_or_else(|| {
            Problem::new(
                Code::StorageUnavailable,
                "this server has no storage for uploads and results; POST /detect judges a clip at once",
            )
        })
    }
}
