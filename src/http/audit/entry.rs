//! One line of the audit log.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

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
        let asked_at = format!("{:.3}", Timestamp::now());
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
                model: format!("{}/{}", about.model.name, about.model.version),
            }
        };
        if sides.is_empty() {
            return vec![entry(said)];
        }
        sides.into_iter().map(entry).collect()
    }
}
