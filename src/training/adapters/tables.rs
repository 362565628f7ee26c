//! Corpora with tables of their clips: In-the-Wild, MLAAD, Speech DF Arena.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::folders::absolute_audio;
use super::{Adopted, bad_line, engines, files, label, layout, relative, slug};
use crate::training::TrainingError;
use crate::training::manifest::{self, Clip, Label};

/// A row: its line and its cells by column name.
type Row = (usize, HashMap<String, String>);

/// Rows of a table that has at least the columns `required`.
fn rows(path: &Path, delimiter: u8, required: &[&str]) -> Result<Vec<Row>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // MLAAD's transcripts hold single quotation marks that end nowhere.
        .quoting(delimiter == b',')
        .flexible(true)
        .from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(|e| TrainingError::csv(path, &e))?;
    let names: Vec<String> = headers
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_lowercase())
        .collect();
    for column in required {
        if !names.iter().any(|name| name == column) {
            return Err(bad_line(path, 1, column, "there is no such column".into()));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| TrainingError::csv(path, &e))?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let cells = record.iter().map(|cell| cell.trim().to_string());
        rows.push((line, names.iter().cloned().zip(cells).collect()));
    }
    Ok(rows)
}

fn cell<'a>(row: &'a HashMap<String, String>, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

/// `meta.csv`, columns `file,speaker,label`, beside the clips: `0.wav,Alec Guinness,spoof`.
pub fn in_the_wild(dir: &Path) -> Result<Adopted, TrainingError> {
    let tables = ["meta.csv", "release_in_the_wild/meta.csv"].map(|name| dir.join(name));
    let table = tables.iter().find(|path| path.is_file());
    let table = table.ok_or_else(|| layout(dir, "there is no meta.csv in it"))?;
    let mut adopted = Adopted::default();
    for (line, row) in rows(table, b',', &["file", "speaker", "label"])? {
        let path = table.with_file_name(cell(&row, "file"));
        let mut clip = Clip::new(
            relative(dir, &path),
            label(table, line, cell(&row, "label"))?,
        );
        if clip.is_ai() {
            clip.engine = "unknown-in-the-wild".into();
            clip.family.clone_from(&clip.engine);
        }
        let clip = Clip {
            corpus: "in-the-wild".into(),
            speaker: slug(cell(&row, "speaker")),
            language: "en".into(),
            licence: "cc-by-sa-4.0".into(),
            repo: "In-the-Wild (huggingface.co/datasets/mueller91/In-The-Wild)".into(),
            ..clip
        };
        adopted.push(clip, path.is_file());
    }
    Ok(adopted)
}

/// `fake/LANGUAGE/MODEL/meta.csv`, between bars: `path|original_file|language|is_original_language|
/// duration|training_data|model_name|architecture|transcript`. The folder of a path there is not
/// always that of the file, so its name alone counts. Human speech is M-AILABS's, in `human` or, as in
/// MLAAD-tiny, in `original`.
pub fn mlaad(dir: &Path, human: Option<&Path>) -> Result<Adopted, TrainingError> {
    let mut adopted = Adopted::default();
    let tables: Vec<PathBuf> = files(dir)?
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name == "meta.csv"))
        .collect();
    if tables.is_empty() {
        return Err(layout(
            dir,
            "there is no fake/LANGUAGE/MODEL/meta.csv in it",
        ));
    }
    for table in &tables {
        for (_, row) in rows(table, b'|', &["path", "language", "model_name"])? {
            let name = cell(&row, "path").rsplit(['/', '\\']).next().unwrap_or("");
            let path = table.with_file_name(name);
            let engine = slug(cell(&row, "model_name"));
            let architecture = slug(cell(&row, "architecture"));
            let family = match engines::family(&engine) {
                own if own == engine && !architecture.is_empty() => engines::family(&architecture),
                known => known,
            };
            let kind = if family == "griffin-lim" {
                "statistical"
            } else {
                "neural-tts"
            };
            let trained_on = slug(cell(&row, "training_data"));
            let clip = Clip {
                kind: kind.into(),
                family: family.into(),
                corpus: if trained_on.is_empty() {
                    "unknown".into()
                } else {
                    trained_on
                },
                language: cell(&row, "language").into(),
                licence: "cc-by-nc-4.0".into(),
                duration_seconds: cell(&row, "duration")
                    .parse()
                    .ok()
                    .filter(|&s: &f64| s >= 0.0),
                repo: "MLAAD (huggingface.co/datasets/mueller91/MLAAD)".into(),
                note: format!("architecture={}", cell(&row, "architecture")),
                engine,
                ..Clip::new(relative(dir, &path), Label::Ai)
            };
            adopted.push(clip, path.is_file());
        }
    }
    let original = dir.join("original");
    if let Some(human) = human {
        for path in absolute_audio(human)? {
            let file = path.to_string_lossy().into_owned();
            adopted.clips.push(m_ailabs(file, &path));
        }
    } else if original.is_dir() {
        for path in files(&original)?
            .iter()
            .filter(|path| super::is_audio(path))
        {
            adopted.clips.push(m_ailabs(relative(dir, path), path));
        }
    }
    Ok(adopted)
}

/// `en_US/by_book/female/judy_bieber/BOOK/wavs/x.wav`: language, sex and reader.
fn m_ailabs(file: String, path: &Path) -> Clip {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let book = parts.iter().position(|part| part == "by_book");
    let at = |offset: i64| {
        let place = book.and_then(|book| usize::try_from(book as i64 + offset).ok());
        place
            .and_then(|place| parts.get(place))
            .map_or("", |part| part)
    };
    Clip {
        corpus: "m-ailabs".into(),
        speaker: slug(at(2)),
        language: at(-1).split('_').next().unwrap_or("").into(),
        licence: "M-AILABS (permissive)".into(),
        repo: "M-AILABS (github.com/i-celeste-aurora/m-ailabs-dataset)".into(),
        sex: manifest::sex(at(1)),
        ..Clip::new(file, Label::Human)
    }
}

/// `metadata.csv`, columns `file_name,label`: absolute paths, `spoof` or `bonafide`. `place` is the
/// table, whatever its name, or the folder that holds it. File names stay as they are, since the
/// toolkit finds scores by them.
pub fn speech_df_arena(place: &Path) -> Result<Adopted, TrainingError> {
    let table = if place.is_dir() {
        place.join("metadata.csv")
    } else {
        place.to_path_buf()
    };
    if !table.is_file() {
        return Err(layout(place, "there is no metadata.csv in it"));
    }
    let stem = table
        .file_stem()
        .map_or(String::new(), |stem| slug(&stem.to_string_lossy()));
    let corpus = if stem == "metadata" {
        "speech-df-arena".into()
    } else {
        stem
    };
    let mut adopted = Adopted::default();
    for (line, row) in rows(&table, b',', &["file_name", "label"])? {
        let name = cell(&row, "file_name");
        let mut clip = Clip::new(name.into(), label(&table, line, cell(&row, "label"))?);
        if clip.is_ai() {
            clip.engine = format!("unknown-{corpus}");
            clip.family.clone_from(&clip.engine);
        }
        clip.corpus.clone_from(&corpus);
        adopted.push(clip, table.with_file_name(name).is_file());
    }
    Ok(adopted)
}
