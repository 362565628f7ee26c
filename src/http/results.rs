//! `GET /results/{id}` and `GET /results`: what became of uploads.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::archive::Archive;
use super::problem::{Code, Problem};
use super::uploads::{canonical, issued, storage_fault, unknown};
use crate::storage::places::UPLOADS;
use crate::storage::result_key::{RESULTS, ResultKey, results_of};
use crate::storage::store::StoreError;
use crate::storage::{ObjectRef, Storage};

/// Largest result that is read, in bytes. That of twelve hours has about 3 MB.
const MAX_RESULT_BYTES: u64 = 32 * 1024 * 1024;
/// Most results of a page.
const MAX_LIMIT: usize = 100;
/// Results of a page unless the query says otherwise.
const DEFAULT_LIMIT: usize = 20;
/// Results that are read at a time.
const READ_AT_A_TIME: usize = 16;
/// Most results of one object, by states and models.
const MAX_OF_ONE: usize = 100;

/// The result of an upload: 200 and the document, 202 while there is none yet.
///
/// # Errors
/// 404 for an id that was never given out or whose upload never came; the storage fails.
pub async fn result(
    State(archive): State<Arc<Archive>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let storage = archive.storage()?;
    let id = canonical(&id)?;
    let upload = ObjectRef::new(&storage.uploads_bucket, format!("{UPLOADS}{id}"));
    if let Some(key) = key_of(&archive.preferred, storage, &upload).await? {
        let document = read(storage, &key).await?;
        return Ok((
            [(CONTENT_TYPE, "application/json")],
            with_id(&id, &document),
        )
            .into_response());
    }
    let status = match storage.store.head(&upload).await {
        Ok(_) => "pending",
        Err(StoreError::NotFound) => {
            if issued(&*storage.store, &storage.uploads_bucket, &id)
                .await?
                .expires_at
                < Timestamp::now()
            {
                return Err(unknown());
            }
            "awaiting_upload"
        }
        Err(error) => return Err(storage_fault(&error)),
    };
    let retry = [(RETRY_AFTER, HeaderValue::from_static("2"))];
    let body = json!({"id": id, "status": status});
    Ok((StatusCode::ACCEPTED, retry, Json(body)).into_response())
}

/// The key of the upload's result: the one by this model, else the last one by another.
async fn key_of(
    preferred: &str,
    storage: &Storage,
    upload: &ObjectRef,
) -> Result<Option<String>, Problem> {
    let prefix = results_of(&upload.bucket, &upload.key);
    let page = storage
        .store
        .list(&storage.results_bucket, &prefix, None, MAX_OF_ONE)
        .await
        .map_err(|error| storage_fault(&error))?;
    let ours = page.keys.iter().find(|key| key.ends_with(preferred));
    let ours = ours.cloned();
    Ok(ours.or_else(|| page.keys.last().cloned()))
}

async fn read(storage: &Storage, key: &str) -> Result<Vec<u8>, Problem> {
    let object = ObjectRef::new(&storage.results_bucket, key);
    match storage.store.get(&object, MAX_RESULT_BYTES).await {
        Ok(document) => Ok(document.bytes),
        Err(error) => Err(storage_fault(&error)),
    }
}

/// The document, an object, with the upload's id as its first member.
fn with_id(id: &str, document: &[u8]) -> Vec<u8> {
    let mut text = format!("{{\"id\":\"{id}\",").into_bytes();
    text.extend_from_slice(document.get(1..).unwrap_or(b"}"));
    text
}

/// What the query may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Most results of the page.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only objects whose bucket, `/` and key begin like this.
    prefix: Option<String>,
}

/// A page of results.
#[derive(Debug, Serialize)]
pub struct ResultsPage {
    /// The documents without their segments, in the order of their objects' keys.
    results: Vec<Value>,
    /// The cursor of the next page, where there is one.
    next: Option<String>,
}

/// Results in pages.
///
/// # Errors
/// The query is not as expected, or the storage fails.
pub async fn results(
    State(archive): State<Arc<Archive>>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<ResultsPage>, Problem> {
    let storage = archive.storage()?;
    let wrong = || {
        Problem::new(
            Code::InvalidRequest,
            "the query may have limit=1 to 100, prefix=BUCKET/KEY..., and cursor, the 'next' of the page before",
        )
    };
    let Query(query) = query.map_err(|_| wrong())?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(wrong());
    }
    let after = query.cursor.as_deref().map(|cursor| {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(cursor).ok();
        bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(wrong)
    });
    let after = after.transpose()?;
    let prefix = format!("{RESULTS}{}", query.prefix.unwrap_or_default());
    let page = storage
        .store
        .list(&storage.results_bucket, &prefix, after.as_deref(), limit)
        .await
        .map_err(|error| storage_fault(&error))?;
    let last = page.keys.last().filter(|_| page.more);
    Ok(Json(ResultsPage {
        next: last.map(|key| base64_simd::URL_SAFE_NO_PAD.encode_to_string(key)),
        results: summaries(storage, page.keys).await?,
    }))
}

/// Reads the results `keys`, some at a time, in their order.
async fn summaries(storage: &Arc<Storage>, keys: Vec<String>) -> Result<Vec<Value>, Problem> {
    let places = Arc::new(Semaphore::new(READ_AT_A_TIME));
    let mut tasks = JoinSet::new();
    let mut all = vec![Value::Null; keys.len()];
    for (index, key) in keys.into_iter().enumerate() {
        let (storage, places) = (Arc::clone(storage), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await;
            let document = read(&storage, &key).await?;
            Ok::<_, Problem>((index, summary(&storage, &key, &document)))
        });
    }
    while let Some(task) = tasks.join_next().await {
        let (index, summary) = task.map_err(|_| Problem::internal())??;
        all[index] = summary;
    }
    Ok(all)
}

/// The document without its segments, with the id where the object is an upload of the API.
fn summary(storage: &Storage, key: &str, document: &[u8]) -> Value {
    let mut members: Map<String, Value> = serde_json::from_slice(document).unwrap_or_default();
    members.remove("segments");
    let id = ResultKey::parse(key)
        .filter(|parsed| parsed.bucket == storage.uploads_bucket)
        .and_then(|parsed| parsed.key.strip_prefix(UPLOADS))
        .filter(|id| canonical(id).is_ok_and(|canonical| canonical == *id));
    if let Some(id) = id {
        members.insert("id".into(), id.into());
    }
    members.into()
}
