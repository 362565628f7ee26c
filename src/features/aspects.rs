//! What the values of each feature set are about, in words for people: the one table that explanations read.
//!
//! An aspect is a run of values that stand together in the set's order. Aspects are finer than the groups of
//! [`FeatureSet::group_ends`] where one group describes several things that a person would tell apart.

#[cfg(feature = "extended")]
use std::sync::LazyLock;

use super::{FeatureSet, artefact, channel, classic, dynamic};

/// One aspect of speech that a feature set describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aspect {
    /// Stable name for programs, for example `pitch`.
    pub name: &'static str,
    /// What it is, in words: a noun, a colon, what is looked at.
    pub meaning: &'static str,
    /// Where its values end in the set; they start where those of the aspect before it end.
    pub end: usize,
}

/// What a network over bands hears: no feature set has a name for it.
pub const NETWORK: Aspect = Aspect {
    name: "spectrogram_pattern",
    meaning: "pattern of the spectrogram: the fine structure of the spectrum over time, as the neural network hears it",
    end: 0,
};

const fn aspect(end: usize, name: &'static str, meaning: &'static str) -> Aspect {
    Aspect { name, meaning, end }
}

const SPECTRAL_DYNAMICS: Aspect = aspect(
    DYNAMIC_LFCC,
    "spectral_dynamics",
    "spectral dynamics: how the spectrum's envelope moves from moment to moment",
);
const MODULATION: Aspect = aspect(
    SPECTRAL_DYNAMICS.end + dynamic::modulation::COUNT,
    "modulation",
    "modulation: the rhythm of loudness in bands of the spectrum, 1 to 50 Hz",
);
const PITCH: Aspect = aspect(
    MODULATION.end + dynamic::voice::COUNT,
    "pitch",
    "pitch micro-variation: how steady the pitch, the voicing and the spectrum are from frame to frame",
);
const DYNAMIC_LFCC: usize = 2 * dynamic::lfcc::COUNT;

static CLASSIC: [Aspect; 5] = [
    aspect(
        40,
        "timbre",
        "timbre: the average shape of the spectrum and its spread (MFCC)",
    ),
    aspect(
        46,
        "brightness",
        "brightness: where the spectrum's weight lies, and zero crossings",
    ),
    aspect(
        70,
        "pitch_classes",
        "pitch classes: which notes of the scale the voice dwells on (chroma)",
    ),
    aspect(71, "tempo", "tempo: the beat of the onsets"),
    aspect(
        classic::COUNT,
        "loudness",
        "loudness: its mean and its spread",
    ),
];

static DYNAMIC: [Aspect; 4] = [
    SPECTRAL_DYNAMICS,
    MODULATION,
    PITCH,
    aspect(dynamic::COUNT, TEXTURE_NAME, TEXTURE_MEANING),
];

const TEXTURE_NAME: &str = "spectral_texture";
const TEXTURE_MEANING: &str =
    "spectral texture: the grain of the spectrum, between neighbours in time and frequency";

static ARTEFACT: [Aspect; 9] = [
    SPECTRAL_DYNAMICS,
    MODULATION,
    PITCH,
    // Those of `dynamic` and those that `artefact` adds stand side by side.
    aspect(artefact::GROUP_ENDS[1], TEXTURE_NAME, TEXTURE_MEANING),
    aspect(
        artefact::GROUP_ENDS[2],
        "phase",
        "phase: how coherently the phases of neighbouring frequencies advance",
    ),
    aspect(
        artefact::GROUP_ENDS[3],
        "harmonicity",
        "harmonicity: how clearly the overtones of the pitch stand out, up to 7.5 kHz",
    ),
    aspect(
        artefact::GROUP_ENDS[4],
        "excitation",
        "excitation: the pulses of the voice behind the vocal tract, and how the tract moves (linear prediction)",
    ),
    aspect(
        artefact::GROUP_ENDS[5],
        "fast_modulation",
        "fast modulation: flutter of loudness beyond the syllables, 10 to 250 Hz",
    ),
    aspect(
        artefact::COUNT,
        "band_coupling",
        "coupling of bands: how low and high parts of the spectrum move together",
    ),
];

#[cfg(feature = "extended")]
static EXTENDED: LazyLock<Vec<Aspect>> = LazyLock::new(|| {
    use super::extended;

    let further = [
        aspect(
            extended::GROUP_ENDS[7],
            "timbre_dynamics",
            "dynamics of timbre: how the spectrum's envelope moves on the scale of the ear (MFCC)",
        ),
        aspect(
            extended::GROUP_ENDS[8],
            "average_spectrum",
            "average spectrum: its shape, how far speech stands above pauses, and steady lines in it",
        ),
        aspect(
            extended::GROUP_ENDS[9],
            "voice_quality",
            "quality of the voice: jitter, shimmer, harmonics to noise, and how smooth the pitch is",
        ),
        aspect(
            extended::GROUP_ENDS[10],
            "pauses",
            "pauses: how long and how quiet they are, breath, and how speech begins and ends",
        ),
        aspect(
            extended::COUNT,
            "frame_rates",
            "frame rates: lines in the flutter of the upper bands, 40 to 460 Hz",
        ),
    ];
    [&ARTEFACT[..], &further].concat()
});

static CHANNEL: [Aspect; 1] = [aspect(
    channel::COUNT,
    "recording",
    "recording: bandwidth, length and level of the file, nothing of the speech",
)];

impl FeatureSet {
    /// What the set's values are about, in their order; the last aspect ends where the set does.
    #[must_use]
    pub fn aspects(self) -> &'static [Aspect] {
        match self {
            FeatureSet::Classic => &CLASSIC,
            FeatureSet::Dynamic => &DYNAMIC,
            FeatureSet::Artefact => &ARTEFACT,
            #[cfg(feature = "extended")]
            FeatureSet::Extended => &EXTENDED,
            FeatureSet::Channel => &CHANNEL,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_value_has_an_aspect_and_every_aspect_a_name_of_its_own() {
        for &set in FeatureSet::ALL {
            let aspects = set.aspects();
            assert!(aspects.windows(2).all(|pair| pair[0].end < pair[1].end));
            assert_eq!(aspects.last().unwrap().end, set.names().len(), "{set:?}");
            let names: BTreeSet<_> = aspects.iter().map(|aspect| aspect.name).collect();
            assert_eq!(names.len(), aspects.len());
        }
    }

    /// The stems that the names of an aspect's values start with, `_` and what follows left out where it varies.
    #[test]
    fn the_values_of_an_aspect_are_about_it() {
        let classic: Vec<&[&str]> = vec![
            &["mfcc"],
            &["spectral", "zero_crossing"],
            &["chroma"],
            &["tempo"],
            &["rms"],
        ];
        let artefact: Vec<&[&str]> = vec![
            &["lfcc", "wide_lfcc"],
            &["modulation"],
            &["cpp", "flux", "entropy", "pitch"],
            &["texture", "phase_advance"],
            &["phase", "group_delay", "frequency"],
            &["harmonicity"],
            &["lpc"],
            &["fast_modulation"],
            &["envelope", "band"],
        ];
        #[cfg(feature = "extended")]
        let further: [&[&str]; 5] = [
            &["mfcc"],
            &["average"],
            &["jitter", "shimmer", "harmonics", "voiced", "pitch"],
            &["pause"],
            &["rate_line"],
        ];
        let stems = [
            (FeatureSet::Classic, classic),
            #[cfg(feature = "extended")]
            (FeatureSet::Extended, [&artefact[..], &further].concat()),
            (FeatureSet::Artefact, artefact),
        ];
        for (set, stems) in stems {
            let mut start = 0;
            for (aspect, stems) in set.aspects().iter().zip(stems) {
                for name in &set.names()[start..aspect.end] {
                    let fits = stems.iter().any(|stem| name.starts_with(stem));
                    assert!(fits, "{name} is no {}", aspect.name);
                }
                start = aspect.end;
            }
        }
    }
}
