//! Which stages a copy passes, with which settings: what each preset draws from.

use super::Step;
use super::band_limit::BandLimit;
use super::crop::{Crop, Edges};
use super::draws::Draws;
use super::ffmpeg::{Codec, Ffmpeg};
use super::level::{Clipping, Level};
use super::mp3::{self, Mp3};
use super::noise::{Noise, NoiseKind};
use super::opus::Opus;
use super::resampling::{Interpolation, Resampling};
use super::reverberation::Reverberation;
use super::speed::{Pitch, Speed};
use super::telephone::{Law, Telephone};
use super::tilt::Tilt;

/// A named distribution of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The channel that published figures go through: tilt, a low-pass at 3.4 to 7.2 kHz for 24 %, noise at 15 to 45 dB
    /// for 60 %, a little reverberation for 30 %, and MP3 at 16 to 64 kbit/s for all.
    Study,
    /// Everything that is built in, and what ffmpeg adds: for training copies.
    Wide,
    /// The same, with more of what the models trained on `Wide` were seen to fail under: rooms, Opus, loud noise, telephones,
    /// clipping; and changes of speed and pitch.
    Harsh,
}

/// Shares are of the copies; ranges are drawn from evenly.
struct Shares {
    crop: f64,
    edges: f64,
    reverberation: f64,
    rt60: [f64; 2],
    direct_to_reverberant: [f64; 2],
    noise: f64,
    noises: &'static [NoiseKind],
    /// Ratio of clip to noise, in dB.
    snr: [f64; 2],
    /// Largest slope in either direction, dB an octave.
    slope: f64,
    clipping: f64,
    band_limit: f64,
    resampling: f64,
    /// Peak in dBFS; the clip's own where absent.
    level: Option<[f64; 2]>,
    telephone: f64,
    opus: f64,
    ffmpeg: f64,
    mp3: f64,
    largest_bitrate: u32,
    speed: f64,
    pitch: f64,
}

const STUDY: Shares = Shares {
    crop: 0.0,
    edges: 0.0,
    reverberation: 0.3,
    rt60: [0.1, 0.4],
    direct_to_reverberant: [6.0, 18.0],
    noise: 0.6,
    noises: &[NoiseKind::White, NoiseKind::Pink, NoiseKind::Brown],
    snr: [15.0, 45.0],
    slope: 1.5,
    clipping: 0.0,
    band_limit: 0.24,
    resampling: 0.0,
    level: None,
    telephone: 0.0,
    opus: 0.0,
    ffmpeg: 0.0,
    mp3: 1.0,
    largest_bitrate: 64,
    speed: 0.0,
    pitch: 0.0,
};

const WIDE: Shares = Shares {
    crop: 0.75,
    edges: 0.5,
    reverberation: 0.3,
    rt60: [0.1, 0.6],
    direct_to_reverberant: [0.0, 18.0],
    noise: 0.6,
    noises: &[
        NoiseKind::White,
        NoiseKind::Pink,
        NoiseKind::Brown,
        NoiseKind::Hum,
        NoiseKind::Babble,
    ],
    snr: [15.0, 45.0],
    slope: 2.0,
    clipping: 0.08,
    band_limit: 0.24,
    resampling: 0.25,
    level: Some([-25.0, 0.0]),
    telephone: 0.12,
    opus: 0.08,
    ffmpeg: 0.08,
    mp3: 0.75,
    largest_bitrate: 128,
    speed: 0.0,
    pitch: 0.0,
};

const HARSH: Shares = Shares {
    reverberation: 0.45,
    rt60: [0.1, 0.8],
    direct_to_reverberant: [-3.0, 15.0],
    snr: [6.0, 45.0],
    clipping: 0.12,
    telephone: 0.15,
    opus: 0.3,
    mp3: 0.6,
    speed: 0.1,
    pitch: 0.1,
    ..WIDE
};

/// Length of a crop, in seconds.
const CROP: [f64; 2] = [2.5, 6.0];
/// Silence left at an edge, in seconds.
const MARGIN: [f64; 2] = [0.0, 0.25];
/// How many times as fast, or as high.
const FACTOR: [f64; 2] = [0.92, 1.08];
/// Cutoff of the low-pass, in Hz.
const CUTOFF: [f64; 2] = [3_400.0, 7_200.0];
/// Share of samples that clipping cuts, as a power of ten.
const CLIPPED: [f64; 2] = [-3.5, -1.7];
/// Rates to pass through, in Hz.
const RATES: &[u32] = &[
    8_000, 11_025, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000,
];
/// The lowest of them that straight lines go through, in Hz.
const LOWEST_LINEAR: u32 = 16_000;

impl Preset {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Study, Self::Wide, Self::Harsh];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Study => "study",
            Self::Wide => "wide",
            Self::Harsh => "harsh",
        }
    }

    /// The preset of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.name() == name)
    }

    /// Whether copies may pass codecs of an installed ffmpeg, so that they depend on it.
    #[must_use]
    pub fn may_use_ffmpeg(self) -> bool {
        self.shares().ffmpeg > 0.0
    }

    fn shares(self) -> &'static Shares {
        match self {
            Self::Study => &STUDY,
            Self::Wide => &WIDE,
            Self::Harsh => &HARSH,
        }
    }

    /// Draws the steps of one copy, in the order in which sound passes them: cutting, room, noise, microphone, converter,
    /// codec. `codecs` are those of an ffmpeg that may be used; the other steps do not depend on them.
    pub(super) fn steps(self, draws: &mut Draws, codecs: &[Codec]) -> Vec<Step> {
        let shares = self.shares();
        let mut steps = Vec::new();
        let mut push = |happens: bool, step: Step| {
            if happens {
                steps.push(step);
            }
        };
        // Everything is drawn, whether it happens or not: presets of the same key then share what they share.
        push(
            draws.chance(shares.crop),
            Step::Crop(Crop {
                seconds: draws.uniform(CROP),
                place: draws.uniform([0.0, 1.0]),
            }),
        );
        push(
            draws.chance(shares.edges),
            Step::Edges(Edges {
                before: draws.uniform(MARGIN),
                after: draws.uniform(MARGIN),
            }),
        );
        push(
            draws.chance(shares.reverberation),
            Step::Reverberation(Reverberation {
                rt60: draws.uniform(shares.rt60),
                direct_to_reverberant: draws.uniform(shares.direct_to_reverberant),
            }),
        );
        push(
            draws.chance(shares.noise),
            Step::Noise(Noise {
                kind: draws.pick(shares.noises),
                snr: draws.uniform(shares.snr),
            }),
        );
        push(
            true,
            Step::Tilt(Tilt {
                slope: draws.uniform([-shares.slope, shares.slope]),
            }),
        );
        push(
            draws.chance(shares.clipping),
            Step::Clipping(Clipping {
                share: 10f64.powf(draws.uniform(CLIPPED)),
            }),
        );
        push(
            draws.chance(shares.band_limit),
            Step::BandLimit(BandLimit {
                cutoff: draws.uniform(CUTOFF),
            }),
        );
        let (rate, badly) = (draws.pick(RATES), draws.chance(0.25));
        push(
            draws.chance(shares.resampling),
            Step::Resampling(Resampling {
                rate,
                interpolation: if badly && rate >= LOWEST_LINEAR {
                    Interpolation::Linear
                } else {
                    Interpolation::BandLimited
                },
            }),
        );
        let peak = draws.uniform(shares.level.unwrap_or_default());
        push(
            true,
            match shares.level {
                Some(_) => Step::Level(Level { peak }),
                None => Step::OwnLevel,
            },
        );
        push(
            draws.chance(shares.telephone),
            Step::Telephone(Telephone {
                law: draws.pick(&[Law::Mu, Law::Mu, Law::A]),
            }),
        );
        push(
            draws.chance(shares.opus),
            Step::Opus(Opus {
                bitrate: draws.pick(&[8, 12, 16, 24, 32, 48]),
                rate: draws.pick(&[16_000, 24_000, 48_000]),
            }),
        );
        let codec = draws.pick(Codec::ALL);
        let place = draws.uniform([0.0, 1.0]);
        let bitrates = codec.bitrates();
        push(
            draws.chance(shares.ffmpeg) && codecs.contains(&codec),
            Step::Ffmpeg(Ffmpeg {
                codec,
                bitrate: bitrates
                    .get((place * bitrates.len() as f64) as usize)
                    .copied(),
            }),
        );
        push(draws.chance(shares.mp3), Step::Mp3(mp3_file(draws, shares)));
        // Drawn last, so that presets without them keep their draws; they come before a room all the same.
        let factor = draws.uniform(FACTOR);
        if draws.chance(shares.speed) {
            steps.insert(0, Step::Speed(Speed { factor }));
        }
        if draws.chance(shares.pitch) {
            steps.insert(0, Step::Pitch(Pitch { factor }));
        }
        steps
    }
}

fn mp3_file(draws: &mut Draws, shares: &Shares) -> Mp3 {
    let within = mp3::BITRATES
        .iter()
        .filter(|&&bitrate| bitrate <= shares.largest_bitrate)
        .count();
    let bitrate = draws.pick(&mp3::BITRATES[..within]);
    // Nobody stores 16 kbit/s at 44.1 kHz, nor 128 at 16.
    let rates: &[u32] = match bitrate {
        0..40 => &[16_000, 22_050, 24_000],
        40..80 => &[16_000, 22_050, 24_000, 44_100],
        _ => &[22_050, 24_000, 44_100, 48_000],
    };
    Mp3 {
        bitrate,
        rate: draws.pick(rates),
    }
}
