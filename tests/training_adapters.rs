//! Published layouts in miniature -> manifests.
#![cfg(feature = "training")]

use std::fs;
use std::path::{Path, PathBuf};

use voxproof::training::TrainingError;
use voxproof::training::adapters::Layout;
use voxproof::training::manifest::{self, Clip, Label};

/// A folder of this test's own with files of these contents in it; audio is a WAV of one sample.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("adapters-{test}"));
    let _ = fs::remove_dir_all(&folder);
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let is_text = path
            .extension()
            .is_some_and(|e| e == "txt" || e == "csv" || e == "tsv");
        let bytes = if is_text { text.as_bytes() } else { TINY_WAV };
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// 8 kHz, 8 bits, mono, one sample.
const TINY_WAV: &[u8] = b"RIFF\x25\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x01\0\0\0\x80";

fn read(layout: Layout, dir: &Path) -> Vec<Clip> {
    layout.read(dir, None).unwrap().clips
}

fn find<'a>(clips: &'a [Clip], file: &str) -> &'a Clip {
    let found = clips.iter().find(|clip| clip.file.ends_with(file));
    found.unwrap_or_else(|| panic!("no {file} in {clips:?}"))
}

#[test]
fn asvspoof_2019_la() {
    let dir = folder(
        "la",
        &[
            (
                "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt",
                "LA_0079 LA_T_1138215 - - bonafide\nLA_0079 LA_T_1271820 - A01 spoof\n",
            ),
            (
                "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt",
                "LA_0039 LA_E_2834763 - A11 spoof\nLA_0039 LA_E_9999999 - A16 spoof\n",
            ),
            ("LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac", ""),
            ("LA/ASVspoof2019_LA_train/flac/LA_T_1271820.flac", ""),
            ("LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac", ""),
        ],
    );
    let adopted = Layout::Asvspoof2019La.read(&dir, None).unwrap();
    assert_eq!(adopted.clips.len(), 3);
    assert_eq!(adopted.missing.len(), 1, "its audio is not there");
    assert_eq!(adopted.missing[0].file, "LA_E_9999999");
    let human = find(&adopted.clips, "LA_T_1138215.flac");
    assert_eq!(
        human.file,
        "LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac"
    );
    assert_eq!((human.label, human.kind.as_str()), (Label::Human, "human"));
    assert_eq!(
        (human.speaker.as_str(), human.corpus.as_str()),
        ("LA_0079", "vctk")
    );
    let ai = find(&adopted.clips, "LA_E_2834763.flac");
    assert_eq!(
        (ai.kind.as_str(), ai.engine.as_str(), ai.family.as_str()),
        ("neural-tts", "tacotron2-griffin-lim", "tacotron")
    );

    // What is written is read back, and the audio is found below --clips.
    let out = dir.join("la.csv");
    manifest::write(&out, &adopted.clips).unwrap();
    let back = manifest::read(&out).unwrap();
    let without_path = |clips: &[Clip]| -> Vec<Clip> {
        let cleared = |clip: &Clip| Clip {
            path: PathBuf::new(),
            ..clip.clone()
        };
        clips.iter().map(cleared).collect()
    };
    assert_eq!(without_path(&back), without_path(&adopted.clips));
    assert!(back.iter().all(|clip| clip.path.is_file()), "{back:?}");
}

#[test]
fn asvspoof_2021_df() {
    let dir = folder(
        "df",
        &[
            (
                "keys/DF/CM/trial_metadata.txt",
                "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -\n\
                 TEF2 DF_E_2000013 low_m4a vcc2020 Task1-team20 spoof notrim eval neural_vocoder_nonautoregressive Task1 team20 FF E\n\
                 VCC2TM1 DF_E_2000040 low_m4a vcc2018 SPO-B01 spoof notrim eval traditional_vocoder - - - -\n\
                 LA_0048 DF_E_2000058 mp3m4a asvspoof - bonafide notrim eval bonafide - - - -\n",
            ),
            ("keys/LA/CM/trial_metadata.txt", "of another track\n"),
            (
                "ASVspoof2021_DF_eval_part00/ASVspoof2021_DF_eval/flac/DF_E_2000011.flac",
                "",
            ),
            (
                "ASVspoof2021_DF_eval_part00/ASVspoof2021_DF_eval/flac/DF_E_2000013.flac",
                "",
            ),
            (
                "ASVspoof2021_DF_eval_part01/ASVspoof2021_DF_eval/flac/DF_E_2000040.flac",
                "",
            ),
            (
                "ASVspoof2021_DF_eval_part01/ASVspoof2021_DF_eval/flac/DF_E_2000058.flac",
                "",
            ),
        ],
    );
    let clips = read(Layout::Asvspoof2021Df, &dir);
    let of = |file: &str| {
        let clip = find(&clips, file);
        (clip.kind.clone(), clip.family.clone(), clip.corpus.clone())
    };
    let expected = |a: &str, b: &str, c: &str| (a.to_string(), b.to_string(), c.to_string());
    assert_eq!(
        of("DF_E_2000011.flac"),
        expected("voice-conversion", "tts-vc-lstm", "vctk")
    );
    assert_eq!(
        of("DF_E_2000013.flac"),
        expected("voice-conversion", "vcc2020-t20", "vcc2020")
    );
    assert_eq!(
        of("DF_E_2000040.flac"),
        expected("voice-conversion", "vcc2018-b01", "vcc2018")
    );
    assert_eq!(of("DF_E_2000058.flac"), expected("human", "human", "vctk"));
    assert!(
        find(&clips, "DF_E_2000013.flac")
            .note
            .contains("codec=low_m4a")
    );
}

#[test]
fn asvspoof_5() {
    let dir = folder(
        "five",
        &[
            (
                "ASVspoof5.train.tsv",
                "T_0001 T_0000000000 F - - - AC3 A05 spoof -\nT_0002 T_0000000001 M - - - - bonafide bonafide -\n",
            ),
            (
                "ASVspoof5.eval.track_1.tsv",
                "E_4608 E_0000000024 M C11 4 E_0004890277 AC1 A24 spoof -\n\
                 E_4608 E_0004890277 M - 0 - AC1 A24 spoof -\n",
            ),
            ("ASVspoof5.eval.track_2.trial.tsv", "another shape\n"),
            ("flac_T/T_0000000000.flac", ""),
            ("flac_T/T_0000000001.flac", ""),
            ("flac_E_eval/E_0000000024.flac", ""),
            ("flac_E_eval/E_0004890277.flac", ""),
        ],
    );
    let clips = read(Layout::Asvspoof5, &dir);
    assert_eq!(clips.len(), 4);
    assert_eq!(find(&clips, "T_0000000000.flac").family, "grad-tts");
    assert_eq!(find(&clips, "T_0000000001.flac").label, Label::Human);
    let (coded, origin) = (
        find(&clips, "E_0000000024.flac"),
        find(&clips, "E_0004890277.flac"),
    );
    assert_eq!(
        coded.split_group, origin.split_group,
        "one is the other through a codec"
    );
    assert!(coded.sex == "male" && coded.note.contains("codec=C11"));
}

#[test]
fn in_the_wild() {
    let dir = folder(
        "itw",
        &[
            (
                "release_in_the_wild/meta.csv",
                "file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,\"Barack Obama\",bona-fide\n2.wav,Nobody,spoof\n",
            ),
            ("release_in_the_wild/0.wav", ""),
            ("release_in_the_wild/1.wav", ""),
        ],
    );
    let adopted = Layout::InTheWild.read(&dir, None).unwrap();
    assert_eq!((adopted.clips.len(), adopted.missing.len()), (2, 1));
    assert_eq!(find(&adopted.clips, "0.wav").speaker, "alec-guinness");
    assert_eq!(find(&adopted.clips, "1.wav").label, Label::Human);
}

#[test]
fn wavefake() {
    let dir = folder(
        "wavefake",
        &[
            (
                "generated_audio/ljspeech_melgan_large/LJ001-0001_gen.wav",
                "",
            ),
            ("generated_audio/ljspeech_hifiGAN/LJ001-0001_gen.wav", ""),
            (
                "generated_audio/jsut_parallel_wavegan/BASIC5000_0001_gen.wav",
                "",
            ),
            (
                "generated_audio/common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech/gen_1.wav",
                "",
            ),
            ("LJSpeech-1.1/wavs/LJ001-0001.wav", ""),
            ("LJSpeech-1.1/metadata.csv", "LJ001-0001|text"),
        ],
    );
    let apart = dir.join("LJSpeech-1.1");
    let generated = dir.join("generated_audio");
    let together = read(Layout::WaveFake, &dir);
    let clips = Layout::WaveFake
        .read(&generated, Some(&apart))
        .unwrap()
        .clips;
    assert_eq!((together.len(), clips.len()), (5, 5), "{clips:?}");
    let large = find(&clips, "ljspeech_melgan_large/LJ001-0001_gen.wav");
    assert_eq!(
        (large.engine.as_str(), large.family.as_str()),
        ("melgan-large", "melgan")
    );
    let human = find(&clips, "wavs/LJ001-0001.wav");
    assert!(Path::new(&human.file).is_absolute() && human.label == Label::Human);
    assert_eq!(human.split_group, large.split_group);
    assert_eq!(
        (human.speaker.as_str(), human.corpus.as_str()),
        ("lj", "ljspeech")
    );
    assert_eq!(find(&clips, "BASIC5000_0001_gen.wav").language, "ja");
    let spoken = find(&clips, "gen_1.wav");
    assert_eq!(
        (spoken.kind.as_str(), spoken.family.as_str()),
        ("neural-tts", "fastspeech")
    );
}

#[test]
fn mlaad() {
    let header = "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript\n";
    let rows = format!(
        "{header}./fake/en/tts_models_en_ljspeech_vits/a.wav|en_US/by_book/female/judy_bieber/sky/wavs/a.wav|en|True|3.25|LJSpeech|tts_models/en/ljspeech/vits|VITS|A \"quotation that ends nowhere\n"
    );
    let dir = folder(
        "mlaad",
        &[
            ("fake/en/tts_models_en_ljspeech_vits/meta.csv", &rows),
            ("fake/en/tts_models_en_ljspeech_vits/a.wav", ""),
        ],
    );
    let m_ailabs = folder(
        "m-ailabs",
        &[("de_DE/by_book/male/karlsson/buch/wavs/x.wav", "")],
    );
    let clips = Layout::Mlaad.read(&dir, Some(&m_ailabs)).unwrap().clips;
    let ai = find(&clips, "vits/a.wav");
    assert_eq!(
        (ai.family.as_str(), ai.corpus.as_str()),
        ("vits", "ljspeech")
    );
    assert_eq!(
        (ai.duration_seconds, ai.licence_class()),
        (Some(3.25), "non-commercial")
    );
    let human = find(&clips, "wavs/x.wav");
    assert_eq!(
        (human.speaker.as_str(), human.language.as_str()),
        ("karlsson", "de")
    );
}

#[test]
fn fake_or_real() {
    let dir = folder(
        "for",
        &[
            (
                "for-norm/training/fake/file1.wav_16k.wav_norm.wav_mono.wav_silence.wav",
                "",
            ),
            (
                "for-2sec/training/fake/file1.wav_16k.wav_norm.wav_mono.wav_silence.wav_2sec.wav",
                "",
            ),
            ("for-norm/testing/real/file2.mp3.wav_16k.wav", ""),
            ("for-norm/stray.wav", ""),
        ],
    );
    let clips = read(Layout::FakeOrReal, &dir);
    assert_eq!(clips.len(), 3);
    let fakes: Vec<_> = clips.iter().filter(|clip| clip.is_ai()).collect();
    assert_eq!(fakes.len(), 2);
    assert_eq!(
        fakes[0].split_group, fakes[1].split_group,
        "one recording in two forms"
    );
}

#[test]
fn speech_df_arena() {
    let dir = folder("arena", &[("clips/a b.wav", ""), ("c.wav", "")]);
    let absolute = dir.join("clips/a b.wav").to_string_lossy().into_owned();
    let table = format!("file_name,label\n{absolute},spoof\nc.wav,bonafide\n");
    fs::write(dir.join("metadata.csv"), &table).unwrap();
    fs::write(dir.join("in_the_wild.csv"), &table).unwrap();
    let clips = read(Layout::SpeechDfArena, &dir);
    assert_eq!(
        find(&clips, "a b.wav").file,
        absolute,
        "names stay as they are"
    );
    assert_eq!(clips.len(), 2);
    let named = read(Layout::SpeechDfArena, &dir.join("in_the_wild.csv"));
    assert_eq!(named[0].corpus, "in-the-wild");
}

#[test]
fn what_is_not_as_published_is_named() {
    let empty = folder("empty", &[("x.txt", "")]);
    for &layout in Layout::ALL {
        let error = layout.read(&empty, None).unwrap_err();
        assert!(
            matches!(error, TrainingError::Layout { .. }),
            "{} {error}",
            layout.name()
        );
        assert_eq!(Layout::from_name(layout.name()), Some(layout));
    }
    let bad = |test: &str, line: &str| {
        let name = "ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.dev.trl.txt";
        let dir = folder(test, &[(name, line)]);
        Layout::Asvspoof2019La
            .read(&dir, None)
            .unwrap_err()
            .to_string()
    };
    let message = bad(
        "short-line",
        "LA_0079 LA_D_1 - - bonafide\nLA_0079 LA_D_2 spoof\n",
    );
    assert!(
        message.contains("line 2") && message.contains("3 columns"),
        "{message}"
    );
    let message = bad("bad-key", "LA_0079 LA_D_1 - A01 fooled\n");
    assert!(
        message.contains("'fooled' is neither spoof nor bonafide"),
        "{message}"
    );
}
