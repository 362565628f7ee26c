//! Command-line operands -> the files to read, and their bytes.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::output::Failure;

/// Extensions by which files are taken from a walked folder; a file named outright needs none.
const AUDIO_EXTENSIONS: [&str; 15] = [
    "mp3", "mp2", "mpga", "wav", "wave", "flac", "ogg", "oga", "opus", "webm", "weba", "mka",
    "m4a", "mp4", "aac",
];

/// The operand that means standard input.
pub const STDIN: &str = "-";

/// Operands with folders replaced by the audio files in them, sorted by name.
///
/// # Errors
/// A folder holds no audio file or cannot be read: better told than an empty answer.
pub fn expand(operands: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for operand in operands {
        if !operand.is_dir() {
            files.push(operand.clone());
            continue;
        }
        let before = files.len();
        for entry in WalkDir::new(operand).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                Failure::Usage(format!("cannot walk {}: {error}", operand.display()))
            })?;
            if entry.file_type().is_file() && has_audio_extension(entry.path()) {
                files.push(entry.into_path());
            }
        }
        if files.len() == before {
            return Err(Failure::Usage(format!(
                "no audio file in {} (looked for: {})",
                operand.display(),
                AUDIO_EXTENSIONS.join(", ")
            )));
        }
    }
    Ok(files)
}

fn has_audio_extension(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| {
        AUDIO_EXTENSIONS
            .iter()
            .any(|known| e.eq_ignore_ascii_case(known))
    })
}

/// The bytes of a file, or of standard input for `-`.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        fs::read(path)
    }
}
