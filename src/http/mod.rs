//! The HTTP API: one axum [`Router`](axum::Router) for every platform.
//!
//! A request passes, from the outside in: [`envelope`] (request id, log line, problem bodies), CORS,
//! [`drain`] (the rest of an unread body), the panic catcher, [`auth`], and a route's handler.
//! [`detect`] is the route that matters; its CPU work waits its turn in a [`queue`].

pub mod auth;
pub mod batch;
pub mod body;
pub mod config;
pub mod detect;
pub mod drain;
pub mod envelope;
pub mod health;
pub mod judge;
pub mod logging;
pub mod payload;
pub mod problem;
pub mod queue;
pub mod results;
pub mod router;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "otel")]
pub mod traces;
pub mod uploads;

pub use auth::Access;
pub use config::{ConfigError, CorsOrigins, HttpConfig};
pub use judge::Judge;
pub use logging::LogConfig;
pub use problem::{Code, Problem};
pub use router::{router, router_with};
#[cfg(feature = "server")]
pub use server::{Server, shutdown_signal};
