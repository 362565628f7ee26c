//! `POST /detect`: a clip in, a verdict out.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};

use super::answer::Shape;
use super::body;
use super::judging::{Answered, Asker, Order, answer};
use super::payload::{self, Form, Payload};
use super::problem::{Code, Problem};
use super::query::DetectQuery;
use super::router::AppState;

/// Judges one clip: that of the body, or the one that `url` leads to.
///
/// # Errors
/// Every fault of the table of problems but those of routing and keys.
pub async fn detect(
    State(app): State<AppState>,
    query: Result<Query<DetectQuery>, QueryRejection>,
    request: Request,
) -> Result<Answered, Problem> {
    let asked = DetectQuery::take(query)?.read()?;
    let (parts, body) = request.into_parts();
    let payload = if let Some(url) = &asked.url {
        Payload::File(fetched(&app, url, body).await?, None)
    } else {
        // Before the content type: a client that sends nothing often names none either.
        if body.is_end_stream() {
            return Err(payload::empty());
        }
        let form = Form::of(&parts.headers)?;
        let bytes = body::read(body, &app.body_limits).await?;
        Payload::new(form, &parts.headers, bytes).await?
    };
    let order = Order {
        options: asked.options,
        shape: if asked.detail {
            Shape::Detailed
        } else {
            Shape::Brief
        },
        model: asked.model,
        asker: Asker::of(&parts.extensions, "/detect"),
    };
    answer(&app, order, move || payload.into_clip(asked.language)).await
}

/// The file at `url`, where this server fetches any.
async fn fetched(app: &AppState, url: &str, body: Body) -> Result<Bytes, Problem> {
    let sent = body::read(body, &app.body_limits).await?;
    if !sent.is_empty() {
        let detail = "send the audio as the body or its address as url, not both";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    #[cfg(feature = "server")]
    if let Some(fetcher) = &app.fetcher {
        return fetcher.fetch(url, &app.body_limits).await;
    }
    let _ = url;
    let detail = "this server fetches nothing: send the audio itself";
    Err(Problem::new(Code::UrlNotAllowed, detail))
}
