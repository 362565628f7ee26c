//! A store together with the places in it: where uploads go, where results stand.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::config::StorageConfig;
use super::folder::FolderStore;
use super::object::ObjectRef;
use super::store::ObjectStore;
use crate::http::ConfigError;

/// What the keys of uploads begin with; the rest is the upload's id.
pub const UPLOADS: &str = "uploads/";
/// What the keys of the notes begin with that are kept of addresses given out; the rest is the upload's id.
pub const ISSUED: &str = "issued/";

/// Names of the two buckets in a local folder.
const FOLDER_BUCKETS: [&str; 2] = ["uploads", "results"];

/// Where uploads and results live.
#[derive(Clone)]
pub struct Storage {
    /// Holds the objects.
    pub store: Arc<dyn ObjectStore>,
    /// Bucket of the uploads.
    pub uploads_bucket: String,
    /// Bucket of the results.
    pub results_bucket: String,
    /// Most bytes of an upload.
    pub max_object_bytes: u64,
    /// Who is told of uploads, where the store tells nobody by itself.
    pub arrivals: Option<UnboundedSender<ObjectRef>>,
}

impl StorageConfig {
    /// The storage that is set, if any. S3 is not asked for anything yet.
    ///
    /// # Errors
    /// The folder cannot be used, one of two buckets is missing, or this build has no S3.
    pub fn open(&self) -> Result<Option<Storage>, ConfigError> {
        let storage = |store, [uploads, results]: [&str; 2]| Storage {
            store,
            uploads_bucket: uploads.to_owned(),
            results_bucket: results.to_owned(),
            max_object_bytes: self.max_object_bytes,
            arrivals: None,
        };
        if let Some(folder) = &self.data_dir {
            let store = FolderStore::open(folder).map_err(|error| ConfigError::BadValue {
                variable: "DATA_DIR",
                found: format!("'{}', which fails: {error}", folder.display()),
                accepted: "a folder that can be made and written to",
            })?;
            return Ok(Some(storage(Arc::new(store), FOLDER_BUCKETS)));
        }
        let missing = |variable, other: &str| ConfigError::BadValue {
            variable,
            found: format!("not set, while {other} is"),
            accepted: "both buckets, or neither",
        };
        match (&self.uploads_bucket, &self.results_bucket) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing("RESULTS_BUCKET", "UPLOADS_BUCKET")),
            (None, Some(_)) => Err(missing("UPLOADS_BUCKET", "RESULTS_BUCKET")),
            #[cfg(feature = "s3")]
            (Some(uploads), Some(results)) => {
                let store = Arc::new(super::s3::S3Store::new());
                Ok(Some(storage(store, [uploads, results])))
            }
            #[cfg(not(feature = "s3"))]
            (Some(uploads), Some(_)) => Err(ConfigError::BadValue {
                variable: "UPLOADS_BUCKET",
                found: format!("'{uploads}', but this build has no S3"),
                accepted: "DATA_DIR, or a build with the cargo feature s3",
            }),
        }
    }
}
