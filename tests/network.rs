//! A network against a direct computation of its definition, and what it takes to be served.

use voxproof::analysis::{Analyser, Analysis, AnalysisScratch};
use voxproof::audio::Waveform;
use voxproof::features::{Extractor, FeatureError, FeatureSet, Scratch};
use voxproof::model::network::{Filters, Finish, RunScratch, Runner, StoredNetwork};
use voxproof::model::{
    ArtifactError, Calibration, Conv, Ensemble, Estimator, FeaturePart, Logistic, Model, Network,
    NetworkPart, Scaler, encode_ensemble,
};

const BANDS: usize = 128;

/// Numbers of a linear congruential generator.
struct Draws(u32);

impl Draws {
    /// In -1.0..1.0.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn up_to(&mut self, most: usize) -> usize {
        self.next();
        1 + (self.0 >> 8) as usize % most
    }

    fn many(&mut self, count: usize, gain: f32) -> Vec<f32> {
        (0..count).map(|_| gain * self.next()).collect()
    }

    fn conv(
        &mut self,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        io: [usize; 2],
    ) -> Conv {
        let fan = kernel[0] * kernel[1] * io[0];
        Conv {
            kernel: kernel.map(|k| k as u8),
            stride: stride.map(|s| s as u8),
            padding: padding.map(|p| p as u8),
            inputs: io[0] as u16,
            outputs: io[1] as u16,
            weights: self.many(fan * io[1], (3.0 / fan as f32).sqrt()),
            bias: self.many(io[1], 0.1),
            finish: Finish::RELU,
        }
    }

    /// Triangles over the bands, as mel filters are.
    fn filters(&mut self, count: usize) -> Filters {
        let mut weights = vec![0.0; count * BANDS];
        for (filter, weights) in weights.chunks_exact_mut(BANDS).enumerate() {
            let centre = (filter * 97) % BANDS;
            let width = self.up_to(9);
            for (band, weight) in weights.iter_mut().enumerate() {
                *weight = (1.0 - band.abs_diff(centre) as f32 / width as f32).max(0.0);
            }
        }
        Filters {
            weights,
            levels: self.many(count, 2.0),
        }
    }

    /// A leaky rectifier, at times with a floor, at times with blocks of up to `bands` bands.
    fn finish(&mut self, bands: usize) -> Finish {
        Finish {
            slope: [0.0, 0.2, 1.0][self.up_to(3) - 1],
            floor: [0.0, -0.4, -1e15][self.up_to(3) - 1],
            pool: [self.up_to(3) as u8, self.up_to(3.min(bands)) as u8],
        }
    }

    /// Any kernels, strides (beyond the kernel too), paddings, widths, rectifiers and blocks; with and without filters.
    fn network(&mut self) -> Network {
        let filters = (self.up_to(2) == 1).then(|| {
            let count = 20 + self.up_to(60);
            self.filters(count)
        });
        let (mut bands, mut inputs) = (filters.as_ref().map_or(BANDS, |f| f.levels.len()), 1);
        let mut layers = Vec::new();
        for layer in 0..self.up_to(3) {
            let kernel = [self.up_to(4), self.up_to(4)];
            // The first layer halves the bands at least, so that the last one can span what is left.
            let least = if layer == 0 { 2 } else { 1 };
            let stride = [self.up_to(2), self.up_to(5).max(least)];
            let padding = kernel.map(|k| self.up_to(k) - 1);
            let outputs = self.up_to(37);
            let mut conv = self.conv(kernel, stride, padding, [inputs, outputs]);
            bands = (bands + 2 * padding[1] - kernel[1]) / stride[1] + 1;
            if self.up_to(2) == 1 {
                let finish = self.finish(bands);
                bands /= usize::from(finish.pool[1]);
                conv.finish = finish;
            }
            layers.push(conv);
            inputs = outputs;
        }
        let outputs = self.up_to(50);
        let kernel = [self.up_to(3), bands.min(64)];
        // What is left of more than the longest kernel is stepped over.
        layers.push(self.conv(kernel, [1, 64], [0, 0], [inputs, outputs]));
        let mut network = Network {
            bands: BANDS as u16,
            window: 40 + self.up_to(30) as u16,
            filters,
            scale: 0.5,
            layers,
            head: self.many(2 * outputs, 1.0),
            head_bias: self.next(),
        };
        // As long as steps and blocks ask for.
        while network.defect().is_some() && network.window < 2_000 {
            network.window += 10;
        }
        network
    }
}

/// The network with its weights rounded to 8 bits, in `f32`.
fn rounded(network: &Network) -> Network {
    let stored = StoredNetwork::new(network).unwrap();
    let mut network = network.clone();
    for (conv, stored) in network.layers.iter_mut().zip(&stored.layers) {
        let steps = stored.weights.iter().zip(stored.scales.iter().cycle());
        conv.weights = steps.map(|(&w, scale)| f32::from(w) * scale).collect();
    }
    network
}

/// The definition of one layer, value by value; `[frames][bands][channels]`.
fn naive_conv(conv: &Conv, x: &[f64], shape: [usize; 2]) -> (Vec<f64>, [usize; 2]) {
    let (inputs, outputs) = (usize::from(conv.inputs), usize::from(conv.outputs));
    let kernel = conv.kernel.map(usize::from);
    let stride = conv.stride.map(usize::from);
    let padding = conv.padding.map(usize::from);
    let left: [usize; 2] =
        std::array::from_fn(|a| (shape[a] + 2 * padding[a] - kernel[a]) / stride[a] + 1);
    let mut out = Vec::new();
    for t in 0..left[0] {
        for b in 0..left[1] {
            for o in 0..outputs {
                let mut sum = f64::from(conv.bias[o]);
                for kt in 0..kernel[0] {
                    for kb in 0..kernel[1] {
                        let at = (t * stride[0] + kt).checked_sub(padding[0]);
                        let band = (b * stride[1] + kb).checked_sub(padding[1]);
                        let (Some(at), Some(band)) = (at, band) else {
                            continue;
                        };
                        if at >= shape[0] || band >= shape[1] {
                            continue;
                        }
                        for i in 0..inputs {
                            let w =
                                conv.weights[((kt * kernel[1] + kb) * inputs + i) * outputs + o];
                            sum += f64::from(w) * x[(at * shape[1] + band) * inputs + i];
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    let finish = conv.finish;
    for x in &mut out {
        let leak = if *x < 0.0 {
            f64::from(finish.slope)
        } else {
            1.0
        };
        *x = (*x * leak).max(f64::from(finish.floor));
    }
    let pool = finish.pool.map(usize::from);
    let pooled: [usize; 2] = std::array::from_fn(|a| left[a] / pool[a]);
    let mut most = Vec::new();
    for t in 0..pooled[0] {
        for b in 0..pooled[1] {
            for o in 0..outputs {
                let block = (0..pool[0] * pool[1]).map(|i| {
                    let (t, b) = (t * pool[0] + i / pool[1], b * pool[1] + i % pool[1]);
                    out[(t * left[1] + b) * outputs + o]
                });
                most.push(block.fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    (most, pooled)
}

/// Logarithms of the filters' powers, `[frames][filters]`; the bands themselves without filters.
fn filtered(network: &Network, frames: &[f32]) -> Vec<f64> {
    let Some(filters) = &network.filters else {
        return frames.iter().map(|&x| f64::from(x)).collect();
    };
    let of_frame = |frame: &[f32]| -> Vec<f64> {
        let power = |weights: &[f32]| -> f64 {
            let terms = weights.iter().zip(frame);
            terms
                .map(|(&w, &x)| f64::from(w) * f64::from(x).exp())
                .sum()
        };
        let of_filters = filters.weights.chunks(BANDS);
        of_filters
            .map(|weights| (power(weights) + 1e-9).ln())
            .collect()
    };
    frames.chunks(BANDS).flat_map(of_frame).collect()
}

/// Start and logit of each window.
fn naive(network: &Network, frames: &[f32]) -> Vec<(usize, f64)> {
    let count = frames.len() / BANDS;
    let bands = network.filters.as_ref().map_or(BANDS, |f| f.levels.len());
    let frames = filtered(network, frames);
    let window = usize::from(network.window);
    let length = count.max(window);
    let mean = |b: usize| (0..count).map(|t| frames[t * bands + b]).sum::<f64>() / count as f64;
    let means: Vec<f64> = (0..bands).map(mean).collect();
    let level = |b: usize| {
        let filters = network.filters.as_ref();
        filters.map_or(0.0, |filters| f64::from(filters.levels[b]))
    };
    let mut x: Vec<f64> = (0..length * bands)
        .map(|at| {
            let (t, b) = (at / bands % count, at % bands);
            (frames[t * bands + b] - means[b]) * f64::from(network.scale) + level(b)
        })
        .collect();
    let mut shape = [length, bands];
    let mut stride = 1;
    let mut of_window = window;
    for layer in &network.layers {
        (x, shape) = naive_conv(layer, &x, shape);
        let (kernel, step) = (usize::from(layer.kernel[0]), usize::from(layer.stride[0]));
        let block = usize::from(layer.finish.pool[0]);
        of_window = ((of_window + 2 * usize::from(layer.padding[0]) - kernel) / step + 1) / block;
        stride *= step * block;
    }
    assert_eq!(shape[1], 1);
    let channels = network.head.len() / 2;
    let spare = length - window;
    let steps = (spare as f64 / (window as f64 / 2.0)).ceil() as usize;
    (0..=steps)
        .map(|step| {
            let start = (spare * step).checked_div(steps).unwrap_or(0);
            let range = start / stride..start / stride + of_window;
            let n = range.len() as f64;
            let mut logit = f64::from(network.head_bias);
            for c in 0..channels {
                let track: Vec<f64> = range.clone().map(|t| x[t * channels + c]).collect();
                let mean = track.iter().sum::<f64>() / n;
                let variance = track.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
                logit += f64::from(network.head[c]) * mean
                    + f64::from(network.head[channels + c]) * (variance + 1e-4).sqrt();
            }
            (start, logit)
        })
        .collect()
}

#[test]
fn the_windows_are_those_of_the_definition() {
    let mut draws = Draws(3);
    let mut scratch = RunScratch::default();
    for case in 0..40 {
        let network = draws.network();
        assert_eq!(network.defect(), None, "case {case}");
        let network = rounded(&network);
        // From far below a window to several, never a round number of blocks.
        let count = draws.up_to(3 * usize::from(network.window));
        let frames = draws.many(count * BANDS, 3.0);
        let found = Runner::new(&network)
            .unwrap()
            .windows(&frames, &mut scratch);
        let expected = naive(&network, &frames);
        assert_eq!(found.len(), expected.len(), "case {case}");
        for (window, (start, logit)) in found.iter().zip(&expected) {
            assert_eq!(window.start, *start, "case {case}");
            assert_eq!(window.frames, usize::from(network.window).min(count));
            let off = (window.logit - logit).abs();
            assert!(
                off < 2e-4 * (1.0 + logit.abs()),
                "case {case}: {} is not {logit}",
                window.logit
            );
        }
    }
    let runner = Runner::new(&draws.network()).unwrap();
    assert!(runner.windows(&[], &mut scratch).is_empty());
}

/// Three layers that leave what the served shape leaves, small enough for tests.
fn served() -> Network {
    let mut draws = Draws(11);
    Network {
        bands: BANDS as u16,
        window: 256,
        filters: None,
        scale: 0.5,
        layers: vec![
            draws.conv([3, 3], [2, 4], [1, 1], [1, 16]),
            draws.conv([3, 3], [2, 4], [1, 1], [16, 24]),
            draws.conv([1, 8], [1, 1], [0, 0], [24, 32]),
        ],
        head: draws.many(64, 0.5),
        head_bias: 0.3,
    }
}

#[test]
fn eight_bits_change_logits_little() {
    let network = served();
    let rounded = rounded(&network);
    assert_ne!(network, rounded);
    let mut scratch = RunScratch::default();
    let frames = Draws(5).many(600 * BANDS, 3.0);
    let coarse = Runner::new(&rounded)
        .unwrap()
        .windows(&frames, &mut scratch);
    for ((_, exact), coarse) in naive(&network, &frames).iter().zip(&coarse) {
        let off = (exact - coarse.logit).abs();
        assert!(off < 0.05, "{exact} became {}", coarse.logit);
    }
    // A runner rounds weights that are not rounded yet, and no others.
    let unrounded = Runner::new(&network)
        .unwrap()
        .windows(&frames, &mut scratch);
    assert_eq!(unrounded, coarse);
}

#[test]
fn what_could_not_be_run_is_refused() {
    type Change = fn(&mut Network);
    let changes: [(Change, &str); 25] = [
        (
            |n| {
                n.layers[0].finish = Finish {
                    slope: 1.5,
                    ..Finish::RELU
                }
            },
            "layer 1: a slope of 1.5",
        ),
        (
            |n| {
                n.layers[0].finish = Finish {
                    floor: f32::NEG_INFINITY,
                    ..Finish::RELU
                }
            },
            "a floor of -inf",
        ),
        (
            |n| {
                n.layers[1].finish = Finish {
                    pool: [0, 1],
                    ..Finish::RELU
                }
            },
            "layer 2: blocks of 0 frames",
        ),
        (
            |n| {
                n.layers[2].finish = Finish {
                    pool: [1, 2],
                    ..Finish::RELU
                }
            },
            "layer 3: its kernel and blocks do not fit",
        ),
        (
            |n| {
                n.filters = Some(Filters {
                    weights: vec![0.1; 127],
                    levels: vec![0.0],
                })
            },
            "1 levels and 127 weights",
        ),
        (
            |n| {
                n.filters = Some(Filters {
                    weights: vec![-0.1; 128],
                    levels: vec![0.0],
                })
            },
            "a filter's weight of -0.1",
        ),
        (
            |n| {
                n.filters = Some(Filters {
                    weights: vec![0.1; 128],
                    levels: vec![f32::NAN],
                })
            },
            "a filter's level of NaN",
        ),
        (|n| n.bands = 64, "64 bands"),
        (|n| n.window = 0, "window of 0"),
        (|n| n.window = 2, "strides of 4 frames"),
        (|n| n.scale = f32::NAN, "scale"),
        (|n| n.scale = 2e6, "at most 1000000 are accepted"),
        (|n| n.layers.clear(), "0 layers"),
        (|n| n.layers[0].stride[0] = 0, "stride 0"),
        (|n| n.layers[1].kernel[1] = 0, "kernel 0"),
        (|n| n.layers[1].padding[0] = 3, "padding 3"),
        (
            |n| n.layers[1].inputs = 15,
            "layer 2: it has 15 channels in",
        ),
        (|n| n.layers[0].outputs = 0, "0 out"),
        (|n| n.layers[0].weights.truncate(9), "9 weights"),
        (|n| n.layers[2].bias[3] = f32::INFINITY, "layer 3: a weight"),
        (|n| n.layers[0].kernel[1] = 2, "weights"),
        (|n| n.layers[1].stride[1] = 2, "9 bands instead of 1"),
        (|n| n.head.truncate(63), "head has 63"),
        (|n| n.head_bias = f32::NAN, "the head sum up to NaN"),
        (
            |n| n.head[3] = -2e20,
            "the head sum up to 2e20; at most 1e20",
        ),
    ];
    for (change, named) in changes {
        let mut network = served();
        change(&mut network);
        let defect = network.defect().expect(named);
        assert!(defect.contains(named), "'{defect}' does not say '{named}'");
        assert_eq!(StoredNetwork::new(&network), Err(defect));
    }
    let mut heavy = served();
    let wide = Draws(1).conv([3, 3], [1, 1], [1, 1], [1, 2_048]);
    let deep = Draws(1).conv([3, 3], [1, 1], [1, 1], [2_048, 16]);
    heavy.layers.splice(0..0, [wide, deep]);
    heavy.layers[2] = Draws(1).conv([3, 3], [2, 4], [1, 1], [16, 16]);
    assert!(heavy.defect().unwrap().contains("multiplications a frame"));
}

#[test]
fn stored_weights_that_could_not_be_summed_are_refused() {
    let mut stored = StoredNetwork::new(&served()).unwrap();
    assert_eq!(stored.defect(), None);
    stored.layers[0].weights[0] = i8::MIN;
    assert!(stored.defect().unwrap().contains("a weight of -128"));
    assert!(Runner::of_stored(&stored).is_err());
    stored.layers[0].weights[0] = 0;
    stored.layers[0].scales.pop();
    assert!(stored.defect().unwrap().contains("scales"));
}

/// Layers that pool and leak behind a filter bank: what format version 4 is for.
fn filtered_network() -> Network {
    let mut draws = Draws(17);
    let mut network = Network {
        filters: Some(draws.filters(32)),
        layers: vec![
            draws.conv([3, 3], [1, 1], [0, 1], [1, 8]),
            draws.conv([3, 1], [1, 1], [0, 0], [8, 12]),
            draws.conv([1, 8], [1, 1], [0, 0], [12, 32]),
        ],
        ..served()
    };
    let leaky = Finish {
        slope: 0.2,
        floor: -0.4,
        pool: [2, 2],
    };
    network.layers[0].finish = leaky;
    network.layers[1].finish = leaky;
    network
}

#[test]
fn filters_and_what_follows_layers_come_back_from_an_artifact() {
    let plain = encode_ensemble(&ensemble(Some(1.0), None)).unwrap();
    assert_eq!(plain[8], 3);
    let mut whole = ensemble(Some(1.0), None);
    let network = filtered_network();
    whole.network = Some(NetworkPart::new(&network, 1.0).unwrap());
    let bytes = encode_ensemble(&whole).unwrap();
    assert_eq!(bytes[8], 4);
    let taken = NetworkPart::from_artifact(&bytes).unwrap().remove(0);
    assert_eq!(Some(&taken), whole.network.as_ref());
    let frames = Draws(5).many(600 * BANDS, 3.0);
    let windows = Runner::of_stored(&taken.network)
        .unwrap()
        .windows(&frames, &mut RunScratch::default());
    for (window, (start, logit)) in windows.iter().zip(naive(&rounded(&network), &frames)) {
        assert_eq!(window.start, start);
        assert!((window.logit - logit).abs() < 2e-4 * (1.0 + logit.abs()));
    }
    // Without its last layer it leaves four bands.
    let network = &mut whole.network.as_mut().unwrap().network;
    network.layers.pop();
    let shorter = encode_ensemble(&whole).unwrap();
    let refused = Model::from_bytes(&shorter).unwrap_err();
    assert!(matches!(refused, ArtifactError::Unsound(_)), "{refused}");
    // JSON without either is a network of ReLUs, as it was before there was anything else.
    let json = serde_json::to_value(served()).unwrap();
    assert!(json.get("filters").is_none() && json["layers"][0].get("finish").is_none());
    assert_eq!(serde_json::from_value::<Network>(json).unwrap(), served());
    let json = serde_json::to_value(filtered_network()).unwrap();
    assert_eq!(
        serde_json::from_value::<Network>(json).unwrap(),
        filtered_network()
    );
}

/// Convolutions over time alone: the first one's kernel spans all bands.
fn time_delay_network() -> Network {
    let mut draws = Draws(23);
    Network {
        layers: vec![
            draws.conv([5, BANDS], [1, 1], [2, 0], [1, 24]),
            draws.conv([3, 1], [2, 1], [1, 0], [24, 20]),
            draws.conv([3, 1], [2, 1], [1, 0], [20, 32]),
        ],
        ..served()
    }
}

#[test]
fn a_kernel_over_all_bands_is_that_of_the_definition() {
    let network = rounded(&time_delay_network());
    assert_eq!(network.defect(), None);
    let frames = Draws(6).many(700 * BANDS, 3.0);
    let found = Runner::new(&network)
        .unwrap()
        .windows(&frames, &mut RunScratch::default());
    let expected = naive(&network, &frames);
    assert_eq!(found.len(), expected.len());
    for (window, (start, logit)) in found.iter().zip(expected) {
        assert_eq!(window.start, start);
        assert!((window.logit - logit).abs() < 2e-4 * (1.0 + logit.abs()));
    }
}

#[test]
fn networks_beside_each_other_add_up_and_come_back_from_an_artifact() {
    let clip = waveform(7.0, 0.0);
    let alone = |network: &Network| {
        let mut whole = ensemble(Some(1.0), None);
        whole.network = Some(NetworkPart::new(network, 1.0).unwrap());
        judge(&whole, &clip, false)
    };
    let networks = [filtered_network(), time_delay_network()];
    let mut both = ensemble(Some(1.0), Some(0.4));
    both.network = Some(NetworkPart::new(&networks[0], 0.6).unwrap());
    both.further = vec![NetworkPart::new(&networks[1], 0.3).unwrap()];
    let bytes = encode_ensemble(&both).unwrap();
    assert_eq!(bytes[8], 5);
    let parts = NetworkPart::from_artifact(&bytes).unwrap();
    assert_eq!(
        parts[..1],
        both.network.clone().into_iter().collect::<Vec<_>>()
    );
    assert_eq!(parts[1..], both.further);
    let loaded = Model::from_bytes(&bytes).unwrap();
    assert_eq!(loaded.info().estimator, "networks + logistic");
    assert_eq!(loaded.info().features, "bands + dynamic");

    // Each alone carries the offset once, and so does the sum; the windows are the same.
    let found = judge(&both, &clip, false);
    let parts = [alone(&networks[0]), alone(&networks[1])];
    let features = log_odds(judge(&ensemble(None, Some(1.0)), &clip, false).ai_probability);
    for (index, segment) in found.segments.iter().enumerate() {
        let [first, second] = [0, 1].map(|part: usize| &parts[part].segments[index]);
        assert_eq!((segment.start, segment.end), (first.start, first.end));
        assert_eq!((segment.start, segment.end), (second.start, second.end));
        let [first, second] = [first, second].map(|s| log_odds(s.ai_probability) + 0.4);
        let expected = 0.6 * first + 0.3 * second + 0.4 * (features + 0.4) - 0.4;
        assert!((log_odds(segment.ai_probability) - expected).abs() < 1e-3);
    }

    type Change = fn(&mut Ensemble);
    let changes: [(Change, &str); 5] = [
        (
            |e| e.further[0].network.window = 128,
            "windows of 256 and of 128 frames",
        ),
        (|e| e.further[0].weight = -1.0, "weight -1"),
        (|e| e.further = vec![e.further[0].clone(); 8], "9 networks"),
        (|e| e.network = None, "as many layers"),
        (
            |e| {
                e.further[0].network.layers.pop();
            },
            "head has 64 weights",
        ),
    ];
    for (change, named) in changes {
        let mut bad = both.clone();
        change(&mut bad);
        let error = model(&bad).unwrap_err().to_string();
        assert!(error.contains(named), "'{error}' does not say '{named}'");
    }
    let mut damaged = bytes.clone();
    for at in (0..bytes.len()).step_by(211) {
        damaged[at] ^= 0x10;
        assert!(Model::from_bytes(&damaged).is_err(), "byte {at}");
        damaged[at] ^= 0x10;
    }
}

/// A model of both parts, or of one.
fn ensemble(network: Option<f64>, features: Option<f64>) -> Ensemble {
    let count = FeatureSet::Dynamic.names().len();
    Ensemble {
        name: "tiny".into(),
        version: "3".into(),
        training_data: "none".into(),
        settings: "by hand".into(),
        threshold: 0.5,
        network: network.map(|weight| NetworkPart::new(&served(), weight).unwrap()),
        features: features.map(|weight| FeaturePart {
            features: "dynamic".into(),
            bounds: None,
            scaler: Scaler {
                mean: vec![0.0; count],
                scale: vec![100.0; count],
            },
            estimator: Estimator::Logistic(Logistic {
                weights: (0..count).map(|i| (i % 7) as f64 * 0.01 - 0.03).collect(),
                bias: 0.2,
            }),
            calibration: None,
            weight,
        }),
        calibration: Calibration {
            slope: 0.7,
            offset: -0.4,
        },
        further: Vec::new(),
    }
}

fn model(ensemble: &Ensemble) -> Result<Model, ArtifactError> {
    Model::from_bytes(&encode_ensemble(ensemble).unwrap())
}

/// Gated noise and a tone: speech as far as trimming goes, `silence` seconds of nothing before it.
fn waveform(seconds: f64, silence: f64) -> Waveform {
    let mut draws = Draws(9);
    let length = (seconds * 22_050.0) as usize;
    let quiet = (silence * 22_050.0) as usize;
    let sound = |n: usize| {
        let gate = if n % 6_000 < 4_000 { 0.3 } else { 0.02 };
        gate * (0.5 * draws.next() + 0.5 * (n as f32 * 0.1).sin())
    };
    let mut samples = vec![0.0; quiet];
    samples.extend((0..length).map(sound));
    Waveform::new(samples)
}

fn judge(ensemble: &Ensemble, waveform: &Waveform, stretches: bool) -> Analysis {
    Analyser::new(model(ensemble).unwrap())
        .judge(waveform, stretches, &mut AnalysisScratch::default())
        .unwrap()
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

#[test]
fn an_artifact_says_what_it_holds_and_damage_is_refused() {
    let both = ensemble(Some(0.6), Some(0.4));
    let bytes = encode_ensemble(&both).unwrap();
    let loaded = Model::from_bytes(&bytes).unwrap();
    assert_eq!(loaded.info().estimator, "network + logistic");
    assert_eq!(loaded.info().features, "bands + dynamic");
    assert_eq!(loaded.feature_set(), Some(FeatureSet::Dynamic));
    assert_eq!(
        model(&ensemble(Some(1.0), None)).unwrap().info().estimator,
        "network"
    );
    assert_eq!(
        model(&ensemble(None, Some(1.0))).unwrap().info().features,
        "dynamic"
    );
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Model::from_bytes(&damaged).is_err(), "byte {at}");
        assert!(Model::from_bytes(&bytes[..at]).is_err(), "{at} bytes");
    }

    type Change = fn(&mut Ensemble);
    let changes: [(Change, &str); 7] = [
        (|e| (e.network, e.features) = (None, None), "neither"),
        (|e| e.network.as_mut().unwrap().weight = 0.0, "weight 0"),
        (
            |e| e.features.as_mut().unwrap().weight = f64::NAN,
            "weight NaN",
        ),
        (|e| e.calibration.slope = -1.0, "calibration"),
        (|e| e.threshold = 1.5, "threshold"),
        (
            |e| {
                e.network.as_mut().unwrap().network.layers[0].weights.pop();
            },
            "layer 1",
        ),
        (
            |e| {
                e.network.as_mut().unwrap().network.layers[1].scales.pop();
            },
            "23 scales",
        ),
    ];
    for (change, named) in changes {
        let mut bad = both.clone();
        change(&mut bad);
        let error = model(&bad).unwrap_err().to_string();
        assert!(error.contains(named), "'{error}' does not say '{named}'");
    }
}

#[test]
fn the_parts_of_an_ensemble_add_up() {
    let clip = waveform(7.0, 0.0);
    let network = log_odds(judge(&ensemble(Some(1.0), None), &clip, false).ai_probability);
    let features = log_odds(judge(&ensemble(None, Some(1.0)), &clip, false).ai_probability);
    let both = judge(&ensemble(Some(0.6), Some(0.4)), &clip, false);
    // Each alone carries the offset once, and so does the sum.
    let expected = 0.6 * (network + 0.4) + 0.4 * (features + 0.4) - 0.4;
    assert!((log_odds(both.ai_probability) - expected).abs() < 1e-9);
    let mean = both
        .segments
        .iter()
        .map(|s| log_odds(s.ai_probability))
        .sum::<f64>()
        / both.segments.len() as f64;
    assert!((mean - expected).abs() < 1e-9);

    let mut scratch = Scratch::default();
    let vector = Extractor::new(FeatureSet::Dynamic)
        .extract(&clip, &mut scratch)
        .unwrap();
    let alone = model(&ensemble(None, Some(1.0)))
        .unwrap()
        .probability(&vector);
    assert!((log_odds(alone) - features).abs() < 1e-9);
}

#[test]
fn segments_are_in_seconds_of_the_clip() {
    let network = ensemble(Some(1.0), None);
    let found = judge(&network, &waveform(7.0, 2.0), false).segments;
    // 7.05 s of speech: 706 frames, of which windows of 256 start at 0 to 450 in 4 steps.
    assert_eq!(found.len(), 5);
    assert!((found[0].start - 1.95).abs() < 0.04, "{:?}", found[0]);
    assert!((found[4].end - 9.0).abs() < 0.02, "{:?}", found[4]);
    for (window, next) in found.iter().zip(&found[1..]) {
        assert!((window.end - window.start - 2.56).abs() < 1e-9);
        assert!(next.start > window.start && next.start <= window.start + 1.281);
    }
    let short = judge(&network, &waveform(1.5, 0.0), false).segments;
    assert_eq!(short.len(), 1);
    assert_eq!(short[0].start, 0.0);
    assert!((short[0].end - 1.5).abs() < 0.011, "{:?}", short[0]);

    let features = ensemble(None, Some(1.0));
    let clip = waveform(6.5, 0.0);
    assert_eq!(judge(&features, &clip, false).segments.len(), 1);
}

#[test]
fn stretches_are_3_s_every_second_each_judged_as_a_clip() {
    let clip = waveform(6.5, 0.0);
    let both = ensemble(Some(0.6), Some(0.4));
    for model in [
        &both,
        &ensemble(None, Some(1.0)),
        &ensemble(Some(1.0), None),
    ] {
        let whole = judge(model, &clip, false);
        let stretches = judge(model, &clip, true);
        assert_eq!(stretches.ai_probability, whole.ai_probability);
        let starts: Vec<f64> = stretches.segments.iter().map(|s| s.start).collect();
        assert_eq!(starts, [0.0, 1.0, 2.0, 3.0, 3.5]);
        for segment in &stretches.segments {
            assert_eq!(segment.end - segment.start, 3.0);
            let place = |seconds: f64| (seconds * 22_050.0) as usize;
            let part = clip.samples()[place(segment.start)..place(segment.end)].to_vec();
            let alone = judge(model, &Waveform::new(part), false);
            assert_eq!(alone.ai_probability, segment.ai_probability);
        }
        let short = judge(model, &waveform(3.9, 0.0), true).segments;
        assert_eq!((short.len(), short[0].start, short[0].end), (1, 0.0, 3.9));
    }
    // Silence has no score: nothing is said of the first stretches.
    let late = judge(&both, &waveform(4.0, 5.0), true).segments;
    assert_eq!(late[0].start, 3.0, "{late:?}");
    // A long clip's stretches lie further apart.
    let long = judge(&ensemble(Some(1.0), None), &waveform(420.0, 0.0), true).segments;
    assert!((290..=301).contains(&long.len()), "{}", long.len());
    assert_eq!(long[long.len() - 1].end, 420.0);
}

#[test]
fn a_long_clip_is_heard_to_its_end() {
    let network = ensemble(Some(1.0), None);
    let minute = judge(&network, &waveform(59.0, 0.0), false);
    let longer = judge(&network, &waveform(150.0, 1.0), false);
    assert!((longer.segments[0].start - 0.95).abs() < 0.04);
    assert!((longer.segments.last().unwrap().end - 151.0).abs() < 0.02);
    assert!(
        longer
            .segments
            .windows(2)
            .all(|pair| pair[0].start < pair[1].start)
    );
    // The same sound for longer: the verdict stays.
    let off = log_odds(longer.ai_probability) - log_odds(minute.ai_probability);
    assert!(off.abs() < 0.05, "{off}");

    // A loud end changes the verdict, and the level of what stands before it: it is heard.
    let mut samples = waveform(150.0, 0.0).into_samples();
    let mut draws = Draws(2);
    samples[3_000_000..]
        .iter_mut()
        .for_each(|x| *x = draws.next());
    let changed = judge(&network, &Waveform::new(samples), false);
    assert_ne!(changed.ai_probability, longer.ai_probability);
}

/// With and without a part of features, in pieces and whole.
#[test]
fn a_verdict_is_the_same_to_the_bit_where_the_sound_s_memory_is_used() {
    let mut samples = waveform(75.0, 1.0).into_samples();
    let late = samples.len() - 200_000;
    samples[..late].iter_mut().for_each(|x| *x *= 0.3);
    let long = Waveform::new(samples);
    for parts in [ensemble(Some(1.0), None), ensemble(Some(0.6), Some(0.4))] {
        let analyser = Analyser::new(model(&parts).unwrap());
        let mut scratch = AnalysisScratch::default();
        for waveform in [&long, &waveform(3.0, 0.5)] {
            let borrowed = analyser.judge(waveform, false, &mut scratch).unwrap();
            let owned = analyser.judge_owned(waveform.clone(), &mut scratch);
            assert_eq!(owned.unwrap(), borrowed);
            if let Some(features) = &borrowed.inputs[0].features {
                // Of 76 s the first of eight pieces.
                let all = waveform.samples();
                let described = if all.len() > 1_000_000 {
                    all.len() / 8
                } else {
                    all.len()
                };
                let described = Waveform::new(all[..described].to_vec());
                let extractor = Extractor::new(FeatureSet::Dynamic);
                let own = extractor.extract(&described, &mut Scratch::default());
                assert_eq!(*features, own.unwrap());
            }
        }
    }
}

#[test]
fn what_is_no_speech_has_its_error() {
    let analyser = Analyser::new(model(&ensemble(Some(1.0), None)).unwrap());
    let mut scratch = AnalysisScratch::default();
    let mut error = |samples| {
        analyser
            .judge(&Waveform::new(samples), false, &mut scratch)
            .unwrap_err()
    };
    assert!(matches!(
        error(vec![0.5; 11_025]),
        FeatureError::TooShort { .. }
    ));
    assert_eq!(error(vec![0.0; 44_100]), FeatureError::Silent);
    assert!(matches!(
        error(vec![f32::NAN; 44_100]),
        FeatureError::OutOfRange { .. }
    ));
    let mut click = vec![0.0; 44_100];
    click[20_000..24_000]
        .iter_mut()
        .enumerate()
        .for_each(|(n, x)| *x = (n as f32 * 0.3).sin());
    assert!(matches!(error(click), FeatureError::TooLittleSpeech { .. }));
}
