//! Verdicts as the routes write them.

use axum::body::Bytes;
use serde::Serialize;

use super::explanation::explanation;
use super::payload::Clip;
use super::problem::Problem;
use crate::detector::{Classification, DetectError, Verdict};
use crate::model::ModelInfo;
use crate::options::{Found, Judged};
use crate::timings::Milliseconds;

/// How an answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `classification` and `confidence`.
    Brief,
    /// Everything.
    Detailed,
    /// That of `POST /api/voice-detection`.
    VoiceDetection,
}

/// The default answer: these two members and no other.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Brief {
    /// Which class the clip is given.
    pub classification: Classification,
    /// Probability of the named class, rounded to 2 decimals: 0.0..=1.0.
    pub confidence: f64,
}

/// The detailed answer: the verdict, and what its stages took when it was made.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Detailed<'a> {
    #[serde(flatten)]
    verdict: Verdict<'a>,
    timings: Milliseconds,
}

/// The answer about two channels.
#[derive(Debug, Serialize)]
struct Channels<T> {
    channels: [OfChannel<T>; 2],
}

#[derive(Debug, Serialize)]
struct OfChannel<T> {
    channel: &'static str,
    #[serde(flatten)]
    verdict: OrFault<T>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OrFault<T> {
    Verdict(T),
    Fault { code: &'static str, error: String },
}

/// What `POST /api/voice-detection` answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VoiceDetection {
    status: &'static str,
    language: Option<String>,
    classification: Classification,
    confidence_score: f64,
    explanation: String,
}

/// What was judged, as JSON of this shape.
pub fn render(shape: Shape, judged: &Judged, model: &ModelInfo, clip: &Clip) -> Bytes {
    let json = match shape {
        Shape::Brief => each(judged, |found| Brief {
            classification: found.detection.classification,
            confidence: found.detection.confidence,
        }),
        Shape::Detailed => each(judged, |found| Detailed {
            verdict: Verdict::new(&found.detection, model, clip.language),
            timings: found.timings.milliseconds(),
        }),
        Shape::VoiceDetection => each(judged, |found| VoiceDetection {
            status: "success",
            language: clip.named.clone(),
            classification: found.detection.classification,
            confidence_score: found.detection.confidence,
            explanation: explanation(&found.detection),
        }),
    };
    // Text and finite numbers: there is nothing in it that could fail.
    json.unwrap_or_default().into()
}

fn each<'a, T: Serialize>(
    judged: &'a Judged,
    write: impl Fn(&'a Found) -> T,
) -> serde_json::Result<Vec<u8>> {
    let sides = match judged {
        Judged::One(found) => return serde_json::to_vec(&write(found)),
        Judged::Each(sides) => sides,
    };
    let of = |channel, side: &'a Result<Found, DetectError>| OfChannel {
        channel,
        verdict: match side {
            Ok(found) => OrFault::Verdict(write(found)),
            Err(error) => {
                let problem = Problem::from(error.clone());
                OrFault::Fault {
                    code: problem.code().as_str(),
                    error: problem.detail().to_owned(),
                }
            }
        },
    };
    serde_json::to_vec(&Channels {
        channels: [of("left", &sides[0]), of("right", &sides[1])],
    })
}
