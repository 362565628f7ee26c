//! `GET /health` and `GET /ready`: cheap, without a key.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::router::AppState;

/// What `/health` answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Health {
    status: &'static str,
    /// Now, as RFC 3339 writes it.
    timestamp: String,
    model_loaded: bool,
    /// Name and version, for example `classic/2026.11.1`.
    model: String,
}

/// The process is alive. Nothing is computed: a health check must not compete with callers.
pub async fn health(State(app): State<AppState>) -> Json<Health> {
    let model = app.models.default_judge().model();
    Json(Health {
        status: "healthy",
        timestamp: jiff::Timestamp::now().to_string(),
        // A process whose model was refused never gets as far as answering.
        model_loaded: true,
        model: model.full_name(),
    })
}

/// What `/ready` answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Ready {
    status: &'static str,
}

/// The model is verified and callers may be sent here.
pub async fn ready() -> Json<Ready> {
    Json(Ready { status: "ready" })
}
