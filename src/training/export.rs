//! What a trainer outside of this program needs: the clips that are used, what each is called in a table of
//! spectrograms, and the folds of a protocol. So it divides and leaves out exactly as an evaluation here does.

use std::path::PathBuf;

use super::corpus::{Corpus, CorpusOptions, Skipped};
use super::estimator::{group, language};
use super::protocol::{Fold, Protocol};
use super::{ProgressFn, TrainingError, in_pool, report};

/// What is asked of an export.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The data. The spectrograms are read from [`CorpusOptions::feature_table`] or made, and written to
    /// [`CorpusOptions::save_features`].
    pub corpus: CorpusOptions,
    /// Protocol whose folds are written too.
    pub protocol: Option<Protocol>,
    /// Whether clips of tested speakers, of either class, are taken out of training.
    pub disjoint_speakers: bool,
    /// Seed of random folds.
    pub seed: u64,
    /// The JSON file to write.
    pub out: PathBuf,
    /// Threads; all cores where absent. The result does not depend on it.
    pub jobs: Option<usize>,
}

/// The JSON file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Export {
    /// Clips that could be used, in the manifests' order.
    pub clips: Vec<ExportedClip>,
    /// Names of the conditions that clips are tested in: `recorded`, then the channels.
    pub conditions: Vec<&'static str>,
    /// Folds, of indices into `clips`.
    pub folds: Vec<ExportedFold>,
    /// Clips that could not be used.
    #[serde(skip)]
    pub skipped: Vec<Skipped>,
}

/// A clip of an [`Export`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExportedClip {
    /// Its key in the table, and its file in the manifest.
    pub file: String,
    /// Whether it is synthetic.
    pub ai: bool,
    /// Engine family or human source: what sampling is balanced over.
    pub group: String,
    /// Its language without the region, for evening out the classes within languages; empty where nobody knows it.
    pub language: String,
    /// Keys of its training copies.
    pub copies: Vec<String>,
    /// Keys of what is tested, one for each condition.
    pub tested: Vec<String>,
}

/// A fold of an [`Export`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExportedFold {
    /// Name of the protocol.
    pub protocol: &'static str,
    /// The division.
    #[serde(flatten)]
    pub fold: Fold,
}

/// Makes or reads the spectrograms and writes what there is.
///
/// # Errors
/// [`TrainingError`] if the data cannot be read, the protocol finds nothing to leave out, or the file not be written.
pub fn export(options: &ExportOptions, progress: ProgressFn) -> Result<Export, TrainingError> {
    in_pool(options.jobs, || {
        let corpus = Corpus::load_spectrograms(&options.corpus, progress)?;
        let copies = &corpus.copy_options;
        let clip = |clip: &super::manifest::Clip| ExportedClip {
            file: clip.file.clone(),
            ai: clip.is_ai(),
            group: group(clip).into(),
            language: language(clip).into(),
            copies: copies.training_keys(&clip.file),
            tested: std::iter::once(clip.file.clone())
                .chain(copies.through_keys(&clip.file))
                .collect(),
        };
        let mut export = Export {
            clips: corpus.clips.iter().map(clip).collect(),
            conditions: copies.conditions(),
            folds: Vec::new(),
            skipped: corpus.skipped.clone(),
        };
        if let Some(protocol) = options.protocol {
            let folds = protocol.divide(&corpus.clips, options.seed, options.disjoint_speakers)?;
            export.folds = folds
                .into_iter()
                .map(|fold| ExportedFold {
                    protocol: protocol.name(),
                    fold,
                })
                .collect();
        }
        report::write_json(&options.out, &export)?;
        Ok(export)
    })
}
