//! A gradient-boosted ensemble: the flat trees of [`Forest`], added up.

use wincode::{SchemaRead, SchemaWrite};

use super::forest::FINITE;
use super::{CompileError, Forest, TreeNode};

/// The score is a constant plus one leaf of every tree: the log-odds of AI, as scikit-learn's
/// `GradientBoostingClassifier.decision_function`.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Boosting {
    /// Log-odds of AI in the training set: the score before any tree.
    prior: f64,
    /// The trees; their leaves hold what they add, the learning rate included.
    trees: Forest,
}

impl Boosting {
    /// Compiles trees over `features` features, node 0 of each its root, whose leaves hold what they
    /// add to the score. Thresholds are rounded as in [`Forest::compile`], leaves to `f32`.
    ///
    /// # Errors
    /// [`CompileError`] if a tree is malformed, too large for 8-byte nodes, or has a leaf beyond `f32`.
    pub fn compile(
        prior: f64,
        features: usize,
        trees: &[Vec<TreeNode>],
    ) -> Result<Self, CompileError> {
        let trees = Forest::compile_within(features, trees, FINITE)?;
        Ok(Self { prior, trees })
    }

    /// Log-odds of AI of standardised values `x`, shape `[features]`. A value that is not a number
    /// goes right at every test.
    #[must_use]
    pub fn score(&self, x: &[f32]) -> f64 {
        self.prior + self.trees.sum(x)
    }

    /// The trees.
    #[must_use]
    pub fn trees(&self) -> &Forest {
        &self.trees
    }

    /// Number of features that the tests may refer to.
    #[must_use]
    pub fn features(&self) -> usize {
        self.trees.features()
    }

    /// What could make scoring panic, loop or mislead, if anything. Finite leaves of `f32` cannot
    /// add up to anything but a finite score.
    pub(super) fn defect(&self) -> Option<String> {
        if !self.prior.is_finite() {
            return Some("the prior is not a finite number".into());
        }
        self.trees.defect_within(&FINITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(low: f64, high: f64) -> Vec<TreeNode> {
        let test = TreeNode::Test {
            feature: 1,
            threshold: 0.5,
            left: 1,
            right: 2,
        };
        vec![test, TreeNode::Leaf(low), TreeNode::Leaf(high)]
    }

    #[test]
    fn leaves_are_added_to_the_prior() {
        let boosting = Boosting::compile(-1.0, 2, &[stump(-2.0, 4.0), stump(0.25, 0.5)]).unwrap();
        assert_eq!(boosting.score(&[9.0, 0.5]), -2.75);
        assert_eq!(boosting.score(&[9.0, 0.6]), 3.5);
        assert_eq!(boosting.score(&[9.0, f32::NAN]), 3.5);
        assert_eq!(boosting.defect(), None);
    }

    #[test]
    fn scores_that_are_not_finite_are_refused() {
        for leaf in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(Boosting::compile(0.0, 2, &[stump(leaf, 0.0)]).is_err());
        }
        for prior in [f64::NAN, f64::NEG_INFINITY] {
            let boosting = Boosting::compile(prior, 2, &[stump(0.0, 1.0)]).unwrap();
            assert!(boosting.defect().is_some());
        }
    }
}
