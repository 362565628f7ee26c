//! The HTTP API: one axum Router for every platform.
