"""Clips and spectrograms as `voxproof corpus export` writes them."""

import json
import struct

import numpy as np

MAGIC = b"VOXSPEC1"
BANDS = 128


class Clip:
    """`file`; `ai`; `group`, the engine family or human source; `language`; spectrograms, [frames][128] in 1/1024 of a neper
    of power: `recorded`, its `copies`, and what is `tested`, one for each condition. `share` is what it weighs."""

    def __init__(self, row, rows, share):
        self.file, self.ai, self.group, self.share = row["file"], row["ai"], row["group"], share
        self.language = row["language"]
        self.recorded = rows[row["file"]]
        self.copies = [rows[key] for key in row["copies"]]
        self.tested = [rows[key] for key in row["tested"]]


def table(path):
    """Key -> spectrogram: `src/training/network/spectrogram_table.rs` says how they lie."""
    with open(path, "rb") as file:
        if file.read(8) != MAGIC:
            raise SystemExit(f"{path}: it is not a table of spectrograms")
        (count,) = struct.unpack("<I", file.read(4))
        heads = []
        for _ in range(count):
            (length,) = struct.unpack("<I", file.read(4))
            key = file.read(length).decode()
            (frames,) = struct.unpack("<I", file.read(4))
            heads.append((key, frames))
        start = file.tell()
    values = np.memmap(path, "<i2", "r", start)
    rows, at = {}, 0
    for key, frames in heads:
        end = at + frames * BANDS
        rows[key] = values[at:end].reshape(frames, BANDS)
        at = end
    return rows


def load(corpora, share=1.0):
    """Clips of all corpora, (JSON, table) each; those of the second and further ones weigh `share`."""
    clips = []
    for number, (listed, path) in enumerate(corpora):
        with open(listed, encoding="utf-8") as file:
            document = json.load(file)
        rows = table(path)
        clips += [Clip(row, rows, 1.0 if number == 0 else share) for row in document["clips"]]
    return clips


def folds(listed):
    """Names of the conditions, and the folds, of a JSON."""
    with open(listed, encoding="utf-8") as file:
        document = json.load(file)
    return document["conditions"], document["folds"]
