//! The gradient-boosted trees and the MLP against scikit-learn and against their own definitions.
#![cfg(feature = "training")]

use serde::Deserialize;
use voxproof::model::{Estimator, Layer, Mlp, Pipeline, Scaler};
use voxproof::training::metrics::Ranking;
use voxproof::training::mlp_fit::Trainer;
use voxproof::training::rng::Rng;
use voxproof::training::{BoostingSettings, MlpSettings, TrainingError, boosting_fit, mlp_fit};

/// What `tests/golden/make_models_golden.py` writes.
#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<f64>>,
    is_ai: Vec<bool>,
    queries: Vec<Vec<f64>>,
    boosting: Vec<GoldenBoosting>,
    mlp: GoldenMlp,
}

#[derive(Deserialize)]
struct GoldenBoosting {
    stages: usize,
    learning_rate: f64,
    max_depth: usize,
    decision: Vec<f64>,
}

#[derive(Deserialize)]
struct GoldenMlp {
    hidden: Vec<usize>,
    learning_rate: f64,
    batch: usize,
    iterations: usize,
    decision: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/models.json")).unwrap()
}

fn slices(rows: &[Vec<f64>]) -> Vec<&[f64]> {
    rows.iter().map(Vec::as_slice).collect()
}

#[test]
fn boosted_scores_are_those_of_scikit_learn() {
    let golden = golden();
    for case in &golden.boosting {
        let settings = BoostingSettings {
            stages: case.stages,
            learning_rate: case.learning_rate,
            max_depth: case.max_depth,
            ..BoostingSettings::default()
        };
        let fitted = boosting_fit::fit(&slices(&golden.rows), &golden.is_ai, &settings).unwrap();
        for (query, expected) in golden.queries.iter().zip(&case.decision) {
            let score = fitted.score(query);
            // Leaves are stored in f32.
            assert!(
                (score - expected).abs() < 2e-6,
                "{} stages: {score} {expected}",
                case.stages
            );
        }
    }
}

/// The weights that the golden script starts from: multiples of 2^-8 within +-0.5.
fn start(count: usize, number: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (((i * 37 + number * 101) % 257) as f32 - 128.0) / 256.0)
        .collect()
}

#[test]
fn the_mlp_is_trained_as_scikit_learn_trains_it() {
    let golden = golden();
    let case = &golden.mlp;
    let sizes: Vec<usize> = [&[6], case.hidden.as_slice(), &[1]].concat();
    let layers = sizes.windows(2).enumerate().map(|(number, size)| Layer {
        weights: start(size[0] * size[1], 2 * number),
        bias: start(size[1], 2 * number + 1),
    });
    let settings = MlpSettings {
        learning_rate: case.learning_rate,
        batch: case.batch,
        ..MlpSettings::default()
    };
    let mut trainer = Trainer::new(Mlp::new(6, layers.collect()), &settings);
    let scaler = Scaler::fit(&slices(&golden.rows));
    let mut x = Vec::new();
    let mut row_of = |row: &Vec<f64>| {
        let mut standardised = Vec::new();
        scaler.transform(row, &mut standardised);
        x.extend(standardised);
    };
    golden.rows.iter().for_each(&mut row_of);
    let order: Vec<usize> = (0..golden.rows.len()).collect();
    for _ in 0..case.iterations {
        trainer.iteration(&x, &golden.is_ai, &order);
    }
    let fitted = Pipeline {
        bounds: None,
        scaler,
        estimator: Estimator::Mlp(trainer.mlp().clone()),
        calibration: None,
    };
    let spread = |values: &[f64]| {
        let extreme = values.iter().copied();
        extreme.clone().fold(f64::MIN, f64::max) - extreme.fold(f64::MAX, f64::min)
    };
    assert!(
        spread(&case.decision) > 1.0,
        "the golden MLP learned something"
    );
    for (query, expected) in golden.queries.iter().zip(&case.decision) {
        let score = fitted.score(query);
        assert!((score - expected).abs() < 1e-3, "{score} {expected}");
    }
}

/// Rows of 5 values in which the class is the sign of a product, plus noise: no linear score of them
/// tells anything.
fn product(count: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<bool>) {
    let mut rng = Rng::new(seed, 0);
    let mut uniform = move || rng.next_u64() as f64 / u64::MAX as f64 * 2.0 - 1.0;
    let rows: Vec<Vec<f64>> = (0..count)
        .map(|_| (0..5).map(|_| 100.0 + 10.0 * uniform()).collect())
        .collect();
    let is_ai = rows
        .iter()
        .map(|row| (row[0] - 100.0) * (row[1] - 100.0) + 8.0 * uniform() > 0.0);
    let is_ai = is_ai.collect();
    (rows, is_ai)
}

fn auc(fitted: &Pipeline, rows: &[Vec<f64>], is_ai: &[bool]) -> f64 {
    let scores: Vec<f64> = rows.iter().map(|row| fitted.probability(row)).collect();
    Ranking::new(&scores, is_ai).auc(|_| 1.0)
}

#[test]
fn both_learn_what_no_linear_model_can() {
    let ((rows, is_ai), (test, truth)) = (product(1500, 1), product(500, 2));
    let boosted = boosting_fit::fit(
        &slices(&rows),
        &is_ai,
        &BoostingSettings {
            max_depth: 4,
            stages: 60,
            ..BoostingSettings::default()
        },
    );
    let boosted = auc(&boosted.unwrap(), &test, &truth);
    assert!(boosted > 0.9, "{boosted}");
    let settings = MlpSettings {
        learning_rate: 0.003,
        ..MlpSettings::default()
    };
    let perceptron = mlp_fit::fit(&slices(&rows), &is_ai, &settings).unwrap();
    let perceptron = auc(&perceptron, &test, &truth);
    assert!(perceptron > 0.9, "{perceptron}");
}

#[test]
fn fits_depend_on_the_seed_and_not_on_the_number_of_threads() {
    let (rows, is_ai) = product(300, 3);
    let on = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let boosting = BoostingSettings {
                stages: 15,
                seed,
                ..BoostingSettings::default()
            };
            let mlp = MlpSettings {
                iterations: 8,
                seed,
                ..MlpSettings::default()
            };
            (
                boosting_fit::fit(&slices(&rows), &is_ai, &boosting).unwrap(),
                mlp_fit::fit(&slices(&rows), &is_ai, &mlp).unwrap(),
            )
        })
    };
    let (boosted, perceptron) = on(1, 42);
    assert_eq!((&boosted, &perceptron), (&on(3, 42).0, &on(3, 42).1));
    let other = on(2, 43);
    assert_ne!(boosted, other.0, "splits of equal worth are drawn");
    assert_ne!(perceptron, other.1);
}

/// With no limit on depth, one stage of rate 1 separates what it was fitted to, and the first stage's
/// Newton step is known: residuals `1 - p` and `-p` over `p (1 - p)`.
#[test]
fn a_full_tree_ends_in_pure_leaves_with_the_newton_step() {
    let (rows, is_ai) = product(120, 4);
    let settings = BoostingSettings {
        stages: 1,
        learning_rate: 1.0,
        max_depth: 60,
        seed: 1,
    };
    let fitted = boosting_fit::fit(&slices(&rows), &is_ai, &settings).unwrap();
    let p = is_ai.iter().filter(|&&ai| ai).count() as f64 / 120.0;
    let prior = (p / (1.0 - p)).ln();
    for (row, &ai) in rows.iter().zip(&is_ai) {
        let expected = prior + if ai { 1.0 / p } else { -1.0 / (1.0 - p) };
        let score = fitted.score(row);
        assert!((score - expected).abs() < 1e-6, "{score} {expected}");
    }
}

#[test]
fn no_tree_is_deeper_than_asked() {
    let (rows, is_ai) = product(400, 5);
    for (max_depth, most) in [(0, 1), (1, 3), (3, 15)] {
        let settings = BoostingSettings {
            stages: 4,
            max_depth,
            ..BoostingSettings::default()
        };
        let fitted = boosting_fit::fit(&slices(&rows), &is_ai, &settings).unwrap();
        let Estimator::GradientBoosting(boosting) = &fitted.estimator else {
            panic!("{:?}", fitted.estimator);
        };
        assert_eq!(boosting.trees().trees(), 4);
        // A node of the third level may be pure before it is split.
        let nodes = boosting.trees().nodes();
        assert!(nodes > 2 * most && nodes <= 4 * most, "{nodes}");
    }
}

#[test]
fn data_that_cannot_be_fitted_are_an_error() {
    let (mut rows, is_ai) = product(50, 6);
    let constant: Vec<Vec<f64>> = vec![vec![1.0; 5]; 50];
    let boosting = BoostingSettings::default();
    let mlp = MlpSettings::default();
    let problem = |result: Result<Pipeline, TrainingError>| result.unwrap_err().to_string();
    let one_class = [true; 50];
    let of_one = problem(boosting_fit::fit(&slices(&rows), &one_class, &boosting));
    assert!(of_one.contains("both classes"), "{of_one}");
    let of_one = problem(mlp_fit::fit(&slices(&rows), &one_class, &mlp));
    assert!(of_one.contains("two samples of each class"), "{of_one}");
    // Nothing to split by: the prior alone.
    let share = is_ai.iter().filter(|&&ai| ai).count() as f64 / 50.0;
    let fitted = boosting_fit::fit(&slices(&constant), &is_ai, &boosting).unwrap();
    assert!((fitted.probability(&constant[0]) - share).abs() < 1e-6);
    rows[7][2] = f64::NAN;
    for result in [
        boosting_fit::fit(&slices(&rows), &is_ai, &boosting),
        mlp_fit::fit(&slices(&rows), &is_ai, &mlp),
    ] {
        let problem = problem(result);
        assert!(problem.contains("feature 2 is not finite"), "{problem}");
    }
}
