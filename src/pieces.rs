//! A recording longer than the clips that models learned from: cut into pieces of equal length, which are judged one by one;
//! the verdict is that of their mean log-odds.

use std::borrow::Cow;
use std::ops::Range;

use crate::analysis::{Analyser, Analysis, AnalysisScratch, Inputs, Segment};
use crate::audio::{SAMPLE_RATE, Waveform};
use crate::features::FeatureError;
use crate::features::dynamic::{MAX_SECONDS, prepare::SILENCE};
use crate::model::MeanLogOdds;

/// Longest recording that is judged whole, in seconds.
const WHOLE_SECONDS: usize = 12;
/// Longest piece of a longer one, in seconds; the shortest has 6. Training clips have 2 to 8 s: the deviations and extremes of
/// their values are not those of half a minute.
const PIECE_SECONDS: usize = 10;
/// Most pieces that features are computed of: a minute, as much as a feature set takes of a clip judged whole.
const DESCRIBED: usize = MAX_SECONDS as usize / PIECE_SECONDS;
/// Samples of which the energy is taken: 23 ms.
const BLOCK: usize = 512;
/// Sums that run side by side in vector registers.
const LANES: usize = 8;

/// Pieces of a recording of so many samples at 22,050 Hz: 1 up to 12 s, else the fewest of at most 10 s.
pub(crate) fn count(samples: usize) -> usize {
    let rate = SAMPLE_RATE as usize;
    if samples <= WHOLE_SECONDS * rate {
        1
    } else {
        samples.div_ceil(PIECE_SECONDS * rate)
    }
}

/// The pieces in order, of equal length to a sample; together they are the recording.
fn cut(samples: usize) -> impl Iterator<Item = Range<usize>> {
    let count = count(samples);
    (0..count).map(move |index| samples * index / count..samples * (index + 1) / count)
}

/// Energy of the loudest block; infinite where a sample is not finite.
fn loudest(samples: &[f32]) -> f32 {
    let energy = |block: &[f32]| {
        let (chunks, rest) = block.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += chunk[lane] * chunk[lane];
            }
        }
        let sum = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
        if sum.is_finite() { sum } else { f32::INFINITY }
    };
    samples.chunks(BLOCK).map(energy).fold(0.0, f32::max)
}

/// What was found in the pieces so far.
#[derive(Default)]
struct Joined {
    mean: MeanLogOdds,
    /// Sum of the shares far from the training; `None` where the model cannot tell.
    outlying: Option<f64>,
    segments: Vec<Segment>,
    inputs: Vec<Inputs>,
    passed_over: bool,
}

impl Joined {
    /// Adds what was found in a piece that starts at so many seconds; `described` where its features are its own.
    fn add(&mut self, mut found: Analysis, start: f64, described: bool) {
        self.mean.add(found.ai_probability, 1.0);
        if let Some(share) = found.outlying {
            *self.outlying.get_or_insert_default() += share;
        }
        found.segments.iter_mut().for_each(|s| s.shift(start));
        self.segments.append(&mut found.segments);
        match self.inputs.last_mut() {
            Some(last) if !described => {
                let logits = last.logit.as_mut().zip(found.inputs[0].logit);
                last.weight += 1.0;
                if let Some((mean, logit)) = logits {
                    *mean += (logit - *mean) / last.weight;
                }
            }
            _ => self.inputs.append(&mut found.inputs),
        }
    }

    fn finish(self) -> Option<Analysis> {
        let pieces = self.mean.weight();
        Some(Analysis {
            ai_probability: self.mean.ai_probability()?,
            segments: self.segments,
            outlying: self.outlying.map(|sum| sum / pieces),
            inputs: self.inputs,
            passed_over: self.passed_over,
        })
    }
}

impl Analyser {
    /// Judges `waveform`, which is more than one piece, by the mean log-odds of its pieces; `None` where none of them can be
    /// judged.
    ///
    /// A piece is passed over where no block of it is as loud as what
    /// [`prepare`](crate::features::dynamic::prepare) leaves at a clip's ends, beside the recording's loudest: the noise of a
    /// pause is no speech for being alone. The network hears all others. Of more than six, six along the recording have
    /// their features computed, and each stands for those behind it, so that the time that features take does not grow
    /// beyond a minute's; a model of features alone judges these six.
    ///
    /// # Errors
    /// [`FeatureError::OutOfRange`].
    pub(crate) fn judge_pieces(
        &self,
        waveform: &Waveform,
        scratch: &mut AnalysisScratch,
    ) -> Result<Option<Analysis>, FeatureError> {
        let samples = waveform.samples();
        let pieces: Vec<_> = cut(samples.len()).collect();
        let levels: Vec<_> = (pieces.iter())
            .map(|piece| loudest(&samples[piece.clone()]))
            .collect();
        let silence = levels.iter().copied().fold(0.0, f32::max) * (SILENCE * SILENCE) as f32;
        let mut joined = Joined::default();
        for (index, (piece, level)) in pieces.iter().zip(levels).enumerate() {
            if level < silence {
                joined.passed_over = true;
                continue;
            }
            // Its share of the six, as far as we have come; what was silent leaves its place to the next one.
            let described = joined.inputs.len() * pieces.len() < (index + 1) * DESCRIBED;
            if !described && self.model().networks().is_none() {
                continue;
            }
            let start = piece.start as f64 / f64::from(SAMPLE_RATE);
            let sound = Waveform::new(samples[piece.clone()].to_vec());
            let last = joined.inputs.last().filter(|_| !described);
            let features = last.and_then(|inputs| inputs.features.as_ref());
            match self.judge_whole(Cow::Owned(sound), features, scratch) {
                Ok(found) => joined.add(found, start, described),
                Err(FeatureError::OutOfRange { seconds }) => {
                    let seconds = start + seconds;
                    return Err(FeatureError::OutOfRange { seconds });
                }
                Err(_) => joined.passed_over = true,
            }
        }
        Ok(joined.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_12_s_are_one_piece_and_more_are_the_fewest_of_10_s() {
        let samples = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as usize;
        for (length, expected) in [
            (samples(1.0), 1),
            (samples(12.0), 1),
            (samples(12.0) + 1, 2),
            (samples(12.1), 2),
            (samples(20.0), 2),
            (samples(20.0) + 1, 3),
            (samples(20.1), 3),
            (samples(600.0), 60),
        ] {
            assert_eq!(count(length), expected, "{length}");
            let pieces: Vec<_> = cut(length).collect();
            assert_eq!(pieces.len(), expected);
            assert_eq!((pieces[0].start, pieces[expected - 1].end), (0, length));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            let lengths = || pieces.iter().map(ExactSizeIterator::len);
            assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1);
            assert!(
                expected == 1 || lengths().all(|n| (samples(6.0)..=samples(10.0)).contains(&n))
            );
        }
    }

    #[test]
    fn the_loudest_block_decides_and_what_is_no_number_is_loudest() {
        let mut samples = vec![0.01; 5_000];
        let quiet = loudest(&samples);
        assert!((quiet / (512.0 * 1e-4) - 1.0).abs() < 1e-4, "{quiet}");
        samples[4_999] = 2.0;
        assert!(loudest(&samples) > 4.0);
        samples[17] = f32::NAN;
        assert_eq!(loudest(&samples), f32::INFINITY);
        assert_eq!(loudest(&[]), 0.0);
    }
}
