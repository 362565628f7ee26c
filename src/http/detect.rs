//! `POST /detect`: a clip in, a verdict out.

use std::sync::Arc;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::body;
use super::payload::{self, Form, Payload};
use super::problem::{Code, Problem};
use super::queue::QueueError;
use super::router::AppState;
use crate::detector::{Classification, Verdict};

/// What the query may say.
#[derive(Debug, Default, Deserialize)]
pub struct DetectQuery {
    /// Whether the answer is the full verdict.
    #[serde(default)]
    detail: bool,
    /// The language of a body that has no place for it.
    language: Option<String>,
}

/// The default answer: these two members and no other.
#[derive(Debug, Serialize)]
struct Brief {
    classification: Classification,
    confidence: f64,
}

/// Judges one clip.
///
/// # Errors
/// Every fault of the table of problems but those of routing and keys.
pub async fn detect(
    State(app): State<AppState>,
    query: Result<Query<DetectQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::new(
            Code::InvalidRequest,
            "the query may have detail=true or detail=false, and language",
        )
    })?;
    let (parts, body) = request.into_parts();
    // Before the content type: a client that sends nothing often names none either.
    if body.is_end_stream() {
        return Err(payload::empty());
    }
    let form = Form::of(&parts.headers)?;
    let bytes = body::read(body, app.body_limits).await?;
    let payload = Payload::new(form, &parts.headers, bytes).await?;

    let judge = Arc::clone(&app.judge);
    let job = move || {
        let clip = payload.into_clip(query.language)?;
        let detection = if query.detail {
            judge.detect_with_segments(&clip.audio)?
        } else {
            judge.detect(&clip.audio)?
        };
        Ok::<_, Problem>((detection, clip.language))
    };
    let (detection, language) = app.queue.run(job).await.map_err(no_result)??;

    Ok(if query.detail {
        Json(Verdict::new(&detection, app.judge.model(), language)).into_response()
    } else {
        Json(Brief {
            classification: detection.classification,
            confidence: detection.confidence,
        })
        .into_response()
    })
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
