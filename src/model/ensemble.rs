//! Models of more than one part: a network's logit and a feature pipeline's log-odds, weighted, summed and calibrated.

use wincode::{SchemaRead, SchemaWrite};

use super::artifact::{self, Stored};
use super::network::{Network, Networks, Runner, StoredNetwork};
use super::{ArtifactError, Bounds, Calibration, Estimator, Pipeline, Scaler};
use crate::features::FeatureSet;

/// What an artifact of format version 3, 4 or 5 holds. At least one part is present.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Ensemble {
    /// Name by which the model is selected, for example `default`.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// One line on what it was trained on.
    pub training_data: String,
    /// One line with the settings of the training.
    pub settings: String,
    /// P(AI) above which the verdict is `AI_GENERATED`.
    pub threshold: f64,
    /// A network over bands.
    pub network: Option<NetworkPart>,
    /// A pipeline over a feature set.
    pub features: Option<FeaturePart>,
    /// What makes a probability of the weighted sum.
    pub calibration: Calibration,
    /// Networks beside the first one, over windows of the same length; of format version 5, behind all else.
    #[wincode(skip)]
    pub further: Vec<NetworkPart>,
}

/// A network's share in an [`Ensemble`].
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct NetworkPart {
    /// The network.
    pub network: StoredNetwork,
    /// Weight of its logit, above 0.
    pub weight: f64,
}

/// A feature pipeline's share in an [`Ensemble`].
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct FeaturePart {
    /// Name of the feature set that it scores.
    pub features: String,
    /// Bounds that values are clipped to before standardisation.
    pub bounds: Option<Bounds>,
    /// Standardisation.
    pub scaler: Scaler,
    /// What scores.
    pub estimator: Estimator,
    /// What makes log-odds of the score; where absent, the estimator's own are taken.
    pub calibration: Option<Calibration>,
    /// Weight of its log-odds, above 0.
    pub weight: f64,
}

/// A part that is ready to score, and its weight.
#[derive(Debug, Clone)]
pub(super) struct Weighted<T> {
    pub(super) part: T,
    pub(super) weight: f64,
}

/// A pipeline and the set that it scores.
#[derive(Debug, Clone)]
pub(super) struct SetPipeline {
    pub(super) set: FeatureSet,
    pub(super) pipeline: Pipeline,
}

impl SetPipeline {
    /// Checks that `pipeline` fits the set named `features`.
    pub(super) fn new(features: &str, pipeline: Pipeline) -> Result<Self, ArtifactError> {
        let set = FeatureSet::from_name(features)
            .ok_or_else(|| ArtifactError::UnknownFeatures(features.into()))?;
        let expected = set.names().len();
        let scaled = pipeline.scaler.features();
        let taken = pipeline.estimator.features();
        if (scaled, taken) != (expected, expected) {
            return Err(ArtifactError::Unsound(format!(
                "the set '{features}' has {expected} features, the scaler {scaled}, the estimator {taken}"
            )));
        }
        match pipeline.defect(expected) {
            Some(defect) => Err(ArtifactError::Unsound(defect)),
            None => Ok(Self { set, pipeline }),
        }
    }
}

impl Ensemble {
    /// Its networks, in their order.
    fn into_networks(self) -> Vec<NetworkPart> {
        self.network.into_iter().chain(self.further).collect()
    }

    /// Loads the networks, which weigh together what their weights sum up to; `None` where there is none.
    pub(super) fn networks(&self) -> Result<Option<Weighted<Networks>>, ArtifactError> {
        let parts: Vec<_> = self.network.iter().chain(&self.further).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let weights: Vec<_> =
            (parts.iter().map(|part| checked(part.weight))).collect::<Result<_, _>>()?;
        let runners = parts.iter().map(|part| Runner::of_stored(&part.network));
        let networks = runners
            .collect::<Result<_, _>>()
            .and_then(|runners| Networks::new(runners, &weights));
        Ok(Some(Weighted {
            part: networks.map_err(ArtifactError::Unsound)?,
            weight: weights.iter().sum(),
        }))
    }
}

impl NetworkPart {
    /// The part, its weights rounded to 8 bits.
    ///
    /// # Errors
    /// What [`Network::defect`] says, if anything.
    pub fn new(network: &Network, weight: f64) -> Result<Self, String> {
        Ok(Self {
            network: StoredNetwork::new(network)?,
            weight,
        })
    }

    /// The networks of an `artifact` of format version 3 or above, as `voxproof pack-network` writes it, with their weights in
    /// it: their 8 bits are taken over as they are.
    ///
    /// # Errors
    /// The [`ArtifactError`] that says what is wrong with the bytes, or that there is no network in them.
    pub fn from_artifact(artifact: &[u8]) -> Result<Vec<Self>, ArtifactError> {
        let parts = match artifact::decode(artifact)?.0 {
            Stored::Ensemble(ensemble) => ensemble.into_networks(),
            Stored::Pipeline(_) => Vec::new(),
        };
        if parts.is_empty() {
            return Err(ArtifactError::Unsound(
                "there is no network in it, only a model of features".into(),
            ));
        }
        Ok(parts)
    }
}

impl FeaturePart {
    /// The pipeline of an `artifact` of format version 1 or 2, as `voxproof train` writes it.
    ///
    /// # Errors
    /// The [`ArtifactError`] that says what is wrong with the bytes.
    pub fn from_artifact(artifact: &[u8], weight: f64) -> Result<Self, ArtifactError> {
        match artifact::decode(artifact)?.0 {
            Stored::Pipeline(payload) => Ok(Self {
                features: payload.features,
                bounds: payload.bounds,
                scaler: payload.scaler,
                estimator: payload.estimator,
                calibration: payload.calibration,
                weight,
            }),
            Stored::Ensemble(_) => Err(ArtifactError::Unsound(
                "an ensemble cannot be a part of another; a model of features can".into(),
            )),
        }
    }

    pub(super) fn load(self) -> Result<Weighted<SetPipeline>, ArtifactError> {
        let pipeline = Pipeline {
            bounds: self.bounds,
            scaler: self.scaler,
            estimator: self.estimator,
            calibration: self.calibration,
        };
        Ok(Weighted {
            part: SetPipeline::new(&self.features, pipeline)?,
            weight: checked(self.weight)?,
        })
    }
}

/// Largest weight of a part: two parts' log-odds still have a sum.
const LARGEST_WEIGHT: f64 = 1e6;

/// A part without weight would be computed in vain, a negative one turns its meaning round.
fn checked(weight: f64) -> Result<f64, ArtifactError> {
    if weight > 0.0 && weight <= LARGEST_WEIGHT {
        return Ok(weight);
    }
    Err(ArtifactError::Unsound(format!(
        "a part of the ensemble has the weight {weight}; above 0 and at most {LARGEST_WEIGHT} are accepted"
    )))
}
