//! Artifacts: what loads can be scored with.

use std::sync::LazyLock;

use super::Source;
use voxproof::analysis::{Analyser, AnalysisScratch};
use voxproof::audio::{SAMPLE_RATE, Waveform};
use voxproof::model::{HEADER_BYTES, Model};

static CLIP: LazyLock<Waveform> = LazyLock::new(|| {
    let tone = |i: u32| (i as f32 * 0.05).sin() * (i as f32 * 0.0007).sin() * 0.4;
    Waveform::new((0..SAMPLE_RATE * 11 / 10).map(tone).collect())
});

/// A version, then a payload, under a header that fits them.
pub fn run(data: &[u8]) {
    // The bytes as they are, and as what has passed the checksum.
    let _ = Model::from_bytes(data);
    let mut source = Source(data);
    let version = u32::from(source.byte() % 5);
    let Ok(model) = Model::from_bytes(&sealed(version, source.0)) else {
        return;
    };
    let analyser = Analyser::new(model);
    if let Ok(found) = analyser.judge(&CLIP, false, &mut AnalysisScratch::default()) {
        let p = found.ai_probability;
        assert!((0.0..=1.0).contains(&p), "P(AI) is {p}");
    }
}

/// An artifact's bytes around `payload`; its SHA-256 names it and is not looked at.
pub fn sealed(version: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"VOXPROOF".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend([7; 32]);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes);
    crc.update(payload);
    bytes.extend(crc.finalize().to_le_bytes());
    assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend(payload);
    bytes
}
