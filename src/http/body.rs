//! Reading a request's body: bounded in bytes and in time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::problem::{Code, Problem};

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes that are accepted.
    pub max_bytes: usize,
    /// Longest wait for the next piece.
    pub idle: Duration,
}

/// Reads the whole body. A body that arrives in one piece (on Lambda, always) is not copied.
///
/// # Errors
/// `too_large` as soon as that is known, `request_timeout` when nothing more arrives,
/// `invalid_request` when the connection breaks off.
pub async fn read(mut body: Body, limits: BodyLimits) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.max_bytes {
        return Err(too_large(limits.max_bytes));
    }
    let Some(first) = next_piece(&mut body, limits.idle).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limits.max_bytes {
        return Err(too_large(limits.max_bytes));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(announced.max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(piece) = next_piece(&mut body, limits.idle).await? {
        if whole.len() + piece.len() > limits.max_bytes {
            return Err(too_large(limits.max_bytes));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// The next piece of data, `None` at the end. Trailers are passed over.
async fn next_piece(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        match timeout(idle, body.frame()).await {
            Err(_) => {
                let detail = format!("nothing more of the body arrived for {} s", idle.as_secs());
                return Err(Problem::new(Code::RequestTimeout, detail));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(Problem::new(Code::InvalidRequest, "the body broke off"));
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(
        Code::TooLarge,
        format!("the body is larger than {max_bytes} bytes, the most that is accepted"),
    )
}
