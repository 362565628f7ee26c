"""Golden values for the byte-parity and format tests: tests/golden/bytes.json and waveforms.json.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt    # also needs ffmpeg 5.1
    .venv/bin/python make_bytes_golden.py --corpus-features FILE.jsonl    # values for the fixtures that are there
    .venv/bin/python make_bytes_golden.py --build                         # first encode the fixtures anew
                                                                          # (lame, oggenc, opusenc, flac by ffmpeg)

FILE.jsonl has one {"file", "duration", "f": [73]} a line: the reference's features of the training corpus, whose
standard deviations are the unit in which differences are judged. Without it the stored deviations are kept.

The chain is the replaced stack's: pydub 0.25.1 with ffmpeg to a WAV file, librosa 0.10.1 to mono at 22,050 Hz, the 73
features. Two exceptions, marked by "chain":
  ffmpeg_s16    mu-law and A-law: pydub asks ffmpeg for 8-bit linear PCM for them, which throws half of the bits away.
  libopus       Opus is decoded by libopus instead of ffmpeg's own decoder, which delays SILK by a part of a sample.
"""
import argparse
import io
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import librosa
import numpy as np
from pydub import AudioSegment

warnings.filterwarnings("ignore")
HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
FIXTURES = DATA / "fixtures"
STRIDE = 997  # every 997th sample of the waveform is stored


def extract(y, sr):
    """Waveform -> float64 array of shape (73,), as the replaced stack computed it."""
    values = []

    def summarise(x, axis=None):
        values.extend(np.atleast_1d(np.mean(x, axis=axis)))
        values.extend(np.atleast_1d(np.std(x, axis=axis)))

    summarise(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=20), axis=1)
    summarise(librosa.feature.spectral_centroid(y=y, sr=sr))
    summarise(librosa.feature.spectral_rolloff(y=y, sr=sr))
    summarise(librosa.feature.zero_crossing_rate(y))
    summarise(librosa.feature.chroma_stft(y=y, sr=sr), axis=1)
    values.append(float(librosa.beat.beat_track(y=y, sr=sr)[0]))
    summarise(librosa.feature.rms(y=y))
    return np.array(values, dtype=np.float64)


def chain_of(path):
    if "mulaw" in path.name or "alaw" in path.name:
        return "ffmpeg_s16"
    return "libopus" if "opus" in path.name else "pydub"


def load(path):
    """File -> mono float32 waveform at 22,050 Hz."""
    with tempfile.TemporaryDirectory() as folder:
        wav = str(Path(folder) / "a.wav")
        chain = chain_of(path)
        if chain == "ffmpeg_s16":
            run(["ffmpeg", "-v", "error", "-i", path, "-c:a", "pcm_s16le", wav])
        elif path.suffix == ".mp3":
            AudioSegment.from_mp3(str(path)).export(wav, format="wav")
        else:
            codec = {"codec": "libopus"} if chain == "libopus" else {}
            AudioSegment.from_file(io.BytesIO(path.read_bytes()), **codec).export(wav, format="wav")
        return librosa.load(wav)


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


# name: (source clip(s), rate, seconds, command with IN and OUT). Two sources make a stereo file.
LIB, CV, MSC = "human/en_librispeech_2952", "human/te_commonvoice_baa99a25", "human/ml_msc_u132b8d72"
VALLE, TORTOISE, FAST = "ai/en_valle_ms1", "ai/en_tortoise_angie", "ai/ta_fastpitch_indictts"
LAME = "lame --quiet --noreplaygain IN OUT "
FF = "ffmpeg -v error -y -i IN -map_metadata -1 -c:a libmp3lame OUT "
PLAN = {
    "mpeg1_44100_mono_cbr64_lame.mp3": ([LIB], 44100, 2.37, LAME + "-m m -b 64"),
    "mpeg1_44100_joint_cbr128_lame.mp3": ([LIB, VALLE], 44100, 2.11, LAME + "-m j -b 128"),
    "mpeg1_44100_stereo_vbr_lame.mp3": ([CV, TORTOISE], 44100, 2.05, LAME + "-m s -V 6"),
    "mpeg1_44100_dual_cbr96_lame.mp3": ([MSC, FAST], 44100, 2.03, LAME + "-m d -b 96"),
    "mpeg1_44100_mono_noxing_lame.mp3": ([VALLE], 44100, 2.29, LAME + "-m m -b 56 -t"),
    "mpeg1_44100_mono_noxing_ffmpeg.mp3": ([FAST], 44100, 2.41, FF + "-ac 1 -b:a 48k -write_xing 0 -id3v2_version 0"),
    "mpeg1_44100_joint_cbr160_ffmpeg.mp3": ([TORTOISE, MSC], 44100, 2.02, FF + "-b:a 160k"),
    "mpeg1_44100_mono_crc_lame.mp3": ([CV], 44100, 2.2, LAME + "-m m -b 64 -p"),
    "mpeg1_44100_mono_id3_cover60k.mp3": ([MSC], 44100, 2.6, LAME + "-m m -b 48"),
    "mpeg1_44100_mono_id3v1v2_lame.mp3": ([FAST], 44100, 2.3, LAME + "-m m -b 48 --add-id3v2 --tt Title --ta Artist"),
    "mpeg1_44100_mono_truncated.mp3": ([LIB], 44100, 3.2, LAME + "-m m -b 48"),
    "mpeg1_48000_joint_abr96_lame.mp3": ([VALLE, LIB], 48000, 2.17, LAME + "-m j --abr 96"),
    "mpeg1_48000_mono_cbr64_ffmpeg.mp3": ([CV], 48000, 2.44, FF + "-ac 1 -b:a 64k"),
    "mpeg1_48000_joint_vbr_ffmpeg.mp3": ([FAST, CV], 48000, 2.01, FF + "-q:a 7"),
    "mpeg1_32000_mono_vbr_lame.mp3": ([TORTOISE], 32000, 2.9, LAME + "-m m -V 7"),
    "mpeg1_32000_stereo_cbr96_lame.mp3": ([MSC, LIB], 32000, 2.13, LAME + "-m s -b 96"),
    "mpeg2_24000_mono_cbr32_lame.mp3": ([VALLE], 24000, 3.4, LAME + "-m m -b 32"),
    "mpeg2_24000_joint_vbr_ffmpeg.mp3": ([LIB, CV], 24000, 2.51, FF + "-q:a 6"),
    "mpeg2_22050_mono_cbr40_lame.mp3": ([FAST], 22050, 3.03, LAME + "-m m -b 40"),
    "mpeg2_22050_joint_abr48_lame.mp3": ([TORTOISE, VALLE], 22050, 2.7, LAME + "-m j --abr 48"),
    "mpeg2_22050_mono_vbr_ffmpeg.mp3": ([CV], 22050, 2.8, FF + "-ac 1 -q:a 5"),
    "mpeg2_16000_mono_cbr24_lame.mp3": ([LIB], 16000, 3.5, LAME + "-m m -b 24"),
    "mpeg2_16000_mono_vbr_ffmpeg.mp3": ([MSC], 16000, 3.1, FF + "-ac 1 -q:a 6"),
    "mpeg25_12000_mono_cbr24_lame.mp3": ([TORTOISE], 12000, 3.33, LAME + "-m m -b 24"),
    "mpeg25_11025_joint_cbr32_lame.mp3": ([LIB, FAST], 11025, 3.1, LAME + "-m j -b 32"),
    "mpeg25_11025_mono_ffmpeg.mp3": ([VALLE], 11025, 3.25, FF + "-ac 1 -b:a 24k"),
    "mpeg25_8000_mono_cbr16_lame.mp3": ([CV], 8000, 3.45, LAME + "-m m -b 16"),
    "mpeg25_8000_mono_vbr_lame.mp3": ([FAST], 8000, 3.2, LAME + "-m m -V 5"),
    "wav_u8_16000_mono.wav": ([LIB], 16000, 2.0, "ffmpeg -v error -y -i IN -c:a pcm_u8 OUT"),
    "wav_s16_8000_stereo.wav": ([CV, MSC], 8000, 2.1, "ffmpeg -v error -y -i IN -c:a pcm_s16le OUT"),
    "wav_s24_11025_mono.wav": ([VALLE], 11025, 2.05, "ffmpeg -v error -y -i IN -c:a pcm_s24le OUT"),
    "wav_f32_8000_mono.wav": ([TORTOISE], 8000, 2.0, "ffmpeg -v error -y -i IN -c:a pcm_f32le OUT"),
    "wav_mulaw_8000_mono.wav": ([MSC], 8000, 2.3, "ffmpeg -v error -y -i IN -c:a pcm_mulaw OUT"),
    "wav_alaw_8000_mono.wav": ([FAST], 8000, 2.2, "ffmpeg -v error -y -i IN -c:a pcm_alaw OUT"),
    "flac_16000_mono.flac": ([CV], 16000, 2.4, "ffmpeg -v error -y -i IN -c:a flac OUT"),
    "vorbis_44100_mono.ogg": ([LIB], 44100, 2.33, "oggenc -Q -q 0 IN -o OUT"),
    "vorbis_22050_stereo.ogg": ([VALLE, FAST], 22050, 2.2, "oggenc -Q -q 1 IN -o OUT"),
    "opus_voip_24k_mono.opus": ([MSC], 48000, 2.5, "opusenc --quiet --speech --bitrate 24 IN OUT"),
    "opus_celt_64k_stereo.ogg": ([TORTOISE, CV], 48000, 2.1, "opusenc --quiet --music --bitrate 64 IN OUT"),
    "opus_32k_mono.webm": ([FAST], 48000, 2.7, "ffmpeg -v error -y -i IN -ac 1 -c:a libopus -b:a 32k OUT"),
    "aac_44100_mono.m4a": ([VALLE], 44100, 2.6, "ffmpeg -v error -y -i IN -c:a aac -b:a 48k OUT"),
    "aac_22050_stereo.m4a": ([LIB, TORTOISE], 22050, 2.4, "ffmpeg -v error -y -i IN -c:a aac -b:a 64k OUT"),
    "aac_16000_mono.aac": ([CV], 16000, 2.5, "ffmpeg -v error -y -i IN -c:a aac -b:a 32k OUT"),
}


def source(names, rate, seconds):
    """Clips -> int16 PCM of shape (frames, channels): speech, and faint noise (-60 dB) up to the Nyquist frequency
    so that wide-band files have something above the clips' 8 to 12 kHz. A second channel also hears the first."""
    rng = np.random.default_rng(997)
    frames = int(rate * seconds)
    columns = []
    for name in names:
        command = ["ffmpeg", "-v", "error", "-ss", "0.4", "-i", DATA / f"{name}.mp3", "-ar", rate, "-ac", 1]
        raw = subprocess.run([str(c) for c in command] + ["-f", "f32le", "-"], check=True, capture_output=True)
        x = np.frombuffer(raw.stdout, np.float32)[:frames]
        x = x * (0.7 / np.abs(x).max())
        columns.append(np.pad(x, (0, frames - len(x))) + rng.normal(0, 1e-3, frames))
    if len(columns) == 2:
        columns = [0.8 * columns[0], 0.6 * columns[1] + 0.3 * columns[0]]
    return np.round(np.stack(columns, axis=1) * 32767).clip(-32768, 32767).astype(np.int16)


def cover_tag():
    """An ID3v2.3 tag with a 60 KB picture: noise that does look like frame headers here and there."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, 60_000, dtype=np.uint8)
    picture[::501], picture[1::501] = 0xFF, 0xFB
    body = b"\0image/png\0\x03\0" + picture.tobytes()
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = len(frame)
    return b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


def build():
    import soundfile

    FIXTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "in.wav"
        for name, (names, rate, seconds, command) in PLAN.items():
            soundfile.write(wav, source(names, rate, seconds), rate)
            out = FIXTURES / name
            parts = [{"IN": wav, "OUT": out}.get(part, part) for part in command.split()]
            if parts[0] == "lame":  # which would choose a lower rate for a low bit rate
                parts += ["--resample", rate / 1000]
            if parts[0] == "ffmpeg":  # ffmpeg wants its output last
                parts.remove(out)
                parts += ["-bitexact", out]
            run(parts)
            if "cover" in name:
                id3v1 = b"TAG" + b"Cover".ljust(125, b"\0")
                out.write_bytes(cover_tag() + out.read_bytes() + id3v1)
            if "truncated" in name:
                data = out.read_bytes()
                out.write_bytes(data[: len(data) * 3 // 4 + 61])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--corpus-features", type=Path)
    args = parser.parse_args()
    if args.build:
        build()
    if args.corpus_features:
        rows = [json.loads(line)["f"] for line in args.corpus_features.open() if line.strip()]
        std = np.std(np.array([row for row in rows if len(row) == 73], dtype=np.float64), axis=0).tolist()
    else:
        std = json.loads((HERE / "bytes.json").read_text())["feature_std"]
    clips, waveforms = [], []
    for path in sorted(FIXTURES.iterdir()):
        y, sr = load(path)
        name, chain = f"fixtures/{path.name}", chain_of(path)
        values = [float(f"{v:.9g}") for v in extract(y, sr)]
        clips.append({"file": name, "chain": chain, "samples": len(y), "duration": len(y) / sr, "values": values})
        rms = float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))
        every = [float(f"{v:.8g}") for v in y[::STRIDE]]
        waveforms.append({"file": name, "chain": chain, "samples": len(y), "rms": rms, "every": every})
        print(name, path.stat().st_size, len(y), file=sys.stderr)
    dump(HERE / "bytes.json", {"feature_std": std}, "clips", clips)
    dump(HERE / "waveforms.json", {"stride": STRIDE}, "clips", waveforms)
    print("total bytes", sum(p.stat().st_size for p in FIXTURES.iterdir()), file=sys.stderr)


def dump(path, head, key, rows):
    """JSON with one row a line, so that a change shows as the lines that changed."""
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    path.write_text(json.dumps(head)[:-1] + f', "{key}": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
