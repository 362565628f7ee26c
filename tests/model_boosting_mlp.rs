//! Artifacts that hold gradient-boosted trees or an MLP: round trip, scores, damage.

use voxproof::features::{FeatureSet, FeatureVector};
use voxproof::model::{
    ArtifactError, Boosting, Estimator, Layer, Mlp, Model, Payload, Scaler, TreeNode, encode,
};

const FEATURES: usize = 73;

fn payload(estimator: Estimator) -> Payload {
    Payload {
        name: "tiny".into(),
        version: "7".into(),
        features: "classic".into(),
        training_data: "none".into(),
        settings: "by hand".into(),
        threshold: 0.5,
        scaler: Scaler {
            mean: vec![10.0; FEATURES],
            scale: vec![2.0; FEATURES],
        },
        estimator,
        bounds: None,
        calibration: None,
    }
}

/// Numbers within +-1 that look random.
fn number(i: usize) -> f64 {
    ((i * 7919 + 13) % 2003) as f64 / 1001.0 - 1.0
}

/// A full tree of `depth` tests below node `at` of `nodes`.
fn full_tree(nodes: &mut Vec<TreeNode>, depth: usize, salt: usize) -> usize {
    let at = nodes.len();
    nodes.push(TreeNode::Leaf(number(at + salt)));
    if depth > 0 {
        let left = full_tree(nodes, depth - 1, salt);
        let right = full_tree(nodes, depth - 1, salt);
        nodes[at] = TreeNode::Test {
            feature: (at * 31 + salt) % FEATURES,
            threshold: number(at * 3 + salt),
            left,
            right,
        };
    }
    at
}

fn trees() -> Vec<Vec<TreeNode>> {
    let tree = |salt: usize| {
        let mut nodes = Vec::new();
        full_tree(&mut nodes, 6, salt);
        nodes
    };
    (0..12).map(tree).collect()
}

fn layers() -> Vec<Layer> {
    let sizes = [FEATURES, 16, 9, 1];
    let layer = |(i, size): (usize, &[usize])| Layer {
        weights: (0..size[0] * size[1])
            .map(|j| 0.25 * number(i + 5 * j) as f32)
            .collect(),
        bias: (0..size[1]).map(|j| number(i + 3 * j) as f32).collect(),
    };
    sizes.windows(2).enumerate().map(layer).collect()
}

fn boosting() -> Payload {
    let boosting = Boosting::compile(-0.25, FEATURES, &trees()).unwrap();
    payload(Estimator::GradientBoosting(boosting))
}

fn mlp() -> Payload {
    payload(Estimator::Mlp(Mlp::new(FEATURES, layers())))
}

/// The `i`-th of some clips, standardised; no value lies on a threshold.
fn standardised(i: usize) -> Vec<f64> {
    (0..FEATURES)
        .map(|j| 2.0 * number(i * 101 + j) + 1e-4)
        .collect()
}

fn probability(model: &Model, standardised: &[f64]) -> f64 {
    model.probability(&FeatureVector {
        set: FeatureSet::Classic,
        values: standardised.iter().map(|z| 10.0 + 2.0 * z).collect(),
    })
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[test]
fn boosted_scores_are_those_of_walking_the_trees_as_written() {
    let model = Model::from_bytes(&encode(&boosting()).unwrap()).unwrap();
    assert_eq!(model.info().estimator, "gradient-boosting");
    for i in 0..200 {
        let x = standardised(i);
        let mut expected = -0.25;
        for tree in trees() {
            let mut at = 0;
            expected += loop {
                match tree[at] {
                    TreeNode::Leaf(value) => break value,
                    TreeNode::Test {
                        feature,
                        threshold,
                        left,
                        right,
                    } => {
                        at = if x[feature] <= threshold { left } else { right };
                    }
                }
            };
        }
        let (p, expected) = (probability(&model, &x), sigmoid(expected));
        assert!((p - expected).abs() < 1e-6, "{i}: {p} {expected}");
    }
}

#[test]
fn mlp_scores_are_those_of_the_definition() {
    let model = Model::from_bytes(&encode(&mlp()).unwrap()).unwrap();
    assert_eq!(model.info().estimator, "mlp");
    for i in 0..50 {
        let mut x = standardised(i);
        for (number, layer) in layers().iter().enumerate() {
            let outputs = layer.bias.len();
            let unit = |o: usize| {
                let terms = (0..x.len()).map(|j| x[j] * f64::from(layer.weights[j * outputs + o]));
                let sum = f64::from(layer.bias[o]) + terms.sum::<f64>();
                if number < 2 { sum.max(0.0) } else { sum }
            };
            x = (0..outputs).map(unit).collect();
        }
        let (p, expected) = (probability(&model, &standardised(i)), sigmoid(x[0]));
        // The scaler's output is f32.
        assert!((p - expected).abs() < 1e-5, "{i}: {p} {expected}");
    }
}

#[test]
fn both_survive_the_round_trip_and_values_that_are_no_numbers() {
    for payload in [boosting(), mlp()] {
        let bytes = encode(&payload).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        assert_eq!(encode(&payload).unwrap(), bytes);
        assert_eq!(model.info().bytes, bytes.len());
        let pipeline = voxproof::model::Pipeline {
            bounds: None,
            scaler: payload.scaler,
            estimator: payload.estimator,
            calibration: None,
        };
        let values: Vec<f64> = standardised(1).iter().map(|z| 10.0 + 2.0 * z).collect();
        assert_eq!(
            probability(&model, &standardised(1)),
            pipeline.probability(&values)
        );
        for value in [f64::NAN, f64::INFINITY, -1e300, 1e38] {
            let p = probability(&model, &[value; FEATURES]);
            assert!((0.0..=1.0).contains(&p), "{value}: {p}");
        }
    }
}

#[test]
fn damage_and_truncation_are_found() {
    for payload in [boosting(), mlp()] {
        let good = encode(&payload).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x01;
            assert!(Model::from_bytes(&bytes).is_err(), "byte {at}");
            assert!(Model::from_bytes(&good[..at]).is_err(), "{at} bytes");
        }
    }
}

/// Changes each byte of the payload and makes the checksum right again: what still loads must score.
#[test]
fn no_payload_that_loads_can_panic_or_loop() {
    let mut loaded = 0;
    for payload in [boosting(), mlp()] {
        let good = encode(&payload).unwrap();
        for at in 56..good.len() {
            for flip in [0x01, 0x40, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                let mut crc = crc32fast::Hasher::new();
                crc.update(&bytes[..52]);
                crc.update(&bytes[56..]);
                bytes[52..56].copy_from_slice(&crc.finalize().to_le_bytes());
                if let Ok(model) = Model::from_bytes(&bytes) {
                    let p = probability(&model, &standardised(at % 7));
                    assert!((0.0..=1.0).contains(&p), "byte {at}: {p}");
                    loaded += 1;
                }
            }
        }
    }
    assert!(loaded > 1000, "{loaded}");
}

#[test]
fn unsound_estimators_are_refused() {
    let of = |change: fn(&mut Vec<Layer>)| {
        let mut layers = layers();
        change(&mut layers);
        Estimator::Mlp(Mlp::new(FEATURES, layers))
    };
    let estimators = [
        of(|layers| layers[1].weights[3] = f32::NAN),
        of(|layers| layers[2].bias[0] = f32::INFINITY),
        of(|layers| layers.truncate(2)),
        of(|layers| layers.clear()),
        of(|layers| layers[1].weights.truncate(5)),
        Estimator::Mlp(Mlp::new(FEATURES + 1, layers())),
        Estimator::GradientBoosting(Boosting::compile(f64::NAN, FEATURES, &trees()).unwrap()),
        Estimator::GradientBoosting(Boosting::compile(0.0, FEATURES + 1, &trees()).unwrap()),
    ];
    for (number, estimator) in estimators.into_iter().enumerate() {
        let result = Model::from_bytes(&encode(&payload(estimator)).unwrap());
        assert!(
            matches!(result, Err(ArtifactError::Unsound(_))),
            "estimator {number}: {result:?}"
        );
    }
}
