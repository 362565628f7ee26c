"""One class for each way of calling a synthesizer: `speak(voice, text, wav, rng)`.

`rng` draws the engine's parameters, so that no two clips need have the same rate or pitch.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .fetch import Missing, environment, relocate

# A text that takes longer has hung its engine (an unfinished quotation in Festival does).
SECONDS = 60


class Refused(Exception):
    """The engine could not say this text."""


class Engine:
    def __init__(self, spec, debian, python):
        self.spec = spec
        self.root = debian.programs(spec["debian"]) if "debian" in spec else None
        self.environment = environment(self.root) if self.root else dict(os.environ)
        # For relocated programs, one for each engine: several run at once, and a program that runs cannot be written.
        self.folder = debian.work / "relocated" / spec["name"]
        self.prepare(debian.work, python)

    def prepare(self, work, python):
        pass

    def close(self):
        pass

    def call(self, command, stdin=None, **kwargs):
        try:
            done = subprocess.run(
                [str(part) for part in command],
                input=stdin, env=self.environment, capture_output=True, timeout=SECONDS, **kwargs,
            )  # fmt: skip
        except (subprocess.TimeoutExpired, OSError) as error:
            raise Refused(str(error)) from error
        if done.returncode:
            raise Refused(done.stderr.decode(errors="replace").strip()[-200:])


class Espeak(Engine):
    VARIANTS = ("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5", "croak")

    def speak(self, voice, text, wav, rng):
        name = "+".join(filter(None, [voice["id"], rng.choice(self.VARIANTS)]))
        rate, pitch = rng.randint(130, 200), rng.randint(25, 75)
        self.call(["espeak-ng", "-v", name, "-s", rate, "-p", pitch, "-w", wav, "--", text])


class Mbrola(Engine):
    def prepare(self, work, python):
        # eSpeak NG looks for `mbrola/NAME` beside its own data before it looks in /usr/share.
        shown = Path(self.environment["ESPEAK_DATA_PATH"]) / "espeak-ng-data" / "mbrola"
        shown.mkdir(exist_ok=True)
        for voice in (self.root / "usr/share/mbrola").iterdir():
            shutil.copy(voice / voice.name, shown / voice.name)

    def speak(self, voice, text, wav, rng):
        rate, pitch = rng.randint(120, 175), rng.randint(35, 65)
        name = f"mb-{voice['id']}"
        self.call(["espeak-ng", "-v", name, "-s", rate, "-p", pitch, "-w", wav, "--", text])


class Flite(Engine):
    def speak(self, voice, text, wav, rng):
        stretch = f"duration_stretch={rng.uniform(0.85, 1.25):.2f}"
        self.call(["flite", "-voice", voice["id"], "--setf", stretch, "-t", text, "-o", wav])


class Festival(Engine):
    def prepare(self, work, python):
        # Debian's build takes no heed of --libdir.
        program = self.root / "usr/bin/festival"
        relocate(program, self.folder / "festival", b"/usr/share/festival", b"data")
        link(self.folder / "data", self.root / "usr/share/festival")

    def speak(self, voice, text, wav, rng):
        quoted = text.replace("\\", " ").replace('"', " ")
        lines = [
            voice.get("setting", ""),
            f"(voice_{voice['id']})",
            f"(Parameter.set 'Duration_Stretch {rng.uniform(0.9, 1.2):.2f})",
            f'(set! spoken (utt.synth (Utterance Text "{quoted}")))',
            f"(utt.save.wave spoken \"{wav}\" 'riff)",
        ]
        with tempfile.NamedTemporaryFile(suffix=".scm") as file:
            file.write("\n".join(lines).encode(voice.get("encoding", "utf-8"), "ignore"))
            file.flush()
            self.call(["./festival", "-b", file.name], cwd=self.folder)


class RHVoice(Engine):
    def prepare(self, work, python):
        # The path of the voices is compiled into the library.
        for library in (self.root / "usr/lib/x86_64-linux-gnu").glob("libRHVoice_core.so.*"):
            if not library.is_symlink():
                target = self.folder / library.name
                relocate(library, target, b"/usr/share/RHVoice", b"data")
                link(self.folder / "data", self.root / "usr/share/RHVoice")
                for soname in library.parent.glob("libRHVoice_core.so.*"):
                    if soname.is_symlink():
                        link(self.folder / soname.name, target)
        paths = self.environment["LD_LIBRARY_PATH"]
        self.environment["LD_LIBRARY_PATH"] = f"{self.folder}:{paths}"

    def speak(self, voice, text, wav, rng):
        rate, pitch = rng.randint(80, 120), rng.randint(85, 115)
        command = ["RHVoice-test", "-p", voice["id"], "-r", rate, "-t", pitch, "-o", wav]
        self.call(command, text.encode(), cwd=self.folder)


class Pico(Engine):
    def prepare(self, work, python):
        program = self.root / "usr/bin/pico2wave"
        relocate(program, self.folder / "pico2wave", b"/usr/share/pico/lang/", b"data/")
        link(self.folder / "data", self.root / "usr/share/pico/lang")

    def speak(self, voice, text, wav, rng):
        text = f'<speed level="{rng.randint(80, 120)}"><pitch level="{rng.randint(85, 115)}">{text}</pitch></speed>'
        command = ["./pico2wave", "-l", voice["id"], "-w", wav, "--", text]
        self.call(command, cwd=self.folder)


class OpenJTalk(Engine):
    def speak(self, voice, text, wav, rng):
        share = self.root / "usr/share/hts-voice" / voice["id"]
        dictionary = self.root / "var/lib/mecab/dic/open-jtalk/naist-jdic"
        command = ["open_jtalk", "-x", dictionary, "-m", share / f"{voice['id'].replace('-', '_')}.htsvoice"]
        command += ["-r", f"{rng.uniform(0.85, 1.2):.2f}", "-fm", f"{rng.uniform(-3, 3):.1f}", "-ow", wav]
        self.call(command, text.encode())


class Worker(Engine):
    """A process in a virtual environment that keeps its model loaded."""

    def prepare(self, work, python):
        name = self.spec["name"]
        program = python.venv(self.spec.get("venv", name), self.spec["pypi"])
        self.environment["KOKORO_JA_CACHE"] = str(work / "kokoro")
        self.environment["OMP_NUM_THREADS"] = "1"
        script = Path(__file__).with_name(self.spec.get("script", "worker.py"))
        self.process = subprocess.Popen(
            [str(program), str(script), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=self.environment,
        )  # fmt: skip

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Missing(f"the worker of {self.spec['name']} ended")
        answer = json.loads(answer)
        if not answer["ok"]:
            raise Refused(answer["error"])

    def speak(self, voice, text, wav, rng):
        job = {"text": text, "wav": str(wav), "language": voice["language"]}
        job |= PARAMETERS[self.spec["name"]](rng)
        self.ask(job)


def piper_parameters(rng):
    return {
        "length": rng.uniform(0.85, 1.25),
        "noise": rng.uniform(0.4, 0.9),
        "noise_w": rng.uniform(0.5, 1.0),
    }


def kokoro_parameters(rng):
    names = ["jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"]
    chosen = rng.sample(names, rng.choice((1, 2, 2, 3)))
    weights = [rng.uniform(0.2, 1) for _ in chosen]
    styles = {name: weight / sum(weights) for name, weight in zip(chosen, weights)}
    return {"styles": styles, "speed": rng.uniform(0.85, 1.15)}


def hibari_parameters(rng):
    return {"speed": rng.uniform(0.85, 1.2), "seed": rng.randrange(1 << 30)}


def pyopenjtalk_parameters(rng):
    return {"speed": rng.uniform(0.85, 1.2), "half_tone": rng.uniform(-3, 3)}


PARAMETERS = {
    "piper": piper_parameters,
    "kokoro": kokoro_parameters,
    "hibari": hibari_parameters,
    "pyopenjtalk": pyopenjtalk_parameters,
}

DRIVERS = {
    "espeak": Espeak,
    "mbrola": Mbrola,
    "flite": Flite,
    "festival": Festival,
    "rhvoice": RHVoice,
    "pico": Pico,
    "openjtalk": OpenJTalk,
    "worker": Worker,
}


def link(path, target):
    path.unlink(missing_ok=True)
    path.symlink_to(target)
