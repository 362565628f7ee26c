//! Loading an embedded model (budget: 1 ms) and scoring one vector (budget: 50 microseconds).
//!
//! `cargo bench --bench model`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use voxproof::features::FeatureVector;
use voxproof::model::Model;

fn bench(c: &mut Criterion) {
    for &name in Model::embedded_names() {
        c.bench_function(&format!("load {name}"), |b| {
            b.iter(|| Model::embedded(black_box(name)).unwrap())
        });
        let model = Model::embedded(name).unwrap();
        let Some(set) = model.feature_set() else {
            continue;
        };
        // Different vectors, so that the branch predictor cannot learn one path by heart.
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) * 60.0 - 30.0
        };
        let mut vector = || FeatureVector {
            set,
            values: (0..set.names().len()).map(|_| next()).collect::<Vec<f64>>(),
        };
        let vectors: Vec<_> = (0..512).map(|_| vector()).collect();
        let mut turn = 0;
        c.bench_function(&format!("score {name}"), |b| {
            b.iter(|| {
                turn = (turn + 1) % vectors.len();
                // Of a model with a network, without what the network takes.
                let logit = model.networks().map(|_| 0.5);
                model.fuse(logit, Some(black_box(&vectors[turn])))
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
