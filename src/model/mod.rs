//! Feature vector, bands or both -> calibrated probability that the speech is synthetic.
//!
//! A model is an artifact: a [`Scaler`], then an [`Estimator`], as `voxproof train` writes it; or an
//! [`Ensemble`] of one [`network`] or more over bands and such a pipeline, or of one of them. The ones that
//! ship are embedded into the binary, and verified when they are loaded.

mod artifact;
mod boosting;
mod ensemble;
mod evidence;
pub mod figures;
mod forest;
pub mod kernel;
mod logistic;
mod mean;
mod mlp;
pub mod network;
mod pipeline;
mod scaler;
pub mod whitened;

pub use artifact::{
    Estimator, FORMAT_VERSION, HEADER_BYTES, MAGIC, Payload, encode, encode_ensemble,
};
pub use boosting::Boosting;
pub use ensemble::{Ensemble, FeaturePart, NetworkPart};
pub use evidence::{Contribution, Evidence};
pub use forest::{CompileError, Forest, TreeNode};
pub use kernel::Kernel;
pub use logistic::Logistic;
pub use mean::{MeanLogOdds, log_odds};
pub use mlp::{Layer, Mlp};
pub use network::{Conv, Network};
pub use pipeline::{Bounds, Calibration, Pipeline};
pub use scaler::Scaler;
pub use whitened::Whitened;

use crate::features::{FeatureSet, FeatureVector};
use artifact::Stored;
use ensemble::{SetPipeline, Weighted};
use evidence::Reference;
use network::Networks;

/// The embedded artifacts by name, the default one first.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("default", include_bytes!("../../models/default.bin")),
    ("classic", include_bytes!("../../models/classic.bin")),
];
/// Their names alone.
const EMBEDDED_NAMES: &[&str] = &[EMBEDDED[0].0, EMBEDDED[1].0];

/// A loaded model: verified, ready to score, shared between threads.
#[derive(Debug, Clone)]
pub struct Model {
    info: ModelInfo,
    network: Option<Weighted<Networks>>,
    features: Option<Weighted<SetPipeline>>,
    /// What makes a probability of the weighted sum; absent where a pipeline is all there is and has its own.
    calibration: Option<Calibration>,
    /// What evidence is relative to.
    reference: Reference,
}

/// What is known of a model besides its weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelInfo {
    /// Name by which it is selected, for example `classic`.
    pub name: String,
    /// Version; a new training is a new version.
    pub version: String,
    /// What it scores: the name of a feature set, `bands` for networks, or both: `bands + artefact`.
    pub features: String,
    /// Kind of estimator, for example `random-forest` or `networks + kernel`.
    pub estimator: String,
    /// Settings of the training, for example `200 trees, depth at most 20, ...`.
    pub settings: String,
    /// One line on what it was trained on.
    pub training_data: String,
    /// P(AI) above which the verdict is `AI_GENERATED`.
    pub threshold: f64,
    /// SHA-256 of the artifact's payload, hexadecimal.
    pub sha256: String,
    /// Size of the artifact in bytes.
    pub bytes: usize,
}

impl ModelInfo {
    /// `NAME/VERSION`, as answers, results and logs name a model.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
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
    /// The bytes do not start as an artifact does.
    #[error("not a model artifact of voxproof")]
    NotAnArtifact,
    /// The artifact's layout is not one that this build reads.
    #[error(
        "the model artifact has format version {received}; this build reads versions up to {expected}"
    )]
    Version {
        /// The newest version that this build reads.
        expected: u32,
        /// The version found.
        received: u32,
    },
    /// The artifact ends early.
    #[error("the model artifact is truncated: {received} of {expected} bytes")]
    Truncated {
        /// Bytes that the artifact should have.
        expected: u64,
        /// Bytes that it has.
        received: u64,
    },
    /// The artifact's bytes changed after it was written.
    #[error("the model artifact is damaged: its CRC-32 is {received:08x}, not {expected:08x}")]
    Checksum {
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the bytes.
        received: u32,
    },
    /// The checksum holds but the payload cannot be read; the text says why.
    #[error("the model artifact's payload cannot be read: {0}")]
    Undecodable(String),
    /// The model scores a feature set that this build does not have.
    #[error("the model scores the feature set '{0}', which this build does not have")]
    UnknownFeatures(String),
    /// The checksum holds but the model is not sound; the text says what is wrong.
    #[error("the model artifact is not sound: {0}")]
    Unsound(String),
}

impl Model {
    /// Name and version of the default embedded model, for what has it judge elsewhere and does not carry it.
    pub const EMBEDDED_DEFAULT: (&str, &str) = (EMBEDDED[0].0, "0.1.0-495c629c");

    /// Names of the embedded models, the default one first.
    #[must_use]
    pub fn embedded_names() -> &'static [&'static str] {
        EMBEDDED_NAMES
    }

    /// Verifies and loads an embedded model.
    ///
    /// # Errors
    /// [`ArtifactError::UnknownModel`] if there is none of that name; the errors of
    /// [`Model::from_bytes`] if the binary is damaged.
    pub fn embedded(name: &str) -> Result<Self, ArtifactError> {
        let found = EMBEDDED.iter().find(|(embedded, _)| *embedded == name);
        let (_, bytes) = found.ok_or_else(|| ArtifactError::UnknownModel {
            name: name.into(),
            available: EMBEDDED_NAMES.join(", "),
        })?;
        Self::from_bytes(bytes)
    }

    /// Verifies and loads an artifact that `voxproof train` wrote.
    ///
    /// What passes can be scored with: every index in it is known to be in range.
    ///
    /// # Errors
    /// The [`ArtifactError`] that says what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (stored, sha256) = artifact::decode(bytes)?;
        match stored {
            Stored::Pipeline(payload) => Self::from_payload(payload, sha256, bytes.len()),
            Stored::Ensemble(ensemble) => Self::from_ensemble(ensemble, sha256, bytes.len()),
        }
    }

    /// Checks that the parts of a payload fit each other.
    fn from_payload(payload: Payload, sha256: String, bytes: usize) -> Result<Self, ArtifactError> {
        let pipeline = Pipeline {
            bounds: payload.bounds,
            scaler: payload.scaler,
            estimator: payload.estimator,
            calibration: payload.calibration,
        };
        let info = ModelInfo {
            name: payload.name,
            version: payload.version,
            estimator: pipeline.estimator.kind().into(),
            settings: payload.settings,
            training_data: payload.training_data,
            threshold: checked_threshold(payload.threshold)?,
            sha256,
            bytes,
            features: payload.features,
        };
        Ok(Self {
            network: None,
            features: Some(Weighted {
                part: SetPipeline::new(&info.features, pipeline)?,
                weight: 1.0,
            }),
            calibration: None,
            reference: Reference::new(),
            info,
        })
    }

    /// Checks that the parts of an ensemble are sound.
    fn from_ensemble(
        ensemble: Ensemble,
        sha256: String,
        bytes: usize,
    ) -> Result<Self, ArtifactError> {
        let network = ensemble.networks()?;
        let features = ensemble.features.map(FeaturePart::load).transpose()?;
        let mut inputs = Vec::new();
        let mut estimators = Vec::new();
        if let Some(networks) = &network {
            inputs.push("bands");
            estimators.push(match networks.part.runners() {
                [_] => "network",
                _ => "networks",
            });
        }
        if let Some(features) = &features {
            inputs.push(features.part.set.name());
            estimators.push(features.part.pipeline.estimator.kind());
        }
        if inputs.is_empty() {
            return Err(ArtifactError::Unsound(
                "the ensemble has neither a network nor features".into(),
            ));
        }
        if let Some(defect) = ensemble.calibration.defect() {
            return Err(ArtifactError::Unsound(defect));
        }
        Ok(Self {
            info: ModelInfo {
                name: ensemble.name,
                version: ensemble.version,
                features: inputs.join(" + "),
                estimator: estimators.join(" + "),
                settings: ensemble.settings,
                training_data: ensemble.training_data,
                threshold: checked_threshold(ensemble.threshold)?,
                sha256,
                bytes,
            },
            network,
            features,
            calibration: Some(ensemble.calibration),
            reference: Reference::new(),
        })
    }

    /// The feature set that the model scores, if it scores one.
    #[must_use]
    pub fn feature_set(&self) -> Option<FeatureSet> {
        self.features.as_ref().map(|features| features.part.set)
    }

    /// The networks that the model has, if it has any: they take the [`bands`](crate::features::bands) of a clip.
    #[must_use]
    pub fn networks(&self) -> Option<&Networks> {
        self.network.as_ref().map(|network| &network.part)
    }

    /// Whether a recording of more than 12 s is judged in pieces: where there is a network, or a set of statistics of speech
    /// (`dynamic`, `artefact`, `extended`), both of which learned what clips of seconds are like. `classic` is the set of the replaced stack,
    /// which describes a file whole, and `channel` one of files: models of these alone judge whole, and answer as that stack did.
    #[must_use]
    pub fn hears_pieces(&self) -> bool {
        self.network.is_some()
            || self
                .feature_set()
                .is_some_and(FeatureSet::starts_from_speech)
    }

    /// What is known of the model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// P(AI) in 0.0..=1.0 by a model of features alone. The vector must be of [`Model::feature_set`].
    ///
    /// # Panics
    /// As [`Model::fuse`].
    #[must_use]
    pub fn probability(&self, features: &FeatureVector) -> f64 {
        self.fuse(None, Some(features))
    }

    /// How far a clip is from the training: the share of its values, of the first group of the set
    /// ([`FeatureSet::group_ends`]), that lie beyond the bounds which 99 of 100 rows of the training lie within: 0.01 on
    /// average there, and 0.002 for half of the clips. `None` for a model without bounds.
    ///
    /// For `artefact` and `extended` the first group are the 425 values of `dynamic`: they tell music and noise from speech; the others,
    /// what synthesis leaves in the fine structure, tell them less well.
    ///
    /// # Panics
    /// If the vector is shorter than that group.
    #[must_use]
    pub fn outlying(&self, features: &FeatureVector) -> Option<f64> {
        let bounds = self.features.as_ref()?.part.pipeline.bounds.as_ref()?;
        let values = &features.values[..features.set.group_ends()[0]];
        Some(bounds.outlying(values))
    }

    /// P(AI) in 0.0..=1.0 of what the model's parts take: a `logit` of [`Model::networks`], and a vector of
    /// [`Model::feature_set`].
    ///
    /// # Panics
    /// If a part has no input, an input has no part, or the vector is of another length than the set: a mistake of the
    /// caller, not of the data.
    #[must_use]
    pub fn fuse(&self, logit: Option<f64>, features: Option<&FeatureVector>) -> f64 {
        assert_eq!(
            (logit.is_some(), features.is_some()),
            (self.network.is_some(), self.features.is_some()),
            "inputs of the model's parts"
        );
        let scored = self.features.as_ref().zip(features);
        if let Some((features, vector)) = scored {
            assert_eq!(
                vector.values.len(),
                features.part.pipeline.scaler.features(),
                "features of the model's set"
            );
            if self.calibration.is_none() {
                return features.part.pipeline.probability(&vector.values);
            }
        }
        self.join(logit, self.share(features))
    }

    /// What a vector of [`Model::feature_set`] adds to the sum that is calibrated: its weighted log-odds, 0 without one.
    pub(crate) fn share(&self, features: Option<&FeatureVector>) -> f64 {
        let scored = self.features.as_ref().zip(features);
        scored.map_or(0.0, |(features, vector)| {
            features.weight * features.part.pipeline.log_odds(&vector.values)
        })
    }

    /// [`Model::fuse`] of a `logit` and the [`Model::share`] of features, which so is computed once for many logits. For
    /// models with a network, or an ensemble's calibration.
    pub(crate) fn join(&self, logit: Option<f64>, share: f64) -> f64 {
        let logit = self.network.as_ref().zip(logit);
        let sum = logit.map_or(share, |(network, logit)| network.weight * logit + share);
        self.calibration
            .unwrap_or(Calibration::LOG_ODDS)
            .probability(sum)
    }
}

fn checked_threshold(threshold: f64) -> Result<f64, ArtifactError> {
    if (0.0..=1.0).contains(&threshold) {
        return Ok(threshold);
    }
    Err(ArtifactError::Unsound(format!(
        "the threshold is {threshold}"
    )))
}
