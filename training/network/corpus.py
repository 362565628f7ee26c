"""Caches of spectrograms as one corpus: who speaks, from which source, and which clips a fold trains on and tests."""

import csv
import json
from collections import Counter

import numpy as np

from spectrograms import clip_name

FRAMES = 60  # a clip with fewer in any variant is left out
# Corpora that are made of the same recordings of the same readers.
SAME_READERS = {"librispeech": "libri", "libritts": "libri", "mls": "libri"}


def column(path, name):
    """The values of a CSV's column."""
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if rows and name not in rows[0]:
        raise SystemExit(f"{path}: expected a column {name}, found {', '.join(rows[0])}")
    return {row[name] for row in rows}


class Corpus:
    """Clips of all caches, in order; arrays have the shape [clips].

    `ai`, `file`, `family` (engine family), `source` (the corpus, or the repository where the corpus is unknown or its
    own), `speaker`, `group` (the manifest's `split_group`), `usable`.
    """

    def __init__(self, caches, drop=(), hold_out=(), study=False):
        archives = [np.load(path) for path in caches]
        rows = [json.loads(str(archive["manifest"])) for archive in archives]
        self.archive = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        self.index = np.concatenate([np.arange(len(r)) for r in rows])
        copies = [sum(n.startswith("wide") and not n.endswith("_offsets") for n in a.files) for a in archives]
        self.copies = max(copies)
        if min(copies) == 0 and self.copies > 0:
            raise SystemExit("either all caches have copies through the channel, or none")
        names = {"recorded": ["recorded"] * len(rows)}
        for k in range(self.copies):
            # A cache with fewer copies gives its last one again.
            names[f"wide{k}"] = [f"wide{min(k, c - 1)}" for c in copies]
        if study:
            missing = [path for path, a in zip(caches, archives) if "study" not in a.files]
            if missing:
                raise SystemExit(f"{missing[0]}: made without --study, which folds are tested through")
            names["study"] = ["study"] * len(rows)
        self.data, self.offsets = {}, {}
        held = {}
        for variant, of in names.items():
            for k, (archive, name) in enumerate(zip(archives, of)):
                if (k, name) not in held:
                    held[k, name] = archive[name], archive[f"{name}_offsets"]
                self.data[variant, k], self.offsets[variant, k] = held[k, name]

        rows = [row for some in rows for row in some]
        text = lambda name: np.array([row.get(name) or "" for row in rows])  # noqa: E731
        label = text("label")
        unknown = set(label) - {"ai", "spoof", "human", "bonafide"}
        if unknown:
            raise SystemExit(f"label {unknown.pop()!r}: expected ai, spoof, human or bonafide")
        self.ai = np.isin(label, ["ai", "spoof"])
        self.file = np.array([clip_name(row) for row in rows])
        self.family, corpus, repo = text("family"), text("corpus"), text("repo")
        self.source = np.where(np.isin(corpus, ["unknown", "own"]) & (repo != ""), repo, corpus)
        speakers, groups = text("speaker"), text("split_group")
        self.speaker = np.array(
            [
                f"{SAME_READERS.get(c, s)}|{name}" if name else f"none{i}"
                for i, (c, s, name) in enumerate(zip(corpus, self.source, speakers))
            ]
        )
        self.group = np.array([g or f"none{i}" for i, g in enumerate(groups)])
        dropped = set().union(*(column(path, "file") for path in drop))
        held_out = set().union(*(column(path, "speaker") for path in hold_out))
        self.usable = ~np.isin(speakers, list(held_out)) & ~np.isin(self.file, list(dropped))
        for variant in names:
            lengths = np.concatenate([np.diff(self.offsets[variant, k]) for k in range(len(archives))])
            self.usable &= lengths > FRAMES

    def frames(self, variant, clip):
        """[frames][128] of a clip, float16."""
        key, i = (variant, self.archive[clip]), self.index[clip]
        start, end = self.offsets[key][i : i + 2]
        return self.data[key][start:end]


def balanced(names, count):
    """`count` sets of names with about as many clips each: the largest first, each to the smallest set."""
    size, sets = [0] * count, [set() for _ in range(count)]
    for name, clips in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])):
        smallest = size.index(min(size))
        sets[smallest].add(name)
        size[smallest] += clips
    return sets


def folds(corpus, count):
    """(test, train) masks of each fold.

    Fold k tests set k of the engine families against set k of the human sources. It trains on neither, nor on a clip
    of either class by a human speaker that it tests, nor on a human clip by a speaker of any clip that it tests. The
    same goes for a shared `split_group`.
    """
    c = corpus
    families, sources = balanced(c.family[c.ai & c.usable], count), balanced(c.source[~c.ai & c.usable], count)
    for family, source in zip(families, sources):
        chosen = np.where(c.ai, np.isin(c.family, list(family)), np.isin(c.source, list(source)))
        test = c.usable & chosen
        train = c.usable & ~test
        for who in (c.speaker, c.group):
            train &= ~np.isin(who, who[test & ~c.ai]) & (c.ai | ~np.isin(who, who[test]))
        yield test, train


def eer(human, ai):
    """Equal error rate of two sets of scores, larger for AI."""
    labels = np.r_[np.zeros(len(human)), np.ones(len(ai))][np.argsort(-np.r_[human, ai], kind="stable")]
    false_alarms, misses = np.cumsum(1 - labels) / len(human), 1 - np.cumsum(labels) / len(ai)
    i = np.argmin(abs(false_alarms - misses))
    return (false_alarms[i] + misses[i]) / 2
