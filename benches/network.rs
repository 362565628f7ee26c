//! The embedded default's network over 10 s of speech: its input, its layers, and the verdict from the waveform.
//!
//!     cargo bench --bench network

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use voxproof::analysis::{Analyser, AnalysisScratch};
use voxproof::audio::{Waveform, resample};
use voxproof::features::bands::{Bands, BandsScratch};
use voxproof::features::dynamic::{RATE, prepare};
use voxproof::model::Model;
use voxproof::model::network::RunScratch;

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
    let (bands, mut bands_scratch) = (Bands::default(), BandsScratch::default());
    let model = Model::embedded("default").expect("an embedded model");
    let runner = model.network().expect("the default has a network");
    let mut fill = |inputs: &mut Vec<f32>| {
        runner.inputs(&bands, black_box(&speech), &mut bands_scratch, inputs);
    };
    let mut inputs = Vec::new();
    let mut scratch = RunScratch::default();
    let mut group = c.benchmark_group("network, 10 s");
    group.bench_function("inputs", |b| b.iter(|| fill(&mut inputs)));
    // Not left to the bench above: a filter may skip it.
    fill(&mut inputs);
    group.bench_function("layers and windows", |b| {
        b.iter(|| runner.windows_of_inputs(black_box(&inputs), &mut scratch));
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
