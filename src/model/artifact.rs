//! The artifact: a header with version and checksums, then the model in bincode's format.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | magic, `VOXPROOF` |
//! | 8..12 | format version, `u32` little-endian |
//! | 12..20 | length of the payload in bytes, `u64` little-endian |
//! | 20..52 | SHA-256 of the payload: the model's identity |
//! | 52..56 | CRC-32 (IEEE) of bytes 0..52 and the payload, `u32` little-endian |
//! | 56.. | payload: [`Payload`] in bincode's default format |
//!
//! Version 2 is version 1 followed by the optional bounds and the optional calibration. A payload
//! that has neither is written as version 1, so that models from before them keep their bytes.
//! Version 3 holds an [`Ensemble`] in the payload's place. Version 4 is version 3 followed by a network's filters and what
//! follows its layers; a network that has ReLUs alone is written as version 3. Version 5 has further networks, each with the
//! same, behind what version 4 has of the first.
//!
//! Damage is found with the CRC: it takes a fraction of a millisecond, where a SHA-256 of a
//! megabyte without SHA instructions takes several and would eat the budget of a cold start. The
//! SHA-256 is computed once, by the trainer, and names the model; a test compares it.

use sha2::{Digest, Sha256};
use wincode::{SchemaRead, SchemaWrite};

use super::network::{NetworkTail, StoredNetwork};
use super::{
    ArtifactError, Boosting, Bounds, Calibration, Ensemble, Forest, Kernel, Logistic, Mlp,
    NetworkPart, Scaler, Whitened,
};
use crate::hex::hex;

/// First bytes of every artifact.
pub const MAGIC: [u8; 8] = *b"VOXPROOF";
/// Newest version of the layout; this build reads it and every older one.
pub const FORMAT_VERSION: u32 = 5;
/// The layout of a pipeline without bounds and calibration.
const PLAIN_VERSION: u32 = 1;
/// The layout of a pipeline with them.
const TAIL_VERSION: u32 = 2;
/// The layout of an ensemble whose network has ReLUs alone.
const ENSEMBLE_VERSION: u32 = 3;
/// The layout of an ensemble whose only network has filters, or more than ReLUs.
const FINISH_VERSION: u32 = 4;
/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 56;
/// Where the CRC stands in the header.
const CRC_AT: usize = 52;

/// Everything that an artifact holds.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Payload {
    /// Name by which the model is selected, for example `classic`.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Name of the feature set that it scores.
    pub features: String,
    /// One line on what it was trained on.
    pub training_data: String,
    /// One line with the settings of the training.
    pub settings: String,
    /// P(AI) above which the verdict is `AI_GENERATED`.
    pub threshold: f64,
    /// Standardisation.
    pub scaler: Scaler,
    /// What scores.
    pub estimator: Estimator,
    /// Bounds that values are clipped to before standardisation.
    #[wincode(skip)]
    pub bounds: Option<Bounds>,
    /// What makes a probability of the score.
    #[wincode(skip)]
    pub calibration: Option<Calibration>,
}

/// The estimators that an artifact can hold; new ones are added at the end, so that the numbers
/// of the old ones in the format stay.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub enum Estimator {
    /// Mean of the leaves' class proportions.
    RandomForest(Forest),
    /// Weighted sum of the features.
    Logistic(Logistic),
    /// Sum of trees, each fitted to what the ones before it got wrong.
    GradientBoosting(Boosting),
    /// Layers of rectified sums.
    Mlp(Mlp),
    /// Likeness to clips of the training.
    Kernel(Kernel),
    /// The same on mixed features.
    Whitened(Whitened),
}

impl Estimator {
    /// Kind of estimator, as the command line and [`super::ModelInfo`] write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RandomForest(_) => "random-forest",
            Self::Logistic(_) => "logistic",
            Self::GradientBoosting(_) => "gradient-boosting",
            Self::Mlp(_) => "mlp",
            Self::Kernel(_) | Self::Whitened(_) => "kernel",
        }
    }

    /// Number of features that it takes.
    pub(super) fn features(&self) -> usize {
        match self {
            Self::RandomForest(forest) => forest.features(),
            Self::Logistic(logistic) => logistic.weights.len(),
            Self::GradientBoosting(boosting) => boosting.features(),
            Self::Mlp(mlp) => mlp.features(),
            Self::Kernel(kernel) => kernel.features(),
            Self::Whitened(whitened) => whitened.features(),
        }
    }

    /// What could make scoring panic or loop, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        match self {
            Self::RandomForest(forest) => forest.defect(),
            Self::Logistic(logistic) => logistic.defect(),
            Self::GradientBoosting(boosting) => boosting.defect(),
            Self::Mlp(mlp) => mlp.defect(),
            Self::Kernel(kernel) => kernel.defect(),
            Self::Whitened(whitened) => whitened.defect(),
        }
    }

    /// The calibration of a score that has none of its own; `None` where the score is P(AI) itself.
    pub(super) fn uncalibrated(&self) -> Option<Calibration> {
        match self {
            Self::RandomForest(_) => None,
            Self::Logistic(_)
            | Self::GradientBoosting(_)
            | Self::Mlp(_)
            | Self::Kernel(_)
            | Self::Whitened(_) => Some(Calibration::LOG_ODDS),
        }
    }

    /// Score of standardised values `x`, shape `[features]`: larger is more synthetic. P(AI) of a
    /// forest, log-odds of every other model but the kernel machine, whose score has no unit.
    pub(super) fn score(&self, x: &[f32]) -> f64 {
        match self {
            Self::RandomForest(forest) => forest.probability(x),
            Self::Logistic(logistic) => logistic.score(x),
            Self::GradientBoosting(boosting) => boosting.score(x),
            Self::Mlp(mlp) => mlp.score(x),
            Self::Kernel(kernel) => kernel.score(x),
            Self::Whitened(whitened) => whitened.score(x),
        }
    }
}

/// What version 5 has behind the ensemble: what version 4 has of the first network, and each further one with its own.
type Further = (Option<NetworkTail>, Vec<(NetworkPart, NetworkTail)>);

/// What version 2 has behind the payload.
type Tail = (Option<Bounds>, Option<Calibration>);

/// What an artifact holds, by its version.
#[derive(Debug)]
pub(super) enum Stored {
    /// Versions 1 and 2.
    Pipeline(Payload),
    /// Versions 3 to 5.
    Ensemble(Ensemble),
}

/// Writes an artifact of a pipeline.
///
/// # Errors
/// [`ArtifactError::Undecodable`] if the payload is larger than the format allows (4 MiB in one
/// array), so that nothing is written that could not be read again.
pub fn encode(payload: &Payload) -> Result<Vec<u8>, ArtifactError> {
    let unwritable = |e: wincode::WriteError| ArtifactError::Undecodable(e.to_string());
    let mut body = wincode::serialize(payload).map_err(unwritable)?;
    let tail: Tail = (payload.bounds.clone(), payload.calibration);
    let version = if tail == (None, None) {
        PLAIN_VERSION
    } else {
        body.extend(wincode::serialize(&tail).map_err(unwritable)?);
        TAIL_VERSION
    };
    Ok(seal(version, body))
}

/// Writes an artifact of an ensemble.
///
/// # Errors
/// As [`encode`].
pub fn encode_ensemble(ensemble: &Ensemble) -> Result<Vec<u8>, ArtifactError> {
    let unwritable = |e: wincode::WriteError| ArtifactError::Undecodable(e.to_string());
    let mut body = wincode::serialize(ensemble).map_err(unwritable)?;
    let network = ensemble.network.as_ref().map(|part| &part.network);
    let version = if !ensemble.further.is_empty() {
        let further = ensemble.further.iter();
        let further: Further = (
            network.map(StoredNetwork::tail),
            further
                .map(|part| (part.clone(), part.network.tail()))
                .collect(),
        );
        body.extend(wincode::serialize(&further).map_err(unwritable)?);
        FORMAT_VERSION
    } else if let Some(network) = network.filter(|network| network.needs_tail()) {
        body.extend(wincode::serialize(&network.tail()).map_err(unwritable)?);
        FINISH_VERSION
    } else {
        ENSEMBLE_VERSION
    };
    Ok(seal(version, body))
}

/// Puts the header before the payload's bytes.
fn seal(version: u32, body: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend(MAGIC);
    bytes.extend(version.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(Sha256::digest(&body));
    bytes.extend(checksum(&bytes, &body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Verifies an artifact and reads it; also gives its SHA-256 in hexadecimal.
///
/// # Errors
/// The [`ArtifactError`] that says what is wrong with the bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<(Stored, String), ArtifactError> {
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(ArtifactError::Truncated {
            expected: HEADER_BYTES as u64,
            received: bytes.len() as u64,
        });
    };
    if header[..8] != MAGIC {
        return Err(ArtifactError::NotAnArtifact);
    }
    let version = u32::from_le_bytes(field(header, 8));
    if !(PLAIN_VERSION..=FORMAT_VERSION).contains(&version) {
        return Err(ArtifactError::Version {
            expected: FORMAT_VERSION,
            received: version,
        });
    }
    let length = u64::from_le_bytes(field(header, 12));
    if length > body.len() as u64 {
        return Err(ArtifactError::Truncated {
            expected: length.saturating_add(HEADER_BYTES as u64),
            received: bytes.len() as u64,
        });
    }
    let expected = u32::from_le_bytes(field(header, CRC_AT));
    let received = checksum(&header[..CRC_AT], body);
    if expected != received {
        return Err(ArtifactError::Checksum { expected, received });
    }
    let unreadable = |e: wincode::ReadError| ArtifactError::Undecodable(e.to_string());
    let stored = match version {
        PLAIN_VERSION => Stored::Pipeline(wincode::deserialize_exact(body).map_err(unreadable)?),
        TAIL_VERSION => {
            let mut rest = body;
            let payload: Payload = wincode::deserialize_from(&mut rest).map_err(unreadable)?;
            let (bounds, calibration): Tail =
                wincode::deserialize_exact(rest).map_err(unreadable)?;
            Stored::Pipeline(Payload {
                bounds,
                calibration,
                ..payload
            })
        }
        ENSEMBLE_VERSION => Stored::Ensemble(wincode::deserialize_exact(body).map_err(unreadable)?),
        _ => {
            let mut rest = body;
            let mut ensemble: Ensemble =
                wincode::deserialize_from(&mut rest).map_err(unreadable)?;
            let (tail, further): Further = if version == FINISH_VERSION {
                let tail = wincode::deserialize_exact(rest).map_err(unreadable)?;
                (Some(tail), Vec::new())
            } else {
                wincode::deserialize_exact(rest).map_err(unreadable)?
            };
            let first = ensemble.network.as_mut().zip(tail);
            let mut fits = first.is_some_and(|(part, tail)| part.network.take_tail(tail));
            for (mut part, tail) in further {
                fits &= part.network.take_tail(tail);
                ensemble.further.push(part);
            }
            if !fits {
                return Err(ArtifactError::Unsound(
                    "what follows a network's layers is not of as many layers".into(),
                ));
            }
            Stored::Ensemble(ensemble)
        }
    };
    let sha256 = hex(&header[20..CRC_AT]);
    Ok((stored, sha256))
}

/// CRC-32 of the header up to its checksum, and of the payload.
fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(body);
    crc.finalize()
}

/// `N` bytes of the header from `at` on.
fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| header[at + i])
}
