//! Where every decoder's samples go: depth as in the replaced stack, mean of the channels, bound, resampling.

use super::SAMPLE_RATE;
use super::decode::{AudioError, DecodeLimits, Side};
use super::resample::Resampler;
use crate::rounding::ROUNDING;

/// Source rates that are accepted, in Hz. Below, no speech is left to judge; above, nothing records.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// Samples a second of all channels together that a clip of the longest duration may have: 96 kHz in stereo. A file of a
/// hundred kilobytes can hold minutes of eight channels at 384 kHz, which would keep a core for seconds.
const DENSEST: f64 = 192_000.0;

/// What becomes of decoded samples before they are mixed.
///
/// The replaced stack (pydub, with ffmpeg) wrote MP3 and AAC to a 16-bit WAV file, and everything else at the source's
/// own depth or at 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Rounded to 16 bits, halves to even, and clipped, as ffmpeg does without dither.
    Sixteen,
    /// Kept, clipped to -1.0..=1.0.
    Full,
}

/// Takes one clip's decoded samples and hands mono blocks at 22,050 Hz on.
pub(super) struct Sink<'a> {
    limits: DecodeLimits,
    side: Side,
    out: &'a mut dyn FnMut(&[f32]),
    /// Source rate and its conversion, once the first frame has told the rate.
    stream: Option<(u32, Resampler)>,
    /// Sample frames taken so far.
    frames: u64,
    /// Sample frames that are accepted at the source's rate.
    most_frames: u64,
    /// Samples of all channels taken so far.
    samples: u64,
    mono: Vec<f32>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(limits: DecodeLimits, side: Side, out: &'a mut dyn FnMut(&[f32])) -> Self {
        Self {
            limits,
            side,
            out,
            stream: None,
            frames: 0,
            most_frames: 0,
            samples: 0,
            mono: Vec::new(),
        }
    }

    /// Sets the source rate, in Hz, before the first samples. Returns whether samples of this rate belong to the clip:
    /// a stream that changes its rate half-way keeps the first one.
    pub(super) fn set_rate(&mut self, rate: u32) -> Result<bool, AudioError> {
        match &self.stream {
            Some((first, _)) => Ok(*first == rate),
            None if RATES.contains(&rate) => {
                let most = self.limits.max_duration.as_secs_f64() * f64::from(rate);
                // Casting saturates: an unbounded duration stays unbounded.
                self.most_frames = most.ceil() as u64;
                self.stream = Some((rate, Resampler::new(rate, SAMPLE_RATE)));
                Ok(true)
            }
            None => Err(AudioError::Undecodable(format!(
                "its sample rate of {rate} Hz is outside {} to {} Hz",
                RATES.start(),
                RATES.end()
            ))),
        }
    }

    /// Takes one block: `planes` has a slice of equal length for each channel.
    ///
    /// # Errors
    /// [`AudioError::TooLong`] or [`AudioError::TooMuch`] as soon as the clip passes a limit; [`AudioError::NotStereo`] where a
    /// side is wanted of other than two channels.
    pub(super) fn push(&mut self, planes: &[&[f32]], depth: Depth) -> Result<(), AudioError> {
        let (Some((_, resampler)), Some(first)) = (&mut self.stream, planes.first()) else {
            return Ok(());
        };
        self.frames += first.len() as u64;
        if self.frames > self.most_frames {
            return Err(AudioError::TooLong {
                limit_seconds: self.limits.max_duration.as_secs_f64(),
            });
        }
        self.samples += (first.len() * planes.len()) as u64;
        // Casting saturates, as above.
        let most = (self.limits.max_duration.as_secs_f64() * DENSEST) as u64;
        if self.samples > most {
            return Err(AudioError::TooMuch { most });
        }
        let taken = match (self.side, planes) {
            (Side::Mean, _) => planes,
            (Side::Left, [left, _]) => &[*left],
            (Side::Right, [_, right]) => &[*right],
            _ => {
                return Err(AudioError::NotStereo {
                    channels: planes.len(),
                });
            }
        };
        self.mono.clear();
        mix(taken, depth, &mut self.mono);
        resampler.push(&self.mono, self.out);
        Ok(())
    }

    /// Ends the clip and hands the rest on; the source rate, or `None` when no sample came.
    pub(super) fn finish(self) -> Option<u32> {
        let (rate, resampler) = self.stream.filter(|_| self.frames > 0)?;
        resampler.finish(self.out);
        Some(rate)
    }
}

/// Adds the mean of the channels to `mono`, at this depth: `planes` has a slice of equal length for each channel.
pub(super) fn mix(planes: &[&[f32]], depth: Depth, mono: &mut Vec<f32>) {
    match planes {
        [] => {}
        [only] => mono.extend(only.iter().map(|&x| depth.apply(x))),
        // numpy's mean in f32: the sum, then one division.
        [left, right] => mono.extend(
            left.iter()
                .zip(*right)
                .map(|(&l, &r)| (depth.apply(l) + depth.apply(r)) / 2.0),
        ),
        [first, ..] => {
            let channels = planes.len() as f32;
            mono.extend((0..first.len()).map(|i| {
                planes
                    .iter()
                    .map(|plane| depth.apply(plane[i]))
                    .sum::<f32>()
                    / channels
            }));
        }
    }
}

impl Depth {
    /// The sample at this depth; what is no number becomes silence.
    #[inline]
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Sixteen => {
                let steps = if x.is_nan() { 0.0 } else { x * 32_768.0 };
                (steps.clamp(-32_768.0, 32_767.0) + ROUNDING - ROUNDING) / 32_768.0
            }
            Self::Full if x.is_nan() => 0.0,
            Self::Full => x.clamp(-1.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Depth;

    #[test]
    fn sixteen_bits_are_rounded_halves_to_even_and_clipped() {
        let exact = |x: f32| f32::from((x * 32_768.0).round_ties_even() as i16) / 32_768.0;
        let steps = (-70_000..70_000).map(|n| n as f32 / 65_536.0);
        let odd = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e30,
            -1e-40,
            0.999_99,
            -1.000_01,
            1.5 / 32_768.0,
            2.5 / 32_768.0,
        ];
        for x in steps.chain(odd) {
            assert_eq!(Depth::Sixteen.apply(x), exact(x), "{x}");
        }
    }
}
