//! Fitting the gradient-boosted trees: scaler, then one tree a stage on what is still wrong.
//!
//! What is computed is scikit-learn 1.3's `GradientBoostingClassifier` for two classes, log loss and
//! no subsampling (Friedman, "Greedy function approximation: a gradient boosting machine", 2001):
//!
//! ```text
//! F = log(p / (1 - p)), p the share of synthetic samples
//! each stage:  r_i = y_i - 1 / (1 + exp(-F_i))
//!              a tree is grown on r; a split into L and R is worth
//!                  (n_R sum_L r - n_L sum_R r)^2 / (n_L n_R)         (`friedman_mse`)
//!              each leaf adds  rate * sum r / sum (y - r)(1 - y + r)   (one Newton step)
//! ```
//!
//! Splits are exact: midpoints between neighbouring values, compared in `f32`. Splits of equal worth,
//! which small nodes are full of, are drawn at random among the features there and here; so two fits
//! of scikit-learn with different seeds differ as much as one of them does from ours.
//!
//! Each feature is sorted once. A level of the tree is grown in one pass over each sorted feature,
//! with a running sum for every open node at once, features in parallel.

use rayon::prelude::*;

use super::TrainingError;
use super::rng::Rng;
use crate::model::{Boosting, Estimator, Pipeline, Scaler, TreeNode};

/// Values closer than this, in `f32`, are not told apart: scikit-learn's `FEATURE_THRESHOLD`.
const SAME_VALUE: f32 = 1e-7;
/// In [`Level::place`]: the row lies in a finished leaf.
const CLOSED: u32 = u32::MAX;
/// Features that one task of a level looks at, at least.
const FEATURES_PER_TASK: usize = 4;

/// Settings of the boosted trees.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct BoostingSettings {
    /// Number of stages, one tree each.
    pub stages: usize,
    /// What part of each tree's step is taken.
    pub learning_rate: f64,
    /// Most tests between a root and a leaf.
    pub max_depth: usize,
    /// Seed of the choice among splits of equal worth.
    pub seed: u64,
}

impl Default for BoostingSettings {
    /// The settings of the stack that voxproof replaces.
    fn default() -> Self {
        Self {
            stages: 150,
            learning_rate: 0.1,
            max_depth: 10,
            seed: 42,
        }
    }
}

impl std::fmt::Display for BoostingSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            f,
            "{} stages, learning rate {}, depth at most {}, log loss, friedman_mse, seed {}",
            self.stages, self.learning_rate, self.max_depth, self.seed
        )
    }
}

/// Fits scaler and trees to `rows`, shape `[n][features]`, with `is_ai`, shape `[n]`.
///
/// # Errors
/// [`TrainingError::Fit`] if a value is not finite, a class is missing, or a tree is too large for
/// the format.
pub fn fit(
    rows: &[&[f64]],
    is_ai: &[bool],
    settings: &BoostingSettings,
) -> Result<Pipeline, TrainingError> {
    let ai = is_ai.iter().filter(|&&ai| ai).count();
    if ai == 0 || ai == rows.len() {
        return Err(TrainingError::Fit("both classes are needed".into()));
    }
    let scaler = Scaler::fit(rows);
    let features = scaler.features();
    let mut columns = vec![Column::with_capacity(rows.len()); features];
    let mut standardised = Vec::new();
    for row in rows {
        scaler.transform(row, &mut standardised);
        for ((feature, column), &x) in columns.iter_mut().enumerate().zip(&standardised) {
            if !x.is_finite() {
                let problem = format!("feature {feature} is not finite in a sample");
                return Err(TrainingError::Fit(problem));
            }
            column.values.push(x);
        }
    }
    columns.par_iter_mut().for_each(Column::sort);

    let share = ai as f64 / rows.len() as f64;
    let prior = (share / (1.0 - share)).ln();
    let mut log_odds = vec![prior; rows.len()];
    let mut trees = Vec::with_capacity(settings.stages);
    for stage in 0..settings.stages {
        let residual: Vec<f64> = log_odds
            .iter()
            .zip(is_ai)
            .map(|(f, &ai)| f64::from(u8::from(ai)) - 1.0 / (1.0 + (-f).exp()))
            .collect();
        let mut tree = Tree::grow(&columns, &residual, settings, stage as u64);
        tree.newton_step(&residual, is_ai, settings.learning_rate);
        for (f, &leaf) in log_odds.iter_mut().zip(&tree.leaf_of) {
            if let TreeNode::Leaf(value) = tree.nodes[leaf as usize] {
                *f += value;
            }
        }
        trees.push(tree.nodes);
    }
    let boosting = Boosting::compile(prior, features, &trees)
        .map_err(|e| TrainingError::Fit(e.to_string()))?;
    Ok(Pipeline {
        bounds: None,
        scaler,
        estimator: Estimator::GradientBoosting(boosting),
        calibration: None,
    })
}

/// One feature of all rows.
#[derive(Debug, Clone)]
struct Column {
    /// Standardised values, shape `[n]`.
    values: Vec<f32>,
    /// Rows by ascending value, each with its value, shape `[n]`.
    sorted: Vec<(f32, u32)>,
}

impl Column {
    fn with_capacity(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            sorted: Vec::new(),
        }
    }

    fn sort(&mut self) {
        let rows = self.values.iter().zip(0u32..);
        self.sorted = rows.map(|(&value, row)| (value, row)).collect();
        self.sorted
            .sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
}

/// A node that may be split, and its rows' sums.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    /// Its index in the tree.
    node: usize,
    /// Number of its rows.
    count: f64,
    /// Sum of their residuals.
    sum: f64,
    /// Sum of the residuals' squares.
    squares: f64,
}

impl Open {
    fn add(&mut self, residual: f64) {
        self.count += 1.0;
        self.sum += residual;
        self.squares += residual * residual;
    }

    /// Whether nothing is left to split: one row, or residuals that are all the same.
    fn finished(&self) -> bool {
        let mean = self.sum / self.count;
        self.count < 2.0 || self.squares / self.count - mean * mean <= f64::EPSILON
    }
}

/// The best split of an open node.
#[derive(Debug, Clone, Copy)]
struct Split {
    worth: f64,
    /// Decides between features of equal worth: random, but the same for a seed.
    rank: u64,
    feature: usize,
    threshold: f64,
}

impl Split {
    /// Of two splits, the one to take, in whatever order they are found.
    fn better(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => {
                let order = a.worth.total_cmp(&b.worth).then(a.rank.cmp(&b.rank));
                Some(if order.is_lt() { b } else { a })
            }
            (a, b) => a.or(b),
        }
    }
}

/// The running sums of an open node while one feature is walked through.
#[derive(Debug, Clone, Copy)]
struct Walk {
    last: f32,
    count: f64,
    sum: f64,
    /// Best worth, and the values on either side of the cut.
    best: f64,
    below: f32,
    above: f32,
}

impl Walk {
    const START: Self = Self {
        last: 0.0,
        count: 0.0,
        sum: 0.0,
        best: f64::NEG_INFINITY,
        below: 0.0,
        above: 0.0,
    };

    /// Midpoint of the best cut. In `f64` it never falls on one of the two `f32` values.
    fn threshold(&self) -> f64 {
        f64::from(self.below) / 2.0 + f64::from(self.above) / 2.0
    }
}

/// One level of a tree while it is grown.
struct Level<'a> {
    columns: &'a [Column],
    residual: &'a [f64],
    open: Vec<Open>,
    /// Index in `open` of the node that each row lies in, or [`CLOSED`], shape `[n]`.
    place: Vec<u32>,
}

impl Level<'_> {
    /// Best split of each open node, shape `[open]`; `None` where all rows are alike.
    fn splits(&self, seed: u64) -> Vec<Option<Split>> {
        let none = || vec![None; self.open.len()];
        let merge = |mut a: Vec<Option<Split>>, b: Vec<Option<Split>>| {
            a.iter_mut()
                .zip(b)
                .for_each(|(a, b)| *a = Split::better(*a, b));
            a
        };
        let numbered = self.columns.par_iter().enumerate();
        numbered
            .with_min_len(FEATURES_PER_TASK)
            .fold(
                || (none(), Vec::new()),
                |(mut best, mut walks), (feature, column)| {
                    self.walk(column, &mut walks);
                    for ((best, walk), open) in best.iter_mut().zip(&walks).zip(&self.open) {
                        let split = (walk.best > f64::NEG_INFINITY).then(|| Split {
                            worth: walk.best,
                            rank: Rng::new(seed ^ open.node as u64, feature as u64).next_u64(),
                            feature,
                            threshold: walk.threshold(),
                        });
                        *best = Split::better(*best, split);
                    }
                    (best, walks)
                },
            )
            .map(|(best, _)| best)
            .reduce(none, merge)
    }

    /// Walks through the rows by ascending value of one feature; leaves in `walks`, shape `[open]`,
    /// the best cut of each open node.
    fn walk(&self, column: &Column, walks: &mut Vec<Walk>) {
        walks.clear();
        walks.resize(self.open.len(), Walk::START);
        for &(value, row) in &column.sorted {
            let place = self.place[row as usize];
            if place == CLOSED {
                continue;
            }
            let (walk, node) = (&mut walks[place as usize], &self.open[place as usize]);
            if walk.count > 0.0 && value > walk.last + SAME_VALUE {
                let (left, right) = (walk.count, node.count - walk.count);
                let difference = right * walk.sum - left * (node.sum - walk.sum);
                let worth = difference * difference / (left * right);
                if worth > walk.best {
                    (walk.best, walk.below, walk.above) = (worth, walk.last, value);
                }
            }
            walk.last = value;
            walk.count += 1.0;
            walk.sum += self.residual[row as usize];
        }
    }
}

/// A tree and where the training rows end in it.
struct Tree {
    nodes: Vec<TreeNode>,
    /// Index of each row's leaf, shape `[n]`.
    leaf_of: Vec<u32>,
}

impl Tree {
    /// Grows a tree on `residual`, shape `[n]`, level by level. Its leaves are still zero.
    fn grow(columns: &[Column], residual: &[f64], settings: &BoostingSettings, stage: u64) -> Self {
        let mut tree = Self {
            nodes: vec![TreeNode::Leaf(0.0)],
            leaf_of: vec![0; residual.len()],
        };
        let mut root = Open::default();
        residual.iter().for_each(|&r| root.add(r));
        let mut level = Level {
            columns,
            residual,
            open: vec![root],
            place: vec![0; residual.len()],
        };
        level.open.retain(|root| !root.finished());
        let seed = Rng::new(settings.seed, stage).next_u64();
        for _ in 0..settings.max_depth {
            if level.open.is_empty() {
                break;
            }
            let splits = level.splits(seed);
            tree.split(&mut level, &splits);
        }
        tree
    }

    /// Carries out the splits of a level and makes the next one of what can be split again.
    fn split(&mut self, level: &mut Level, splits: &[Option<Split>]) {
        let mut children: Vec<Open> = Vec::new();
        // Left child of each open node, as an index of `children`.
        let mut left_child = vec![CLOSED; splits.len()];
        for ((open, split), left) in level.open.iter().zip(splits).zip(&mut left_child) {
            if let Some(split) = split {
                *left = children.len() as u32;
                let node = self.nodes.len();
                for node in [node, node + 1] {
                    self.nodes.push(TreeNode::Leaf(0.0));
                    children.push(Open {
                        node,
                        ..Open::default()
                    });
                }
                self.nodes[open.node] = TreeNode::Test {
                    feature: split.feature,
                    threshold: split.threshold,
                    left: node,
                    right: node + 1,
                };
            }
        }
        for (row, place) in level.place.iter_mut().enumerate() {
            if *place == CLOSED {
                continue;
            }
            let at = *place as usize;
            *place = left_child[at];
            if let Some(split) = splits[at] {
                let value = level.columns[split.feature].values[row];
                *place += u32::from(f64::from(value) > split.threshold);
                let child = &mut children[*place as usize];
                child.add(level.residual[row]);
                self.leaf_of[row] = child.node as u32;
            }
        }
        let mut next = 0..;
        let place_of: Vec<u32> = children
            .iter()
            .map(|child| {
                let open = !child.finished();
                open.then(|| next.next()).flatten().unwrap_or(CLOSED)
            })
            .collect();
        for place in level.place.iter_mut().filter(|place| **place != CLOSED) {
            *place = place_of[*place as usize];
        }
        children.retain(|child| !child.finished());
        level.open = children;
    }

    /// Sets the leaves: `rate * sum r / sum (y - r)(1 - y + r)`, zero where the divisor vanishes.
    fn newton_step(&mut self, residual: &[f64], is_ai: &[bool], rate: f64) {
        let mut sums = vec![(0.0, 0.0); self.nodes.len()];
        for ((&leaf, &r), &ai) in self.leaf_of.iter().zip(residual).zip(is_ai) {
            let p = f64::from(u8::from(ai)) - r;
            let (numerator, denominator) = &mut sums[leaf as usize];
            *numerator += r;
            *denominator += p * (1.0 - p);
        }
        for (node, (numerator, denominator)) in self.nodes.iter_mut().zip(sums) {
            if let TreeNode::Leaf(value) = node {
                // scikit-learn's own limit.
                let vanishes = f64::abs(denominator) < 1e-150;
                *value = if vanishes {
                    0.0
                } else {
                    rate * numerator / denominator
                };
            }
        }
    }
}
