//! Features, warnings and verdict of any samples: NaN, infinities, denormals, DC, square waves.

use std::sync::LazyLock;

use super::Source;
use voxproof::Detector;
use voxproof::audio::{SAMPLE_RATE, Waveform};
use voxproof::features::{Extractor, FeatureError, FeatureSet, Scratch};
use voxproof::http::Judge;

static EXTRACTORS: LazyLock<Vec<Extractor>> = LazyLock::new(|| {
    FeatureSet::ALL
        .iter()
        .map(|set| Extractor::new(*set))
        .collect()
});
static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::embedded().expect("a model"));

/// One set or the verdict, of a waveform that the bytes describe.
pub fn run(data: &[u8]) {
    let mut source = Source(data);
    let what = usize::from(source.byte()) % (EXTRACTORS.len() + 1);
    let waveform = Waveform::new(samples(source));
    if let Some(extractor) = EXTRACTORS.get(what) {
        match extractor.extract(&waveform, &mut Scratch::default()) {
            Ok(vector) => {
                assert_eq!(vector.values.len(), extractor.set().names().len());
                assert!(vector.values.iter().all(|x| x.is_finite()));
            }
            Err(FeatureError::OutOfRange { seconds } | FeatureError::TooShort { seconds }) => {
                assert!(seconds.is_finite());
            }
            Err(_) => {}
        }
    } else if let Ok(found) = Judge::judge_waveform(&*DETECTOR, waveform) {
        assert!((0.0..=1.0).contains(&found.ai_probability));
        assert!((0.5..=1.0).contains(&found.confidence));
    }
}

/// Segments, each a kind, a length and a value, until at least half a second stands there.
fn samples(mut source: Source) -> Vec<f32> {
    let mut samples: Vec<f32> = Vec::new();
    let most = 2 * SAMPLE_RATE as usize;
    let mut noise = 0x9e37_79b9_u32;
    while !source.is_empty() && samples.len() < most {
        let kind = source.byte();
        let length = usize::from(source.byte()) * 64;
        let value = f32::from_bits(source.word());
        let room = length.min(most - samples.len());
        match kind % 8 {
            // Any bits: NaN, infinities, denormals, full scale and a million times that.
            0 => samples.extend(std::iter::repeat_n(value, room)),
            1 => {
                let unit = value.clamp(-1.0, 1.0);
                samples.extend((0..room).map(|i| if i / 50 % 2 == 0 { unit } else { -unit }));
            }
            2 => samples.extend((0..room).map(|i| (i as f32 * value.abs().min(3.0)).sin())),
            3 => samples.extend((0..room).map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 8) as f32 / 8_388_608.0 - 1.0
            })),
            4 => samples
                .extend((0..room).map(|i| f32::from_bits(value.to_bits().wrapping_add(i as u32)))),
            5 => samples.extend((0..room).map(|i| f32::from(u8::from(i % 97 == 0)))),
            6 => samples.extend(std::iter::repeat_n(0.0, room)),
            _ => {
                let bytes = source.take(room);
                samples.extend(bytes.iter().map(|b| f32::from(*b) / 128.0 - 1.0));
            }
        }
    }
    // Most sets want a second: short inputs are repeated.
    let again = SAMPLE_RATE as usize * 11 / 10;
    if !samples.is_empty() && samples.len() < again {
        samples = samples.iter().copied().cycle().take(again).collect();
    }
    samples
}
