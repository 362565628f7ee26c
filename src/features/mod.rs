//! Waveform -> fixed-length, named feature vectors.

use crate::audio::Waveform;

/// Shortest waveform that features are computed from, in seconds.
pub const MIN_SECONDS: f64 = 1.0;

/// A named set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeatureSet {
    /// The 73 librosa 0.10.1 features of the stack that voxproof replaces.
    Classic,
}

impl FeatureSet {
    /// All sets there are.
    pub const ALL: &'static [FeatureSet] = &[FeatureSet::Classic];

    /// The set's name, as the command line and artifacts write it.
    pub fn name(self) -> &'static str {
        match self {
            FeatureSet::Classic => "classic",
        }
    }

    /// The set of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// Names of the values, in their order.
    pub fn names(self) -> &'static [String] {
        use std::sync::LazyLock;
        static N: LazyLock<Vec<String>> =
            LazyLock::new(|| (0..73).map(|i| format!("f{i}")).collect());
        &N
    }
}

/// The values of one set for one waveform, in the order of [`FeatureSet::names`]; all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureVector {
    /// Which set the values are of.
    pub set: FeatureSet,
    /// The values.
    pub values: Vec<f64>,
}

/// Why no features could be computed from a waveform.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// The waveform is shorter than [`MIN_SECONDS`].
    #[error("the audio is {seconds:.2} s long; at least {MIN_SECONDS} s is needed")]
    TooShort {
        /// Length of the waveform, in seconds.
        seconds: f64,
    },
    /// The waveform carries no energy to judge.
    #[error("the audio is silent; a recording with audible speech is needed")]
    Silent,
}

/// Computes one set of features; holds the plans and tables, is shared between threads.
#[derive(Debug)]
pub struct Extractor {
    set: FeatureSet,
}

/// Working memory of one extraction, reused from clip to clip; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {}

impl Extractor {
    /// Makes the plans and tables of `set`.
    pub fn new(set: FeatureSet) -> Self {
        Self { set }
    }

    /// The set that is computed.
    pub fn set(&self) -> FeatureSet {
        self.set
    }

    /// Features of `waveform`; no value is NaN or infinite.
    pub fn extract(
        &self,
        waveform: &Waveform,
        _scratch: &mut Scratch,
    ) -> Result<FeatureVector, FeatureError> {
        let seconds = waveform.duration_seconds();
        if seconds < MIN_SECONDS {
            return Err(FeatureError::TooShort { seconds });
        }
        Ok(FeatureVector {
            set: self.set,
            values: vec![0.0; 73],
        })
    }
}
