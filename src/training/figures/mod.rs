//! Figures of the scores that test clips got in one protocol and condition, all folds together: what the report draws.
//!
//! A clip that several models scored counts once for each score: [`breakdown`] divides the scores by what is known of the
//! clips (`attribute`), [`det`] walks through all thresholds, [`reliability`] and [`distribution`] look at the probabilities, [`families`]
//! sets engines against sources, [`suspects`] names the clips that are most confidently wrong.

mod attribute;
pub mod breakdown;
pub mod det;
pub mod distribution;
pub mod families;
pub mod reliability;
pub mod suspects;

use super::channel::Chain;
use super::manifest::Clip;
use super::protocol::{Fold, Protocol};
use super::recording::Recording;
pub use breakdown::{Breakdown, Row};
pub use distribution::Distribution;
pub use families::{Family, Grid};
pub use reliability::Bin;
pub use suspects::Suspect;

/// Scores of the clips that folds tested in one condition, and what is known of those clips.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// How the folds were made; none for a model that judged every clip once.
    pub protocol: Option<Protocol>,
    /// All clips.
    pub clips: &'a [Clip],
    /// What is known of their files, shape `[clips]`.
    pub recordings: &'a [Recording],
    /// The steps of the channel that each clip passed before it was scored, shape `[clips]`; empty as recorded.
    pub chains: &'a [Chain],
    /// The folds.
    pub folds: &'a [Fold],
    /// P(AI), shape `[folds][clips tested]`.
    pub scores: &'a [Vec<f64>],
    /// P(AI) above which a clip is called synthetic.
    pub threshold: f64,
    /// Seed of the intervals.
    pub seed: u64,
}

/// One score: index of the clip, P(AI).
pub type Score = (usize, f64);

impl Scored<'_> {
    /// All scores, fold by fold.
    #[must_use]
    pub fn pooled(&self) -> Vec<Score> {
        let folds = self.folds.iter().zip(self.scores);
        let scores =
            folds.flat_map(|(fold, scores)| fold.test.iter().copied().zip(scores.iter().copied()));
        scores.collect()
    }
}

/// A rate to four decimals: what is only drawn need not fill the JSON report with digits.
fn rounded(rate: f64) -> f64 {
    (rate * 1e4).round() / 1e4
}

/// What the report says and draws of one protocol and condition.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Figures {
    /// False alarm and miss rate at thresholds from strict to lax, see [`det::points`], shape `[points][2]`.
    pub det: Vec<[f64; 2]>,
    /// The reliability diagram.
    pub reliability: Vec<Bin>,
    /// How the scores of both classes are spread.
    pub distribution: Distribution,
    /// By what is known of the clips.
    pub breakdowns: Vec<Breakdown>,
    /// By engine family, the most often missed first.
    pub families: Vec<Family>,
    /// Families against human sources; absent where the protocol leaves none out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// The clips that are most confidently wrong.
    pub suspects: Vec<Suspect>,
}

impl Figures {
    /// Computes all of them; breakdowns on all threads of the current rayon pool.
    #[must_use]
    pub fn new(scored: &Scored) -> Self {
        let pooled = scored.pooled();
        let (is_ai, scores): (Vec<bool>, Vec<f64>) = pooled
            .iter()
            .map(|&(clip, score)| (scored.clips[clip].is_ai(), score))
            .unzip();
        Self {
            det: det::points(&scores, &is_ai),
            reliability: reliability::bins(&scores, &is_ai),
            distribution: Distribution::new(&scores, &is_ai),
            breakdowns: breakdown::all(scored, &pooled),
            families: families::all(scored, &pooled),
            grid: Grid::new(scored, &pooled),
            suspects: suspects::most(scored, &pooled),
        }
    }
}

/// Six clips in two folds, for the tests of the figures: humans 0 to 2 of source `a`, `a`, `b`, synthetic 3 to 5 of the
/// families `f`, `f`, `g`.
#[cfg(test)]
pub(super) mod example {
    use super::*;
    use crate::training::manifest::Label;

    pub fn clips() -> Vec<Clip> {
        let human = |n: usize, corpus: &str, language: &str| Clip {
            corpus: corpus.into(),
            language: language.into(),
            speaker: format!("s{n}"),
            licence: "cc0".into(),
            ..Clip::new(format!("h{n}.mp3"), Label::Human)
        };
        let ai = |n: usize, family: &str, kind: &str| Clip {
            family: family.into(),
            engine: format!("{family}-engine"),
            kind: kind.into(),
            language: "en".into(),
            ..Clip::new(format!("a{n}.mp3"), Label::Ai)
        };
        vec![
            human(0, "a", "en"),
            human(1, "a", "hi"),
            human(2, "b", "en"),
            ai(3, "f", "neural-tts"),
            ai(4, "f", "neural-tts"),
            ai(5, "g", "codec"),
        ]
    }

    pub fn fold(part: usize, test: &[usize]) -> Fold {
        Fold {
            group: "all".into(),
            part,
            train: Vec::new(),
            test: test.to_vec(),
        }
    }

    /// As recorded, under the grouped protocol.
    pub fn scored<'a>(
        clips: &'a [Clip],
        recordings: &'a [Recording],
        folds: &'a [Fold],
        scores: &'a [Vec<f64>],
    ) -> Scored<'a> {
        Scored {
            protocol: Some(Protocol::Grouped),
            clips,
            recordings,
            chains: &[],
            folds,
            scores,
            threshold: 0.5,
            seed: 42,
        }
    }
}
