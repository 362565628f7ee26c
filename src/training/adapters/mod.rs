//! Manifests of published corpora, made from their folders and protocol files as they are published.
//!
//! One file a layout; each says what it reads. Rows whose audio is not there (a part of the corpus
//! was not downloaded) are told, not written.

mod asvspoof;
mod attacks;
mod engines;
mod folders;
mod tables;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::TrainingError;
use super::corpus::Skipped;
use super::manifest::{Clip, Label};

/// How a corpus is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// ASVspoof 2019, logical access: `ASVspoof2019_LA_cm_protocols/*.txt` and folders of FLAC.
    Asvspoof2019La,
    /// ASVspoof 2021, deepfake: `keys/DF/CM/trial_metadata.txt` and folders of FLAC in parts.
    Asvspoof2021Df,
    /// ASVspoof 5: `ASVspoof5.*.tsv` and `flac_T`, `flac_D`, `flac_E_eval`.
    Asvspoof5,
    /// In-the-Wild: `meta.csv` beside the clips.
    InTheWild,
    /// WaveFake: a folder for each vocoder; LJSpeech and JSUT beside them or in a folder of their own.
    WaveFake,
    /// MLAAD: `fake/LANGUAGE/MODEL/meta.csv`; M-AILABS in a folder of its own.
    Mlaad,
    /// Fake-or-Real: `training`, `validation`, `testing`, each with `real` and `fake`.
    FakeOrReal,
    /// Speech DF Arena's `metadata.csv`: `file_name,label`.
    SpeechDfArena,
}

impl Layout {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::Asvspoof2019La,
        Self::Asvspoof2021Df,
        Self::Asvspoof5,
        Self::InTheWild,
        Self::WaveFake,
        Self::Mlaad,
        Self::FakeOrReal,
        Self::SpeechDfArena,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asvspoof2019La => "asvspoof2019-la",
            Self::Asvspoof2021Df => "asvspoof2021-df",
            Self::Asvspoof5 => "asvspoof5",
            Self::InTheWild => "in-the-wild",
            Self::WaveFake => "wavefake",
            Self::Mlaad => "mlaad",
            Self::FakeOrReal => "fake-or-real",
            Self::SpeechDfArena => "speech-df-arena",
        }
    }

    /// The layout of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|layout| layout.name() == name)
    }

    /// Rows for the corpus in `dir`, sorted by file, which is relative to `dir`. Human speech that is
    /// published apart (for WaveFake and MLAAD) is taken from `human`, with absolute paths.
    ///
    /// # Errors
    /// [`TrainingError::Layout`] if `dir` is not laid out so; [`TrainingError::Manifest`] for a line of
    /// a protocol file that is not as published.
    pub fn read(self, dir: &Path, human: Option<&Path>) -> Result<Adopted, TrainingError> {
        let mut adopted = match self {
            Self::Asvspoof2019La => asvspoof::la_2019(dir),
            Self::Asvspoof2021Df => asvspoof::df_2021(dir),
            Self::Asvspoof5 => asvspoof::asvspoof5(dir),
            Self::InTheWild => tables::in_the_wild(dir),
            Self::WaveFake => folders::wavefake(dir, human),
            Self::Mlaad => tables::mlaad(dir, human),
            Self::FakeOrReal => folders::fake_or_real(dir),
            Self::SpeechDfArena => tables::speech_df_arena(dir),
        }?;
        if adopted.clips.is_empty() && adopted.missing.is_empty() {
            return Err(layout(dir, "there are no clips of this layout in it"));
        }
        adopted.clips.sort_by(|a, b| a.file.cmp(&b.file));
        adopted.clips.dedup_by(|a, b| a.file == b.file);
        Ok(adopted)
    }
}

/// What a folder gave.
#[derive(Debug, Clone, Default)]
pub struct Adopted {
    /// Rows for the manifest.
    pub clips: Vec<Clip>,
    /// Rows of protocol files without audio.
    pub missing: Vec<Skipped>,
}

impl Adopted {
    /// Takes a row whose audio was looked for.
    fn push(&mut self, clip: Clip, found: bool) {
        if found {
            self.clips.push(clip);
        } else {
            self.missing.push(Skipped {
                file: clip.file,
                reason: "the protocol names it, but there is no such file".into(),
            });
        }
    }
}

fn layout(folder: &Path, problem: impl Into<String>) -> TrainingError {
    TrainingError::Layout {
        folder: folder.to_path_buf(),
        problem: problem.into(),
    }
}

fn bad_line(path: &Path, line: usize, column: &str, problem: String) -> TrainingError {
    TrainingError::Manifest {
        file: path.to_path_buf(),
        line: line as u64,
        column: column.into(),
        problem,
    }
}

/// The label that a protocol's word means.
fn label(path: &Path, line: usize, word: &str) -> Result<Label, TrainingError> {
    Label::from_word(word).ok_or_else(|| {
        let problem = format!("'{word}' is neither spoof nor bonafide");
        bad_line(path, line, "label", problem)
    })
}

/// Files below a folder, sorted by name.
fn files(dir: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    let mut found = Vec::new();
    for entry in WalkDir::new(dir).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| layout(dir, error.to_string()))?;
        if entry.file_type().is_file() {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

fn is_audio(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| {
        ["flac", "wav", "mp3", "ogg", "m4a"]
            .iter()
            .any(|known| e.eq_ignore_ascii_case(known))
    })
}

/// A path relative to `dir`, with `/` between its parts.
fn relative(dir: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(dir).unwrap_or(path).components();
    let parts: Vec<_> = parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// Audio files by their names without extension -> path relative to `dir`.
fn by_stem(dir: &Path, files: &[PathBuf]) -> HashMap<String, String> {
    let audio = files.iter().filter(|path| is_audio(path));
    audio
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_string(), relative(dir, path))))
        .collect()
}

/// Lower case, with `-` for all that is neither letter nor digit.
fn slug(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_alphanumeric());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("-").to_lowercase()
}
