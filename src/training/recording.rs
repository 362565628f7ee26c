//! What is known of a clip's file, whatever is said in it: bandwidth, duration, level, bitrate.
//!
//! It is measured while a clip is decoded for its features. With a feature table nothing is decoded, and nothing is known
//! until [`measure`] decodes the clips for this alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::manifest::Clip;
use super::{Progress, ProgressFn, Stage};
use crate::audio::{self, DecodeLimits, Waveform};
use crate::features::{Extractor, FeatureSet, Scratch};

/// Places of values in the set `channel`.
const BANDWIDTH: usize = 2;
const DURATION: usize = 3;

/// Figures of one file; all absent where it was not measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    /// The set [`FeatureSet::Channel`], shape `[8]`.
    pub channel: Option<Vec<f64>>,
    /// Mean bitrate of an MP3 file, in kbit/s; absent for other containers too.
    pub mp3_bitrate: Option<f64>,
}

impl Recording {
    /// Frequency, in Hz, up to which 99.9 % of the power lies: the highest that was recorded, to the ear.
    #[must_use]
    pub fn bandwidth(&self) -> Option<f64> {
        Some(self.channel.as_ref()?[BANDWIDTH])
    }

    /// Length in seconds.
    #[must_use]
    pub fn duration(&self) -> Option<f64> {
        Some(self.channel.as_ref()?[DURATION])
    }
}

/// Measures files; one for all threads.
pub(super) struct Gauge(Extractor);

impl Default for Gauge {
    fn default() -> Self {
        Self(Extractor::new(FeatureSet::Channel))
    }
}

impl Gauge {
    /// The figures of the file `bytes`, whose sound is `waveform`.
    pub(super) fn measure(&self, bytes: &[u8], waveform: &Waveform) -> Recording {
        let channel = self.0.extract(waveform, &mut Scratch::default()).ok();
        Recording {
            channel: channel.map(|vector| vector.values),
            mp3_bitrate: mp3_bitrate(bytes),
        }
    }
}

/// Decodes the clips whose `recordings` are not known yet, on all threads. What cannot be read stays unknown.
pub(super) fn measure(clips: &[Clip], recordings: &mut [Recording], progress: ProgressFn) {
    let (gauge, done, total) = (Gauge::default(), AtomicUsize::new(0), clips.len());
    let pairs = clips.par_iter().zip(recordings);
    pairs.for_each(|(clip, recording)| {
        if recording.mp3_bitrate.is_none()
            && let Ok(bytes) = std::fs::read(&clip.path)
            && let Ok(waveform) = audio::decode(&bytes, &DecodeLimits::default())
        {
            let measured = gauge.measure(&bytes, &waveform);
            recording.mp3_bitrate = measured.mp3_bitrate;
            if recording.channel.is_none() {
                recording.channel = measured.channel;
            }
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        let stage = Stage::Recordings;
        progress(Progress { stage, done, total });
    });
}

/// Layer III bitrates in kbit/s by index, from 1 (ISO/IEC 11172-3, 2.4.2.3, and 13818-3 for half the sample rates).
const MPEG1: [u32; 14] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const MPEG2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Sample rates of MPEG-1 by index; half of them in MPEG-2, a quarter in MPEG-2.5.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// Bytes and seconds of the layer III frame whose header stands at the start of `bytes`.
fn frame(bytes: &[u8]) -> Option<(usize, f64)> {
    let header = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let field = |shift: u32, bits: u32| (header >> shift) as usize & ((1 << bits) - 1);
    if field(21, 11) != 0x7ff || field(17, 2) != 1 {
        return None;
    }
    let (slots, divisor, bitrates) = match field(19, 2) {
        3 => (144, 1, &MPEG1),
        2 => (72, 2, &MPEG2),
        0 => (72, 4, &MPEG2),
        _ => return None,
    };
    let kilobits = bitrates.get(field(12, 4).checked_sub(1)?)?;
    let rate = RATES.get(field(10, 2))? / divisor;
    let length = slots * kilobits * 1_000 / rate + field(9, 1) as u32;
    let samples = 8.0 * f64::from(slots);
    Some((length as usize, samples / f64::from(rate)))
}

/// Mean bitrate of the layer III frames of a file, in kbit/s, read from their headers; none if it is no MP3 file.
#[must_use]
pub fn mp3_bitrate(bytes: &[u8]) -> Option<f64> {
    let mut at = 0;
    if bytes.starts_with(b"ID3") {
        let size = bytes.get(6..10)?;
        at = 10
            + size
                .iter()
                .fold(0, |sum, &byte| sum << 7 | usize::from(byte));
    }
    let (mut total, mut seconds) = (0, 0.0);
    while at < bytes.len() {
        let here = frame(&bytes[at..]);
        // A first frame that no second follows is a chance likeness, in any container.
        let sound = here.filter(|&(length, _)| {
            total > 0
                || at + length == bytes.len()
                || frame(&bytes[(at + length).min(bytes.len())..]).is_some()
        });
        match sound {
            Some((length, time)) => {
                total += length;
                seconds += time;
                at += length;
            }
            // Other bytes may stand before the first frame; after one of them, it is the end of the sound.
            None if total == 0 && at < LONGEST_PREFIX => at += 1,
            None => break,
        }
    }
    (total > 0).then(|| total as f64 * 8.0 / 1_000.0 / seconds)
}

/// Bytes before the first frame that are passed over.
const LONGEST_PREFIX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("tests/data/fixtures/{name}")).unwrap()
    }

    #[test]
    fn the_bitrate_of_an_mp3_is_the_mean_of_its_frames() {
        for (name, wanted) in [
            ("mpeg1_44100_mono_cbr64_lame.mp3", 64.0),
            ("mpeg1_44100_joint_cbr128_lame.mp3", 128.0),
            ("mpeg2_22050_mono_cbr40_lame.mp3", 40.0),
            ("mpeg25_8000_mono_cbr16_lame.mp3", 16.0),
        ] {
            let rate = mp3_bitrate(&fixture(name)).unwrap();
            assert!((rate - wanted).abs() < 0.02 * wanted, "{name}: {rate}");
        }
        // Behind 60 kB of picture in an ID3 tag; of a variable rate.
        for name in [
            "mpeg1_44100_mono_id3_cover60k.mp3",
            "mpeg1_44100_stereo_vbr_lame.mp3",
        ] {
            let rate = mp3_bitrate(&fixture(name)).unwrap();
            assert!((32.0..320.0).contains(&rate), "{name}: {rate}");
        }
    }

    #[test]
    fn other_containers_have_no_mp3_bitrate() {
        for name in [
            "flac_16000_mono.flac",
            "aac_22050_stereo.m4a",
            "opus_voip_24k_mono.opus",
            "wav_s16_8000_stereo.wav",
            "aac_16000_mono.aac",
        ] {
            assert_eq!(mp3_bitrate(&fixture(name)), None, "{name}");
        }
        assert_eq!(mp3_bitrate(&[]), None);
        assert_eq!(mp3_bitrate(&[0xff; 3]), None);
    }

    #[test]
    fn a_clip_is_measured_once_and_an_unreadable_one_stays_unknown() {
        let clip = |file: &str| Clip::new(file.into(), super::super::manifest::Label::Human);
        let clips = [
            clip("tests/data/human/en_librispeech_2952.mp3"),
            clip("tests/data/no-such-clip.mp3"),
        ];
        let mut recordings = vec![Recording::default(); 2];
        measure(&clips, &mut recordings, &|_| {});
        assert_eq!(recordings[1], Recording::default());
        let seconds = recordings[0].duration().unwrap();
        assert!((2.0..9.0).contains(&seconds), "{seconds}");
        assert!(recordings[0].bandwidth().unwrap() > 2_000.0);
        let bitrate = recordings[0].mp3_bitrate.unwrap();
        assert!((30.0..70.0).contains(&bitrate), "{bitrate}");
    }
}
