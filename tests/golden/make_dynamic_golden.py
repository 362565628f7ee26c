"""Golden values of the 425 `dynamic` features: writes dynamic.json here, from the cases of pcm.json.

    python make_dynamic_golden.py /path/to/study.py [CLIP...]      # in the reference's virtual environment, with
                                                                   # soxr and scikit-learn, which study.py imports

The reference is study.py's own functions (librosa 0.10.1, scipy 1.11.4). Its Gaussian noise of 1e-5 is replaced by
`noise` below, integers that Rust makes too. Each case has two rows of values:

- `values`: the case is PCM at 22,050 Hz, resampled to 16,000 Hz by soxr_hq: the whole chain, resampler included.
- `unresampled`: the same numbers taken for PCM at 16,000 Hz: everything behind the resampler, exactly.

A row is null where the trimmed clip is shorter than 0.8 s. `spread` has the standard deviation of each feature, the
unit in which differences are judged: over CLIPs (audio files) where some are given, otherwise the stored one is kept.
"""
import importlib.util
import json
import pathlib
import sys
import warnings
import wave

import librosa
import numpy as np
import scipy
import soxr

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
RATE = 16_000
SETS = ("dynamics", "dynamics_wide", "modulation", "voice", "texture")
LONGEST = 60 * RATE  # samples that are analysed at most


def noise(n):
    """Near-Gaussian noise of unit deviation: sums of four 16-bit uniform numbers of an LCG -> float32 [n]."""
    state, out = 0, np.empty(n, np.int64)
    for i in range(n):
        total = 0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            total += state >> 16
        out[i] = total - 131_070
    return out.astype(np.float32)


NOISE = noise(LONGEST) * np.float32(1e-5 / 37_837.0)


def extract(study, y):
    """float32 at 16,000 Hz -> [425], or None."""
    y = study.trim(y)[:LONGEST]
    if len(y) < 0.8 * RATE:
        return None
    y = (y / np.abs(y).max() * np.float32(0.7) + NOISE[: len(y)]).astype(np.float32)
    return np.concatenate([np.nan_to_num(study.SETS[name](y, None)) for name in SETS])


def samples_of(case, render):
    if "wav" in case:
        with wave.open(str(HERE / case["wav"])) as f:
            return np.frombuffer(f.readframes(f.getnframes()), "<i2")
    return render(case["samples"], case["recipe"])


def pcm_recipes():
    """`render` of make_pcm_golden.py, without running its main()."""
    source = (HERE / "make_pcm_golden.py").read_text()
    space = {"__file__": str(HERE / "make_pcm_golden.py")}
    exec(compile(source.rsplit("\nmain()", 1)[0], "make_pcm_golden.py", "exec"), space)
    return space["render"]


def rounded(x):
    return None if x is None else [float(f"{v:.9g}") for v in x]


def main():
    spec = importlib.util.spec_from_file_location("study", sys.argv[1])
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    if sys.argv[2:]:
        rows = [extract(study, study.read(clip, RATE)) for clip in sys.argv[2:]]
        spread = np.std([row for row in rows if row is not None], axis=0)
    else:
        spread = json.load(open(HERE / "dynamic.json"))["spread"]
    render, cases = pcm_recipes(), []
    for case in json.load(open(HERE / "pcm.json"))["cases"]:
        y = samples_of(case, render).astype(np.float32) / np.float32(32768)
        values = extract(study, soxr.resample(y, 22_050, RATE, "soxr_hq"))
        cases.append({"name": case["name"], "values": rounded(values), "unresampled": rounded(extract(study, y))})
        print(case["name"], values is not None, file=sys.stderr)
    versions = {"librosa": librosa.__version__, "numpy": np.__version__, "scipy": scipy.__version__, "soxr": soxr.__version__}
    with open(HERE / "dynamic.json", "w") as f:
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        f.write(f'{{"reference": {json.dumps(versions)},\n"spread": {json.dumps(rounded(spread))},\n"cases": [\n{lines}\n]}}\n')


main()
