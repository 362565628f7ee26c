//! What the feature stage does with input that is no speech: an error or finite values, never NaN.

use voxproof::audio::Waveform;
use voxproof::features::{Extractor, FeatureError, FeatureSet, Scratch};

fn extract(samples: Vec<f32>) -> Result<Vec<f64>, FeatureError> {
    extract_set(FeatureSet::Classic, samples)
}

fn extract_set(set: FeatureSet, samples: Vec<f32>) -> Result<Vec<f64>, FeatureError> {
    Extractor::new(set)
        .extract(&Waveform::new(samples), &mut Scratch::default())
        .map(|vector| vector.values)
}

/// A second and a half of `f` of the sample's index.
fn signal(f: impl Fn(usize) -> f32) -> Vec<f32> {
    (0..33_075).map(f).collect()
}

#[test]
fn names_are_the_references_order() {
    let names = FeatureSet::Classic.names();
    assert_eq!(names.len(), 73);
    let at = [
        (0, "mfcc_mean_1"),
        (19, "mfcc_mean_20"),
        (20, "mfcc_std_1"),
        (40, "spectral_centroid_mean"),
        (41, "spectral_centroid_std"),
        (42, "spectral_rolloff_mean"),
        (44, "zero_crossing_rate_mean"),
        (46, "chroma_mean_1"),
        (58, "chroma_std_1"),
        (70, "tempo"),
        (71, "rms_mean"),
        (72, "rms_std"),
    ];
    for (i, name) in at {
        assert_eq!(names[i], name);
    }
    assert_eq!(FeatureSet::from_name("classic"), Some(FeatureSet::Classic));
    assert_eq!(FeatureSet::from_name("modern"), None);
}

/// The set has that name and `count` values with names of their own, of which some stand where `at` says.
fn check_names(set: FeatureSet, name: &str, count: usize, at: &[(usize, &str)]) {
    let names = set.names();
    assert_eq!(names.len(), count);
    for (i, name) in at {
        assert_eq!(names[*i], *name);
    }
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), count);
    assert_eq!(FeatureSet::from_name(name), Some(set));
}

#[test]
fn names_of_the_dynamic_set_are_distinct_and_in_the_studys_order() {
    let at = [
        (0, "lfcc_std_1"),
        (20, "lfcc_skewness_1"),
        (59, "lfcc_kurtosis_20"),
        (60, "lfcc_delta_std_1"),
        (179, "lfcc_delta2_kurtosis_20"),
        (180, "wide_lfcc_std_1"),
        (360, "modulation_1_3_hz_mean"),
        (384, "cpp_mean"),
        (398, "entropy_change_std"),
        (399, "texture_low_time_difference_std"),
        (424, "phase_advance_4_coherence_over_bins"),
    ];
    check_names(FeatureSet::Dynamic, "dynamic", 425, &at);
}

#[test]
fn names_of_the_artefact_set_are_distinct_and_in_the_studys_order() {
    let at = [
        (424, "phase_advance_4_coherence_over_bins"),
        (425, "texture_band_1_time_difference_std"),
        (439, "texture_band_2_time_difference_kurtosis"),
        (521, "group_delay_band_1_coherence"),
        (525, "group_delay_change_band_1_coherence"),
        (616, "phase_acceleration_band_8_coherence_over_time"),
        (617, "harmonicity_band_1_std"),
        (637, "lpc_residual_kurtosis_std"),
        (672, "lpc_residual_flatness_persistence"),
        (673, "lpc_reflection_change_std_1"),
        (720, "lpc_reflection_change_kurtosis_16"),
        (721, "fast_modulation_10_20_hz_band_1"),
        (771, "envelope_correlation_1_2"),
        (781, "envelope_change_correlation_1_2"),
        (791, "envelope_change_std_band_1"),
        (820, "envelope_kurtosis_band_5"),
    ];
    check_names(FeatureSet::Artefact, "artefact", 821, &at);
}

#[test]
fn names_of_the_extended_set_are_distinct_and_in_the_references_order() {
    let at = [
        (820, "envelope_kurtosis_band_5"),
        (821, "mfcc_std_1"),
        (1_000, "mfcc_delta2_kurtosis_20"),
        (1_001, "average_shape_band_1"),
        (1_033, "average_contrast_band_1"),
        (1_065, "average_contrast_mean"),
        (1_066, "average_line_highest_band_1"),
        (1_074, "average_line_std_band_1"),
        (1_082, "jitter_local"),
        (1_087, "shimmer_local"),
        (1_093, "harmonics_to_noise_mean"),
        (1_101, "pitch_still_share"),
        (1_102, "pause_share"),
        (1_113, "pause_breath_share"),
        (1_114, "rate_line_40_110_hz_band_1_highest"),
        (1_131, "rate_line_220_460_hz_band_3_std"),
    ];
    check_names(FeatureSet::Extended, "extended", 1_132, &at);
}

#[test]
fn an_extractor_is_shared_between_threads() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    fn check_scratch<T: Send + Default + std::fmt::Debug>() {}
    check::<Extractor>();
    check_scratch::<Scratch>();
}

#[test]
fn shorter_than_a_second_is_an_error() {
    for length in [0, 1, 511, 2_048, 22_049] {
        let error = extract(vec![0.3; length]).unwrap_err();
        assert_eq!(
            error,
            FeatureError::TooShort {
                seconds: length as f64 / 22_050.0
            }
        );
    }
    assert!(extract((0..22_050).map(|n| (n % 7) as f32 / 7.0).collect()).is_ok());
}

#[test]
fn silence_is_an_error() {
    for level in [0.0, -0.0, 1e-5, 1e-40, 0.25, -1.0] {
        assert_eq!(
            extract(signal(|_| level)).unwrap_err(),
            FeatureError::Silent,
            "{level}"
        );
    }
    let dither = signal(|n| ((n * 7 % 5) as f32 - 2.0) / 32_768.0);
    assert_eq!(extract(dither).unwrap_err(), FeatureError::Silent);
    // Seven steps of 16 bits are no silence.
    assert!(extract(signal(|n| ((n * n % 15) as f32 - 7.0) / 32_768.0)).is_ok());
}

#[test]
fn samples_that_are_no_audio_are_an_error() {
    for bad in [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        -1e20,
        1e9,
    ] {
        for at in [0, 600, 33_074] {
            let samples = signal(|n| {
                if n == at {
                    bad
                } else {
                    0.1 * (n as f32 * 0.1).sin()
                }
            });
            let error = extract(samples).unwrap_err();
            let FeatureError::OutOfRange { seconds } = error else {
                panic!("{bad} at {at}: {error:?}")
            };
            assert!((seconds - at as f64 / 22_050.0).abs() <= 1.0 / 40.0);
        }
    }
}

/// Signals at the edge of what is audio, none of them silent.
fn odd_signals() -> Vec<(&'static str, Vec<f32>)> {
    let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    vec![
        (
            "full-scale square",
            signal(|n| if n / 50 % 2 == 0 { 1.0 } else { -1.0 }),
        ),
        (
            "square of a frame's period",
            signal(|n| if n / 1_024 % 2 == 0 { 1.0 } else { -1.0 }),
        ),
        ("Nyquist", signal(|n| if n % 2 == 0 { 1.0 } else { -1.0 })),
        ("one sample", signal(|n| f32::from(n == 15_000))),
        ("first sample", signal(|n| f32::from(n == 0))),
        ("last sample", signal(|n| f32::from(n == 33_074))),
        ("step", signal(|n| f32::from(n > 12_345))),
        ("ramp", signal(|n| n as f32 / 33_075.0)),
        (
            "denormals and a click",
            signal(|n| {
                if n == 9_000 {
                    0.5
                } else {
                    1e-42 * (n % 3) as f32
                }
            }),
        ),
        ("just not silent", signal(|n| 1.01e-4 * noise(n).signum())),
        ("far beyond full scale", signal(|n| 3e4 * noise(n))),
        ("noise", signal(noise)),
        ("sine", signal(|n| (n as f32 * 0.0569).sin())),
        (
            "noise on a large offset",
            signal(|n| 1_000.0 + 0.01 * noise(n)),
        ),
        (
            "half silent",
            signal(|n| if n < 16_000 { 0.0 } else { noise(n) }),
        ),
    ]
}

#[test]
fn no_odd_signal_yields_nan_in_the_sets_at_16_khz() {
    for (set, count) in [
        (FeatureSet::Dynamic, 425),
        (FeatureSet::Artefact, 821),
        (FeatureSet::Extended, 1_132),
    ] {
        let mut judged = 0;
        for (name, samples) in odd_signals() {
            match extract_set(set, samples) {
                Ok(values) => {
                    judged += 1;
                    assert_eq!(values.len(), count);
                    assert!(values.iter().all(|v| v.is_finite()), "{name}: {values:?}");
                }
                // A single click is all that is left of its clip.
                Err(FeatureError::TooLittleSpeech { seconds }) => assert!(seconds < 0.8, "{name}"),
                Err(error) => panic!("{name}: {error}"),
            }
        }
        assert!(judged >= 9);
    }
}

#[test]
fn the_sets_at_16_khz_have_the_same_errors() {
    for set in [
        FeatureSet::Dynamic,
        FeatureSet::Artefact,
        FeatureSet::Extended,
    ] {
        let error = |samples| extract_set(set, samples).unwrap_err();
        assert!(matches!(
            error(vec![0.3; 22_049]),
            FeatureError::TooShort { .. }
        ));
        assert_eq!(error(signal(|_| 0.25)), FeatureError::Silent);
        assert!(matches!(
            error(signal(|_| f32::NAN)),
            FeatureError::OutOfRange { .. }
        ));
    }
}

#[test]
fn what_artefact_adds_is_bounded_and_tells_a_tone_from_noise() {
    let names = FeatureSet::Artefact.names();
    let second = |f: &dyn Fn(usize) -> f32| -> Vec<f64> {
        // As short as a clip may be.
        extract_set(FeatureSet::Artefact, (0..22_050).map(f).collect()).unwrap()
    };
    let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    let mut state = 1_u32;
    let hiss: Vec<f32> = (0..22_050)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect();
    let tone = second(&|n| (n as f32 * 0.1).sin());
    let hiss = second(&|n| hiss[n]);
    let offset = second(&|n| 0.5 + 0.1 * noise(n * n));
    for (i, name) in names.iter().enumerate() {
        for values in [&tone, &hiss, &offset] {
            let share = name.contains("coherence") && !name.starts_with("phase_advance");
            if share || name.contains("envelope_correlation") {
                assert!(values[i].abs() <= 1.0 + 1e-6, "{name} {}", values[i]);
            }
        }
    }
    let at = |values: &[f64], wanted: &str| values[names.iter().position(|n| n == wanted).unwrap()];
    let coherence = "phase_acceleration_band_1_coherence";
    assert!(at(&tone, coherence) > 2.0 * at(&hiss, coherence));
    let gain = "lpc_prediction_gain_mean";
    assert!(at(&tone, gain) > at(&hiss, gain) + 2.0);
}

#[test]
fn no_other_input_yields_nan() {
    for (name, samples) in odd_signals() {
        let values = extract(samples).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(values.len(), 73);
        assert!(values.iter().all(|v| v.is_finite()), "{name}: {values:?}");
        assert!(
            values[46..58].iter().all(|c| (0.0..=1.0).contains(c)),
            "{name}: chroma"
        );
        assert!(
            values[70] == 0.0 || (7.0..320.0).contains(&values[70]),
            "{name}: tempo {}",
            values[70]
        );
    }
}

#[test]
fn nothing_is_carried_from_clip_to_clip() {
    let extractor = Extractor::new(FeatureSet::Classic);
    let mut reused = Scratch::default();
    let clip = |seconds: usize, seed: usize| {
        let sample =
            |n: usize| ((n * n * seed) % 1_009) as f32 / 1_009.0 * f32::from(n % 9_000 < 5_000);
        Waveform::new((0..seconds * 22_050).map(sample).collect())
    };
    // Long enough for the spectrogram not to be kept, then short, then in between.
    for (seconds, seed) in [(3, 7), (66, 13), (1, 11), (10, 5)] {
        let waveform = clip(seconds, seed);
        let fresh = extractor
            .extract(&waveform, &mut Scratch::default())
            .unwrap();
        assert_eq!(extractor.extract(&waveform, &mut reused).unwrap(), fresh);
    }
}
