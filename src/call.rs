//! A call in progress: samples in as they come, a window to judge once a second and a piece every ten, and a verdict on all
//! of it so far.
//!
//! ```text
//! samples -+-> windows of 3 s, every second -> what is known meanwhile ------------+-> mean log-odds -> P(AI)
//!          +-> pieces of 10 s, and at the end what is left -> in windows' place --+
//! ```
//!
//! Windows are the default segments'. They tell soon, pieces tell better, as of a long recording: once a piece is judged, it
//! stands for the windows within it. Memory does not grow with the call: its last 15 s are all that is kept of it.

use crate::audio::{SAMPLE_RATE, Waveform, resample};
use crate::model::MeanLogOdds;
use crate::options::Stretches;

/// Length of a piece but the last one, in seconds.
const PIECE: u32 = 10;
/// From so many seconds on that no piece has taken, one is cut: the last one has 5 to 15 s, unless the call is shorter.
const WAITING: u32 = 15;

/// The state of one call.
#[derive(Debug)]
pub struct Call {
    /// Samples a second.
    rate: u32,
    /// The last samples: those that no piece has taken, and a window at least.
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
    /// Samples that no piece has taken.
    waiting: usize,
    /// Ends, in samples of the call, and P(AI) of the windows that no piece stands for yet.
    windows: Vec<(u64, f64)>,
    /// Of the pieces, each weighted by its seconds.
    pieces: MeanLogOdds,
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
            waiting: 0,
            windows: Vec::new(),
            pieces: MeanLogOdds::default(),
        }
    }

    /// Takes `samples` (mono, within -1.0..=1.0) up to the end of the next window; what is left over stays in `samples`.
    /// `None` where all were taken and no window is complete.
    pub fn push(&mut self, samples: &mut &[f32]) -> Option<Cut> {
        let due = if self.cut == 0 { self.window } else { self.hop };
        let (now, later) = samples.split_at(samples.len().min(due - self.since));
        *samples = later;
        self.samples.extend_from_slice(now);
        self.heard += now.len() as u64;
        self.since += now.len();
        self.waiting += now.len();
        let extra = (self.samples.len()).saturating_sub(self.window.max(self.waiting));
        self.samples.drain(..extra);
        (self.since == due).then(|| self.take())
    }

    /// The last window, which ends where the call does; `None` where the window before ended there.
    pub fn last(&mut self) -> Option<Cut> {
        (self.since > 0).then(|| self.take())
    }

    fn take(&mut self) -> Cut {
        self.since = 0;
        self.cut += 1;
        let samples = &self.samples[self.samples.len().saturating_sub(self.window)..];
        self.cut_of(samples, self.seconds())
    }

    /// The next piece, once 15 s wait; to be asked after each window.
    pub fn piece(&mut self) -> Option<Cut> {
        (self.waiting >= (WAITING * self.rate) as usize)
            .then(|| self.take_piece((PIECE * self.rate) as usize))
    }

    /// The last piece: all that no other has taken; `None` without any.
    pub fn last_piece(&mut self) -> Option<Cut> {
        (self.waiting > 0).then(|| self.take_piece(self.waiting))
    }

    fn take_piece(&mut self, length: usize) -> Cut {
        let samples = &self.samples[self.samples.len() - self.waiting..][..length];
        let left = self.waiting - length;
        let cut = self.cut_of(samples, self.seconds() - left as f64 / f64::from(self.rate));
        self.waiting = left;
        cut
    }

    fn cut_of(&self, samples: &[f32], end: f64) -> Cut {
        Cut {
            start: end - samples.len() as f64 / f64::from(self.rate),
            end,
            waveform: Waveform::new(resample(samples, self.rate, SAMPLE_RATE)),
        }
    }

    /// Adds the P(AI) of the window that was cut last.
    pub fn add(&mut self, ai_probability: f64) {
        self.windows.push((self.heard, ai_probability));
    }

    /// Adds the P(AI) of the piece that was cut last, of so many `seconds`: it stands for the windows that end within it. Where
    /// it could not be judged, they stand for themselves.
    pub fn add_piece(&mut self, ai_probability: Option<f64>, seconds: f64) {
        let end = self.heard - self.waiting as u64;
        let within = self.windows.partition_point(|(window, _)| *window <= end);
        let windows = self.windows.drain(..within);
        match ai_probability {
            Some(p) => self.pieces.add(p, seconds),
            None => windows.for_each(|(_, p)| self.pieces.add(p, Stretches::default().hop())),
        }
    }

    /// Length so far, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.heard as f64 / f64::from(self.rate)
    }

    /// P(AI) of the call so far: 0.0..=1.0; `None` until a window or a piece could be judged.
    #[must_use]
    pub fn ai_probability(&self) -> Option<f64> {
        let mut mean = self.pieces;
        for (_, ai_probability) in &self.windows {
            mean.add(*ai_probability, Stretches::default().hop());
        }
        mean.ai_probability()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::log_odds;

    /// Starts and ends of the windows of a call of `seconds` that comes in pieces of `piece` samples.
    fn windows(seconds: f64, piece: usize) -> Vec<(f64, f64)> {
        let mut call = Call::new(8_000);
        let all = vec![0.1; (seconds * 8_000.0) as usize];
        let mut cuts = Vec::new();
        for mut samples in all.chunks(piece) {
            while let Some(cut) = call.push(&mut samples) {
                cuts.push((cut.start, cut.end));
                while call.piece().is_some() {}
                assert!(call.samples.len() <= 120_000 && call.samples.capacity() <= 300_000);
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

    /// Samples that say when they are: their own number.
    fn numbered(seconds: f64) -> Vec<f32> {
        (0..(seconds * 22_050.0) as u32).map(|n| n as f32).collect()
    }

    #[test]
    fn pieces_of_ten_seconds_and_what_is_left_are_the_call() {
        for (seconds, expected) in [
            (2.0, vec![(0.0, 2.0)]),
            (14.5, vec![(0.0, 14.5)]),
            (15.0, vec![(0.0, 10.0), (10.0, 15.0)]),
            (
                38.5,
                vec![(0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 38.5)],
            ),
        ] {
            let mut call = Call::new(SAMPLE_RATE);
            let (all, mut pieces) = (numbered(seconds), Vec::new());
            for mut samples in all.chunks(30_000) {
                while let Some(window) = call.push(&mut samples) {
                    let length = window.waveform.samples().len();
                    assert_eq!(
                        window.waveform.samples()[length - 1],
                        call.heard as f32 - 1.0
                    );
                    pieces.extend(call.piece());
                }
            }
            pieces.extend(call.last_piece());
            let places: Vec<_> = pieces.iter().map(|p| (p.start, p.end)).collect();
            assert_eq!(places, expected);
            let sound = pieces.iter().flat_map(|p| p.waveform.samples());
            assert!(sound.eq(&all));
        }
    }

    #[test]
    fn the_call_is_the_mean_of_its_pieces_and_until_then_of_its_windows() {
        let mut call = Call::new(8_000);
        assert_eq!(call.ai_probability(), None);
        let push = |call: &mut Call, seconds: usize, p: f64| {
            let sound = vec![0.1; seconds * 8_000];
            let mut left = &sound[..];
            while call.push(&mut left).is_some() {
                call.add(p);
            }
        };
        push(&mut call, 4, 0.9);
        assert!((call.ai_probability().unwrap() - 0.9).abs() < 1e-12);
        push(&mut call, 11, 0.1);
        // Two windows of the one, eleven of the other; log-odds of 9 to 1.
        let of = |call: &Call| log_odds(call.ai_probability().unwrap()) / 9.0_f64.ln();
        assert!((of(&call) + 9.0 / 13.0).abs() < 1e-9);
        // The windows that end behind the piece are left: five of one second beside ten.
        assert_eq!(call.piece().unwrap().end, 10.0);
        call.add_piece(Some(0.9), 10.0);
        assert!((of(&call) - 5.0 / 15.0).abs() < 1e-9);
        assert_eq!(call.last_piece().unwrap().start, 10.0);
        // What could not be judged leaves the windows as they are.
        call.add_piece(None, 5.0);
        assert!((of(&call) - 5.0 / 15.0).abs() < 1e-9);
        assert!(call.last_piece().is_none());
    }
}
