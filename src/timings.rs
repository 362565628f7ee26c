//! What the stages of one verdict took.

use std::time::{Duration, Instant};

use serde::Serialize;

/// A stage of the walk from bytes to verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Container to waveform.
    Decode,
    /// Waveform to feature vector.
    Features,
    /// Bands, network and estimator to P(AI).
    Model,
    /// Segments, each judged as a clip; where they were asked for.
    Segments,
    /// Measures of the recording for warnings; where they were asked for.
    Warnings,
}

impl Stage {
    /// All of them, in the order of the walk.
    pub const ALL: [Self; 5] = [
        Self::Decode,
        Self::Features,
        Self::Model,
        Self::Segments,
        Self::Warnings,
    ];

    /// Its name, for example `decode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Features => "features",
            Self::Model => "model",
            Self::Segments => "segments",
            Self::Warnings => "warnings",
        }
    }
}

/// Wall-clock time by stage, by the clock that only goes forward. One reading a stage: it costs nothing that is seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings([Duration; Stage::ALL.len()]);

/// Timings as JSON has them, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Milliseconds {
    /// Container to waveform.
    pub decode_ms: f64,
    /// Waveform to feature vector.
    pub features_ms: f64,
    /// Bands, network and estimator.
    pub model_ms: f64,
    /// Segments, each judged as a clip.
    pub segments_ms: f64,
    /// Measures of the recording for warnings.
    pub warnings_ms: f64,
}

impl Timings {
    /// Adds what `stage` took since `started`; returns now, when the next one starts.
    pub(crate) fn add(&mut self, stage: Stage, started: Instant) -> Instant {
        let now = Instant::now();
        self.0[stage as usize] += now - started;
        now
    }

    /// What `stage` took.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// All of them in milliseconds, rounded to microseconds.
    #[must_use]
    pub fn milliseconds(&self) -> Milliseconds {
        let of = |stage| (self.of(stage).as_secs_f64() * 1e6).round() / 1e3;
        Milliseconds {
            decode_ms: of(Stage::Decode),
            features_ms: of(Stage::Features),
            model_ms: of(Stage::Model),
            segments_ms: of(Stage::Segments),
            warnings_ms: of(Stage::Warnings),
        }
    }
}
