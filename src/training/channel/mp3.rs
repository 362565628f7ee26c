//! MP3: encoded by LAME, decoded by the project's own decoder.

use mp3lame_encoder::{Bitrate, Builder, FlushNoGap, Mode, MonoPcm, Quality, VbrMode};

use super::ChannelError;
use crate::audio::{self, DecodeLimits, SAMPLE_RATE, resample};

/// An MP3 file of constant bitrate, mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mp3 {
    /// kbit/s: one of [`BITRATES`].
    pub bitrate: u32,
    /// Sample rate in Hz: a multiple of 8,000 or 11,025 up to 48,000. LAME cuts the band of its own accord below what
    /// the bitrate can carry, as its users' files are.
    pub rate: u32,
}

/// Bitrates in kbit/s.
pub const BITRATES: &[u32] = &[16, 24, 32, 40, 48, 64, 80, 96, 112, 128];

/// Samples that LAME and a decoder delay the clip by together: 576 and 529.
const DELAY: u32 = 1_105;

/// LAME's word for the bitrate.
fn bitrate(kbits: u32) -> Option<Bitrate> {
    Some(match kbits {
        16 => Bitrate::Kbps16,
        24 => Bitrate::Kbps24,
        32 => Bitrate::Kbps32,
        40 => Bitrate::Kbps40,
        48 => Bitrate::Kbps48,
        64 => Bitrate::Kbps64,
        80 => Bitrate::Kbps80,
        96 => Bitrate::Kbps96,
        112 => Bitrate::Kbps112,
        128 => Bitrate::Kbps128,
        _ => return None,
    })
}

impl Mp3 {
    /// The bytes of the file, and whether its delay and padding are noted in LAME's tag, for which the frames of a low
    /// bitrate have no room.
    pub(super) fn encode(self, samples: &[f32]) -> Result<(Vec<u8>, bool), ChannelError> {
        let failed = |problem: &dyn std::fmt::Display| ChannelError {
            step: self.to_string(),
            problem: problem.to_string(),
        };
        let input = resample(samples, SAMPLE_RATE, self.rate);
        let bitrate = bitrate(self.bitrate).ok_or_else(|| failed(&"no such bitrate"))?;
        let lame = Builder::new().ok_or_else(|| failed(&"out of memory"))?;
        let mut lame = lame
            .with_num_channels(1)
            .and_then(|lame| lame.with_sample_rate(self.rate))
            .and_then(|lame| lame.with_output_sample_rate(self.rate.try_into().ok()))
            .and_then(|lame| lame.with_mode(Mode::Mono))
            .and_then(|lame| lame.with_vbr_mode(VbrMode::Off))
            .and_then(|lame| lame.with_brate(bitrate))
            .and_then(|lame| lame.with_quality(Quality::Good))
            .and_then(|lame| lame.with_to_write_vbr_tag(true))
            .and_then(Builder::build)
            .map_err(|e| failed(&e))?;
        // LAME's own bound, and room for what it holds back.
        let mut file = Vec::with_capacity(input.len() * 5 / 4 + 2 * 7_200);
        lame.encode_to_vec(MonoPcm(&input), &mut file)
            .map_err(|e| failed(&e))?;
        lame.flush_to_vec::<FlushNoGap>(&mut file)
            .map_err(|e| failed(&e))?;
        // The first frame was left for the tag.
        let mut tag = Vec::with_capacity(lame.lame_tag_size());
        let tagged = lame.lame_tag_encode_to_vec(&mut tag).is_some() && tag.len() <= file.len();
        if tagged {
            file[..tag.len()].copy_from_slice(&tag);
        }
        Ok((file, tagged))
    }

    pub(super) fn apply(self, samples: &mut Vec<f32>) -> Result<(), ChannelError> {
        let n = samples.len();
        let (file, tagged) = self.encode(samples)?;
        let limits = DecodeLimits {
            max_duration: std::time::Duration::MAX,
        };
        let decoded = audio::decode(&file, &limits).map_err(|e| ChannelError {
            step: self.to_string(),
            problem: e.to_string(),
        })?;
        *samples = decoded.into_samples();
        if !tagged {
            // No decoder can know the delay then; players leave it in, here it would cut the end of the clip.
            let delay = u64::from(DELAY) * u64::from(SAMPLE_RATE) / u64::from(self.rate);
            samples.drain(..samples.len().min(delay as usize));
        }
        samples.resize(n, 0.0);
        Ok(())
    }
}

impl std::fmt::Display for Mp3 {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "MP3 of {} kbit/s at {} Hz", self.bitrate, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::band_limit::BandLimit;
    use super::super::{Filter, probe};
    use super::*;

    #[test]
    fn the_file_has_its_bitrate_and_the_clip_stays_in_place() {
        let mut clip: Vec<f32> = probe::noise(66_150).iter().map(|x| x * 0.1).collect();
        BandLimit { cutoff: 2_000.0 }.apply(&mut clip, &mut Filter::default());
        for (bitrate, rate) in [(16, 16_000), (24, 24_000), (64, 22_050), (128, 44_100)] {
            let mp3 = Mp3 { bitrate, rate };
            let bytes = mp3.encode(&clip).unwrap().0.len() as f64;
            let kbits = bytes * 8.0 / 3_000.0;
            assert!(
                (kbits / f64::from(bitrate) - 1.0).abs() < 0.12,
                "{mp3}: {kbits}"
            );
            let mut through = clip.clone();
            mp3.apply(&mut through).unwrap();
            assert_eq!(through.len(), clip.len());
            assert!(through != clip);
            // How well the copy, moved by `lag - 40` samples, fits the clip.
            let fit = |lag: usize| {
                let pairs = clip[40..60_000].iter().zip(&through[lag..]);
                pairs.map(|(a, b)| f64::from(a * b)).sum::<f64>() / 59_960.0
            };
            let best = (0..=80).max_by(|&a, &b| fit(a).total_cmp(&fit(b))).unwrap();
            assert!(best.abs_diff(40) <= 3, "{mp3}: moved to {best}");
            let levels = probe::level(&clip[40..60_000]) + probe::level(&through[best..][..59_960]);
            let correlation = fit(best) / 10f64.powf(levels / 20.0);
            assert!(correlation > 0.5, "{mp3}: {correlation}");
        }
    }

    #[test]
    fn a_low_bitrate_takes_the_band() {
        let mut hiss: Vec<f32> = probe::noise(44_100).iter().map(|x| x * 0.1).collect();
        Mp3 {
            bitrate: 16,
            rate: 16_000,
        }
        .apply(&mut hiss)
        .unwrap();
        let mut high = hiss.clone();
        Filter::default().shape(&mut high, |hz| f64::from(u8::from(hz > 7_000.0)));
        assert!(probe::level(&high) < probe::level(&hiss) - 25.0);
    }

    #[test]
    fn what_lame_refuses_is_an_error() {
        let error = Mp3 {
            bitrate: 17,
            rate: 16_000,
        }
        .encode(&[0.0; 5_000])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "MP3 of 17 kbit/s at 16000 Hz: no such bitrate"
        );
        assert!(
            Mp3 {
                bitrate: 64,
                rate: 1_234
            }
            .encode(&[0.0; 5_000])
            .is_err()
        );
    }
}
