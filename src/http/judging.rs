//! From a clip to an answer: what every judging route goes through.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use super::answer::{Shape, render};
use super::payload::Clip;
use super::problem::{Code, Problem};
use super::queue::QueueError;
use super::router::AppState;
use crate::options::DetectOptions;

/// What is to be done with a clip.
#[derive(Debug, Clone)]
pub struct Order {
    /// What the detector is to do.
    pub options: DetectOptions,
    /// How the answer looks.
    pub shape: Shape,
}

/// An answer: a JSON document.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The document.
    pub body: Bytes,
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// Judges the clip that `clip` makes on a worker: what it does may take the processor.
///
/// # Errors
/// Those of `clip` and of the detector; the queue is full.
pub async fn answer<F>(app: &AppState, order: Order, clip: F) -> Result<Answered, Problem>
where
    F: FnOnce() -> Result<Clip, Problem> + Send + 'static,
{
    let judge = Arc::clone(&app.judge);
    let job = move || {
        let clip = clip()?;
        let judged = judge.judge(&clip.audio, &order.options)?;
        let body = render(&order.shape, &judged, judge.model(), clip.language);
        Ok::<_, Problem>(Answered { body })
    };
    app.queue.run(job).await.map_err(no_result)?
}

/// Why a job of the queue has no result, as a problem.
pub(super) fn no_result(error: QueueError) -> Problem {
    match error {
        QueueError::Full => {
            // A clip takes milliseconds: in a second the whole queue has been served.
            Problem::new(
                Code::Overloaded,
                "all workers are busy; try again in a second",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        }
        QueueError::Panicked => {
            tracing::error!("the detector panicked");
            Problem::internal()
        }
    }
}
