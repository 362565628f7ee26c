//! The API without a model: what the targets of requests, events and streams send their bytes to.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use voxproof::audio::{AudioError, Waveform};
use voxproof::http::{HttpConfig, Judge, router_with};
use voxproof::model::{Model, ModelInfo};
use voxproof::storage::store::{Created, Fetched, Page, SignedUpload, StoreError, StoreFuture};
use voxproof::storage::{Attributes, ObjectRef, ObjectStore, Storage, UploadTerms};
use voxproof::{Classification, DetectError, Detection};

/// The key that is accepted.
pub const KEY: &str = "fuzz-key";

/// Where requests are answered.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

/// The routes, with a judge that knows the answer.
pub static API: LazyLock<Router> = LazyLock::new(|| {
    let lookup = |name: &str| {
        let value = match name {
            "API_KEY" => KEY,
            "RATE_LIMIT" | "CACHE" => "off",
            "MAX_BODY_BYTES" => "65536",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = HttpConfig::from_vars(lookup, false).expect("good settings");
    let storage = Storage {
        store: Arc::new(Nothing),
        uploads_bucket: "uploads".into(),
        results_bucket: "results".into(),
        max_object_bytes: 1 << 20,
        arrivals: None,
    };
    router_with(Arc::new(Knows::default()), &config, Some(Arc::new(storage)))
});

/// Judges everything alike, without looking.
struct Knows(ModelInfo);

impl Default for Knows {
    fn default() -> Self {
        Self(Model::embedded("classic").expect("a model").info().clone())
    }
}

impl Judge for Knows {
    fn detect(&self, audio: &[u8]) -> Result<Detection, DetectError> {
        if audio.len().is_multiple_of(3) {
            return Err(DetectError::Audio(AudioError::NotAudio));
        }
        Ok(Detection {
            classification: Classification::Human,
            confidence: 0.75,
            ai_probability: 0.25,
            duration_seconds: 2.0,
            inconclusive: false,
            out_of_distribution: None,
            segments: Vec::new(),
            warnings: Vec::new(),
            evidence: None,
        })
    }

    fn judge_waveform(&self, waveform: Waveform) -> Result<Detection, DetectError> {
        assert!(waveform.samples().iter().all(|x| x.is_finite()));
        self.detect(&[0])
    }

    fn model(&self) -> &ModelInfo {
        &self.0
    }
}

/// A store without objects.
struct Nothing;

impl ObjectStore for Nothing {
    fn head<'a>(&'a self, _: &'a ObjectRef) -> StoreFuture<'a, ObjectRef> {
        Box::pin(async { Err(StoreError::NotFound) })
    }

    fn get<'a>(&'a self, _: &'a ObjectRef, _: u64) -> StoreFuture<'a, Fetched> {
        Box::pin(async { Err(StoreError::NotFound) })
    }

    fn create<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Attributes<'a>,
        _: Vec<u8>,
    ) -> StoreFuture<'a, Created> {
        Box::pin(async { Ok(Created::New) })
    }

    fn list<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> StoreFuture<'a, Page> {
        Box::pin(async {
            Ok(Page {
                keys: Vec::new(),
                more: false,
            })
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

/// Sends `request` and checks what every answer must be: none is 500, and each fault says what it is.
pub fn ask(request: Request<Body>) {
    RUNTIME.block_on(async {
        let fault_of_its_own = request.uri().path().ends_with("/voice-detection");
        let response = API.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        assert_ne!(parts.status.as_u16(), 500);
        assert!(parts.headers.contains_key("x-request-id"));
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        if parts.status.is_client_error() || parts.status.is_server_error() {
            let fault: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let named = if fault_of_its_own && fault.get("message").is_some() {
                &fault["message"]
            } else {
                &fault["code"]
            };
            assert!(
                named.as_str().is_some_and(|text| !text.is_empty()),
                "{fault}"
            );
        }
    });
}
