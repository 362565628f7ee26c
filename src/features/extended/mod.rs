//! The set `extended`: the 821 values of `artefact`, and 311 of what textbooks on voices and on spoofing look at besides.
//!
//! ```text
//! prepared speech -+-> artefact                              821
//!                  +-> frames of 20 ms -+-> mfcc             180   dynamics of mel-frequency cepstral coefficients
//!                  |                    +-> average           81   long-term average spectrum beside the clip's own
//!                  |                    +-> pauses            12   silence, its edges, breath
//!                  +-> frames of 40 ms ---> micro             20   jitter, shimmer, harmonics to noise, pitch contour
//!                  +-> frames of 4 ms ----> rates             18   lines in the modulation of the upper bands
//! ```
//!
//! The default model does not hear them: `docs/research.md` says what they were worth beside `artefact`. They are a Cargo
//! feature, which the Lambda functions do without. The spectra under
//! 20 ms are those that `dynamic` makes. The definitions are those of `tests/golden/make_extended_golden.py`;
//! `tests/artefact_parity.rs` holds every value to them.

pub mod average;
pub mod bands;
pub mod micro;
pub mod pauses;
pub mod pulses;
pub mod rates;

use realfft::num_complex::Complex;

use super::artefact::{self, Artefact};
use super::dynamic::lfcc::{self, FilterBank, LfccTrack};
use super::dynamic::{self, DescribesSpeech, Listener};
use bands::BandTrack;
use micro::Micro;
use rates::Rates;

/// Number of values.
pub const COUNT: usize =
    artefact::COUNT + lfcc::COUNT + average::COUNT + micro::COUNT + pauses::COUNT + rates::COUNT;

/// Where each group ends: those of `artefact`, then a group for each further aspect.
pub const GROUP_ENDS: [usize; 12] = {
    let [a, b, c, d, e, f, artefact] = artefact::GROUP_ENDS;
    let mfcc = artefact + lfcc::COUNT;
    let average = mfcc + average::COUNT;
    let micro = average + micro::COUNT;
    let pauses = micro + pauses::COUNT;
    [
        a, b, c, d, e, f, artefact, mfcc, average, micro, pauses, COUNT,
    ]
};

/// Names of the values, in their order.
pub fn names() -> Vec<String> {
    [
        artefact::names(),
        lfcc::names("mfcc"),
        average::names(),
        micro::names(),
        pauses::names(),
        rates::names(),
    ]
    .concat()
}

/// Plans and tables.
#[derive(Debug)]
pub struct Extended {
    artefact: Artefact,
    mel: FilterBank,
    micro: Micro,
    rates: Rates,
}

impl Default for Extended {
    fn default() -> Self {
        Self {
            artefact: Artefact::default(),
            mel: FilterBank::mel(),
            micro: Micro::default(),
            rates: Rates::default(),
        }
    }
}

impl DescribesSpeech for Extended {
    /// The 1,132 values, in the order of [`names`]; the first 821 are those of [`Artefact`].
    fn values(&self, speech: &[f32]) -> Vec<f64> {
        let mut heard = Heard {
            mel: &self.mel,
            power: [0.0; lfcc::PADDED],
            mfcc: LfccTrack::default(),
            bands: BandTrack::default(),
        };
        let mut values = self.artefact.values_and(speech, &mut heard);
        heard.mfcc.finish(&mut values);
        heard.bands.average(&mut values);
        self.micro.extend(speech, &mut values);
        heard.bands.pauses(&mut values);
        self.rates.extend(speech, &mut values);
        dynamic::define(&mut values);
        values
    }
}

/// What is kept of the spectra of a clip.
#[derive(Debug)]
struct Heard<'a> {
    mel: &'a FilterBank,
    /// Power of one frame, and zeros behind it.
    power: [f64; lfcc::PADDED],
    mfcc: LfccTrack,
    bands: BandTrack,
}

impl Listener for Heard<'_> {
    fn short_frame(&mut self, spectrum: &[Complex<f64>]) {
        for (p, x) in self.power.iter_mut().zip(spectrum) {
            *p = x.norm_sqr();
        }
        self.mfcc.push(self.mel, &self.power);
        self.bands.push(&self.power);
    }
}
