//! The models that a server has: which one judges a request, and `GET /models`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::auth::Caller;
use super::config::ConfigError;
use super::judge::Judge;
use super::problem::{Code, Problem};
use super::router::AppState;
use crate::model::ModelInfo;
use crate::model::figures::{Figures, figures};

/// Models behind one API.
pub struct Models {
    /// The default one first.
    served: Vec<Arc<dyn Judge>>,
    /// Which of them judges how many of a hundred requests that name none.
    split: Option<(usize, u64)>,
    /// Which of them judges for which keys, by the keys' ids.
    keys: HashMap<String, usize>,
    /// Requests that named none.
    unnamed: AtomicU64,
    /// Judges what was answered; its verdicts are in the metrics alone.
    shadow: Option<Arc<dyn Judge>>,
}

impl Models {
    /// One model.
    pub fn one(judge: Arc<dyn Judge>) -> Self {
        Self {
            served: vec![judge],
            split: None,
            keys: HashMap::new(),
            unnamed: AtomicU64::new(0),
            shadow: None,
        }
    }

    /// Adds a model that requests may name.
    #[must_use]
    pub fn and(mut self, judge: Arc<dyn Judge>) -> Self {
        self.served.push(judge);
        self
    }

    /// Adds a model that judges in the shadow.
    #[must_use]
    pub fn with_shadow(mut self, judge: Arc<dyn Judge>) -> Self {
        self.shadow = Some(judge);
        self
    }

    /// Sends a share of the requests that name no model to one of them: `NAME:PERCENT`.
    ///
    /// # Errors
    /// There is no such model, or the share is no whole number from 0 to 100.
    pub fn with_split(mut self, split: &str) -> Result<Self, ConfigError> {
        let parts = split.split_once(':').and_then(|(name, percent)| {
            let percent = percent.trim().parse().ok().filter(|p| *p <= 100)?;
            Some((self.position(name.trim())?, percent))
        });
        self.split = Some(parts.ok_or_else(|| ConfigError::BadValue {
            variable: "MODEL_SPLIT",
            found: format!("'{split}'"),
            accepted: "NAME:PERCENT with the name of a served model and a whole number from 0 to 100",
        })?);
        Ok(self)
    }

    /// Has the requests of keys that name no model judged by one of their own: `KEY-ID:NAME`, separated by commas.
    ///
    /// # Errors
    /// An id has not twelve hexadecimal digits or is there twice, or there is no such model.
    pub fn with_key_models(mut self, list: &str) -> Result<Self, ConfigError> {
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let id = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
            let parts = entry.split_once(':').and_then(|(key, name)| {
                let key = Some(key.trim().to_ascii_lowercase()).filter(|key| id(key))?;
                Some((key, self.position(name.trim())?))
            });
            let added = parts.filter(|(key, _)| !self.keys.contains_key(key));
            let (key, model) = added.ok_or_else(|| ConfigError::BadValue {
                variable: "KEY_MODELS",
                found: format!("'{entry}'"),
                accepted: "KEY-ID:NAME, separated by commas, with the first 12 hexadecimal digits of a key's SHA-256, each once, and the name of a served model",
            })?;
            self.keys.insert(key, model);
        }
        Ok(self)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.served
            .iter()
            .position(|judge| judge.model().name == name)
    }

    /// The default model.
    pub fn default_judge(&self) -> &Arc<dyn Judge> {
        // There is one from the start, and none is ever taken away.
        &self.served[0]
    }

    /// The model in the shadow.
    pub fn shadow(&self) -> Option<&Arc<dyn Judge>> {
        self.shadow.as_ref()
    }

    /// The model of this name; without a name the default one or, of so many in a hundred, the other of the split.
    ///
    /// # Errors
    /// `unknown_model`, with the names that there are.
    pub fn choose(&self, name: Option<&str>) -> Result<&Arc<dyn Judge>, Problem> {
        self.choose_for(None, name)
    }

    /// As [`Models::choose`], for a caller whose key may have a model of its own.
    ///
    /// # Errors
    /// As [`Models::choose`].
    pub fn choose_for(
        &self,
        caller: Option<&Caller>,
        name: Option<&str>,
    ) -> Result<&Arc<dyn Judge>, Problem> {
        let own = || {
            // Most servers have none: no hash is written out for nothing.
            let caller = caller.filter(|_| !self.keys.is_empty())?;
            self.keys.get(&caller.id()).copied()
        };
        let index = match (name, own(), self.split) {
            (Some(name), ..) => self.position(name).ok_or_else(|| self.unknown(name))?,
            (None, Some(own), _) => own,
            (None, None, None) => 0,
            (None, None, Some((other, percent))) => {
                // Evenly spread: of any hundred in a row, exactly so many.
                let n = self.unnamed.fetch_add(1, Ordering::Relaxed) % 100;
                if (n + 1) * percent / 100 > n * percent / 100 {
                    other
                } else {
                    0
                }
            }
        };
        Ok(&self.served[index])
    }

    fn unknown(&self, name: &str) -> Problem {
        let names: Vec<&str> = self.infos().map(|model| model.name.as_str()).collect();
        // A caller's text may be of any length; the echo is not.
        let name: String = name.chars().take(40).collect();
        Problem::new(
            Code::UnknownModel,
            format!(
                "no model named '{name}' is served; there is: {}",
                names.join(", ")
            ),
        )
    }

    fn infos(&self) -> impl Iterator<Item = &ModelInfo> {
        self.served.iter().map(|judge| judge.model())
    }
}

/// What `/models` answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Served<'a> {
    /// Name of the model that judges where none is named.
    default: &'a str,
    /// All that may be named.
    models: Vec<Described<'a>>,
}

/// One model.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Described<'a> {
    #[serde(flatten)]
    info: &'a ModelInfo,
    /// How often it errs, where its card says so.
    figures: Option<&'static Figures>,
}

/// The models, with the figures of their cards.
pub async fn models(State(app): State<AppState>) -> Json<serde_json::Value> {
    let served = Served {
        default: &app.models.default_judge().model().name,
        models: app
            .models
            .infos()
            .map(|info| Described {
                info,
                figures: figures(&info.name),
            })
            .collect(),
    };
    // Text and finite numbers: there is nothing in it that could fail.
    Json(serde_json::to_value(served).unwrap_or_default())
}
