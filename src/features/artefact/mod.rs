//! The set `artefact`: the 425 values of `dynamic`, and 396 of what synthesis leaves in a signal's fine structure.
//!
//! ```text
//! prepared speech -+-> frames of 20 ms -+-> dynamic's lfcc and modulation
//!                  |                    +-> texture      96   differences between neighbours, eight regions
//!                  +-> frames of 40 ms -+-> dynamic's voice
//!                  |                    +-> harmonicity  20   the comb of the pitch, four bands
//!                  +-> frames of 25 ms -+-> dynamic's texture
//!                  |                    +-> phase        96   coherence of phase differences, eight regions
//!                  +-> frames of 25 ms ---> lpc          84   residual and reflection coefficients
//!                  +-> frames of 5 ms ----> envelope    100   fast modulation, and how bands move together
//! ```
//!
//! The spectra are those that `dynamic` makes, heard through its [`Listener`]. The definitions are those of
//! `training/study/features.py`; `tests/artefact_parity.rs` holds every value to them. A further group is a file here,
//! fed in [`Heard`] or from the prepared speech, its names and values appended to those that there are.

pub mod envelope;
pub mod harmonicity;
pub mod lpc;
pub mod moments;
pub mod phase;
pub mod regions;
pub mod texture;

use realfft::num_complex::Complex;

use super::dynamic::{self, DescribesSpeech, Dynamic, Listener, stft};
use super::wide::wide;
use envelope::FastEnvelopes;
use harmonicity::{Harmonicity, HarmonicityTrack};
use lpc::Lpc;
use phase::PhaseTrack;
use texture::TextureTrack;

/// Number of values.
pub const COUNT: usize = dynamic::COUNT
    + texture::COUNT
    + phase::COUNT
    + harmonicity::COUNT
    + lpc::COUNT
    + envelope::COUNT;

/// Where each group ends: the values of `dynamic`, then a group for each further aspect; fast modulation and how bands
/// move together are two.
pub const GROUP_ENDS: [usize; 7] = {
    let spectrum = dynamic::COUNT;
    let texture = spectrum + texture::COUNT;
    let phase = texture + phase::COUNT;
    let harmonicity = phase + harmonicity::COUNT;
    let lpc = harmonicity + lpc::COUNT;
    [
        spectrum,
        texture,
        phase,
        harmonicity,
        lpc,
        lpc + envelope::FAST_MODULATION,
        COUNT,
    ]
};

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    [
        dynamic::names(),
        texture::names(),
        phase::names(),
        harmonicity::names(),
        lpc::names(),
        envelope::names(),
    ]
    .concat()
}

/// Plans and tables.
#[derive(Debug, Default)]
pub struct Artefact {
    dynamic: Dynamic,
    harmonicity: Harmonicity,
    lpc: Lpc,
    envelopes: FastEnvelopes,
}

impl DescribesSpeech for Artefact {
    /// The 821 values, in the order of [`names`]; the first 425 are those of [`Dynamic`].
    fn values(&self, speech: &[f32]) -> Vec<f64> {
        self.values_and(speech, &mut ())
    }
}

impl Artefact {
    /// The 821 values of prepared `speech`; `further` hears the spectra too. It is no parameter of the type, so that a binary
    /// has this code once.
    pub fn values_and(&self, speech: &[f32], further: &mut dyn Listener) -> Vec<f64> {
        wide(
            #[inline(always)]
            || self.describe(speech, further),
        )
    }

    #[inline(always)]
    fn describe(&self, speech: &[f32], further: &mut dyn Listener) -> Vec<f64> {
        let frames = 1 + speech.len() / stft::HOP;
        let mut heard = Heard {
            tables: &self.harmonicity,
            texture: TextureTrack::new(frames),
            texture_values: Vec::with_capacity(texture::COUNT),
            phase: PhaseTrack::new(frames),
            harmonicity: HarmonicityTrack::default(),
            further,
        };
        let mut values = Vec::with_capacity(COUNT);
        self.dynamic.describe(speech, &mut heard, &mut values);
        values.append(&mut heard.texture_values);
        heard.phase.finish(&mut values);
        heard.harmonicity.finish(&mut values);
        self.lpc.extend(speech, &mut values);
        self.envelopes.extend(speech, &mut values);
        dynamic::define(&mut values);
        values
    }
}

/// What is kept of the spectra of a clip.
struct Heard<'a> {
    tables: &'a Harmonicity,
    texture: TextureTrack,
    texture_values: Vec<f64>,
    phase: PhaseTrack,
    harmonicity: HarmonicityTrack,
    further: &'a mut dyn Listener,
}

impl Listener for Heard<'_> {
    #[inline(always)]
    fn short_frame(&mut self, spectrum: &[Complex<f64>]) {
        self.texture.push(spectrum);
        self.further.short_frame(spectrum);
    }

    #[inline(always)]
    fn short_frames_end(&mut self) {
        self.texture.finish(&mut self.texture_values);
        self.further.short_frames_end();
    }

    #[inline(always)]
    fn long_frame(&mut self, logs: &[f64], level: f64, lag: usize) {
        self.harmonicity.push(self.tables, logs, level, lag);
        self.further.long_frame(logs, level, lag);
    }

    #[inline(always)]
    fn medium_frame(&mut self, spectrum: &[Complex<f64>]) {
        self.phase.push(spectrum);
        self.further.medium_frame(spectrum);
    }
}
