//! The artifact's guarantees, and the forest against trees that were worked out by hand.

mod model_support;

use model_support::FEATURES;
use sha2::{Digest, Sha256};
use voxproof::features::{FeatureSet, FeatureVector};
use voxproof::model::{
    ArtifactError, CompileError, Estimator, FORMAT_VERSION, Forest, HEADER_BYTES, Model, Payload,
    Scaler, TreeNode, encode,
};

fn test(feature: usize, threshold: f64, left: usize, right: usize) -> TreeNode {
    TreeNode::Test {
        feature,
        threshold,
        left,
        right,
    }
}

/// Two trees over the 73 features: a stump on feature 0, and a tree of depth 2 on features 1 and 72
/// whose nodes stand in no particular order.
fn trees() -> Vec<Vec<TreeNode>> {
    vec![
        vec![
            test(0, 1.0, 1, 2),
            TreeNode::Leaf(0.25),
            TreeNode::Leaf(0.75),
        ],
        vec![
            test(1, -0.5, 4, 1),
            test(72, 0.0, 3, 2),
            TreeNode::Leaf(1.0),
            TreeNode::Leaf(0.5),
            TreeNode::Leaf(0.0),
        ],
    ]
}

fn payload() -> Payload {
    model_support::payload(Estimator::RandomForest(
        Forest::compile(FEATURES, &trees()).unwrap(),
    ))
}

/// A vector that the scaler of [`payload`] turns into `changes` on zeros.
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

#[test]
fn a_forest_gives_the_mean_of_the_leaves() {
    let model = Model::from_bytes(&encode(&payload()).unwrap()).unwrap();
    let cases: [(&[(usize, f64)], f64); 5] = [
        (&[], (0.25 + 0.5) / 2.0),
        (&[(0, 1.0)], (0.25 + 0.5) / 2.0), // equal to the threshold goes left
        (&[(0, 1.5)], (0.75 + 0.5) / 2.0),
        (&[(0, 1.5), (72, 0.5)], (0.75 + 1.0) / 2.0),
        (&[(1, -1.0), (72, 0.5)], (0.25 + 0.0) / 2.0),
    ];
    for (changes, expected) in cases {
        assert_eq!(model.probability(&vector(changes)), expected, "{changes:?}");
    }
}

#[test]
fn infinite_values_are_scored_too() {
    let model = Model::from_bytes(&encode(&payload()).unwrap()).unwrap();
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX] {
        let p = model.probability(&vector(&[(0, value), (1, value), (72, value)]));
        assert!((0.0..=1.0).contains(&p));
    }
}

#[test]
fn malformed_trees_do_not_compile() {
    let malformed = |tree: Vec<TreeNode>| {
        let result = Forest::compile(2, &[tree]);
        assert!(
            matches!(result, Err(CompileError::Malformed { .. })),
            "{result:?}"
        );
    };
    malformed(vec![]);
    malformed(vec![test(0, 0.0, 1, 2), TreeNode::Leaf(0.0)]); // a child that does not exist
    malformed(vec![test(0, 0.0, 0, 0)]); // its own child
    malformed(vec![test(0, 0.0, 1, 1), TreeNode::Leaf(0.0)]); // one child twice
    malformed(vec![
        test(2, 0.0, 1, 2),
        TreeNode::Leaf(0.0),
        TreeNode::Leaf(1.0),
    ]); // no such feature
    malformed(vec![
        test(0, f64::NAN, 1, 2),
        TreeNode::Leaf(0.0),
        TreeNode::Leaf(1.0),
    ]);
    malformed(vec![TreeNode::Leaf(1.5)]);
}

#[test]
fn a_branch_that_is_too_long_is_an_error() {
    // A chain to the left: the root's right child comes after all of it.
    let length = 40_000;
    let mut tree: Vec<TreeNode> = (0..length)
        .map(|i| test(0, 0.0, i + 1, length + 1 + i))
        .collect();
    tree.push(TreeNode::Leaf(0.0));
    tree.extend((0..length).map(|_| TreeNode::Leaf(1.0)));
    let result = Forest::compile(1, &[tree]);
    assert!(
        matches!(result, Err(CompileError::BranchTooLong { tree: 0, .. })),
        "{result:?}"
    );
}

#[test]
fn info_survives_the_round_trip() {
    let bytes = encode(&payload()).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let info = model.info();
    assert_eq!((info.name.as_str(), info.version.as_str()), ("tiny", "7"));
    assert_eq!(
        (info.features.as_str(), info.estimator.as_str()),
        ("classic", "random-forest")
    );
    assert_eq!(
        (info.settings.as_str(), info.training_data.as_str()),
        ("by hand", "none")
    );
    assert_eq!((info.threshold, info.bytes), (0.5, bytes.len()));
    assert_eq!(info.sha256, sha256(&bytes[HEADER_BYTES..]));
    assert_eq!(model.feature_set(), Some(FeatureSet::Classic));
}

/// `wincode` promises bincode's bytes; this holds it to them, and the format to what was shipped.
#[test]
fn the_payload_is_in_bincodes_format() {
    let bytes = encode(&payload()).unwrap();
    let mut expected = Vec::new();
    for text in ["tiny", "7", "classic", "none", "by hand"] {
        expected.extend((text.len() as u64).to_le_bytes());
        expected.extend(text.as_bytes());
    }
    expected.extend(0.5f64.to_le_bytes());
    for value in [10.0f64, 2.0] {
        expected.extend((FEATURES as u64).to_le_bytes());
        (0..FEATURES).for_each(|_| expected.extend(value.to_le_bytes()));
    }
    expected.extend(0u32.to_le_bytes()); // first variant of the estimator
    expected.extend((FEATURES as u32).to_le_bytes());
    expected.extend(2u64.to_le_bytes());
    expected.extend([0u32, 3].iter().flat_map(|root| root.to_le_bytes()));
    let leaf = u16::MAX;
    let nodes: [(f32, u16, u16); 8] = [
        (1.0, 0, 2),
        (0.25, leaf, 0),
        (0.75, leaf, 0),
        (-0.5, 1, 2),
        (0.0, leaf, 0),
        (0.0, 72, 2),
        (0.5, leaf, 0),
        (1.0, leaf, 0),
    ];
    expected.extend((nodes.len() as u64).to_le_bytes());
    for (value, feature, right) in nodes {
        expected.extend(value.to_le_bytes());
        expected.extend(feature.to_le_bytes());
        expected.extend(right.to_le_bytes());
    }
    assert_eq!(&bytes[HEADER_BYTES..], expected);
}

#[test]
fn every_damaged_byte_is_found() {
    let good = encode(&payload()).unwrap();
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let error = Model::from_bytes(&bytes).expect_err("damage must be found");
            let fits = match at {
                0..8 => error == ArtifactError::NotAnArtifact,
                8..12 => matches!(
                    error,
                    ArtifactError::Version {
                        expected: FORMAT_VERSION,
                        ..
                    }
                ),
                12..20 => matches!(
                    error,
                    ArtifactError::Truncated { .. } | ArtifactError::Checksum { .. }
                ),
                _ => matches!(error, ArtifactError::Checksum { .. }),
            };
            assert!(fits, "byte {at}: {error}");
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let good = encode(&payload()).unwrap();
    for length in 0..good.len() {
        let error = Model::from_bytes(&good[..length]).expect_err("truncation must be found");
        assert!(
            matches!(error, ArtifactError::Truncated { .. }),
            "{length} bytes: {error}"
        );
    }
    let mut longer = good;
    longer.push(0);
    assert!(matches!(
        Model::from_bytes(&longer),
        Err(ArtifactError::Checksum { .. })
    ));
}

#[test]
fn parts_that_do_not_fit_are_refused_though_the_checksum_holds() {
    let refused = |change: fn(&mut Payload)| {
        let mut payload = payload();
        change(&mut payload);
        Model::from_bytes(&encode(&payload).unwrap()).expect_err("must be refused")
    };
    assert_eq!(
        refused(|p| p.features = "other".into()),
        ArtifactError::UnknownFeatures("other".into())
    );
    let changes: [fn(&mut Payload); 6] = [
        |p| p.threshold = f64::NAN,
        |p| p.scaler.scale[3] = 0.0,
        |p| p.scaler.mean[3] = f64::INFINITY,
        |p| p.scaler.mean.truncate(72),
        |p| {
            p.scaler = Scaler {
                mean: vec![0.0; 72],
                scale: vec![1.0; 72],
            }
        },
        |p| {
            p.estimator =
                Estimator::RandomForest(Forest::compile(72, &[vec![TreeNode::Leaf(0.5)]]).unwrap())
        },
    ];
    for change in changes {
        assert!(matches!(refused(change), ArtifactError::Unsound(_)));
    }
}

#[test]
fn errors_say_what_was_expected_and_received() {
    let mut bytes = encode(&payload()).unwrap();
    bytes[8] = 9;
    let error = Model::from_bytes(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "the model artifact has format version 9; this build reads versions up to 5"
    );
    let error = Model::embedded("nonesuch").unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "no model named 'nonesuch'; there is: {}",
            Model::embedded_names().join(", ")
        )
    );
}

#[test]
fn embedded_models_are_sound_and_named_as_they_say() {
    for &name in Model::embedded_names() {
        let model = Model::embedded(name).unwrap();
        assert_eq!(model.info().name, name);
        if name == Model::EMBEDDED_DEFAULT.0 {
            assert_eq!(model.info().version, Model::EMBEDDED_DEFAULT.1);
        }
        let features = model.feature_set().map(|set| FeatureVector {
            set,
            values: vec![0.0; set.names().len()],
        });
        let p = model.fuse(model.networks().map(|_| 0.0), features.as_ref());
        assert!((0.0..=1.0).contains(&p));
    }
}

#[test]
fn the_embedded_sha256_is_the_payloads() {
    let bytes = include_bytes!("../models/classic.bin");
    assert_eq!(
        Model::embedded("classic").unwrap().info().sha256,
        sha256(&bytes[HEADER_BYTES..])
    );
    assert!(
        bytes.len() < 2_000_000,
        "the classic artifact is to stay under 2 MB"
    );
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_scaler_standardises_as_scikit_learn_does() {
    // sklearn.preprocessing.StandardScaler on the same: mean [2, 5], scale [sqrt(2/3), 1]
    let scaler = Scaler::fit(&[&[1.0, 5.0], &[2.0, 5.0], &[3.0, 5.0]]);
    assert_eq!(scaler.mean, [2.0, 5.0]);
    assert!((scaler.scale[0] - (2.0f64 / 3.0).sqrt()).abs() < 1e-15);
    assert_eq!(scaler.scale[1], 1.0, "a constant feature is left as it is");
    let mut out = Vec::new();
    scaler.transform(&[3.0, 6.0], &mut out);
    assert_eq!(out, [1.5f32.sqrt(), 1.0]);
}
