//! `POST /detect`: a clip in, a verdict out.

use axum::body::HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};

use super::answer::Shape;
use super::body;
use super::judging::{Answered, Order, answer};
use super::payload::{self, Form, Payload};
use super::problem::Problem;
use super::query::DetectQuery;
use super::router::AppState;

/// Judges one clip.
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
    // Before the content type: a client that sends nothing often names none either.
    if body.is_end_stream() {
        return Err(payload::empty());
    }
    let form = Form::of(&parts.headers)?;
    let bytes = body::read(body, &app.body_limits).await?;
    let payload = Payload::new(form, &parts.headers, bytes).await?;
    let order = Order {
        options: asked.options,
        shape: if asked.detail {
            Shape::Detailed
        } else {
            Shape::Brief
        },
        model: asked.model,
    };
    answer(&app, order, move || payload.into_clip(asked.language)).await
}
