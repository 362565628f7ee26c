"""Rows of the manifest: one file a source while the work goes on, one table at the end."""

import csv
import hashlib
import io
import json
import os
import random

COLUMNS = (
    "path", "label", "engine", "family", "kind", "corpus",
    "speaker", "language", "licence", "split_group",
)  # fmt: skip


def seeded(*key):
    """A generator that depends on the key alone: not on order, process or Python's hash seed."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def write_atomic(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def rows_path(out, source):
    return out / "rows" / f"{source}.json"


def save_rows(out, source, limit, rows, seconds, failures):
    record = {"limit": limit, "seconds": seconds, "failures": failures, "rows": rows}
    write_atomic(rows_path(out, source), json.dumps(record, ensure_ascii=False, indent=0))


def load_rows(out, source):
    path = rows_path(out, source)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def is_complete(out, source, limit):
    """Whether an earlier run made as much of this source or more, and its clips still exist."""
    record = load_rows(out, source)
    if record is None:
        return False
    made = record["limit"]
    if made is not None and (limit is None or made < limit):
        return False
    return all((out / row["path"]).exists() for row in record["rows"])


def write_manifest(out):
    """Gather every source's rows that were ever made in this folder, in a stable order."""
    rows = []
    for path in sorted((out / "rows").glob("*.json")):
        rows += json.loads(path.read_text(encoding="utf-8"))["rows"]
    rows = [row for row in rows if (out / row["path"]).exists()]
    rows.sort(key=lambda row: row["path"])
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomic(out / "manifest.csv", text.getvalue())
    return rows
