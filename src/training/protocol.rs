//! How the corpus is divided into what a model learns from and what it is judged on.

use std::collections::{BTreeMap, BTreeSet};

use super::TrainingError;
use super::estimator::group;
use super::manifest::Clip;
use super::rng::Rng;

/// A way to divide the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Five random folds, stratified by class: what the model does on more of the same.
    Random,
    /// One engine family and one fold of human sources are left out *together*: what it does on an
    /// engine and recordings that it has never heard. The headline figure.
    LeaveFamilySourceOut,
    /// One whole speech corpus is left out, both classes: unseen speakers and channel.
    LeaveCorpusOut,
    /// The same corpora in six sets of about equal size, and each judged by the model that leaves its whole set out: with
    /// fewer fits and less left to learn from, for models that take long to fit.
    GroupedCorpora,
    /// Engine families and human sources are divided into six sets of about equal size; one set of each is left out
    /// together. Judged family by family, as the strict protocol, with fewer fits and less left to learn from: for
    /// models that take long to fit.
    Grouped,
}

/// Folds of [`Protocol::Random`].
const RANDOM_FOLDS: usize = 5;
/// Folds of human sources in [`Protocol::LeaveFamilySourceOut`].
const SOURCE_FOLDS: usize = 4;
/// Sets of [`Protocol::Grouped`] and of [`Protocol::GroupedCorpora`].
const GROUPED_FOLDS: usize = 6;
/// Families and corpora with fewer clips (of each class that counts) are not judged on their own.
pub const MIN_CLIPS: usize = 8;

impl Protocol {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::Random,
        Self::LeaveFamilySourceOut,
        Self::LeaveCorpusOut,
        Self::GroupedCorpora,
        Self::Grouped,
    ];

    /// What is run unless asked otherwise of a model that is fitted in seconds.
    pub const QUICK: &'static [Self] = &[
        Self::Random,
        Self::LeaveFamilySourceOut,
        Self::LeaveCorpusOut,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::LeaveFamilySourceOut => "leave-family-source-out",
            Self::LeaveCorpusOut => "leave-corpus-out",
            Self::GroupedCorpora => "grouped-corpora",
            Self::Grouped => "grouped",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|protocol| protocol.name() == name)
    }

    /// The folds of `clips`. What is random in them depends on `seed` alone. Copies of human clips
    /// ([`Clip::is_copy`]) are never tested, and no [`Clip::split_group`] stands on both sides.
    #[must_use]
    pub fn folds(self, clips: &[Clip], seed: u64) -> Vec<Fold> {
        let mut folds = match self {
            Self::Random => random(clips, seed),
            Self::LeaveFamilySourceOut => leave_family_source_out(clips),
            Self::LeaveCorpusOut => leave_corpus_out(clips),
            Self::GroupedCorpora => grouped_corpora(clips),
            Self::Grouped => grouped(clips),
        };
        for fold in &mut folds {
            fold.test.retain(|&index| !clips[index].is_copy());
        }
        self.separate(&mut folds, |fold| fold.separate(clips, split_group));
        folds
    }

    /// Lets `take` take clips out of what each fold learns from, by what is tested: under [`Protocol::GroupedCorpora`] by
    /// all corpora of a set, so that one model serves them.
    fn separate(self, folds: &mut [Fold], take: impl Fn(&mut Fold)) {
        if self != Self::GroupedCorpora {
            folds.iter_mut().for_each(take);
            return;
        }
        for set in folds.chunk_by_mut(|a, b| a.part == b.part) {
            let mut whole = set[0].clone();
            whole.test = set.iter().flat_map(|fold| fold.test.clone()).collect();
            take(&mut whole);
            for fold in set {
                fold.train.clone_from(&whole.train);
            }
        }
    }

    /// As [`Protocol::folds`], with the clips of tested speakers, of either class, out of training if `disjoint_speakers`.
    ///
    /// # Errors
    /// [`TrainingError::NothingToLeaveOut`] if there is no fold.
    pub fn divide(
        self,
        clips: &[Clip],
        seed: u64,
        disjoint_speakers: bool,
    ) -> Result<Vec<Fold>, TrainingError> {
        let mut folds = self.folds(clips, seed);
        if folds.is_empty() {
            return Err(TrainingError::NothingToLeaveOut {
                protocol: self.name(),
            });
        }
        if disjoint_speakers {
            self.separate(&mut folds, |fold| fold.separate_speakers(clips));
        }
        Ok(folds)
    }
}

/// One division: indices of clips, ascending.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fold {
    /// What is left out: the family, the corpus, or `all` in random and grouped folds.
    pub group: String,
    /// Which of the divisions that leave this group out, or of the sets of corpora.
    pub part: usize,
    /// What the model learns from.
    pub train: Vec<usize>,
    /// What it is judged on.
    pub test: Vec<usize>,
}

impl Fold {
    /// Divides by `side`: `Some(true)` tests a clip, `Some(false)` trains on it, `None` does neither.
    fn divide(
        clips: &[Clip],
        group: &str,
        part: usize,
        side: impl Fn(usize, &Clip) -> Option<bool>,
    ) -> Self {
        let mut fold = Self {
            group: group.into(),
            part,
            train: Vec::new(),
            test: Vec::new(),
        };
        for (index, clip) in clips.iter().enumerate() {
            match side(index, clip) {
                Some(true) => fold.test.push(index),
                Some(false) => fold.train.push(index),
                None => {}
            }
        }
        fold
    }

    /// Takes out of training every clip, of either class, whose speaker is tested. The name of a
    /// split group also stands for the corpus or speaker of that name in rows without a group: a
    /// manifest with groups names persons of the manifests that have none.
    pub fn separate_speakers(&mut self, clips: &[Clip]) {
        let groups: BTreeSet<&str> = clips.iter().filter_map(split_group).collect();
        self.separate(clips, speaker);
        self.separate(clips, |clip| person(clip, &groups));
    }

    /// Takes out of training every clip that shares its key with a tested one.
    fn separate<'a, K: Ord>(&mut self, clips: &'a [Clip], key: impl Fn(&'a Clip) -> Option<K>) {
        let tested: BTreeSet<K> = self.test.iter().filter_map(|&i| key(&clips[i])).collect();
        self.train
            .retain(|&i| key(&clips[i]).is_none_or(|key| !tested.contains(&key)));
    }
}

/// The group that a row says it belongs to.
fn split_group(clip: &Clip) -> Option<&str> {
    Some(clip.split_group.as_str()).filter(|group| !group.is_empty())
}

/// The split group, or in rows without one the corpus or speaker that a group is named after.
fn person<'a>(clip: &'a Clip, groups: &BTreeSet<&str>) -> Option<&'a str> {
    let mut names = [clip.corpus.as_str(), clip.speaker.as_str()].into_iter();
    split_group(clip).or_else(|| names.find(|name| groups.contains(name)))
}

/// Who speaks, as far as is known. LibriSpeech, LibriTTS and MLS draw on the same readers and share
/// their ids; ids of other corpora mean nothing outside of them.
#[must_use]
pub fn speaker(clip: &Clip) -> Option<(&str, &str)> {
    let corpus = match clip.corpus.as_str() {
        "librispeech" | "libritts" | "mls" => "libri",
        _ => clip.source(),
    };
    (!clip.speaker.is_empty()).then_some((corpus, clip.speaker.as_str()))
}

/// Split groups go to a fold as a whole, the largest first; then each single clip goes to the fold
/// with the fewest of its class.
fn random(clips: &[Clip], seed: u64) -> Vec<Fold> {
    let mut rng = Rng::new(seed, 1);
    let mut part_of = vec![0; clips.len()];
    // Clips of each fold and class so far.
    let mut sizes = [[0usize; 2]; RANDOM_FOLDS];
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, clip) in clips.iter().enumerate() {
        if let Some(group) = split_group(clip) {
            groups.entry(group).or_default().push(index);
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    rng.shuffle(&mut groups);
    groups.sort_by_key(|members| std::cmp::Reverse(members.len()));
    for members in groups {
        let ais = members.iter().filter(|&&i| clips[i].is_ai()).count();
        let class = usize::from(2 * ais > members.len());
        let part = smallest(&sizes, class);
        for &index in &members {
            part_of[index] = part;
        }
        sizes[part][0] += members.len() - ais;
        sizes[part][1] += ais;
    }
    for class in [0, 1] {
        let mut singles: Vec<usize> = (0..clips.len())
            .filter(|&i| usize::from(clips[i].is_ai()) == class && split_group(&clips[i]).is_none())
            .collect();
        rng.shuffle(&mut singles);
        for index in singles {
            let part = smallest(&sizes, class);
            part_of[index] = part;
            sizes[part][class] += 1;
        }
    }
    (0..RANDOM_FOLDS)
        .map(|part| Fold::divide(clips, "all", part, |index, _| Some(part_of[index] == part)))
        .collect()
}

/// The fold with the fewest clips of a class.
fn smallest(sizes: &[[usize; 2]; RANDOM_FOLDS], class: usize) -> usize {
    (0..RANDOM_FOLDS)
        .min_by_key(|&part| sizes[part][class])
        .unwrap_or(0)
}

fn leave_family_source_out(clips: &[Clip]) -> Vec<Fold> {
    let families = counts(
        clips
            .iter()
            .filter(|clip| clip.is_ai() && !clip.is_copy())
            .map(|clip| clip.family.as_str()),
    );
    let sources = counts(clips.iter().filter(|clip| !clip.is_ai()).map(Clip::source));
    let source_folds = balanced(&sources, SOURCE_FOLDS);
    let mut folds = Vec::new();
    for (&family, _) in families.iter().filter(|(_, count)| **count >= MIN_CLIPS) {
        for (part, held) in source_folds.iter().enumerate() {
            folds.push(Fold::divide(clips, family, part, |_, clip| {
                Some(if clip.is_ai() {
                    clip.family == family
                } else {
                    held.contains(clip.source())
                })
            }));
        }
    }
    folds
}

fn leave_corpus_out(clips: &[Clip]) -> Vec<Fold> {
    judged_corpora(clips)
        .into_keys()
        .map(|corpus| Fold::divide(clips, corpus, 0, |_, clip| Some(clip.corpus == corpus)))
        .collect()
}

/// A fold for each corpus, those of a set one after the other; its part is the number of the set.
fn grouped_corpora(clips: &[Clip]) -> Vec<Fold> {
    let sets = balanced(&judged_corpora(clips), GROUPED_FOLDS);
    let mut folds = Vec::new();
    for (part, set) in sets.iter().enumerate() {
        folds.extend(set.iter().map(|&corpus| {
            Fold::divide(clips, corpus, part, |_, clip| {
                let name = clip.corpus.as_str();
                (name == corpus || !set.contains(name)).then_some(name == corpus)
            })
        }));
    }
    folds
}

/// Corpora that have enough clips of either class, and how many of both.
fn judged_corpora(clips: &[Clip]) -> BTreeMap<&str, usize> {
    let of_class = |ai: bool| {
        let class = clips
            .iter()
            .filter(move |clip| clip.is_ai() == ai && !clip.is_copy());
        counts(
            class
                .map(|clip| clip.corpus.as_str())
                .filter(|corpus| !matches!(*corpus, "unknown" | "own")),
        )
    };
    let ai = of_class(true);
    let both = of_class(false).into_iter().filter_map(|(corpus, human)| {
        let ai = *ai.get(corpus)?;
        (human.min(ai) >= MIN_CLIPS).then_some((corpus, human + ai))
    });
    both.collect()
}

fn grouped(clips: &[Clip]) -> Vec<Fold> {
    let groups = |ai: bool| {
        let class = clips
            .iter()
            .filter(move |clip| clip.is_ai() == ai && !clip.is_copy());
        balanced(&counts(class.map(group)), GROUPED_FOLDS)
    };
    let (sources, families) = (groups(false), groups(true));
    let folds = families.iter().zip(&sources).enumerate();
    let folds = folds.map(|(part, (families, sources))| {
        Fold::divide(clips, "all", part, |_, clip| {
            let held = if clip.is_ai() { families } else { sources };
            Some(held.contains(group(clip)))
        })
    });
    // With few families or sources there are sets without any.
    let both = |side: &[usize]| {
        [false, true].map(|ai| side.iter().any(|&i| clips[i].is_ai() == ai)) == [true; 2]
    };
    folds
        .filter(|fold| both(&fold.train) && both(&fold.test))
        .collect()
}

pub(super) fn counts<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

/// Names into `folds` sets of about equal size: the largest first, each into the smallest set.
pub(super) fn balanced<'a>(
    counts: &BTreeMap<&'a str, usize>,
    folds: usize,
) -> Vec<BTreeSet<&'a str>> {
    let mut by_size: Vec<_> = counts.iter().map(|(name, count)| (*name, *count)).collect();
    by_size.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let mut sets = vec![(0, BTreeSet::new()); folds];
    for (name, count) in by_size {
        let smallest = sets
            .iter_mut()
            .min_by_key(|(size, _)| *size)
            .expect("there is at least one fold");
        smallest.0 += count;
        smallest.1.insert(name);
    }
    sets.into_iter().map(|(_, names)| names).collect()
}
