//! A local folder in the place of S3: a subfolder for each bucket, a file for each object.
//!
//! Parts of keys are file names with everything but letters, digits, `.`, `_` and `-` percent-encoded, so that no key
//! leaves the folder. A key cannot be both an object and the beginning of another's path; none that voxproof makes is.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

use super::object::ObjectRef;
use super::store::{
    Attributes, Created, Fetched, ObjectStore, Page, SignedUpload, StoreError, StoreFuture,
    UploadTerms,
};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');
/// Files being written; the tilde is encoded in every bucket's and every key's name.
const UNFINISHED: &str = "~unfinished";
/// What the name of a file with an object's language ends in.
const LANGUAGE: &str = "~language";

/// Objects in a folder of this machine.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// A store in `root`, which is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(root.join(UNFINISHED))?;
        Ok(Self { root })
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let mut path = self.root.join(encoded(bucket));
        path.extend(key.split('/').map(encoded));
        path
    }

    /// Runs `job` on a blocking thread.
    fn run<'a, T: Send + 'static>(
        &self,
        job: impl FnOnce(&FolderStore) -> io::Result<T> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let store = self.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || job(&store))
                .await
                .map_err(|error| StoreError::Fault(error.to_string()))?
                .map_err(|error| match error.kind() {
                    ErrorKind::NotFound => StoreError::NotFound,
                    _ => match error.downcast::<StoreError>() {
                        Ok(error) => error,
                        Err(error) => StoreError::Fault(format!("the data folder: {error}")),
                    },
                })
        })
    }

    fn write_new(&self, target: &Path, language: Option<&str>, body: &[u8]) -> io::Result<Created> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        if let Some(language) = language {
            fs::write(beside(target), language)?;
        }
        let unfinished = self.root.join(UNFINISHED).join(Uuid::new_v4().to_string());
        let mut file = File::create_new(&unfinished)?;
        file.write_all(body)?;
        file.sync_all()?;
        // A link, unlike a new name, never replaces what is there.
        let linked = fs::hard_link(&unfinished, target);
        fs::remove_file(&unfinished)?;
        match linked {
            Ok(()) => Ok(Created::New),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Created::Existed),
            Err(error) => Err(error),
        }
    }
}

/// The name of a part of a key; one that means something to the file system is encoded as well.
fn encoded(part: &str) -> String {
    match part {
        "" => "%".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        part => utf8_percent_encode(part, ENCODED).to_string(),
    }
}

fn decoded(name: &str) -> String {
    match name {
        "%" => String::new(),
        name => percent_decode_str(name).decode_utf8_lossy().into_owned(),
    }
}

/// The file with the language of the object in `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LANGUAGE);
    name.into()
}

/// `object` as its file is now. Size and time of writing together stand for the ETag.
fn state(object: &ObjectRef, path: &Path) -> io::Result<ObjectRef> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(ErrorKind::NotFound.into());
    }
    let written = about
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    Ok(ObjectRef::new(&object.bucket, &object.key)
        .with_etag(Some(&format!("{written:x}-{:x}", about.len())))
        .with_size(Some(about.len())))
}

/// Adds the keys of the files in `folder` to `keys`.
fn walk(folder: &Path, prefix: &str, keys: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains('~') {
            continue;
        }
        let key = format!("{prefix}{}", decoded(&name));
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{key}/"), keys)?;
        } else {
            keys.push(key);
        }
    }
    Ok(())
}

impl ObjectStore for FolderStore {
    fn head<'a>(&'a self, object: &'a ObjectRef) -> StoreFuture<'a, ObjectRef> {
        let (object, path) = (object.clone(), self.path(&object.bucket, &object.key));
        self.run(move |_| state(&object, &path))
    }

    fn get<'a>(&'a self, object: &'a ObjectRef, max_bytes: u64) -> StoreFuture<'a, Fetched> {
        let (object, path) = (object.clone(), self.path(&object.bucket, &object.key));
        self.run(move |_| {
            let now = state(&object, &path)?;
            if object.etag.is_some() && object.etag != now.etag {
                return Err(io::Error::other(StoreError::Changed));
            }
            let size = now.size.unwrap_or_default();
            if size > max_bytes {
                return Err(io::Error::other(StoreError::TooLarge {
                    size,
                    limit: max_bytes,
                }));
            }
            Ok(Fetched {
                bytes: fs::read(&path)?,
                language: fs::read_to_string(beside(&path)).ok(),
            })
        })
    }

    fn create<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        about: Attributes<'a>,
        body: Vec<u8>,
    ) -> StoreFuture<'a, Created> {
        let target = self.path(bucket, key);
        let language = about.language.map(str::to_owned);
        self.run(move |store| store.write_new(&target, language.as_deref(), &body))
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        // Whole folders of the prefix are walked, what follows their last slash is compared.
        let within = prefix.rfind('/').map_or("", |slash| &prefix[..slash]);
        let folder = if within.is_empty() {
            self.root.join(encoded(bucket))
        } else {
            self.path(bucket, within)
        };
        let base = prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)].to_owned();
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.run(move |_| {
            let mut keys = Vec::new();
            match walk(&folder, &base, &mut keys) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            keys.retain(|key| {
                key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after)
            });
            keys.sort_unstable();
            let more = keys.len() > limit;
            keys.truncate(limit);
            Ok(Page { keys, more })
        })
    }

    fn presign<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a UploadTerms,
    ) -> StoreFuture<'a, Option<SignedUpload>> {
        Box::pin(async { Ok(None) })
    }
}
