//! Equal error rate, area under the ROC curve, and bootstrap intervals of both.
//!
//! Scores are P(AI): larger means more synthetic. Every figure is computed from weighted counts, so
//! that a bootstrap replicate costs one pass over clips that were sorted once.

use super::rng::Rng;

/// A figure with its 95 % interval (percentile bootstrap).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The figure on the data as it is.
    pub value: f64,
    /// 2.5th percentile of the replicates.
    pub low: f64,
    /// 97.5th percentile of the replicates.
    pub high: f64,
}

/// Replicates behind every [`Interval`].
const REPLICATES: usize = 1000;

/// Scored clips of both classes, sorted by falling score.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Index of the clip, whether it is synthetic, and whether the next clip has another score.
    order: Vec<(usize, bool, bool)>,
}

impl Ranking {
    /// Ranks clips; `scores` and `is_ai` have shape `[clips]`.
    #[must_use]
    pub fn new(scores: &[f64], is_ai: &[bool]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let ends_group = |rank: usize| {
            order
                .get(rank + 1)
                .is_none_or(|&next| scores[next] != scores[order[rank]])
        };
        let order = order
            .iter()
            .enumerate()
            .map(|(rank, &i)| (i, is_ai[i], ends_group(rank)))
            .collect();
        Self { order }
    }

    /// Total weight of the human and of the synthetic clips.
    fn totals(&self, weight: &impl Fn(usize) -> f64) -> (f64, f64) {
        self.order
            .iter()
            .fold((0.0, 0.0), |(human, ai), &(clip, is_ai, _)| {
                if is_ai {
                    (human, ai + weight(clip))
                } else {
                    (human + weight(clip), ai)
                }
            })
    }

    /// Calls `visit` with the false alarm rate (human called synthetic) and the miss rate
    /// (synthetic called human) at every threshold that tells scores apart, from strict to lax, and
    /// with the number of clips that are called synthetic there.
    fn walk(&self, weight: impl Fn(usize) -> f64, mut visit: impl FnMut(usize, f64, f64)) {
        let (humans, ais) = self.totals(&weight);
        let (mut alarms, mut hits) = (0.0, 0.0);
        visit(0, 0.0, 1.0);
        for (rank, &(clip, is_ai, ends_group)) in self.order.iter().enumerate() {
            *(if is_ai { &mut hits } else { &mut alarms }) += weight(clip);
            if ends_group {
                visit(rank + 1, alarms / humans, 1.0 - hits / ais);
            }
        }
    }

    /// Equal error rate, 0.0..=1.0: the mean of false alarm and miss rate at the threshold where
    /// they are closest. `weight` gives each clip's weight; NaN if a class has none.
    #[must_use]
    pub fn eer(&self, weight: impl Fn(usize) -> f64) -> f64 {
        self.eer_point(weight).1
    }

    /// How many clips are called synthetic at the EER point, and the EER.
    fn eer_point(&self, weight: impl Fn(usize) -> f64) -> (usize, f64) {
        let mut best = (f64::INFINITY, (0, f64::NAN));
        self.walk(weight, |called, alarm, miss| {
            let distance = (alarm - miss).abs();
            if distance < best.0 {
                best = (distance, (called, f64::midpoint(alarm, miss)));
            }
        });
        best.1
    }

    /// The score at the EER point: halfway between the last clip that is called synthetic there and
    /// the first that is called human. `scores` are those that were ranked.
    #[must_use]
    pub fn eer_threshold(&self, scores: &[f64]) -> f64 {
        let (called, _) = self.eer_point(|_| 1.0);
        let at = |rank: usize| self.order.get(rank).map(|&(clip, ..)| scores[clip]);
        match (called.checked_sub(1).and_then(at), at(called)) {
            (Some(above), Some(below)) => f64::midpoint(above, below),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => f64::NAN,
        }
    }

    /// Share of the synthetic clips that are found where at most `false_alarms` of the human clips
    /// are called synthetic.
    #[must_use]
    pub fn detection_rate(&self, false_alarms: f64) -> f64 {
        let mut found: f64 = 0.0;
        self.walk(
            |_| 1.0,
            |_, alarm, miss| {
                if alarm <= false_alarms {
                    found = found.max(1.0 - miss);
                }
            },
        );
        found
    }

    /// Area under the ROC curve, 0.0..=1.0: the probability that a synthetic clip scores above a
    /// human one, ties counting half (trapezoidal rule). NaN if a class has no weight.
    #[must_use]
    pub fn auc(&self, weight: impl Fn(usize) -> f64) -> f64 {
        let (mut area, mut last) = (0.0, (0.0, 1.0));
        self.walk(weight, |_, alarm, miss| {
            area += (alarm - last.0) * (1.0 - f64::midpoint(miss, last.1));
            last = (alarm, miss);
        });
        area
    }

    /// EER and AUC with intervals from resampling `clusters` of clips with replacement, for each
    /// class on its own. `clusters` has shape `[clips]`: clips of one speaker, or of one engine
    /// family, are not independent of each other and share a number.
    #[must_use]
    pub fn intervals(&self, clusters: &[usize], seed: u64) -> (Interval, Interval) {
        let mut aucs = Vec::with_capacity(REPLICATES);
        let mut eers = Vec::with_capacity(REPLICATES);
        self.resample(clusters, seed, |weights| {
            eers.push(self.eer(|clip| weights[clip]));
            aucs.push(self.auc(|clip| weights[clip]));
        });
        (
            percentiles(self.eer(|_| 1.0), eers),
            percentiles(self.auc(|_| 1.0), aucs),
        )
    }

    /// The EER of [`Ranking::intervals`] alone.
    #[must_use]
    pub fn eer_interval(&self, clusters: &[usize], seed: u64) -> Interval {
        let mut eers = Vec::with_capacity(REPLICATES);
        self.resample(clusters, seed, |weights| {
            eers.push(self.eer(|clip| weights[clip]));
        });
        percentiles(self.eer(|_| 1.0), eers)
    }

    /// Calls `visit` with each replicate's weights, shape `[clips]`.
    fn resample(&self, clusters: &[usize], seed: u64, mut visit: impl FnMut(&[f64])) {
        let count = clusters.iter().max().map_or(0, |&last| last + 1);
        let mut members = [Vec::new(), Vec::new()];
        let mut seen = vec![[false; 2]; count];
        for &(clip, is_ai, _) in &self.order {
            let class = usize::from(is_ai);
            if !std::mem::replace(&mut seen[clusters[clip]][class], true) {
                members[class].push(clusters[clip]);
            }
        }
        for clusters in &mut members {
            clusters.sort_unstable();
        }
        let is_ai: Vec<bool> = {
            let mut flags = vec![false; clusters.len()];
            self.order
                .iter()
                .for_each(|&(clip, ai, _)| flags[clip] = ai);
            flags
        };
        let mut rng = Rng::new(seed, 0xb007);
        let mut drawn = vec![[0.0f64; 2]; count];
        let mut weights = vec![0.0; clusters.len()];
        for _ in 0..REPLICATES {
            drawn.fill([0.0; 2]);
            for (class, clusters) in members.iter().enumerate() {
                for _ in 0..clusters.len() {
                    drawn[clusters[rng.below(clusters.len())]][class] += 1.0;
                }
            }
            let pairs = clusters.iter().zip(&is_ai).zip(&mut weights);
            pairs.for_each(|((&cluster, &ai), weight)| *weight = drawn[cluster][usize::from(ai)]);
            visit(&weights);
        }
    }

    /// False alarm and miss rate at every threshold that tells scores apart, from strict to lax, shape `[thresholds][2]`.
    #[must_use]
    pub fn error_rates(&self) -> Vec<[f64; 2]> {
        let mut rates = Vec::with_capacity(self.order.len());
        self.walk(|_| 1.0, |_, alarm, miss| rates.push([alarm, miss]));
        rates
    }
}

/// Bins of [`calibration_error`].
pub(super) const CALIBRATION_BINS: usize = 10;

/// Expected calibration error, 0.0..=1.0: how far the mean probability and the share of synthetic
/// clips are apart in each of ten bins of probability, weighted by the bin's clips (Guo et al., "On
/// calibration of modern neural networks", 2017). Both classes weigh alike: a protocol tests human
/// clips far more often than synthetic ones, and says nothing on how frequent either is in the world.
#[must_use]
pub fn calibration_error(probabilities: &[f64], is_ai: &[bool]) -> f64 {
    let ais = is_ai.iter().filter(|&&ai| ai).count();
    let weights = [
        0.5 / (is_ai.len() - ais).max(1) as f64,
        0.5 / ais.max(1) as f64,
    ];
    // Weighted sum of probability minus label, bin by bin.
    let mut gaps = [0.0; CALIBRATION_BINS];
    for (&p, &ai) in probabilities.iter().zip(is_ai) {
        let bin = ((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        gaps[bin] += weights[usize::from(ai)] * (p - f64::from(u8::from(ai)));
    }
    gaps.iter().map(|gap: &f64| gap.abs()).sum()
}

/// Mean of `values` with the interval from resampling them with replacement.
#[must_use]
pub fn mean_interval(values: &[f64], seed: u64) -> Interval {
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) =
            values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    };
    let mut rng = Rng::new(seed, 0x3ea4);
    let replicate = |_| mean(&mut (0..values.len()).map(|_| values[rng.below(values.len())]));
    let replicates = (0..REPLICATES).map(replicate).collect();
    percentiles(mean(&mut values.iter().copied()), replicates)
}

fn percentiles(value: f64, mut replicates: Vec<f64>) -> Interval {
    replicates.retain(|replicate| replicate.is_finite());
    replicates.sort_by(f64::total_cmp);
    let at = |quantile: f64| {
        let index = (quantile * (replicates.len().saturating_sub(1)) as f64).round() as usize;
        replicates.get(index).copied().unwrap_or(f64::NAN)
    };
    Interval {
        value,
        low: at(0.025),
        high: at(0.975),
    }
}
