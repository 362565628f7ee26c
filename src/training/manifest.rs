//! The manifest: which clips there are, and what is known of each.
//!
//! A CSV file with a header line. `file` (or `path`, where there is no `file`) and `label` are
//! required; the other columns that are understood are `engine family kind corpus speaker sex language
//! licence split_group duration_seconds repo note`. Columns of other names are ignored. Several
//! manifests make one corpus: their families of the same name are the same family.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::TrainingError;

/// Which side a clip stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// Recorded from a person.
    Human,
    /// Made or remade by a machine.
    Ai,
}

impl Label {
    /// The label that a manifest's word means, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "ai" | "spoof" | "fake" | "synthetic" => Some(Self::Ai),
            "human" | "bonafide" | "bona-fide" | "real" => Some(Self::Human),
            _ => None,
        }
    }
}

/// One row of a manifest. Text columns that the manifest lacks are empty, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// File name as the manifest has it, relative to the clips' folder.
    pub file: String,
    /// Where its audio is.
    pub path: PathBuf,
    /// Human or synthetic.
    pub label: Label,
    /// What made it; `human` for recordings; `unknown` where the manifest does not say.
    pub engine: String,
    /// Group of related engines; the engine where the manifest does not say.
    pub family: String,
    /// Kind of engine, for example `neural-tts`; `unknown` where the manifest does not say.
    pub kind: String,
    /// Speech corpus that the voice or recording is from; `unknown` where the manifest does not say.
    pub corpus: String,
    /// Id of the speaker, or of the cloned voice.
    pub speaker: String,
    /// Sex of the speaker or of the cloned voice, `female` or `male` (`f` and `m` are read too), where it is known.
    pub sex: String,
    /// Language code.
    pub language: String,
    /// Licence of the clip.
    pub licence: String,
    /// Name that is shared by rows which must never stand on both sides of a split, whatever their
    /// speaker or corpus: one person behind several engines, a copy and what it copies.
    pub split_group: String,
    /// Length in seconds, where the manifest says it.
    pub duration_seconds: Option<f64>,
    /// Repository or public corpus that it was published in.
    pub repo: String,
    /// Anything else that is known.
    pub note: String,
}

/// Kind of a human clip that was analysed and resynthesised: the same words, voice and channel with
/// a vocoder's artefacts.
pub const COPY_SYNTHESIS: &str = "copy-synthesis";

/// Classes that [`Clip::licence_class`] gives, as `--licences` names them.
pub const LICENCE_CLASSES: &[&str] = &["open", "share-alike", "non-commercial", "none-stated"];

impl Clip {
    /// A clip of which only the label is known.
    #[must_use]
    pub fn new(file: String, label: Label) -> Self {
        let unknown = String::from("unknown");
        let kind = match label {
            Label::Human => String::from("human"),
            Label::Ai => unknown.clone(),
        };
        Self {
            path: PathBuf::from(&file),
            file,
            label,
            engine: kind.clone(),
            family: kind.clone(),
            kind,
            corpus: unknown,
            speaker: String::new(),
            sex: String::new(),
            language: String::new(),
            licence: String::new(),
            split_group: String::new(),
            duration_seconds: None,
            repo: String::new(),
            note: String::new(),
        }
    }

    /// Whether the clip is synthetic.
    #[must_use]
    pub fn is_ai(&self) -> bool {
        self.label == Label::Ai
    }

    /// Whether it is a copy of a human clip: these are trained on or left out, never tested on.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.kind == COPY_SYNTHESIS
    }

    /// The recording source that is held out as one: the corpus, or the repository for clips whose
    /// corpus has no name of its own.
    #[must_use]
    pub fn source(&self) -> &str {
        match self.corpus.as_str() {
            "unknown" | "own" if !self.repo.is_empty() => &self.repo,
            corpus => corpus,
        }
    }

    /// The licence in one of four classes. Of several licences (`engine GPL-3; voices CC-BY-NC`)
    /// the strictest counts.
    #[must_use]
    pub fn licence_class(&self) -> &'static str {
        let licence = self.licence.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| licence.contains(word));
        if licence.is_empty()
            || licence.starts_with("none")
            || licence == "unknown"
            || has(&["proprietary", "all rights reserved"])
        {
            "none stated"
        } else if has(&["-nc", "non-commercial", "noncommercial"]) {
            "non-commercial"
        } else if has(&["gpl", "gfdl", "-sa"]) {
            "share-alike"
        } else {
            "open"
        }
    }

    /// Whether its licence is of one of these classes, named as in [`LICENCE_CLASSES`]; of any where none is given.
    #[must_use]
    pub fn has_licence(&self, classes: &[String]) -> bool {
        let class = self.licence_class().replace(' ', "-");
        classes.is_empty() || classes.contains(&class)
    }
}

/// A manifest and the folder of its clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSource {
    /// The manifest.
    pub manifest: PathBuf,
    /// Folder that its files are relative to; the manifest's own where absent.
    pub clips: Option<PathBuf>,
}

impl ManifestSource {
    /// A manifest whose clips lie beside it.
    #[must_use]
    pub fn beside(manifest: PathBuf) -> Self {
        Self {
            manifest,
            clips: None,
        }
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self) -> Result<Vec<Clip>, TrainingError> {
        let mut clips = read(&self.manifest)?;
        if let Some(folder) = &self.clips {
            for clip in &mut clips {
                clip.path = folder.join(&clip.file);
            }
        }
        Ok(clips)
    }

    /// Packages that the clips were made from, name -> version: `packages.csv` (`package,version`)
    /// beside the manifest, nothing where there is none.
    ///
    /// # Errors
    /// [`TrainingError`] if there is such a file and it cannot be read.
    pub fn packages(&self) -> Result<BTreeMap<String, String>, TrainingError> {
        let path = self.manifest.with_file_name("packages.csv");
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let rows = pairs(&path, "package")?;
        Ok(rows.into_iter().collect())
    }
}

/// Columns that are looked up by name.
struct Columns<'a> {
    path: &'a Path,
    by_name: BTreeMap<String, usize>,
    width: usize,
}

impl Columns<'_> {
    fn error(&self, line: u64, column: &str, problem: String) -> TrainingError {
        TrainingError::Manifest {
            file: self.path.to_path_buf(),
            line,
            column: column.into(),
            problem,
        }
    }

    /// The trimmed text of a column, or `default` where it is empty or missing.
    fn text(&self, record: &csv::StringRecord, column: &str, default: &str) -> String {
        let value = self
            .by_name
            .get(column)
            .and_then(|&i| record.get(i))
            .unwrap_or("")
            .trim();
        if value.is_empty() {
            default.into()
        } else {
            value.into()
        }
    }
}

/// Reads a manifest whose files are relative to its own folder.
///
/// # Errors
/// [`TrainingError::Manifest`] with file, line and column of the first thing that is wrong;
/// [`TrainingError::Io`] if the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Clip>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    parse(path, &bytes)
}

/// Reads a manifest from memory; `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Clip>, TrainingError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader
        .headers()
        .map_err(|e| TrainingError::csv(path, &e))?
        .clone();
    let by_name = headers
        .iter()
        .enumerate()
        .map(|(i, name)| (name.trim_start_matches('\u{feff}').trim().to_lowercase(), i))
        .collect();
    let columns = Columns {
        path,
        by_name,
        width: headers.len(),
    };
    let file_column = ["file", "path"]
        .into_iter()
        .find(|name| columns.by_name.contains_key(*name));
    let file_column =
        file_column.ok_or_else(|| columns.error(1, "file", "there is no such column".into()))?;
    if !columns.by_name.contains_key("label") {
        return Err(columns.error(1, "label", "there is no such column".into()));
    }
    let mut clips = Vec::new();
    let mut seen = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| TrainingError::csv(path, &e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let clip = clip(&columns, file_column, &record, line)?;
        if let Some(first) = seen.insert(clip.file.clone(), line) {
            let problem = format!("'{}' stands on line {first} already", clip.file);
            return Err(columns.error(line, file_column, problem));
        }
        clips.push(clip);
    }
    if clips.is_empty() {
        return Err(columns.error(2, file_column, "there are no rows".into()));
    }
    Ok(clips)
}

/// One row.
fn clip(
    columns: &Columns,
    file_column: &str,
    record: &csv::StringRecord,
    line: u64,
) -> Result<Clip, TrainingError> {
    if record.len() != columns.width {
        let problem = format!(
            "the row has {} columns, the header {}",
            record.len(),
            columns.width
        );
        return Err(columns.error(line, file_column, problem));
    }
    let file = columns.text(record, file_column, "");
    if file.is_empty() {
        return Err(columns.error(line, file_column, "it is empty".into()));
    }
    let word = columns.text(record, "label", "");
    let label = Label::from_word(&word).ok_or_else(|| {
        columns.error(
            line,
            "label",
            format!("'{word}' is neither ai (spoof) nor human (bonafide)"),
        )
    })?;
    let default = if label == Label::Human {
        "human"
    } else {
        "unknown"
    };
    let engine = columns.text(record, "engine", default);
    let kind = columns.text(record, "kind", default);
    if label == Label::Human && kind == COPY_SYNTHESIS {
        let problem = format!("'{word}' cannot be of the kind {COPY_SYNTHESIS}; its label is ai");
        return Err(columns.error(line, "label", problem));
    }
    let duration = columns.text(record, "duration_seconds", "");
    let duration_seconds = match duration.parse() {
        Ok(seconds) if f64::is_finite(seconds) && seconds >= 0.0 => Some(seconds),
        _ if duration.is_empty() => None,
        _ => {
            let problem = format!("'{duration}' is not a number of seconds");
            return Err(columns.error(line, "duration_seconds", problem));
        }
    };
    Ok(Clip {
        path: columns.path.with_file_name("").join(&file),
        file,
        label,
        family: columns.text(record, "family", &engine),
        kind,
        engine,
        corpus: columns.text(record, "corpus", "unknown"),
        speaker: columns.text(record, "speaker", ""),
        sex: sex(&columns.text(record, "sex", "")),
        language: columns.text(record, "language", ""),
        licence: columns.text(record, "licence", ""),
        split_group: columns.text(record, "split_group", ""),
        duration_seconds,
        repo: columns.text(record, "repo", ""),
        note: columns.text(record, "note", ""),
    })
}

/// A sex as protocol files write it, in the words of [`Clip::sex`]; other words stay, in lower case, `-` is none.
pub(super) fn sex(word: &str) -> String {
    match word.trim().to_ascii_lowercase().as_str() {
        "f" => "female".into(),
        "m" => "male".into(),
        "-" | "unknown" => String::new(),
        other => other.into(),
    }
}

/// Speakers that are kept out of training, each with the reason: a CSV with the columns
/// `speaker,reason`.
///
/// # Errors
/// [`TrainingError::Manifest`] if a row has no speaker; [`TrainingError::Io`] if the file cannot
/// be read.
pub fn read_held_out(path: &Path) -> Result<BTreeMap<String, String>, TrainingError> {
    Ok(pairs(path, "speaker")?.into_iter().collect())
}

/// The first two columns of a CSV with a header; `column` names the first one, which must not be
/// empty.
pub(super) fn pairs(path: &Path, column: &str) -> Result<Vec<(String, String)>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(bytes.as_slice());
    let mut pairs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| TrainingError::csv(path, &e))?;
        let first = record.get(0).unwrap_or("").trim();
        if first.is_empty() {
            return Err(TrainingError::Manifest {
                file: path.to_path_buf(),
                line: record.position().map_or(0, csv::Position::line),
                column: column.into(),
                problem: "it is empty".into(),
            });
        }
        pairs.push((first.into(), record.get(1).unwrap_or("").trim().into()));
    }
    Ok(pairs)
}

/// Columns that [`write`] writes.
const COLUMNS: [&str; 14] = [
    "file",
    "label",
    "engine",
    "family",
    "kind",
    "corpus",
    "speaker",
    "sex",
    "language",
    "licence",
    "split_group",
    "duration_seconds",
    "repo",
    "note",
];

/// Writes a manifest that [`read`] reads back.
///
/// # Errors
/// [`TrainingError`] if the file cannot be written.
pub fn write(path: &Path, clips: &[Clip]) -> Result<(), TrainingError> {
    let mut writer = csv::Writer::from_path(path).map_err(|e| TrainingError::csv(path, &e))?;
    let mut row = |cells: [&str; 14]| {
        writer
            .write_record(cells)
            .map_err(|e| TrainingError::csv(path, &e))
    };
    row(COLUMNS)?;
    for clip in clips {
        let label = if clip.is_ai() { "ai" } else { "human" };
        let duration = clip
            .duration_seconds
            .map_or(String::new(), |s| s.to_string());
        row([
            &clip.file,
            label,
            &clip.engine,
            &clip.family,
            &clip.kind,
            &clip.corpus,
            &clip.speaker,
            &clip.sex,
            &clip.language,
            &clip.licence,
            &clip.split_group,
            &duration,
            &clip.repo,
            &clip.note,
        ])?;
    }
    writer.flush().map_err(|e| TrainingError::io(path, &e))
}
