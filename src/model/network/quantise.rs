//! How an artifact holds a network: weights in 8 bits with one scale for each channel out, everything else in `f32`.

use wincode::{SchemaRead, SchemaWrite};

use super::{Conv, Filters, Finish, Network, Outline, Shape};

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
    /// As [`Conv::finish`]; of format version 4, behind the ensemble.
    #[wincode(skip)]
    pub finish: Finish,
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
    /// As [`Network::filters`]; of format version 4, behind the ensemble.
    #[wincode(skip)]
    pub filters: Option<Filters>,
}

/// What format version 4 has of a network behind the ensemble: its filters, and what follows each layer.
pub(crate) type NetworkTail = (Option<Filters>, Vec<Finish>);

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
        let rows = conv.weights.chunks_exact(outputs);
        let quantised = rows.flat_map(|row| row.iter().zip(&scales));
        let weights = quantised
            .map(|(w, scale)| {
                if *scale > 0.0 {
                    (w / scale).round() as i8
                } else {
                    0
                }
            })
            .collect();
        Self {
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.padding,
            inputs: conv.inputs,
            outputs: conv.outputs,
            scales,
            weights,
            bias: conv.bias.clone(),
            finish: conv.finish,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        let largest = self.scales.iter().map(|scale| scale * LARGEST);
        Shape {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            inputs: self.inputs,
            outputs: self.outputs,
            weights: self.weights.len(),
            biases: self.bias.len(),
            finite: largest.chain(self.bias.iter().copied()).all(f32::is_finite),
            finish: self.finish,
        }
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
            filters: network.filters.clone(),
        })
    }

    /// What makes it unusable, if anything: as [`Network::defect`], a scale that is missing, and a weight of -128, for which
    /// sums of whole numbers have no room.
    #[must_use]
    pub fn defect(&self) -> Option<String> {
        for (index, layer) in self.layers.iter().enumerate() {
            if layer.scales.len() != usize::from(layer.outputs) {
                return Some(format!(
                    "layer {}: it has {} channels out and {} scales",
                    index + 1,
                    layer.outputs,
                    layer.scales.len()
                ));
            }
        }
        let beyond = |layer: &StoredConv| layer.weights.contains(&i8::MIN);
        if let Some(index) = self.layers.iter().position(beyond) {
            return Some(format!(
                "layer {}: a weight of -128; -127 to 127 are accepted",
                index + 1
            ));
        }
        self.outline().defect()
    }

    pub(super) fn outline(&self) -> Outline<'_> {
        Outline {
            bands: self.bands,
            window: self.window,
            filters: self.filters.as_ref(),
            scale: self.scale,
            shapes: self.layers.iter().map(StoredConv::shape).collect(),
            head: &self.head,
            head_bias: self.head_bias,
        }
    }

    /// Channels of the last layer.
    pub(super) fn channels(&self) -> usize {
        self.layers
            .last()
            .map_or(0, |layer| usize::from(layer.outputs))
    }

    /// What version 3 of the format has no room for.
    pub(crate) fn tail(&self) -> NetworkTail {
        let finishes = self.layers.iter().map(|layer| layer.finish);
        (self.filters.clone(), finishes.collect())
    }

    /// Whether [`Self::tail`] says more than version 3 of the format takes for granted.
    pub(crate) fn needs_tail(&self) -> bool {
        self.filters.is_some() || !self.layers.iter().all(|layer| layer.finish.is_relu())
    }

    /// Takes back what [`Self::tail`] gave; whether it has as many layers as there are.
    pub(crate) fn take_tail(&mut self, (filters, finishes): NetworkTail) -> bool {
        self.filters = filters;
        let fits = finishes.len() == self.layers.len();
        for (layer, finish) in self.layers.iter_mut().zip(finishes) {
            layer.finish = finish;
        }
        fits
    }
}
