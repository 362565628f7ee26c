"""Rebuilds the corpus's clips from training/public_sources.csv. Needs Python 3.9 and ffmpeg, nothing else.

    python3 training/fetch_sources.py --out DIR                  # downloads from GitHub
    python3 training/fetch_sources.py --out DIR --mirror CLONES  # or reads local clones
    voxproof train --manifest training/public_sources.csv --clips DIR

Each row names a repository, a commit and a path. The file is read from
raw.githubusercontent.com/REPO/COMMIT/PATH, or with --mirror from the clone CLONES/OWNER/NAME (a work
tree, a bare repository or `OWNER/NAME.git`) at that commit, or, where that folder is no repository,
as the plain file CLONES/OWNER/NAME/PATH. ffmpeg cuts it (`offset_seconds`, `duration_seconds`) and
makes it a mono MP3 as the corpus's README says: 16, 22.05 or 24 kHz at 40, 48 or 56 kbit/s, from the
next lower of these rates that the source has.

What is there already is kept, so an interrupted run goes on where it stopped. What could not be
fetched is listed at the end and in DIR/failures.csv; the exit status is then 1.
"""
import argparse
import csv
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

RAW = "https://raw.githubusercontent.com"
BITRATES = {24_000: "56k", 22_050: "48k", 16_000: "40k"}
LFS = b"version https://git-lfs.github.com/spec/"


class Failure(Exception):
    """A clip that could not be fetched or converted, with the reason."""


def from_network(repo, commit, path, tries=4):
    """Bytes of a file at a commit, from GitHub."""
    url = f"{RAW}/{repo}/{commit}/{urllib.parse.quote(path)}"
    for attempt in range(tries):
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "voxproof-fetch-sources"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in (429, 500, 502, 503, 504) or attempt == tries - 1:
                raise Failure(f"HTTP {error.code}") from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if attempt == tries - 1:
                raise Failure(f"network: {error}") from error
        time.sleep(2**attempt)


def from_mirror(mirror, repo, commit, path):
    """Bytes of a file at a commit, from a local clone, or of a plain file in a folder."""
    for folder in (mirror / repo, mirror / f"{repo}.git"):
        if (folder / ".git").exists() or (folder / "HEAD").is_file():
            show = subprocess.run(["git", "-C", str(folder), "show", f"{commit}:{path}"], capture_output=True)
            if show.returncode:
                raise Failure(f"git: {show.stderr.decode(errors='replace').strip()}")
            return show.stdout
        plain = folder / path
        if folder.is_dir():
            if not plain.resolve().is_relative_to(folder.resolve()) or not plain.is_file():
                raise Failure(f"{plain} is no file")
            return plain.read_bytes()
    raise Failure(f"no clone at {mirror / repo}")


def source_rate(source):
    """Sample rate of a file in Hz, by ffmpeg's own account of it."""
    probe = subprocess.run(["ffmpeg", "-hide_banner", "-i", str(source)], capture_output=True, stdin=subprocess.DEVNULL)
    found = re.search(r"Audio:.*?(\d+) Hz", probe.stderr.decode(errors="replace"))
    if not found:
        raise Failure("ffmpeg finds no audio in it")
    return int(found.group(1))


def convert(source, target, offset, duration):
    """Cuts and re-encodes; `target` appears only when it is complete."""
    rate = max((rate for rate in BITRATES if rate <= source_rate(source)), default=16_000)
    part = target.with_suffix(".part")
    command = ["ffmpeg", "-v", "error", "-y", "-ss", str(offset), "-i", str(source), "-t", str(duration), "-vn", "-map_metadata", "-1",
               "-ac", "1", "-ar", str(rate), "-c:a", "libmp3lame", "-b:a", BITRATES[rate], "-f", "mp3", str(part)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode or not part.is_file() or part.stat().st_size < 1000:
        part.unlink(missing_ok=True)
        raise Failure(f"ffmpeg: {done.stderr.decode(errors='replace').strip()[:200] or 'no audio came out'}")
    part.replace(target)


class Sources:
    """Source files in a temporary folder, each fetched once though many clips are cut from it."""

    def __init__(self, folder, mirror):
        self.folder, self.mirror = folder, mirror
        self.lock, self.known = threading.Lock(), {}

    def get(self, row):
        key = (row["repo"], row["commit"], row["path"])
        with self.lock:
            number, lock = self.known.setdefault(key, (len(self.known), threading.Lock()))
        source = self.folder / f"{number}{Path(row['path']).suffix}"
        with lock:
            if not source.exists():
                data = from_mirror(self.mirror, *key) if self.mirror else from_network(*key)
                if data.startswith(LFS):
                    raise Failure("a Git LFS pointer, not the file itself")
                source.write_bytes(data)
        return source


def fetch(row, out, sources):
    """One clip -> whether there was anything to do."""
    target = (out / row["file"]).resolve()
    if not target.is_relative_to(out.resolve()):
        raise Failure("the file's name leads out of the folder")
    if target.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    convert(sources.get(row), target, row.get("offset_seconds") or 0, row["duration_seconds"])
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips")
    parser.add_argument("--sources", type=Path, default=Path(__file__).with_name("public_sources.csv"), help="the list")
    parser.add_argument("--mirror", type=Path, help="folder of local clones, OWNER/NAME each, instead of the network")
    parser.add_argument("--jobs", type=int, default=8, help="downloads at a time (default: 8)")
    args = parser.parse_args()
    with open(args.sources, newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    args.out.mkdir(parents=True, exist_ok=True)
    failures, new, kept = [], 0, 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        sources = Sources(Path(folder), args.mirror)
        running = {pool.submit(fetch, row, args.out, sources): row for row in rows}
        for done, job in enumerate(as_completed(running), 1):
            try:
                made = job.result()
                new, kept = new + made, kept + (not made)
            except (Failure, OSError) as reason:
                failures.append((running[job], str(reason)))
            if sys.stderr.isatty() or done % 100 == 0 or done == len(rows):
                end = "\r" if sys.stderr.isatty() and done < len(rows) else "\n"
                print(f"{done}/{len(rows)}: {new} new, {kept} kept, {len(failures)} failed", end=end, file=sys.stderr, flush=True)
    report = args.out / "failures.csv"
    report.unlink(missing_ok=True)
    if failures:
        failures.sort(key=lambda failure: failure[0]["file"])
        with open(report, "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["file", "repo", "commit", "path", "reason"])
            for row, reason in failures:
                writer.writerow([row["file"], row["repo"], row["commit"], row["path"], reason])
                print(f"failed: {row['file']}: {reason} ({row['repo']}, {row['path']})", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
