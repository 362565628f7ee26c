//! What the audio tests share: fixtures, their golden waveforms, WAV files made on the spot, random numbers.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;

/// One row of tests/golden/waveforms.json.
#[derive(serde::Deserialize)]
pub struct GoldenWaveform {
    /// Path below tests/data.
    pub file: String,
    /// Samples at 22,050 Hz.
    pub samples: usize,
    /// Root mean square of all samples.
    pub rms: f64,
    /// Every stride-th sample.
    pub every: Vec<f32>,
}

/// The folder tests/data.
pub fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The bytes of a file below tests/data.
pub fn fixture(file: &str) -> Vec<u8> {
    std::fs::read(data().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The stride and the rows of tests/golden/waveforms.json.
pub fn golden_waveforms() -> (usize, Vec<GoldenWaveform>) {
    #[derive(serde::Deserialize)]
    struct File {
        stride: usize,
        clips: Vec<GoldenWaveform>,
    }
    let file: File = serde_json::from_slice(&fixture("../golden/waveforms.json")).unwrap();
    (file.stride, file.clips)
}

/// A WAV file with a plain 44-byte header.
pub fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels.wrapping_mul(bits / 8);
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(rate.wrapping_mul(frame.into()).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// A WAV file of 16 bits, mono, at the rate that nothing has to be resampled from.
pub fn wav_of(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    wav(1, 1, voxproof::audio::SAMPLE_RATE, 16, &data)
}

/// Xorshift: the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    /// The next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// Overwrites `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.below(256) as u8);
    }
}
