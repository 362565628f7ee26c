//! The whole network's derivatives: against finite differences, and against PyTorch's.

use super::super::batch_norm;
use super::super::conv::Shape;
use super::super::fit::initial;
use super::*;

fn waves(count: usize, rate: f64) -> Vec<f32> {
    (0..count).map(|i| (i as f64 * rate).sin() as f32).collect()
}

/// Numbers that are uniform in -1.0..1.0, as the golden values' script makes them.
fn noise(count: usize, rate: f64) -> Vec<f32> {
    let number = |i: usize| {
        let x = ((i + 1) as f64 * rate).sin() * 43_758.545_3;
        (2.0 * (x - x.floor()) - 1.0) as f32
    };
    (0..count).map(number).collect()
}

/// Two layers on 8 frames of 6 bands.
fn tiny() -> Architecture {
    let layer = |kernel, stride, padding, inputs, outputs| Shape {
        kernel,
        stride,
        padding,
        inputs,
        outputs,
    };
    Architecture {
        input: [8, 6],
        layers: vec![
            layer([3, 3], [1, 2], [1, 1], 1, 4),
            layer([1, 3], [1, 1], [0, 0], 4, 5),
        ],
        channel_dropout: 1,
    }
}

#[test]
fn derivatives_agree_with_finite_differences() {
    let (architecture, batch) = (tiny(), 4);
    let parameters = initial(&architecture, 7);
    let inputs = noise(batch * 48, 0.731);
    let dropout = Dropout {
        channels: (0..batch * 4)
            .map(|i| if i % 5 == 0 { 0.0 } else { 1.25 })
            .collect(),
        pooled: (0..batch * 10)
            .map(|i| if i % 3 == 0 { 0.0 } else { 1.5 })
            .collect(),
    };
    let d_logits = [0.7, -1.1, 0.4, 0.9];
    let mut net = Net::new(architecture.clone(), batch);
    let mut loss = |parameters: &[f32]| -> f64 {
        let logits = net.forward(parameters, &inputs, &dropout);
        logits
            .iter()
            .zip(d_logits)
            .map(|(z, d)| f64::from(*z) * f64::from(d))
            .sum()
    };
    let slopes: Vec<f64> = (0..parameters.len())
        .map(|i| {
            let mut moved = |by: f32| {
                let mut parameters = parameters.clone();
                parameters[i] += by;
                loss(&parameters)
            };
            (moved(5e-4) - moved(-5e-4)) / 1e-3
        })
        .collect();
    loss(&parameters);
    let mut gradient = vec![9.0; parameters.len()];
    net.backward(&parameters, &inputs, &dropout, &d_logits, &mut gradient);
    // A ReLU's kink within the step makes single slopes wrong; most must agree closely.
    let close = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 0.02 * (0.1 + b.abs());
    let right = gradient
        .iter()
        .zip(&slopes)
        .filter(|pair| close(*pair))
        .count();
    assert!(
        right * 20 >= 19 * slopes.len(),
        "{right} of {}",
        slopes.len()
    );
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let gradient: Vec<f64> = gradient.iter().map(|x| f64::from(*x)).collect();
    let cosine =
        dot(&gradient, &slopes) / (dot(&gradient, &gradient) * dot(&slopes, &slopes)).sqrt();
    assert!(cosine > 0.9995, "{cosine}");
}

#[test]
fn batch_norm_alone_agrees_with_finite_differences() {
    let (n, channels) = (10, 3);
    let (z, d_y) = (waves(n * channels, 0.77), waves(n * channels, 1.31));
    let (gamma, beta) = ([1.2_f32, 0.7, 0.9], [0.1_f32, 0.5, -0.2]);
    let forward = |z: &[f32]| {
        let statistics = Statistics::new(&Sums::of(z, channels), n);
        let mut y = vec![0.0; z.len()];
        statistics.forward(&gamma, &beta, z, None, &mut y);
        (statistics, y)
    };
    let loss = |z: &[f32]| -> f64 {
        let (_, y) = forward(z);
        y.iter()
            .zip(&d_y)
            .map(|(y, d)| f64::from(*y) * f64::from(*d))
            .sum()
    };
    let (statistics, y) = forward(&z);
    let mut d = d_y.clone();
    let sums = statistics.before_relu(&z, &y, None, &mut d);
    statistics.backward(&gamma, &z, &batch_norm::Sums::total(&[sums]), n, &mut d);
    let mut wrong = 0;
    for i in 0..z.len() {
        let moved = |by: f32| {
            let mut z = z.clone();
            z[i] += by;
            loss(&z)
        };
        let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3;
        wrong += usize::from((slope - f64::from(d[i])).abs() > 5e-3);
    }
    assert!(wrong <= 1, "{wrong}");
}

#[test]
fn threads_do_not_change_a_bit() {
    let architecture = tiny();
    let parameters = initial(&architecture, 3);
    let inputs = waves(6 * 48, 0.37);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut net = Net::new(architecture.clone(), 6);
            let mut gradient = vec![0.0; parameters.len()];
            let dropout = Dropout::default();
            let logits = net.forward(&parameters, &inputs, &dropout);
            net.backward(&parameters, &inputs, &dropout, &logits, &mut gradient);
            (logits, gradient)
        })
    };
    assert_eq!(run(1), run(3));
}

/// `tests/golden/network_fit.json`, by `make_network_fit_golden.py`: the default architecture in double precision.
#[derive(serde::Deserialize)]
struct Golden {
    logits: Vec<f64>,
    loss: f64,
    /// For each layer and then the head: norms of the derivatives by weights, factors and offsets.
    norms: Vec<Vec<f64>>,
    /// Derivatives by some weights of each layer: place in our order and value.
    samples: Vec<Vec<(usize, f64)>>,
}

#[test]
fn the_default_network_is_pytorchs() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/network_fit.json")).unwrap();
    let architecture = Architecture::of_width(16);
    let mut parameters = vec![0.0; architecture.parameters()];
    let places = architecture.places();
    for (layer, (shape, places)) in architecture.layers.iter().zip(&places).enumerate() {
        let scale = (shape.patch() as f32).sqrt().recip();
        let values = noise(shape.weights(), 0.7 + 0.013 * layer as f64);
        let weights = &mut parameters[places.weights.clone()];
        weights
            .iter_mut()
            .zip(&values)
            .for_each(|(w, x)| *w = x * scale);
        let (gamma, beta) = (noise(shape.outputs, 0.9), noise(shape.outputs, 1.7));
        for c in 0..shape.outputs {
            parameters[places.gamma.start + c] = 1.0 + 0.2 * gamma[c];
            parameters[places.beta.start + c] = 0.1 * beta[c];
        }
    }
    let head = architecture.head();
    let values = noise(head.len(), 0.31);
    parameters[head.clone()]
        .iter_mut()
        .zip(&values)
        .for_each(|(w, x)| *w = 0.1 * x);
    parameters[head.end] = 0.05;
    let batch = golden.logits.len();
    let inputs = noise(batch * 256 * 128, 0.0137);
    let mut net = Net::new(architecture.clone(), batch);
    let logits = net.forward(&parameters, &inputs, &Dropout::default());
    for (a, b) in logits.iter().zip(&golden.logits) {
        assert!(
            (f64::from(*a) - b).abs() < 1e-5,
            "{logits:?} {:?}",
            golden.logits
        );
    }
    let (loss, d_logits) = super::super::fit::loss(&logits);
    assert!((loss - golden.loss).abs() < 1e-6, "{loss} {}", golden.loss);
    let mut gradient = vec![0.0; parameters.len()];
    net.backward(
        &parameters,
        &inputs,
        &Dropout::default(),
        &d_logits,
        &mut gradient,
    );
    let norm = |range: std::ops::Range<usize>| {
        gradient[range]
            .iter()
            .map(|x| f64::from(*x).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    for (layer, places) in places.iter().enumerate() {
        let norms = [&places.weights, &places.gamma, &places.beta].map(|range| norm(range.clone()));
        for (a, b) in norms.iter().zip(&golden.norms[layer]) {
            assert!(
                (a / b - 1.0).abs() < 1e-4,
                "layer {layer}: {norms:?} {:?}",
                golden.norms[layer]
            );
        }
        let size = norms[0] / (places.weights.len() as f64).sqrt();
        for &(place, expected) in &golden.samples[layer] {
            let found = f64::from(gradient[places.weights.start + place]);
            assert!(
                (found - expected).abs() < 1e-3 * (size + expected.abs()),
                "layer {layer}, {place}: {found} {expected}"
            );
        }
    }
    let of_head = norm(head);
    assert!(
        (of_head / golden.norms[places.len()][0] - 1.0).abs() < 1e-4,
        "{of_head}"
    );
}
