"""Decoding, cutting, joining and encoding of speech, with ffmpeg and the standard library.

Samples are `array("h")`. Both classes go through the same functions here, so that
neither the way clips are cut nor the container they end in can tell them apart.
"""

import array
import os
import subprocess
import tempfile
from pathlib import Path

MIN_SECONDS, MAX_SECONDS = 2.0, 8.0
SAMPLE_RATES = (16000, 22050, 24000)
BITRATES = (40, 48, 56)
BATCH = 16
# A peak below this is silence to an ear: prompt packages hold files of pure silence.
SILENT_PEAK = 500
FRAME_SECONDS = 0.02


def read_wav(data):
    """Samples and rate of a 16-bit mono WAV, also where its size fields are wrong (a pipe's)."""
    at, rate = 12, 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            rate = int.from_bytes(data[at + 12 : at + 16], "little")
        if name == b"data":
            body = data[at + 8 : at + 8 + size]
            return array.array("h", body[: len(body) // 2 * 2]), rate
        at += 8 + size + size % 2
    raise ValueError("no audio data in the decoder's answer")


def run_ffmpeg(arguments):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip()[-200:])


def decode_many(paths, options=(), rate=None):
    """Decode files to mono (samples, rate), or a ValueError for one that cannot be read.

    Starting ffmpeg costs ten times what a short clip does, so one process takes them all; only
    when that fails is each tried alone. `options` stand before the input (raw formats)."""
    with tempfile.TemporaryDirectory() as folder:
        wavs = [Path(folder) / f"{number}.wav" for number in range(len(paths))]
        inputs, outputs = [], []
        for number, (path, wav) in enumerate(zip(paths, wavs)):
            inputs += [*options, "-i", path]
            outputs += ["-map", f"{number}:a:0", "-ac", "1", *(("-ar", rate) if rate else ())]
            outputs += ["-c:a", "pcm_s16le", "-bitexact", wav]
        try:
            run_ffmpeg(inputs + outputs)
        except ValueError as error:
            if len(paths) == 1:
                return [error]
            return [decode_many([path], options, rate)[0] for path in paths]
        return [read_wav(wav.read_bytes()) for wav in wavs]


def decode(path, rate=None):
    answer = decode_many([path], rate=rate)[0]
    if isinstance(answer, ValueError):
        raise answer
    return answer


class Encoder:
    """Writes MP3s, sixteen to an ffmpeg process, whose rate and bitrate are drawn whatever the
    class: the container is no cue. A file appears under its name only once it is whole."""

    def __init__(self):
        self.waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Also after an error: what was made stays made.
        self.flush()

    def add(self, samples, rate, path, rng):
        self.waiting.append((samples, rate, path, rng.choice(SAMPLE_RATES), rng.choice(BITRATES)))
        if len(self.waiting) == BATCH:
            self.flush()

    def flush(self):
        if not self.waiting:
            return
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = [], []
            for number, (samples, rate, path, to_rate, kilobits) in enumerate(self.waiting):
                raw = Path(folder) / f"{number}.raw"
                raw.write_bytes(samples.tobytes())
                path.parent.mkdir(parents=True, exist_ok=True)
                inputs += ["-f", "s16le", "-ar", rate, "-ac", "1", "-i", raw]
                outputs += ["-map", f"{number}:a:0", "-ar", to_rate, "-c:a", "libmp3lame"]
                outputs += ["-b:a", f"{kilobits}k", "-map_metadata", "-1", "-f", "mp3"]
                outputs += [path.with_name(path.name + ".part")]
            run_ffmpeg(inputs + outputs)
        for _, _, path, _, _ in self.waiting:
            os.replace(path.with_name(path.name + ".part"), path)
        self.waiting = []


def is_silent(samples):
    return not samples or max(max(samples), -min(samples)) < SILENT_PEAK


def frame_energies(samples, rate):
    """Energy of each frame, from every fourth sample: enough to find what is quiet."""
    size = max(1, int(rate * FRAME_SECONDS))
    return [
        sum(x * x for x in samples[i : i + size : 4])
        for i in range(0, len(samples) - size + 1, size)
    ]


def split(samples, rate, rng):
    """Cut a long recording at its quiet places into pieces of 2 to 8 s; a short rest is dropped."""
    if len(samples) <= MAX_SECONDS * rate:
        return [samples] if len(samples) >= MIN_SECONDS * rate else []
    size = max(1, int(rate * FRAME_SECONDS))
    energies = frame_energies(samples, rate)
    # A pause is quiet for a while: 100 ms, not the gap of one plosive.
    smooth = [sum(energies[max(0, i - 2) : i + 3]) for i in range(len(energies))]
    at, pieces = 0, []
    while len(samples) - at > MAX_SECONDS * rate:
        target = rng.uniform(MIN_SECONDS + 1.5, MAX_SECONDS - 1.5)
        low = int((at / rate + target - 1.5) / FRAME_SECONDS)
        high = int((at / rate + target + 1.5) / FRAME_SECONDS)
        cut = min(range(low, min(high, len(smooth))), key=smooth.__getitem__) * size
        pieces.append(samples[at:cut])
        at = cut
    if len(samples) - at >= MIN_SECONDS * rate:
        pieces.append(samples[at:])
    return pieces


def trim(samples, rate):
    """The speech of a short recording with a tenth of a second around it: letters and words are
    often recorded with seconds of nothing before and after."""
    energies = frame_energies(samples, rate)
    if not energies:
        return samples
    size = max(1, int(rate * FRAME_SECONDS))
    floor = sorted(energies)[len(energies) // 10]
    threshold = max(1e-4 * max(energies), min(10 * floor, 0.05 * max(energies)))
    loud = [place for place, energy in enumerate(energies) if energy > threshold]
    return samples[max(0, loud[0] - 5) * size : (loud[-1] + 6) * size] if loud else samples


def quiet_gap(samples, rate, seconds):
    """A gap filled with the recording's own quietest 40 ms, to and fro: digital zeros between
    pieces would mark a clip as joined, and another room's noise would mark the join."""
    energies = frame_energies(samples, rate)
    length = int(rate * seconds)
    if len(energies) < 2:
        return array.array("h", bytes(2 * length))
    size = max(1, int(rate * FRAME_SECONDS))
    best = min(range(len(energies) - 1), key=lambda i: energies[i] + energies[i + 1])
    there = samples[best * size : (best + 2) * size]
    loop = there + there[::-1]
    return (loop * (length // len(loop) + 1))[:length]


def join(pieces, rate, rng):
    joined = array.array("h")
    for number, piece in enumerate(pieces):
        if number:
            joined += quiet_gap(piece, rate, rng.uniform(0.15, 0.5))
        joined += piece
    return joined


def shape(recordings, rate, rng):
    """Turn one speaker's recordings (any lengths, one rate) into clips of 2 to 8 s, lazily."""
    pending, held = [], 0.0
    wanted = rng.uniform(MIN_SECONDS, MIN_SECONDS + 3)
    for samples in recordings:
        if is_silent(samples):
            continue
        spoken = trim(samples, rate) if len(samples) < 2 * MIN_SECONDS * rate else samples
        seconds = len(spoken) / rate
        if seconds >= MIN_SECONDS:
            yield from split(samples, rate, rng)
            continue
        if seconds < 0.15:
            continue
        pending.append(spoken)
        # Each join adds a gap; half a second is its longest.
        held += seconds + 0.5
        if held >= wanted + 0.5:
            clip = join(pending, rate, rng)
            pending, held = [], 0.0
            wanted = rng.uniform(MIN_SECONDS, MIN_SECONDS + 3)
            if MIN_SECONDS <= len(clip) / rate <= MAX_SECONDS:
                yield clip
    # What is left may be a clip all the same, for a speaker of few words.
    clip = join(pending, rate, rng)
    if MIN_SECONDS <= len(clip) / rate <= MAX_SECONDS:
        yield clip
