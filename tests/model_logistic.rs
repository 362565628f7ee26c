//! Artifacts of format version 2: the logistic model, bounds and calibration.

mod model_support;

use model_support::{FEATURES, payload};
use voxproof::features::{FeatureSet, FeatureVector};
use voxproof::model::{
    ArtifactError, Bounds, Calibration, Estimator, Forest, Logistic, Model, Payload, TreeNode,
    encode,
};

/// A forest that says 0.375 of everything.
fn forest() -> Payload {
    payload(Estimator::RandomForest(
        Forest::compile(FEATURES, &[vec![TreeNode::Leaf(0.375)]]).unwrap(),
    ))
}

/// A vector that the scaler turns into `changes` on zeros.
fn vector(changes: &[(usize, f64)]) -> FeatureVector {
    let mut values = vec![10.0; FEATURES];
    for &(feature, standardised) in changes {
        values[feature] = 10.0 + 2.0 * standardised;
    }
    FeatureVector {
        set: FeatureSet::Classic,
        values,
    }
}

/// A logistic model of weight 1 on feature 0, values of which are kept within 8 and 14.
fn logistic() -> Payload {
    let mut weights = vec![0.0; FEATURES];
    weights[0] = 1.0;
    Payload {
        estimator: Estimator::Logistic(Logistic { weights, bias: 0.5 }),
        bounds: Some(Bounds {
            low: vec![8.0; FEATURES],
            high: vec![14.0; FEATURES],
        }),
        calibration: Some(Calibration {
            slope: 2.0,
            offset: -1.0,
        }),
        ..forest()
    }
}

#[test]
fn a_logistic_model_clips_standardises_weighs_and_calibrates() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let probability = |payload: &Payload, x: f64| {
        let model = Model::from_bytes(&encode(payload).unwrap()).unwrap();
        assert_eq!(model.info().estimator, "logistic");
        model.probability(&vector(&[(0, x)]))
    };
    let calibrated = logistic();
    // score = z + 0.5, log-odds = 2 score - 1 = 2 z
    for (x, z) in [(0.0, 0.0), (1.5, 1.5), (9.0, 2.0), (-9.0, -1.0)] {
        assert_eq!(probability(&calibrated, x), sigmoid(2.0 * z), "{x}");
    }
    assert_eq!(probability(&calibrated, f64::INFINITY), sigmoid(4.0));
    assert_eq!(probability(&calibrated, f64::NAN), 0.5, "NaN is average");
    let plain = Payload {
        bounds: None,
        calibration: None,
        ..calibrated
    };
    assert_eq!(probability(&plain, 9.0), sigmoid(9.5));
}

#[test]
fn the_format_version_is_the_oldest_that_holds_the_payload() {
    let version = |payload: &Payload| encode(payload).unwrap()[8];
    assert_eq!((version(&forest()), version(&logistic())), (1, 2));
    let calibrated_forest = Payload {
        calibration: logistic().calibration,
        ..forest()
    };
    assert_eq!(version(&calibrated_forest), 2);
    let model = Model::from_bytes(&encode(&calibrated_forest).unwrap()).unwrap();
    let p = model.probability(&vector(&[]));
    assert_eq!(p, 1.0 / (1.0 + (-(2.0f64 * 0.375 - 1.0)).exp()));
    // What was shipped before there was a version 2.
    let classic = std::fs::read("models/classic.bin").unwrap();
    assert_eq!(classic[8], 1);
    assert!(Model::from_bytes(&classic).is_ok());
}

#[test]
fn unsound_bounds_weights_and_calibrations_are_refused() {
    let changes: [fn(&mut Payload); 6] = [
        |p| p.bounds.as_mut().unwrap().low[5] = 15.0,
        |p| p.bounds.as_mut().unwrap().high[5] = f64::NAN,
        |p| p.bounds.as_mut().unwrap().high.truncate(72),
        |p| p.calibration.as_mut().unwrap().slope = -1.0,
        |p| p.calibration.as_mut().unwrap().offset = f64::INFINITY,
        |p| {
            p.estimator = Estimator::Logistic(Logistic {
                weights: vec![f64::NAN; FEATURES],
                bias: 0.0,
            })
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut payload = logistic();
        change(&mut payload);
        let result = Model::from_bytes(&encode(&payload).unwrap());
        assert!(
            matches!(result, Err(ArtifactError::Unsound(_))),
            "change {number}: {result:?}"
        );
    }
}

#[test]
fn damage_and_truncation_are_found_in_version_2_too() {
    let good = encode(&logistic()).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x01;
        assert!(Model::from_bytes(&bytes).is_err(), "byte {at}");
        assert!(Model::from_bytes(&good[..at]).is_err(), "{at} bytes");
    }
}
