//! The ASVspoof challenges: protocol files of columns between spaces, FLAC files found by name.
//!
//! Voices of 2019 LA and of 2021's source `asvspoof` are VCTK's under ids of their own; those of
//! ASVspoof 5 are MLS's.

use std::path::{Path, PathBuf};

use super::{Adopted, attacks, bad_line, by_stem, files, label, layout, slug};
use crate::training::TrainingError;
use crate::training::manifest::{self, Clip, Label};

/// A protocol file's lines: number and columns.
fn lines(path: &Path, columns: usize) -> Result<Vec<(usize, Vec<String>)>, TrainingError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainingError::io(path, &e))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<String> = line.split_whitespace().map(String::from).collect();
        if fields.is_empty() {
            continue;
        }
        if fields.len() != columns {
            let problem = format!(
                "the line has {} columns between spaces, as published it has {columns}",
                fields.len()
            );
            return Err(bad_line(path, index + 1, "all", problem));
        }
        lines.push((index + 1, fields));
    }
    Ok(lines)
}

/// Protocol files by what their path ends with; an error that says what was looked for if there is
/// none.
fn protocols(
    dir: &Path,
    files: &[PathBuf],
    wanted: &str,
    is_one: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, TrainingError> {
    let found = files
        .iter()
        .filter(|path| is_one(&path.to_string_lossy().replace('\\', "/")));
    let found: Vec<PathBuf> = found.cloned().collect();
    if found.is_empty() {
        return Err(layout(dir, format!("there is no {wanted} in it")));
    }
    Ok(found)
}

/// A row with kind, engine and family of its attack.
fn row(file: String, label: Label, (kind, engine, family): (&str, &str, &str)) -> Clip {
    let mut clip = Clip::new(file, label);
    if label == Label::Ai {
        (clip.kind, clip.engine, clip.family) = (kind.into(), engine.into(), family.into());
    }
    clip.language = "en".into();
    clip
}

/// `SPEAKER FILE - ATTACK KEY`, for example `LA_0039 LA_E_2834763 - A11 spoof`.
pub fn la_2019(dir: &Path) -> Result<Adopted, TrainingError> {
    let files = files(dir)?;
    let wanted = "ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.*.txt";
    let protocols = protocols(dir, &files, wanted, |path| {
        let name = path.rsplit('/').next().unwrap_or("");
        name.starts_with("ASVspoof2019.LA.cm.")
    })?;
    let audio = by_stem(dir, &files);
    let mut adopted = Adopted::default();
    for protocol in &protocols {
        for (line, fields) in lines(protocol, 5)? {
            let [speaker, name, _, attack, key] = &fields[..] else {
                continue;
            };
            let found = audio.get(name);
            let own = format!("asvspoof2019-{}", slug(attack));
            let clip = Clip {
                corpus: "vctk".into(),
                speaker: speaker.clone(),
                licence: "odc-by-1.0".into(),
                repo: "ASVspoof 2019 LA (datashare.ed.ac.uk/handle/10283/3336)".into(),
                note: format!("attack={attack}"),
                ..row(
                    found.unwrap_or(name).clone(),
                    label(protocol, line, key)?,
                    attacks::la_2019(attack).unwrap_or(("unknown", &own, &own)),
                )
            };
            adopted.push(clip, found.is_some());
        }
    }
    Ok(adopted)
}

/// `SPEAKER FILE CODEC SOURCE ATTACK KEY TRIM SUBSET VOCODER TASK TEAM GENDER LANGUAGE`, for example
/// `TEF2 DF_E_2000013 low_m4a vcc2020 Task1-team20 spoof notrim eval
/// neural_vocoder_nonautoregressive Task1 team20 FF E`.
pub fn df_2021(dir: &Path) -> Result<Adopted, TrainingError> {
    let files = files(dir)?;
    let wanted = "keys/DF/CM/trial_metadata.txt";
    let protocols = protocols(dir, &files, wanted, |path| {
        path.ends_with("DF/CM/trial_metadata.txt")
    })?;
    let audio = by_stem(dir, &files);
    let mut adopted = Adopted::default();
    for protocol in &protocols {
        for (line, fields) in lines(protocol, 13)? {
            let [
                speaker,
                name,
                codec,
                source,
                attack,
                key,
                trim,
                subset,
                vocoder,
                ..,
            ] = &fields[..]
            else {
                continue;
            };
            let found = audio.get(name);
            // vcc2018: SPO-N12, HUB-N12, one system for two tasks. vcc2020: Task1-team20, Task2-team20.
            let system = attack
                .rsplit_once('-')
                .map_or(attack.as_str(), |(_, id)| id);
            let engine = match source.as_str() {
                "vcc2020" => format!("vcc2020-{}", system.replace("team", "t")),
                "asvspoof" => format!("asvspoof2019-{}", slug(system)),
                source => format!("{source}-{}", slug(system)),
            };
            let own = |kind| (kind, engine.as_str(), engine.as_str());
            let known = match source.as_str() {
                "asvspoof" => attacks::la_2019(attack).unwrap_or(own("unknown")),
                _ => own("voice-conversion"),
            };
            let corpus = if source == "asvspoof" { "vctk" } else { source };
            let clip = Clip {
                corpus: corpus.into(),
                speaker: speaker.clone(),
                licence: "odc-by-1.0".into(),
                repo: "ASVspoof 2021 DF (zenodo.org/records/4835108)".into(),
                note: format!(
                    "attack={attack} codec={codec} trim={trim} subset={subset} vocoder={vocoder}"
                ),
                ..row(
                    found.unwrap_or(name).clone(),
                    label(protocol, line, key)?,
                    known,
                )
            };
            adopted.push(clip, found.is_some());
        }
    }
    Ok(adopted)
}

/// `SPEAKER FILE SEX CODEC CODEC_Q CODEC_SEED ATTACK_TAG ATTACK KEY TMP`, for example
/// `T_0001 T_0000000000 F - - - AC3 A05 spoof -`. Clips that a codec was applied to name the clip that
/// they were as `CODEC_SEED`: they share its split group.
pub fn asvspoof5(dir: &Path) -> Result<Adopted, TrainingError> {
    let files = files(dir)?;
    let wanted = "ASVspoof5.train.tsv, ASVspoof5.dev.track_1.tsv or ASVspoof5.eval.track_1.tsv";
    let protocols = protocols(dir, &files, wanted, |path| {
        let name = path.rsplit('/').next().unwrap_or("");
        name.starts_with("ASVspoof5.") && (name.contains(".train.") || name.contains(".track_1."))
    })?;
    let audio = by_stem(dir, &files);
    let mut adopted = Adopted::default();
    for protocol in &protocols {
        for (line, fields) in lines(protocol, 10)? {
            let [speaker, name, sex, codec, quality, seed, _, attack, key, _] = &fields[..] else {
                continue;
            };
            let found = audio.get(name);
            let own = format!("asvspoof5-{}", slug(attack));
            let origin = if seed == "-" { name } else { seed };
            let clip = Clip {
                corpus: "mls".into(),
                speaker: speaker.clone(),
                licence: "odc-by-1.0".into(),
                split_group: format!("asvspoof5/{origin}"),
                repo: "ASVspoof 5 (zenodo.org/records/14498691)".into(),
                sex: manifest::sex(sex),
                note: format!("attack={attack} codec={codec} quality={quality}"),
                ..row(
                    found.unwrap_or(name).clone(),
                    label(protocol, line, key)?,
                    attacks::asvspoof5(attack).unwrap_or(("unknown", &own, &own)),
                )
            };
            adopted.push(clip, found.is_some());
        }
    }
    Ok(adopted)
}
