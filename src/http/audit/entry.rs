//! One line of the audit log.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::detector::Detection;
use crate::hex::hex;
use crate::http::judging::Asker;
use crate::http::problem::Problem;
use crate::model::ModelInfo;
use crate::options::Channel;

/// What was asked, before there is an answer.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Who asks.
    pub asker: &'a Asker,
    /// SHA-256 of the audio.
    pub hash: &'a [u8; 32],
    /// The side that was asked for.
    pub channel: Channel,
    /// The model that judges.
    pub model: &'a ModelInfo,
}

/// An upload that has a result now.
#[derive(Debug)]
pub struct Upload<'a> {
    /// As `/uploads` gave it out; empty where the object came another way.
    pub id: &'a str,
    /// Id of the key that asked for the address, where that is known.
    pub key_id: Option<String>,
    /// SHA-256 of the audio; none where it was not read.
    pub hash: Option<&'a [u8; 32]>,
    /// The verdict, or the fault's stable name.
    pub judged: Result<&'a Detection, &'static str>,
    /// The model that judged.
    pub model: &'a ModelInfo,
}

/// What is kept of one verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its own; what is written twice is there once.
    pub id: String,
    /// RFC 3339 in UTC, to the millisecond: its order is that of time.
    pub asked_at: String,
    /// The request's id.
    pub request_id: String,
    /// The key's id; none where the server asks for no keys.
    pub key_id: Option<String>,
    /// The route's pattern.
    pub route: String,
    /// SHA-256 of the audio, hexadecimal.
    pub audio_sha256: String,
    /// `mix`, `left` or `right`.
    pub channel: String,
    /// The verdict.
    pub classification: Option<String>,
    /// Probability of the named class.
    pub confidence: Option<f64>,
    /// The fault, where there is no verdict.
    pub code: Option<String>,
    /// Name and version.
    pub model: String,
}

/// What an answer says, in whichever shape.
#[derive(Default, Deserialize)]
struct Said {
    channel: Option<String>,
    classification: Option<String>,
    #[serde(alias = "confidenceScore")]
    confidence: Option<f64>,
    code: Option<String>,
    #[serde(default)]
    channels: Vec<Said>,
}

impl Entry {
    /// Those of one answer: two where the sides were judged apart.
    pub fn of(about: &About<'_>, answered: Result<&[u8], &Problem>) -> Vec<Self> {
        let mut said = match answered {
            // Our own document: it is read because one that was kept is all there is of a verdict.
            Ok(document) => serde_json::from_slice(document).unwrap_or_default(),
            Err(problem) => Said {
                code: Some(problem.code().as_str().to_owned()),
                ..Said::default()
            },
        };
        let sides = std::mem::take(&mut said.channels);
        let asked_at = now();
        let entry = |said: Said| {
            let channel = said.channel;
            let channel = channel.unwrap_or_else(|| about.channel.as_str().to_owned());
            Self {
                id: Uuid::new_v4().to_string(),
                asked_at: asked_at.clone(),
                request_id: about
                    .asker
                    .request
                    .as_ref()
                    .map_or_else(String::new, |id| id.as_str().to_owned()),
                key_id: about.asker.caller.map(|caller| caller.id()),
                route: about.asker.route.to_owned(),
                audio_sha256: hex(about.hash),
                channel,
                classification: said.classification,
                confidence: said.confidence,
                code: said.code,
                model: about.model.full_name(),
            }
        };
        if sides.is_empty() {
            return vec![entry(said)];
        }
        sides.into_iter().map(entry).collect()
    }

    /// That of an upload's result; its time is that of the result.
    pub fn of_upload(upload: &Upload<'_>) -> Self {
        let detection = upload.judged.ok();
        Self {
            id: Uuid::new_v4().to_string(),
            asked_at: now(),
            request_id: upload.id.to_owned(),
            key_id: upload.key_id.clone(),
            route: "/uploads".to_owned(),
            audio_sha256: upload.hash.map(|hash| hex(hash)).unwrap_or_default(),
            channel: Channel::default().as_str().to_owned(),
            classification: detection.map(|found| found.classification.as_str().to_owned()),
            confidence: detection.map(|found| found.confidence),
            code: upload.judged.err().map(str::to_owned),
            model: upload.model.full_name(),
        }
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
