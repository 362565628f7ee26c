//! The manifest: which clips there are, and what is known of each.
//!
//! A CSV file with a header line. `file` (or `path`, where there is no `file`) and `label` are
//! required; the other columns that are understood are `engine family kind corpus speaker language
//! licence repo`. Columns of other names are ignored.

use std::collections::BTreeMap;
use std::path::Path;

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
    /// Language code.
    pub language: String,
    /// Licence of the clip.
    pub licence: String,
    /// Repository that it was published in.
    pub repo: String,
}

impl Clip {
    /// Whether the clip is synthetic.
    #[must_use]
    pub fn is_ai(&self) -> bool {
        self.label == Label::Ai
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

    /// The licence in one of four classes, for summaries.
    #[must_use]
    pub fn licence_class(&self) -> &'static str {
        let licence = self.licence.to_ascii_lowercase();
        if licence.is_empty() || licence.starts_with("none") || licence == "unknown" {
            "none stated"
        } else if licence.contains("-nc") {
            "non-commercial"
        } else if licence.starts_with("gpl")
            || licence.starts_with("agpl")
            || licence.contains("-sa")
        {
            "share-alike"
        } else {
            "open"
        }
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

/// Reads a manifest.
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
    Ok(Clip {
        file,
        label,
        family: columns.text(record, "family", &engine),
        kind: columns.text(record, "kind", default),
        engine,
        corpus: columns.text(record, "corpus", "unknown"),
        speaker: columns.text(record, "speaker", ""),
        language: columns.text(record, "language", ""),
        licence: columns.text(record, "licence", ""),
        repo: columns.text(record, "repo", ""),
    })
}

/// Speakers that are kept out of training, each with the reason: a CSV with the columns
/// `speaker,reason`.
///
/// # Errors
/// [`TrainingError::Manifest`] if a row has no speaker; [`TrainingError::Io`] if the file cannot
/// be read.
pub fn read_held_out(path: &Path) -> Result<BTreeMap<String, String>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(bytes.as_slice());
    let mut speakers = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| TrainingError::csv(path, &e))?;
        let speaker = record.get(0).unwrap_or("").trim();
        if speaker.is_empty() {
            return Err(TrainingError::Manifest {
                file: path.to_path_buf(),
                line: record.position().map_or(0, csv::Position::line),
                column: "speaker".into(),
                problem: "it is empty".into(),
            });
        }
        speakers.insert(speaker.into(), record.get(1).unwrap_or("").trim().into());
    }
    Ok(speakers)
}
