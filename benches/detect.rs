//! Bytes to verdict for a 10 s MP3 at 44.1 kHz, its stages, and the floor beneath it: decoding, resampling and the bare
//! FFT of the same frames.
//!
//! `cargo bench --bench detect`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use voxproof::Detector;
use voxproof::audio::{DecodeLimits, decode};
use voxproof::features::{Extractor, FeatureSet, Scratch};

const CLIP: &[u8] = include_bytes!("../tests/data/fixtures/mpeg1_44100_mono_noxing_lame.mp3");
const SECONDS: f64 = 10.0;
const N_FFT: usize = 2048;
const HOP: usize = 512;

/// MP3 frames follow each other without a container, so a longer clip is a shorter one repeated.
fn ten_seconds() -> Vec<u8> {
    let once = decode(CLIP, &DecodeLimits::default())
        .expect("a good fixture")
        .duration_seconds();
    CLIP.repeat((SECONDS / once).ceil() as usize)
}

fn bench(c: &mut Criterion) {
    let bytes = ten_seconds();
    let limits = DecodeLimits::default();
    let waveform = decode(&bytes, &limits).expect("a good clip");
    let extractor = Extractor::new(FeatureSet::Classic);
    let mut scratch = Scratch::default();
    let detector = Detector::embedded().expect("the embedded artifact is sound");

    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(N_FFT);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut work = fft.make_scratch_vec();
    let mut bare_fft = |samples: &[f32]| {
        for start in (0..samples.len() - N_FFT).step_by(HOP) {
            frame.copy_from_slice(&samples[start..start + N_FFT]);
            fft.process_with_scratch(&mut frame, &mut spectrum, &mut work)
                .expect("buffers of the plan");
            black_box(&spectrum);
        }
    };

    let mut group = c.benchmark_group(format!(
        "{:.1} s MP3 at 44.1 kHz",
        waveform.duration_seconds()
    ));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("decode and resample", |b| {
        b.iter(|| decode(black_box(&bytes), &limits))
    });
    group.bench_function("features", |b| {
        b.iter(|| extractor.extract(black_box(&waveform), &mut scratch))
    });
    group.bench_function("floor: decode, resample, bare FFT", |b| {
        b.iter(|| {
            bare_fft(
                decode(black_box(&bytes), &limits)
                    .expect("a good clip")
                    .samples(),
            )
        });
    });
    group.bench_function("bytes to verdict", |b| {
        b.iter(|| detector.detect(black_box(&bytes)))
    });
    group.bench_function("bytes to verdict, with warnings", |b| {
        b.iter(|| detector.detect_with_warnings(black_box(&bytes)))
    });
    group.bench_function("bytes to verdict, with warnings and segments", |b| {
        b.iter(|| detector.detect_with_segments(black_box(&bytes)))
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
