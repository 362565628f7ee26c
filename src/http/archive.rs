//! What the routes of uploads and results share.

use std::sync::Arc;

use super::body::{BodyLimits, Memory};
use super::problem::{Code, Problem};
use crate::storage::Storage;

/// The storage behind the routes, and their bounds. It knows of models only the name of one: these routes judge nothing,
/// and a function that serves nothing else has no model in it.
pub struct Archive {
    storage: Option<Arc<Storage>>,
    /// Bounds of a request's body.
    pub body_limits: BodyLimits,
    /// What uploads into a folder may take of the memory together.
    pub upload_memory: Memory,
    /// Version of the model whose result is preferred where an upload has several.
    pub model: ModelVersion,
}

/// A model as keys of results name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Archive {
    /// An archive in `storage`, if there is one.
    pub fn new(
        storage: Option<Arc<Storage>>,
        body_limits: BodyLimits,
        model: ModelVersion,
    ) -> Self {
        // As the scorer's: together no more than the largest one that is accepted.
        let largest = storage
            .as_ref()
            .map_or(0, |storage| storage.max_object_bytes);
        Self {
            storage,
            body_limits,
            upload_memory: Memory::new(usize::try_from(largest).unwrap_or(usize::MAX)),
            model,
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
