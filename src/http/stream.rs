//! `GET /stream`: a WebSocket that a call in progress is sent into, and that says about once a second what it sounds like.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::judge::Judge;
use super::judging::no_result;
use super::metrics::OpenStream;
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::call::{Call, Cut};
use crate::detector::{Classification, inconclusive};

/// Samples a second that are taken.
const RATES: [u32; 3] = [8_000, 16_000, 48_000];
/// Largest message, in bytes: five seconds at the highest rate.
const MAX_MESSAGE_BYTES: usize = 512 * 1024;
/// Longest call, in seconds.
const LONGEST: f64 = 4.0 * 3600.0;
/// Streams at a time for each worker. One takes a hundredth of a core.
pub const STREAMS_PER_WORKER: usize = 32;

/// What the query says.
#[derive(Debug, Deserialize)]
pub struct StreamQuery {
    rate: Option<String>,
    format: Option<String>,
    model: Option<String>,
}

/// What is sent to the caller, as text.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    /// The call so far, and its last window.
    Verdict {
        #[serde(flatten)]
        call: SoFar,
        window: Heard,
    },
    /// The last window had nothing to judge.
    NoVerdict {
        seconds: f64,
        code: &'static str,
        error: &'a str,
    },
    /// The whole call; nothing follows.
    Final {
        #[serde(flatten)]
        call: SoFar,
        model: String,
    },
    /// The stream ends without a verdict; nothing follows.
    Error { code: &'static str, error: &'a str },
}

#[derive(Debug, Serialize)]
struct SoFar {
    seconds: f64,
    classification: Classification,
    confidence: f64,
    ai_probability: f64,
    inconclusive: bool,
}

#[derive(Debug, Serialize)]
struct Heard {
    start: f64,
    end: f64,
    ai_probability: f64,
}

/// Why a stream ends before its caller says so.
enum End {
    /// The caller is gone.
    Gone,
    /// It did what it may not.
    Fault(u16, Problem),
}

/// Opens a stream.
///
/// # Errors
/// It is no WebSocket, the query is not as expected, or too many streams are open.
pub async fn stream(
    State(app): State<AppState>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let bad = |detail: &str| Problem::new(Code::InvalidRequest, detail);
    let query = query.map_err(|_| bad("the query may have rate, format and model, each once"))?;
    let rate = query.rate.as_deref().and_then(|text| text.parse().ok());
    let rate = rate.filter(|rate| RATES.contains(rate));
    let rate = rate.ok_or_else(|| bad("rate must be 8000, 16000 or 48000 samples a second"))?;
    if query
        .format
        .as_deref()
        .is_some_and(|format| format != "pcm")
    {
        return Err(bad("format must be pcm: 16 bits, little-endian, mono"));
    }
    let judge = Arc::clone(app.models.choose(query.model.as_deref())?);
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            Code::UpgradeRequired,
            "this route is a WebSocket: connect with ws:// or wss://",
        )
    })?;
    let place = Arc::clone(&app.streams).try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::new(
            Code::Overloaded,
            "as many streams are open as may be; try again later",
        )
    })?;
    let counted = app.metrics.stream();
    Ok(upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(async move |mut socket| {
            let stream = Stream {
                idle: app.body_limits.idle,
                app,
                judge,
                call: Call::new(rate),
                _counted: counted,
            };
            stream.serve(&mut socket).await;
            drop(place);
        }))
}

struct Stream {
    app: AppState,
    judge: Arc<dyn Judge>,
    call: Call,
    idle: Duration,
    _counted: OpenStream,
}

impl Stream {
    /// Takes messages until the caller says `end` or closes, then says the last word and closes.
    async fn serve(mut self, socket: &mut WebSocket) {
        let end = match self.listen(socket).await {
            Ok(()) => self.conclude(socket).await,
            Err(end) => Err(end),
        };
        let (code, reason) = match end {
            Ok(()) => (close_code::NORMAL, ""),
            Err(End::Gone) => return,
            Err(End::Fault(code, problem)) => {
                let said = Said::Error {
                    code: problem.code().as_str(),
                    error: problem.detail(),
                };
                if say(socket, &said).await.is_err() {
                    return;
                }
                (code, problem.code().as_str())
            }
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // The caller may have closed first.
        let _ = socket.send(Message::Close(Some(frame))).await;
    }

    async fn listen(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        loop {
            let message = match timeout(self.idle, socket.recv()).await {
                Err(_) => {
                    let detail = format!("nothing came for {} s", self.idle.as_secs());
                    return Err(fault(close_code::POLICY, Code::RequestTimeout, detail));
                }
                Ok(None) => return Err(End::Gone),
                Ok(Some(Err(error))) => return Err(refused(&error)),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Binary(bytes) => self.hear(socket, &bytes).await?,
                Message::Text(text) if text.as_str() == "end" => return Ok(()),
                Message::Text(_) => {
                    let detail = "send samples as binary messages, and the text 'end' at the end";
                    return Err(fault(close_code::UNSUPPORTED, Code::InvalidRequest, detail));
                }
                // Whoever closes wants no last word; the library has answered the close.
                Message::Close(_) => return Err(End::Gone),
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    async fn hear(&mut self, socket: &mut WebSocket, bytes: &Bytes) -> Result<(), End> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            let detail = "a sample has two bytes: a message cannot have an odd number of them";
            return Err(fault(close_code::INVALID, Code::InvalidRequest, detail));
        }
        let sample = |pair: &[u8; 2]| f32::from(i16::from_le_bytes(*pair)) / 32_768.0;
        let samples: Vec<f32> = pairs.iter().map(sample).collect();
        let mut left = &samples[..];
        while let Some(cut) = self.call.push(&mut left) {
            self.judge(socket, cut).await?;
        }
        if self.call.seconds() > LONGEST {
            let detail = format!("a call of more than {LONGEST} s; open another stream");
            return Err(fault(close_code::SIZE, Code::TooLong, detail));
        }
        Ok(())
    }

    /// Judges a window in the queue and says what is known then. A caller who sends faster than that waits meanwhile.
    async fn judge(&mut self, socket: &mut WebSocket, cut: Cut) -> Result<(), End> {
        let judge = Arc::clone(&self.judge);
        let (start, end) = (cut.start, cut.end);
        let job = move || judge.judge_waveform(&cut.waveform);
        let judged = match self.app.queue.run(job).await.map_err(no_result) {
            Ok(judged) => judged.map_err(Problem::from),
            Err(problem) if problem.code() == Code::Overloaded => Err(problem),
            Err(problem) => return Err(End::Fault(close_code::ERROR, problem)),
        };
        let said = match &judged {
            Ok(detection) => {
                self.call.add(detection.ai_probability);
                let window = Heard {
                    start,
                    end,
                    ai_probability: detection.ai_probability,
                };
                self.so_far().map(|call| Said::Verdict { call, window })
            }
            // Silence is part of every call.
            Err(problem) => Some(Said::NoVerdict {
                seconds: end,
                code: problem.code().as_str(),
                error: problem.detail(),
            }),
        };
        match said {
            Some(said) => say(socket, &said).await,
            None => Ok(()),
        }
    }

    async fn conclude(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        if let Some(cut) = self.call.last() {
            self.judge(socket, cut).await?;
        }
        let Some(call) = self.so_far() else {
            let detail = "there was no speech to judge in the call";
            return Err(fault(close_code::NORMAL, Code::NoSpeech, detail));
        };
        let model = self.judge.model();
        let model = format!("{}/{}", model.name, model.version);
        say(socket, &Said::Final { call, model }).await
    }

    fn so_far(&self) -> Option<SoFar> {
        let ai_probability = self.call.ai_probability()?;
        let (classification, confidence) = self.judge.classify(ai_probability);
        Some(SoFar {
            seconds: self.call.seconds(),
            classification,
            confidence,
            ai_probability,
            inconclusive: inconclusive(ai_probability),
        })
    }
}

async fn say(socket: &mut WebSocket, said: &Said<'_>) -> Result<(), End> {
    // Text and finite numbers: there is nothing in it that could fail.
    let text = serde_json::to_string(said).unwrap_or_default();
    let sent = socket.send(Message::Text(text.into())).await;
    sent.map_err(|_| End::Gone)
}

fn fault(close: u16, code: Code, detail: impl Into<String>) -> End {
    End::Fault(close, Problem::new(code, detail))
}

/// A message that the library would not take: too large, or no WebSocket at all.
fn refused(error: &axum::Error) -> End {
    if error.to_string().contains("too long") {
        let detail = format!("a message of more than {MAX_MESSAGE_BYTES} bytes");
        return fault(close_code::SIZE, Code::TooLarge, detail);
    }
    End::Gone
}
