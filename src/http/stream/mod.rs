//! `GET /stream`: a WebSocket that a call in progress is sent into, and that says about once a second what it sounds like.

mod format;
mod said;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{Extensions, HeaderValue};
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use format::Format;
use said::{Heard, Said, SoFar};

use super::audit::About;
use super::judge::Judge;
use super::judging::{Asker, no_result};
use super::metrics::OpenStream;
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::audio::{LiveDecoder, Waveform};
use crate::call::{Call, Cut};
use crate::detector::{DetectError, Detection, classify, inconclusive};
use crate::language::Language;
use crate::options::Channel;

/// Longest call, in seconds.
const LONGEST: f64 = 4.0 * 3600.0;
/// The subprotocol that is taken where a caller offers it.
const PROTOCOL: &str = "voxproof";
/// Streams at a time for each worker. By estimate one takes one and a half hundredths of a core; it keeps 3 MB at 48 kHz.
pub const STREAMS_PER_WORKER: usize = 32;

/// What the query says.
#[derive(Debug, Deserialize)]
pub struct StreamQuery {
    rate: Option<String>,
    format: Option<String>,
    model: Option<String>,
    language: Option<String>,
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
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let query = query.map_err(|_| {
        Problem::new(
            Code::InvalidRequest,
            "the query may have rate, format, model and language, each once",
        )
    })?;
    let language = query.language.as_deref().map(str::parse::<Language>);
    let language = language.transpose()?;
    let format = Format::of(query.rate.as_deref(), query.format.as_deref())?;
    let asker = Asker::of(&extensions, "/stream");
    let judge = app
        .models
        .choose_for(asker.caller.as_ref(), query.model.as_deref())?;
    let judge = Arc::clone(judge);
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
        .with_header(RETRY_AFTER, HeaderValue::from_static("5"))
    })?;
    let counted = app.metrics.stream();
    let most = format.max_message_bytes();
    let stream = Stream {
        idle: app.body_limits.idle,
        app,
        judge,
        asker,
        language,
        decoder: format.decoder()?,
        call: match format {
            Format::Pcm(rate) => Some(Call::new(rate)),
            Format::Mp3 | Format::Opus => None,
        },
        most,
        hash: Sha256::new(),
        _counted: counted,
    };
    Ok(upgrade
        // A page that offers a protocol with its key in it is refused unless one is taken.
        .protocols([PROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(async move |mut socket| {
            stream.serve(&mut socket).await;
            drop(place);
        }))
}

struct Stream {
    app: AppState,
    judge: Arc<dyn Judge>,
    asker: Asker,
    /// Of the call, as its caller says: it may have a threshold of its own.
    language: Option<Language>,
    decoder: Option<LiveDecoder>,
    /// There is none until the rate is known.
    call: Option<Call>,
    /// Largest message, in bytes.
    most: usize,
    idle: Duration,
    /// Of all messages with sound.
    hash: Sha256,
    _counted: OpenStream,
}

impl Stream {
    /// Takes messages until the caller says `end` or closes, then says the last word and closes.
    async fn serve(mut self, socket: &mut WebSocket) {
        let end = match self.listen(socket).await {
            Ok(()) => self.conclude(socket).await,
            Err(end) => Err(end),
        };
        self.note(&end);
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

    /// Has the audit log keep what the call was last known to be, however it ended.
    fn note(&self, end: &Result<(), End>) {
        let Some(audit) = &self.app.audit else { return };
        let hash = <[u8; 32]>::from(self.hash.clone().finalize());
        let about = About {
            asker: &self.asker,
            hash: &hash,
            channel: Channel::Mix,
            model: self.judge.model(),
        };
        match (end, self.so_far()) {
            (Err(End::Fault(_, problem)), _) => audit.record(&about, Err(problem)),
            (_, Some(call)) => {
                // Text and finite numbers: there is nothing in it that could fail.
                let document = serde_json::to_vec(&call).unwrap_or_default();
                audit.record(&about, Ok(&document));
            }
            // Nothing was asked that has an answer.
            (_, None) => {}
        }
    }

    async fn listen(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        loop {
            let message = match timeout(self.idle, socket.recv()).await {
                Err(_) => {
                    let detail = format!("nothing came for {} s", self.idle.as_secs());
                    return Err(fault(close_code::POLICY, Code::RequestTimeout, detail));
                }
                Ok(None) => return Err(End::Gone),
                Ok(Some(Err(error))) => return Err(refused(&error, self.most)),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Binary(bytes) => self.hear(socket, &bytes).await?,
                Message::Text(text) if text.as_str() == "end" => return Ok(()),
                Message::Text(_) => {
                    let detail = "send sound as binary messages, and the text 'end' at the end";
                    return Err(fault(close_code::UNSUPPORTED, Code::InvalidRequest, detail));
                }
                // Whoever closes wants no last word; the library has answered the close.
                Message::Close(_) => return Err(End::Gone),
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    async fn hear(&mut self, socket: &mut WebSocket, bytes: &Bytes) -> Result<(), End> {
        self.hash.update(bytes);
        let Some(mut decoder) = self.decoder.take() else {
            let (pairs, rest) = bytes.as_chunks::<2>();
            if !rest.is_empty() {
                let detail = "a sample has two bytes: a message cannot have an odd number of them";
                return Err(fault(close_code::INVALID, Code::InvalidRequest, detail));
            }
            let sample = |pair: &[u8; 2]| f32::from(i16::from_le_bytes(*pair)) / 32_768.0;
            let samples: Vec<f32> = pairs.iter().map(sample).collect();
            return self.take(socket, &samples).await;
        };
        decoder.feed(bytes);
        loop {
            match decoder.next_frame() {
                Ok(Some((rate, samples))) => {
                    self.call.get_or_insert_with(|| Call::new(rate));
                    self.take(socket, samples).await?;
                }
                Ok(None) => break,
                Err(error) => {
                    let problem = Problem::from(DetectError::from(error));
                    return Err(End::Fault(close_code::INVALID, problem));
                }
            }
        }
        self.decoder = Some(decoder);
        Ok(())
    }

    /// Takes samples, and judges the windows that they complete.
    async fn take(&mut self, socket: &mut WebSocket, samples: &[f32]) -> Result<(), End> {
        let mut left = samples;
        while let Some(cut) = self.call.as_mut().and_then(|call| call.push(&mut left)) {
            self.judge(socket, cut).await?;
            if let Some(piece) = self.call.as_mut().and_then(Call::piece) {
                self.judge_piece(piece).await?;
            }
        }
        if self
            .call
            .as_ref()
            .is_some_and(|call| call.seconds() > LONGEST)
        {
            let detail = format!("a call of more than {LONGEST} s; open another stream");
            return Err(fault(close_code::SIZE, Code::TooLong, detail));
        }
        Ok(())
    }

    /// Judges a part of the call in the queue; there may be no verdict. A caller who sends faster than that waits meanwhile.
    async fn judged(&self, waveform: Waveform) -> Result<Result<Detection, Problem>, End> {
        let judge = Arc::clone(&self.judge);
        let job = move || judge.judge_waveform(waveform);
        let ran = self.app.queue.run(self.asker.caller, job).await;
        match ran.map_err(no_result) {
            Ok(judged) => Ok(judged.map_err(Problem::from)),
            Err(problem) if problem.code() == Code::Overloaded => Ok(Err(problem)),
            Err(problem) => Err(End::Fault(close_code::ERROR, problem)),
        }
    }

    /// Judges a piece. Nothing is said of it: the next verdict, or the last word, is of the call with it.
    async fn judge_piece(&mut self, piece: Cut) -> Result<(), End> {
        let judged = self.judged(piece.waveform).await?;
        if let Some(call) = &mut self.call {
            let ai_probability = judged.ok().map(|detection| detection.ai_probability);
            call.add_piece(ai_probability, piece.end - piece.start);
        }
        Ok(())
    }

    /// Judges a window and says what is known then.
    async fn judge(&mut self, socket: &mut WebSocket, cut: Cut) -> Result<(), End> {
        let (start, end) = (cut.start, cut.end);
        let judged = self.judged(cut.waveform).await?;
        let said = match &judged {
            Ok(detection) => {
                if let Some(call) = &mut self.call {
                    call.add(detection.ai_probability);
                }
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
        if let Some(cut) = self.call.as_mut().and_then(Call::last) {
            self.judge(socket, cut).await?;
        }
        if let Some(piece) = self.call.as_mut().and_then(Call::last_piece) {
            self.judge_piece(piece).await?;
        }
        let Some(call) = self.so_far() else {
            let detail = "there was no speech to judge in the call";
            return Err(fault(close_code::NORMAL, Code::NoSpeech, detail));
        };
        let model = self.judge.model().full_name();
        let language = self.language;
        let last = Said::Final {
            call,
            model,
            language,
        };
        say(socket, &last).await
    }

    fn so_far(&self) -> Option<SoFar> {
        let call = self.call.as_ref()?;
        let ai_probability = call.ai_probability()?;
        let (classification, confidence) = match self.app.language_thresholds.of(self.language) {
            Some(threshold) => classify(ai_probability, threshold),
            None => self.judge.classify(ai_probability),
        };
        Some(SoFar {
            seconds: call.seconds(),
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
fn refused(error: &axum::Error, most: usize) -> End {
    if error.to_string().contains("too long") {
        let detail = format!("a message of more than {most} bytes");
        return fault(close_code::SIZE, Code::TooLarge, detail);
    }
    End::Gone
}
