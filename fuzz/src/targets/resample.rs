//! The resampler, between any two rates that are accepted.

use super::Source;
use voxproof::audio::resample;

/// Both rates, then samples as 16 bits.
pub fn run(data: &[u8]) {
    let mut source = Source(data);
    // What the decoder lets through, and what a model or a stream may ask for.
    let mut rate = || 4_000 + source.word() % 380_001;
    let (from, to) = (rate(), rate());
    let repeats = 1 + usize::from(source.byte());
    let (pairs, _) = source.0.as_chunks::<2>();
    let clip: Vec<f32> = pairs
        .iter()
        .map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0)
        .collect();
    let samples: Vec<f32> = clip.repeat(repeats).into_iter().take(50_000).collect();
    let resampled = resample(&samples, from, to);
    let expected = (samples.len() as f64 * (f64::from(to) / f64::from(from))).ceil() as usize;
    assert_eq!(resampled.len(), expected, "{from} to {to} Hz");
    assert!(resampled.iter().all(|x| x.is_finite() && x.abs() < 4.0));
}
