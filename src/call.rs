//! A call in progress: samples in as they come, a window to judge once a second, and a verdict on all of it so far.
//!
//! Memory does not grow with the call: the last window is all that is kept of it. Windows are the default segments', and
//! the call's P(AI) is that of their mean log-odds, as a long recording's is that of its pieces.

use crate::audio::{SAMPLE_RATE, Waveform, resample};
use crate::model::Calibration;
use crate::options::Stretches;
use crate::recording::log_odds;

/// The state of one call.
#[derive(Debug)]
pub struct Call {
    /// Samples a second.
    rate: u32,
    /// The last samples, no more than a window of them.
    samples: Vec<f32>,
    /// Samples of a window, and from one to the next.
    window: usize,
    hop: usize,
    /// Samples so far.
    heard: u64,
    /// Samples since the last window ended; before the first one, since the start.
    since: usize,
    /// Windows cut so far.
    cut: usize,
    /// Log-odds of the windows that could be judged.
    sum: f64,
    judged: usize,
}

/// A stretch of the call that is to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Its sound.
    pub waveform: Waveform,
    /// Its start, in seconds of the call.
    pub start: f64,
    /// Its end, in seconds of the call.
    pub end: f64,
}

impl Call {
    /// A call of so many samples a second, not 0.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let stretches = Stretches::default();
        let samples = |seconds: f64| (seconds * f64::from(rate)).round() as usize;
        Self {
            rate,
            samples: Vec::new(),
            window: samples(stretches.window()),
            hop: samples(stretches.hop()),
            heard: 0,
            since: 0,
            cut: 0,
            sum: 0.0,
            judged: 0,
        }
    }

    /// Takes `samples` (mono, within -1.0..=1.0) up to the end of the next window; what is left over stays in `samples`.
    /// `None` where all were taken and no window is complete.
    pub fn push(&mut self, samples: &mut &[f32]) -> Option<Cut> {
        let due = if self.cut == 0 { self.window } else { self.hop };
        let (now, later) = samples.split_at(samples.len().min(due - self.since));
        *samples = later;
        self.samples.extend_from_slice(now);
        let extra = self.samples.len().saturating_sub(self.window);
        self.samples.drain(..extra);
        self.heard += now.len() as u64;
        self.since += now.len();
        (self.since == due).then(|| self.take())
    }

    /// The last window, which ends where the call does; `None` where the window before ended there.
    pub fn last(&mut self) -> Option<Cut> {
        (self.since > 0).then(|| self.take())
    }

    fn take(&mut self) -> Cut {
        self.since = 0;
        self.cut += 1;
        let end = self.seconds();
        Cut {
            start: end - self.samples.len() as f64 / f64::from(self.rate),
            end,
            waveform: Waveform::new(resample(&self.samples, self.rate, SAMPLE_RATE)),
        }
    }

    /// Adds a window's P(AI).
    pub fn add(&mut self, ai_probability: f64) {
        self.sum += log_odds(ai_probability);
        self.judged += 1;
    }

    /// Length so far, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.heard as f64 / f64::from(self.rate)
    }

    /// P(AI) of the call so far: 0.0..=1.0; `None` until a window could be judged.
    #[must_use]
    pub fn ai_probability(&self) -> Option<f64> {
        let mean = self.sum / self.judged as f64;
        (self.judged > 0).then(|| Calibration::LOG_ODDS.probability(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts and ends of the windows of a call of `seconds` that comes in pieces of `piece` samples.
    fn windows(seconds: f64, piece: usize) -> Vec<(f64, f64)> {
        let mut call = Call::new(8_000);
        let all = vec![0.1; (seconds * 8_000.0) as usize];
        let mut cuts = Vec::new();
        for mut samples in all.chunks(piece) {
            while let Some(cut) = call.push(&mut samples) {
                cuts.push((cut.start, cut.end));
                assert!(call.samples.len() <= 24_000 && call.samples.capacity() <= 100_000);
            }
        }
        cuts.extend(call.last().map(|cut| (cut.start, cut.end)));
        cuts
    }

    #[test]
    fn windows_are_those_of_segments_however_the_sound_comes() {
        let expected = [(0.0, 3.0), (1.0, 4.0), (2.0, 5.0), (2.5, 5.5)];
        for piece in [1, 160, 8_000, 44_001] {
            assert_eq!(windows(5.5, piece), expected, "{piece}");
        }
        assert_eq!(windows(3.0, 160), [(0.0, 3.0)]);
        assert_eq!(windows(1.5, 160), [(0.0, 1.5)]);
    }

    #[test]
    fn the_call_is_the_mean_of_its_windows_log_odds() {
        let mut call = Call::new(8_000);
        assert_eq!(call.ai_probability(), None);
        call.add(0.9);
        call.add(0.1);
        assert!((call.ai_probability().unwrap() - 0.5).abs() < 1e-12);
        call.add(1.0);
        assert!(call.ai_probability().unwrap().is_finite());
    }
}
