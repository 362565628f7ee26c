//! Clips of a corpus that had better be dropped: unreadable, short, nearly silent, there twice.
//!
//! Two clips are candidates for copies of each other where several frames of their
//! [fingerprints](super::fingerprint) are equal at one offset; they are where few bits differ over
//! most of the shorter one *and* their waveforms correlate, which tells a copy that was encoded again
//! from what a vocoder made of the same clip.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::fingerprint::{FingerprintScratch, Fingerprinter, HOP, correlation, difference, trim};
use super::manifest::{Clip, ManifestSource};
use super::{Progress, ProgressFn, Stage, TrainingError, in_pool};
use crate::audio::{self, DecodeLimits, SAMPLE_RATE};

/// Clips below this RMS are nearly silent: -60 dBFS.
const SILENT_RMS: f64 = 1e-3;
/// Clips with less sound between their silent ends are short, in seconds.
const SHORTEST: f64 = 1.0;
/// Equal frames at one offset that make two clips candidates.
const VOTES: usize = 4;
/// Frames with the same bits in more places than this tell nothing.
const COMMON: usize = 100;
/// Largest share of differing bits of two candidates. Unrelated sounds have 0.5.
const MOST_BITS: f64 = 0.25;
/// Least share of the shorter clip that lies on the longer one.
const LEAST_OVERLAP: f64 = 0.8;
/// Least correlation of the waveforms of copies.
const LEAST_CORRELATION: f64 = 0.97;

/// Why a clip had better be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It cannot be read or decoded.
    Unreadable,
    /// There is less than a second of sound in it.
    Short,
    /// It is below -60 dBFS.
    NearSilent,
    /// The same bytes stand in the corpus before.
    Duplicate,
    /// The same recording stands in the corpus before, encoded again or cut otherwise.
    NearDuplicate,
    /// The same recording stands in the corpus with the other label.
    ContradictingLabels,
}

impl Reason {
    /// The word in the list.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Short => "short",
            Self::NearSilent => "near-silent",
            Self::Duplicate => "duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::ContradictingLabels => "contradicting-labels",
        }
    }
}

/// A clip that had better be dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// File name as the manifest has it.
    pub file: String,
    /// Why.
    pub reason: Reason,
    /// The clip that it doubles or contradicts, or what is known besides.
    pub other: String,
}

/// What is kept of a clip.
struct Heard {
    digest: [u8; 32],
    bits: Vec<u32>,
}

/// Reads every clip of the manifests and lists those that had better be dropped, in the manifests'
/// order. Of copies with one label, the first is kept; copies with contradicting labels are all
/// listed. The result does not depend on the number of threads.
///
/// # Errors
/// [`TrainingError`] if a manifest cannot be read.
pub fn audit(
    sources: &[ManifestSource],
    jobs: Option<usize>,
    progress: ProgressFn,
) -> Result<Vec<Finding>, TrainingError> {
    in_pool(jobs, || {
        let mut clips = Vec::new();
        for source in sources {
            clips.extend(source.read()?);
        }
        let fingerprinter = Fingerprinter::default();
        let done = AtomicUsize::new(0);
        let heard: Vec<Result<Heard, (Reason, String)>> = clips
            .par_iter()
            .map_init(FingerprintScratch::default, |scratch, clip| {
                let heard = listen(clip, &fingerprinter, scratch);
                progress(Progress {
                    stage: Stage::Fingerprint,
                    done: done.fetch_add(1, Ordering::Relaxed) + 1,
                    total: clips.len(),
                });
                heard
            })
            .collect();
        let mut findings: Vec<Option<Finding>> = vec![None; clips.len()];
        for (index, heard) in heard.iter().enumerate() {
            if let Err((reason, other)) = heard {
                findings[index] = finding(&clips[index], *reason, other);
            }
        }
        let heard: Vec<Option<Heard>> = heard.into_iter().map(Result::ok).collect();
        copies(&clips, &heard, &mut findings);
        Ok(findings.into_iter().flatten().collect())
    })
}

fn finding(clip: &Clip, reason: Reason, other: &str) -> Option<Finding> {
    Some(Finding {
        file: clip.file.clone(),
        reason,
        other: other.into(),
    })
}

fn samples(clip: &Clip) -> Result<Vec<f32>, String> {
    let bytes = std::fs::read(&clip.path).map_err(|e| e.to_string())?;
    let waveform = audio::decode(&bytes, &DecodeLimits::default()).map_err(|e| e.to_string())?;
    Ok(trim(waveform.samples()).to_vec())
}

/// Fingerprint and digest of a clip, or what is wrong with it.
fn listen(
    clip: &Clip,
    fingerprinter: &Fingerprinter,
    scratch: &mut FingerprintScratch,
) -> Result<Heard, (Reason, String)> {
    let unreadable = |problem: String| (Reason::Unreadable, problem);
    let bytes = std::fs::read(&clip.path).map_err(|e| unreadable(e.to_string()))?;
    let waveform = audio::decode(&bytes, &DecodeLimits::default())
        .map_err(|error| unreadable(error.to_string()))?;
    let squares = waveform.samples().iter().map(|&x| f64::from(x).powi(2));
    let rms = (squares.sum::<f64>() / waveform.samples().len().max(1) as f64).sqrt();
    if rms < SILENT_RMS {
        let level = 20.0 * rms.max(1e-10).log10();
        return Err((Reason::NearSilent, format!("{level:.0} dBFS")));
    }
    let sound = trim(waveform.samples());
    let seconds = sound.len() as f64 / f64::from(SAMPLE_RATE);
    if seconds < SHORTEST {
        return Err((Reason::Short, format!("{seconds:.2} s of sound")));
    }
    Ok(Heard {
        digest: Sha256::digest(&bytes).into(),
        bits: fingerprinter.bits(sound, scratch),
    })
}

/// Lists all copies but the first of their group, or all where their labels contradict.
fn copies(clips: &[Clip], heard: &[Option<Heard>], findings: &mut [Option<Finding>]) {
    let pairs = candidates(heard);
    let confirmed: Vec<(usize, usize, f64)> = pairs
        .into_par_iter()
        .filter_map(|(first, second, offset)| {
            let exact = heard[first].as_ref()?.digest == heard[second].as_ref()?.digest;
            let similarity = if exact {
                1.0
            } else {
                let (a, b) = (samples(&clips[first]).ok()?, samples(&clips[second]).ok()?);
                let lag = offset * HOP as i64;
                correlation(&a, &b, lag, 2 * HOP as i64)
            };
            (similarity >= LEAST_CORRELATION).then_some((first, second, similarity))
        })
        .collect();
    // Copies of copies belong together: each clip's group is its first member.
    let mut group: Vec<usize> = (0..clips.len()).collect();
    for &(first, second, _) in &confirmed {
        let (a, b) = (root(&group, first), root(&group, second));
        group[a.max(b)] = a.min(b);
    }
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for index in 0..clips.len() {
        members.entry(root(&group, index)).or_default().push(index);
    }
    for group in members.into_values().filter(|group| group.len() > 1) {
        let contradicting = group
            .iter()
            .any(|&i| clips[i].label != clips[group[0]].label);
        for &index in &group {
            let other = if contradicting {
                let opposite = |&&i: &&usize| clips[i].label != clips[index].label;
                group.iter().find(opposite).copied()
            } else {
                Some(group[0]).filter(|&first| first != index)
            };
            let Some(other) = other else { continue };
            let same_bytes = |i: usize| heard[i].as_ref().map(|heard| heard.digest);
            let reason = if contradicting {
                Reason::ContradictingLabels
            } else if same_bytes(index) == same_bytes(other) {
                Reason::Duplicate
            } else {
                Reason::NearDuplicate
            };
            findings[index] = finding(&clips[index], reason, &clips[other].file);
        }
    }
}

fn root(group: &[usize], mut index: usize) -> usize {
    while group[index] != index {
        index = group[index];
    }
    index
}

/// Pairs of clips whose fingerprints lie on each other, the earlier first, with the offset in frames
/// of the second in the first.
fn candidates(heard: &[Option<Heard>]) -> Vec<(usize, usize, i64)> {
    let mut places: HashMap<u32, Vec<(usize, i64)>> = HashMap::new();
    let mut pairs = Vec::new();
    for (index, clip) in heard.iter().enumerate() {
        let Some(clip) = clip else { continue };
        let mut votes: HashMap<(usize, i64), usize> = HashMap::new();
        for (frame, bits) in clip.bits.iter().enumerate() {
            let places = places.entry(*bits).or_default();
            if places.len() <= COMMON {
                for &(other, place) in places.iter() {
                    *votes.entry((other, place - frame as i64)).or_insert(0) += 1;
                }
            }
        }
        let likely: BTreeSet<(usize, i64)> = votes
            .iter()
            .filter(|&(_, &count)| count >= VOTES)
            .map(|(&place, _)| place)
            .collect();
        let mut best: HashMap<usize, (f64, i64)> = HashMap::new();
        for (other, offset) in likely {
            let Some(first) = &heard[other] else { continue };
            let (difference, frames) = difference(&first.bits, &clip.bits, offset);
            let shorter = first.bits.len().min(clip.bits.len());
            if difference <= MOST_BITS && frames as f64 >= LEAST_OVERLAP * shorter as f64 {
                let entry = best.entry(other).or_insert((difference, offset));
                if difference < entry.0 {
                    *entry = (difference, offset);
                }
            }
        }
        let mut found: Vec<(usize, i64)> = best.into_iter().map(|(i, (_, at))| (i, at)).collect();
        found.sort_unstable();
        pairs.extend(found.into_iter().map(|(other, at)| (other, index, at)));
        for (frame, bits) in clip.bits.iter().enumerate() {
            places.entry(*bits).or_default().push((index, frame as i64));
        }
    }
    pairs
}
