"""Synthetic speech: draw texts and parameters for each clip, speak, join, encode."""

import tempfile
from pathlib import Path

from . import audio, texts
from .engines import DRIVERS, Refused
from .human import slug
from .manifest import seeded


def clip_path(spec, voice, number):
    return f"clips/{spec['name']}/{slug(voice['id'])}-{number:03d}.mp3"


def row(spec, voice, path):
    speaker = voice.get("group") or f"{spec['name']}-{slug(voice['id'])}"
    return {
        "path": path,
        "label": "ai",
        "engine": spec["name"],
        "family": spec["family"],
        "kind": spec["kind"],
        "corpus": f"packages-{spec['name']}",
        "speaker": speaker,
        "language": voice["language"],
        "licence": spec["licence"],
        "split_group": speaker,
    }


def read(wav):
    """Nearly every engine writes 16-bit mono WAV, which needs no ffmpeg."""
    data = wav.read_bytes() if wav.exists() else b""
    if data[:4] == b"RIFF" and data[20:24] == b"\x01\x00\x01\x00" and data[34:36] == b"\x10\x00":
        return audio.read_wav(data)
    return audio.decode(wav)


def one_clip(engine, voice, pool, rng, folder):
    """The samples of one clip. A text may come out too short or be refused: others are tried."""
    reasons = []
    for _ in range(4):
        recordings, rate = [], None
        try:
            for number, text in enumerate(texts.utterances(pool, voice["language"], rng)):
                wav = Path(folder) / f"{number}.wav"
                wav.unlink(missing_ok=True)
                engine.speak(voice, text, wav, rng)
                samples, rate = read(wav)
                recordings.append(samples)
        except (Refused, ValueError) as error:
            reasons.append(str(error))
            continue
        clip = next(audio.shape(recordings, rate, rng), None)
        if clip is not None and not audio.is_silent(clip):
            return clip, rate
        reasons.append("too short or silent")
    raise Refused("; ".join(reasons)[:300])


def make(spec, debian, python, out, limit, progress):
    """Make an engine's clips; returns its manifest rows and what could not be said."""
    engine = DRIVERS[spec["driver"]](spec, debian, python)
    rows, failures = [], []
    try:
        with tempfile.TemporaryDirectory() as folder, audio.Encoder() as encoder:
            for voice in spec["voices"]:
                pool = texts.pool(debian, voice["language"])
                count = voice.get("count", spec["count"])
                count = count if limit is None else min(count, limit)
                for number in range(count):
                    path = clip_path(spec, voice, number)
                    if not (out / path).exists():
                        rng = seeded(path)
                        try:
                            clip, rate = one_clip(engine, voice, pool, rng, folder)
                        except Refused as error:
                            failures.append(f"{path}: {error}")
                            continue
                        encoder.add(clip, rate, out / path, seeded(path, "container"))
                    rows.append(row(spec, voice, path))
                    progress(len(rows))
    finally:
        engine.close()
    return rows, failures
