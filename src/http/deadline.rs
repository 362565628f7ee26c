//! Lambda: an answer before the function's time is over. Lambda ends a process that is late, with whatever it knows, and the
//! caller hears of it as a bare 502.

use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::Context;

use super::problem::{Code, Problem};

/// Time that is kept for the answer.
const TO_ANSWER: Duration = Duration::from_millis(500);

/// Middleware: answers 503 when an invocation's time is nearly over. What is being judged is given up with its process or runs
/// to its end beside the next event.
pub async fn within_deadline(request: Request, next: Next) -> Response {
    let Some(context) = request.extensions().get::<Context>() else {
        return next.run(request).await;
    };
    // Lambda hands no event over whose time is past: that is an emulator's constant (`cargo lambda watch` says 600,000 ms after
    // 1970), and no bound.
    let Ok(left) = context.deadline().duration_since(SystemTime::now()) else {
        return next.run(request).await;
    };
    let left = left.saturating_sub(TO_ANSWER);
    match tokio::time::timeout(left, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Code::Overloaded,
            "the function's time is over before this is judged; send a shorter clip, or POST /uploads for long recordings",
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        .into_response(),
    }
}
