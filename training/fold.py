#!/usr/bin/env python3
"""Manifests of one fold: what models of it learn from, and what they are tested on.

    python3 training/fold.py target/default/corpus.json --fold 0 --manifest training/public_sources.csv --manifest packages/manifest.csv --out target/fold

writes train-0.csv, test-0.csv, train-1.csv, test-1.csv (one of each for a manifest, in their order) and train.json, the fold's
training clips for `training/network/train.py fit`. The first file is what `voxproof corpus export --protocol grouped` wrote.
"""

import argparse
import csv
import json
import sys
from pathlib import Path


def rows_of(path, names):
    """The header and the rows whose file is one of `names`, which may stand below the manifest's folder of clips."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    column = header.index("file" if "file" in header else "path")
    return header, [row for row in rows if row[column] in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="JSON of voxproof corpus export, with --protocol")
    parser.add_argument("--fold", type=int, default=0, help="which fold, from 0 [default: 0]")
    parser.add_argument("--manifest", type=Path, action="append", required=True, help="as for the export; may be given more than once")
    parser.add_argument("--out", type=Path, required=True, help="folder, made if it is missing")
    args = parser.parse_args()
    document = json.loads(args.corpus.read_text(encoding="utf-8"))
    folds = document["folds"]
    if not 0 <= args.fold < len(folds):
        sys.exit(f"{args.corpus} has folds 0 to {len(folds) - 1}, not {args.fold}")
    args.out.mkdir(parents=True, exist_ok=True)
    for side in ("train", "test"):
        clips = [document["clips"][i] for i in folds[args.fold][side]]
        names = {clip["file"] for clip in clips}
        found = 0
        for number, manifest in enumerate(args.manifest):
            header, rows = rows_of(manifest, names)
            found += len(rows)
            with open(args.out / f"{side}-{number}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([header, *rows])
        if found != len(names):
            sys.exit(f"{found} of the fold's {len(names)} clips to {side} stand in the manifests: they are not those of the export")
        print(f"{side}: {found} clips")
        if side == "train":
            learned = {"clips": clips, "conditions": document["conditions"], "folds": []}
            (args.out / "train.json").write_text(json.dumps(learned), encoding="utf-8")


if __name__ == "__main__":
    main()
