//! The embedded default's networks over 10 s of speech: their inputs, their layers, and the verdict from the waveform.
//!
//!     cargo bench --bench network

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use voxproof::analysis::{Analyser, AnalysisScratch};
use voxproof::audio::{Waveform, resample};
use voxproof::features::bands::Bands;
use voxproof::features::dynamic::{RATE, prepare};
use voxproof::model::Model;
use voxproof::model::network::NetworksScratch;

fn bench(c: &mut Criterion) {
    let mut state = 7_u32;
    let samples: Vec<f32> = (0..10 * 22_050_usize)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let syllable = if n % 5_500 < 3_600 { 0.5 } else { 0.05 };
            syllable * ((state >> 8) as f32 / 16_777_216.0 - 0.5)
        })
        .collect();
    let speech = prepare::prepare(&resample(&samples, 22_050, RATE)).expect("speech");
    let bands = Bands::default();
    let model = Model::embedded("default").expect("an embedded model");
    let networks = model.networks().expect("the default has networks");
    let mut scratch = NetworksScratch::default();
    let mut group = c.benchmark_group("network, 10 s");
    group.bench_function("inputs", |b| {
        b.iter(|| networks.hear(&bands, black_box(&speech), &mut scratch));
    });
    // Not left to the bench above: a filter may skip it.
    networks.hear(&bands, &speech, &mut scratch);
    group.bench_function("layers and windows", |b| {
        b.iter(|| black_box(networks.windows(&mut scratch)));
    });
    let analyser = Analyser::new(model.clone());
    let (waveform, mut scratch) = (Waveform::new(samples), AnalysisScratch::default());
    group.bench_function("waveform to verdict", |b| {
        b.iter(|| analyser.judge(black_box(&waveform), false, &mut scratch));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
