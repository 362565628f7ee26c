"""Golden values of the 73 `classic` features, on PCM at 22,050 Hz: writes pcm.json and speech_*.wav here.

    python make_pcm_golden.py /path/to/librosa_reference.py      # in the reference's virtual environment

The reference is librosa 0.10.1 (numpy 1.24.3, scipy 1.11.4) through `extract` of librosa_reference.py. Two kinds
of cases:

- `synthetic`: signals made of integers only (phases are 32-bit counters, shapes are parabolas, noise is a linear
  congruential generator), so that tests/features_parity.rs makes the very same samples from the same recipe.
  Every sample is an integer within 16 bits, divided by 32768.
- `speech`: excerpts of the clips in tests/data, decoded by ffmpeg, as 16-bit WAV files.

pcm.json: {"reference": versions, "cases": [{"name", "samples", "checksum", "recipe" or "wav", "values": [73]}]}.
"""
import importlib.util
import json
import pathlib
import subprocess
import sys
import warnings
import wave

import librosa
import numpy as np
import scipy

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
RATE = 22050
MASK = 0xFFFFFFFF


def lcg(state):
    """Numerical Recipes' generator: state -> next state."""
    return (state * 1664525 + 1013904223) & MASK


def parabola(phase):
    """32-bit phase (array of uint64) -> one period of a sine-like parabola, -32767..32767."""
    t = (phase >> 16).astype(np.int64)  # 0..65535
    half = t & 0x7FFF
    p = (half * (0x8000 - half)) >> 13  # 0..32768
    return np.where(t < 0x8000, p, -p).clip(-32767, 32767)


def accumulate(steps):
    """Running 32-bit phase that begins at 0."""
    return np.concatenate(([0], np.cumsum(steps.astype(np.uint64))[:-1])).astype(np.uint64) & np.uint64(MASK)


def step_of(millihertz):
    """Phase step a sample of a frequency in mHz (an integer division, as in Rust)."""
    return (millihertz * 4294967296) // (RATE * 1000)


def layer(kind, n, p):
    """One layer of a recipe as integers; `p` are its integer parameters."""
    i = np.arange(n, dtype=np.int64)
    if kind == "tone":  # frequency in mHz, amplitude
        return (parabola(accumulate(np.full(n, step_of(p[0])))) * p[1]) >> 15
    if kind == "chirp":  # from mHz, to mHz, amplitude
        a, b = step_of(p[0]), step_of(p[1])
        return (parabola(accumulate(a + (b - a) * i // n)) * p[2]) >> 15
    if kind == "voice":  # pitch in mHz, vibrato in mHz, vibrato depth per mille, harmonics, amplitude
        depth = step_of(p[0]) * p[2] // 1000
        vibrato = parabola(accumulate(np.full(n, step_of(p[1]))))
        phase = accumulate(step_of(p[0]) + ((vibrato * depth) >> 15))
        out = np.zeros(n, dtype=np.int64)
        for h in range(1, p[3] + 1):
            out += (parabola((phase * np.uint64(h)) & np.uint64(MASK)) * (p[4] // h)) >> 15
        return out
    if kind == "noise":  # seed, amplitude
        state, out = p[0], np.empty(n, dtype=np.int64)
        for k in range(n):
            state = lcg(state)
            out[k] = (((state >> 16) - 32768) * p[1]) >> 15
        return out
    if kind == "clicks":  # period in samples, offset, length, amplitude; decaying, alternating
        at = (i - p[1]) % p[0]
        sign = np.where(at % 3 == 0, 1, -1)
        return np.where((i >= p[1]) & (at < p[2]), sign * p[3] * (p[2] - at) // p[2], 0)
    if kind == "square":  # period in samples, amplitude
        return np.where((i % p[0]) * 2 < p[0], p[1], -p[1])
    if kind == "dc":  # level
        return np.full(n, p[0], dtype=np.int64)
    raise ValueError(kind)


def render(n, recipe):
    """Sum of the layers, then gates and gains in order; int16."""
    out = np.zeros(n, dtype=np.int64)
    i = np.arange(n, dtype=np.int64)
    for kind, *p in recipe:
        if kind == "gate":  # period, open samples: zero when closed
            out = np.where(i % p[0] < p[1], out, 0)
        elif kind == "swell":  # period: rises from 0 to full over each period
            out = out * (i % p[0]) // p[0]
        elif kind == "cut":  # from, to: zero
            out[p[0] : p[1]] = 0
        elif kind == "gain":  # numerator, denominator
            out = out * p[0] // p[1]
        else:
            out = out + layer(kind, n, p)
    return out.clip(-32768, 32767).astype(np.int16)


S = RATE
SYNTHETIC = [
    ("noise_exactly_1_s", S, [["noise", 1, 9000]]),
    ("noise_1_sample_more", S + 1, [["noise", 2, 9000]]),
    ("noise_2_5_s", 55125, [["noise", 3, 20000]]),
    ("noise_30_s_gated", 30 * S, [["noise", 4, 8000], ["gate", 13000, 6000], ["noise", 41, 60]]),
    ("voice_120_hz", 3 * S, [["voice", 120000, 5200, 30, 30, 6000], ["noise", 5, 40]]),
    ("voice_210_hz", 3 * S, [["voice", 210000, 4700, 50, 24, 7000], ["noise", 6, 120]]),
    ("voice_gated", 5 * S, [["voice", 145000, 5500, 40, 28, 6000], ["gate", 9000, 5200], ["noise", 7, 25]]),
    ("voice_swelling", 4 * S, [["voice", 180000, 6100, 20, 20, 6500], ["swell", 7350], ["noise", 8, 30]]),
    ("voice_30_s", 30 * S, [["voice", 133000, 4900, 60, 26, 6000], ["gate", 11000, 7300], ["noise", 9, 33]]),
    ("two_voices", 6 * S, [["voice", 110000, 5100, 30, 20, 4000], ["voice", 232000, 6000, 45, 14, 4000],
                           ["gate", 17000, 12000], ["noise", 10, 90]]),
    ("chirp_up", 4 * S, [["chirp", 100000, 8000000, 16000], ["noise", 11, 20]]),
    ("chirp_down", 2 * S + 777, [["chirp", 9000000, 60000, 24000], ["noise", 12, 10]]),
    ("chirps_gated", 8 * S, [["chirp", 200000, 3000000, 9000], ["chirp", 5000000, 700000, 6000],
                             ["gate", 14700, 9000], ["noise", 13, 15]]),
    ("tones_chord", 4 * S, [["tone", 261626, 5000], ["tone", 329628, 5000], ["tone", 391995, 5000],
                            ["gate", 22050, 15000], ["noise", 14, 12]]),
    ("tones_detuned_35_cents", 4 * S, [["tone", 448985, 6000], ["tone", 673477, 4000], ["gate", 12000, 8000],
                                       ["noise", 15, 12]]),
    ("tones_detuned_49_cents", 4 * S, [["tone", 452630, 6000], ["tone", 905260, 4000], ["gate", 12000, 8000],
                                       ["noise", 151, 12]]),
    ("clicks_60_bpm", 12 * S, [["clicks", 22050, 3000, 400, 26000], ["noise", 16, 10]]),
    ("clicks_97_bpm", 10 * S, [["clicks", 13639, 100, 300, 20000], ["noise", 17, 10]]),
    ("clicks_120_bpm", 10 * S, [["clicks", 11025, 0, 250, 30000], ["noise", 18, 8]]),
    ("clicks_176_bpm", 9 * S, [["clicks", 7517, 900, 200, 22000], ["noise", 19, 14]]),
    ("clicks_240_bpm_noisy", 7 * S, [["clicks", 5512, 50, 150, 14000], ["noise", 20, 900]]),
    ("clicks_in_silence", 6 * S, [["clicks", 9800, 2000, 500, 18000]]),
    ("one_click", 2 * S, [["clicks", 100000, 20000, 600, 25000]]),
    ("two_clicks_in_1_s", S + 100, [["clicks", 9000, 6000, 300, 25000]]),
    ("silence_between", 6 * S, [["noise", 21, 7000], ["voice", 160000, 5000, 30, 18, 4000], ["cut", 30000, 90000]]),
    ("silence_then_noise", 4 * S, [["noise", 22, 12000], ["cut", 0, 50000]]),
    ("noise_then_silence", 4 * S, [["noise", 23, 12000], ["cut", 25000, 88200]]),
    ("dc_and_noise", 3 * S, [["dc", 5000], ["noise", 24, 3000], ["gate", 20000, 20000]]),
    ("dc_step", 3 * S, [["dc", 4000], ["cut", 0, 30000], ["noise", 25, 50]]),
    ("near_silence", 3 * S, [["noise", 26, 6]]),
    ("near_silence_gated", 4 * S, [["noise", 27, 10], ["gate", 15000, 9000]]),
    ("square_clipped", 3 * S, [["square", 147, 32767], ["noise", 28, 3000], ["gate", 15000, 11000]]),
    ("voice_clipped", 4 * S, [["voice", 128000, 5300, 40, 20, 30000], ["gate", 10000, 6400], ["noise", 29, 20]]),
    ("loud_and_quiet", 6 * S, [["voice", 150000, 5000, 30, 22, 9000], ["cut", 44100, 88200], ["noise", 30, 3]]),
    ("noise_full_scale", 2 * S + 511, [["noise", 31, 32767]]),
    ("noise_70_s", 70 * S, [["noise", 32, 6000], ["gate", 12345, 7000], ["voice", 140000, 5100, 30, 16, 3000],
                            ["noise", 33, 20]]),
]

# Clip, first second, length in seconds of the excerpt.
SPEECH = [
    ("human/en_librispeech_2952", 1.0, 3.0),
    ("human/ml_msc_u132b8d72", 0.5, 2.5),
    ("human/te_commonvoice_baa99a25", 0.7, 3.5),
    ("ai/en_tortoise_angie", 0.3, 4.0),
    ("ai/en_valle_ms1", 0.2, 2.0),
    ("ai/ta_fastpitch_indictts", 1.5, 3.0),
]


def checksum(pcm):
    """Sum over the samples of (value * (1 + index % 251)), modulo 2^32: catches a recipe that differs."""
    i = np.arange(len(pcm), dtype=np.int64) % 251 + 1
    return int((pcm.astype(np.int64) * i).sum() & MASK)


def main():
    spec = importlib.util.spec_from_file_location("librosa_reference", sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    cases = []

    def add(name, pcm, extra):
        y = pcm.astype(np.float32) / np.float32(32768)
        values = reference.extract(y, RATE)
        assert np.isfinite(values).all(), name
        cases.append({"name": name, "samples": len(pcm), "checksum": checksum(pcm), **extra,
                      "values": values.tolist()})
        print(f"{name}: tempo {values[70]:.3f}", file=sys.stderr)

    for name, n, recipe in SYNTHETIC:
        add(name, render(n, recipe), {"recipe": recipe})
    for clip, start, seconds in SPEECH:
        name = "speech_" + clip.replace("/", "_")
        path = HERE / f"{name}.wav"
        data = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(HERE.parent / "data" / f"{clip}.mp3"), "-ss", str(start), "-t",
             str(seconds), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"], check=True, stdout=subprocess.PIPE).stdout
        pcm = np.frombuffer(data, dtype="<i2")
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(data)
        add(name, pcm, {"wav": path.name})
    versions = {"librosa": librosa.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    with open(HERE / "pcm.json", "w") as f:
        rows = ",\n".join(json.dumps(case) for case in cases)
        f.write(f'{{"reference": {json.dumps(versions)}, "cases": [\n{rows}\n]}}\n')


main()
