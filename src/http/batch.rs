//! `POST /batch`: many small clips in, an answer for each, in their order.

use std::sync::Arc;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::body;
use super::judging::no_result;
use super::payload::{decode_base64, empty, invalid_json};
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::detector::{Detection, Verdict};
use crate::language::Language;

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
    audio: Option<String>,
    language: Option<String>,
}

/// What the route answers.
#[derive(Serialize)]
pub struct Answer {
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    id: Option<Box<RawValue>>,
    #[serde(flatten)]
    judged: Judged,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Judged {
    Verdict(serde_json::Value),
    Fault { code: &'static str, error: String },
}

/// Judges up to 100 clips, as many at a time as there are cores. A clip that cannot be judged has a problem's `code` and
/// `error` in its place.
///
/// # Errors
/// Those of the body; a clip's own are in the answer.
pub async fn batch(State(app): State<AppState>, request: Request) -> Result<Json<Answer>, Problem> {
    let body = request.into_body();
    if body.is_end_stream() {
        return Err(empty());
    }
    let bytes = body::read(body, app.body_limits).await?;
    let Body { clips } =
        serde_json::from_slice(&bytes).map_err(|error| invalid_json(&error, EXPECTED))?;
    drop(bytes);
    if clips.is_empty() || clips.len() > MAX_CLIPS {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("{} clips were sent; send 1 to {MAX_CLIPS}", clips.len()),
        ));
    }
    // One caller's batch takes no more places of the queue than there are workers.
    let turns = Arc::new(Semaphore::new(app.workers));
    let mut tasks = JoinSet::new();
    let mut results = Vec::with_capacity(clips.len());
    for (index, mut clip) in clips.into_iter().enumerate() {
        results.push(Outcome {
            id: clip.id.take(),
            judged: fault(&Problem::internal()),
        });
        let (app, turns) = (app.clone(), Arc::clone(&turns));
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let judged = match judge(&app, clip).await {
                Ok((detection, language)) => {
                    let verdict = Verdict::new(&detection, app.judge.model(), language);
                    // A verdict is text and finite numbers.
                    Judged::Verdict(serde_json::to_value(&verdict).unwrap_or_default())
                }
                Err(problem) => fault(&problem),
            };
            (index, judged)
        });
    }
    while let Some(task) = tasks.join_next().await {
        if let Ok((index, judged)) = task {
            results[index].judged = judged;
        }
    }
    Ok(Json(Answer { results }))
}

async fn judge(app: &AppState, clip: Clip) -> Result<(Detection, Option<Language>), Problem> {
    let language = clip.language.map(|name| name.parse()).transpose()?;
    let audio = clip.audio.ok_or_else(|| {
        Problem::new(
            Code::MissingAudio,
            "'audio' of this clip is missing: base64",
        )
    })?;
    let judge = Arc::clone(&app.judge);
    let job = move || {
        let bytes = decode_base64(&audio)?;
        Ok::<_, Problem>(judge.detect(&bytes)?)
    };
    let detection = app.queue.run(job).await.map_err(no_result)??;
    Ok((detection, language))
}

fn fault(problem: &Problem) -> Judged {
    Judged::Fault {
        code: problem.code().as_str(),
        error: problem.detail().to_owned(),
    }
}
