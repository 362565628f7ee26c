//! A random forest compiled for serving: one flat array of 8-byte nodes.
//!
//! Each tree lies in the array in preorder, so the left child of node `i` is node `i + 1` (most
//! likely in the same cache line) and only the way to the right child has to be stored. Every
//! branch leads forward, which is also why no forest that passed [`Forest::defect`] can make
//! scoring loop or leave the array.
//!
//! [`super::Boosting`] adds such trees up instead of averaging them.

use std::ops::RangeInclusive;

use wincode::{SchemaRead, SchemaWrite};

/// What the leaves of a forest that votes may hold.
const PROPORTIONS: RangeInclusive<f32> = 0.0..=1.0;
/// What leaves that are added up may hold.
pub(super) const FINITE: RangeInclusive<f32> = f32::MIN..=f32::MAX;
/// In [`Node::feature`]: the node is a leaf.
const LEAF: u16 = u16::MAX;

/// One node: a test `x[feature] <= value`, or a leaf whose value is `value`.
#[derive(Debug, Clone, Copy, PartialEq, SchemaWrite, SchemaRead)]
#[repr(C)]
pub struct Node {
    /// Threshold of a test; P(AI) of a leaf, or what it adds to a boosted score.
    value: f32,
    /// Index of the tested feature, or [`LEAF`].
    feature: u16,
    /// Distance to the right child, in nodes; 0 in a leaf.
    right: u16,
}

/// Trees whose leaves hold class proportions; P(AI) is their mean, as in scikit-learn's
/// `RandomForestClassifier.predict_proba`.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Forest {
    /// Number of features that the tests may refer to.
    features: u32,
    /// Index of each tree's root in `nodes`, ascending from 0.
    roots: Vec<u32>,
    /// All nodes, tree after tree, each in preorder.
    nodes: Vec<Node>,
}

/// A tree as trainers hand it over: nodes refer to their children by index.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeNode {
    /// Go to `left` where `x[feature] <= threshold`, else to `right`.
    Test {
        /// Index of the feature.
        feature: usize,
        /// Threshold on the standardised value.
        threshold: f64,
        /// Index of the node for values up to the threshold.
        left: usize,
        /// Index of the node for larger values.
        right: usize,
    },
    /// Proportion of synthetic training samples in this leaf, 0.0..=1.0; what it adds to the score
    /// in a boosted ensemble.
    Leaf(f64),
}

/// Why trees could not be compiled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// A tree's right branch lies further away than a node can say; lower the depth.
    #[error(
        "a branch of tree {tree} is {distance} nodes long; at most {} fit",
        u16::MAX
    )]
    BranchTooLong {
        /// Index of the tree.
        tree: usize,
        /// Length of the branch, in nodes.
        distance: usize,
    },
    /// A tree refers to a node or feature that does not exist, or to one twice.
    #[error("tree {tree} is malformed: {defect}")]
    Malformed {
        /// Index of the tree.
        tree: usize,
        /// What is wrong with it.
        defect: String,
    },
}

impl Forest {
    /// Compiles trees over `features` features; node 0 of each is its root.
    ///
    /// Thresholds are rounded *down* to `f32`: for `f32` values, `x <= threshold` then holds for
    /// exactly the same `x` as before.
    ///
    /// # Errors
    /// [`CompileError`] if a tree is malformed or too large for 8-byte nodes.
    pub fn compile(features: usize, trees: &[Vec<TreeNode>]) -> Result<Self, CompileError> {
        Self::compile_within(features, trees, PROPORTIONS)
    }

    /// The same with leaves that hold values within `leaves`.
    pub(super) fn compile_within(
        features: usize,
        trees: &[Vec<TreeNode>],
        leaves: RangeInclusive<f32>,
    ) -> Result<Self, CompileError> {
        let mut forest = Self {
            features: features as u32,
            roots: Vec::new(),
            nodes: Vec::new(),
        };
        for (tree, source) in trees.iter().enumerate() {
            forest.roots.push(forest.nodes.len() as u32);
            forest.append(tree, source)?;
        }
        match forest.defect_within(&leaves) {
            Some(defect) => Err(CompileError::Malformed {
                tree: trees.len().saturating_sub(1),
                defect,
            }),
            None => Ok(forest),
        }
    }

    /// Appends one tree in preorder.
    fn append(&mut self, tree: usize, source: &[TreeNode]) -> Result<(), CompileError> {
        let malformed = |defect: &str| CompileError::Malformed {
            tree,
            defect: defect.into(),
        };
        let first = self.nodes.len();
        // Nodes still to be written, each with the test whose right child it is.
        let mut pending = vec![(0usize, None::<usize>)];
        while let Some((index, parent)) = pending.pop() {
            let here = self.nodes.len();
            if here - first >= source.len() {
                return Err(malformed("a node has two parents"));
            }
            if let Some(parent) = parent {
                let distance = here - parent;
                self.nodes[parent].right = u16::try_from(distance)
                    .map_err(|_| CompileError::BranchTooLong { tree, distance })?;
            }
            match *source
                .get(index)
                .ok_or_else(|| malformed("a child does not exist"))?
            {
                TreeNode::Leaf(value) => {
                    self.nodes.push(Node {
                        value: value as f32,
                        feature: LEAF,
                        right: 0,
                    });
                }
                TreeNode::Test {
                    feature,
                    threshold,
                    left,
                    right,
                } => {
                    let feature = u16::try_from(feature)
                        .map_err(|_| malformed("a feature index is too large"))?;
                    self.nodes.push(Node {
                        value: round_down(threshold),
                        feature,
                        right: 0,
                    });
                    pending.push((right, Some(here)));
                    pending.push((left, None));
                }
            }
        }
        Ok(())
    }

    /// Number of trees.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Number of nodes in all trees.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// P(AI) of standardised values `x`, shape `[features]`: the mean over the trees.
    #[must_use]
    pub fn probability(&self, x: &[f32]) -> f64 {
        self.sum(x) / self.roots.len() as f64
    }

    /// Sum over the trees of the leaves that `x`, shape `[features]`, falls into.
    pub(super) fn sum(&self, x: &[f32]) -> f64 {
        self.roots
            .iter()
            .map(|&root| f64::from(self.leaf(root as usize, x)))
            .sum()
    }

    /// Value of the leaf that `x` falls into, from the node at `index` on.
    #[inline]
    fn leaf(&self, mut index: usize, x: &[f32]) -> f32 {
        loop {
            let node = self.nodes[index];
            if node.feature == LEAF {
                return node.value;
            }
            index += if x[usize::from(node.feature)] <= node.value {
                1
            } else {
                usize::from(node.right)
            };
        }
    }

    /// What could make scoring panic, loop or leave 0.0..=1.0, if anything. One pass over the nodes.
    pub(super) fn defect(&self) -> Option<String> {
        self.defect_within(&PROPORTIONS)
    }

    /// The same for leaves that hold values within `leaves`.
    pub(super) fn defect_within(&self, leaves: &RangeInclusive<f32>) -> Option<String> {
        if self.features == 0 || self.features >= u32::from(LEAF) {
            return Some(format!("{} features", self.features));
        }
        if self.roots.first() != Some(&0) {
            return Some("no tree at the first node".into());
        }
        let ends = self
            .roots
            .iter()
            .skip(1)
            .map(|&root| root as usize)
            .chain([self.nodes.len()]);
        for (tree, (&root, end)) in self.roots.iter().zip(ends).enumerate() {
            let Some(nodes) = self
                .nodes
                .get(root as usize..end)
                .filter(|nodes| !nodes.is_empty())
            else {
                return Some(format!("tree {tree} is empty or outside of the nodes"));
            };
            if let Some(bad) = nodes
                .iter()
                .enumerate()
                .position(|(i, node)| !self.sound(node, nodes.len() - i, leaves))
            {
                return Some(format!("node {bad} of tree {tree} is not sound"));
            }
        }
        None
    }

    /// Whether a node, the first of the `left_over` nodes of its tree that are left, leads only
    /// forward, stays within its tree and refers to a feature that there is, and whether a leaf holds
    /// a value within `leaves`.
    fn sound(&self, node: &Node, left_over: usize, leaves: &RangeInclusive<f32>) -> bool {
        if node.feature == LEAF {
            leaves.contains(&node.value)
        } else {
            u32::from(node.feature) < self.features
                && !node.value.is_nan()
                && node.right >= 2
                && usize::from(node.right) < left_over
        }
    }

    /// Number of features that the tests may refer to.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features as usize
    }
}

/// The largest `f32` that is not above `x`.
fn round_down(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) > x {
        nearest.next_down()
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(threshold: f64, low: f64, high: f64) -> Vec<TreeNode> {
        vec![
            TreeNode::Test {
                feature: 1,
                threshold,
                left: 2,
                right: 1,
            },
            TreeNode::Leaf(high),
            TreeNode::Leaf(low),
        ]
    }

    #[test]
    fn thresholds_separate_the_same_f32_values_as_in_f64() {
        let below = 1.0f32;
        let above = below.next_up();
        let middle = f64::midpoint(f64::from(below), f64::from(above));
        let forest = Forest::compile(2, &[stump(middle, 0.0, 1.0)]).unwrap();
        assert_eq!(forest.probability(&[0.0, below]), 0.0);
        assert_eq!(forest.probability(&[0.0, above]), 1.0);
    }

    #[test]
    fn defects_are_found() {
        let good = Forest::compile(2, &[stump(0.0, 0.25, 0.75), stump(1.0, 0.0, 1.0)]).unwrap();
        let broken = |change: fn(&mut Forest)| {
            let mut forest = good.clone();
            change(&mut forest);
            forest.defect()
        };
        assert_eq!(good.defect(), None);
        assert!(broken(|f| f.features = 1).is_some(), "feature out of range");
        assert!(broken(|f| f.features = 0).is_some(), "no features");
        assert!(broken(|f| f.roots.clear()).is_some(), "no trees");
        assert!(broken(|f| f.roots[1] = 7).is_some(), "root outside");
        assert!(broken(|f| f.roots[1] = 0).is_some(), "empty tree");
        assert!(broken(|f| f.nodes[0].right = 0).is_some(), "loops");
        assert!(
            broken(|f| f.nodes[0].right = 1).is_some(),
            "both children are one"
        );
        assert!(
            broken(|f| f.nodes[0].right = 3).is_some(),
            "leads into the next tree"
        );
        assert!(
            broken(|f| f.nodes[0].value = f32::NAN).is_some(),
            "threshold is no number"
        );
        assert!(
            broken(|f| f.nodes[1].value = 1.5).is_some(),
            "no probability"
        );
        assert!(
            broken(|f| f.nodes[5].feature = 0).is_some(),
            "ends in a test"
        );
    }
}
