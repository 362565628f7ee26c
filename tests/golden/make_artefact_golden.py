"""Golden values of what the `artefact` set adds to `dynamic`: writes artefact.json here, from the cases of pcm.json.

    python make_artefact_golden.py [CLIP...]      # numpy, scipy and soxr; ffmpeg reads the CLIPs

The reference is training/study/features.py, evaluated in float64 throughout: its arrays of float32 make rounding errors
that are no part of a definition. Each case has `unresampled`, the case's numbers taken for PCM at 16,000 Hz; the recorded
ones have `values` too, with the resampler (soxr_hq, from 22,050 Hz) in the chain. A row is null where the trimmed clip is
shorter than 0.8 s. `spread` has the standard deviation of each value, the unit in which differences are judged: over
CLIPs where some are given, otherwise the stored one is kept. `single` has the largest distance, in those units, of the
float32 reference from the float64 one, for comparison.
"""
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import scipy
import soxr

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
RATE = 16_000
GROUPS = ("tex2", "phase2", "harm", "lpc", "fastmod", "envcorr")


def space_of(path, old="", new=""):
    """The names that a script defines, without running its main(); `new` stands for `old` in it."""
    source = path.read_text().rsplit("\nmain()", 1)[0]
    source = source.replace(old, new) if old else source
    space = {"__file__": str(path), "__name__": path.stem}
    exec(compile(source, path.name, "exec"), space)
    return space


def functions_of(path, first, last):
    """The part of a script between two of its definitions, so that what it imports need not be there."""
    source = path.read_text()
    space = {"np": np, "RATE": RATE, "LONGEST": 60 * RATE}
    exec(compile(source[source.index(first) : source.index(last)], path.name, "exec"), space)
    return space


STUDY = HERE.parents[1] / "training" / "study" / "features.py"
DOUBLE = space_of(STUDY, "float32", "float64")["features"]
SINGLE = space_of(STUDY)["features"]
NOISE = functions_of(HERE / "make_dynamic_golden.py", "def noise(", "\ndef extract(")["NOISE"]


def trim(y):
    """src/features/dynamic/prepare.rs: silence cut from both ends, but for 50 ms."""
    squares = np.concatenate([[0.0], np.cumsum(y.astype(np.float64) ** 2)])
    centres = np.arange(len(y) // 160 + 1) * 160
    energy = squares[np.minimum(centres + 256, len(y))] - squares[np.maximum(centres - 256, 0)]
    loud = np.flatnonzero(energy > energy.max() * 0.03**2)
    if len(loud) == 0:
        return y[:0]
    return y[max(0, loud[0] * 160 - 800) : loud[-1] * 160 + 800]


def prepared(y):
    """float32 at 16,000 Hz -> what is analysed, or None."""
    y = trim(y)[: 60 * RATE]
    if len(y) < 0.8 * RATE:
        return None
    return (y / np.abs(y).max() * np.float32(0.7) + NOISE[: len(y)]).astype(np.float32)


def extract(y, reference, dtype):
    """float32 at 16,000 Hz -> [396], or None."""
    y = prepared(y)
    if y is None:
        return None
    groups = reference(y.astype(dtype))[0]
    groups["lpc"] = groups["lpc"][:-1]  # the last value is 0 by definition
    return np.concatenate([groups[name] for name in GROUPS])


def samples_of(case, render):
    if "wav" in case:
        return np.frombuffer((HERE / case["wav"]).read_bytes()[44:], "<i2")
    return render(case["samples"], case["recipe"])


def read(clip):
    command = ["ffmpeg", "-v", "error", "-i", clip, "-ac", "1", "-ar", "22050", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2")


def resampled(pcm):
    return soxr.resample(pcm.astype(np.float32) / np.float32(32768), 22_050, RATE, "soxr_hq")


def rounded(x):
    return None if x is None else [float(f"{v:.8g}") for v in x]


def write(file, extract, single=None):
    """Writes the golden values of `extract` (float32 at 16,000 Hz -> values or None), and how far `single` is from them."""
    if sys.argv[1:]:
        rows = [extract(resampled(read(clip))) for clip in sys.argv[1:]]
        rows = [row for row in rows if row is not None]
        spread, clips = np.std(rows, axis=0), len(rows)
    else:
        stored = json.load(open(file))
        spread, clips = np.array(stored["spread"]), stored["spread_clips"]
    render = space_of(HERE / "make_pcm_golden.py", "import librosa", "librosa = None")["render"]
    cases, furthest = [], np.zeros(len(spread))
    for case in json.load(open(HERE / "pcm.json"))["cases"]:
        pcm = samples_of(case, render)
        y = pcm.astype(np.float32) / np.float32(32768)
        row = {"name": case["name"], "unresampled": extract(y)}
        if "wav" in case:
            row["values"] = extract(resampled(pcm))
        if single and row["unresampled"] is not None:
            off = np.abs(single(y) - row["unresampled"])
            furthest = np.maximum(furthest, off / np.maximum(np.abs(row["unresampled"]), spread))
        cases.append({k: v if k == "name" else rounded(v) for k, v in row.items()})
        print(case["name"], row["unresampled"] is not None, file=sys.stderr)
    head = {
        "reference": {"numpy": np.__version__, "scipy": scipy.__version__, "soxr": soxr.__version__},
        "spread_clips": clips,
        "spread": rounded(spread),
    }
    if single:
        head["single"] = [float(f"{v:.2g}") for v in furthest]
    with open(file, "w") as f:
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        f.write(f'{json.dumps(head)[:-1]},\n"cases": [\n{lines}\n]}}\n')


def main():
    double, single = (lambda y: extract(y, DOUBLE, np.float64)), (lambda y: extract(y, SINGLE, np.float32))
    write(HERE / "artefact.json", double, single)


main()
