//! `voxproof channel`, and the arguments about copies that `train` and `evaluate` share.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use voxproof::audio::{self, DecodeLimits, SAMPLE_RATE, Waveform};
use voxproof::training::CopyOptions;
use voxproof::training::channel::{Channel, Filter, Preset};

use crate::files;
use crate::output::{ALL_JUDGED, Failure};

/// Copies of training clips.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Copies of each training clip through the random channel; a clip weighs as much with them as without
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=100))]
    copies: u16,
    /// Preset of the random channel for --copies
    #[arg(long, value_name = "PRESET", default_value = Preset::Wide.name(),
          value_parser = PossibleValuesParser::new(Preset::ALL.iter().map(|p| p.name())))]
    channel: String,
    /// Keep the codecs of an installed ffmpeg out of the channel: the same copies on machines without it
    #[arg(long)]
    no_ffmpeg: bool,
}

impl CopyArgs {
    /// The channel of a preset.
    pub fn channel(&self, preset: Preset) -> Channel {
        if self.no_ffmpeg {
            Channel::without_ffmpeg(preset)
        } else {
            Channel::new(preset)
        }
    }

    /// Training copies alone.
    pub fn options(&self, seed: u64) -> CopyOptions {
        let preset = Preset::from_name(&self.channel).unwrap_or(Preset::Wide);
        CopyOptions {
            training: self.copies.into(),
            // Without copies there is no need to look for ffmpeg.
            channel: if self.copies == 0 {
                Channel::without_ffmpeg(preset)
            } else {
                self.channel(preset)
            },
            through: Vec::new(),
            seed,
        }
    }
}

/// Send a clip through the random channel that training copies and tests pass, to hear it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  voxproof channel clip.mp3 copy.wav                        prints the steps that the copy passed
  voxproof channel clip.mp3 copy.wav --preset study --seed 7

Writes a WAV file of 16 bits at 22,050 Hz.")]
pub struct ChannelArgs {
    /// Audio file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// WAV file to write
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Preset of the channel
    #[arg(long, value_name = "PRESET", default_value = Preset::Wide.name(),
          value_parser = PossibleValuesParser::new(Preset::ALL.iter().map(|p| p.name())))]
    preset: String,
    /// Seed; each is another channel
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Keep the codecs of an installed ffmpeg out
    #[arg(long)]
    no_ffmpeg: bool,
}

/// Makes one copy.
pub fn run(args: &ChannelArgs) -> Result<ExitCode, Failure> {
    let name = args.input.display();
    let failed = |problem: String| Failure::Run(format!("{name}: {problem}"));
    let bytes = files::read(&args.input).map_err(|e| failed(format!("cannot be read: {e}")))?;
    let waveform =
        audio::decode(&bytes, &DecodeLimits::default()).map_err(|e| failed(e.to_string()))?;
    let preset = Preset::from_name(&args.preset).unwrap_or(Preset::Wide);
    let channel = if args.no_ffmpeg {
        Channel::without_ffmpeg(preset)
    } else {
        Channel::new(preset)
    };
    let chain = channel.chain(&format!("{name}#{}", args.seed));
    let copy = chain.apply(&waveform, &mut Filter::default());
    let copy = copy.map_err(|e| failed(e.to_string()))?;
    write_wav(&args.output, &copy)?;
    writeln!(anstream::stdout(), "{chain}")?;
    Ok(ExitCode::from(ALL_JUDGED))
}

/// A WAV file: 16 bits, mono.
fn write_wav(path: &Path, waveform: &Waveform) -> Result<(), Failure> {
    let samples = waveform.samples();
    let size = u32::try_from(2 * samples.len())
        .map_err(|_| Failure::Run("the clip is too long for a WAV file".into()))?;
    let mut wav = Vec::with_capacity(44 + 2 * samples.len());
    wav.extend(b"RIFF");
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    // Length of this chunk; PCM, one channel; rate; bytes a second; bytes and bits a sample.
    for field in [16, 0x0001_0001, SAMPLE_RATE, 2 * SAMPLE_RATE, 0x0010_0002] {
        wav.extend(field.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    let to_int = |x: f32| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    wav.extend(samples.iter().flat_map(|&x| to_int(x).to_le_bytes()));
    std::fs::write(path, wav)
        .map_err(|e| Failure::Run(format!("{}: cannot be written: {e}", path.display())))
}
