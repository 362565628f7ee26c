//! The routes and what stands around them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderName, Method};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
#[cfg(feature = "server")]
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};

use super::archive::Archive;
#[cfg(feature = "server")]
use super::audit::AuditLog;
use super::auth::{X_API_KEY, require_key};
use super::batch::batch;
use super::body::{BodyLimits, Memory};
#[cfg(feature = "server")]
use super::cache::VerdictCache;
use super::config::{CorsOrigins, HttpConfig};
use super::detect::detect;
use super::drain::drain_unread;
use super::envelope::{X_REQUEST_ID, envelope};
#[cfg(feature = "server")]
use super::events::{EventAccess, Events, events as take_events};
#[cfg(feature = "server")]
use super::fetch::Fetcher;
use super::health::{health, ready};
use super::judge::Judge;
#[cfg(feature = "server")]
use super::lockout::guard;
#[cfg(feature = "server")]
use super::metrics::{Metrics, count, metrics as all_metrics};
use super::models::{Models, models as models_served};
#[cfg(feature = "server")]
use super::openapi;
use super::problem::{Code, Problem};
use super::queue::Queue;
#[cfg(feature = "server")]
use super::rate_limit::limit;
use super::results::{result, results};
#[cfg(feature = "server")]
use super::stream::{STREAMS_PER_WORKER, stream};
use super::uploads::{receive, upload};
use super::voice_detection::{as_fault, voice_detection};
use crate::language::LanguageThresholds;
use crate::model::Model;
#[cfg(feature = "server")]
use crate::scorer::Scorer;
use crate::storage::Storage;

/// How long a browser may remember what a preflight request told it.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7200);

/// Headers of an answer that a page may read.
const READABLE: [&str; 7] = [
    "x-request-id",
    "retry-after",
    "x-cache",
    "x-model",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
];

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    /// Judge the clips.
    pub models: Arc<Models>,
    /// Where the judging waits its turn.
    pub queue: Queue,
    /// Clips judged at a time.
    pub workers: usize,
    /// Bounds of a request's body.
    pub body_limits: BodyLimits,
    /// Where uploads and results live, if anywhere.
    pub archive: Arc<Archive>,
    /// What operators collect.
    #[cfg(feature = "server")]
    pub metrics: Arc<Metrics>,
    /// Places of open streams.
    #[cfg(feature = "server")]
    pub streams: Arc<Semaphore>,
    /// Verdicts that were given before.
    #[cfg(feature = "server")]
    pub cache: Option<VerdictCache>,
    /// Fetches clips from addresses.
    #[cfg(feature = "server")]
    pub fetcher: Option<Fetcher>,
    /// P(AI) above which the verdict is `AI_GENERATED`, where it is not the model's own.
    pub threshold: Option<f64>,
    /// The same for clips of a language that the caller named.
    pub language_thresholds: LanguageThresholds,
    /// Keeps who asked what.
    #[cfg(feature = "server")]
    pub audit: Option<AuditLog>,
    /// Judges uploads that events tell of.
    #[cfg(feature = "server")]
    pub events: Option<Events>,
}

impl FromRef<AppState> for Arc<Archive> {
    fn from_ref(app: &AppState) -> Self {
        Self::clone(&app.archive)
    }
}

/// The API around `judge`, without a storage for uploads and results.
pub fn router(judge: Arc<dyn Judge>, config: &HttpConfig) -> Router {
    router_with(judge, config, None)
}

/// The whole API around `judge`, for whatever delivers requests: a listener or Lambda. Without a `storage`, the routes of
/// uploads and results answer 503.
pub fn router_with(
    judge: Arc<dyn Judge>,
    config: &HttpConfig,
    storage: Option<Arc<Storage>>,
) -> Router {
    router_of(Models::one(judge), config, storage)
}

/// The whole API around several models.
pub fn router_of(models: Models, config: &HttpConfig, storage: Option<Arc<Storage>>) -> Router {
    #[cfg(feature = "server")]
    let metrics = Arc::new(Metrics::default());
    let body_limits = body_limits(config);
    #[cfg(feature = "server")]
    let events = storage.as_ref().map(|storage| {
        let scorer = Scorer::within(storage, Arc::clone(models.default_judge()))
            .with_language_thresholds(config.language_thresholds)
            .with_audit(config.service.audit.clone());
        Events {
            scorer: Arc::new(scorer),
            bucket: storage.uploads_bucket.clone(),
        }
    });
    let model = models.default_judge().model();
    let model = (model.name.as_str(), model.version.as_str());
    let archive = Arc::new(Archive::new(storage, body_limits.clone(), model));
    let app = AppState {
        models: Arc::new(models),
        queue: Queue::new(config.workers, config.queue_length),
        workers: config.workers.max(1),
        body_limits: body_limits.clone(),
        archive,
        #[cfg(feature = "server")]
        metrics: Arc::clone(&metrics),
        #[cfg(feature = "server")]
        streams: Arc::new(Semaphore::new(STREAMS_PER_WORKER * config.workers.max(1))),
        #[cfg(feature = "server")]
        cache: config.service.cache(),
        #[cfg(feature = "server")]
        fetcher: config.service.fetcher(),
        threshold: config.threshold,
        language_thresholds: config.language_thresholds,
        #[cfg(feature = "server")]
        audit: config.service.audit(&metrics),
        #[cfg(feature = "server")]
        events,
    };

    let keyed = Router::new()
        .route("/detect", post(detect))
        .route("/batch", post(batch))
        .route("/models", get(models_served))
        .merge(archive_routes());
    #[cfg(feature = "server")]
    let keyed = keyed
        .route("/metrics", get(all_metrics))
        .route("/stream", get(stream));
    #[cfg(feature = "server")]
    let (keyed, trusted) = {
        let route = Router::new().route("/events", post(take_events));
        match config.service.events {
            EventAccess::Key => (keyed.merge(route), Router::new()),
            EventAccess::Platform => (keyed, route),
        }
    };
    let compatible = Router::new().route("/api/voice-detection", post(voice_detection));
    #[cfg(feature = "server")]
    let (keyed, compatible) = match config.service.limiter(&metrics) {
        Some(limiter) => (
            keyed.route_layer(from_fn_with_state(Arc::clone(&limiter), limit)),
            compatible.route_layer(from_fn_with_state(limiter, limit)),
        ),
        None => (keyed, compatible),
    };
    let keyed = keyed.route_layer(from_fn_with_state(config.access.clone(), require_key));
    let compatible = compatible.route_layer(from_fn_with_state(config.access.clone(), require_key));
    #[cfg(feature = "server")]
    let (keyed, compatible) = match config.service.lockout(&metrics) {
        Some(lockout) => (
            keyed.route_layer(from_fn_with_state(Arc::clone(&lockout), guard)),
            compatible.route_layer(from_fn_with_state(lockout, guard)),
        ),
        None => (keyed, compatible),
    };
    let compatible = compatible.route_layer(from_fn(as_fault));
    let api = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        // Its address carries a token of its own.
        .route("/uploads/{id}", put(receive))
        .merge(keyed)
        .merge(compatible);

    #[cfg(feature = "server")]
    let api = api
        .merge(trusted)
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(openapi::reference))
        .route("/docs/reference.js", get(openapi::script))
        .route("/docs/reference.css", get(openapi::style));

    let router = Router::new().merge(api.clone()).nest("/v1", api);
    #[cfg(feature = "page")]
    let router = router.merge(super::page::routes());
    let router = guarded(router, body_limits, &config.cors);
    #[cfg(feature = "server")]
    let router = router.layer(from_fn_with_state(metrics, count));
    enveloped(router).with_state(app)
}

/// The routes of uploads and results alone, for a function that judges nothing: it needs neither a model nor time to load
/// one, and the function that judges needs no right to any storage.
pub fn archive_router(storage: Arc<Storage>, config: &HttpConfig) -> Router {
    let body_limits = body_limits(config);
    let model = Model::EMBEDDED_DEFAULT;
    let api: Router<Arc<Archive>> =
        archive_routes().route_layer(from_fn_with_state(config.access.clone(), require_key));
    let router = Router::new().merge(api.clone()).nest("/v1", api);
    let router = guarded(router, body_limits.clone(), &config.cors);
    enveloped(router).with_state(Arc::new(Archive::new(Some(storage), body_limits, model)))
}

/// What a caller asks of uploads and results, with a key.
fn archive_routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Archive>: FromRef<S>,
{
    Router::new()
        .route("/uploads", post(upload))
        .route("/results", get(results))
        .route("/results/{id}", get(result))
}

fn body_limits(config: &HttpConfig) -> BodyLimits {
    BodyLimits {
        max_bytes: config.max_body_bytes,
        idle: config.read_timeout,
        memory: Memory::for_bodies_of(config.max_body_bytes),
    }
}

/// What stands around the routes, whichever they are.
fn guarded<S>(router: Router<S>, body_limits: BodyLimits, origins: &CorsOrigins) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // Our own limit answers with a problem; axum's would with plain text.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(body_limits, drain_unread));
    match cors(origins) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// What sees a request first and its answer last.
fn enveloped<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    #[cfg(feature = "lambda")]
    let router = router.layer(from_fn(super::deadline::within_deadline));
    let router = router.layer(from_fn(envelope));
    #[cfg(feature = "otel")]
    let router = router.layer(from_fn(super::traces::traced));
    router
}

async fn not_found() -> Problem {
    Problem::new(
        Code::NotFound,
        "there is no such route; POST /detect judges a clip",
    )
}

/// The `Allow` header is added by axum, which knows the route's methods.
async fn method_not_allowed() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "this route has other methods; see the Allow header",
    )
}

/// What the panic said went to standard error by the panic hook, and goes nowhere else.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}

fn cors(origins: &CorsOrigins) -> Option<CorsLayer> {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, X_API_KEY, X_REQUEST_ID])
        .expose_headers(READABLE.map(HeaderName::from_static))
        .max_age(PREFLIGHT_AGE);
    match origins {
        CorsOrigins::None => None,
        CorsOrigins::Any => Some(layer.allow_origin(AnyOrigin)),
        CorsOrigins::List(list) => {
            Some(layer.allow_origin(AllowOrigin::list(list.iter().cloned())))
        }
    }
}
