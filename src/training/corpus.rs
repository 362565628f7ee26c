//! Manifest -> clips with their features or spectrograms: the data that fitting and evaluation work on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::channel::Filter;
use super::copies::{CopyOptions, Rows, RowsOrReason};
use super::manifest::{self, Clip, ManifestSource};
use super::network::{FrontEnd, FrontEndScratch, Spectrogram, spectrogram_table};
use super::recording::{self, Gauge, Recording};
use super::selection::Selection;
use super::{Progress, ProgressFn, Stage, TrainingError, table};
use crate::analysis::{Analyser, AnalysisScratch};
use crate::audio::{self, DecodeLimits, Waveform};
use crate::features::{Extractor, FeatureSet, Scratch};

/// Where the data comes from.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The manifests, see [`manifest`]; together they are one corpus.
    pub manifests: Vec<ManifestSource>,
    /// What is left out of them.
    pub selection: Selection,
    /// Feature set to compute; a network hears spectrograms instead.
    pub features: FeatureSet,
    /// Table of precomputed features to read instead of the audio, see [`table`]; of spectrograms for a network, see
    /// [`spectrogram_table`].
    pub feature_table: Option<PathBuf>,
    /// Where to write the features that were used, as a `.jsonl` table, or the spectrograms.
    pub save_features: Option<PathBuf>,
    /// CSV of the speakers that are left out, with everything that they say or lent their voice to.
    pub hold_out: Option<PathBuf>,
    /// Copies of the clips through the random channel.
    pub copies: CopyOptions,
}

/// A clip that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// File name as the manifest has it.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Clips and what is known of their sound, in the manifest's order: `R` is a vector of features, shape `[features]` and
/// all finite, or a [`Spectrogram`].
#[derive(Debug, Clone)]
pub struct Corpus<R = Vec<f64>> {
    /// The set that features are of.
    pub features: FeatureSet,
    /// The clips that are used.
    pub clips: Vec<Clip>,
    /// Their sound as recorded, shape `[clips]`.
    pub rows: Vec<R>,
    /// Each clip's training copies, shape `[clips][copies]`: as many for every clip.
    pub copies: Vec<Vec<R>>,
    /// Each clip's test copies, shape `[channels][clips]`.
    pub through: Vec<Vec<R>>,
    /// What is known of their files, shape `[clips]`.
    pub recordings: Vec<Recording>,
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
        let mut corpus = Self::load_rows(options, |clips| match &options.feature_table {
            Some(path) => Ok(from_table(
                clips,
                table::read(path, options.features)?,
                options,
            )),
            None => {
                let extractor = Extractor::new(options.features);
                let rows = |(scratch, filter): &mut (Scratch, Filter), clip: &Clip, sound: &_| {
                    let row = |sound: &Waveform| Ok(extractor.extract(sound, scratch)?.values);
                    options.copies.extract(&clip.file, sound, filter, row)
                };
                Ok(from_audio(clips, progress, rows))
            }
        })?;
        if options.features == FeatureSet::Channel {
            let pairs = corpus.recordings.iter_mut().zip(&corpus.rows);
            pairs.for_each(|(recording, row)| recording.channel = Some(row.clone()));
        }
        corpus.save(options)?;
        Ok(corpus)
    }

    fn save(&self, options: &CorpusOptions) -> Result<(), TrainingError> {
        let Some(path) = &options.save_features else {
            return Ok(());
        };
        let rows = self.keyed_rows().into_iter();
        table::write(path, rows.map(|(key, row)| (key, row.as_slice())))
    }

    /// The corpus with one row a clip, its P(AI) by the model of `analyser`: from the audio.
    pub(super) fn judged(
        options: &CorpusOptions,
        analyser: &Analyser,
        progress: ProgressFn,
    ) -> Result<Self, TrainingError> {
        let corpus = Self::load_rows(options, |clips| {
            let judge = |scratch: &mut AnalysisScratch, _: &Clip, waveform: &Waveform| {
                let judged = analyser.judge(waveform, false, scratch);
                judged
                    .map(|analysis| Rows::recorded(vec![analysis.ai_probability]))
                    .map_err(|error| error.to_string())
            };
            Ok(from_audio(clips, progress, judge))
        })?;
        corpus.save(options)?;
        Ok(corpus)
    }
}

impl Corpus<Spectrogram> {
    /// The same with spectrograms in place of features.
    ///
    /// # Errors
    /// As [`Corpus::load`].
    pub fn load_spectrograms(
        options: &CorpusOptions,
        progress: ProgressFn,
    ) -> Result<Self, TrainingError> {
        let corpus = Self::load_rows(options, |clips| match &options.feature_table {
            Some(path) => Ok(from_table(clips, spectrogram_table::read(path)?, options)),
            None => {
                let front_end = FrontEnd::default();
                let rows =
                    |(scratch, filter): &mut (FrontEndScratch, Filter), clip: &Clip, sound: &_| {
                        let row = |sound: &Waveform| front_end.spectrogram(sound, scratch);
                        options.copies.extract(&clip.file, sound, filter, row)
                    };
                Ok(from_audio(clips, progress, rows))
            }
        })?;
        corpus.both_classes()?;
        if let Some(path) = &options.save_features {
            spectrogram_table::write(path, &corpus.keyed_rows())?;
        }
        Ok(corpus)
    }
}

impl<R> Corpus<R> {
    /// Reads the manifests and takes the rows of the clips that are used from `rows`.
    pub(super) fn load_rows(
        options: &CorpusOptions,
        rows: impl Fn(&[Clip]) -> Result<Vec<RowsOrReason<R>>, TrainingError>,
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
            through: options.copies.through.iter().map(|_| Vec::new()).collect(),
            recordings: Vec::new(),
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
                    corpus.recordings.push(rows.recording);
                    let channels = corpus.through.iter_mut().zip(rows.through);
                    channels.for_each(|(channel, row)| channel.push(row));
                }
                Err(reason) => corpus.skipped.push(Skipped {
                    file: clip.file,
                    reason,
                }),
            }
        }
        Ok(corpus)
    }

    /// Decodes the clips whose files are not known yet, because their features come from a table, if `decode` says so.
    pub(super) fn measure(&mut self, decode: bool, progress: ProgressFn) {
        if decode {
            recording::measure(&self.clips, &mut self.recordings, progress);
        }
    }

    /// Rows that a clip enters a fit with: as recorded, then its training copies.
    pub fn rows_of(&self, clip: usize) -> impl Iterator<Item = &R> {
        std::iter::once(&self.rows[clip]).chain(&self.copies[clip])
    }

    /// All rows with their keys in a table.
    fn keyed_rows(&self) -> Vec<(String, &R)> {
        let mut rows = Vec::new();
        for (index, clip) in self.clips.iter().enumerate() {
            let mut keys = vec![clip.file.clone()];
            keys.extend(self.copy_options.training_keys(&clip.file));
            keys.extend(self.copy_options.through_keys(&clip.file));
            let through = self.through.iter().map(|channel| &channel[index]);
            rows.extend(keys.into_iter().zip(self.rows_of(index).chain(through)));
        }
        rows
    }

    /// Fails unless there are clips of both classes.
    pub(super) fn both_classes(&self) -> Result<(), TrainingError> {
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

fn from_table<R>(
    clips: &[Clip],
    mut table: HashMap<String, R>,
    options: &CorpusOptions,
) -> Vec<RowsOrReason<R>> {
    clips
        .iter()
        .map(|clip| options.copies.take_rows(&clip.file, &mut table))
        .collect()
}

/// Rows of what `analyse` makes of each clip's sound, with working memory `W` for each thread.
fn from_audio<R: Send, W: Default>(
    clips: &[Clip],
    progress: ProgressFn,
    analyse: impl Fn(&mut W, &Clip, &Waveform) -> RowsOrReason<R> + Sync,
) -> Vec<RowsOrReason<R>> {
    let (done, gauge) = (AtomicUsize::new(0), Gauge::default());
    clips
        .par_iter()
        .map_init(W::default, |workspace, clip| {
            let row = decode(&clip.path).and_then(|(bytes, waveform)| {
                let rows = analyse(workspace, clip, &waveform)?;
                let recording = gauge.measure(&bytes, &waveform);
                Ok(Rows { recording, ..rows })
            });
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

/// The bytes of a file and their sound.
pub(super) fn decode(path: &Path) -> Result<(Vec<u8>, Waveform), String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let waveform = audio::decode(&bytes, &DecodeLimits::default()).map_err(|e| e.to_string())?;
    Ok((bytes, waveform))
}
