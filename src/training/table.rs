//! Tables of precomputed features, keyed by file: read instead of the audio, or written after it. Copies of a clip stand
//! under keys of their own, see [`super::copies`].
//!
//! Two forms are read, by the file's extension: `.jsonl`, one object a line with `file` and the
//! values as `values` (what `voxproof features --json` prints) or `f`; and `.csv`, a header
//! `file,<name of each value>...` and one row a clip.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::TrainingError;
use crate::features::FeatureSet;

/// One line of a `.jsonl` table.
#[derive(Deserialize)]
struct Line {
    file: String,
    #[serde(alias = "f")]
    values: Vec<Option<f64>>,
}

/// Reads a table: file -> values, shape `[features of set]`, all finite.
///
/// # Errors
/// [`TrainingError::Manifest`] with line and column of the first thing that is wrong;
/// [`TrainingError::Io`] if the file cannot be read.
pub fn read(path: &Path, set: FeatureSet) -> Result<HashMap<String, Vec<f64>>, TrainingError> {
    let bytes = std::fs::read(path).map_err(|e| TrainingError::io(path, &e))?;
    let is_csv = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let rows = if is_csv {
        csv_rows(path, &bytes)?
    } else {
        json_rows(path, &bytes)?
    };
    let expected = set.names().len();
    let mut table = HashMap::with_capacity(rows.len());
    for (line, file, values) in rows {
        let error = |column: String, problem: String| TrainingError::Manifest {
            file: path.to_path_buf(),
            line,
            column,
            problem,
        };
        if values.len() != expected {
            let problem = format!(
                "{} values; the set '{}' has {expected}",
                values.len(),
                set.name()
            );
            return Err(error("values".into(), problem));
        }
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            return Err(error(
                set.names()[bad].clone(),
                "it is not a finite number".into(),
            ));
        }
        table.insert(file, values);
    }
    Ok(table)
}

/// Line, file and values of each row; what is no number is NaN here.
type Rows = Vec<(u64, String, Vec<f64>)>;

fn json_rows(path: &Path, bytes: &[u8]) -> Result<Rows, TrainingError> {
    let mut rows = Vec::new();
    for (index, text) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = index as u64 + 1;
        let row: Line = serde_json::from_slice(text).map_err(|e| TrainingError::Manifest {
            file: path.to_path_buf(),
            line,
            column: e.column().to_string(),
            problem: e.to_string(),
        })?;
        rows.push((
            line,
            row.file,
            row.values
                .into_iter()
                .map(|value| value.unwrap_or(f64::NAN))
                .collect(),
        ));
    }
    Ok(rows)
}

fn csv_rows(path: &Path, bytes: &[u8]) -> Result<Rows, TrainingError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| TrainingError::csv(path, &e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let values = record
            .iter()
            .skip(1)
            .map(|text| text.trim().parse().unwrap_or(f64::NAN))
            .collect();
        rows.push((line, record.get(0).unwrap_or("").trim().into(), values));
    }
    Ok(rows)
}

/// Writes a `.jsonl` table that [`read`] reads back to the last bit.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be written.
pub fn write<'a>(
    path: &Path,
    rows: impl Iterator<Item = (String, &'a [f64])>,
) -> Result<(), TrainingError> {
    let mut text = String::new();
    for (file, values) in rows {
        let row = serde_json::json!({ "file": file, "values": values });
        writeln!(text, "{row}").expect("writing to a string cannot fail");
    }
    std::fs::write(path, text).map_err(|e| TrainingError::io(path, &e))
}
