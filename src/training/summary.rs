//! From scores to figures: what a protocol found, in the whole, by kind of engine and by what was left out.

use std::collections::BTreeMap;

use super::THRESHOLD;
use super::channel::Chain;
use super::conditions::Through;
use super::control::Control;
use super::corpus::Corpus;
use super::figures::{Figures, Scored};
use super::manifest::Clip;
use super::metrics::{Interval, Ranking, calibration_error, mean_interval};
use super::protocol::{self, Fold, Protocol};

/// Figures of one protocol.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ProtocolReport {
    /// The protocol.
    pub protocol: Protocol,
    /// Models that were fitted.
    pub fits: usize,
    /// Wall time in seconds. The one figure that is not reproducible.
    pub seconds: f64,
    /// EER: of the pooled scores in random folds, else the mean over groups.
    pub eer: Interval,
    /// AUC, likewise.
    pub auc: Interval,
    /// Figures of the probabilities of all folds together.
    pub pooled: Pooled,
    /// By kind of engine: that kind's clips, or groups, against the same human clips.
    pub kinds: Vec<Part>,
    /// By family or corpus that was left out; empty in random folds.
    pub groups: Vec<Part>,
    /// What a classifier finds on the same folds that knows the file alone; absent where files were not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// What is drawn and listed of all folds together.
    pub figures: Figures,
    /// The same models and clips, these scored after a channel: figures of each channel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<Through>,
}

impl ProtocolReport {
    /// EER, AUC and their parts; what is measured otherwise is still to be filled in.
    fn new(
        protocol: Protocol,
        fits: usize,
        (eer, auc): (Interval, Interval),
        kinds: Vec<Part>,
        groups: Vec<Part>,
    ) -> Self {
        Self {
            protocol,
            fits,
            seconds: 0.0,
            eer,
            auc,
            pooled: Pooled::default(),
            kinds,
            groups,
            control: None,
            figures: Figures::default(),
            through: Vec::new(),
        }
    }
}

/// Figures of all folds' probabilities together: how they do at one threshold for every fold.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Pooled {
    /// Equal error rate.
    pub eer: f64,
    /// Expected calibration error, see [`calibration_error`].
    pub calibration_error: f64,
    /// Share of the synthetic clips found at 1 % false alarms.
    pub detection_at_1_percent: f64,
    /// Share of the synthetic clips found at 5 % false alarms.
    pub detection_at_5_percent: f64,
}

impl Pooled {
    fn new(clips: &[Clip], folds: &[Fold], scored: &[Vec<f64>]) -> Self {
        let scores = scored.concat();
        let tested = folds.iter().flat_map(|fold| &fold.test);
        let is_ai: Vec<bool> = tested.map(|&i| clips[i].is_ai()).collect();
        let ranking = Ranking::new(&scores, &is_ai);
        Self {
            eer: ranking.eer(|_| 1.0),
            calibration_error: calibration_error(&scores, &is_ai),
            detection_at_1_percent: ranking.detection_rate(0.01),
            detection_at_5_percent: ranking.detection_rate(0.05),
        }
    }
}

/// Figures of a part.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Part {
    /// Name of the kind, family or corpus.
    pub name: String,
    /// Kind of engine; empty where it is none's.
    pub kind: String,
    /// Synthetic clips in it.
    pub clips: usize,
    /// Equal error rate, 0.0..=1.0.
    pub eer: f64,
    /// Area under the ROC curve, 0.0..=1.0.
    pub auc: f64,
}

/// The protocol's own figures of one condition.
pub(super) fn sum_up(
    protocol: Protocol,
    clips: &[Clip],
    folds: &[Fold],
    scored: &[Vec<f64>],
    seed: u64,
) -> ProtocolReport {
    match protocol {
        Protocol::Random => pooled(clips, folds, scored, seed),
        Protocol::Grouped => by_family(clips, folds, scored, seed),
        Protocol::LeaveFamilySourceOut | Protocol::LeaveCorpusOut | Protocol::GroupedCorpora => {
            by_group(protocol, clips, folds, scored, seed)
        }
    }
}

/// The figures of scores, shape `[conditions][folds][clips tested]`: as recorded, then through each channel of the corpus.
pub(super) fn figures<R>(
    protocol: Protocol,
    corpus: &Corpus<R>,
    folds: &[Fold],
    by_condition: &[Vec<Vec<f64>>],
    seed: u64,
) -> ProtocolReport {
    let of = |scored: &[Vec<f64>], chains: &[Chain]| ProtocolReport {
        pooled: Pooled::new(&corpus.clips, folds, scored),
        figures: Figures::new(&Scored {
            protocol: Some(protocol),
            clips: &corpus.clips,
            recordings: &corpus.recordings,
            chains,
            folds,
            scores: scored,
            threshold: THRESHOLD,
            seed,
        }),
        ..sum_up(protocol, &corpus.clips, folds, scored, seed)
    };
    let mut report = of(&by_condition[0], &[]);
    let channels = corpus.copy_options.channel_names();
    for (place, (channel, scored)) in channels.zip(&by_condition[1..]).enumerate() {
        let chains = corpus.copy_options.chains(place, &corpus.clips);
        let through = Through::new(channel, of(scored, &chains));
        report.through.push(through);
    }
    report
}

/// Random folds: no clip was scored twice; the figures are of all scores together, the intervals
/// from resampling speakers and engine families.
fn pooled(clips: &[Clip], folds: &[Fold], scored: &[Vec<f64>], seed: u64) -> ProtocolReport {
    let indices = folds.iter().flat_map(|fold| fold.test.iter().copied());
    let mut by_clip: Vec<(usize, f64)> = indices.zip(scored.concat()).collect();
    by_clip.sort_by_key(|&(index, _)| index);
    let (tested, scores): (Vec<usize>, Vec<f64>) = by_clip.into_iter().unzip();
    let clusters = clusters(tested.iter().map(|&i| &clips[i]));
    let rates = ranking(clips, &tested, &scores).intervals(&clusters, seed);
    let kinds = kinds(tested.iter().map(|&i| &clips[i]))
        .into_iter()
        .map(|(kind, count)| {
            let (chosen, chosen_scores): (Vec<usize>, Vec<f64>) = tested
                .iter()
                .zip(&scores)
                .filter(|&(&i, _)| !clips[i].is_ai() || clips[i].kind == kind)
                .unzip();
            part(kind, kind, count, &ranking(clips, &chosen, &chosen_scores))
        })
        .collect();
    ProtocolReport::new(Protocol::Random, folds.len(), rates, kinds, Vec::new())
}

/// Numbers of what is resampled as one: the engine family of a synthetic clip, the speaker of a
/// human one.
pub(super) fn clusters<'a>(clips: impl Iterator<Item = &'a Clip>) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    clips
        .map(|clip| {
            let key = if clip.is_ai() {
                ("ai", clip.family.as_str())
            } else {
                protocol::speaker(clip).unwrap_or(("", ""))
            };
            let next = numbers.len();
            *numbers.entry(key).or_insert(next)
        })
        .collect()
}

/// Groups that were left out: figures of each fold, their mean for each group, and the mean over
/// groups with the interval from resampling groups.
fn by_group(
    protocol: Protocol,
    clips: &[Clip],
    folds: &[Fold],
    scored: &[Vec<f64>],
    seed: u64,
) -> ProtocolReport {
    let mut of_group: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for (fold, scores) in folds.iter().zip(scored) {
        let synthetic: Vec<&Clip> = fold
            .test
            .iter()
            .map(|&i| &clips[i])
            .filter(|clip| clip.is_ai())
            .collect();
        let kind = match protocol {
            Protocol::LeaveCorpusOut | Protocol::GroupedCorpora => "",
            _ => main_kind(synthetic.iter().copied()),
        };
        let ranking = ranking(clips, &fold.test, scores);
        of_group.entry(&fold.group).or_default().push(part(
            &fold.group,
            kind,
            synthetic.len(),
            &ranking,
        ));
    }
    let groups: Vec<Part> = of_group
        .into_values()
        .map(|parts| mean(&parts[0].name, &parts[0].kind, parts[0].clips, &parts))
        .collect();
    summary(protocol, folds.len(), groups, seed)
}

/// Grouped folds: each family against the human clips of its fold.
fn by_family(clips: &[Clip], folds: &[Fold], scored: &[Vec<f64>], seed: u64) -> ProtocolReport {
    let mut groups = Vec::new();
    for (fold, scores) in folds.iter().zip(scored) {
        let synthetic = fold.test.iter().map(|&i| &clips[i]);
        let families = protocol::counts(
            synthetic
                .filter(|clip| clip.is_ai())
                .map(|clip| clip.family.as_str()),
        );
        for (family, count) in families {
            if count < protocol::MIN_CLIPS {
                continue;
            }
            let pairs = fold.test.iter().zip(scores);
            let (chosen, scores): (Vec<usize>, Vec<f64>) = pairs
                .filter(|(i, _)| !clips[**i].is_ai() || clips[**i].family == family)
                .unzip();
            let kind = main_kind(chosen.iter().map(|&i| &clips[i]));
            let ranking = ranking(clips, &chosen, &scores);
            groups.push(part(family, kind, count, &ranking));
        }
    }
    groups.sort_by(|a: &Part, b| a.name.cmp(&b.name));
    summary(Protocol::Grouped, folds.len(), groups, seed)
}

/// The most frequent kind of the synthetic clips: a family may hold engines of several.
fn main_kind<'a>(clips: impl IntoIterator<Item = &'a Clip>) -> &'a str {
    let kinds = kinds(clips).into_iter();
    kinds
        .max_by_key(|&(_, count)| count)
        .map_or("", |(kind, _)| kind)
}

/// What is reported of the groups that were left out.
fn summary(protocol: Protocol, fits: usize, groups: Vec<Part>, seed: u64) -> ProtocolReport {
    let mut of_kind: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for group in groups.iter().filter(|group| !group.kind.is_empty()) {
        of_kind.entry(&group.kind).or_default().push(group.clone());
    }
    let kinds = of_kind
        .into_iter()
        .map(|(kind, parts)| {
            mean(
                kind,
                kind,
                parts.iter().map(|part| part.clips).sum(),
                &parts,
            )
        })
        .collect();
    let of = |figure: fn(&Part) -> f64| groups.iter().map(figure).collect::<Vec<_>>();
    let rates = (
        mean_interval(&of(|part| part.eer), seed),
        mean_interval(&of(|part| part.auc), seed),
    );
    ProtocolReport::new(protocol, fits, rates, kinds, groups)
}

/// Kinds of the synthetic clips among `clips`, with their numbers.
pub(super) fn kinds<'a>(clips: impl IntoIterator<Item = &'a Clip>) -> BTreeMap<&'a str, usize> {
    let mut kinds = BTreeMap::new();
    for clip in clips.into_iter().filter(|clip| clip.is_ai()) {
        *kinds.entry(clip.kind.as_str()).or_insert(0) += 1;
    }
    kinds
}

pub(super) fn ranking(clips: &[Clip], indices: &[usize], scores: &[f64]) -> Ranking {
    let is_ai: Vec<bool> = indices.iter().map(|&i| clips[i].is_ai()).collect();
    Ranking::new(scores, &is_ai)
}

pub(super) fn part(name: &str, kind: &str, clips: usize, ranking: &Ranking) -> Part {
    Part {
        name: name.into(),
        kind: kind.into(),
        clips,
        eer: ranking.eer(|_| 1.0),
        auc: ranking.auc(|_| 1.0),
    }
}

fn mean(name: &str, kind: &str, clips: usize, parts: &[Part]) -> Part {
    let of = |figure: fn(&Part) -> f64| parts.iter().map(figure).sum::<f64>() / parts.len() as f64;
    Part {
        name: name.into(),
        kind: kind.into(),
        clips,
        eer: of(|part| part.eer),
        auc: of(|part| part.auc),
    }
}
