"""Decoding, cutting, joining and encoding of speech, with ffmpeg and the standard library.

Samples are `array("h")`. Both classes go through the same functions here, so that
neither the way clips are cut nor the container they end in can tell them apart.
"""

import array
import os
import subprocess

MIN_SECONDS, MAX_SECONDS = 2.0, 8.0
SAMPLE_RATES = (16000, 22050, 24000)
BITRATES = (40, 48, 56)
# A peak below this is silence to an ear: prompt packages hold files of pure silence.
SILENT_PEAK = 500
FRAME_SECONDS = 0.02


def read_wav(data):
    """Samples and rate of a 16-bit mono WAV, also one from a pipe (whose size fields are wrong)."""
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


def decode(source, options=(), rate=None):
    """Decode a path, or bytes, to mono samples; `options` stand before the input (raw formats)."""
    stdin = source if isinstance(source, bytes) else None
    command = ["ffmpeg", "-v", "error", "-nostdin"] if stdin is None else ["ffmpeg", "-v", "error"]
    command += [*options, "-i", "-" if stdin is not None else str(source), "-map", "0:a:0", "-ac", "1"]
    if rate:
        command += ["-ar", str(rate)]
    command += ["-c:a", "pcm_s16le", "-bitexact", "-f", "wav", "-"]
    done = subprocess.run(command, input=stdin, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip()[-200:])
    return read_wav(done.stdout)


def encode(samples, rate, path, rng):
    """Write an MP3 whose rate and bitrate are drawn, whatever the class: the container is no cue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-f", "s16le", "-ar", str(rate), "-ac", "1", "-i", "-"]
    command += ["-ar", str(rng.choice(SAMPLE_RATES)), "-c:a", "libmp3lame"]
    command += ["-b:a", f"{rng.choice(BITRATES)}k", "-map_metadata", "-1", "-f", "mp3", str(part)]
    subprocess.run(command, input=samples.tobytes(), check=True, capture_output=True)
    os.replace(part, path)


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
        seconds = len(samples) / rate
        if seconds < 0.15 or is_silent(samples):
            continue
        if seconds >= MIN_SECONDS:
            yield from split(samples, rate, rng)
            continue
        pending.append(samples)
        # Each join adds a gap; half a second is its longest.
        held += seconds + 0.5
        if held >= wanted + 0.5:
            clip = join(pending, rate, rng)
            pending, held = [], 0.0
            wanted = rng.uniform(MIN_SECONDS, MIN_SECONDS + 3)
            if MIN_SECONDS <= len(clip) / rate <= MAX_SECONDS:
                yield clip
