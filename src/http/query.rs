//! What the query of a judging route may say, read with a clear word on what is wrong.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use super::problem::{Code, Problem};
use crate::language::Language;
use crate::options::{Channel, Detail, DetectOptions, OptionsError, Region, Stretches};

/// The query as it came; texts, so that a bad one is named.
#[derive(Debug, Default, Deserialize)]
pub struct DetectQuery {
    detail: Option<String>,
    language: Option<String>,
    channel: Option<String>,
    start: Option<String>,
    end: Option<String>,
    window: Option<String>,
    hop: Option<String>,
    model: Option<String>,
    url: Option<String>,
}

/// What is asked of a verdict.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Whether the answer is the full verdict.
    pub detail: bool,
    /// The language of a body that has no place for it.
    pub language: Option<String>,
    /// The model that is to judge.
    pub model: Option<String>,
    /// Where the clip is, in place of a body.
    pub url: Option<String>,
    /// What the detector is to do.
    pub options: DetectOptions,
}

impl DetectQuery {
    /// Takes the query, or says what one may be.
    ///
    /// # Errors
    /// `invalid_request`: a parameter twice, or text that is no UTF-8.
    pub fn take(query: Result<Query<Self>, QueryRejection>) -> Result<Self, Problem> {
        query.map(|Query(query)| query).map_err(|_| {
            bad("the query may have detail, language, model, channel, start, end, window, hop and url, each once")
        })
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter and what it may be.
    pub fn read(self) -> Result<Asked, Problem> {
        let detail = match self.detail.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(bad("detail must be true or false")),
        };
        let refused = |error: OptionsError| bad(error.to_string());
        let channel = match self.channel.as_deref() {
            None => Channel::Mix,
            Some(name) => name.parse().map_err(refused)?,
        };
        // Also where the body names another, which goes before it.
        if let Some(name) = &self.language {
            name.parse::<Language>()?;
        }
        let window = seconds("window", self.window)?;
        let hop = seconds("hop", self.hop)?;
        if !detail && (window.is_some() || hop.is_some()) {
            return Err(bad(
                "window and hop set the segments of a detailed answer: add detail=true",
            ));
        }
        Ok(Asked {
            detail,
            language: self.language,
            model: self.model,
            url: self.url,
            options: DetectOptions {
                detail: if detail {
                    Detail::Segments
                } else {
                    Detail::None
                },
                channel,
                region: Region::new(seconds("start", self.start)?, seconds("end", self.end)?)
                    .map_err(refused)?,
                stretches: Stretches::new(window, hop).map_err(refused)?,
            },
        })
    }
}

fn seconds(name: &str, text: Option<String>) -> Result<Option<f64>, Problem> {
    let parse = |text: String| {
        let number = text.parse().ok().filter(|n: &f64| n.is_finite());
        number.ok_or_else(|| bad(format!("{name} must be a number of seconds, such as 1.5")))
    };
    text.map(parse).transpose()
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_named_when_it_is_wrong() {
        let query = |name: &str, value: &str| {
            let mut query = DetectQuery {
                detail: Some("true".into()),
                ..DetectQuery::default()
            };
            let field = match name {
                "detail" => &mut query.detail,
                "channel" => &mut query.channel,
                "start" => &mut query.start,
                "end" => &mut query.end,
                "window" => &mut query.window,
                _ => &mut query.hop,
            };
            *field = Some(value.into());
            query.read()
        };
        for (name, value) in [
            ("detail", "yes"),
            ("channel", "middle"),
            ("start", "soon"),
            ("start", "-1"),
            ("end", "0"),
            ("end", "inf"),
            ("window", "0.2"),
            ("window", ""),
            ("hop", "99"),
        ] {
            let problem = query(name, value).unwrap_err();
            assert_eq!(problem.code(), Code::InvalidRequest);
            assert!(problem.detail().starts_with(name), "{}", problem.detail());
        }
        let asked = query("channel", "each").unwrap();
        assert_eq!(asked.options.channel, Channel::Each);
    }
}
