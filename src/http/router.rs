//! The routes and what stands around them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, Method};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};

use super::auth::{X_API_KEY, require_key};
use super::batch::batch;
use super::body::BodyLimits;
use super::config::{CorsOrigins, HttpConfig};
use super::detect::detect;
use super::drain::drain_unread;
use super::envelope::{X_REQUEST_ID, envelope};
use super::health::{health, ready};
use super::judge::Judge;
use super::problem::{Code, Problem};
use super::queue::Queue;
use super::results::{result, results};
use super::uploads::{receive, upload};
use crate::storage::Storage;

/// How long a browser may remember what a preflight request told it.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7200);

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    /// Judges the clips.
    pub judge: Arc<dyn Judge>,
    /// Where the judging waits its turn.
    pub queue: Queue,
    /// Clips judged at a time.
    pub workers: usize,
    /// Bounds of a request's body.
    pub body_limits: BodyLimits,
    /// Where uploads and results live, if anywhere.
    pub storage: Option<Arc<Storage>>,
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
    let body_limits = BodyLimits {
        max_bytes: config.max_body_bytes,
        idle: config.read_timeout,
    };
    let app = AppState {
        judge,
        queue: Queue::new(config.workers, config.queue_length),
        workers: config.workers.max(1),
        body_limits,
        storage,
    };

    let keyed = Router::new()
        .route("/detect", post(detect))
        .route("/batch", post(batch))
        .route("/uploads", post(upload))
        .route("/results", get(results))
        .route("/results/{id}", get(result))
        .route_layer(from_fn_with_state(config.access.clone(), require_key));
    let api = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        // Its address carries a token of its own.
        .route("/uploads/{id}", put(receive))
        .merge(keyed);

    let router = Router::new()
        .merge(api.clone())
        .nest("/v1", api)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // Our own limit answers with a problem; axum's would with plain text.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(body_limits, drain_unread));
    let router = match cors(&config.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let router = router.layer(from_fn(envelope));
    #[cfg(feature = "otel")]
    let router = router.layer(from_fn(super::traces::traced));
    router.with_state(app)
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
        .expose_headers([X_REQUEST_ID, RETRY_AFTER] as [HeaderName; 2])
        .max_age(PREFLIGHT_AGE);
    match origins {
        CorsOrigins::None => None,
        CorsOrigins::Any => Some(layer.allow_origin(AnyOrigin)),
        CorsOrigins::List(list) => {
            Some(layer.allow_origin(AllowOrigin::list(list.iter().cloned())))
        }
    }
}
