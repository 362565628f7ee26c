//! From a clip to an answer: what every judging route goes through.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
#[cfg(feature = "server")]
use sha2::{Digest, Sha256};

use super::answer::{Shape, render};
#[cfg(feature = "server")]
use super::audit::About;
use super::auth::Caller;
#[cfg(feature = "server")]
use super::cache::{Key, keeps};
use super::envelope::RequestId;
use super::judge::Judge;
use super::payload::Clip;
use super::problem::{Code, Problem};
use super::queue::QueueError;
use super::router::AppState;
use crate::detector::DetectError;
use crate::language::LanguageThresholds;
use crate::options::{DetectOptions, Judged};

/// Whether the verdict had been given before: `hit` or `miss`. Absent where none are kept.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// Name and version of the model that judged.
pub const X_MODEL: HeaderName = HeaderName::from_static("x-model");

/// What is to be done with a clip.
#[derive(Debug, Clone)]
pub struct Order {
    /// What the detector is to do.
    pub options: DetectOptions,
    /// How the answer looks.
    pub shape: Shape,
    /// The model that was named.
    pub model: Option<String>,
    /// Who asks.
    pub asker: Asker,
}

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The key, unless none are needed.
    pub caller: Option<Caller>,
    /// The request's id.
    pub request: Option<RequestId>,
    /// The route's pattern, without its version.
    pub route: &'static str,
}

impl Asker {
    /// Whoever sent a request with these extensions to this route.
    pub fn of(extensions: &Extensions, route: &'static str) -> Self {
        Self {
            caller: extensions.get().copied(),
            request: extensions.get().cloned(),
            route,
        }
    }
}

/// An answer: a JSON document and what is told beside it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The document.
    pub body: Bytes,
    headers: HeaderMap,
}

impl Answered {
    fn new(judge: &dyn Judge, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let named = HeaderValue::from_str(&judge.model().full_name());
        // The name of a model file may be no header's value.
        headers.extend(named.ok().map(|named| (X_MODEL, named)));
        Self { body, headers }
    }

    #[cfg(feature = "server")]
    fn with_cache(mut self, outcome: &'static str) -> Self {
        let outcome = HeaderValue::from_static(outcome);
        self.headers.insert(X_CACHE, outcome);
        self
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        (self.headers, self.body).into_response()
    }
}

/// Judges the clip that `clip` makes on a worker: what it does may take the processor.
///
/// # Errors
/// Those of `clip` and of the detector; there is no such model; the queue is full.
pub async fn answer<F>(app: &AppState, order: Order, clip: F) -> Result<Answered, Problem>
where
    F: FnOnce() -> Result<Clip, Problem> + Send + 'static,
{
    let judge = app
        .models
        .choose_for(order.asker.caller.as_ref(), order.model.as_deref())?;
    let judge = Arc::clone(judge);
    #[cfg(feature = "server")]
    if app.cache.is_some() || app.audit.is_some() {
        return answer_by_hash(app, judge, order, clip).await;
    }
    let caller = order.asker.caller;
    let job = {
        let (judge, thresholds) = (Arc::clone(&judge), app.language_thresholds);
        move || judged(&*judge, &order, thresholds, Arc::new(clip()?))
    };
    let body = in_turn(app, &judge, caller, job).await?;
    Ok(Answered::new(&*judge, body))
}

/// In two turns of a worker, so that what is known waits for nobody who is judged.
#[cfg(feature = "server")]
async fn answer_by_hash<F>(
    app: &AppState,
    judge: Arc<dyn Judge>,
    order: Order,
    clip: F,
) -> Result<Answered, Problem>
where
    F: FnOnce() -> Result<Clip, Problem> + Send + 'static,
{
    let made = move || {
        let clip = clip()?;
        let hash = <[u8; 32]>::from(Sha256::digest(&*clip.audio));
        Ok::<_, Problem>((Arc::new(clip), hash))
    };
    let (clip, hash) = app
        .queue
        .run(order.asker.caller, made)
        .await
        .map_err(no_result)??;
    let answered = answer_known(app, &judge, &order, clip, &hash).await;
    if let Some(audit) = &app.audit {
        let about = About {
            asker: &order.asker,
            hash: &hash,
            channel: order.options.channel,
            model: judge.model(),
        };
        audit.record(&about, answered.as_ref().map(|answered| &answered.body[..]));
    }
    answered
}

/// As it was answered before, or judged now.
#[cfg(feature = "server")]
async fn answer_known(
    app: &AppState,
    judge: &Arc<dyn Judge>,
    order: &Order,
    clip: Arc<Clip>,
    hash: &[u8; 32],
) -> Result<Answered, Problem> {
    let thresholds = app.language_thresholds;
    let job = {
        let (judge, order, clip) = (Arc::clone(judge), order.clone(), Arc::clone(&clip));
        move || judged(&*judge, &order, thresholds, clip)
    };
    let Some(cache) = app.cache.as_ref().filter(|_| keeps(&clip)) else {
        let body = in_turn(app, judge, order.asker.caller, job).await?;
        return Ok(Answered::new(&**judge, body));
    };
    let threshold = thresholds.of(clip.language).or(app.threshold);
    let key = Key::new(hash, &clip, order, judge.model(), threshold);
    let known = cache.get(&key).await;
    app.metrics.looked_up(known.is_some());
    if let Some(body) = known {
        return Ok(Answered::new(&**judge, body).with_cache("hit"));
    }
    let body = in_turn(app, judge, order.asker.caller, job).await?;
    cache.put(key, &body);
    Ok(Answered::new(&**judge, body).with_cache("miss"))
}

/// A clip that was judged.
struct Done {
    body: Bytes,
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "metrics are the server's")
    )]
    judged: Judged,
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "so is the shadow")
    )]
    clip: Arc<Clip>,
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "so is the shadow")
    )]
    options: DetectOptions,
}

/// Judges by `job` when it is the caller's turn; the document of the answer.
async fn in_turn<F>(
    app: &AppState,
    judge: &Arc<dyn Judge>,
    caller: Option<Caller>,
    job: F,
) -> Result<Bytes, Problem>
where
    F: FnOnce() -> Result<Done, Problem> + Send + 'static,
{
    let done = app.queue.run(caller, job).await.map_err(no_result)??;
    Ok(finish(app, judge, caller, done))
}

fn judged(
    judge: &dyn Judge,
    order: &Order,
    thresholds: LanguageThresholds,
    clip: Arc<Clip>,
) -> Result<Done, Problem> {
    let judged = judge_by_language(judge, &order.options, thresholds, &clip)?;
    Ok(Done {
        body: render(order.shape, &judged, judge.model(), &clip),
        judged,
        clip,
        options: order.options,
    })
}

/// Judges a clip, by the threshold of its language where that has one.
fn judge_by_language(
    judge: &dyn Judge,
    options: &DetectOptions,
    thresholds: LanguageThresholds,
    clip: &Clip,
) -> Result<Judged, DetectError> {
    let mut judged = judge.judge(&clip.audio, options)?;
    if let Some(threshold) = thresholds.of(clip.language) {
        judged.classify_by(threshold);
    }
    Ok(judged)
}

/// Counts what was judged, and lets the shadow judge it.
#[cfg(feature = "server")]
fn finish(app: &AppState, judge: &Arc<dyn Judge>, caller: Option<Caller>, done: Done) -> Bytes {
    app.metrics.judged(&judge.model().name, &done.judged);
    if let Some(shadow) = app.models.shadow().cloned() {
        let found = done.judged.found().map(|found| &found.detection);
        let answered: Vec<_> = found
            .map(|d| (d.classification, d.ai_probability))
            .collect();
        let (clip, mut options, metrics) = (done.clip, done.options, Arc::clone(&app.metrics));
        // Its verdict alone is compared.
        options.detail = crate::options::Detail::None;
        let (queue, thresholds) = (app.queue.clone(), app.language_thresholds);
        tokio::spawn(async move {
            let job = move || {
                let judged = judge_by_language(&*shadow, &options, thresholds, &clip);
                if let Ok(judged) = judged {
                    metrics.shadowed(&shadow.model().name, &judged, &answered);
                }
            };
            // In the line of whoever asked; where the queue is full, callers matter more.
            if queue.run_if_room(caller, job).await.is_err() {
                tracing::debug!("the shadow model had no turn");
            }
        });
    }
    done.body
}

#[cfg(not(feature = "server"))]
fn finish(_: &AppState, _: &Arc<dyn Judge>, _: Option<Caller>, done: Done) -> Bytes {
    done.body
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
