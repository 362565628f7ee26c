//! What clips are divided by: what the manifest says of them, what was measured of their files, and what their copies passed.

use super::Scored;
use crate::training::channel::{Chain, Step};

/// What clips are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Kind,
    Language,
    Corpus,
    Licence,
    Sex,
    Bitrate,
    Bandwidth,
    Duration,
    Channel,
}

/// Nominal bitrates of MP3 in kbit/s; a file is counted with the nearest.
const BITRATES: [u32; 15] = [
    8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256,
];
/// Upper ends of bandwidths, in Hz.
const BANDWIDTHS: [(f64, &str); 5] = [
    (3_600.0, "up to 3.6 kHz"),
    (5_000.0, "3.6 to 5 kHz"),
    (7_000.0, "5 to 7 kHz"),
    (9_000.0, "7 to 9 kHz"),
    (f64::INFINITY, "9 kHz and more"),
];
/// Upper ends of durations, in seconds.
const DURATIONS: [(f64, &str); 5] = [
    (3.0, "under 3 s"),
    (5.0, "3 to 5 s"),
    (7.5, "5 to 7.5 s"),
    (20.0, "7.5 to 20 s"),
    (f64::INFINITY, "20 s and more"),
];
/// Where a value is not known.
pub(super) const UNKNOWN: &str = "not known";

impl By {
    pub(super) const ALL: [Self; 9] = [
        Self::Kind,
        Self::Language,
        Self::Corpus,
        Self::Licence,
        Self::Sex,
        Self::Bitrate,
        Self::Bandwidth,
        Self::Duration,
        Self::Channel,
    ];

    /// As reports write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Language => "language",
            Self::Corpus => "corpus",
            Self::Licence => "licence",
            Self::Sex => "sex",
            Self::Bitrate => "bitrate",
            Self::Bandwidth => "bandwidth",
            Self::Duration => "duration",
            Self::Channel => "channel",
        }
    }

    /// The rows that a clip belongs to: place in the order and name. Human clips stand against every kind; a copy through
    /// a channel stands in one row for each of its steps.
    pub(super) fn rows(self, scored: &Scored, index: usize) -> Vec<(usize, String)> {
        let clip = &scored.clips[index];
        let recording = scored.recordings.get(index);
        let chain = scored.chains.get(index);
        let word = |text: &str| {
            let known = !text.is_empty() && text != "unknown";
            let order = usize::from(!known);
            vec![(order, String::from(if known { text } else { UNKNOWN }))]
        };
        let range = |ranges: &[(f64, &str)], value: Option<f64>| {
            let place = value.and_then(|value| ranges.iter().position(|&(end, _)| value < end));
            let name = place.map_or(UNKNOWN, |place| ranges[place].1);
            vec![(place.unwrap_or(ranges.len()), String::from(name))]
        };
        match self {
            Self::Kind if clip.is_ai() => word(&clip.kind),
            Self::Kind => Vec::new(),
            Self::Language => word(&clip.language),
            Self::Corpus => word(clip.source()),
            Self::Licence => word(clip.licence_class()),
            Self::Sex => word(&clip.sex),
            Self::Bitrate => {
                // What a copy was stored with last; of a file, what it is.
                let rate = match chain {
                    Some(chain) => stored_bitrate(chain).map(f64::from),
                    None => recording.and_then(|recording| recording.mp3_bitrate),
                };
                vec![nominal(
                    rate,
                    chain.is_some() || recording.is_some_and(|r| r.channel.is_some()),
                )]
            }
            Self::Bandwidth => range(&BANDWIDTHS, recording.and_then(|r| r.bandwidth())),
            Self::Duration => {
                let measured = recording.and_then(|recording| recording.duration());
                range(&DURATIONS, measured.or(clip.duration_seconds))
            }
            Self::Channel => chain.map_or(Vec::new(), passed),
        }
    }
}

/// The row of a bitrate; `measured` says that its absence is known.
fn nominal(rate: Option<f64>, measured: bool) -> (usize, String) {
    let Some(rate) = rate else {
        let name = if measured { "no MP3" } else { UNKNOWN };
        return (BITRATES.len() + usize::from(!measured), name.into());
    };
    let distance = |place: &usize| (rate / f64::from(BITRATES[*place])).ln().abs();
    let nearest = (0..BITRATES.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let place = nearest.unwrap_or(0);
    (place, format!("{} kbit/s", BITRATES[place]))
}

/// Bitrate of the MP3 that a chain ends in, in kbit/s.
pub(super) fn stored_bitrate(chain: &Chain) -> Option<u32> {
    chain.steps().iter().rev().find_map(|step| match step {
        Step::Mp3(mp3) => Some(mp3.bitrate),
        _ => None,
    })
}

/// For each kind of step that not every copy passes, whether this one did.
fn passed(chain: &Chain) -> Vec<(usize, String)> {
    let has = |is: fn(&Step) -> bool| chain.steps().iter().any(is);
    let steps = [
        ("noise", has(|step| matches!(step, Step::Noise(_)))),
        (
            "reverberation",
            has(|step| matches!(step, Step::Reverberation(_))),
        ),
        ("band limit", has(|step| matches!(step, Step::BandLimit(_)))),
        ("telephone", has(|step| matches!(step, Step::Telephone(_)))),
    ];
    let row = |(place, (name, passed)): (usize, (&str, bool))| {
        let with = if passed { "with" } else { "without" };
        (2 * place + usize::from(!passed), format!("{with} {name}"))
    };
    steps.into_iter().enumerate().map(row).collect()
}
