//! AdamW: Adam with the decay of the weights apart from the gradient (Loshchilov and Hutter, 2019).

/// Decay of the squares' average, and what is added to its root: PyTorch's defaults.
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Running averages of the gradient.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// Of the gradient, shape `[parameters]`.
    first: Vec<f32>,
    /// Of its squares, shape `[parameters]`.
    second: Vec<f32>,
}

impl AdamW {
    /// For so many parameters.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }

    /// One step against the gradient, shape `[parameters]`, the one of number `step` from 0. `decayed` says which parameters shrink by `rate * decay`.
    ///
    /// `beta1` may change from step to step; as in PyTorch, the correction of the first average then takes its current
    /// value to the power of the steps.
    pub fn step(
        &mut self,
        parameters: &mut [f32],
        gradient: &[f32],
        decayed: &[bool],
        decay: f64,
        Rate { rate, beta1 }: Rate,
        step: usize,
    ) {
        let steps = 1.0 + step as f64;
        let size = (rate / (1.0 - beta1.powf(steps))) as f32;
        let root = (1.0 - BETA2.powf(steps)).sqrt() as f32;
        let shrink = (1.0 - rate * decay) as f32;
        let (b1, b2, epsilon) = (beta1 as f32, BETA2 as f32, EPSILON as f32);
        let averages = self.first.iter_mut().zip(&mut self.second);
        let places = parameters
            .iter_mut()
            .zip(gradient)
            .zip(decayed)
            .zip(averages);
        for (((parameter, &g), &decayed), (first, second)) in places {
            *first = b1 * *first + (1.0 - b1) * g;
            *second = b2 * *second + (1.0 - b2) * g * g;
            if decayed {
                *parameter *= shrink;
            }
            *parameter -= size * *first / (second.sqrt() / root + epsilon);
        }
    }
}

/// Step size and decay of the gradient's average at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Step size.
    pub rate: f64,
    /// Decay of the gradient's average.
    pub beta1: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.AdamW([1., 2.], lr=.1, weight_decay=.05)` after gradients (1, -3) and (0.5, 2), the second parameter
    /// in a group without decay; torch 2.
    #[test]
    fn two_steps_are_pytorchs() {
        let mut adam = AdamW::new(2);
        let mut parameters = [1.0, 2.0];
        let rate = Rate {
            rate: 0.1,
            beta1: 0.9,
        };
        for (step, gradient) in [[1.0, -3.0], [0.5, 2.0]].iter().enumerate() {
            adam.step(&mut parameters, gradient, &[true, false], 0.05, rate, step);
        }
        for (a, b) in parameters.iter().zip(EXPECTED) {
            assert!((a - b).abs() < 2e-6, "{parameters:?}");
        }
    }
    const EXPECTED: [f32; 2] = [0.797_307_1, 2.114_452];
}
