//! The API on a TCP port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use super::audit::AuditLog;
use super::config::HttpConfig;
use super::connections::{ConnectionLimits, Connections};
use super::judge::Judge;
use super::models::Models;
use super::router::router_of;
use crate::storage::Storage;

/// Longest wait for the last entries of the audit log.
const LAST_ENTRIES: Duration = Duration::from_secs(3);

/// A server that has its port but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
    grace: Duration,
    audit: Option<AuditLog>,
    limits: ConnectionLimits,
}

impl Server {
    /// Takes the port, for an API without a storage for uploads and results.
    ///
    /// # Errors
    /// The address is not ours, or taken; the message names it.
    pub async fn bind(config: &HttpConfig, judge: Arc<dyn Judge>) -> io::Result<Self> {
        Self::bind_with(config, judge, None).await
    }

    /// Takes the port, for the API with this storage.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_with(
        config: &HttpConfig,
        judge: Arc<dyn Judge>,
        storage: Option<Arc<Storage>>,
    ) -> io::Result<Self> {
        Self::bind_models(config, Models::one(judge), storage).await
    }

    /// Takes the port, for the API with these models and this storage.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_models(
        config: &HttpConfig,
        models: Models,
        storage: Option<Arc<Storage>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((config.host.as_str(), config.port))
            .await
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot listen on {}:{}: {error}", config.host, config.port),
                )
            })?;
        Ok(Self {
            listener,
            router: router_of(models, config, storage),
            grace: config.shutdown_grace,
            audit: config.service.audit.clone(),
            limits: config.connections,
        })
    }

    /// The address that was taken.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers, HTTP/1.1 and HTTP/2 without TLS, until `shutdown` resolves. Then no new connection is
    /// accepted any more, those that have just been made may bring their first request, and answers
    /// in flight are delivered for as long as the grace lasts.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let connections = Connections::new(self.router, self.limits);
        tokio::select! {
            never = connections.accept_all(&self.listener) => match never {},
            () = shutdown => {}
        }
        tracing::info!("shutting down");
        // Whoever connects from here on is refused, and finds another server.
        if let Err(error) = connections.accept_last(self.listener) {
            tracing::warn!(%error, "connections that waited to be accepted are lost");
        }
        if tokio::time::timeout(self.grace, connections.end())
            .await
            .is_err()
        {
            tracing::warn!("some connections did not end in time");
        }
        if let Some(audit) = self.audit {
            audit.finish(LAST_ENTRIES).await;
        }
        Ok(())
    }
}

/// Resolves when the process is asked to stop: SIGTERM, or Ctrl-C.
///
/// # Errors
/// The signals cannot be listened to.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
