#!/usr/bin/env python3
"""Judges a corpus of bad files with the real binary, each in a process of its own, and checks what must hold: a verdict or a
problem with its code, no panic, at most 2 s of processor time, 100 MB resident, 4 GB of addresses; and
of files that are merely damaged, at least 95 % of the sound that ffmpeg recovers.

    check.py --bin target/quick/voxproof [--table docs/robustness.md] [--only TEXT] [--keep FOLDER]
"""
import argparse
import collections
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CPU_SECONDS, RESIDENT_MB, ADDRESSES = 2.0, 100, 4 << 30
WALL_SECONDS = 300
CODES = {"empty_audio", "not_audio", "undecodable", "too_long", "too_short", "no_speech"}
LEAST_SHARE = 0.95
MEMBERS = {"classification", "confidence", "ai_probability", "duration_seconds"}

Outcome = collections.namedtuple("Outcome", "group name size cpu resident status code seconds theirs faults")


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def run(binary, path):
    """Exit status, standard output and error, processor seconds, megabytes resident at most."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([binary, "detect", "--json", str(path)], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                 preexec_fn=limit)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return child.returncode, out.read().decode(), err.read().decode(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def by_ffmpeg(path):
    """Seconds of sound that ffmpeg recovers."""
    ran = subprocess.run(["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", "22050", "-f", "s16le", "-"],
                         stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=WALL_SECONDS)
    return len(ran.stdout) / 2 / 22050


def judge(binary, path, group, name, damaged):
    status, out, err, cpu, resident = run(binary, path)
    faults = []
    code, seconds, theirs = None, None, None
    try:
        answer = json.loads(out)
    except ValueError:
        answer = {}
        faults.append(f"no JSON: {out[:80]!r} {err[:200]!r}")
    if status == 0:
        p, named = answer.get("ai_probability"), answer.get("confidence")
        seconds = answer.get("duration_seconds")
        if not (MEMBERS <= answer.keys() and 0 <= p <= 1 and 0.5 <= named <= 1 and 0 < seconds <= 600.1):
            faults.append(f"no sane verdict: {out[:200]}")
    elif status == 1:
        code = answer.get("code")
        if code not in CODES or not answer.get("error"):
            faults.append(f"code {code}")
    else:
        faults.append(f"exit status {status}: {err[-200:]!r}")
    if "panicked" in err:
        faults.append("a panic: " + " ".join(err.split())[:200])
    if cpu > CPU_SECONDS:
        faults.append(f"{cpu:.1f} s of processor time")
    if resident > RESIDENT_MB:
        faults.append(f"{resident:.0f} MB resident")
    if damaged:
        theirs = by_ffmpeg(path)
        # Less than a second is too short to be judged, whoever decodes it.
        ours = seconds or 0
        if theirs >= 1.1 and ours < LEAST_SHARE * theirs and code != "too_short":
            faults.append(f"{ours:.2f} s, ffmpeg {theirs:.2f} s ({code})")
        elif code == "too_short" and theirs >= 1.1:
            said = float(re.search(r"([0-9.]+) s", answer["error"]).group(1))
            if said < LEAST_SHARE * theirs:
                faults.append(f"{said} s, ffmpeg {theirs:.2f} s ({code})")
    return Outcome(group, name, path.stat().st_size, cpu, resident, status, code, seconds, theirs, faults)


def table(outcomes):
    rows = ["| kind | files | judged | refused | compared with ffmpeg | processor time, most | resident, most |", "| --- | --- | --- | --- | --- | --- | --- |"]
    groups = collections.OrderedDict()
    for outcome in outcomes:
        groups.setdefault(outcome.group, []).append(outcome)
    groups["all"] = outcomes
    for group, members in groups.items():
        codes = collections.Counter(o.code for o in members if o.code)
        refused = ", ".join(f"{count} `{code}`" for code, count in sorted(codes.items()))
        compared = [o for o in members if o.theirs is not None and o.theirs >= 1.1]
        slowest, largest = max(members, key=lambda o: o.cpu), max(members, key=lambda o: o.resident)
        rows.append(f"| {group} | {len(members)} | {sum(o.status == 0 for o in members)} | {refused} | {len(compared)} "
                    f"| {slowest.cpu:.2f} s ({slowest.name}) | {largest.resident:.0f} MB ({largest.name}) |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep")
    parser.add_argument("--table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(args.keep or folder)
        folder.mkdir(exist_ok=True, parents=True)
        # In a process of its own: a child begins with its parent's memory, and is charged for it.
        subprocess.run([sys.executable, Path(__file__).with_name("media.py"), folder, args.only], check=True)
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(judge, args.bin, Path(path), group, name, damaged)
                    for group, name, path, damaged in json.loads((folder / "index.json").read_text())]
            outcomes = [job.result() for job in jobs]
    for outcome in outcomes:
        for fault in outcome.faults:
            print(f"FAILED {outcome.group}: {outcome.name} ({outcome.size} bytes): {fault}")
    print(table(outcomes))
    if args.table:
        text = Path(args.table).read_text()
        begin, end = "<!-- hostile media: made by make hostile -->\n", "\n<!-- end -->"
        before, rest = text.split(begin)
        Path(args.table).write_text(before + begin + table(outcomes) + end + rest.split(end, 1)[1])
    failed = sum(bool(o.faults) for o in outcomes)
    print(f"{len(outcomes)} files, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
