"""The random channel: what may lie between a speaker and a server, drawn anew for each copy of a clip.

Two presets: `wide` makes the copies that the network is trained on, `study` those that it is tested on. Signals are
`float32` at 16,000 Hz within about -1 to 1; `rng` is a `numpy.random.Generator`, the only source of chance. Levels are
in dB, frequencies in Hz, times in seconds.

MP3 is encoded by LAME (lameenc) and decoded by dr_mp3 (miniaudio); the other codecs are ffmpeg's. A codec that this
ffmpeg was built without leaves the signal as it is, so copies differ between machines.
"""

import subprocess

import lameenc
import miniaudio
import numpy as np
from scipy import signal

RATE = 16_000
BITRATES = (16, 24, 32, 40, 48, 56, 64, 80, 96, 128)  # kbit/s


def pcm(y):
    """Signal -> bytes of 16-bit samples."""
    return (np.clip(y, -1, 1) * 32767).astype("<i2").tobytes()


def from_pcm(data):
    """Bytes of 16-bit samples -> signal."""
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def mp3(y, rng, least, most, rates=(RATE,)):
    """To MP3 of a bitrate within `least` to `most` kbit/s and one of `rates`, and back."""
    bitrate = int(rng.choice([b for b in BITRATES if least <= b <= most]))
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(bitrate)
    encoder.set_in_sample_rate(RATE)
    encoder.set_out_sample_rate(int(rng.choice(rates)))
    encoder.set_channels(1)
    encoder.set_quality(5)
    encoder.silence()
    encoded = encoder.encode(pcm(y)) + encoder.flush()
    decoded = miniaudio.decode(bytes(encoded), nchannels=1, sample_rate=RATE)
    return np.array(decoded.samples, dtype=np.float32) / 32768


def codec(y, rng):
    """Through Opus, GSM, AMR or AAC, by ffmpeg."""
    name = rng.choice(["opus", "gsm", "amr", "aac"])
    options = {
        "opus": ["-c:a", "libopus", "-b:a", f"{rng.choice([8, 12, 16, 24, 32])}k", "-f", "ogg"],
        "gsm": ["-ar", "8000", "-c:a", "libgsm", "-f", "gsm"],
        "amr": ["-ar", "8000", "-c:a", "libopencore_amrnb", "-b:a", "12.2k", "-f", "amr"],
        "aac": ["-c:a", "aac", "-b:a", f"{rng.choice([24, 32, 48])}k", "-f", "adts"],
    }[name]
    raw = ["-f", "s16le", "-ar", str(RATE), "-ac", "1"]

    def ffmpeg(arguments, data):
        command = ["ffmpeg", "-v", "error", *arguments, "-"]
        return subprocess.run(command, input=data, capture_output=True, check=False).stdout

    encoded = ffmpeg([*raw, "-i", "-", *options], pcm(y))
    decoded = from_pcm(ffmpeg(["-i", "-", "-ar", str(RATE), "-ac", "1", "-f", "s16le"], encoded))
    return decoded if len(decoded) > RATE else y


def tilt(y, rng, most):
    """A slope of up to `most` / 3 dB per octave either way; half of the time a smooth random equaliser too."""
    frequency = np.fft.rfftfreq(len(y), 1 / RATE)
    gain = rng.uniform(-most, most) / 3 * np.log2(np.maximum(frequency, 60) / 1000)
    if rng.random() < 0.5:
        places = np.linspace(np.log(50), np.log(8000), 6)
        gain = gain + np.interp(np.log(np.maximum(frequency, 50)), places, rng.normal(0, most / 3, 6))
    return np.fft.irfft(np.fft.rfft(y) * 10 ** (gain / 20), len(y)).astype(np.float32)


def lowpass(y, cutoff):
    """A linear-phase filter of 129 taps."""
    return signal.lfilter(signal.firwin(129, cutoff / (RATE / 2)), 1, y).astype(np.float32)


def noise(y, snr, rng, kinds=("white", "pink", "brown", "shaped")):
    """Adds noise at `snr` dB below the speech; `shaped` has the clip's own long-term spectrum, half of the time
    with a slow swell."""
    kind, n = rng.choice(kinds), len(y)
    w = rng.standard_normal(n)
    if kind != "white":
        spectrum, frequency = np.fft.rfft(w), np.fft.rfftfreq(n, 1 / RATE)
        if kind == "pink":
            spectrum /= np.sqrt(np.maximum(frequency, 20))
        elif kind == "brown":
            spectrum /= np.maximum(frequency, 20)
        else:
            spectrum *= signal.fftconvolve(np.abs(np.fft.rfft(y)), np.ones(401) / 401, "same")
        w = np.fft.irfft(spectrum, n)
    if kind == "shaped" and rng.random() < 0.5:
        w = w * (1 + 0.8 * np.sin(2 * np.pi * np.cumsum(rng.uniform(2, 6) * np.ones(n)) / RATE))
    w *= np.sqrt((y**2).mean() / (w**2).mean()) * 10 ** (-snr / 20)
    return (y + w).astype(np.float32)


def reverb(y, rng, shortest=0.1, longest=0.5, ratio=(3, 15)):
    """A room: decaying noise (60 dB in `shortest` to `longest` s) with four early reflections, `ratio` dB below
    the direct sound in energy. The peak stays."""
    n = int(rng.uniform(shortest, longest) * RATE)
    h = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    h[: int(rng.uniform(0.002, 0.02) * RATE)] = 0
    for _ in range(4):
        h[int(rng.uniform(0.001, 0.03) * RATE) % n] += rng.uniform(-1, 1) * 3
    h *= 10 ** (-rng.uniform(*ratio) / 20) / np.sqrt((h**2).sum() + 1e-9)
    h[0] = 1
    z = signal.fftconvolve(y, h)[: len(y)]
    return (z / np.abs(z).max() * np.abs(y).max()).astype(np.float32)


def telephone(y):
    """300 to 3,400 Hz in 8 bits of mu-law."""
    band = signal.butter(4, [300 / (RATE / 2), 3400 / (RATE / 2)], "band", output="sos")
    y = signal.sosfilt(band, y).astype(np.float32)
    y = y / np.abs(y).max() * 0.8
    q = np.round(np.sign(y) * np.log1p(255 * np.abs(y)) / np.log(256) * 128) / 128
    return (np.sign(q) * (256 ** np.abs(q) - 1) / 255).astype(np.float32)


def study(y, rng):
    """The preset of the tests, milder than `wide`; always ends in MP3 of 16 to 64 kbit/s."""
    y = tilt(y, rng, 4)
    if rng.random() < 0.24:
        y = lowpass(y, rng.uniform(3400, 7200))
    if rng.random() < 0.3:
        y = reverb(y, rng, 0.1, 0.3, (6, 15))
    if rng.random() < 0.6:
        y = noise(y, rng.uniform(15, 45), rng, ("white", "pink", "brown"))
    y = y / np.abs(y).max() * rng.uniform(0.1, 0.9)
    return mp3(y, rng, 16, 64)


def wide(y, rng):
    """The preset of training: cuts 2.5 to 6 s out of what is longer than 3.2 s, and goes further than `study`."""
    n = len(y)
    if n > 3.2 * RATE:
        m = int(rng.uniform(2.5, min(6, n / RATE)) * RATE)
        start = rng.integers(0, n - m + 1)
        y = y[start : start + m]
    if rng.random() < 0.8:
        y = tilt(y, rng, 5)
    u = rng.random()
    if u < 0.15:
        y = telephone(y)
    elif u < 0.45:
        y = lowpass(y, rng.uniform(3400, 7600))
    if rng.random() < 0.3:
        y = reverb(y, rng)
    if rng.random() < 0.6:
        y = noise(y, rng.uniform(10, 45), rng)
    y = y / np.abs(y).max() * rng.uniform(0.1, 0.95)
    if rng.random() < 0.05:
        y = np.clip(y * rng.uniform(1, 2) / np.abs(y).max(), -1, 1) * 0.9
    u = rng.random()
    if u < 0.7:
        y = mp3(y, rng, 16, 128, (16_000, 16_000, 22_050, 24_000))
    elif u < 0.9:
        y = codec(y, rng)
    return y.astype(np.float32)
