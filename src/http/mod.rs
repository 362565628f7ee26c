//! The HTTP API: one axum [`Router`](axum::Router) for every platform.
//!
//! A request passes, from the outside in: [`envelope`] (request id, log line, problem bodies), CORS,
//! [`drain`] (the rest of an unread body), the panic catcher, [`auth`], and a route's handler.
//! [`detect`] is the route that matters; its CPU work waits its turn in a [`queue`].

pub mod answer;
pub mod archive;
#[cfg(feature = "server")]
pub mod audit;
pub mod auth;
pub mod batch;
pub mod body;
#[cfg(feature = "server")]
pub mod cache;
pub mod config;
#[cfg(feature = "server")]
pub mod connections;
#[cfg(feature = "lambda")]
pub mod deadline;
pub mod detect;
pub mod drain;
pub mod envelope;
#[cfg(feature = "server")]
pub mod events;
pub mod explanation;
#[cfg(feature = "server")]
pub mod fetch;
pub mod health;
pub mod judge;
pub mod judging;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "server")]
pub mod lockout;
pub mod logging;
#[cfg(feature = "server")]
pub mod metrics;
pub mod models;
#[cfg(feature = "server")]
pub mod openapi;
#[cfg(feature = "page")]
pub mod page;
pub mod payload;
pub mod problem;
pub mod query;
pub mod queue;
#[cfg(feature = "server")]
pub mod rate_limit;
pub mod results;
pub mod router;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod service;
#[cfg(feature = "server")]
pub mod shared_store;
#[cfg(feature = "lambda")]
pub mod stage;
#[cfg(feature = "server")]
pub mod stream;
#[cfg(feature = "otel")]
pub mod traces;
pub mod uploads;
pub mod voice_detection;

pub use auth::Access;
pub use config::{ConfigError, CorsOrigins, HttpConfig};
pub use judge::Judge;
pub use logging::LogConfig;
pub use models::Models;
pub use problem::{Code, Problem};
pub use router::{archive_router, router, router_of, router_with};
#[cfg(feature = "server")]
pub use server::{Server, shutdown_signal};
