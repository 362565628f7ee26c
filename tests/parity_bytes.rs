//! From bytes to the 73 features: as the replaced Python stack (pydub, ffmpeg, librosa 0.10.1) computed them.
//!
//! The golden values are made by tests/golden/make_bytes_golden.py. Differences are in standard deviations of each
//! feature over the training corpus.

use std::fmt::Write;

use voxproof::audio::{DecodeLimits, decode};
use voxproof::features::{Extractor, FeatureSet, FeatureVector, Scratch};
use voxproof::model::Model;

#[derive(serde::Deserialize)]
struct Golden {
    feature_std: Vec<f64>,
    clips: Vec<Clip>,
}

#[derive(serde::Deserialize)]
struct Clip {
    file: String,
    samples: usize,
    duration: f64,
    values: Vec<f64>,
}

/// Groups of the 73 and where they stand.
const GROUPS: [(&str, std::ops::Range<usize>); 9] = [
    ("mfcc_mean", 0..20),
    ("mfcc_std", 20..40),
    ("centroid", 40..42),
    ("rolloff", 42..44),
    ("zcr", 44..46),
    ("chroma_mean", 46..58),
    ("chroma_std", 58..70),
    ("tempo", 70..71),
    ("rms", 71..73),
];

const TEMPO: usize = 70;

#[test]
fn features_of_encoded_clips_match_the_replaced_stack() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(root.join("golden/bytes.json")).unwrap()).unwrap();
    assert_eq!(golden.feature_std.len(), 73);
    let extractor = Extractor::new(FeatureSet::Classic);
    let mut scratch = Scratch::default();

    // MP3, which the replaced stack was for, and the other formats: rows of 73 differences.
    let (mut mp3, mut other) = (Vec::new(), Vec::new());
    let mut tempi = 0;
    // What the differences do to the verdict: |P(AI) ours - P(AI) of the reference's features|, all formats.
    let model = Model::embedded("classic").unwrap();
    let probability = |values: &[f64]| {
        model.probability(&FeatureVector {
            set: FeatureSet::Classic,
            values: values.to_vec(),
        })
    };
    let mut shifts = Vec::new();
    for clip in &golden.clips {
        let bytes = std::fs::read(root.join("data").join(&clip.file)).unwrap();
        let waveform = decode(&bytes, &DecodeLimits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", clip.file));
        assert_eq!(waveform.samples().len(), clip.samples, "{}", clip.file);
        assert!(
            (waveform.duration_seconds() - clip.duration).abs() < 1e-9,
            "{}",
            clip.file
        );
        let ours = extractor
            .extract(&waveform, &mut scratch)
            .unwrap_or_else(|error| panic!("{}: {error}", clip.file))
            .values;
        shifts.push((probability(&ours) - probability(&clip.values)).abs());
        let row: Vec<f64> = ours
            .iter()
            .zip(&clip.values)
            .zip(&golden.feature_std)
            .map(|((ours, theirs), std)| (ours - theirs).abs() / std)
            .collect();
        let same_tempo = (ours[TEMPO] - clip.values[TEMPO]).abs() <= 0.01;
        if clip.file.ends_with(".mp3") {
            tempi += usize::from(same_tempo);
            mp3.push(row);
        } else {
            other.push(row);
        }
    }

    let mut table = String::from("difference / std over the corpus\n");
    for (title, rows) in [("MP3", &mp3), ("other formats", &other)] {
        writeln!(
            table,
            "{title}, {} clips\n  {:12} {:>10} {:>10}",
            rows.len(),
            "group",
            "median",
            "worst"
        )
        .unwrap();
        for (name, range) in GROUPS {
            let part = sorted(rows.iter().flat_map(|row| &row[range.clone()]));
            writeln!(
                table,
                "  {name:12} {:10.6} {:10.6}",
                quantile(&part, 0.5),
                quantile(&part, 1.0)
            )
            .unwrap();
        }
    }
    let all = sorted(mp3.iter().flatten());
    let (median, p99, worst) = (
        quantile(&all, 0.5),
        quantile(&all, 0.99),
        quantile(&all, 1.0),
    );
    writeln!(
        table,
        "MP3: median {median:.6}, 99 % {p99:.6}, worst {worst:.6}"
    )
    .unwrap();
    writeln!(table, "MP3: tempo equal in {tempi} of {}", mp3.len()).unwrap();
    let near = shifts.iter().filter(|shift| **shift <= 0.02).count();
    let shifts = sorted(shifts.iter());
    writeln!(
        table,
        "P(AI): within 0.02 in {near} of {}, median {:.4}, worst {:.4}",
        shifts.len(),
        quantile(&shifts, 0.5),
        quantile(&shifts, 1.0)
    )
    .unwrap();
    println!("{table}");

    assert!(mp3.len() >= 22, "{table}");
    assert!(median <= 0.002 && p99 <= 0.1 && worst <= 0.5, "{table}");
    assert!(tempi * 100 >= mp3.len() * 95, "{table}");
    assert!(near * 100 >= shifts.len() * 95, "{table}");
    assert!(shifts.len() >= 30, "{table}");
    // ffmpeg's other decoders are other implementations than ours: a looser bound.
    let others = sorted(other.iter().flatten());
    assert!(
        quantile(&others, 0.5) <= 0.002 && quantile(&others, 0.99) <= 0.1,
        "{table}"
    );
}

fn sorted<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.copied().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which the part `q` of the `sorted` ones lies.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}
