"""Clips of a manifest -> a cache of log spectrograms, of the clips as recorded and of copies through the channel.

What a network is fed is defined by `src/features/bands.rs`, of which this is the twin: a periodic Hann window of 320
samples in a transform of 512 every 160 at 16,000 Hz, `ln(power + 1e-7)` of bins 1 to 256, neighbours averaged in pairs.
Before it, silence at both ends is trimmed, the peak set to 0.7, a fixed dither of 1e-5 added and 8 s kept.

A cache is an uncompressed .npz: `manifest` (the rows as JSON text), and for `recorded`, `wide0`, `wide1`, ...,
`study` the frames `NAME` (float16, shape [frames of all clips][128]) and `NAME_offsets` (shape [clips + 1]). A clip
that could not be read or is too short has no frames.
"""

import csv
import json
import subprocess
import zipfile
from multiprocessing import Pool

import miniaudio
import numpy as np
from scipy import fft

import channel

RATE, HOP, BANDS = channel.RATE, 160, 128
LONGEST = 8 * RATE
SHORTEST = int(0.8 * RATE)  # after trimming; 1 s before
HANN = np.hanning(321)[:320].astype(np.float32)
DITHER = np.random.default_rng(0).standard_normal(LONGEST).astype(np.float32) * np.float32(1e-5)
STUDY_SEED, WIDE_SEED = 1, 2  # copy k of `wide` has seed WIDE_SEED + k


def decode(path):
    """File -> mono signal at 16,000 Hz, by ffmpeg: with its better resampler where it is built in."""
    for resampler in (["-af", "aresample=resampler=soxr"], []):
        command = ["ffmpeg", "-v", "error", "-i", path, "-ac", "1", *resampler, "-ar", str(RATE), "-f", "s16le", "-"]
        data = subprocess.run(command, capture_output=True, check=False).stdout
        if data:
            break
    return channel.from_pcm(data)


def trim(y):
    """Without what lies, at either end, more than 50 ms outside the frames above 3 % of the loudest one's RMS."""
    if len(y) // HOP < 10:
        return y
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, 256), 512)[::HOP]
    level = np.sqrt((frames**2).mean(1))
    loud = np.flatnonzero(level > level.max() * 0.03)
    return y[max(0, loud[0] * HOP - 800) : loud[-1] * HOP + 800]


def bands(y):
    """Signal -> float16 of shape [1 + samples / 160][128]."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, 160), 320)[::HOP] * HANN
    spectrum = fft.rfft(frames, 512, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    logs = np.log(power[:, 1:257] + 1e-7).astype(np.float16).astype(np.float32)
    return logs.reshape(-1, BANDS, 2).mean(2).astype(np.float16)


def prepare(y):
    """Signal -> bands, None if less than 0.8 s is left of it."""
    y = trim(y)
    if len(y) < SHORTEST:
        return None
    y = y / np.abs(y).max() * np.float32(0.7)
    y = y[:LONGEST] + DITHER[: min(len(y), LONGEST)]
    return bands(y.astype(np.float32))


def variants(task):
    """(index, path, wide copies, study, seed) -> (index, bands or None of each variant, what failed)."""
    index, path, copies, study, seed = task
    empty, failed = [None] * (1 + copies + study), []
    y = decode(path)
    if len(y) < RATE:
        return index, empty, [f"{path}: cannot be read, or is shorter than 1 s"]
    presets = [(None, 0)] + [(channel.wide, WIDE_SEED + k) for k in range(copies)]
    presets += [(channel.study, STUDY_SEED)] * study
    out = []
    for preset, offset in presets:
        # A codec's refusal or a silent clip costs one variant of one clip, not hours of the others.
        try:
            rng = np.random.default_rng([seed + offset, index])
            out.append(prepare(preset(y, rng) if preset else y))
        except (ValueError, IndexError, RuntimeError, miniaudio.MiniaudioError) as error:
            failed.append(f"{path}: {getattr(preset, '__name__', 'recorded')}: {error!r}")
            out.append(None)
    return index, out, failed


def clip_name(row):
    """A clip's name within its manifest: `file`, or `path` where there is no `file`."""
    return row.get("file") or row["path"]


def make(manifest, clips, out, copies=2, study=False, jobs=1, seed=0, limit=None):
    """Writes the cache `out` of the CSV `manifest`, whose files lie under `clips`."""
    with open(manifest, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))[:limit]
    if not rows or not ({"file", "path"} & rows[0].keys()) or "label" not in rows[0]:
        raise SystemExit(f"{manifest}: expected a CSV with the columns file (or path) and label, and some rows")
    rows = [{k: v for k, v in row.items() if k is not None} for row in rows]
    tasks = [(i, f"{clips}/{clip_name(r)}", copies, int(study), seed) for i, r in enumerate(rows)]
    done = [None] * len(rows)
    with Pool(jobs) as pool:
        for n, (index, made, failed) in enumerate(pool.imap_unordered(variants, tasks, chunksize=4), 1):
            done[index] = made
            for line in failed:
                print(line, flush=True)
            if n % 500 == 0 or n == len(rows):
                print(f"{n} of {len(rows)} clips", flush=True)
    names = ["recorded", *(f"wide{k}" for k in range(copies)), *(["study"] if study else [])]
    with zipfile.ZipFile(out, "w") as archive:
        write(archive, "manifest", np.array(json.dumps(rows)))
        for v, name in enumerate(names):
            parts = [made[v] for made in done]
            lengths = [0 if p is None else len(p) for p in parts]
            write(archive, f"{name}_offsets", np.cumsum([0, *lengths]))
            # Clip by clip: the whole would need its size in memory again.
            header = {"descr": "<f2", "fortran_order": False, "shape": (sum(lengths), BANDS)}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for part in parts:
                    if part is not None:
                        file.write(np.ascontiguousarray(part, "<f2").tobytes())
            print(f"{name}: {sum(n > 0 for n in lengths)} clips, {sum(lengths)} frames", flush=True)


def write(archive, name, array):
    """Adds an array to an .npz."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
