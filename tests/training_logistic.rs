//! The logistic regression against scikit-learn and its own optimality conditions, and its
//! calibration.
#![cfg(feature = "training")]

use std::time::Instant;

use voxproof::model::{Bounds, Estimator, Logistic};
use voxproof::training::logistic_fit::{fit, solve};
use voxproof::training::metrics::{Ranking, calibration_error};
use voxproof::training::rng::Rng;
use voxproof::training::{LogisticSettings, Weighting, calibrate};

/// 40 rows of 3 values and their classes, 28 of them synthetic.
fn small() -> (Vec<Vec<f64>>, Vec<bool>) {
    let rows = (0..40).map(|i| {
        vec![
            f64::from((i * 7) % 11 - 5) / 3.0,
            f64::from((i * i * 3) % 13 - 6) / 4.0,
            f64::from((i * 5 + 2) % 7 - 3) / 2.0,
        ]
    });
    let is_ai = (0..40).map(|i| (i * i + i) % 5 < 2 || (i * 7) % 11 > 8);
    (rows.collect(), is_ai.collect())
}

fn balanced(is_ai: &[bool]) -> Vec<f64> {
    Weighting::Classes.weights(is_ai, &vec![""; is_ai.len()])
}

/// scikit-learn 1.3.2: `LogisticRegression(C=c, class_weight="balanced", solver="newton-cholesky",
/// tol=1e-13)` on the data of [`small`].
#[test]
fn the_solution_is_that_of_scikit_learn() {
    let (rows, is_ai) = small();
    let weights = balanced(&is_ai);
    let known = [
        (
            1.0,
            [0.5814053269398108, 0.2392504359720128, 0.04780212718685917],
            0.08251472180081712,
        ),
        (
            0.001,
            [
                0.0061257688328644035,
                0.0018315262857163362,
                -0.0006954725462662242,
            ],
            0.0007677684040062123,
        ),
        (
            100.0,
            [0.6531627491257314, 0.2799820557388417, 0.07064566278529115],
            0.09450940428915958,
        ),
    ];
    for (c, coefficients, intercept) in known {
        let fitted = solve(&rows, &is_ai, &weights, c).unwrap();
        for (ours, theirs) in fitted.weights.iter().zip(coefficients) {
            assert!((ours - theirs).abs() < 1e-6, "C {c}: {ours} {theirs}");
        }
        assert!((fitted.bias - intercept).abs() < 1e-6, "C {c}");
    }
}

/// Rows of correlated values, as features are; `signal` moves those of the synthetic half.
fn made_up(count: usize, features: usize, signal: f64) -> (Vec<Vec<f64>>, Vec<bool>) {
    let mut rng = Rng::new(3, 0);
    let mut normal = move || {
        (0..6)
            .map(|_| rng.next_u64() as f64 / u64::MAX as f64)
            .sum::<f64>()
            - 3.0
    };
    let is_ai: Vec<bool> = (0..count).map(|i| i % 2 == 1).collect();
    let rows = is_ai.iter().map(|&ai| {
        let common = [normal(), normal(), normal()];
        let shift = if ai { signal } else { 0.0 };
        (0..features)
            .map(|feature| common[feature % 3] + normal() + shift / (1.0 + feature as f64))
            .collect()
    });
    (rows.collect(), is_ai)
}

/// Largest component of the objective's gradient, by the formula.
fn gradient(fitted: &Logistic, rows: &[Vec<f64>], is_ai: &[bool], s: &[f64], c: f64) -> f64 {
    let mut gradient = fitted.weights.clone();
    let mut of_bias = 0.0;
    for ((row, &ai), s) in rows.iter().zip(is_ai).zip(s) {
        let terms = row.iter().zip(&fitted.weights);
        let score = terms.map(|(x, w)| x * w).sum::<f64>() + fitted.bias;
        let error = c * s * (1.0 / (1.0 + (-score).exp()) - f64::from(u8::from(ai)));
        gradient
            .iter_mut()
            .zip(row)
            .for_each(|(g, x)| *g += error * x);
        of_bias += error;
    }
    gradient
        .iter()
        .fold(of_bias.abs(), |max, g| max.max(g.abs()))
}

#[test]
fn fits_of_the_corpus_s_size_reach_the_minimum() {
    for (features, c) in [(73, 0.001), (425, 0.001), (425, 1.0)] {
        let (rows, is_ai) = made_up(3248, features, 0.5);
        let weights = balanced(&is_ai);
        let start = Instant::now();
        let fitted = solve(&rows, &is_ai, &weights, c).unwrap();
        println!("{features} features, C {c}: {:?}", start.elapsed());
        let left = gradient(&fitted, &rows, &is_ai, &weights, c);
        assert!(left < 1e-6, "{features} features, C {c}: {left:e}");
    }
}

#[test]
fn separable_classes_converge() {
    let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i) - 24.5, 1.0]).collect();
    let is_ai: Vec<bool> = (0..50).map(|i| i >= 25).collect();
    for c in [0.001, 1.0, 1e4] {
        let fitted = solve(&rows, &is_ai, &balanced(&is_ai), c).unwrap();
        assert!(fitted.weights[0] > 0.0, "C {c}");
        let called = rows
            .iter()
            .map(|row| fitted.score(&[row[0] as f32, row[1] as f32]) > 0.0);
        assert!(called.eq(is_ai.iter().copied()), "C {c}");
    }
}

#[test]
fn values_that_are_not_finite_are_an_error_not_a_loop() {
    let (mut rows, is_ai) = small();
    rows[3][1] = f64::NAN;
    assert!(solve(&rows, &is_ai, &balanced(&is_ai), 1.0).is_err());
}

#[test]
fn weights_balance_classes_or_groups() {
    let is_ai = [false, false, false, true, true, true, true, true];
    let groups = ["a", "a", "b", "x", "x", "x", "x", "y"];
    let classes = Weighting::Classes.weights(&is_ai, &groups);
    assert_eq!(&classes[..3], &[4.0 / 3.0; 3]);
    assert_eq!(&classes[3..], &[0.8; 5]);
    let by_group = Weighting::Groups.weights(&is_ai, &groups);
    assert_eq!(by_group, [1.0, 1.0, 2.0, 0.5, 0.5, 0.5, 0.5, 2.0]);
}

/// NumPy: `np.percentile([0, 1, ..., 100, 1000], [0.5, 99.5])`.
#[test]
fn bounds_are_the_percentiles() {
    let values: Vec<[f64; 1]> = (0..=100)
        .map(|i| [f64::from((i * 37) % 101)])
        .chain([[1000.0]])
        .collect();
    let rows: Vec<&[f64]> = values.iter().map(<[f64; 1]>::as_slice).collect();
    let bounds = Bounds::fit(&rows, 0.99);
    assert!((bounds.low[0] - 0.505).abs() < 1e-9, "{bounds:?}");
    assert!((bounds.high[0] - 545.5).abs() < 1e-9, "{bounds:?}");
    let mut row = [-5.0];
    bounds.clip(&mut row);
    assert_eq!(row[0], bounds.low[0]);
}

#[test]
fn calibration_is_monotone_and_one_half_at_the_eer_point() {
    let mut rng = Rng::new(11, 0);
    let mut uniform = move || rng.next_u64() as f64 / u64::MAX as f64;
    // Log-odds of exactly what they say, but stretched, moved, and with four times as many humans.
    let (mut scores, mut is_ai) = (Vec::new(), Vec::new());
    while scores.len() < 20_000 {
        let truth = 8.0 * uniform() - 4.0;
        let ai = uniform() < 1.0 / (1.0 + (-truth).exp());
        if !ai || uniform() < 0.25 {
            scores.push(0.3 * truth + 5.0);
            is_ai.push(ai);
        }
    }
    let calibration = calibrate::platt(&scores, &is_ai);
    let threshold = Ranking::new(&scores, &is_ai).eer_threshold(&scores);
    assert!((calibration.probability(threshold) - 0.5).abs() < 1e-12);
    let wrong = |class: bool| {
        let of_class = || scores.iter().zip(&is_ai).filter(|(_, ai)| **ai == class);
        let called = of_class().filter(|(s, _)| calibration.probability(**s) > 0.5);
        let called = called.count() as f64 / of_class().count() as f64;
        if class { 1.0 - called } else { called }
    };
    assert!((wrong(false) - wrong(true)).abs() < 1e-3);
    assert!(
        (calibration.slope - 1.0 / 0.3).abs() < 0.2,
        "{calibration:?}"
    );
    let probabilities: Vec<f64> = scores.iter().map(|&s| calibration.probability(s)).collect();
    assert!(calibration_error(&probabilities, &is_ai) < 0.02);
    let mut last = 0.0;
    for step in -1000..1000 {
        let p = calibration.probability(f64::from(step) / 50.0);
        assert!((0.0..=1.0).contains(&p) && p >= last);
        last = p;
    }
}

#[test]
fn calibration_survives_scores_without_meaning_and_without_error() {
    for (scores, is_ai) in [
        ([1.0, 1.0, 1.0, 1.0], [false, true, false, true]),
        ([4.0, 3.0, 2.0, 1.0], [false, false, true, true]),
        ([1.0, 2.0, 3.0, 4.0], [false, false, true, true]),
    ] {
        let calibration = calibrate::platt(&scores, &is_ai);
        assert!(
            calibration.slope > 0.0 && calibration.slope.is_finite(),
            "{scores:?}"
        );
        assert!(calibration.offset.is_finite(), "{scores:?}");
    }
}

#[test]
fn calibration_error_and_detection_rate_have_their_known_values() {
    // One bin: mean probability 0.85, half synthetic.
    assert!((calibration_error(&[0.85, 0.85], &[true, false]) - 0.35).abs() < 1e-12);
    assert_eq!(calibration_error(&[0.0, 1.0], &[false, true]), 0.0);
    let scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4];
    let ranking = Ranking::new(&scores, &[true, false, true, true, false, false]);
    assert!((ranking.detection_rate(0.0) - 1.0 / 3.0).abs() < 1e-12);
    assert!((ranking.detection_rate(0.34) - 1.0).abs() < 1e-12);
}

#[test]
fn no_group_stands_in_two_calibration_folds() {
    let is_ai: Vec<bool> = (0..60).map(|i| i % 2 == 0).collect();
    let names: Vec<String> = (0..60).map(|i| format!("g{}", (i / 2) % 7)).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    let part_of = calibrate::grouped_folds(&is_ai, &groups);
    for i in 0..60 {
        for j in 0..60 {
            if is_ai[i] == is_ai[j] && groups[i] == groups[j] {
                assert_eq!(part_of[i], part_of[j]);
            }
        }
    }
    for part in 0..calibrate::FOLDS {
        assert!((0..60).any(|i| part_of[i] == part && is_ai[i]));
    }
    // One group only: clip by clip.
    let part_of = calibrate::grouped_folds(&is_ai, &[""; 60]);
    assert_eq!(part_of.iter().filter(|&&part| part == 0).count(), 12);
}

#[test]
fn a_fit_is_calibrated_and_the_same_on_any_number_of_threads() {
    let (rows, is_ai) = made_up(400, 12, 2.0);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let names: Vec<String> = (0..400).map(|i| format!("g{}", i / 2 % 9)).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    let settings = LogisticSettings {
        weighting: Weighting::Groups,
        c: 0.1,
    };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| fit(&rows, &is_ai, &groups, &settings).unwrap())
    };
    let fitted = on(1);
    assert_eq!(fitted, on(3));
    assert!(matches!(fitted.estimator, Estimator::Logistic(_)));
    let p: Vec<f64> = rows.iter().map(|row| fitted.probability(row)).collect();
    assert!(Ranking::new(&p, &is_ai).eer(|_| 1.0) < 0.2);
    assert!(calibration_error(&p, &is_ai) < 0.1);
    let called = p.iter().filter(|&&p| p > 0.5).count();
    assert!((160..240).contains(&called), "{called} of 400");
    // Values far outside of training count as its outermost.
    let far: Vec<f64> = rows[0].iter().map(|_| 1e300).collect();
    let farther = vec![f64::INFINITY; 12];
    assert_eq!(fitted.probability(&far), fitted.probability(&farther));
}
