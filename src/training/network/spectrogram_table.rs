//! Tables of spectrograms, keyed by file as feature tables are: making them of a corpus and its copies takes longer than
//! many a fit.
//!
//! ```text
//! 8   VOXSPEC1
//! 4   number of rows, little-endian as all that follows
//!     for each row: 4 length of the key, the key in UTF-8, 4 number of frames
//!     for each row: its values, 16 bits each, [frames][128], in 1/1024 of a neper of power
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use super::super::TrainingError;
use super::architecture::BANDS;
use super::spectrogram::Spectrogram;

/// First bytes of a table.
const MAGIC: &[u8; 8] = b"VOXSPEC1";
/// Longest key and spectrogram that are believed: a path, and an hour.
const LONGEST_KEY: u32 = 65_536;
const MOST_FRAMES: u32 = 360_000;

/// Writes a table.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be written.
pub fn write(path: &Path, rows: &[(String, &Spectrogram)]) -> Result<(), TrainingError> {
    let all = || {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(MAGIC)?;
        file.write_all(&(rows.len() as u32).to_le_bytes())?;
        for (key, row) in rows {
            file.write_all(&(key.len() as u32).to_le_bytes())?;
            file.write_all(key.as_bytes())?;
            file.write_all(&(row.frames() as u32).to_le_bytes())?;
        }
        for (_, row) in rows {
            let bytes: Vec<u8> = row.stored().iter().flat_map(|x| x.to_le_bytes()).collect();
            file.write_all(&bytes)?;
        }
        file.flush()
    };
    all().map_err(|e: std::io::Error| TrainingError::io(path, &e))
}

/// Reads a table.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be read or is not such a table.
pub fn read(path: &Path) -> Result<HashMap<String, Spectrogram>, TrainingError> {
    let all = || -> std::io::Result<HashMap<String, Spectrogram>> {
        let mut file = BufReader::new(File::open(path)?);
        let mut magic = [0; 8];
        file.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(defect("it is not a table of spectrograms"));
        }
        let count = number(&mut file)?;
        let mut heads = Vec::new();
        for _ in 0..count {
            let length = number(&mut file)?;
            if length > LONGEST_KEY {
                return Err(defect("a key is too long"));
            }
            let mut key = vec![0; length as usize];
            file.read_exact(&mut key)?;
            let key = String::from_utf8(key).map_err(|_| defect("a key is not UTF-8"))?;
            let frames = number(&mut file)?;
            if !(1..=MOST_FRAMES).contains(&frames) {
                return Err(defect("a spectrogram has no frame or too many"));
            }
            heads.push((key, frames as usize));
        }
        let mut table = HashMap::new();
        let mut bytes = Vec::new();
        for (key, frames) in heads {
            bytes.resize(2 * frames * BANDS, 0);
            file.read_exact(&mut bytes)?;
            let values = bytes
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            let spectrogram = Spectrogram::from_stored(values.collect());
            table.extend(spectrogram.map(|spectrogram| (key, spectrogram)));
        }
        Ok(table)
    };
    all().map_err(|e| TrainingError::io(path, &e))
}

fn defect(problem: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, problem)
}

fn number(file: &mut impl Read) -> std::io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
