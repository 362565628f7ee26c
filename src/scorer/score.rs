//! One object -> one result, written once.

use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::detector::{Classification, DetectError, Detection, Verdict};
use crate::http::Judge;
#[cfg(feature = "server")]
use crate::http::audit::{AuditLog, Upload};
use crate::http::queue::{Queue, QueueError};
#[cfg(feature = "server")]
use crate::http::uploads::{canonical, issued};
use crate::language::{Language, LanguageThresholds};
use crate::storage::places::ISSUED;
#[cfg(feature = "server")]
use crate::storage::places::UPLOADS;
use crate::storage::result_key::result_key;
use crate::storage::{
    Attributes, Created, Judged, ObjectRef, ObjectStore, ResultDocument, Storage, StoreError,
    Timings,
};

/// Objects that may wait for a core.
const WAITING: usize = 1024;

/// Judges objects of a store and writes their results.
pub struct Scorer {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
    uploads_bucket: Option<String>,
    judge: Arc<dyn Judge>,
    language_thresholds: LanguageThresholds,
    queue: Queue,
    max_object_bytes: u64,
    #[cfg(feature = "server")]
    audit: Option<AuditLog>,
    /// Kilobytes that objects in memory may still take: together no more than the largest one that is accepted.
    room: Semaphore,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The object, its state as far as it is known.
    pub object: ObjectRef,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub timings: Timings,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was judged, and the verdict written.
    Judged {
        /// The verdict.
        classification: Classification,
        /// Length of the decoded audio, in seconds.
        duration_seconds: f64,
    },
    /// It cannot be judged, and that was written.
    Refused {
        /// Stable name of the fault.
        code: &'static str,
    },
    /// Its result stood there already.
    Duplicate,
    /// It is one of our own: a result, or the note of an address for an upload.
    Ignored,
}

/// The object has no result yet; the same attempt may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Retry {
    /// The store has a fault.
    #[error(transparent)]
    Store(StoreError),
    /// The detector panicked. That is a defect of ours, which the next version may not have.
    #[error("the detector panicked")]
    Panicked,
    /// More objects wait for a core than may.
    #[error("all workers are busy and the queue is full")]
    Full,
    /// Too little of the function's time is left to begin.
    #[error("too little of the function's time was left to begin")]
    OutOfTime,
    /// It was not finished when the function's time ended.
    #[error("it was not finished within the function's time")]
    Unfinished,
}

/// What an object is found to be, before that is written.
struct Finding {
    /// SHA-256 of the audio, where that was read and somebody wants to know.
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "there is no audit log")
    )]
    hash: Option<[u8; 32]>,
    judged: Result<(Detection, Option<Language>), (&'static str, String)>,
    timings: Timings,
}

impl Scorer {
    /// Judges objects of `store` with `judge`, as many at a time as there are cores.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        results_bucket: impl Into<String>,
        judge: Arc<dyn Judge>,
        max_object_bytes: u64,
    ) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            store,
            results_bucket: results_bucket.into(),
            uploads_bucket: None,
            judge,
            language_thresholds: LanguageThresholds::default(),
            queue: Queue::new(workers, WAITING),
            max_object_bytes,
            #[cfg(feature = "server")]
            audit: None,
            room: Semaphore::new(kilobytes(max_object_bytes) as usize),
        }
    }

    /// Judges the uploads of `storage`.
    pub fn within(storage: &Storage, judge: Arc<dyn Judge>) -> Self {
        let store = Arc::clone(&storage.store);
        Self::new(
            store,
            &storage.results_bucket,
            judge,
            storage.max_object_bytes,
        )
        .with_uploads_bucket(Some(storage.uploads_bucket.clone()))
    }

    /// Has every result that is written kept in the audit log, where there is one.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn with_audit(mut self, audit: Option<AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// Names the bucket in which the API keeps its notes, which are passed over.
    #[must_use]
    pub fn with_uploads_bucket(mut self, bucket: Option<String>) -> Self {
        self.uploads_bucket = bucket;
        self
    }

    /// Sets thresholds of languages.
    #[must_use]
    pub fn with_language_thresholds(mut self, thresholds: LanguageThresholds) -> Self {
        self.language_thresholds = thresholds;
        self
    }

    fn is_ours(&self, object: &ObjectRef) -> bool {
        object.bucket == self.results_bucket
            || (self.uploads_bucket.as_ref() == Some(&object.bucket)
                && object.key.starts_with(ISSUED))
    }

    /// The model's name and version.
    pub fn model(&self) -> String {
        self.judge.model().full_name()
    }

    /// Judges the state of an object that `told` names, unless its result is there already, and writes the result.
    ///
    /// # Errors
    /// Nothing was written, and trying again may help.
    pub async fn score(&self, told: &ObjectRef) -> Result<Scored, Retry> {
        let scored = |object, outcome, timings| Scored {
            object,
            outcome,
            timings,
        };
        if self.is_ours(told) {
            return Ok(scored(told.clone(), Outcome::Ignored, Timings::default()));
        }
        let (object, gone) = self.identify(told).await?;
        let key = result_key(&object, self.judge.model());
        let result = ObjectRef::new(&self.results_bucket, &key);
        match self.store.head(&result).await {
            Ok(_) => return Ok(scored(object, Outcome::Duplicate, Timings::default())),
            Err(error) if error.code().is_none() => return Err(Retry::Store(error)),
            Err(_) => {}
        }
        let finding = match gone {
            Some(error) => refused(&error, Timings::default())?,
            None => self.examine(&object).await?,
        };
        let outcome = match &finding.judged {
            Ok((detection, _)) => Outcome::Judged {
                classification: detection.classification,
                duration_seconds: detection.duration_seconds,
            },
            Err((code, _)) => Outcome::Refused { code },
        };
        let timings = finding.timings;
        Ok(match self.write(&object, &key, &finding).await? {
            Created::New => {
                #[cfg(feature = "server")]
                self.keep(&object, &finding).await;
                scored(object, outcome, timings)
            }
            Created::Existed => scored(object, Outcome::Duplicate, timings),
        })
    }

    /// Has the audit log keep what was found. Who asked for the upload's address is told by the note of it.
    #[cfg(feature = "server")]
    async fn keep(&self, object: &ObjectRef, finding: &Finding) {
        let Some(audit) = &self.audit else { return };
        // Other names are texts of whoever put them there.
        let id = object.key.strip_prefix(UPLOADS);
        let id = id.filter(|id| canonical(id).is_ok());
        let note = match id {
            Some(id) => issued(&*self.store, &object.bucket, id).await.ok(),
            None => None,
        };
        let judged = finding.judged.as_ref();
        audit.record_upload(&Upload {
            id: id.unwrap_or_default(),
            key_id: note.and_then(|note| note.key_id),
            hash: finding.hash.as_ref(),
            judged: judged
                .map(|(detection, _)| detection)
                .map_err(|&(code, _)| code),
            model: self.judge.model(),
        });
    }

    /// Whether the hash of what is judged is wanted: it takes a millisecond or two a megabyte.
    fn hashes(&self) -> bool {
        #[cfg(feature = "server")]
        return self.audit.is_some();
        #[cfg(not(feature = "server"))]
        false
    }

    /// The state and size that `told` leaves open; beside it the fault, where the object is gone.
    async fn identify(&self, told: &ObjectRef) -> Result<(ObjectRef, Option<StoreError>), Retry> {
        if told.state().is_some() && told.size.is_some() {
            return Ok((told.clone(), None));
        }
        match self.store.head(told).await {
            // Its state as told goes before the one now: reading it fails where they differ.
            Ok(now) if told.state().is_some() => Ok((told.clone().with_size(now.size), None)),
            Ok(now) => Ok((now, None)),
            Err(error) if error.code().is_some() => Ok((told.clone(), Some(error))),
            Err(error) => Err(Retry::Store(error)),
        }
    }

    /// Reads and judges the object.
    async fn examine(&self, object: &ObjectRef) -> Result<Finding, Retry> {
        let size = object.size.unwrap_or_default();
        let mut timings = Timings::default();
        if size > self.max_object_bytes {
            let error = StoreError::TooLarge {
                size,
                limit: self.max_object_bytes,
            };
            return refused(&error, timings);
        }
        // The semaphore is never closed; were it, nothing could be judged.
        let _room = self
            .room
            .acquire_many(kilobytes(size))
            .await
            .map_err(|_| Retry::Full)?;
        let began = Instant::now();
        let fetched = match self.store.get(object, self.max_object_bytes).await {
            Ok(fetched) => fetched,
            Err(error) => return refused(&error, timings),
        };
        timings.download_milliseconds = began.elapsed().as_secs_f64() * 1e3;
        let language = fetched.language.and_then(|name| name.parse().ok());

        let (judge, hashes) = (Arc::clone(&self.judge), self.hashes());
        let job = move || {
            let began = Instant::now();
            let judged = judge.detect_recording(&fetched.bytes);
            let milliseconds = began.elapsed().as_secs_f64() * 1e3;
            let hash = hashes.then(|| Sha256::digest(&fetched.bytes).into());
            (hash, judged, milliseconds)
        };
        let (hash, judged, milliseconds) =
            self.queue
                .run(None, job)
                .await
                .map_err(|error| match error {
                    QueueError::Full => Retry::Full,
                    QueueError::Panicked => Retry::Panicked,
                })?;
        timings.judge_milliseconds = milliseconds;
        Ok(Finding {
            hash,
            judged: judged
                .map(|mut detection| {
                    if let Some(threshold) = self.language_thresholds.of(language) {
                        detection.classify_by(threshold);
                    }
                    (detection, language)
                })
                .map_err(|error: DetectError| (error.code(), error.to_string())),
            timings,
        })
    }

    async fn write(
        &self,
        object: &ObjectRef,
        key: &str,
        finding: &Finding,
    ) -> Result<Created, Retry> {
        let judged = match &finding.judged {
            Ok((detection, language)) => {
                Judged::Judged(Verdict::new(detection, self.judge.model(), *language))
            }
            Err((code, error)) => Judged::Error {
                code,
                error: error.clone(),
                model: self.model(),
            },
        };
        let document = ResultDocument {
            judged,
            object,
            judged_at: jiff::Timestamp::now().to_string(),
            timings: finding.timings,
        };
        let about = Attributes {
            content_type: "application/json",
            language: None,
        };
        self.store
            .create(&self.results_bucket, key, about, document.to_json())
            .await
            .map_err(Retry::Store)
    }
}

/// A result with an error, where that is final.
fn refused(error: &StoreError, timings: Timings) -> Result<Finding, Retry> {
    match error.code() {
        Some(code) => Ok(Finding {
            hash: None,
            judged: Err((code, error.to_string())),
            timings,
        }),
        None => Err(Retry::Store(error.clone())),
    }
}

/// Whole kilobytes for `bytes`; at most 5 GB are accepted, so that they fit.
fn kilobytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
