//! `POST /uploads`: an address for a file that is too large or too long for a call. `PUT /uploads/{id}` takes it where the
//! storage, a local folder, has no addresses of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::archive::Archive;
use super::auth::Caller;
use super::body::{self, BodyLimits};
use super::payload::{Form, invalid_json};
use super::problem::{Code, Problem};
use crate::language::Language;
use crate::storage::places::{ISSUED, UPLOADS};
use crate::storage::store::{Attributes, Created, StoreError, UploadTerms};
use crate::storage::{ObjectRef, ObjectStore, Storage};

/// How long an address is good for.
pub const EXPIRY: Duration = Duration::from_secs(15 * 60);
/// Largest note of an address, in bytes.
const MAX_NOTE_BYTES: u64 = 64 * 1024;

const EXPECTED: &str = r#"{"content_type": "audio/mpeg", "content_length": 123456, "language": "en" (may be left out)}"#;

#[derive(Deserialize)]
struct Wanted {
    content_type: String,
    content_length: u64,
    language: Option<String>,
}

/// What is kept of an address that was given out, under `issued/<id>` in the uploads' bucket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Issued {
    pub(super) expires_at: Timestamp,
    content_type: String,
    content_length: u64,
    language: Option<String>,
    /// Id of the key that asked for it, where keys are asked for.
    #[serde(default)]
    pub(crate) key_id: Option<String>,
    /// What the address carries where it is one of ours.
    token: Option<String>,
}

/// What the route answers.
#[derive(Serialize)]
struct Address {
    id: String,
    method: &'static str,
    url: String,
    /// To be sent as they are here.
    headers: BTreeMap<String, String>,
    expires_at: String,
    /// Where the result will be.
    result: String,
}

/// A storage's fault as a problem. What it was is for the log.
pub(super) fn storage_fault(error: &StoreError) -> Problem {
    tracing::error!(%error, "storage");
    Problem::new(
        Code::StorageUnavailable,
        "the storage does not answer as it should; try again later",
    )
}

/// Gives out an address for one upload.
///
/// # Errors
/// The body is not as expected, the type is no audio, the length is over the limit, or the storage fails.
pub async fn upload(
    State(archive): State<Arc<Archive>>,
    request: Request,
) -> Result<Response, Problem> {
    let storage = archive.storage()?;
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &archive.body_limits).await?;
    let wanted: Wanted =
        serde_json::from_slice(&bytes).map_err(|error| invalid_json(&error, EXPECTED))?;
    let content_type = HeaderValue::from_str(&wanted.content_type).ok();
    let form = content_type.map(|value| Form::of(&HeaderMap::from_iter([(CONTENT_TYPE, value)])));
    if !matches!(form, Some(Ok(Form::Raw))) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "content_type must be audio/*, video/webm, video/mp4, application/ogg or application/octet-stream",
        ));
    }
    let limit = storage.max_object_bytes;
    if wanted.content_length > limit {
        return Err(Problem::new(
            Code::TooLarge,
            format!("content_length is over {limit} bytes, the most that is accepted"),
        ));
    }
    if wanted.content_length == 0 {
        return Err(Problem::new(Code::EmptyAudio, "content_length is 0"));
    }
    let language = wanted
        .language
        .map(|name| name.parse::<Language>())
        .transpose()?;
    let terms = UploadTerms {
        content_type: wanted.content_type,
        content_length: wanted.content_length,
        expires_in: EXPIRY,
        language: language.map(Language::code),
    };
    let id = Uuid::new_v4().to_string();
    let caller = parts.extensions.get::<Caller>();
    let address = address(storage, &id, terms, caller, &parts.headers).await?;
    let place = HeaderValue::from_str(&address.result).ok();
    let mut response = (StatusCode::CREATED, Json(address)).into_response();
    response
        .headers_mut()
        .extend(place.map(|place| (LOCATION, place)));
    Ok(response)
}

async fn address(
    storage: &Storage,
    id: &str,
    terms: UploadTerms,
    caller: Option<&Caller>,
    headers: &HeaderMap,
) -> Result<Address, Problem> {
    let key = format!("{UPLOADS}{id}");
    let bucket = &storage.uploads_bucket;
    let signed = storage
        .store
        .presign(bucket, &key, &terms)
        .await
        .map_err(|error| storage_fault(&error))?;
    // 244 random bits.
    let token = signed
        .is_none()
        .then(|| format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
    let expires_at = Timestamp::now() + terms.expires_in;
    let issued = Issued {
        expires_at,
        content_type: terms.content_type,
        content_length: terms.content_length,
        language: terms.language.map(str::to_owned),
        key_id: caller.map(Caller::id),
        token: token.clone(),
    };
    let about = Attributes {
        content_type: "application/json",
        language: None,
    };
    // Text and numbers: there is nothing in it that could fail.
    let note = serde_json::to_vec(&issued).unwrap_or_default();
    storage
        .store
        .create(bucket, &format!("{ISSUED}{id}"), about, note)
        .await
        .map_err(|error| storage_fault(&error))?;
    let (url, headers) = match signed {
        Some(signed) => (signed.url, signed.headers.into_iter().collect()),
        None => (
            own_url(headers, id, &token.unwrap_or_default()),
            BTreeMap::from([
                ("content-type".to_owned(), issued.content_type),
                (
                    "content-length".to_owned(),
                    issued.content_length.to_string(),
                ),
            ]),
        ),
    };
    Ok(Address {
        result: format!("/v1/results/{id}"),
        id: id.to_owned(),
        method: "PUT",
        url,
        headers,
        expires_at: expires_at.to_string(),
    })
}

/// The address of `PUT /uploads/{id}` as the caller reaches this server.
fn own_url(headers: &HeaderMap, id: &str, token: &str) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    let host = text("x-forwarded-host").or_else(|| text(HOST.as_str()));
    match host {
        Some(host) => format!("{scheme}://{host}/v1/uploads/{id}?token={token}"),
        None => format!("/v1/uploads/{id}?token={token}"),
    }
}

/// What the address's query says.
#[derive(Deserialize)]
pub struct Token {
    #[serde(default)]
    token: String,
}

/// What is known of the address for `id`.
pub(crate) async fn issued(
    store: &dyn ObjectStore,
    bucket: &str,
    id: &str,
) -> Result<Issued, Problem> {
    let note = ObjectRef::new(bucket, format!("{ISSUED}{id}"));
    match store.get(&note, MAX_NOTE_BYTES).await {
        Ok(note) => serde_json::from_slice(&note.bytes).map_err(|_| {
            tracing::error!("the note of an upload's address is damaged");
            Problem::internal()
        }),
        Err(StoreError::NotFound) => Err(unknown()),
        Err(error) => Err(storage_fault(&error)),
    }
}

/// The problem of an id that was never given out.
pub(super) fn unknown() -> Problem {
    Problem::new(Code::NotFound, "there is no upload with this id")
}

/// The id as it was given out.
pub(crate) fn canonical(id: &str) -> Result<String, Problem> {
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    Ok(id.to_string())
}

/// Takes an upload into a storage that has no addresses of its own, and has it judged.
///
/// # Errors
/// The id is unknown, its token another, it has expired or been used, or type or length are not those that were named.
pub async fn receive(
    State(archive): State<Arc<Archive>>,
    Path(id): Path<String>,
    query: Result<Query<Token>, QueryRejection>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let storage = archive.storage()?;
    let id = canonical(&id)?;
    let issued = issued(&*storage.store, &storage.uploads_bucket, &id).await?;
    let given = query.map(|Query(query)| query.token).unwrap_or_default();
    // Addresses of S3 have no token: this route is not for them.
    let token = issued.token.ok_or_else(unknown)?;
    if !bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
        return Err(Problem::new(
            Code::Unauthorized,
            "the token in the address is not the one that was given out",
        ));
    }
    if issued.expires_at < Timestamp::now() {
        return Err(Problem::new(
            Code::UploadExpired,
            "the address has expired; POST /uploads gives another",
        ));
    }
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(CONTENT_TYPE);
    if content_type.is_none_or(|given| given != issued.content_type.as_str()) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            format!(
                "send Content-Type: {}, as was announced",
                issued.content_type
            ),
        ));
    }
    let limits = BodyLimits {
        max_bytes: usize::try_from(issued.content_length).unwrap_or(usize::MAX),
        idle: archive.body_limits.idle,
        memory: archive.upload_memory.clone(),
    };
    let bytes = body::read(body, &limits).await?;
    if bytes.len() as u64 != issued.content_length {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!(
                "{} bytes were announced, {} came",
                issued.content_length,
                bytes.len()
            ),
        ));
    }
    let about = Attributes {
        content_type: &issued.content_type,
        language: issued.language.as_deref(),
    };
    let key = format!("{UPLOADS}{id}");
    let bucket = &storage.uploads_bucket;
    match storage
        .store
        .create(bucket, &key, about, bytes.into())
        .await
    {
        Ok(Created::New) => {}
        Ok(Created::Existed) => {
            return Err(Problem::new(
                Code::AlreadyUploaded,
                "this upload was made before; POST /uploads gives another address",
            ));
        }
        Err(error) => return Err(storage_fault(&error)),
    }
    if let Some(arrivals) = &storage.arrivals {
        // Nobody listens any more while the server ends; the next start finds the upload.
        let _ = arrivals.send(ObjectRef::new(bucket, key));
    }
    Ok(StatusCode::OK)
}
