//! A network of the default model's shape over 10 s of speech: its input, its layers, and the verdict from the waveform.
//!
//!     cargo bench --bench network

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use voxproof::analysis::{Analyser, AnalysisScratch};
use voxproof::audio::{Waveform, resample};
use voxproof::features::bands::{Bands, BandsScratch};
use voxproof::features::dynamic::{RATE, prepare};
use voxproof::model::network::{RunScratch, Runner};
use voxproof::model::{Calibration, Conv, Ensemble, Model, Network, NetworkPart, encode_ensemble};

/// Kernel, stride, padding, channels in and out.
type Shape = ([u8; 2], [u8; 2], [u8; 2], u16, u16);

const SHAPES: [Shape; 7] = [
    ([3, 3], [2, 2], [1, 1], 1, 16),
    ([3, 3], [1, 2], [1, 1], 16, 32),
    ([3, 3], [1, 1], [1, 1], 32, 32),
    ([3, 3], [2, 2], [1, 1], 32, 64),
    ([3, 3], [1, 1], [1, 1], 64, 64),
    ([3, 3], [1, 2], [1, 1], 64, 64),
    ([1, 8], [1, 1], [0, 0], 64, 96),
];

fn noise(state: &mut u32) -> f32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 8) as f32 / 16_777_216.0 - 0.5
}

fn network() -> Network {
    let mut state = 1;
    let layers = SHAPES.map(|(kernel, stride, padding, inputs, outputs)| {
        let fan = kernel.iter().map(|&k| usize::from(k)).product::<usize>() * usize::from(inputs);
        let gain = 2.0 * (6.0 / fan as f32).sqrt();
        Conv {
            kernel,
            stride,
            padding,
            inputs,
            outputs,
            weights: (0..fan * usize::from(outputs))
                .map(|_| gain * noise(&mut state))
                .collect(),
            bias: (0..outputs).map(|_| 0.1 * noise(&mut state)).collect(),
        }
    });
    Network {
        bands: 128,
        window: 256,
        scale: 0.5,
        layers: layers.into(),
        head: (0..192).map(|_| 0.1 * noise(&mut state)).collect(),
        head_bias: 0.0,
    }
}

fn bench(c: &mut Criterion) {
    let mut state = 7;
    let samples: Vec<f32> = (0..10 * 22_050_usize)
        .map(|n| {
            let syllable = if n % 5_500 < 3_600 { 0.5 } else { 0.05 };
            syllable * noise(&mut state)
        })
        .collect();
    let speech = prepare::prepare(&resample(&samples, 22_050, RATE)).expect("speech");
    let (bands, mut bands_scratch, mut frames) =
        (Bands::default(), BandsScratch::default(), Vec::new());
    let (network, mut scratch) = (network(), RunScratch::default());
    let runner = Runner::new(&network);
    let mut group = c.benchmark_group("10 s of speech");
    group.bench_function("bands", |b| {
        b.iter(|| bands.compute(black_box(&speech), &mut bands_scratch, &mut frames));
    });
    group.bench_function("layers and windows", |b| {
        b.iter(|| runner.windows(black_box(&frames), &mut scratch));
    });
    let artifact = encode_ensemble(&Ensemble {
        name: "bench".into(),
        version: "1".into(),
        training_data: String::new(),
        settings: String::new(),
        threshold: 0.5,
        network: Some(NetworkPart::new(&network, 1.0).expect("a sound network")),
        features: None,
        calibration: Calibration::LOG_ODDS,
    })
    .expect("an artifact");
    group.bench_function("load", |b| {
        b.iter(|| Model::from_bytes(black_box(&artifact)).expect("a model"));
    });
    let analyser = Analyser::new(Model::from_bytes(&artifact).expect("a model"));
    let (waveform, mut scratch) = (Waveform::new(samples), AnalysisScratch::default());
    group.bench_function("waveform to verdict", |b| {
        b.iter(|| analyser.judge(black_box(&waveform), false, &mut scratch));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
