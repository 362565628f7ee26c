//! Manifest -> clips with their features: the data that fitting and evaluation work on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::copies::{CopyOptions, Rows, RowsOrReason};
use super::manifest::{self, Clip, ManifestSource};
use super::selection::Selection;
use super::{Progress, ProgressFn, Stage, TrainingError, table};
use crate::analysis::{Analyser, AnalysisScratch};
use crate::audio::{self, DecodeLimits, Waveform};
use crate::features::{Extractor, FeatureSet};

/// Where the data comes from.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The manifests, see [`manifest`]; together they are one corpus.
    pub manifests: Vec<ManifestSource>,
    /// What is left out of them.
    pub selection: Selection,
    /// Feature set to compute.
    pub features: FeatureSet,
    /// Table of precomputed features to read instead of the audio, see [`table`].
    pub feature_table: Option<PathBuf>,
    /// Where to write the features that were used, as a `.jsonl` table.
    pub save_features: Option<PathBuf>,
    /// CSV of the speakers that are left out, with everything that they say or lent their voice to.
    pub hold_out: Option<PathBuf>,
    /// Copies of the clips through the random channel.
    pub copies: CopyOptions,
}

/// A clip that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// File name as the manifest has it.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Clips and their features, in the manifest's order.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The set that the features are of.
    pub features: FeatureSet,
    /// The clips that are used.
    pub clips: Vec<Clip>,
    /// Their features, shape `[clips][features]`, all finite.
    pub rows: Vec<Vec<f64>>,
    /// Features of each clip's training copies, shape `[clips][copies][features]`: as many for every clip.
    pub copies: Vec<Vec<Vec<f64>>>,
    /// Features of each clip's test copies, shape `[channels][clips][features]`.
    pub through: Vec<Vec<Vec<f64>>>,
    /// Which copies these are.
    pub copy_options: CopyOptions,
    /// Clips of held-out speakers, counted by speaker.
    pub held_out: BTreeMap<String, usize>,
    /// Clips that were left out on purpose, counted by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Packages that clips were made from, name -> version.
    pub packages: BTreeMap<String, String>,
    /// Clips that could not be read or judged.
    pub skipped: Vec<Skipped>,
}

impl Corpus {
    /// Reads the manifests, leaves out what the selection and the held-out speakers say and
    /// computes the features on all threads of the current rayon pool. The result does not depend
    /// on their number.
    ///
    /// # Errors
    /// [`TrainingError`] for a manifest, table or list that cannot be read, or if one class ends
    /// up without any clip. Single clips that cannot be read end up in [`Corpus::skipped`].
    pub fn load(options: &CorpusOptions, progress: ProgressFn) -> Result<Self, TrainingError> {
        let corpus = Self::load_any(options, progress)?;
        corpus.both_classes()?;
        Ok(corpus)
    }

    /// As [`Corpus::load`], for a corpus that may hold one class alone.
    ///
    /// # Errors
    /// As [`Corpus::load`]; a single class is an error only if it is empty too.
    pub fn load_any(options: &CorpusOptions, progress: ProgressFn) -> Result<Self, TrainingError> {
        Self::load_rows(options, |clips| match &options.feature_table {
            Some(path) => from_table(clips, path, options),
            None => {
                let extractor = Extractor::new(options.features);
                Ok(from_audio(clips, progress, |workspace, clip, waveform| {
                    let copies = &options.copies;
                    copies.extract(&clip.file, waveform, &extractor, workspace)
                }))
            }
        })
    }

    /// The corpus with one row a clip, its P(AI) by the model of `analyser`: from the audio.
    pub(super) fn judged(
        options: &CorpusOptions,
        analyser: &Analyser,
        progress: ProgressFn,
    ) -> Result<Self, TrainingError> {
        Self::load_rows(options, |clips| {
            let judge = |scratch: &mut AnalysisScratch, _: &Clip, waveform: &Waveform| {
                let judged = analyser.judge(waveform, false, scratch);
                judged
                    .map(|analysis| Rows::recorded(vec![analysis.ai_probability]))
                    .map_err(|error| error.to_string())
            };
            Ok(from_audio(clips, progress, judge))
        })
    }

    /// Reads the manifests and takes the rows of the clips that are used from `rows`.
    fn load_rows(
        options: &CorpusOptions,
        rows: impl Fn(&[Clip]) -> Result<Vec<RowsOrReason>, TrainingError>,
    ) -> Result<Self, TrainingError> {
        let (mut clips, packages) = listed(options)?;
        let left_out = options.selection.apply(&mut clips)?;
        let speakers = options
            .hold_out
            .as_deref()
            .map(manifest::read_held_out)
            .transpose()?
            .unwrap_or_default();
        let mut held_out = BTreeMap::new();
        clips.retain(|clip| {
            let held = speakers.contains_key(&clip.speaker);
            if held {
                *held_out.entry(clip.speaker.clone()).or_insert(0) += 1;
            }
            !held
        });
        let results = rows(&clips)?;
        let mut corpus = Self {
            features: options.features,
            clips: Vec::new(),
            rows: Vec::new(),
            copies: Vec::new(),
            through: vec![Vec::new(); options.copies.through.len()],
            copy_options: options.copies.clone(),
            held_out,
            left_out,
            packages,
            skipped: Vec::new(),
        };
        for (clip, result) in clips.into_iter().zip(results) {
            match result {
                Ok(rows) => {
                    corpus.clips.push(clip);
                    corpus.rows.push(rows.recorded);
                    corpus.copies.push(rows.copies);
                    let channels = corpus.through.iter_mut().zip(rows.through);
                    channels.for_each(|(channel, row)| channel.push(row));
                }
                Err(reason) => corpus.skipped.push(Skipped {
                    file: clip.file,
                    reason,
                }),
            }
        }
        if let Some(path) = &options.save_features {
            table::write(path, corpus.keyed_rows().into_iter())?;
        }
        Ok(corpus)
    }

    /// Rows that a clip enters a fit with: as recorded, then its training copies.
    pub fn rows_of(&self, clip: usize) -> impl Iterator<Item = &[f64]> {
        let copies = self.copies[clip].iter();
        std::iter::once(&self.rows[clip])
            .chain(copies)
            .map(Vec::as_slice)
    }

    /// All rows with their keys in a feature table.
    fn keyed_rows(&self) -> Vec<(String, &[f64])> {
        let mut rows = Vec::new();
        for (index, clip) in self.clips.iter().enumerate() {
            let mut keys = vec![clip.file.clone()];
            keys.extend(self.copy_options.training_keys(&clip.file));
            keys.extend(self.copy_options.through_keys(&clip.file));
            let through = self.through.iter().map(|channel| channel[index].as_slice());
            rows.extend(keys.into_iter().zip(self.rows_of(index).chain(through)));
        }
        rows
    }

    /// Fails unless there are clips of both classes.
    fn both_classes(&self) -> Result<(), TrainingError> {
        let ai = self.clips.iter().filter(|clip| clip.is_ai()).count();
        if ai > 0 && ai < self.clips.len() {
            Ok(())
        } else {
            Err(self.one_class())
        }
    }

    /// The error that says how many clips of each class there are.
    pub(super) fn one_class(&self) -> TrainingError {
        let ai = self.clips.iter().filter(|clip| clip.is_ai()).count();
        TrainingError::OneClass {
            ai,
            human: self.clips.len() - ai,
            skipped: self.skipped.len(),
            example: self
                .skipped
                .first()
                .map_or(String::new(), |s| format!("; {}: {}", s.file, s.reason)),
        }
    }

    /// Whether each clip is synthetic, shape `[clips]`.
    #[must_use]
    pub fn is_ai(&self) -> Vec<bool> {
        self.clips.iter().map(Clip::is_ai).collect()
    }

    /// Numbers of clips by what `key` gives for each.
    #[must_use]
    pub fn count_by<'a>(&'a self, key: impl Fn(&'a Clip) -> &'a str) -> BTreeMap<&'a str, usize> {
        let mut counts = BTreeMap::new();
        for clip in &self.clips {
            *counts.entry(key(clip)).or_insert(0) += 1;
        }
        counts
    }
}

/// Clips and packages of all manifests.
type Listed = (Vec<Clip>, BTreeMap<String, String>);

/// Reads the manifests one after the other. A clip may stand in one of them only; a file name in
/// several, unless a feature table has to tell them apart.
fn listed(options: &CorpusOptions) -> Result<Listed, TrainingError> {
    let (mut clips, mut packages) = (Vec::new(), BTreeMap::new());
    for source in &options.manifests {
        clips.extend(source.read()?);
        packages.extend(source.packages()?);
    }
    let tables = options.feature_table.is_some() || options.save_features.is_some();
    let (mut paths, mut files) = (HashSet::new(), HashSet::new());
    for clip in &clips {
        if !paths.insert(&clip.path) || (!files.insert(&clip.file) && tables) {
            return Err(TrainingError::AmbiguousFile {
                file: clip.file.clone(),
            });
        }
    }
    Ok((clips, packages))
}

fn from_table(
    clips: &[Clip],
    path: &Path,
    options: &CorpusOptions,
) -> Result<Vec<RowsOrReason>, TrainingError> {
    let mut table = table::read(path, options.features)?;
    Ok(clips
        .iter()
        .map(|clip| options.copies.take_rows(&clip.file, &mut table))
        .collect())
}

/// Rows of what `analyse` makes of each clip's sound, with working memory `W` for each thread.
fn from_audio<W: Default>(
    clips: &[Clip],
    progress: ProgressFn,
    analyse: impl Fn(&mut W, &Clip, &Waveform) -> RowsOrReason + Sync,
) -> Vec<RowsOrReason> {
    let done = AtomicUsize::new(0);
    clips
        .par_iter()
        .map_init(W::default, |workspace, clip| {
            let row = decode(&clip.path).and_then(|waveform| analyse(workspace, clip, &waveform));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress {
                stage: Stage::Features,
                done,
                total: clips.len(),
            });
            row
        })
        .collect()
}

fn decode(path: &Path) -> Result<Waveform, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    audio::decode(&bytes, &DecodeLimits::default()).map_err(|e| e.to_string())
}
