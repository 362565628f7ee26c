//! Engine families, one by one and against each human source.

use std::collections::BTreeMap;

use super::{Score, Scored, rounded};
use crate::training::metrics::Ranking;
use crate::training::protocol::{MIN_CLIPS, Protocol};

/// Figures of one engine family.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// The kind that most of its clips are of.
    pub kind: String,
    /// Its clips.
    pub clips: usize,
    /// EER against the human clips that the same models were tested on, the mean over folds where a protocol leaves
    /// families out; absent with fewer than 8 clips of either class.
    pub eer: Option<f64>,
    /// Share of its scores at or below the threshold.
    pub misses: f64,
}

/// EER of each family against each human source, both of 8 clips or more.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Grid {
    /// Names of the families, the largest mean first.
    pub families: Vec<String>,
    /// Names of the sources, the largest mean first.
    pub sources: Vec<String>,
    /// EER, shape `[families][sources]`; absent where the two were not scored.
    pub eer: Vec<Vec<Option<f64>>>,
    /// Mean of each family's row, shape `[families]`.
    pub mean: Vec<f64>,
}

/// Scores of one class by name.
type ByName<'a> = BTreeMap<&'a str, Vec<f64>>;

/// Scores of the synthetic clips by family, of the human ones by source.
fn divide<'a>(
    scored: &Scored<'a>,
    scores: impl Iterator<Item = Score>,
) -> (ByName<'a>, ByName<'a>) {
    let (mut families, mut sources) = (ByName::new(), ByName::new());
    for (index, score) in scores {
        let clip = &scored.clips[index];
        let (side, name) = if clip.is_ai() {
            (&mut families, clip.family.as_str())
        } else {
            (&mut sources, clip.source())
        };
        side.entry(name).or_default().push(score);
    }
    (families, sources)
}

/// EER of synthetic against human scores; absent with fewer than 8 of either.
fn eer(synthetic: &[f64], human: &[f64]) -> Option<f64> {
    if synthetic.len().min(human.len()) < MIN_CLIPS {
        return None;
    }
    let scores = [synthetic, human].concat();
    let is_ai: Vec<bool> = (0..scores.len()).map(|i| i < synthetic.len()).collect();
    Some(Ranking::new(&scores, &is_ai).eer(|_| 1.0))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The scores of each fold, or all of them as one: models of folds that leave families out are judged each on its own, as
/// the protocol's figure is.
fn parts(scored: &Scored, pooled: &[Score]) -> Vec<Vec<Score>> {
    match scored.protocol {
        Some(Protocol::LeaveFamilySourceOut | Protocol::Grouped) => {
            let folds = scored.folds.iter().zip(scored.scores);
            let part = |(fold, scores): (&super::Fold, &Vec<f64>)| {
                fold.test
                    .iter()
                    .copied()
                    .zip(scores.iter().copied())
                    .collect()
            };
            folds.map(part).collect()
        }
        _ => vec![pooled.to_vec()],
    }
}

/// Every family, the largest EER first, then those too small for one by name.
#[must_use]
pub fn all(scored: &Scored, pooled: &[Score]) -> Vec<Family> {
    let mut eers: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for part in parts(scored, pooled) {
        let (families, sources) = divide(scored, part.into_iter());
        let human: Vec<f64> = sources.into_values().flatten().collect();
        for (family, scores) in families {
            if let Some(eer) = eer(&scores, &human) {
                eers.entry(family).or_default().push(eer);
            }
        }
    }
    let mut kinds: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut tested: Vec<usize> = pooled.iter().map(|&(clip, _)| clip).collect();
    tested.sort_unstable();
    tested.dedup();
    for clip in tested
        .iter()
        .map(|&i| &scored.clips[i])
        .filter(|clip| clip.is_ai())
    {
        *kinds
            .entry(&clip.family)
            .or_default()
            .entry(&clip.kind)
            .or_default() += 1;
    }
    let (families, _) = divide(scored, pooled.iter().copied());
    let family = |(name, scores): (&str, Vec<f64>)| {
        let missed = scores
            .iter()
            .filter(|&&score| score <= scored.threshold)
            .count();
        let kinds = &kinds[name];
        let most = kinds.iter().max_by_key(|&(_, count)| count);
        Family {
            name: name.into(),
            kind: most.map_or("", |(kind, _)| kind).into(),
            clips: kinds.values().sum(),
            eer: eers.get(name).and_then(|values| mean(values)),
            misses: missed as f64 / scores.len() as f64,
        }
    };
    let mut families: Vec<Family> = families.into_iter().map(family).collect();
    // Those without an EER last; the order by name stays among equals.
    let key = |family: &Family| family.eer.unwrap_or(-1.0);
    families.sort_by(|a, b| key(b).total_cmp(&key(a)));
    families
}

impl Grid {
    /// Under the strict protocol from the one model that leaves both out; in grouped folds from all scores, since most
    /// pairs of a family and a source lie in different folds. None for protocols that leave no families out, and where no
    /// pair is large enough.
    #[must_use]
    pub fn new(scored: &Scored, pooled: &[Score]) -> Option<Self> {
        let parts = match scored.protocol? {
            Protocol::LeaveFamilySourceOut => parts(scored, pooled),
            Protocol::Grouped => vec![pooled.to_vec()],
            Protocol::Random | Protocol::LeaveCorpusOut | Protocol::GroupedCorpora => return None,
        };
        let mut cells: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for part in parts {
            let (families, sources) = divide(scored, part.into_iter());
            for (family, synthetic) in &families {
                for (source, human) in &sources {
                    if let Some(eer) = eer(synthetic, human) {
                        cells.entry((family, source)).or_default().push(eer);
                    }
                }
            }
        }
        let cells: BTreeMap<(&str, &str), f64> = cells
            .into_iter()
            .filter_map(|(pair, values)| Some((pair, mean(&values)?)))
            .collect();
        let families = by_mean(cells.iter().map(|(&(family, _), &eer)| (family, eer)));
        let sources = by_mean(cells.iter().map(|(&(_, source), &eer)| (source, eer)));
        let row = |&(family, _): &(&str, f64)| {
            let cell =
                |&(source, _): &(&str, f64)| cells.get(&(family, source)).copied().map(rounded);
            sources.iter().map(cell).collect()
        };
        (!cells.is_empty()).then(|| Self {
            eer: families.iter().map(row).collect(),
            mean: families.iter().map(|&(_, mean)| rounded(mean)).collect(),
            families: families.iter().map(|&(name, _)| name.into()).collect(),
            sources: sources.iter().map(|&(name, _)| name.into()).collect(),
        })
    }
}

/// Names with the mean of their values, the largest first.
fn by_mean<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Vec<(&'a str, f64)> {
    let mut of_name: ByName = BTreeMap::new();
    values.for_each(|(name, value)| of_name.entry(name).or_default().push(value));
    let mut means: Vec<_> = of_name
        .into_iter()
        .filter_map(|(name, values)| Some((name, mean(&values)?)))
        .collect();
    means.sort_by(|a, b| b.1.total_cmp(&a.1));
    means
}

#[cfg(test)]
mod tests {
    use super::super::{Fold, example};
    use super::*;
    use crate::training::manifest::{Clip, Label};

    /// Human clips of sources `a` and `b`, synthetic ones of families `f` and `g`, eight each, in this order.
    fn clips() -> Vec<Clip> {
        let clip = |i: usize| {
            let name = ["a", "b", "f", "g"][i / 8];
            if i < 16 {
                Clip {
                    corpus: name.into(),
                    ..Clip::new(format!("{i}.mp3"), Label::Human)
                }
            } else {
                Clip {
                    family: name.into(),
                    kind: "codec".into(),
                    ..Clip::new(format!("{i}.mp3"), Label::Ai)
                }
            }
        };
        (0..32).map(clip).collect()
    }

    fn fold(test: std::ops::Range<usize>, and: std::ops::Range<usize>) -> Fold {
        example::fold(0, &test.chain(and).collect::<Vec<_>>())
    }

    #[test]
    fn families_are_set_against_the_sources_of_all_folds() {
        let clips = clips();
        // `f` is tested with `a`, `g` with `b`.
        let folds = [fold(0..8, 16..24), fold(8..16, 24..32)];
        // Scores of `a` 0.2, of `b` 0.6 in six of eight clips, of `f` 0.5, of `g` 0.9.
        let b = [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.1, 0.1];
        let scores = [[[0.2; 8], [0.5; 8]].concat(), [b, [0.9; 8]].concat()];
        let scored = example::scored(&clips, &[], &folds, &scores);
        let pooled = scored.pooled();
        let families = all(&scored, &pooled);
        let found: Vec<_> = families
            .iter()
            .map(|f| (f.name.as_str(), f.clips, f.eer, f.misses))
            .collect();
        assert_eq!(found, [("f", 8, Some(0.0), 1.0), ("g", 8, Some(0.0), 0.0)]);
        assert_eq!(families[0].kind, "codec");

        let grid = Grid::new(&scored, &pooled).unwrap();
        assert_eq!(grid.families, ["f", "g"]);
        assert_eq!(grid.sources, ["b", "a"]);
        assert_eq!(grid.eer[0][1], Some(0.0));
        assert_eq!(grid.eer[1], [Some(0.0), Some(0.0)]);
        // The rates are closest where six of eight of `b` are false alarms and all of `f` is missed.
        assert_eq!(grid.eer[0][0], Some(0.875));
        assert_eq!(grid.mean, [0.4375, 0.0]);

        // Under the strict protocol a pair counts where one fold tests both.
        let strict = Scored {
            protocol: Some(Protocol::LeaveFamilySourceOut),
            ..scored
        };
        let grid = Grid::new(&strict, &pooled).unwrap();
        let place = |names: &[String], name: &str| names.iter().position(|n| n == name).unwrap();
        let (f, b) = (place(&grid.families, "f"), place(&grid.sources, "b"));
        assert_eq!(grid.eer[f][b], None);
        assert_eq!(grid.eer[f][1 - b], Some(0.0));

        let random = Scored {
            protocol: Some(Protocol::Random),
            ..scored
        };
        assert_eq!(Grid::new(&random, &pooled), None);
        // Of all scores together, six of sixteen human clips are above `f`.
        let eer = all(&random, &pooled)[0].eer.unwrap();
        assert!((eer - 0.1875).abs() < 1e-12, "{eer}");
    }

    #[test]
    fn small_families_have_no_error_rate() {
        let clips = example::clips();
        let folds = [example::fold(0, &[0, 1, 2, 3, 4, 5])];
        let scores = [vec![0.1, 0.1, 0.1, 0.9, 0.2, 0.9]];
        let scored = example::scored(&clips, &[], &folds, &scores);
        let pooled = scored.pooled();
        let found = all(&scored, &pooled);
        assert_eq!(
            (found[0].name.as_str(), found[0].eer, found[0].misses),
            ("f", None, 0.5)
        );
        assert_eq!(Grid::new(&scored, &pooled), None);
    }
}
