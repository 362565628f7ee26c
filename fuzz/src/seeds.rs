//! What the fuzzers start from: small files of every format, requests, events, artifacts. Made here, kept nowhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use voxproof::model::network::{Filters, Finish};
use voxproof::model::{
    Boosting, Bounds, Calibration, Conv, Ensemble, Estimator, FeaturePart, Forest, Kernel, Layer,
    Logistic, Mlp, Network, NetworkPart, Payload, Scaler, TreeNode, Whitened, encode,
    encode_ensemble,
};

/// Largest seed of the decoder: longer ones only make each execution slower.
const LARGEST: usize = 12 * 1024;

/// A target's name, a name for the seed, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds; `root` is the folder of the package.
pub fn seeds(root: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    seeds.extend(clips(root));
    seeds.extend(encoded(root));
    seeds.extend(numbers());
    seeds.extend(requests());
    seeds.extend(events(root));
    seeds.extend(artifacts());
    seeds
}

fn named(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Seed {
    (target, name.into(), bytes.into())
}

/// The beginning of every fixture, and its end behind its first kilobytes.
fn clips(root: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for file in files(&root.join("tests/data/fixtures")) {
        let bytes = fs::read(&file).expect("a fixture");
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        seeds.push(named(
            "decode",
            format!("head-{name}"),
            &bytes[..bytes.len().min(LARGEST)],
        ));
        // MP4 may have its index at the end, OGG its last page.
        if bytes.len() > LARGEST && (name.ends_with(".m4a") || name.ends_with(".ogg")) {
            let mut ends = bytes[..LARGEST / 2].to_vec();
            ends.extend(&bytes[bytes.len() - LARGEST / 2..]);
            seeds.push(named("decode", format!("ends-{name}"), ends));
        }
    }
    seeds
}

/// A third of a second by ffmpeg, in whole files of formats that the fixtures lack or have only longer.
fn encoded(root: &Path) -> Vec<Seed> {
    const FORMS: [(&str, &[&str]); 22] = [
        ("mp3", &["-b:a", "32k"]),
        ("mp3", &["-ar", "24000", "-b:a", "24k"]),
        ("mp3", &["-ar", "8000", "-ac", "2", "-b:a", "16k"]),
        ("mp3", &["-q:a", "9", "-write_xing", "1"]),
        ("wav", &["-ar", "8000"]),
        ("wav", &["-ar", "8000", "-c:a", "pcm_f64le"]),
        (
            "wav",
            &["-ar", "8000", "-c:a", "pcm_s32le", "-rf64", "always"],
        ),
        ("wav", &["-ar", "8000", "-c:a", "adpcm_ms"]),
        ("flac", &["-ar", "8000"]),
        (
            "flac",
            &["-ar", "8000", "-ac", "6", "-compression_level", "12"],
        ),
        ("ogg", &["-c:a", "libvorbis", "-q:a", "0"]),
        ("ogg", &["-c:a", "libopus", "-b:a", "12k"]),
        ("ogg", &["-c:a", "flac", "-ar", "8000"]),
        ("webm", &["-c:a", "libopus", "-b:a", "12k"]),
        ("webm", &["-c:a", "libvorbis"]),
        ("mka", &["-c:a", "aac", "-b:a", "24k"]),
        ("mka", &["-c:a", "flac", "-ar", "8000"]),
        ("m4a", &["-b:a", "24k"]),
        (
            "m4a",
            &["-b:a", "24k", "-movflags", "frag_keyframe+empty_moov"],
        ),
        ("mov", &["-c:a", "aac", "-b:a", "24k"]),
        ("mp4", &["-c:a", "flac", "-ar", "8000", "-strict", "-2"]),
        ("adts", &["-b:a", "24k"]),
    ];
    let clip = root.join("tests/data/human/en_librispeech_2952.mp3");
    let folder = std::env::temp_dir().join(format!("voxproof-seeds-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let mut seeds = Vec::new();
    for (index, (form, options)) in FORMS.iter().enumerate() {
        let out = folder.join(format!("{index}.{form}"));
        let ran = Command::new("ffmpeg")
            .args(["-v", "quiet", "-y", "-ss", "1", "-t", "0.35", "-i"])
            .arg(&clip)
            .args(*options)
            .args([
                "-bitexact",
                "-f",
                if *form == "mka" { "matroska" } else { form },
            ])
            .arg(&out)
            .stdin(Stdio::null())
            .status();
        match ran {
            Err(error) => {
                eprintln!("SKIPPED: seeds that ffmpeg makes ({error})");
                break;
            }
            Ok(status) if status.success() => {
                seeds.push(named(
                    "decode",
                    format!("made-{index}.{form}"),
                    fs::read(&out).expect("a file"),
                ));
            }
            // This build of ffmpeg has no such encoder.
            Ok(_) => eprintln!("no seed: ffmpeg cannot make {form} with {options:?}"),
        }
    }
    let _ = fs::remove_dir_all(&folder);
    seeds
}

/// Rates and samples for the resampler, segments for the features.
fn numbers() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let tone: Vec<u8> = (0..2_000_i32)
        .flat_map(|i| (((f64::from(i) * 0.1).sin() * 20_000.0) as i16).to_le_bytes())
        .collect();
    for (from, to) in [
        (8_000, 22_050),
        (44_100, 22_050),
        (48_000, 16_000),
        (22_051, 22_050),
        (383_983, 22_050),
        (4_001, 384_000),
        (11_025, 22_050),
    ] {
        let mut bytes = Vec::new();
        for rate in [from, to] {
            bytes.extend(u32::to_le_bytes(rate - 4_000));
        }
        bytes.push(3);
        bytes.extend(&tone);
        seeds.push(named("resample", format!("{from}-{to}"), bytes));
    }
    let values: [f32; 12] = [
        0.0,
        1.0,
        -1.0,
        0.3,
        1e-30,
        1e-45,
        3e38,
        1e-5,
        30_000.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    for what in 0..5_u8 {
        for kind in 0..8_u8 {
            let mut bytes = vec![what];
            for (index, value) in values.iter().enumerate() {
                // Each kind mostly alone, and noise in between.
                let kind = if index % 3 == 2 { 3 } else { kind };
                bytes.extend([kind, 40]);
                bytes.extend(value.to_bits().to_le_bytes());
            }
            seeds.push(named("features", format!("{what}-{kind}"), bytes));
        }
        let mut speech = vec![what];
        for part in tone.chunks(200).take(20) {
            speech.extend([7, 255, 0, 0, 0, 0]);
            speech.extend(part);
        }
        seeds.push(named("features", format!("{what}-bytes"), speech));
    }
    seeds
}

fn requests() -> Vec<Seed> {
    let form = "--edge\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
                SUQz\r\n--edge\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--edge--\r\n";
    let texts: [(&str, [u8; 3], &str); 16] = [
        (
            "json",
            [0, 0, 0],
            "detail=true&language=en\n\n{\"audio\": \"SUQz\", \"language\": \"ta\"}",
        ),
        (
            "escapes",
            [1, 0, 0],
            "\n\n{\"audio\": \"data:audio/mpeg;base64,SU\\u0051z\", \"x\": [1, {\"y\": null}]}",
        ),
        (
            "alias",
            [1, 3, 0],
            "window=1.5&hop=0.5&detail=true\n\n{\"audioBase64\": \" SUQz= \"}",
        ),
        (
            "raw",
            [0, 1, 0],
            "channel=left&start=0.5&end=1\naccept: application/json\nID3 anything",
        ),
        ("form", [0, 2, 0], form),
        ("form-no-boundary", [0, 4, 0], form),
        (
            "batch",
            [2, 0, 0],
            "\naccept: text/event-stream\n{\"clips\": [{\"id\": 1, \"audio\": \"SUQz\"}, {\"audio\": \"!\", \"language\": \"xx\"}]}",
        ),
        (
            "voice",
            [3, 0, 0],
            "\n\n{\"language\": \"Tamil\", \"audioFormat\": \"mp3\", \"audioBase64\": \"SUQz\"}",
        ),
        (
            "upload",
            [4, 0, 0],
            "\nx-forwarded-proto: https\n{\"content_type\": \"audio/mpeg\", \"content_length\": 123, \"language\": \"en\"}",
        ),
        (
            "results",
            [5, 0, 0],
            "limit=20&cursor=cmVzdWx0cy8&prefix=uploads%2Fa\n\n",
        ),
        ("result", [6, 0, 0], "\n\n"),
        ("put", [7, 1, 0], "token=0123456789abcdef\n\nID3"),
        (
            "stream",
            [9, 6, 0],
            "rate=8000&format=pcm\nupgrade: websocket\n",
        ),
        (
            "page",
            [10, 6, 15],
            "\nif-none-match: \"0123\", W/\"4567\"\n",
        ),
        (
            "no-key",
            [0, 0, 15],
            "\nauthorization: Bearer nonsense\n{\"audio\": \"SUQz\"}",
        ),
        ("options", [11, 6, 15], "\norigin: https://example.org\n"),
    ];
    texts
        .into_iter()
        .map(|(name, choices, text)| {
            // The form is a body alone, behind an empty query and no header.
            let lines = if text.starts_with("--edge") {
                "\n\n"
            } else {
                ""
            };
            let bytes = [&choices[..], lines.as_bytes(), text.as_bytes()].concat();
            named("requests", name, bytes)
        })
        .chain(frames())
        .collect()
}

/// Connections: a call of some seconds, fragments, pings, closes, and plain HTTP.
fn frames() -> Vec<Seed> {
    let message = |opcode: u8, payload: &[u8], repeats: u8| {
        let mut bytes = vec![0x80 | opcode, 1, payload.len() as u8, repeats];
        bytes.extend(payload);
        bytes
    };
    let samples: Vec<u8> = (0..250_u8).collect();
    let call = [
        vec![1],
        message(2, &samples, 255),
        message(2, &samples, 255),
        message(1, b"end", 0),
    ];
    let pieces = [
        vec![5],
        vec![0x02, 0, 4, 0, 1, 2, 3, 4],
        message(9, b"ping", 0),
        vec![0x80, 0, 2, 0, 5, 6],
        message(8, &[0x03, 0xe8], 0),
    ];
    let lies = [
        vec![9],
        vec![0x82, 0x25, 2, 0, 1, 2, 255, 255, 255, 255],
        message(1, b"\xff\xfe", 3),
    ];
    let http = "\0POST /detect HTTP/1.1\r\nHost: here\r\nX-API-Key: fuzz-key\r\nContent-Type: audio/mpeg\r\n\
                Transfer-Encoding: chunked\r\n\r\n3\r\nID3\r\n0\r\n\r\nGET /health HTTP/1.0\r\n\r\n";
    vec![
        named("stream", "call", call.concat()),
        named("stream", "pieces", pieces.concat()),
        named("stream", "lies", lies.concat()),
        named("stream", "http", http),
    ]
}

/// The events of the folder `events`, their clips cut short.
fn events(root: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (folder, target) in [("events", "lambda_events"), ("events/scorer", "notices")] {
        for file in files(&root.join(folder)) {
            let bytes = fs::read(&file).expect("an event");
            let mut event: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            if let Some(body) = event.get_mut("body") {
                let short: String = body
                    .as_str()
                    .unwrap_or_default()
                    .chars()
                    .take(200)
                    .collect();
                *body = short.into();
            }
            let name = file
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            seeds.push(named(target, name, event.to_string()));
        }
    }
    let nested = r#"{"Type":"Notification","Message":"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"a+b%2F\"}}}]}"}"#;
    seeds.push(named("notices", "sns", nested));
    seeds
}

/// Small artifacts of every kind, over the set of 8 values: a byte for the version, then the payload.
fn artifacts() -> Vec<Seed> {
    const COUNT: usize = 8;
    let scaler = || Scaler {
        mean: vec![0.5; COUNT],
        scale: vec![2.0; COUNT],
    };
    let tree = || {
        vec![
            TreeNode::Test {
                feature: 3,
                threshold: 0.1,
                left: 1,
                right: 2,
            },
            TreeNode::Leaf(0.2),
            TreeNode::Leaf(0.9),
        ]
    };
    let kernel = || Kernel {
        gamma: 0.3,
        level: 0.1,
        ends: vec![3, 8],
        landmarks: vec![5; 3 * COUNT],
        coefficients: vec![0.5, -0.25, 0.1],
    };
    let layer = |inputs: usize, outputs: usize| Layer {
        weights: vec![0.1; inputs * outputs],
        bias: vec![0.05; outputs],
    };
    let estimators = [
        Estimator::RandomForest(Forest::compile(COUNT, &[tree(), tree()]).expect("a forest")),
        Estimator::Logistic(Logistic {
            weights: vec![0.2; COUNT],
            bias: -0.1,
        }),
        Estimator::GradientBoosting(Boosting::compile(0.1, COUNT, &[tree()]).expect("trees")),
        Estimator::Mlp(Mlp::new(COUNT, vec![layer(COUNT, 4), layer(4, 1)])),
        Estimator::Kernel(kernel()),
        Estimator::Whitened(Whitened {
            mixing: vec![0.2; 6 + 15],
            joint: 0.5,
            kernel: kernel(),
        }),
    ];
    let calibration = Calibration {
        slope: 1.5,
        offset: 0.2,
    };
    let mut seeds = Vec::new();
    for estimator in estimators {
        let kind = estimator.kind();
        for tail in [false, true] {
            let payload = Payload {
                name: "seed".into(),
                version: "1".into(),
                features: "channel".into(),
                training_data: "none".into(),
                settings: "none".into(),
                threshold: 0.5,
                scaler: scaler(),
                estimator: estimator.clone(),
                bounds: tail.then(|| Bounds {
                    low: vec![-9.0; COUNT],
                    high: vec![9e5; COUNT],
                }),
                calibration: tail.then_some(calibration),
            };
            let version = if tail { 2 } else { 1 };
            seeds.push(seed(kind, version, &encode(&payload).expect("an artifact")));
        }
        let mut ensemble = Ensemble {
            name: "seed".into(),
            version: "1".into(),
            training_data: "none".into(),
            settings: "none".into(),
            threshold: 0.5,
            network: None,
            features: Some(FeaturePart {
                features: "channel".into(),
                bounds: None,
                scaler: scaler(),
                estimator,
                calibration: None,
                weight: 1.0,
            }),
            calibration,
            further: Vec::new(),
        };
        let part = |network: &Network| NetworkPart::new(network, 0.4).expect("a network");
        let (plain, pooling) = (part(&network()), part(&pooling_network()));
        for (version, first, further) in [
            (3, &plain, None),
            (4, &pooling, None),
            (5, &pooling, Some(plain.clone())),
        ] {
            ensemble.network = Some(first.clone());
            ensemble.further = further.into_iter().collect();
            let artifact = encode_ensemble(&ensemble).expect("an artifact");
            seeds.push(seed(kind, version, &artifact));
        }
    }
    seeds
}

fn seed(kind: &str, version: u8, artifact: &[u8]) -> Seed {
    let payload = &artifact[voxproof::model::HEADER_BYTES..];
    let name = format!("{kind}-{version}-{}", payload.len());
    named("artifact", name, [&[version], payload].concat())
}

/// Two layers that leave one band of 128.
fn network() -> Network {
    let conv = |kernel: [u8; 2], stride: [u8; 2], inputs: u16, outputs: u16| Conv {
        kernel,
        stride,
        padding: [0, 0],
        inputs,
        outputs,
        weights: vec![
            0.01;
            usize::from(kernel[0])
                * usize::from(kernel[1])
                * usize::from(inputs * outputs)
        ],
        bias: vec![0.0; usize::from(outputs)],
        finish: Finish::RELU,
    };
    Network {
        bands: 128,
        window: 64,
        filters: None,
        scale: 0.1,
        layers: vec![conv([2, 16], [2, 16], 1, 2), conv([2, 8], [1, 8], 2, 2)],
        head: vec![0.5; 4],
        head_bias: 0.0,
    }
}

/// The same behind 32 filters of four bands, the first layer's values pooled in blocks of two frames.
fn pooling_network() -> Network {
    let weights = (0..32 * 128).map(|i| f32::from(i % 128 / 4 == i / 128));
    let mut network = network();
    network.filters = Some(Filters {
        weights: weights.collect(),
        levels: vec![6.0; 32],
    });
    network.layers[0].finish = Finish {
        slope: 0.2,
        floor: -0.4,
        pool: [2, 1],
    };
    network.layers[1].kernel[1] = 2;
    network.layers[1].weights.truncate(2 * 2 * 2 * 2);
    network
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| file.is_file());
    files.sort();
    files
}
