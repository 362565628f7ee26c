//! Connections of a listener: how many there may be, how long one may be without a request, and their end.
//!
//! `axum::serve` sets no timer: a client that opens connections and says nothing, or a letter a minute, would keep them for
//! ever, and with them the process's file descriptors.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tower::ServiceExt;

/// Connections at a time; more wait in the system's queue. An idle one takes some 20 KB.
pub const MOST: usize = 2048;

/// How long a connection may be without a request's whole head, between two requests as well. Longer than the 60 s that load
/// balancers keep idle connections for, which would otherwise send into one that is being closed.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// How long, when the server ends, a connection that has asked nothing yet may still bring its first request: it may be
/// under way, and to close the connection over it would lose it.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// Streams of one HTTP/2 connection at a time.
const STREAMS: u32 = 64;

/// How long nothing is accepted after the system had no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Bounds of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time.
    pub most: usize,
    /// How long one may be without a request's whole head.
    pub patience: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            most: MOST,
            patience: PATIENCE,
        }
    }
}

/// Accepts connections and serves them.
pub(super) struct Connections {
    router: Router,
    builder: Builder<TokioExecutor>,
    places: Arc<Semaphore>,
    patience: Duration,
    graceful: GracefulShutdown,
    /// Each connection holds a clone of the sender until its first request: the receiver learns when none is left.
    unasked: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
}

impl Connections {
    pub(super) fn new(router: Router, limits: ConnectionLimits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.patience);
        builder
            .http2()
            .timer(TokioTimer::new())
            // A peer that is gone does not answer the pings.
            .keep_alive_interval(limits.patience)
            .max_concurrent_streams(STREAMS)
            // WebSockets over HTTP/2.
            .enable_connect_protocol();
        Self {
            router,
            builder,
            places: Arc::new(Semaphore::new(limits.most)),
            patience: limits.patience,
            graceful: GracefulShutdown::new(),
            unasked: mpsc::channel(1),
        }
    }

    /// Accepts until dropped; never returns.
    pub(super) async fn accept_all(&self, listener: &TcpListener) -> Infallible {
        loop {
            // The semaphore is never closed; were it, there would be no bound.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer, place),
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    // No descriptors or memory left: connections that end give some back.
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Accepts what already waits in the system's queue, as far as there are places, and closes the listener: those
    /// clients believe themselves connected, and may have sent what they ask.
    ///
    /// # Errors
    /// The listener cannot be taken out of the runtime, or a connection not be put into it.
    pub(super) fn accept_last(&self, listener: TcpListener) -> io::Result<()> {
        // The runtime's own listener only knows of connections that its reactor has heard of.
        let listener = listener.into_std()?;
        while let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.serve(TcpStream::from_std(stream)?, peer, Some(place));
                }
                Err(error) if of_one_connection(&error) => {}
                // Nobody waits any more, or there are no descriptors left.
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        // Answers are small: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let unasked = Arc::new(Mutex::new(Some(self.unasked.0.clone())));
        let service = {
            let (router, unasked) = (self.router.clone(), Arc::clone(&unasked));
            tower::service_fn(move |request: Request<hyper::body::Incoming>| {
                drop(
                    unasked
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take(),
                );
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().oneshot(request)
            })
        };
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
            .into_owned();
        let connection = self.graceful.watch(connection);
        let patience = self.patience;
        tokio::spawn(async move {
            // The library's own timer starts once it knows which HTTP is spoken: a letter would hold it off for ever.
            let never_asked = async {
                tokio::time::sleep(patience).await;
                let asked = unasked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_none();
                if asked {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::trace!(error, "a connection ended");
                    }
                }
                () = never_asked => {}
            }
            drop(place);
        });
    }

    /// Ends connections that have asked before and are idle, and the others after the answer that they wait for; one that
    /// has not asked yet may do so for [`LAST_REQUESTS`]. Returns when all have ended.
    pub(super) async fn end(self) {
        let (own, mut others) = self.unasked;
        drop(own);
        // Nothing is ever sent: it ends when every sender is gone.
        let _ = tokio::time::timeout(LAST_REQUESTS, others.recv()).await;
        self.graceful.shutdown().await;
    }
}

/// Whether the fault is of the connection that was to be accepted rather than of accepting.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionAborted | ConnectionReset | Interrupted
    )
}
