"""Writes training/public_sources.csv from the manifest of a corpus: where on GitHub each clip stands.

    python3 training/make_public_sources.py ../shared/speech/manifest.csv > training/public_sources.csv

`offset_seconds` is where in the published file a clip begins. The corpus's makers noted it in the
column `note` as `cut@1.25s` or `off=1.3s`; clips without a note begin at the beginning.
"""
import csv
import re
import sys

COLUMNS = ["repo", "commit", "path", "file", "label", "engine", "family", "kind", "corpus", "speaker", "language", "licence",
           "duration_seconds", "offset_seconds"]


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    out = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
    out.writeheader()
    for row in rows:
        offset = re.search(r"(?:cut@|off=)([0-9.]+)s", row["note"])
        out.writerow({**row, "offset_seconds": offset.group(1) if offset else "0"})


if __name__ == "__main__":
    main()
