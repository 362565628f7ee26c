//! How an artifact holds a network: weights in 8 bits with one scale for each channel out, everything else in `f32`.

use wincode::{SchemaRead, SchemaWrite};

use super::{Conv, Network};

/// Largest magnitude of a stored weight: the range is kept symmetric.
pub(super) const LARGEST: f32 = 127.0;

/// A [`Conv`] in 8 bits.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct StoredConv {
    /// As [`Conv::kernel`].
    pub kernel: [u8; 2],
    /// As [`Conv::stride`].
    pub stride: [u8; 2],
    /// As [`Conv::padding`].
    pub padding: [u8; 2],
    /// As [`Conv::inputs`].
    pub inputs: u16,
    /// As [`Conv::outputs`].
    pub outputs: u16,
    /// What the weights of each channel out are multiplied by, shape `[outputs]`.
    pub scales: Vec<f32>,
    /// Weights in units of their scale, shape as [`Conv::weights`].
    pub weights: Vec<i8>,
    /// As [`Conv::bias`].
    pub bias: Vec<f32>,
}

/// A [`Network`] in 8 bits.
#[derive(Debug, Clone, PartialEq, SchemaWrite, SchemaRead)]
pub struct StoredNetwork {
    /// As [`Network::bands`].
    pub bands: u16,
    /// As [`Network::window`].
    pub window: u16,
    /// As [`Network::scale`].
    pub scale: f32,
    /// The layers.
    pub layers: Vec<StoredConv>,
    /// As [`Network::head`].
    pub head: Vec<f32>,
    /// As [`Network::head_bias`].
    pub head_bias: f32,
}

/// `x.round() as i8`: a library's `round` cannot be done for several numbers at once, and a function starts faster without
/// 350,000 calls of it.
fn rounded(x: f32) -> i8 {
    let whole = x as i8;
    let rest = x - f32::from(whole);
    whole.saturating_add(i8::from(rest >= 0.5) - i8::from(rest <= -0.5))
}

impl StoredConv {
    /// Rounds the weights of a sound `conv`; those that were rounded before stay what they are.
    pub(super) fn new(conv: &Conv) -> Self {
        let outputs = usize::from(conv.outputs);
        let mut scales = vec![0.0_f32; outputs];
        for row in conv.weights.chunks_exact(outputs) {
            for (scale, w) in scales.iter_mut().zip(row) {
                *scale = scale.max(w.abs() / LARGEST);
            }
        }
        let mut weights = Vec::with_capacity(conv.weights.len());
        for row in conv.weights.chunks_exact(outputs) {
            let steps = row.iter().zip(&scales).map(|(w, scale)| {
                let steps = if *scale > 0.0 { w / scale } else { 0.0 };
                rounded(steps)
            });
            weights.extend(steps);
        }
        Self {
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.padding,
            inputs: conv.inputs,
            outputs: conv.outputs,
            scales,
            weights,
            bias: conv.bias.clone(),
        }
    }

    fn restore(&self) -> Result<Conv, String> {
        let outputs = usize::from(self.outputs);
        if outputs == 0 || self.scales.len() != outputs {
            return Err(format!(
                "it has {outputs} channels out and {} scales",
                self.scales.len()
            ));
        }
        let mut weights = Vec::with_capacity(self.weights.len());
        for row in self.weights.chunks(outputs) {
            let restored = row.iter().zip(&self.scales);
            weights.extend(restored.map(|(&w, scale)| f32::from(w) * scale));
        }
        Ok(Conv {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            inputs: self.inputs,
            outputs: self.outputs,
            weights,
            bias: self.bias.clone(),
        })
    }
}

impl StoredNetwork {
    /// Rounds the weights of `network` to 8 bits.
    ///
    /// # Errors
    /// What [`Network::defect`] says, if anything.
    pub fn new(network: &Network) -> Result<Self, String> {
        if let Some(defect) = network.defect() {
            return Err(defect);
        }
        Ok(Self {
            bands: network.bands,
            window: network.window,
            scale: network.scale,
            layers: network.layers.iter().map(StoredConv::new).collect(),
            head: network.head.clone(),
            head_bias: network.head_bias,
        })
    }

    /// The network with the rounded weights, known to be sound.
    ///
    /// # Errors
    /// What makes it unusable.
    pub fn restore(&self) -> Result<Network, String> {
        let mut layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let found = |defect| format!("layer {}: {defect}", index + 1);
            layers.push(layer.restore().map_err(found)?);
        }
        let network = Network {
            bands: self.bands,
            window: self.window,
            scale: self.scale,
            layers,
            head: self.head.clone(),
            head_bias: self.head_bias,
        };
        match network.defect() {
            Some(defect) => Err(defect),
            None => Ok(network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_the_library_rounds_them() {
        let halves = (-300..=300).map(|i| i as f32 * 0.5);
        let near = halves.flat_map(|x| [x.next_down(), x, x.next_up()]);
        let odd = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -0.0,
            1e-45,
            1e30,
        ];
        for x in near.chain(odd) {
            assert_eq!(rounded(x), x.round() as i8, "{x}");
        }
    }
}
