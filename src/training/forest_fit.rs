//! Fitting the random forest: scaler, then smartcore's trees, then the compiled [`Forest`].
//!
//! smartcore's `RandomForestClassifier` does not fit the purpose: it draws its bootstrap samples
//! within each class, keeps only the majority class of a leaf, and never considers a split between
//! neighbours of one class, so that `min_samples_leaf` hides good splits. Its
//! `RandomForestRegressor` on targets 0 and 1 does: the variance of such targets is `p (1 - p)`,
//! half the Gini impurity, so it chooses the splits that Gini would; it draws plain bootstrap
//! samples, and the mean in a leaf *is* the class proportion of the leaf's bootstrap samples, which
//! scikit-learn's `predict_proba` averages.
//!
//! What remains different from scikit-learn 1.3: `min_samples_split` and `min_samples_leaf` count
//! a sample as often as the bootstrap drew it (there: once), and features that are constant in a
//! node count among the candidates. `training/compare_sklearn.py` measures what that is worth.

use rayon::prelude::*;
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::TrainingError;
use crate::model::{Estimator, Forest, Pipeline, Scaler, TreeNode};

/// Settings of the forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ForestSettings {
    /// Number of trees.
    pub trees: usize,
    /// Most tests between a root and a leaf.
    pub max_depth: u16,
    /// Fewest samples in a node that is split.
    pub min_samples_split: usize,
    /// Fewest samples in a leaf.
    pub min_samples_leaf: usize,
    /// Seed of bootstrap samples and feature choice.
    pub seed: u64,
}

impl Default for ForestSettings {
    /// The settings of the stack that voxproof replaces.
    fn default() -> Self {
        Self {
            trees: 200,
            max_depth: 20,
            min_samples_split: 5,
            min_samples_leaf: 2,
            seed: 42,
        }
    }
}

impl std::fmt::Display for ForestSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self {
            trees,
            max_depth,
            min_samples_split,
            min_samples_leaf,
            seed,
        } = self;
        write!(
            f,
            "{trees} trees, depth at most {max_depth}, min_samples_split {min_samples_split}, \
             min_samples_leaf {min_samples_leaf}, max_features sqrt, bootstrap, Gini, seed {seed}"
        )
    }
}

/// Trees that are grown in one call of smartcore. The calls run in parallel; their number does not
/// depend on the machine, so neither do the trees.
const TREES_PER_CALL: usize = 25;

/// Fits scaler and forest to `rows`, shape `[n][features]`, with `is_ai`, shape `[n]`.
///
/// # Errors
/// [`TrainingError::Fit`] if smartcore refuses the data or a tree cannot be compiled.
pub fn fit(
    rows: &[&[f64]],
    is_ai: &[bool],
    settings: &ForestSettings,
) -> Result<Pipeline, TrainingError> {
    let scaler = Scaler::fit(rows);
    let features = scaler.features();
    let mut values = Vec::with_capacity(rows.len() * features);
    let mut standardised = Vec::new();
    for row in rows {
        scaler.transform(row, &mut standardised);
        values.extend_from_slice(&standardised);
    }
    let x = DenseMatrix::new(rows.len(), features, values, false)
        .map_err(|e| TrainingError::Fit(e.to_string()))?;
    let y: Vec<f64> = is_ai.iter().map(|&ai| f64::from(u8::from(ai))).collect();

    let calls = settings.trees.div_ceil(TREES_PER_CALL);
    let grown: Result<Vec<_>, TrainingError> = (0..calls)
        .into_par_iter()
        .map(|call| {
            let trees = TREES_PER_CALL.min(settings.trees - call * TREES_PER_CALL);
            grow(&x, &y, features, trees, settings, call)
        })
        .collect();
    let trees: Vec<_> = grown?.into_iter().flatten().collect();
    let forest =
        Forest::compile(features, &trees).map_err(|e| TrainingError::Fit(e.to_string()))?;
    Ok(Pipeline {
        bounds: None,
        scaler,
        estimator: Estimator::RandomForest(forest),
        calibration: None,
    })
}

/// What smartcore calls a level: the root alone is level 1, so a depth of 20 tests is level 21.
fn level(max_depth: u16) -> u16 {
    max_depth.saturating_add(1)
}

fn grow(
    x: &DenseMatrix<f32>,
    y: &Vec<f64>,
    features: usize,
    trees: usize,
    settings: &ForestSettings,
    call: usize,
) -> Result<Vec<Vec<TreeNode>>, TrainingError> {
    let parameters = RandomForestRegressorParameters {
        max_depth: Some(level(settings.max_depth)),
        min_samples_leaf: settings.min_samples_leaf,
        min_samples_split: settings.min_samples_split,
        n_trees: trees,
        m: Some(features.isqrt().max(1)),
        keep_samples: false,
        // smartcore seeds the bootstrap with this and tree i with this + i: calls must not overlap.
        seed: settings.seed.wrapping_add(1_000_003 * call as u64),
    };
    let forest = RandomForestRegressor::fit(x, y, parameters)
        .map_err(|e| TrainingError::Fit(e.to_string()))?;
    // The trees are private; their serialised form is the way to them.
    let text = serde_json::to_vec(&forest).map_err(|e| TrainingError::Fit(e.to_string()))?;
    let shape: Shape =
        serde_json::from_slice(&text).map_err(|e| TrainingError::Fit(e.to_string()))?;
    Ok(shape
        .forest_regressor
        .trees
        .into_iter()
        .map(Tree::nodes)
        .collect())
}

/// The part of a serialised forest of smartcore 0.7 that is needed.
#[derive(Deserialize)]
struct Shape {
    forest_regressor: Trees,
}

#[derive(Deserialize)]
struct Trees {
    trees: Vec<Tree>,
}

#[derive(Deserialize)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

impl Tree {
    fn nodes(self) -> Vec<TreeNode> {
        let node = |node: Node| match (node.split_value, node.true_child, node.false_child) {
            (Some(threshold), Some(left), Some(right)) => TreeNode::Test {
                feature: node.split_feature,
                threshold,
                left,
                right,
            },
            // A mean of zeros and ones; rounding may leave it a hair outside.
            _ => TreeNode::Leaf(node.output.clamp(0.0, 1.0)),
        };
        let mut nodes: Vec<TreeNode> = self.nodes.into_iter().map(node).collect();
        merge_equal_leaves(&mut nodes);
        nodes
    }
}

/// Turns tests whose outcome makes no difference into leaves: smartcore goes on splitting nodes
/// that are pure already, which triples the size of the trees. Changes no probability.
fn merge_equal_leaves(nodes: &mut [TreeNode]) {
    // Children stand after their parents, so from the back both are final when their parent's turn comes.
    for index in (0..nodes.len()).rev() {
        if let TreeNode::Test { left, right, .. } = nodes[index]
            && let (Some(TreeNode::Leaf(a)), Some(TreeNode::Leaf(b))) =
                (nodes.get(left), nodes.get(right))
            && a == b
        {
            nodes[index] = TreeNode::Leaf(*a);
        }
    }
}
