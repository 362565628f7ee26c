//! Codecs of an installed ffmpeg: AAC, GSM, AMR, Speex and G.722, where it has them.
//!
//! The one stage that is not built in. Its output is the same for the same ffmpeg; another build of it, or none, makes
//! other copies, which is why reports name the codecs that were there.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use super::ChannelError;
use crate::audio::{SAMPLE_RATE, resample};

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// AAC-LC, 16,000 Hz.
    Aac,
    /// GSM 06.10, 8,000 Hz: mobile phones.
    Gsm,
    /// AMR-NB, 8,000 Hz: mobile phones.
    Amr,
    /// Speex, 16,000 Hz: older internet telephony.
    Speex,
    /// G.722, 16,000 Hz: wide-band telephony.
    G722,
}

impl Codec {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Aac, Self::Gsm, Self::Amr, Self::Speex, Self::G722];

    /// Name, ffmpeg's encoder, its container, sample rate in Hz, and bitrates in kbit/s where there is a choice.
    fn details(
        self,
    ) -> (
        &'static str,
        &'static str,
        &'static str,
        u32,
        &'static [u32],
    ) {
        match self {
            Self::Aac => ("AAC", "aac", "adts", 16_000, &[16, 24, 32, 48]),
            Self::Gsm => ("GSM", "libgsm", "gsm", 8_000, &[]),
            // 4.75 and 12.2 kbit/s are the ends of its scale; ffmpeg takes the nearest.
            Self::Amr => ("AMR", "libopencore_amrnb", "amr", 8_000, &[5, 7, 12]),
            Self::Speex => ("Speex", "libspeex", "ogg", 16_000, &[10, 15, 24]),
            Self::G722 => ("G.722", "g722", "g722", 16_000, &[]),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.details().0
    }

    /// Bitrates in kbit/s to choose from; none where the codec has one.
    #[must_use]
    pub fn bitrates(self) -> &'static [u32] {
        self.details().4
    }
}

/// The codecs that the installed ffmpeg can encode; none without one. Asked once.
#[must_use]
pub fn available() -> &'static [Codec] {
    static AVAILABLE: OnceLock<Vec<Codec>> = OnceLock::new();
    AVAILABLE.get_or_init(|| {
        let listed = Command::new("ffmpeg")
            .args(["-v", "quiet", "-nostdin", "-encoders"])
            .stdin(Stdio::null())
            .output();
        let text = listed.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).into_owned()
        });
        let has = |codec: &Codec| {
            let encoder = codec.details().1;
            text.lines()
                .any(|line| line.split_whitespace().nth(1) == Some(encoder))
        };
        Codec::ALL.iter().copied().filter(has).collect()
    })
}

/// Through a codec of ffmpeg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ffmpeg {
    /// The codec.
    pub codec: Codec,
    /// kbit/s: one of the codec's, where it has a choice.
    pub bitrate: Option<u32>,
}

impl Ffmpeg {
    pub(super) fn apply(self, samples: &mut Vec<f32>) -> Result<(), ChannelError> {
        let n = samples.len();
        let (_, encoder, container, rate, _) = self.codec.details();
        let rate_text = rate.to_string();
        let raw = ["-f", "f32le", "-ar", &rate_text, "-ac", "1"];
        let bitrate = self.bitrate.map(|kbits| format!("{kbits}k"));
        let mut encode = raw.to_vec();
        encode.extend(["-i", "pipe:0", "-c:a", encoder]);
        if let Some(bitrate) = &bitrate {
            encode.extend(["-b:a", bitrate]);
        }
        encode.extend(["-f", container, "pipe:1"]);
        let demuxer = if container == "adts" {
            "aac"
        } else {
            container
        };
        let mut decode = vec!["-f", demuxer, "-i", "pipe:0"];
        decode.extend(raw);
        decode.push("pipe:1");

        let line = resample(samples, SAMPLE_RATE, rate);
        let bytes = line.iter().flat_map(|x| x.to_le_bytes()).collect();
        let decoded = self.run(&decode, self.run(&encode, bytes)?)?;
        let line: Vec<f32> = decoded
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if line.len() < n / 2 * rate as usize / SAMPLE_RATE as usize {
            return Err(self.failed("ffmpeg gave back less than half of the clip"));
        }
        *samples = resample(&line, rate, SAMPLE_RATE);
        samples.resize(n, 0.0);
        Ok(())
    }

    /// Runs ffmpeg on what it is given through a pipe.
    fn run(self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, ChannelError> {
        let failed = |error: std::io::Error| self.failed(&format!("ffmpeg: {error}"));
        let mut ffmpeg = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-threads", "1"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut pipe = ffmpeg.stdin.take();
        // Both pipes are finite: one thread writes while the other reads. If ffmpeg stops early, its message says why.
        let output = thread::scope(|scope| {
            scope.spawn(move || pipe.as_mut().map(|pipe| pipe.write_all(&input)));
            ffmpeg.wait_with_output()
        });
        let output = output.map_err(failed)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(self.failed(message.lines().next().unwrap_or("ffmpeg failed")));
        }
        Ok(output.stdout)
    }

    fn failed(self, problem: &str) -> ChannelError {
        ChannelError {
            step: self.to_string(),
            problem: problem.into(),
        }
    }
}

impl std::fmt::Display for Ffmpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.codec.name())?;
        match self.bitrate {
            Some(kbits) => write!(f, " of {kbits} kbit/s"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn every_codec_that_is_there_keeps_length_and_level() {
        // Without ffmpeg there is nothing to hold: the stage is then never drawn.
        for &codec in available() {
            let clip: Vec<f32> = probe::sine(500.0, 44_100).iter().map(|x| x * 0.5).collect();
            let mut through = clip.clone();
            let ffmpeg = Ffmpeg {
                codec,
                bitrate: codec.bitrates().first().copied(),
            };
            ffmpeg.apply(&mut through).unwrap();
            assert_eq!(through.len(), clip.len());
            let change = probe::level(&through[8_000..36_000]) - probe::level(&clip[8_000..36_000]);
            assert!(change.abs() < 3.0, "{ffmpeg}: {change}");
            assert!(through != clip);
            let mut again = clip.clone();
            ffmpeg.apply(&mut again).unwrap();
            assert!(through == again, "{ffmpeg} is not deterministic");
        }
    }

    #[test]
    fn what_ffmpeg_says_is_in_the_error() {
        if available().is_empty() {
            return;
        }
        let ffmpeg = Ffmpeg {
            codec: Codec::Gsm,
            bitrate: None,
        };
        let error = ffmpeg.run(
            &["-f", "nonsense", "-i", "pipe:0", "-f", "null", "-"],
            vec![0; 1 << 20],
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("GSM: ") && error.contains("nonsense"),
            "{error}"
        );
    }
}
