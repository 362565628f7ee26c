//! A multi-layer perceptron served as it was fitted: dense layers, rectified but for the last.

use wincode::{SchemaRead, SchemaWrite};

/// Most layers. With six, sums of `f32` weights and `f32` inputs stay finite in `f64` whatever the
/// numbers are: each layer of up to [`MOST_UNITS`] inputs multiplies the largest value by less than
/// 10^43.4, and 38.6 + 6 x 43.4 < 308.
const MOST_LAYERS: usize = 6;
/// Most inputs and outputs of a layer.
const MOST_UNITS: usize = 65_535;

/// One layer: `out[o] = bias[o] + sum_i in[i] * weights[i][o]`.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Layer {
    /// Weights, shape `[inputs][outputs]`, row after row, as scikit-learn's `coefs_`.
    pub weights: Vec<f32>,
    /// Bias of each unit, shape `[outputs]`.
    pub bias: Vec<f32>,
}

/// Layers with `max(0, x)` between them; the single output of the last is the log-odds of AI, as
/// that of scikit-learn's `MLPClassifier` before its logistic function.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct Mlp {
    /// Number of inputs of the first layer.
    features: u32,
    /// The layers, in the order of the data.
    layers: Vec<Layer>,
}

impl Mlp {
    /// Layers over `features` features. They are verified when the artifact is loaded.
    #[must_use]
    pub fn new(features: usize, layers: Vec<Layer>) -> Self {
        Self {
            features: features as u32,
            layers,
        }
    }

    /// The layers, in the order of the data.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers, for training.
    #[cfg(feature = "training")]
    pub(crate) fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.layers
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features as usize
    }

    /// Log-odds of AI of standardised values `x`, shape `[features]`, summed in `f64`. A value that
    /// is not finite counts as average: a feature that could not be computed should say nothing.
    #[must_use]
    pub fn score(&self, x: &[f32]) -> f64 {
        let known = |&x: &f32| if x.is_finite() { f64::from(x) } else { 0.0 };
        let mut inputs: Vec<f64> = x.iter().map(known).collect();
        let mut outputs = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            outputs.clear();
            outputs.extend(layer.bias.iter().map(|&bias| f64::from(bias)));
            let rows = layer.weights.chunks_exact(layer.bias.len());
            for (&input, row) in inputs.iter().zip(rows) {
                // About half of the rectified units are zero.
                if input != 0.0 {
                    let terms = outputs.iter_mut().zip(row);
                    terms.for_each(|(sum, &weight)| *sum += input * f64::from(weight));
                }
            }
            if number + 1 < self.layers.len() {
                outputs.iter_mut().for_each(|x| *x = x.max(0.0));
            }
            std::mem::swap(&mut inputs, &mut outputs);
        }
        inputs[0]
    }

    /// What could make scoring panic or mislead, if anything.
    pub(super) fn defect(&self) -> Option<String> {
        let mut inputs = self.features();
        if !(1..=MOST_LAYERS).contains(&self.layers.len()) {
            return Some(format!("{} layers", self.layers.len()));
        }
        for (number, layer) in self.layers.iter().enumerate() {
            let outputs = layer.bias.len();
            let sizes = [inputs, outputs];
            if sizes.iter().any(|size| !(1..=MOST_UNITS).contains(size))
                || layer.weights.len() != inputs * outputs
            {
                return Some(format!(
                    "layer {number} has {} weights for {inputs} inputs and {outputs} units",
                    layer.weights.len()
                ));
            }
            if !layer
                .weights
                .iter()
                .chain(&layer.bias)
                .all(|w| w.is_finite())
            {
                return Some(format!("a weight of layer {number} is not a finite number"));
            }
            inputs = outputs;
        }
        (inputs != 1).then(|| format!("the last layer has {inputs} units, not one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(weights: &[f32], bias: &[f32]) -> Layer {
        Layer {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
        }
    }

    /// Two inputs, two rectified units, one output.
    fn small() -> Mlp {
        let hidden = layer(&[1.0, -1.0, 2.0, 0.5], &[0.25, -0.5]);
        Mlp::new(2, vec![hidden, layer(&[3.0, -4.0], &[1.0])])
    }

    #[test]
    fn layers_are_summed_and_rectified() {
        // Units 1 + 2 * 2 + 0.25 = 5.25 and -1 + 0.5 * 2 - 0.5 < 0.
        assert_eq!(small().score(&[1.0, 2.0]), 1.0 + 3.0 * 5.25);
        // Units -4 - 2 + 0.25 < 0 and 4 - 0.5 - 0.5 = 3.
        assert_eq!(small().score(&[-4.0, -1.0]), 1.0 - 4.0 * 3.0);
        assert_eq!(
            small().score(&[f32::NAN, f32::INFINITY]),
            small().score(&[0.0, 0.0])
        );
        assert_eq!(small().defect(), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let wide = |inputs: usize, outputs: usize| {
            layer(&vec![f32::MAX; inputs * outputs], &vec![f32::MAX; outputs])
        };
        let layers = (0..MOST_LAYERS).map(|number| {
            let outputs = if number + 1 == MOST_LAYERS { 1 } else { 300 };
            wide(300, outputs)
        });
        let mlp = Mlp::new(300, layers.collect());
        assert_eq!(mlp.defect(), None);
        assert!(mlp.score(&[f32::MAX; 300]).is_finite());
    }

    #[test]
    fn defects_are_found() {
        let broken = |change: fn(&mut Mlp)| {
            let mut mlp = small();
            change(&mut mlp);
            mlp.defect()
        };
        assert!(broken(|m| m.features = 3).is_some(), "other inputs");
        assert!(broken(|m| m.features = 0).is_some(), "no inputs");
        assert!(broken(|m| m.layers.clear()).is_some(), "no layers");
        assert!(broken(|m| m.layers[0].bias.clear()).is_some(), "no units");
        assert!(broken(|m| m.layers.truncate(1)).is_some(), "two outputs");
        assert!(broken(|m| m.layers[1].weights.push(0.0)).is_some(), "size");
        assert!(broken(|m| m.layers[1].bias[0] = f32::NAN).is_some(), "NaN");
        assert!(broken(|m| m.layers[0].weights[3] = f32::INFINITY).is_some());
        let deep = |m: &mut Mlp| m.layers = vec![layer(&[1.0], &[0.0]); MOST_LAYERS + 1];
        assert!(broken(deep).is_some(), "too deep");
    }
}
