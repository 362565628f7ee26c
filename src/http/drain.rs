//! Draining what a handler left unread of a body.
//!
//! A server that answers early and closes while the client still sends makes the client's system
//! report a broken connection, and the answer (413, 401, 415 ...) is lost. So the rest is read and
//! thrown away first, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::BodyLimits;

/// How many times the body limit is read before a connection is given up.
const ALLOWANCE: usize = 2;

/// A body that comes back, when dropped, if something of it was not read.
struct Returning {
    inner: Body,
    read: usize,
    back: Option<oneshot::Sender<Rest>>,
}

/// What was not read of a body.
struct Rest {
    body: Body,
    /// Bytes that were read before.
    read: usize,
}

impl http_body::Body for Returning {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.read += frame.data_ref().map_or(0, Bytes::len),
            // At its end, or broken: there is nothing to drain.
            Poll::Ready(_) => self.back = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(back) = self.back.take()
            && !http_body::Body::is_end_stream(&self.inner)
        {
            let body = std::mem::take(&mut self.inner);
            // The middleware may be gone with its connection.
            let _ = back.send(Rest {
                body,
                read: self.read,
            });
        }
    }
}

/// Middleware: answers only once the body has been read, by the handler or by nobody.
pub async fn drain_unread(
    State(limits): State<BodyLimits>,
    request: Request,
    next: Next,
) -> Response {
    // Such a client waits for leave to send: it reads the answer first, and sends nothing.
    let waits = request.headers().contains_key(EXPECT);
    let (back, mut returned) = oneshot::channel();
    let request = request.map(|inner| {
        Body::new(Returning {
            inner,
            read: 0,
            back: Some(back),
        })
    });
    let response = next.run(request).await;
    // Not awaited: a handler may keep its body for longer than its answer takes.
    if let Ok(rest) = returned.try_recv()
        && !(waits && rest.read == 0)
    {
        drain(rest, limits).await;
    }
    response
}

/// Reads and drops the rest, unless it is known, or turns out, to pass the allowance.
async fn drain(Rest { mut body, mut read }: Rest, limits: BodyLimits) {
    let allowance = limits.max_bytes.saturating_mul(ALLOWANCE);
    let announced =
        usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    if read.saturating_add(announced) > allowance {
        return;
    }
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > allowance {
                break;
            }
        }
    };
    // One wait for the whole of it: nobody is served by a client that trickles.
    let _ = timeout(limits.idle, all).await;
}
