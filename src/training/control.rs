//! The control: what a classifier finds that hears no speech, only the channel.
//!
//! Regularised logistic regression on the set [`FeatureSet::Channel`] (bandwidths, duration, noise floor, level), fitted
//! and judged on the folds of the evaluation. As far as it is better than a coin, the corpus gives its classes away by
//! how they were recorded and stored, and figures of every other model may rest on that.

use super::TrainingError;
use super::copies::CopyOptions;
use super::corpus::Corpus;
use super::estimator::EstimatorSettings;
use super::evaluate::score_folds;
use super::logistic_fit::LogisticSettings;
use super::metrics::Interval;
use super::protocol::{Fold, Protocol};
use super::summary::sum_up;
use crate::features::FeatureSet;

/// What a figure of the control means, for readers of reports.
pub const MEANING: &str = "A classifier that knows eight figures of each file (bandwidth, duration, noise floor, level) and \
nothing of the speech, on the same folds. Near 50 % the classes cannot be told by the file's channel alone; as far as it \
is below, the corpus gives its classes away, and every other figure may rest on that in part.";

/// Figures of the control under one protocol.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Control {
    /// Clips whose files were measured; the others are left out.
    pub clips: usize,
    /// EER, as the protocol reports it.
    pub eer: Interval,
    /// AUC, likewise.
    pub auc: Interval,
}

/// The clips whose files were measured, with what is known of those files in place of features.
pub(super) struct ControlCorpus {
    /// Without copies.
    corpus: Corpus,
    /// Where each clip of the evaluation stands here, shape `[clips]`.
    place: Vec<Option<usize>>,
}

impl ControlCorpus {
    /// Of the clips of `corpus`; none unless files of both classes were measured.
    pub(super) fn new<R>(corpus: &Corpus<R>) -> Option<Self> {
        let mut control = Self {
            corpus: Corpus {
                features: FeatureSet::Channel,
                clips: Vec::new(),
                rows: Vec::new(),
                copies: Vec::new(),
                through: Vec::new(),
                recordings: Vec::new(),
                copy_options: CopyOptions::default(),
                held_out: Default::default(),
                left_out: Default::default(),
                packages: Default::default(),
                skipped: Vec::new(),
            },
            place: Vec::with_capacity(corpus.clips.len()),
        };
        let own = &mut control.corpus;
        for (clip, recording) in corpus.clips.iter().zip(&corpus.recordings) {
            let place = recording.channel.as_ref().map(|figures| {
                own.clips.push(clip.clone());
                own.rows.push(figures.clone());
                own.copies.push(Vec::new());
                own.clips.len() - 1
            });
            control.place.push(place);
        }
        let is_ai = own.is_ai();
        (is_ai.contains(&true) && is_ai.contains(&false)).then_some(control)
    }

    /// The control under one protocol, whose `folds` these are, clips as recorded; none where no fold is left of it.
    pub(super) fn judge(
        &self,
        protocol: Protocol,
        folds: &[Fold],
        seed: u64,
    ) -> Result<Option<Control>, TrainingError> {
        let (folds, own) = (self.folds(folds), &self.corpus);
        if folds.is_empty() {
            return Ok(None);
        }
        let estimator = EstimatorSettings::Logistic(LogisticSettings::default());
        let scores = score_folds(own, &folds, &[&own.rows], &estimator, &|_, _| {})?;
        let scored: Vec<Vec<f64>> = scores.into_iter().flatten().collect();
        let report = sum_up(protocol, &own.clips, &folds, &scored, seed);
        Ok(Some(Control {
            clips: own.clips.len(),
            eer: report.eer,
            auc: report.auc,
        }))
    }

    /// The folds of the evaluation without the clips that were not measured; those without both classes on either side
    /// are left out.
    fn folds(&self, folds: &[Fold]) -> Vec<Fold> {
        let own = |side: &[usize]| -> Vec<usize> {
            side.iter().filter_map(|&clip| self.place[clip]).collect()
        };
        let folds = folds.iter().map(|fold| Fold {
            group: fold.group.clone(),
            part: fold.part,
            train: own(&fold.train),
            test: own(&fold.test),
        });
        let both = |side: &[usize]| {
            [false, true].map(|ai| side.iter().any(|&i| self.corpus.clips[i].is_ai() == ai))
        };
        folds
            .filter(|fold| both(&fold.train) == [true; 2] && both(&fold.test) == [true; 2])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::example;
    use super::super::manifest::{Clip, Label};
    use super::super::recording::Recording;
    use super::*;

    #[test]
    fn clips_that_were_not_measured_are_left_out_of_the_folds() {
        let clips = example::clips();
        let measured = |i: usize| Recording {
            channel: (i != 1 && i != 4).then(|| vec![i as f64; 8]),
            mp3_bitrate: None,
        };
        let corpus = Corpus::<()> {
            features: FeatureSet::Classic,
            rows: vec![(); 6],
            copies: vec![vec![(), ()]; 6],
            through: Vec::new(),
            recordings: (0..6).map(measured).collect(),
            clips,
            copy_options: CopyOptions::default(),
            held_out: Default::default(),
            left_out: Default::default(),
            packages: Default::default(),
            skipped: Vec::new(),
        };
        let control = ControlCorpus::new(&corpus).unwrap();
        assert_eq!(
            control.corpus.rows,
            [0.0, 2.0, 3.0, 5.0].map(|x| vec![x; 8])
        );
        let fold = |train: &[usize], test: &[usize]| Fold {
            train: train.to_vec(),
            ..example::fold(0, test)
        };
        let folds = [
            fold(&[0, 1, 3, 4], &[2, 5]),
            // Without clip 4, no synthetic clip is left to learn from.
            fold(&[0, 4], &[2, 5]),
        ];
        assert_eq!(control.folds(&folds), [fold(&[0, 2], &[1, 3])]);

        let nothing = Corpus {
            recordings: vec![Recording::default(); 6],
            ..corpus
        };
        assert!(ControlCorpus::new(&nothing).is_none());
    }

    /// 96 clips of 12 families and 12 sources; `told` makes the files of both classes differ.
    fn figures_of_files(told: f64) -> Corpus<()> {
        let mut rng = super::super::rng::Rng::new(5, 0);
        let clip = |i: usize| {
            let (label, group) = (
                if i.is_multiple_of(2) {
                    Label::Human
                } else {
                    Label::Ai
                },
                i / 2 % 12,
            );
            Clip {
                corpus: format!("source{group}"),
                family: format!("family{group}"),
                kind: "codec".into(),
                ..Clip::new(format!("{i}.mp3"), label)
            }
        };
        let clips: Vec<Clip> = (0..192).map(clip).collect();
        let mut measured = |clip: &Clip| {
            let mut figures: Vec<f64> = (0..8).map(|_| rng.unit()).collect();
            figures[2] += if clip.is_ai() { told } else { 0.0 };
            Recording {
                channel: Some(figures),
                mp3_bitrate: None,
            }
        };
        Corpus {
            features: FeatureSet::Classic,
            rows: vec![(); 192],
            copies: vec![Vec::new(); 192],
            through: Vec::new(),
            recordings: clips.iter().map(&mut measured).collect(),
            clips,
            copy_options: CopyOptions::default(),
            held_out: Default::default(),
            left_out: Default::default(),
            packages: Default::default(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn the_control_finds_what_the_files_tell_and_nothing_else() {
        let eer = |told: f64| {
            let corpus = figures_of_files(told);
            let folds = Protocol::Grouped.folds(&corpus.clips, 42);
            let control = ControlCorpus::new(&corpus).unwrap();
            let found = control
                .judge(Protocol::Grouped, &folds, 42)
                .unwrap()
                .unwrap();
            assert_eq!(found.clips, 192);
            found.eer.value
        };
        assert_eq!(eer(1.5), 0.0, "bandwidths that do not overlap");
        let nothing = eer(0.0);
        assert!((0.35..0.65).contains(&nothing), "{nothing}");
    }
}
