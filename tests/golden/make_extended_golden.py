"""Golden values of what the `extended` set adds to `artefact`: writes extended.json here, from the cases of pcm.json.

    python make_extended_golden.py [CLIP...]      # numpy, scipy and soxr; ffmpeg reads the CLIPs

The reference is `features` below, in float64. Rows, `spread` and the meaning of null are those of artefact.json
(make_artefact_golden.py), whose functions prepare the clips.
"""
import pathlib
import warnings

import numpy as np
from scipy.fftpack import dct
from scipy.stats import kurtosis, skew

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
RATE, HOP = 16_000, 160
SILENT = 1e-8
REGIONS = 32


def frames(y, size, hop):
    """All frames of `size` samples that lie within y, one every `hop` -> [frames, size]."""
    return np.lib.stride_tricks.sliding_window_view(y, size)[::hop]


def hann(size):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def mel_filters(count=40, size=512):
    """Triangles of height 1 between points that lie evenly on Slaney's mel scale, 0 to 8 kHz -> [count, bins]."""
    step = np.log(6.4) / 27
    top = 15 + np.log(RATE / 2 / 1000) / step
    mels = top * np.arange(count + 2) / (count + 1)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    hz = np.arange(size // 2 + 1) * RATE / size
    low, centre, high = (edges[i : i + count, None] for i in range(3))
    return np.maximum(np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)), 0)


def slopes(track):
    """librosa.feature.delta with width 5: the first and last two frames have the slope of the five at their end."""
    at = np.clip(np.arange(len(track)), 2, len(track) - 3)
    return (2 * (track[at + 2] - track[at - 2]) + track[at + 1] - track[at - 1]) / 10


def mfcc(power):
    logs = np.log(power @ mel_filters().T + SILENT)
    levels = logs.mean(1)
    loud = levels > np.percentile(levels, 95) - 6
    if loud.sum() < 30:
        loud[:] = True
    track = dct(logs, type=2, norm="ortho")[:, :20]
    delta = slopes(track)
    tracks = [t[loud] for t in (track, delta, slopes(delta))]
    return np.concatenate([m(t) for t in tracks for m in (lambda x: x.std(0), skew, kurtosis)])


def line(x):
    """Slope of the straight line through x, and what is left of x beside it."""
    at = np.arange(len(x)) - (len(x) - 1) / 2
    slope = (at * x).sum() / (at**2).sum()
    return slope, x - x.mean() - slope * at


def beside(x, reach):
    """x less the median of what lies within `reach` places of each."""
    return np.array([x[k] - np.median(x[max(0, k - reach) : k + reach + 1]) for k in range(len(x))])


def average(bands, power):
    levels = np.log(bands.sum(1) + SILENT)
    mean = lambda chosen: np.log(bands[chosen].mean(0) + SILENT)
    loud = mean(levels > np.percentile(levels, 60))
    contrast = loud - mean(levels <= np.percentile(levels, 20))
    fine = beside(np.log(power[:, 1:].mean(0) + SILENT), 4).reshape(8, 32)
    return np.concatenate([
        line(loud)[1], contrast - contrast.mean(), [contrast.mean()], fine.max(1), fine.std(1),
    ])


def runs_of(chosen):
    """Runs of True -> [(first, last)]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2] - 1))


def pauses(bands):
    levels = 10 * np.log10(bands.sum(1) + SILENT)
    top = np.percentile(levels, 95)
    quiet = levels < top - 26
    lengths = np.array([b - a + 1 for a, b in runs_of(quiet) if b - a + 1 >= 6]) * 0.01
    seconds = len(levels) * 0.01
    floor = bands[quiet].mean(0) + SILENT
    changes = levels[2:] - levels[:-2]
    share = bands / bands.sum(1, keepdims=True)
    entropy = -(share * np.log(share)).sum(1)
    breath = (levels > top - 40) & (levels < top - 15) & (entropy > 0.7 * np.log(REGIONS))
    return np.array([
        quiet.mean(), len(lengths) / seconds, lengths.mean() if len(lengths) else 0, max(lengths, default=0),
        levels[quiet].mean() - top, levels[quiet].std(), np.percentile(levels, 2) - top,
        line(np.log(floor))[0], np.log(floor).mean() - np.log(floor.mean()),
        np.percentile(changes, 95), np.percentile(changes, 5), breath.mean(),
    ])


def parabola(a, b, c):
    """Where the parabola through three neighbours has its top, from the middle one, and its height there."""
    curve = a - 2 * b + c
    if b < a or b < c or curve == 0:
        return 0.0, b
    at = 0.5 * (a - c) / curve
    return at, b - 0.25 * (a - c) * at


def periods(y):
    """Autocorrelation under a window, over the window's own (Boersma 1993) -> period in samples, strength, voiced."""
    window = hann(640)
    correlation = lambda x: np.fft.irfft(np.abs(np.fft.rfft(x, 2048)) ** 2)[..., :268]
    own = correlation(window)
    r = correlation(frames(np.pad(y, 320), 640, HOP) * window)
    normal = r / r[:, :1] / (own / own[0])
    lags = np.arange(40, 267)
    best = 40 + np.argmax(normal[:, 40:267] - 0.02 * np.log2(lags / 40), axis=1)
    period, strength = np.zeros(len(r)), np.zeros(len(r))
    for t, lag in enumerate(best):
        period[t] = lag + parabola(*normal[t, lag - 1 : lag + 2])[0]
        strength[t] = normal[t, lag]
    return period, strength, (strength >= 0.45) & (r[:, 0] >= 1e-3 * r[:, 0].max())


def pulses(y, period, first, last):
    """Where the peaks of each period lie between the centres of two frames, and how high they are."""
    length = lambda s: period[min(max(int(s / HOP + 0.5), first), last)]
    reach = int(length(first * HOP) / 2)
    low, high = max(first * HOP - reach, 0), min(first * HOP + reach, len(y) - 1)
    places, heights = [], []
    while True:
        p = low + int(np.argmax(y[low : high + 1]))
        at, height = parabola(*y[p - 1 : p + 2]) if 0 < p < len(y) - 1 else (0.0, y[p])
        places.append(p + at)
        heights.append(height)
        step = length(p)
        low, high = p + int(np.ceil(0.8 * step)), p + int(1.2 * step)
        if high > min(last * HOP, len(y) - 2):
            return np.array(places), np.array(heights)


def perturbation(tracks):
    """Of values from pulse to pulse, in runs: how much neighbours differ, and the pairs of which both are above 0."""
    pairs = [(t[:-1], t[1:]) for t in tracks]
    a, b = (np.concatenate([p[i] for p in pairs] or [[]]) for i in range(2))
    mean = np.concatenate(tracks or [[]]).mean()
    positive = (a > 0) & (b > 0)
    a, b = a[positive], b[positive]
    relative = 2 * (b - a) / (a + b)
    smooth = lambda n: np.concatenate(
        [np.abs(t[n // 2 : -(n // 2)] - frames(t, n, 1).mean(1)) for t in tracks if len(t) >= n] or [[]]
    ).mean() / mean
    return [np.abs(b - a).mean() / mean, np.median(np.abs(relative)), kurtosis(relative), smooth(3), smooth(5)], a, b


def micro(y):
    period, strength, voiced = periods(y)
    steady = np.concatenate([[True], (period[1:] < 1.25 * period[:-1]) & (period[1:] > 0.8 * period[:-1])])
    runs = []
    for first, last in runs_of(voiced):
        breaks = [t for t in range(first + 1, last + 1) if not steady[t]]
        runs += list(zip([first] + breaks, [b - 1 for b in breaks] + [last]))
    upright = y if (y**3).sum() >= 0 else -y
    found = [pulses(upright, period, a, b) for a, b in runs if b - a >= 2]
    jitter, _, _ = perturbation([np.diff(places) for places, _ in found])
    shimmer, a, b = perturbation([heights for _, heights in found])
    decibels = np.abs(20 * np.log10(b / a)).mean()
    r = np.clip(strength[voiced], 1e-3, 1 - 1e-3)
    harmonics = 10 * np.log10(r / (1 - r))
    tones = 12 * np.log2(RATE / period)
    steps = [np.diff(tones[a : b + 1]) for a, b in runs]
    step, curve = (np.abs(np.concatenate(x or [[]])) for x in (steps, [np.diff(s) for s in steps]))
    seconds = len(period) * 0.01
    return np.array(jitter + shimmer + [
        decibels, harmonics.mean(), harmonics.std(), voiced.mean(),
        np.mean([b - a + 1 for a, b in runs]) * 0.01, len(runs) / seconds,
        tones[voiced].std(), step.mean(), curve.mean(), (step < 0.05).mean(),
    ])


def rates(y):
    power = np.abs(np.fft.rfft(frames(y, 64, 16) * hann(64))) ** 2
    values = []
    for first, last in ((8, 16), (16, 24), (24, 30)):
        series = np.log(power[:, first:last].sum(1) + SILENT)
        pieces = frames(series, 512, 256)
        pieces = (pieces - pieces.mean(1, keepdims=True)) * hann(512)
        spectrum = np.log((np.abs(np.fft.rfft(pieces)) ** 2).mean(0) + 1e-12)
        lines = beside(spectrum, 7)
        for low, high in ((21, 57), (57, 113), (113, 236)):
            values += [lines[low:high].max(), lines[low:high].std()]
    return np.array(values)


def features(y):
    """Prepared speech at 16,000 Hz, float64 -> {group: values}."""
    window = np.pad(hann(320), 96)
    power = np.abs(np.fft.rfft(frames(np.pad(y, 256), 512, HOP)[: 1 + len(y) // HOP] * window)) ** 2
    bands = power[:, 1:].reshape(len(power), REGIONS, 8).sum(2)
    groups = {
        "mfcc": mfcc(power), "average": average(bands, power), "micro": micro(y), "pauses": pauses(bands), "rates": rates(y),
    }
    return {name: np.where(np.isfinite(values), values, 0.0) for name, values in groups.items()}


def main():
    source = (HERE / "make_artefact_golden.py").read_text().rsplit("\nmain()", 1)[0]
    base = {"__file__": str(HERE / "make_artefact_golden.py"), "__name__": "artefact"}
    exec(compile(source, "make_artefact_golden.py", "exec"), base)
    prepared = base["prepared"]

    def extract(y):
        y = prepared(y)
        return None if y is None else np.concatenate(list(features(y.astype(np.float64)).values()))

    base["write"](HERE / "extended.json", extract)


if __name__ == "__main__":
    main()
