//! Manifest -> clips with their features or spectrograms: the data that fitting and evaluation work on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::channel::Filter;
use super::copies::{CopyOptions, RowsOrReason};
use super::manifest::{self, Clip};
use super::network::{FrontEnd, Spectrogram, spectrogram_table};
use super::{Progress, ProgressFn, Stage, TrainingError, table};
use crate::audio::{self, DecodeLimits, Waveform};
use crate::features::{Extractor, FeatureError, FeatureSet, Scratch};

/// Where the data comes from.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The manifest, see [`manifest`].
    pub manifest: PathBuf,
    /// Folder that the manifest's files are relative to; the manifest's own where absent.
    pub clips: Option<PathBuf>,
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
    /// Which copies these are.
    pub copy_options: CopyOptions,
    /// Clips of held-out speakers, counted by speaker.
    pub held_out: BTreeMap<String, usize>,
    /// Clips that could not be read or judged.
    pub skipped: Vec<Skipped>,
}

impl Corpus {
    /// Reads the manifest, leaves out the held-out speakers and computes the features on all
    /// threads of the current rayon pool. The result does not depend on their number.
    ///
    /// # Errors
    /// [`TrainingError`] for a manifest, table or list that cannot be read, or if one class ends
    /// up without any clip. Single clips that cannot be read end up in [`Corpus::skipped`].
    pub fn load(options: &CorpusOptions, progress: ProgressFn) -> Result<Self, TrainingError> {
        let (clips, held_out) = read_clips(options)?;
        let results = match &options.feature_table {
            Some(path) => from_table(&clips, table::read(path, options.features)?, options),
            None => {
                let extractor = Extractor::new(options.features);
                from_audio(&clips, options, progress, |sound, scratch: &mut Scratch| {
                    Ok(extractor.extract(sound, scratch)?.values)
                })
            }
        };
        let corpus = Self::new(clips, results, options, held_out)?;
        if let Some(path) = &options.save_features {
            let rows = corpus.keyed_rows().into_iter();
            table::write(path, rows.map(|(key, row)| (key, row.as_slice())))?;
        }
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
        let (clips, held_out) = read_clips(options)?;
        let results = match &options.feature_table {
            Some(path) => from_table(&clips, spectrogram_table::read(path)?, options),
            None => {
                let front_end = FrontEnd::default();
                from_audio(&clips, options, progress, |sound, scratch| {
                    front_end.spectrogram(sound, scratch)
                })
            }
        };
        let corpus = Self::new(clips, results, options, held_out)?;
        if let Some(path) = &options.save_features {
            spectrogram_table::write(path, &corpus.keyed_rows())?;
        }
        Ok(corpus)
    }
}

impl<R> Corpus<R> {
    /// Joins clips and what was computed of them.
    fn new(
        clips: Vec<Clip>,
        results: Vec<RowsOrReason<R>>,
        options: &CorpusOptions,
        held_out: BTreeMap<String, usize>,
    ) -> Result<Self, TrainingError> {
        let mut corpus = Self {
            features: options.features,
            clips: Vec::new(),
            rows: Vec::new(),
            copies: Vec::new(),
            through: options.copies.through.iter().map(|_| Vec::new()).collect(),
            copy_options: options.copies.clone(),
            held_out,
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
        let ai = corpus.clips.iter().filter(|clip| clip.is_ai()).count();
        if ai == 0 || ai == corpus.clips.len() {
            return Err(TrainingError::OneClass {
                ai,
                human: corpus.clips.len() - ai,
                skipped: corpus.skipped.len(),
                example: corpus
                    .skipped
                    .first()
                    .map_or(String::new(), |s| format!("; {}: {}", s.file, s.reason)),
            });
        }
        Ok(corpus)
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

/// The manifest's clips without those of held-out speakers, and how many each of these has.
fn read_clips(
    options: &CorpusOptions,
) -> Result<(Vec<Clip>, BTreeMap<String, usize>), TrainingError> {
    let mut clips = manifest::read(&options.manifest)?;
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
    Ok((clips, held_out))
}

fn from_table<R>(
    clips: &[Clip],
    mut table: HashMap<String, R>,
    options: &CorpusOptions,
) -> Vec<RowsOrReason<R>> {
    clips
        .iter()
        .map(|clip| options.copies.take_from(&clip.file, &mut table))
        .collect()
}

/// Decodes each clip and computes its rows; `row` makes one of a sound, with working memory of the thread's own.
fn from_audio<R: Send, S: Default>(
    clips: &[Clip],
    options: &CorpusOptions,
    progress: ProgressFn,
    row: impl Fn(&Waveform, &mut S) -> Result<R, FeatureError> + Sync,
) -> Vec<RowsOrReason<R>> {
    let own_folder = || {
        options
            .manifest
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default()
    };
    let folder = options.clips.clone().unwrap_or_else(own_folder);
    let done = AtomicUsize::new(0);
    clips
        .par_iter()
        .map_init(
            || (S::default(), Filter::default()),
            |(scratch, filter), clip| {
                let rows = decode(&folder.join(&clip.file)).and_then(|waveform| {
                    let row = |sound: &Waveform| row(sound, scratch);
                    options.copies.extract(&clip.file, &waveform, filter, row)
                });
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress(Progress {
                    stage: Stage::Features,
                    done,
                    total: clips.len(),
                });
                rows
            },
        )
        .collect()
}

fn decode(path: &Path) -> Result<Waveform, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    audio::decode(&bytes, &DecodeLimits::default()).map_err(|e| e.to_string())
}
