//! `POST /batch`: many small clips in, an answer for each: in their order, or as events when each is ready.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body as Answer, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::answer::Shape;
use super::body;
use super::judging::{Asker, Order, answer};
use super::payload::{self, base64_audio, empty, invalid_json};
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::options::DetectOptions;

/// Most clips of one call.
pub const MAX_CLIPS: usize = 100;

const EXPECTED: &str =
    r#"{"clips": [{"id": "any", "audio": "base64", "language": "en"}, ...]} with up to 100 clips"#;

#[derive(Deserialize)]
struct Body {
    clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct Clip {
    /// Any text or number of the caller's, given back as it is.
    #[serde(default)]
    id: Option<Box<RawValue>>,
    #[serde(alias = "audioBase64")]
    audio: Option<String>,
    language: Option<String>,
}

/// The answer about one clip, where there is no verdict.
#[derive(Serialize)]
struct Fault<'a> {
    code: &'static str,
    error: &'a str,
}

/// One clip that is done.
struct Outcome {
    index: usize,
    /// An object: the caller's id, then a verdict, or `code` and `error`.
    document: Vec<u8>,
    judged: bool,
}

/// Judges up to 100 clips, as many at a time as there are cores. A clip that cannot be judged has a problem's `code` and
/// `error` in its place. With `Accept: text/event-stream` each is an event `result` as soon as it is done.
///
/// # Errors
/// Those of the body; a clip's own are in the answer.
pub async fn batch(State(app): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Err(empty());
    }
    let bytes = body::read(body, &app.body_limits).await?;
    let Body { clips } =
        serde_json::from_slice(&bytes).map_err(|error| invalid_json(&error, EXPECTED))?;
    drop(bytes);
    if clips.is_empty() || clips.len() > MAX_CLIPS {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("{} clips were sent; send 1 to {MAX_CLIPS}", clips.len()),
        ));
    }
    let count = clips.len();
    let outcomes = start(&app, clips, &Asker::of(&parts.extensions, "/batch"));
    if wants_events(&parts.headers) {
        return Ok(events(outcomes, count));
    }
    Ok(all(outcomes, count).await)
}

/// Whether events are asked for.
fn wants_events(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.contains("text/event-stream"))
    })
}

/// Has the clips judged; dropping what is returned ends that.
fn start(app: &AppState, clips: Vec<Clip>, asker: &Asker) -> JoinSet<Outcome> {
    // One caller's batch takes no more places of the queue than there are workers.
    let turns = Arc::new(Semaphore::new(app.workers));
    let mut tasks = JoinSet::new();
    for (index, mut clip) in clips.into_iter().enumerate() {
        let (app, turns, asker) = (app.clone(), Arc::clone(&turns), asker.clone());
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let id = clip.id.take();
            match judge(&app, clip, asker).await {
                Ok(body) => Outcome {
                    index,
                    document: with_id(id.as_deref(), &body),
                    judged: true,
                },
                Err(problem) => Outcome {
                    index,
                    document: with_id(id.as_deref(), &fault(&problem)),
                    judged: false,
                },
            }
        });
    }
    tasks
}

async fn judge(app: &AppState, clip: Clip, asker: Asker) -> Result<Bytes, Problem> {
    let order = Order {
        options: DetectOptions::default(),
        shape: Shape::Detailed,
        model: None,
        asker,
    };
    let answered = answer(app, order, move || {
        let language = clip.language.map(|name| name.parse()).transpose()?;
        let audio = clip.audio.ok_or_else(|| {
            Problem::new(
                Code::MissingAudio,
                "'audio' of this clip is missing: base64",
            )
        })?;
        let audio = base64_audio(&audio)?;
        Ok(payload::Clip::new(audio, language))
    });
    Ok(answered.await?.body)
}

fn fault(problem: &Problem) -> Vec<u8> {
    let fault = Fault {
        code: problem.code().as_str(),
        error: problem.detail(),
    };
    // Text alone: there is nothing in it that could fail.
    serde_json::to_vec(&fault).unwrap_or_default()
}

/// The document, an object, with the caller's id as its first member.
fn with_id(id: Option<&RawValue>, document: &[u8]) -> Vec<u8> {
    let mut text = br#"{"id":"#.to_vec();
    text.extend_from_slice(id.map_or("null", RawValue::get).as_bytes());
    text.push(b',');
    text.extend_from_slice(document.get(1..).unwrap_or(b"}"));
    text
}

/// All of them in their order.
async fn all(mut outcomes: JoinSet<Outcome>, count: usize) -> Response {
    let internal = with_id(None, &fault(&Problem::internal()));
    let mut documents = vec![internal; count];
    while let Some(outcome) = outcomes.join_next().await {
        if let Ok(Outcome {
            index, document, ..
        }) = outcome
        {
            documents[index] = document;
        }
    }
    let mut text = br#"{"results":["#.to_vec();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(document);
    }
    text.extend_from_slice(b"]}");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// One event for each as it is done, one with the progress after it, and one at the end.
fn events(mut outcomes: JoinSet<Outcome>, count: usize) -> Response {
    let (sender, events) = mpsc::channel(8);
    tokio::spawn(async move {
        let (mut done, mut judged) = (0, 0);
        while let Some(outcome) = outcomes.join_next().await {
            let Ok(outcome) = outcome else { continue };
            done += 1;
            judged += usize::from(outcome.judged);
            let mut text =
                format!("event: result\ndata: {{\"index\":{},", outcome.index).into_bytes();
            text.extend_from_slice(&outcome.document[1..]);
            let progress =
                format!("\n\nevent: progress\ndata: {{\"done\":{done},\"of\":{count}}}\n\n");
            text.extend_from_slice(progress.as_bytes());
            // The reader went away: what is not judged yet need not be.
            if sender.send(Bytes::from(text)).await.is_err() {
                return;
            }
        }
        let failed = count - judged;
        let end = format!("event: done\ndata: {{\"judged\":{judged},\"failed\":{failed}}}\n\n");
        let _ = sender.send(Bytes::from(end)).await;
    });
    let kind = [(CONTENT_TYPE, "text/event-stream")];
    (kind, Answer::new(Events(events))).into_response()
}

/// A body of what comes through a channel.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
