//! The random channel: what happens to speech between a mouth, or a synthesizer, and the file that is judged.
//!
//! ```text
//! waveform -> crop, edges -> reverberation -> noise -> tilt -> clipping -> band_limit, resampling -> level
//!          -> telephone -> opus -> ffmpeg -> mp3 -> 16 bits -> waveform
//! ```
//!
//! One file a stage; [`preset`] says how often each is passed and with which settings. Waveforms at 22,050 Hz go in and
//! come out, whatever rates are passed between. A copy follows from its key alone ([`Channel::copy`]): not from the class
//! of the clip, which the channel is never told, nor from the number of threads. On another machine, vector
//! instructions and libraries may round differently in the last bit, and the codecs of an installed ffmpeg are those of
//! that machine ([`ffmpeg`]).

pub mod band_limit;
pub mod crop;
mod draws;
pub mod ffmpeg;
mod filter;
pub mod level;
pub mod mp3;
pub mod noise;
pub mod opus;
pub mod preset;
#[cfg(test)]
mod probe;
pub mod resampling;
pub mod reverberation;
pub mod speed;
pub mod telephone;
pub mod tilt;

use std::fmt;

use crate::audio::Waveform;
use draws::Draws;
pub use filter::Filter;
pub use preset::Preset;

/// One stage of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// [`crop::Crop`]
    Crop(crop::Crop),
    /// [`crop::Edges`]
    Edges(crop::Edges),
    /// [`reverberation::Reverberation`]
    Reverberation(reverberation::Reverberation),
    /// [`noise::Noise`]
    Noise(noise::Noise),
    /// [`tilt::Tilt`]
    Tilt(tilt::Tilt),
    /// [`level::Clipping`]
    Clipping(level::Clipping),
    /// [`band_limit::BandLimit`]
    BandLimit(band_limit::BandLimit),
    /// [`resampling::Resampling`]
    Resampling(resampling::Resampling),
    /// [`level::Level`]
    Level(level::Level),
    /// Back to the peak that the clip had.
    OwnLevel,
    /// [`telephone::Telephone`]
    Telephone(telephone::Telephone),
    /// [`opus::Opus`]
    Opus(opus::Opus),
    /// [`ffmpeg::Ffmpeg`]
    Ffmpeg(ffmpeg::Ffmpeg),
    /// [`mp3::Mp3`]
    Mp3(mp3::Mp3),
    /// [`speed::Speed`]
    Speed(speed::Speed),
    /// [`speed::Pitch`]
    Pitch(speed::Pitch),
}

/// A codec failed, which says nothing about the clip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct ChannelError {
    /// The step, with its settings.
    pub step: String,
    /// What went wrong.
    pub problem: String,
}

/// A channel to send clips through; shared between threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    preset: Preset,
    codecs: Vec<ffmpeg::Codec>,
}

impl Channel {
    /// The channel of a preset, with the codecs of an installed ffmpeg if the preset may use them.
    #[must_use]
    pub fn new(preset: Preset) -> Self {
        let codecs = if preset.may_use_ffmpeg() {
            ffmpeg::available().to_vec()
        } else {
            Vec::new()
        };
        Self { preset, codecs }
    }

    /// The same without ffmpeg: the same copies on machines with and without it.
    #[must_use]
    pub fn without_ffmpeg(preset: Preset) -> Self {
        Self {
            preset,
            codecs: Vec::new(),
        }
    }

    /// Its preset.
    #[must_use]
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// The steps of the copy of that key.
    #[must_use]
    pub fn chain(&self, key: &str) -> Chain {
        Chain {
            steps: self.preset.steps(&mut Draws::new(key, 0), &self.codecs),
            key: key.into(),
        }
    }

    /// Sends a clip through the steps of `key`, which names clip, copy and seed.
    ///
    /// # Errors
    /// [`ChannelError`] if a codec fails.
    pub fn copy(
        &self,
        waveform: &Waveform,
        key: &str,
        filter: &mut Filter,
    ) -> Result<Waveform, ChannelError> {
        self.chain(key).apply(waveform, filter)
    }
}

/// Name of the preset, and the codecs of ffmpeg that its copies may pass.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.preset.name())?;
        if !self.preset.may_use_ffmpeg() {
            return Ok(());
        }
        if self.codecs.is_empty() {
            return write!(f, ", without ffmpeg");
        }
        let names: Vec<_> = self.codecs.iter().map(|codec| codec.name()).collect();
        write!(f, ", with {} of ffmpeg", names.join(", "))
    }
}

/// The steps of one copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    steps: Vec<Step>,
    key: String,
}

impl Chain {
    /// A chain of chosen steps; what they draw at random follows from `key`.
    #[must_use]
    pub fn of(steps: Vec<Step>, key: &str) -> Self {
        Self {
            steps,
            key: key.into(),
        }
    }

    /// The steps, in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Sends a clip through. Without cuts and changes of speed the copy is as long as the clip, to the sample; it is in
    /// -1.0..=1.0, rounded to 16 bits.
    ///
    /// # Errors
    /// [`ChannelError`] if a codec fails.
    pub fn apply(
        &self,
        waveform: &Waveform,
        filter: &mut Filter,
    ) -> Result<Waveform, ChannelError> {
        let mut samples = waveform.samples().to_vec();
        let peak = level::peak(&samples).min(1.0);
        for (place, &step) in self.steps.iter().enumerate() {
            let mut draws = Draws::new(&self.key, 1 + place as u64);
            match step {
                Step::Crop(crop) => {
                    let range = crop.range(samples.len());
                    keep(&mut samples, range);
                }
                Step::Edges(edges) => {
                    let range = edges.range(&samples);
                    keep(&mut samples, range);
                }
                Step::Reverberation(room) => room.apply(&mut samples, &mut draws, filter),
                Step::Noise(noise) => noise.apply(&mut samples, &mut draws, filter),
                Step::Tilt(tilt) => tilt.apply(&mut samples, filter),
                Step::Clipping(clipping) => clipping.apply(&mut samples),
                Step::BandLimit(limit) => limit.apply(&mut samples, filter),
                Step::Resampling(resampling) => resampling.apply(&mut samples),
                Step::Level(level) => level.apply(&mut samples),
                Step::OwnLevel => level::scale_to(&mut samples, peak),
                Step::Telephone(telephone) => telephone.apply(&mut samples, filter),
                Step::Opus(opus) => opus.apply(&mut samples)?,
                Step::Ffmpeg(ffmpeg) => ffmpeg.apply(&mut samples)?,
                Step::Mp3(mp3) => mp3.apply(&mut samples)?,
                Step::Speed(speed) => speed.apply(&mut samples),
                Step::Pitch(pitch) => pitch.apply(&mut samples),
            }
        }
        for x in &mut samples {
            *x = (*x * 32_768.0).round().clamp(-32_768.0, 32_767.0) / 32_768.0;
        }
        Ok(Waveform::new(samples))
    }
}

fn keep(samples: &mut Vec<f32>, range: std::ops::Range<usize>) {
    samples.truncate(range.end);
    samples.drain(..range.start);
}

/// The steps, separated by commas.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            match step {
                Step::Crop(step) => step.fmt(f),
                Step::Edges(step) => step.fmt(f),
                Step::Reverberation(step) => step.fmt(f),
                Step::Noise(step) => step.fmt(f),
                Step::Tilt(step) => step.fmt(f),
                Step::Clipping(step) => step.fmt(f),
                Step::BandLimit(step) => step.fmt(f),
                Step::Resampling(step) => step.fmt(f),
                Step::Level(step) => step.fmt(f),
                Step::OwnLevel => f.write_str("peak as it was"),
                Step::Telephone(step) => step.fmt(f),
                Step::Opus(step) => step.fmt(f),
                Step::Ffmpeg(step) => step.fmt(f),
                Step::Mp3(step) => step.fmt(f),
                Step::Speed(step) => step.fmt(f),
                Step::Pitch(step) => step.fmt(f),
            }?;
        }
        Ok(())
    }
}
