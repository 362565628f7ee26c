//! voxproof tells AI-generated speech from human speech.
//!
//! Everything it does is one walk, and the modules stand in that order:
//!
//! ```text
//! bytes --audio--> Waveform --features--> FeatureVector, bands --model--> P(AI) --detector--> Detection --> JSON
//! ```
//!
//! [`analysis`] takes a waveform through features and model, whatever the model's parts need of it.
//! Lower modules never import higher ones; [`audio`], [`features`] and [`model`] know nothing of
//! HTTP, AWS or the command line. [`Detector::detect`] read top to bottom is the whole product.
#![forbid(unsafe_code)]

pub mod analysis;
pub mod audio;
pub mod call;
#[cfg(feature = "client")]
pub mod client;
pub mod detector;
pub mod evidence;
pub mod features;
mod hex;
#[cfg(feature = "http")]
pub mod http;
pub mod language;
pub mod model;
pub mod options;
mod pieces;
pub mod quality;
pub mod recording;
mod rounding;
#[cfg(feature = "http")]
pub mod scorer;
#[cfg(feature = "http")]
pub mod storage;
pub mod timings;
#[cfg(feature = "training")]
pub mod training;
pub mod warnings;

pub use detector::{Classification, DetectError, Detection, Detector, Segment, Verdict};
pub use language::{Language, LanguageThresholds, UnknownLanguage};
pub use model::{Contribution, Evidence};
pub use options::{Channel, DetectOptions, Judged, Region, Stretches};
pub use warnings::{Warning, WarningCode};
