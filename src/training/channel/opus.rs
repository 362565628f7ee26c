//! Opus, as messengers and browsers send speech; in the process, without a container.

use ropus::{Application, Bitrate, Channels, DecodeMode, Decoder, Encoder};

use super::ChannelError;
use crate::audio::{SAMPLE_RATE, resample};

/// An Opus stream of 20 ms packets, mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opus {
    /// kbit/s, 6 to 128.
    pub bitrate: u32,
    /// Sample rate in Hz: 8,000, 12,000, 16,000, 24,000 or 48,000.
    pub rate: u32,
}

/// Effort of the encoder, 0 to 10; 5 is what phones use.
const COMPLEXITY: u8 = 5;
/// Largest packet in bytes that the encoder is given room for.
const PACKET: usize = 1_275;

impl Opus {
    pub(super) fn apply(self, samples: &mut Vec<f32>) -> Result<(), ChannelError> {
        let n = samples.len();
        let failed = |problem: &dyn std::fmt::Display| ChannelError {
            step: self.to_string(),
            problem: problem.to_string(),
        };
        let bitrate = Bitrate::try_bits(self.bitrate * 1_000).map_err(|e| failed(&e))?;
        let mut encoder = Encoder::builder(self.rate, Channels::Mono, Application::Voip)
            .bitrate(bitrate)
            .complexity(COMPLEXITY)
            .build()
            .map_err(|e| failed(&e))?;
        let mut decoder = Decoder::new(self.rate, Channels::Mono).map_err(|e| failed(&e))?;
        let mut input = resample(samples, SAMPLE_RATE, self.rate);
        let delay = encoder.lookahead() as usize;
        let frame = self.rate as usize / 50;
        let length = input.len();
        input.resize((length + delay).next_multiple_of(frame), 0.0);
        let (mut packet, mut decoded) = ([0; PACKET], Vec::with_capacity(input.len()));
        let mut block = vec![0.0; decoder.max_frame_samples_per_channel()];
        for frame in input.chunks_exact(frame) {
            let bytes = encoder
                .encode_float(frame, &mut packet)
                .map_err(|e| failed(&e))?;
            let got = decoder
                .decode_float(&packet[..bytes], &mut block, DecodeMode::Normal)
                .map_err(|e| failed(&e))?;
            decoded.extend_from_slice(&block[..got]);
        }
        *samples = resample(&decoded[delay..delay + length], self.rate, SAMPLE_RATE);
        samples.resize(n, 0.0);
        Ok(())
    }
}

impl std::fmt::Display for Opus {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Opus of {} kbit/s at {} Hz", self.bitrate, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn the_clip_keeps_length_and_level_but_not_its_samples() {
        for (bitrate, rate) in [(12, 16_000), (24, 48_000)] {
            let clip: Vec<f32> = probe::sine(400.0, 44_100).iter().map(|x| x * 0.5).collect();
            let mut through = clip.clone();
            Opus { bitrate, rate }.apply(&mut through).unwrap();
            assert_eq!(through.len(), clip.len());
            let change = probe::level(&through[8_000..36_000]) - probe::level(&clip[8_000..36_000]);
            assert!(change.abs() < 2.0, "{rate}: {change}");
            assert!(through != clip);
        }
        let error = Opus {
            bitrate: 16,
            rate: 22_050,
        }
        .apply(&mut vec![0.0; 9_000])
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Opus of 16 kbit/s at 22050 Hz: "),
            "{error}"
        );
    }
}
