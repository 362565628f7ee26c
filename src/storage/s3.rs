//! S3, by the AWS SDK. The client is made on first use: a process that needs none pays nothing for it.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, IdentityCache, RequestChecksumCalculation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use axum::body::Bytes;
use tokio::sync::OnceCell;

use super::object::ObjectRef;
use super::s3_fault::{fault, status};
use super::store::{
    Attributes, Created, Fetched, ObjectStore, Page, SignedUpload, StoreError, StoreFuture,
    UploadTerms,
};

/// Tries of one call, the first included. What still fails then is for the queue, which waits longer.
const TRIES: u32 = 4;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for the head of an answer, in one try.
const ONE_TRY: Duration = Duration::from_secs(20);
/// Longest wait for the head of an answer, with all tries.
const ALL_TRIES: Duration = Duration::from_secs(60);
/// A body that brings nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(20);
/// Bytes that are set aside for a body before any of them arrived: what a head announces is not believed further.
const FIRST_BYTES: u64 = 64 * 1024 * 1024;
/// Writes of one object that may meet another write of it before that is left to the next delivery.
const CONFLICTS: u32 = 4;
/// Where an upload's language is kept: `x-amz-meta-language`.
const LANGUAGE: &str = "language";

/// Objects in S3, or in a server that speaks its language at `AWS_ENDPOINT_URL`.
#[derive(Debug, Default)]
pub struct S3Store {
    client: OnceCell<Client>,
}

impl S3Store {
    /// A store with the region, credentials and endpoint of the environment, as the AWS SDK finds them. Nothing is read
    /// and nothing connected to before the first call.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(connect).await
    }
}

async fn connect() -> Client {
    // ring: it builds with a C compiler alone, for Lambda's ARM too.
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ONE_TRY)
        .operation_timeout(ALL_TRIES)
        .build();
    let shared: SdkConfig = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https)
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(timeouts)
        .identity_cache(IdentityCache::lazy().build())
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .grace_period(STALLED)
                .build(),
        )
        // A checksum in a presigned address would be that of an empty body.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .load()
        .await;
    let own_endpoint =
        shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    // Buckets have names of their own in the DNS at AWS only.
    Client::from_conf(
        Builder::from(&shared)
            .force_path_style(own_endpoint)
            .build(),
    )
}

/// The ETag as a condition has it.
fn quoted(object: &ObjectRef) -> Option<String> {
    match object.version_id {
        // A version never changes.
        Some(_) => None,
        None => object.etag.as_ref().map(|etag| format!("\"{etag}\"")),
    }
}

fn language(named: &str) -> HashMap<String, String> {
    HashMap::from([(LANGUAGE.to_owned(), named.to_owned())])
}

async fn read(mut answer: GetObjectOutput, max_bytes: u64) -> Result<Fetched, StoreError> {
    let announced = answer
        .content_length()
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or_default();
    let too_large = |size| StoreError::TooLarge {
        size,
        limit: max_bytes,
    };
    if announced > max_bytes {
        return Err(too_large(announced));
    }
    let language = answer.metadata().and_then(|m| m.get(LANGUAGE)).cloned();
    let mut bytes = Vec::with_capacity(usize::try_from(announced.min(FIRST_BYTES)).unwrap_or(0));
    loop {
        match answer.body.try_next().await {
            Ok(None) => return Ok(Fetched { bytes, language }),
            Ok(Some(piece)) if (bytes.len() + piece.len()) as u64 > max_bytes => {
                return Err(too_large((bytes.len() + piece.len()) as u64));
            }
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Err(error) => {
                return Err(StoreError::Fault(format!(
                    "the object's body broke off: {error}"
                )));
            }
        }
    }
}

impl ObjectStore for S3Store {
    fn head<'a>(&'a self, object: &'a ObjectRef) -> StoreFuture<'a, ObjectRef> {
        Box::pin(async move {
            let answer = self
                .client()
                .await
                .head_object()
                .bucket(&object.bucket)
                .key(&object.key)
                .set_version_id(object.version_id.clone())
                .send()
                .await
                .map_err(|error| fault("HeadObject", &error))?;
            Ok(ObjectRef::new(&object.bucket, &object.key)
                .with_version(answer.version_id())
                .with_etag(answer.e_tag())
                .with_size(answer.content_length().and_then(|n| u64::try_from(n).ok())))
        })
    }

    fn get<'a>(&'a self, object: &'a ObjectRef, max_bytes: u64) -> StoreFuture<'a, Fetched> {
        Box::pin(async move {
            let answer = self
                .client()
                .await
                .get_object()
                .bucket(&object.bucket)
                .key(&object.key)
                .set_version_id(object.version_id.clone())
                .set_if_match(quoted(object))
                .send()
                .await
                .map_err(|error| fault("GetObject", &error))?;
            read(answer, max_bytes).await
        })
    }

    fn create<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        about: Attributes<'a>,
        body: Vec<u8>,
    ) -> StoreFuture<'a, Created> {
        Box::pin(async move {
            let client = self.client().await;
            let body = Bytes::from(body);
            let mut conflict = 0;
            loop {
                conflict += 1;
                let written = client
                    .put_object()
                    .bucket(bucket)
                    .key(key)
                    .content_type(about.content_type)
                    .set_metadata(about.language.map(language))
                    .if_none_match("*")
                    .body(body.clone().into())
                    .send()
                    .await;
                let error = match written {
                    Ok(_) => return Ok(Created::New),
                    Err(error) => error,
                };
                match status(&error) {
                    Some(412) => return Ok(Created::Existed),
                    // Another write of this key is under way: whichever ends first stays.
                    Some(409)
                        if conflict < CONFLICTS
                            && error.code() == Some("ConditionalRequestConflict") =>
                    {
                        tokio::time::sleep(Duration::from_millis(100) * conflict).await;
                    }
                    _ => return Err(fault("PutObject", &error)),
                }
            }
        })
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let answer = self
                .client()
                .await
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .set_start_after(after.map(str::to_owned))
                .max_keys(i32::try_from(limit.clamp(1, 1000)).unwrap_or(1000))
                .send()
                .await
                .map_err(|error| fault("ListObjectsV2", &error))?;
            let keys = answer.contents().iter();
            Ok(Page {
                keys: keys
                    .filter_map(|object| object.key().map(str::to_owned))
                    .collect(),
                more: answer.is_truncated().unwrap_or_default(),
            })
        })
    }

    fn presign<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        upload: &'a UploadTerms,
    ) -> StoreFuture<'a, Option<SignedUpload>> {
        Box::pin(async move {
            let terms = PresigningConfig::expires_in(upload.expires_in)
                .map_err(|error| StoreError::Fault(format!("cannot sign an address: {error}")))?;
            let length = i64::try_from(upload.content_length).unwrap_or(i64::MAX);
            let put = self
                .client()
                .await
                .put_object()
                .bucket(bucket)
                .key(key)
                .content_type(&upload.content_type)
                .content_length(length)
                // Once: a second upload to the same address would be a second object under the same id.
                .if_none_match("*")
                .set_metadata(upload.language.map(language));
            let signed = put
                .presigned(terms)
                .await
                .map_err(|error| fault("PutObject", &error))?;
            Ok(Some(SignedUpload {
                url: signed.uri().to_owned(),
                headers: signed
                    .headers()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            }))
        })
    }
}
