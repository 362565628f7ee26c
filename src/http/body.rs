//! Reading a request's body: bounded in bytes, in time, and in the memory that all bodies have together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::problem::{Code, Problem};

/// Bytes a second that must arrive on average, once the longest wait for a piece is over: 64 kbit/s, what a bad telephone
/// network does. A client that trickles would hold its place for days.
const SLOWEST: u32 = 8_000;

/// What is set aside before anything has come, however much is announced.
const FIRST: usize = 64 * 1024;

/// What bodies take of the memory is counted in pieces of this many bytes.
const UNIT: usize = 1024;

/// Memory that bodies may take together: 256 MB, or where that is less, so many of the largest.
const MEMORY: usize = 256 * 1024 * 1024;
const BODIES: usize = 2;

/// Bounds of one body.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Most bytes that are accepted.
    pub max_bytes: usize,
    /// Longest wait for the next piece.
    pub idle: Duration,
    /// What all bodies that are read under these limits may take.
    pub memory: Memory,
}

/// Memory that bodies share, from their reading until they are let go of.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// What a server takes whose bodies have at most `max_bytes`.
    #[must_use]
    pub fn for_bodies_of(max_bytes: usize) -> Self {
        Self::new(MEMORY.max(max_bytes.saturating_mul(BODIES)))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.0).try_acquire_many_owned(units);
        taken.map_err(|_| {
            Problem::new(
                Code::Overloaded,
                "as many bodies are being read as fit into memory; try again in a second",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        })
    }
}

/// A body's bytes and what they take of the memory.
struct Held {
    bytes: Vec<u8>,
    taken: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    /// Appends `piece`, after taking memory for it where there is room for no more.
    fn push(&mut self, piece: &[u8], limits: &BodyLimits) -> Result<(), Problem> {
        let wanted = self.bytes.len() + piece.len();
        if wanted > self.bytes.capacity() {
            let capacity = (2 * self.bytes.capacity()).clamp(wanted, limits.max_bytes.max(wanted));
            let more = capacity - self.bytes.capacity();
            self.taken.merge(limits.memory.take(more)?);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

/// Reads the whole body. A body that arrives in one piece (on Lambda, always) is not copied.
///
/// # Errors
/// `too_large` as soon as that is known, `request_timeout` when nothing more arrives, or too little, `overloaded` when other
/// bodies take the memory, `invalid_request` when the connection breaks off.
pub async fn read(mut body: Body, limits: &BodyLimits) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.max_bytes {
        return Err(too_large(limits.max_bytes));
    }
    let begun = Instant::now();
    let Some(first) = next_piece(&mut body, begun, 0, limits.idle).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limits.max_bytes {
        return Err(too_large(limits.max_bytes));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let capacity = announced.min(FIRST).max(first.len());
    let mut whole = Held {
        taken: limits.memory.take(capacity)?,
        bytes: Vec::with_capacity(capacity),
    };
    whole.push(&first, limits)?;
    while let Some(piece) = next_piece(&mut body, begun, whole.bytes.len(), limits.idle).await? {
        if whole.bytes.len() + piece.len() > limits.max_bytes {
            return Err(too_large(limits.max_bytes));
        }
        whole.push(&piece, limits)?;
    }
    Ok(Bytes::from_owner(whole))
}

/// The next piece of data, `None` at the end, of a body of which `read` bytes came since `begun`. Trailers are passed over.
async fn next_piece(
    body: &mut Body,
    begun: Instant,
    read: usize,
    idle: Duration,
) -> Result<Option<Bytes>, Problem> {
    let slowest = Duration::from_millis(read as u64 * 1000 / u64::from(SLOWEST));
    let due = (Instant::now() + idle).min(begun + idle + slowest);
    loop {
        match timeout_at(due, body.frame()).await {
            Err(_) => {
                let detail = format!(
                    "nothing more of the body arrived for {} s, or less than {SLOWEST} bytes a second",
                    idle.as_secs()
                );
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    /// Pieces, each after a wait; the clock of these tests stands still but for waits.
    struct Trickle(
        VecDeque<&'static [u8]>,
        Duration,
        Option<Pin<Box<tokio::time::Sleep>>>,
    );

    impl HttpBody for Trickle {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let wait = self.1;
            let sleep = self
                .2
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            std::task::ready!(sleep.as_mut().poll(cx));
            self.2 = None;
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    fn limits(max_bytes: usize, memory: usize) -> BodyLimits {
        BodyLimits {
            max_bytes,
            idle: Duration::from_secs(30),
            memory: Memory::new(memory),
        }
    }

    async fn trickled(pieces: usize, piece: &'static [u8], wait: u64) -> Result<Bytes, Code> {
        let body = Trickle(vec![piece; pieces].into(), Duration::from_secs(wait), None);
        let read = read(Body::new(body), &limits(1 << 20, 1 << 22)).await;
        read.map_err(|problem| problem.code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        // A byte every ten seconds never waits for long, and would take a day for a clip.
        assert_eq!(trickled(9_000, b"x", 10).await, Err(Code::RequestTimeout));
        assert_eq!(trickled(2, b"x", 31).await, Err(Code::RequestTimeout));
        // 16 kB every second are slow but honest.
        let piece: &[u8] = &[7; 16_000];
        assert_eq!(
            trickled(60, piece, 1).await.map(|bytes| bytes.len()),
            Ok(960_000)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_their_memory_and_give_it_back() {
        let limits = limits(400_000, 1_000_000);
        let piece: &[u8] = &[7; 50_000];
        let body = || Body::new(Trickle(vec![piece; 6].into(), Duration::ZERO, None));
        let first = read(body(), &limits).await.unwrap();
        let second = read(body(), &limits).await.unwrap();
        let refused = read(body(), &limits).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        assert_eq!(first, second);
        // A slice of a body holds all of it.
        let slice = first.slice(..10);
        drop(first);
        assert!(read(body(), &limits).await.is_err());
        drop(slice);
        assert!(read(body(), &limits).await.is_ok());
    }

    /// Announces 10 MB, sends a byte, and nothing more.
    struct Promises(bool);

    impl HttpBody for Promises {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(10 << 20)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_takes_no_memory() {
        let limits = limits(10 << 20, 100 << 20);
        let mut reading = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let limits = limits.clone();
            reading.spawn(async move { read(Body::new(Promises(false)), &limits).await.is_err() });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let taken = (100 << 20) / UNIT - limits.memory.0.available_permits();
        assert_eq!(taken, 1_000 * FIRST / UNIT);
        assert!(reading.join_all().await.into_iter().all(|gave_up| gave_up));
        assert_eq!(limits.memory.0.available_permits(), (100 << 20) / UNIT);
    }
}
