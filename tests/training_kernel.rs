//! The kernel machine: its optimality conditions, what a line cannot separate, copies, calibration.
#![cfg(feature = "training")]

use voxproof::model::{Estimator, Kernel, Pipeline, kernel, whitened};
use voxproof::training::KernelSettings;
use voxproof::training::kernel_fit::{Known, fit};
use voxproof::training::metrics::{Ranking, calibration_error};
use voxproof::training::rng::Rng;
use voxproof::training::whitening;

fn uniform(rng: &mut Rng) -> f64 {
    rng.below(1 << 20) as f64 / f64::from(1 << 19) - 1.0
}

/// `n` clips of 6 values in two groups: synthetic where the first two values have one sign, which no line tells; the
/// rest is noise. Twelve families and sources.
fn crossed(n: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<bool>, Vec<String>) {
    let mut rng = Rng::new(seed, 1);
    let rows: Vec<Vec<f64>> = (0..n)
        .map(|_| (0..6).map(|_| uniform(&mut rng)).collect())
        .collect();
    let is_ai = rows.iter().map(|row| row[0] * row[1] > 0.0).collect();
    let groups = (0..n).map(|i| format!("group {}", i % 12)).collect();
    (rows, is_ai, groups)
}

/// Each of them twice.
fn doubled<T: Clone>(of: &[T]) -> Vec<T> {
    of.iter().flat_map(|x| [x.clone(), x.clone()]).collect()
}

/// Without whitening and a fit of its own for clips as recorded, and with copies that weigh as much as their clip.
fn unmixed() -> KernelSettings {
    KernelSettings {
        whitening: 0.0,
        joint: 0.0,
        recorded: 0.5,
        plain: 0.0,
        lambda: 0.3,
        ..KernelSettings::default()
    }
}

fn fitted(
    rows: &[Vec<f64>],
    is_ai: &[bool],
    groups: &[String],
    each: usize,
    settings: &KernelSettings,
) -> Pipeline {
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let known = Known {
        is_ai,
        groups: &groups,
        corpora: &vec![""; rows.len()],
        languages: &vec![""; rows.len()],
        speakers: &vec![None; rows.len()],
    };
    fit(&rows, &known, each, &[2, 6], settings).unwrap()
}

fn machine(pipeline: &Pipeline) -> &Kernel {
    match &pipeline.estimator {
        Estimator::Kernel(kernel) => kernel,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_separates_what_no_line_separates_and_holds_on_new_clips() {
    let (rows, is_ai, groups) = crossed(600, 1);
    let settings = KernelSettings {
        landmarks: 200,
        lambda: 0.05,
        gamma: 2.0,
        ..unmixed()
    };
    let pipeline = fitted(&rows, &is_ai, &groups, 1, &settings);
    let (rows, is_ai, _) = crossed(400, 2);
    let scores: Vec<f64> = rows.iter().map(|row| pipeline.probability(row)).collect();
    let eer = Ranking::new(&scores, &is_ai).eer(|_| 1.0);
    assert!(eer < 0.08, "{eer}");
    // 0.5 is where the classes are best told apart, and probabilities mean what they say.
    let right = scores
        .iter()
        .zip(&is_ai)
        .filter(|(p, ai)| (**p > 0.5) == **ai);
    assert!(right.count() as f64 > 0.9 * 400.0);
    assert!(calibration_error(&scores, &is_ai) < 0.1);
}

/// At the minimum, `P' W (P c - y) + (lambda K + jitter) c = 0`. Kernels are read off the serving code: the score with
/// one coefficient of 1 is the kernel to its landmark.
#[test]
fn the_coefficients_are_at_the_minimum_of_the_objective() {
    let (rows, is_ai, groups) = crossed(60, 3);
    let settings = KernelSettings {
        landmarks: 25,
        power: 0.0,
        ..unmixed()
    };
    let pipeline = fitted(&rows, &is_ai, &groups, 1, &settings);
    let kernel = machine(&pipeline);
    assert_eq!(kernel.coefficients.len(), 25);
    let k = |z: &[f32]| -> Vec<f64> {
        let to = |l: usize| {
            let mut one = kernel.clone();
            one.coefficients = (0..25).map(|i| f32::from(u8::from(i == l))).collect();
            one.score(z)
        };
        (0..25).map(to).collect()
    };
    let standardise = |row: &Vec<f64>| {
        let mut clipped = row.clone();
        pipeline.bounds.as_ref().unwrap().clip(&mut clipped);
        let mut z = Vec::new();
        pipeline.scaler.transform(&clipped, &mut z);
        z
    };
    let ais = is_ai.iter().filter(|ai| **ai).count() as f64;
    let weight = |ai: bool| 30.0 / if ai { ais } else { 60.0 - ais };
    let c: Vec<f64> = kernel.coefficients.iter().map(|&c| f64::from(c)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut gradient: Vec<f64> = kernel
        .landmarks
        .chunks(6)
        .zip(&c)
        .map(|(landmark, &own)| {
            let z: Vec<f32> = landmark.iter().map(|&b| kernel::restore(b)).collect();
            f64::from(settings.lambda) * dot(&k(&z), &c) + 0.02 * own
        })
        .collect();
    let mut scale: f64 = 0.0;
    for (row, &ai) in rows.iter().zip(&is_ai) {
        let kernels = k(&standardise(row));
        let off = dot(&kernels, &c) - if ai { 1.0 } else { -1.0 };
        for (g, k) in gradient.iter_mut().zip(&kernels) {
            *g += weight(ai) * k * off;
            scale = scale.max((weight(ai) * k * off).abs());
        }
    }
    let worst = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
    assert!(worst < 1e-3 * scale, "{worst} of {scale}");
}

/// Two languages that the third value tells apart: in one of them nine of ten clips are synthetic, in the other one of
/// ten. What makes a clip synthetic is fainter than the language.
#[test]
fn a_language_is_not_learnt_as_a_class_where_the_classes_are_evened_out() {
    let clips = |n: usize, seed: u64, skew: usize| {
        let mut rng = Rng::new(seed, 3);
        let mut rows = Vec::new();
        let (mut is_ai, mut languages) = (Vec::new(), Vec::new());
        for i in 0..n {
            let tamil = i % 2 == 0;
            let ai = (rng.below(10) < skew) == tamil;
            let sign = |yes: bool| if yes { 1.0 } else { -1.0 };
            let mut row: Vec<f64> = (0..6).map(|_| uniform(&mut rng)).collect();
            row[0] += 0.5 * sign(ai);
            row[2] = 0.3 * row[2] + sign(tamil);
            rows.push(row);
            is_ai.push(ai);
            languages.push(if tamil { "ta" } else { "en" });
        }
        (rows, is_ai, languages)
    };
    let (rows, is_ai, languages) = clips(600, 9, 9);
    let slices: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let groups: Vec<String> = (0..600).map(|i| format!("group {}", i % 12)).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    // As many of each class in either language to test on.
    let (tested, truth, spoken) = clips(600, 10, 5);
    let errors = |strength: f64, languages: &[&str]| {
        let settings = KernelSettings {
            landmarks: 150,
            languages: strength,
            ..unmixed()
        };
        let known = Known {
            is_ai: &is_ai,
            groups: &groups,
            corpora: &[""; 600],
            languages,
            speakers: &[None; 600],
        };
        let pipeline = fit(&slices, &known, 1, &[2, 6], &settings).unwrap();
        let wrong = |tamil: bool| {
            let of_class = (0..600).filter(|&i| (spoken[i] == "ta") == tamil && !truth[i]);
            let called_ai = of_class
                .clone()
                .filter(|&i| pipeline.probability(&tested[i]) > 0.5);
            called_ai.count() as f64 / of_class.count() as f64
        };
        (wrong(true), wrong(false))
    };
    let (tamil, english) = errors(0.0, &languages);
    assert!(tamil > english + 0.3, "{tamil} {english}");
    let (evened, english) = errors(1.0, &languages);
    assert!(evened < english + 0.15, "{evened} {english}");
    // Where no language is known, there is nothing to even out.
    assert_eq!(errors(1.0, &[""; 600]), errors(0.0, &languages));
}

#[test]
fn a_clip_weighs_the_same_with_copies_and_only_clips_become_landmarks() {
    let (rows, is_ai, groups) = crossed(80, 4);
    let settings = KernelSettings {
        landmarks: 1_000,
        ..unmixed()
    };
    let plain = fitted(&rows, &is_ai, &groups, 1, &settings);
    // The power of a group's size must not see the copies either: with it, both classes only change by one factor.
    let copied = fitted(
        &doubled(&rows),
        &doubled(&is_ai),
        &doubled(&groups),
        2,
        &settings,
    );
    assert_eq!(machine(&plain).landmarks.len(), 80 * 6);
    assert_eq!(machine(&copied).landmarks.len(), 80 * 6);
    for row in &rows {
        let (a, b) = (plain.score(row), copied.score(row));
        assert!((a - b).abs() < 0.02, "{a} {b}");
    }
}

/// Each clip followed by a copy in which everything is turned round.
fn misled(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let turned = |row: &[f64]| {
        let mut row: Vec<f64> = row.iter().map(|x| 3.0 * x).collect();
        row[0] /= -3.0;
        row
    };
    rows.iter()
        .flat_map(|row| [row.clone(), turned(row)])
        .collect()
}

#[test]
fn the_fit_without_copies_hears_none_and_both_fits_are_one_machine() {
    let (rows, is_ai, groups) = crossed(240, 11);
    let settings = |plain: f64| KernelSettings {
        landmarks: 60,
        plain,
        ..unmixed()
    };
    let (copies, is_ais, of) = (misled(&rows), doubled(&is_ai), doubled(&groups));
    let with = |plain: f64| fitted(&copies, &is_ais, &of, 2, &settings(plain));
    let alone = fitted(&rows, &is_ai, &groups, 1, &settings(0.0));
    let coefficients = |of: &Pipeline| machine(of).coefficients.clone();
    let (copied, deaf) = (with(0.0), with(1.0));
    assert_eq!(machine(&deaf), machine(&alone));
    assert_eq!(deaf.bounds, alone.bounds);
    assert_eq!(deaf.scaler, alone.scaler);
    assert_ne!(coefficients(&copied), coefficients(&deaf));

    // A third of one in units of its log-odds, and two thirds of the other: what they are is read off two landmarks.
    let both = with(2.0 / 3.0);
    assert_eq!(machine(&both).landmarks, machine(&deaf).landmarks);
    let [c, d, m] = [&copied, &deaf, &both].map(|of| {
        let own = coefficients(of);
        own.into_iter().map(f64::from).collect::<Vec<f64>>()
    });
    let determinant = c[0] * d[1] - c[1] * d[0];
    let a = (m[0] * d[1] - m[1] * d[0]) / determinant;
    let b = (c[0] * m[1] - c[1] * m[0]) / determinant;
    assert!(a > 0.0 && b > 0.0, "{a} {b}");
    for ((c, d), m) in c.iter().zip(&d).zip(&m) {
        let expected = a * c + b * d;
        assert!(
            (expected - m).abs() < 1e-3 * (1.0 + m.abs()),
            "{expected} {m}"
        );
    }
    // On copies that turn everything round, nobody is right who heard them as well as the clips; who heard none is,
    // on clips.
    let right = |of: &Pipeline| {
        let of_class = rows.iter().zip(&is_ai);
        of_class
            .filter(|&(row, &ai)| (of.probability(row) > 0.5) == ai)
            .count()
    };
    assert!(
        right(&deaf) > right(&copied) + 30,
        "{} {}",
        right(&deaf),
        right(&copied)
    );
}

/// An engine that imitates two corpora, of one of which there is a single clip: it weighs more than one of the many.
#[test]
fn an_engines_clips_weigh_by_their_number_in_each_corpus() {
    let (rows, is_ai, groups) = crossed(120, 12);
    let slices: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let odd = is_ai.iter().position(|&ai| ai).unwrap();
    let fit_with = |corpora: &[&str]| {
        let known = Known {
            is_ai: &is_ai,
            groups: &groups,
            corpora,
            languages: &[""; 120],
            speakers: &[None; 120],
        };
        let settings = KernelSettings {
            landmarks: 1_000,
            ..unmixed()
        };
        fit(&slices, &known, 1, &[2, 6], &settings).unwrap()
    };
    let mut corpora = ["one"; 120];
    let plain = fit_with(&corpora);
    corpora[odd] = "other";
    let apart = fit_with(&corpora);
    assert!(apart.score(&rows[odd]) > plain.score(&rows[odd]));
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_other_landmarks() {
    let (rows, is_ai, groups) = crossed(120, 5);
    let with = |seed: u64| {
        let settings = KernelSettings {
            landmarks: 40,
            seed,
            ..unmixed()
        };
        fitted(&rows, &is_ai, &groups, 1, &settings)
    };
    assert_eq!(with(7), with(7));
    assert_ne!(machine(&with(7)).landmarks, machine(&with(8)).landmarks);
}

#[test]
fn values_that_are_not_numbers_are_refused() {
    let (mut rows, is_ai, groups) = crossed(40, 6);
    rows[3][2] = f64::NAN;
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let known = Known {
        is_ai: &is_ai,
        groups: &groups,
        corpora: &[""; 40],
        languages: &[""; 40],
        speakers: &[None; 40],
    };
    let error = fit(&rows, &known, 1, &[2, 6], &unmixed());
    assert!(error.is_err());
}

/// People of two recordings each, whose second value alone differs between the two, and wildly.
fn people(n: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(seed, 2);
    let mut rows = Vec::new();
    for _ in 0..n / 2 {
        let own: Vec<f32> = (0..6).map(|_| uniform(&mut rng) as f32).collect();
        for sign in [-1.0, 1.0] {
            let mut row = own.clone();
            row[1] += sign * 2.0 * uniform(&mut rng) as f32;
            rows.push(row);
        }
    }
    rows
}

#[test]
fn whitening_shrinks_what_differs_within_a_person_and_keeps_the_mean_square() {
    let rows = people(400, 7);
    let names: Vec<String> = (0..200).map(|i| format!("person {i}")).collect();
    let human: Vec<_> = (0..400)
        .map(|row| (row, Some(("corpus", names[row / 2].as_str()))))
        .collect();
    let ends = [2, 6];
    let mixing = whitening::fit(&rows, &human, &ends, 20.0).unwrap();
    let mixed: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| whitened::mix(&mixing, &[2, 6], row))
        .collect();
    let mean_square = |of: &[Vec<f32>], group: std::ops::Range<usize>| {
        let count = (of.len() * group.len()) as f32;
        of.iter()
            .flat_map(|row| &row[group.clone()])
            .map(|z| z * z)
            .sum::<f32>()
            / count
    };
    // Both groups have a mean square of 1, and the value that tells nothing lost its share to the other.
    for group in [0..2, 2..6] {
        assert!((mean_square(&mixed, group) - 1.0).abs() < 0.02);
    }
    let share = |of: &[Vec<f32>]| mean_square(of, 1..2) / mean_square(of, 0..2) / 2.0;
    assert!(share(&rows) > 0.7, "{}", share(&rows));
    assert!(share(&mixed) < 0.4, "{}", share(&mixed));

    // Where nobody is known, or recorded twice, nothing is shrunk.
    let unknown: Vec<_> = (0..400).map(|row| (row, None)).collect();
    let once: Vec<_> = human.iter().step_by(2).copied().collect();
    for human in [unknown, once] {
        let mixing = whitening::fit(&rows, &human, &ends, 20.0).unwrap();
        assert_eq!(mixing[1], 0.0);
        assert!((mixing[0] - mixing[2]).abs() < 1e-6);
    }
}

#[test]
fn a_whitened_machine_is_stored_as_it_was_fitted() {
    let (rows, is_ai, groups) = crossed(200, 8);
    let slices: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let names: Vec<String> = (0..100).map(|i| format!("person {i}")).collect();
    let speakers: Vec<_> = (0..200)
        .map(|i| Some(("corpus", names[i / 2].as_str())))
        .collect();
    let settings = KernelSettings {
        landmarks: 60,
        ..KernelSettings::default()
    };
    let known = Known {
        is_ai: &is_ai,
        groups: &groups,
        corpora: &[""; 200],
        languages: &[""; 200],
        speakers: &speakers,
    };
    let pipeline = fit(&slices, &known, 1, &[2, 6], &settings).unwrap();
    let Estimator::Whitened(machine) = &pipeline.estimator else {
        panic!("{:?}", pipeline.estimator)
    };
    assert_eq!(machine.mixing.len(), 3 + 10);
    let bytes = wincode::serialize(&pipeline.estimator).unwrap();
    let read: Estimator = wincode::deserialize_exact(&bytes).unwrap();
    assert_eq!(read, pipeline.estimator);
    assert_eq!(read.kind(), "kernel");
}
