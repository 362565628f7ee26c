//! Corpora whose folders say what a clip is: WaveFake and Fake-or-Real.

use std::path::{Path, PathBuf};

use super::{Adopted, engines, files, is_audio, layout, relative, slug};
use crate::training::TrainingError;
use crate::training::manifest::{Clip, Label};

/// Names of the folders that a file lies in below `dir`, the innermost first.
fn folders(dir: &Path, path: &Path) -> Vec<String> {
    let inner = path.strip_prefix(dir).unwrap_or(path);
    let above = inner.ancestors().skip(1);
    above
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_string()))
        .collect()
}

/// `ljspeech_melgan/LJ001-0001_gen.wav`, `jsut_parallel_wavegan/BASIC5000_0001_gen.wav`, and the
/// recordings `LJSpeech-1.1/wavs/LJ001-0001.wav`, `jsut_ver1.1/basic5000/wav/BASIC5000_0001.wav` in
/// the same folder or in `human`. A recording and what vocoders made of it share a split group.
pub fn wavefake(dir: &Path, human: Option<&Path>) -> Result<Adopted, TrainingError> {
    let mut adopted = Adopted::default();
    for path in files(dir)?.iter().filter(|path| is_audio(path)) {
        let folders = folders(dir, path);
        if let Some(clip) = vocoded(relative(dir, path), path, &folders)
            .or_else(|| recorded(relative(dir, path), path, &folders))
        {
            adopted.clips.push(clip);
        }
    }
    if !adopted.clips.iter().any(Clip::is_ai) {
        let problem = "there is no folder ljspeech_VOCODER or jsut_VOCODER with audio in it";
        return Err(layout(dir, problem));
    }
    if let Some(human) = human {
        for path in absolute_audio(human)? {
            // The folder itself may be LJSpeech-1.1.
            let folders = folders(Path::new("/"), &path);
            let file = path.to_string_lossy().into_owned();
            adopted.clips.extend(recorded(file, &path, &folders));
        }
    }
    Ok(adopted)
}

/// Audio files below a folder by their absolute paths.
pub fn absolute_audio(dir: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    let dir = std::path::absolute(dir).map_err(|e| TrainingError::io(dir, &e))?;
    let mut files = files(&dir)?;
    files.retain(|path| is_audio(path));
    Ok(files)
}

/// Utterance of a file name: `LJ001-0001` of `LJ001-0001_gen.wav`.
fn utterance(path: &Path) -> &str {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("");
    stem.strip_suffix("_gen").unwrap_or(stem)
}

fn voice(clip: Clip, corpus: &str, path: &Path) -> Clip {
    let (speaker, language) = match corpus {
        "jsut" => ("jsut", "ja"),
        _ => ("lj", "en"),
    };
    Clip {
        corpus: corpus.into(),
        speaker: speaker.into(),
        language: language.into(),
        split_group: format!("wavefake/{}", utterance(path)),
        ..clip
    }
}

fn vocoded(file: String, path: &Path, folders: &[String]) -> Option<Clip> {
    let folder = folders.first()?;
    let (kind, corpus, engine) = if folder.starts_with("common_voices_prompts_from_") {
        ("neural-tts", "ljspeech", "conformer-fastspeech2-pwg".into())
    } else {
        let (corpus, vocoder) = folder.split_once('_')?;
        let known = matches!(corpus, "ljspeech" | "jsut") && !vocoder.starts_with("ver");
        known.then_some(("neural-vocoder", corpus, slug(vocoder)))?
    };
    let clip = Clip {
        kind: kind.into(),
        family: engines::family(&engine).into(),
        engine,
        licence: "cc-by-sa-4.0".into(),
        repo: "WaveFake (zenodo.org/records/5642694)".into(),
        note: format!("folder={folder}"),
        ..Clip::new(file, Label::Ai)
    };
    Some(voice(clip, corpus, path))
}

fn recorded(file: String, path: &Path, folders: &[String]) -> Option<Clip> {
    let inside = |prefix: &str| {
        let folder = |name: &String| name.to_lowercase().starts_with(prefix);
        folders.iter().any(folder)
    };
    let (corpus, licence, repo) = if inside("ljspeech-") {
        ("ljspeech", "public domain", "LJSpeech 1.1")
    } else if inside("jsut_ver") {
        ("jsut", "JSUT terms, non-commercial", "JSUT 1.1")
    } else {
        return None;
    };
    let clip = Clip {
        licence: licence.into(),
        repo: repo.into(),
        ..Clip::new(file, Label::Human)
    };
    Some(voice(clip, corpus, path))
}

/// `for-norm/training/fake/file1.wav_16k.wav_norm.wav_mono.wav_silence.wav`. The same recording in
/// `for-original`, `for-norm`, `for-2sec` and `for-rerec` shares a split group.
pub fn fake_or_real(dir: &Path) -> Result<Adopted, TrainingError> {
    let mut adopted = Adopted::default();
    for path in files(dir)?.iter().filter(|path| is_audio(path)) {
        let folders = folders(dir, path);
        let [class, part, ..] = &folders[..] else {
            continue;
        };
        if !matches!(part.as_str(), "training" | "validation" | "testing") {
            continue;
        }
        let label = match class.as_str() {
            "real" => Label::Human,
            "fake" => Label::Ai,
            _ => continue,
        };
        let mut clip = Clip::new(relative(dir, path), label);
        if label == Label::Ai {
            // Mostly services (Amazon, Google, Microsoft and others); the files do not say which.
            (clip.kind, clip.engine) = ("commercial".into(), "unknown-for".into());
            clip.family.clone_from(&clip.engine);
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        let original = name.split_once('.').map_or(name, |(stem, _)| stem);
        adopted.clips.push(Clip {
            corpus: "for".into(),
            language: "en".into(),
            licence: "none-stated (FoR)".into(),
            split_group: format!("for/{part}/{class}/{original}"),
            repo: "Fake-or-Real (bil.eecs.yorku.ca)".into(),
            note: format!("part={part}"),
            ..clip
        });
    }
    if adopted.clips.is_empty() {
        let problem = "there is no training, validation or testing folder with real and fake in it";
        return Err(layout(dir, problem));
    }
    Ok(adopted)
}
