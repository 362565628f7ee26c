//! Bytes to verdict and what it is made of, beside the floor: decoding, resampling and the bare FFT of the same frames.
//!
//! `cargo bench --bench detect`; `benches/page` writes docs/performance.md from what it measured.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use voxproof::Detector;
use voxproof::audio::{DecodeLimits, decode};
use voxproof::features::{Extractor, FeatureSet, Scratch};
use voxproof::http::payload::Payload;
use voxproof::model::Model;

const CLIP: &[u8] = include_bytes!("../tests/data/fixtures/mpeg1_44100_mono_noxing_lame.mp3");
/// Samples of a frame and from one to the next, of the classic spectrogram.
const N_FFT: usize = 2048;
const HOP: usize = 512;
/// Durations of clips, in seconds.
const SECONDS: [usize; 4] = [1, 10, 60, 600];

fn limits() -> DecodeLimits {
    DecodeLimits {
        max_duration: Duration::from_secs(700),
    }
}

/// An MP3 at 44.1 kHz of at least `seconds`, within a frame of it: frames follow each other without a container, so a longer
/// clip is a shorter one repeated, and a shorter one is cut at a frame.
fn clip(seconds: usize) -> Vec<u8> {
    let once = decode(CLIP, &limits())
        .expect("a good fixture")
        .duration_seconds();
    let mut bytes = CLIP.repeat((seconds as f64 / once).ceil() as usize);
    let per_second = CLIP.len() as f64 / once;
    bytes.truncate((seconds as f64 * per_second) as usize);
    bytes
}

/// Bytes to verdict by duration, with either embedded model, and the floor.
fn verdicts(c: &mut Criterion) {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(N_FFT);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut work = fft.make_scratch_vec();
    let mut bare_fft = |samples: &[f32]| {
        for start in (0..samples.len().saturating_sub(N_FFT)).step_by(HOP) {
            frame.copy_from_slice(&samples[start..start + N_FFT]);
            fft.process_with_scratch(&mut frame, &mut spectrum, &mut work)
                .expect("buffers of the plan");
            black_box(&spectrum);
        }
    };
    let mut group = c.benchmark_group("verdict");
    group
        .measurement_time(Duration::from_secs(4))
        .sample_size(15);
    for seconds in SECONDS {
        let bytes = clip(seconds);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("floor", seconds), |b| {
            b.iter(|| bare_fft(decode(&bytes, &limits()).expect("a good clip").samples()));
        });
        for name in ["classic", "default"] {
            let model = Model::embedded(name).expect("an embedded model");
            let detector = Detector::new(model).with_limits(limits());
            group.bench_function(BenchmarkId::new(name, seconds), |b| {
                b.iter(|| detector.detect(black_box(&bytes)).expect("a verdict"));
            });
        }
    }
    group.finish();
}

/// The stages of a verdict on 10 s.
fn stages(c: &mut Criterion) {
    let bytes = clip(10);
    let waveform = decode(&bytes, &limits()).expect("a good clip");
    let mut scratch = Scratch::default();
    let mut group = c.benchmark_group("stages");
    group.bench_function("decode and resample", |b| {
        b.iter(|| decode(black_box(&bytes), &limits()));
    });
    for set in [FeatureSet::Classic, FeatureSet::Artefact] {
        let extractor = Extractor::new(set);
        group.bench_function(format!("features {}", set.name()), |b| {
            b.iter(|| extractor.extract(black_box(&waveform), &mut scratch));
        });
    }
    let detector = Detector::embedded().expect("the embedded artifact is sound");
    group.bench_function("default, with warnings", |b| {
        b.iter(|| detector.detect_with_warnings(black_box(&bytes)));
    });
    group.bench_function("default, with warnings and segments", |b| {
        b.iter(|| detector.detect_with_segments(black_box(&bytes)));
    });
    group.finish();
}

/// Decoding and resampling of every container, codec and rate in the fixtures.
fn formats(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fixtures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut group = c.benchmark_group("decode");
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(10);
    for file in files {
        let bytes = std::fs::read(&file).expect("a fixture");
        // What is no clip is there for the tests of faults.
        let Ok(waveform) = decode(&bytes, &limits()) else {
            continue;
        };
        let milliseconds = 1_000.0 * waveform.duration_seconds();
        let name = file.file_name().expect("a file").to_string_lossy();
        // Elements are milliseconds of sound: the throughput is how many times faster than real time it is, in thousands.
        group.throughput(Throughput::Elements(milliseconds as u64));
        group.bench_function(name.as_ref(), |b| {
            b.iter(|| decode(black_box(&bytes), &limits()));
        });
    }
    group.finish();
}

/// JSON and base64 of a body of 4 MB.
fn request(c: &mut Criterion) {
    let audio: Vec<u8> = (0..3 * 1024 * 1024_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let text = base64_simd::STANDARD.encode_to_string(&audio);
    let body = Bytes::from(format!(r#"{{"language":"en","audio":"{text}"}}"#));
    let mut group = c.benchmark_group("request");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("JSON and base64, 4 MB", |b| {
        b.iter(|| {
            let clip = Payload::Json(black_box(body.clone())).into_clip(None);
            assert_eq!(clip.expect("a clip").audio.len(), audio.len());
        });
    });
    group.finish();
}

criterion_group!(benches, verdicts, stages, formats, request);
criterion_main!(benches);
