//! The feature sets, and the stages of the classic one beside a bare FFT of the same frames.
//!
//!     cargo bench --bench features

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use voxproof::audio::{Waveform, resample};
use voxproof::features::artefact::envelope::FastEnvelopes;
use voxproof::features::artefact::lpc::Lpc;
use voxproof::features::chroma::{self, ChromaWeights, PitchScale, TuningEstimator};
use voxproof::features::dynamic::{Dynamic, RATE, prepare};
use voxproof::features::mel::{self, MEL_BANDS, MelFilterBank, Mfcc};
use voxproof::features::spectrogram::{FFT_SIZE, HOP, STRIDE, Stft, StftScratch, frame_count};
use voxproof::features::tempo::{OnsetEnvelope, TempoEstimator, TempoScratch};
use voxproof::features::{Extractor, FeatureSet, Scratch, spectral, time_domain};

/// Speech-like: a pulse train with vibrato, gated into syllables, over noise.
fn signal(seconds: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut phase = 0.0_f32;
    (0..seconds * 22_050)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / 16_777_216.0 - 0.5;
            phase += (130.0 + 8.0 * (n as f32 * 0.0015).sin()) / 22_050.0;
            let pulse = 1.0 - 2.0 * phase.fract();
            let syllable = if n % 5_500 < 3_600 { 0.3 } else { 0.01 };
            syllable * (pulse * pulse * pulse + 0.2 * noise) + 0.002 * noise
        })
        .collect()
}

/// What cannot be saved: one transform for each frame, nothing else.
fn bare_fft(c: &mut Criterion) {
    let mut group = c.benchmark_group("bare_fft");
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(FFT_SIZE);
    let mut spectrum = fft.make_output_vec();
    let mut work = fft.make_scratch_vec();
    let mut frame = fft.make_input_vec();
    for seconds in [1, 10, 60] {
        let samples = signal(seconds);
        group.bench_function(BenchmarkId::from_parameter(format!("{seconds}s")), |b| {
            b.iter(|| {
                for t in 0..frame_count(samples.len()) {
                    let start = (t * HOP).min(samples.len() - FFT_SIZE);
                    frame.copy_from_slice(&samples[start..start + FFT_SIZE]);
                    fft.process_with_scratch(&mut frame, &mut spectrum, &mut work)
                        .unwrap();
                    black_box(&spectrum);
                }
            })
        });
    }
    group.finish();
}

/// A whole set from 22,050 Hz, of clips of each length.
fn whole(c: &mut Criterion, set: FeatureSet, lengths: &[usize]) {
    let mut group = c.benchmark_group(set.name());
    let extractor = Extractor::new(set);
    let mut scratch = Scratch::default();
    for &seconds in lengths {
        let waveform = Waveform::new(signal(seconds));
        group.bench_function(BenchmarkId::from_parameter(format!("{seconds}s")), |b| {
            b.iter(|| {
                extractor
                    .extract(black_box(&waveform), &mut scratch)
                    .unwrap()
            })
        });
    }
    group.finish();
}

fn classic(c: &mut Criterion) {
    whole(c, FeatureSet::Classic, &[1, 10, 60, 120]);
    c.bench_function("extractor_new", |b| {
        b.iter(|| Extractor::new(FeatureSet::Classic))
    });
}

/// The sets at 16 kHz, whole from 22,050 Hz, and behind the resampler.
fn at_16_khz(c: &mut Criterion) {
    for set in [
        FeatureSet::Dynamic,
        FeatureSet::Artefact,
        FeatureSet::Extended,
    ] {
        whole(c, set, &[1, 10, 60]);
    }
    let mut group = c.benchmark_group("groups_10s");
    let speech = prepare::prepare(&resample(&signal(10), 22_050, RATE)).unwrap();
    let mut values = Vec::new();
    let dynamic = Dynamic::default();
    group.bench_function("dynamic", |b| {
        b.iter(|| {
            values.clear();
            dynamic.describe(black_box(&speech), &mut (), &mut values);
        })
    });
    let lpc = Lpc::default();
    group.bench_function("lpc", |b| {
        b.iter(|| {
            values.clear();
            lpc.extend(black_box(&speech), &mut values);
        })
    });
    let envelopes = FastEnvelopes::default();
    group.bench_function("envelopes", |b| {
        b.iter(|| {
            values.clear();
            envelopes.extend(black_box(&speech), &mut values);
        })
    });
    group.finish();
}

/// Each stage over the frames of 10 s.
fn stages(c: &mut Criterion) {
    let mut group = c.benchmark_group("stages_10s");
    let samples = signal(10);
    let frames = frame_count(samples.len());
    let stft = Stft::new();
    let mut scratch = StftScratch::default();
    let mut powers = vec![0.0; frames * STRIDE];
    group.bench_function("power_spectrogram", |b| {
        b.iter(|| {
            for (t, power) in powers.chunks_exact_mut(STRIDE).enumerate() {
                stft.power_frame(&samples, t, &mut scratch, power);
            }
        })
    });
    group.bench_function("time_domain", |b| {
        b.iter(|| time_domain::analyse(black_box(&samples)).unwrap())
    });
    group.bench_function("centroid_rolloff", |b| {
        b.iter(|| {
            powers
                .chunks_exact(STRIDE)
                .map(|p| spectral::spectral_shape(p).rolloff)
                .sum::<f64>()
        })
    });

    let bank = MelFilterBank::new();
    let mut levels = vec![[0.0; MEL_BANDS]; frames];
    group.bench_function("mel", |b| {
        b.iter(|| {
            for (p, l) in powers.chunks_exact(STRIDE).zip(&mut levels) {
                bank.apply(p, l);
            }
            black_box(&levels);
        })
    });
    group.bench_function("power_to_db", |b| {
        b.iter(|| {
            let mut copy = levels.clone();
            copy.iter_mut().for_each(mel::power_to_db);
            copy
        })
    });
    levels.iter_mut().for_each(mel::power_to_db);
    let mfcc = Mfcc::new();
    group.bench_function("mfcc", |b| {
        b.iter(|| levels.iter().map(|l| mfcc.apply(l)[3]).sum::<f64>())
    });

    let mut tuning = TuningEstimator::default();
    group.bench_function("tuning", |b| {
        b.iter(|| {
            tuning.clear();
            powers.chunks_exact(STRIDE).for_each(|p| tuning.push(p));
            tuning.estimate()
        })
    });
    let scale = PitchScale::new();
    let mut weights = ChromaWeights::new();
    group.bench_function("chroma_weights", |b| {
        b.iter(|| scale.weights(black_box(0.13), &mut weights))
    });
    group.bench_function("chroma", |b| {
        b.iter(|| {
            let mut sum = 0.0;
            for block in powers.chunks(24 * STRIDE) {
                chroma::chroma(&weights, block, |classes| sum += classes[4]);
            }
            sum
        })
    });

    let mut onsets = OnsetEnvelope::default();
    group.bench_function("onsets", |b| {
        b.iter(|| {
            onsets.clear();
            levels.iter().for_each(|l| onsets.push(l));
        })
    });
    let tempo = TempoEstimator::new();
    let mut tempo_scratch = TempoScratch::default();
    group.bench_function("tempo", |b| {
        b.iter(|| tempo.estimate(onsets.strengths(), &mut tempo_scratch))
    });
    group.finish();
}

criterion_group! {
    name = features;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_millis(1500));
    targets = bare_fft, classic, stages, at_16_khz
}
criterion_main!(features);
