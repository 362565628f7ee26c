//! Where uploads and results live: S3, or a local folder in its place.
//!
//! [`store`] is what both can do, [`s3`] and [`folder`] are the two; [`result_key`] says under which key the result of an
//! object stands, [`document`] what stands there.

pub mod config;
pub mod document;
pub mod folder;
pub mod object;
pub mod places;
pub mod result_key;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "s3")]
mod s3_fault;
pub mod store;

pub use config::StorageConfig;
pub use document::{Judged, ResultDocument, Timings};
pub use folder::FolderStore;
pub use object::ObjectRef;
pub use places::Storage;
#[cfg(feature = "s3")]
pub use s3::S3Store;
pub use store::{
    Attributes, Created, Fetched, ObjectStore, Page, SignedUpload, StoreError, StoreFuture,
    UploadTerms,
};
