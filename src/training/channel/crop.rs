//! Which part of a clip is kept: trimmed edges, random crops.

use crate::audio::SAMPLE_RATE;

/// Nothing is cut shorter than this, in seconds: features need a second of speech.
pub const SHORTEST: f64 = 1.5;

/// A stretch of the clip, where the clip is longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Its length, in seconds.
    pub seconds: f64,
    /// Where it lies: 0 is as early as possible, 1 as late.
    pub place: f64,
}

/// Silence is cut from both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edges {
    /// Silence that is left before the first sound, in seconds.
    pub before: f64,
    /// Silence that is left after the last one, in seconds.
    pub after: f64,
}

/// Samples in a frame whose level is measured: 20 ms.
const FRAME: usize = 441;
/// Frames below this share of the loudest frame's energy are silence: -35 dB.
const SILENCE: f64 = 3.2e-4;

impl Crop {
    /// Which samples of `n` are kept.
    pub(super) fn range(self, n: usize) -> std::ops::Range<usize> {
        let length = samples(self.seconds.max(SHORTEST)).min(n);
        let start = (self.place * (n - length) as f64) as usize;
        start..start + length
    }
}

impl Edges {
    /// Which of the samples are kept.
    pub(super) fn range(self, clip: &[f32]) -> std::ops::Range<usize> {
        let energy = |frame: &[f32]| frame.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let energies: Vec<f64> = clip.chunks_exact(FRAME).map(energy).collect();
        let loudest = energies.iter().copied().fold(0.0, f64::max);
        let loud = |e: &f64| *e > loudest * SILENCE;
        let whole = 0..clip.len();
        let (Some(first), Some(last)) = (
            energies.iter().position(loud),
            energies.iter().rposition(loud),
        ) else {
            return whole;
        };
        let start = (first * FRAME).saturating_sub(samples(self.before));
        let end = ((last + 1) * FRAME + samples(self.after)).min(clip.len());
        if end - start < samples(SHORTEST) {
            return whole;
        }
        start..end
    }
}

fn samples(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)) as usize
}

impl std::fmt::Display for Crop {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "crop of {:.2} s at {:.0} %",
            self.seconds,
            self.place * 100.0
        )
    }
}

impl std::fmt::Display for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "edges cut to {:.2} s and {:.2} s",
            self.before, self.after
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn a_crop_lies_within_the_clip() {
        let crop = |seconds, place| Crop { seconds, place }.range(100_000);
        assert_eq!(crop(2.0, 0.0), 0..44_100);
        assert_eq!(crop(2.0, 1.0), 55_900..100_000);
        assert_eq!(crop(6.0, 0.7), 0..100_000);
        assert_eq!(crop(0.1, 0.0).len(), 33_075);
        assert_eq!(
            Crop {
                seconds: 3.0,
                place: 0.5
            }
            .range(10),
            0..10
        );
    }

    #[test]
    fn silence_is_cut_but_for_the_margins() {
        let mut clip = vec![0.0; 30_000];
        clip.extend(probe::sine(300.0, 44_100));
        clip.extend(vec![1e-4; 20_000]);
        let kept = Edges {
            before: 0.1,
            after: 0.0,
        }
        .range(&clip);
        assert!(
            kept.start.abs_diff(30_000 - 2_205) <= FRAME && kept.end.abs_diff(74_100) <= FRAME,
            "{kept:?}"
        );
        assert_eq!(
            Edges {
                before: 0.0,
                after: 0.0
            }
            .range(&[0.0; 50_000]),
            0..50_000
        );
        // A click in silence is not cut down to itself.
        let mut click = vec![0.0; 60_000];
        click[30_000] = 1.0;
        assert_eq!(
            Edges {
                before: 0.0,
                after: 0.0
            }
            .range(&click),
            0..60_000
        );
    }
}
