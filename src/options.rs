//! What a caller may ask of a verdict: how much is told, which side of a stereo recording, which part of it, and how it is
//! cut into segments. `Detector::detect_with` takes them.

use std::str::FromStr;
use std::time::Instant;

use crate::audio::{self, SAMPLE_RATE, Side, Waveform};
use crate::detector::{DetectError, Detection, Detector};
use crate::timings::{Stage, Timings};

/// How much is told besides the verdict; each includes the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Detail {
    /// The verdict alone.
    #[default]
    None,
    /// And warnings.
    Warnings,
    /// And segments.
    Segments,
}

/// How a clip is cut into segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretches {
    window: f64,
    hop: f64,
}

impl Default for Stretches {
    /// 3 s, every second.
    fn default() -> Self {
        Self {
            window: 3.0,
            hop: 1.0,
        }
    }
}

impl Stretches {
    /// Shortest and longest window, in seconds. Nothing shorter than 1 s is judged; the network's own window has 2.56 s.
    pub const WINDOW: std::ops::RangeInclusive<f64> = 1.0..=30.0;
    /// Shortest and longest hop, in seconds.
    pub const HOP: std::ops::RangeInclusive<f64> = 0.1..=30.0;

    /// Windows of `window` seconds, each `hop` seconds after the one before. What is not given is the default's, but the
    /// hop never longer than the window.
    ///
    /// # Errors
    /// A value is out of [`Stretches::WINDOW`] or [`Stretches::HOP`]; the text names it.
    pub fn new(window: Option<f64>, hop: Option<f64>) -> Result<Self, OptionsError> {
        let window = window.unwrap_or(Self::default().window);
        let hop = hop.unwrap_or(Self::default().hop.min(window));
        if !Self::WINDOW.contains(&window) {
            return Err(OptionsError::OutOfRange("window", Self::WINDOW));
        }
        if !Self::HOP.contains(&hop) {
            return Err(OptionsError::OutOfRange("hop", Self::HOP));
        }
        Ok(Self { window, hop })
    }

    /// Length of a stretch, in seconds.
    #[must_use]
    pub fn window(self) -> f64 {
        self.window
    }

    /// From one stretch's start to the next one's, in seconds.
    #[must_use]
    pub fn hop(self) -> f64 {
        self.hop
    }
}

/// The part of a recording that is judged, in seconds from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Region {
    start: f64,
    end: Option<f64>,
}

impl Region {
    /// From `start`, else the beginning, to `end`, else the end.
    ///
    /// # Errors
    /// A time is negative or no number, or the end is not after the start.
    pub fn new(start: Option<f64>, end: Option<f64>) -> Result<Self, OptionsError> {
        let start = start.unwrap_or(0.0);
        for (name, time) in [("start", start), ("end", end.unwrap_or(0.0))] {
            if !(time.is_finite() && time >= 0.0) {
                return Err(OptionsError::Time(name));
            }
        }
        match end {
            Some(end) if end <= start => Err(OptionsError::Order { start, end }),
            end => Ok(Self { start, end }),
        }
    }

    /// Start, in seconds.
    #[must_use]
    pub fn start(&self) -> f64 {
        self.start
    }

    /// Whether it is the whole recording.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.start == 0.0 && self.end.is_none()
    }

    /// The part of `waveform`.
    fn of(&self, waveform: Waveform) -> Result<Waveform, DetectError> {
        if self.is_whole() {
            return Ok(waveform);
        }
        let samples = waveform.samples();
        let at = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as usize;
        let (start, end) = (at(self.start), self.end.map_or(samples.len(), at));
        if start >= samples.len() || end > samples.len() {
            return Err(DetectError::OutsideRecording {
                seconds: waveform.duration_seconds(),
            });
        }
        Ok(Waveform::new(samples[start..end].to_vec()))
    }
}

/// Which channels of a recording are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The mean of all.
    #[default]
    Mix,
    /// The left one of two.
    Left,
    /// The right one of two.
    Right,
    /// Both of two, apart.
    Each,
}

impl Channel {
    /// As a query has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Left => "left",
            Self::Right => "right",
            Self::Each => "each",
        }
    }
}

impl FromStr for Channel {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        match text {
            "mix" => Ok(Self::Mix),
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            "each" => Ok(Self::Each),
            _ => Err(OptionsError::Channel),
        }
    }
}

/// All that may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DetectOptions {
    /// How much is told.
    pub detail: Detail,
    /// Which channels are judged.
    pub channel: Channel,
    /// Which part is judged. Times of segments stay those of the recording; the duration is that of the part.
    pub region: Region,
    /// How segments are cut, where they are told.
    pub stretches: Stretches,
}

/// An option that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A length is out of its range, in seconds.
    #[error("{0} must be {start} to {end} seconds", start = .1.start(), end = .1.end())]
    OutOfRange(&'static str, std::ops::RangeInclusive<f64>),
    /// A channel has another name.
    #[error("channel must be mix, left, right or each")]
    Channel,
    /// A time is negative or no number.
    #[error("{0} must be a number of seconds, 0 or more")]
    Time(&'static str),
    /// The region is empty.
    #[error("end is {end} s: it must be after start, which is {start} s")]
    Order {
        /// Its start, in seconds.
        start: f64,
        /// Its end, in seconds.
        end: f64,
    },
}

/// What was found in one channel, or in the mean of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The verdict.
    pub detection: Detection,
    /// What it took.
    pub timings: Timings,
}

/// What was found in a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// One verdict.
    One(Found),
    /// Those of the left and the right channel, of which one at least could be judged.
    Each(Box<[Result<Found, DetectError>; 2]>),
}

impl Judged {
    /// The verdicts, with the names of their channels where there are two.
    pub fn found(&self) -> impl Iterator<Item = &Found> {
        let (one, each) = match self {
            Judged::One(found) => (Some(found), None),
            Judged::Each(sides) => (None, Some(sides.iter().filter_map(|s| s.as_ref().ok()))),
        };
        one.into_iter().chain(each.into_iter().flatten())
    }

    /// Gives every verdict the class that this threshold gives it.
    #[cfg(feature = "http")]
    pub(crate) fn classify_by(&mut self, threshold: f64) {
        match self {
            Judged::One(found) => found.detection.classify_by(threshold),
            Judged::Each(sides) => {
                for found in sides.iter_mut().flatten() {
                    found.detection.classify_by(threshold);
                }
            }
        }
    }
}

impl Detector {
    /// Judges one clip as `options` ask for.
    ///
    /// # Errors
    /// As [`Detector::detect`]; the recording has not two channels where one of two was asked for, or does not reach to the
    /// end of the region. Of two channels, the left one's where none could be judged.
    pub fn detect_with(
        &self,
        bytes: &[u8],
        options: &DetectOptions,
    ) -> Result<Judged, DetectError> {
        let side = |side| self.detect_side(bytes, side, options);
        match options.channel {
            Channel::Mix => side(Side::Mean).map(Judged::One),
            Channel::Left => side(Side::Left).map(Judged::One),
            Channel::Right => side(Side::Right).map(Judged::One),
            Channel::Each => match (side(Side::Left), side(Side::Right)) {
                (Err(error), Err(_)) => Err(error),
                (left, right) => Ok(Judged::Each(Box::new([left, right]))),
            },
        }
    }

    fn detect_side(
        &self,
        bytes: &[u8],
        side: Side,
        options: &DetectOptions,
    ) -> Result<Found, DetectError> {
        let mut decoding = Timings::default();
        let started = Instant::now();
        let waveform = audio::decode_side(bytes, side, self.limits())?;
        decoding.add(Stage::Decode, started);
        let waveform = options.region.of(waveform)?;
        let (mut detection, timings) =
            self.judge_timed(waveform, options.detail, options.stretches, decoding)?;
        let segments = detection.segments.iter_mut();
        segments.for_each(|s| s.shift(options.region.start));
        Ok(Found { detection, timings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_stay_within_their_bounds() {
        assert_eq!(Stretches::new(None, None), Ok(Stretches::default()));
        let short = Stretches::new(Some(1.0), None).unwrap();
        assert_eq!((short.window(), short.hop()), (1.0, 1.0));
        for (window, hop, named) in [
            (Some(0.5), None, "window must be 1 to 30 seconds"),
            (Some(f64::NAN), None, "window must be 1 to 30 seconds"),
            (None, Some(0.0), "hop must be 0.1 to 30 seconds"),
            (None, Some(31.0), "hop must be 0.1 to 30 seconds"),
        ] {
            let error = Stretches::new(window, hop).unwrap_err().to_string();
            assert_eq!(error, named);
        }
    }

    #[test]
    fn regions_are_in_order_and_inside() {
        let clip = || Waveform::new((0..44_100).map(|n| n as f32).collect());
        let region = Region::new(Some(0.5), Some(1.5)).unwrap();
        let part = region.of(clip()).unwrap();
        assert_eq!(
            (part.samples()[0], part.samples().len()),
            (11_025.0, 22_050)
        );
        assert_eq!(Region::default().of(clip()).unwrap(), clip());
        assert!(Region::new(None, Some(2.0)).unwrap().of(clip()).is_ok());
        for (start, end) in [
            (Some(2.0), None),
            (None, Some(2.001)),
            (Some(7.0), Some(9.0)),
        ] {
            let error = Region::new(start, end).unwrap().of(clip()).unwrap_err();
            assert_eq!(error, DetectError::OutsideRecording { seconds: 2.0 });
        }
        for (start, end) in [
            (Some(-1.0), None),
            (Some(1.0), Some(1.0)),
            (Some(2.0), Some(1.0)),
            (Some(f64::NAN), None),
            (None, Some(f64::INFINITY)),
            (None, Some(0.0)),
        ] {
            assert!(Region::new(start, end).is_err(), "{start:?} {end:?}");
        }
    }
}
