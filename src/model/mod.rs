//! Feature vector -> calibrated probability that the speech is synthetic.
//!
//! A model is an artifact that `voxproof train` wrote: a [`Scaler`], then an [`Estimator`]. The
//! ones that ship are embedded into the binary, and verified when they are loaded.

mod artifact;
mod forest;
mod logistic;
pub mod network;
mod pipeline;
mod scaler;

pub use artifact::{Estimator, FORMAT_VERSION, HEADER_BYTES, Payload, encode};
pub use forest::{CompileError, Forest, TreeNode};
pub use logistic::Logistic;
pub use network::{Conv, Network};
pub use pipeline::{Bounds, Calibration, Pipeline};
pub use scaler::Scaler;

use crate::features::{FeatureSet, FeatureVector};

/// The embedded artifacts by name, the default one first.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("default", include_bytes!("../../models/default.bin")),
    ("classic", include_bytes!("../../models/classic.bin")),
];
/// Their names alone.
const EMBEDDED_NAMES: &[&str] = &[EMBEDDED[0].0, EMBEDDED[1].0];

/// A loaded model: verified, ready to score, shared between threads.
#[derive(Debug)]
pub struct Model {
    info: ModelInfo,
    feature_set: FeatureSet,
    pipeline: Pipeline,
}

/// What is known of a model besides its weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ModelInfo {
    /// Name by which it is selected, for example `classic`.
    pub name: String,
    /// Version; a new training is a new version.
    pub version: String,
    /// Name of the feature set that it scores.
    pub features: String,
    /// Kind of estimator, for example `random-forest`.
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
        let (payload, sha256) = artifact::decode(bytes)?;
        Self::from_payload(payload, sha256, bytes.len())
    }

    /// Checks that the parts of a payload fit each other.
    fn from_payload(payload: Payload, sha256: String, bytes: usize) -> Result<Self, ArtifactError> {
        let Payload {
            name,
            version,
            features,
            training_data,
            settings,
            threshold,
            scaler,
            estimator,
            bounds,
            calibration,
        } = payload;
        let feature_set = FeatureSet::from_name(&features)
            .ok_or_else(|| ArtifactError::UnknownFeatures(features.clone()))?;
        let expected = feature_set.names().len();
        let (scaled, taken) = (scaler.features(), estimator.features());
        if (scaled, taken) != (expected, expected) {
            return Err(ArtifactError::Unsound(format!(
                "the set '{features}' has {expected} features, the scaler {scaled}, the estimator {taken}"
            )));
        }
        if !(0.0..=1.0).contains(&threshold) {
            return Err(ArtifactError::Unsound(format!(
                "the threshold is {threshold}"
            )));
        }
        let pipeline = Pipeline {
            bounds,
            scaler,
            estimator,
            calibration,
        };
        if let Some(defect) = pipeline.defect(expected) {
            return Err(ArtifactError::Unsound(defect));
        }
        let info = ModelInfo {
            name,
            version,
            features,
            estimator: pipeline.estimator.kind().into(),
            settings,
            training_data,
            threshold,
            sha256,
            bytes,
        };
        Ok(Self {
            info,
            feature_set,
            pipeline,
        })
    }

    /// The feature set that the model scores.
    #[must_use]
    pub fn feature_set(&self) -> FeatureSet {
        self.feature_set
    }

    /// What is known of the model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// P(AI) in 0.0..=1.0. The vector must be of [`Model::feature_set`].
    ///
    /// # Panics
    /// If the vector is of another length than that set: a mistake of the caller, not of the data.
    #[must_use]
    pub fn probability(&self, features: &FeatureVector) -> f64 {
        assert_eq!(
            features.values.len(),
            self.pipeline.scaler.features(),
            "features of the model's set"
        );
        self.pipeline.probability(&features.values)
    }
}
