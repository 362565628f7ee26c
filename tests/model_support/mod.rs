//! The tiny artifact that the tests of models vary.

use voxproof::model::{Estimator, Payload, Scaler};

/// Features of the set `classic`, which the artifact scores.
pub const FEATURES: usize = 73;

/// An artifact of `estimator` over `classic`, whose scaler turns 10 into 0 and 12 into 1; neither bounds nor calibration.
pub fn payload(estimator: Estimator) -> Payload {
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
