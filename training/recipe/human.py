"""Human speech: unpack a package, group its recordings by speaker, cut and join them to clips."""

import itertools
import re
import tempfile
from pathlib import Path

from . import audio
from .archives import READERS
from .manifest import seeded

CAP = 60


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def recordings(source, folder):
    """{(speaker, language): [(name, opener)]} of a source, in a stable order."""
    if "archive" in source:
        found = READERS[source["archive"]](folder)
    else:
        found = (
            (f"/{path.relative_to(folder)}", lambda path=path: path)
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        )
    speakers = {}
    for name, opener in found:
        match = re.search(source["files"], name)
        if not match:
            continue
        fields = {key: value for key, value in match.groupdict().items() if value}
        language = fields.get("language", source.get("language"))
        speaker = fields.get("speaker", source.get("speaker", language))
        speakers.setdefault((speaker, language), []).append((name, opener))
    return {key: sorted(speakers[key], key=lambda entry: entry[0]) for key in sorted(speakers)}


def decoded(source, entries, unreadable):
    """Samples at one rate: that of the source, or of a speaker's first recording, for recordings
    of another rate would play at the wrong speed once joined."""
    rate = source.get("rate")
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, len(entries), audio.BATCH):
            batch = entries[start : start + audio.BATCH]
            paths = [as_file(opener(), folder, place) for place, (_, opener) in enumerate(batch)]
            answers = audio.decode_many(paths, source.get("decode", ()), source.get("rate"))
            for (name, _), answer in zip(batch, answers):
                if isinstance(answer, ValueError):
                    unreadable.append(f"{name}: {answer}")
                    continue
                rate = rate or answer[1]
                if answer[1] == rate:
                    yield answer


def as_file(opened, folder, place):
    """A path for a recording that a game's archive gives as bytes."""
    if isinstance(opened, bytes):
        path = Path(folder) / str(place)
        path.write_bytes(opened)
        return path
    return opened


def clips(pieces, rng):
    """(clip, rate) from decoded recordings; the rate is known with the first of them."""
    first = next(pieces, None)
    if first is not None:
        samples = itertools.chain([first[0]], (its for its, _ in pieces))
        for clip in audio.shape(samples, first[1], rng):
            if not audio.is_silent(clip):
                yield clip, first[1]


def language_code(language):
    return language.replace("_", "-")


def make(source, folder, out, limit, progress):
    """Make a source's clips; returns its manifest rows and the recordings that could not be read."""
    rows, unreadable = [], []
    cap = source.get("cap", CAP)
    cap = cap if limit is None else min(cap, limit)
    with audio.Encoder() as encoder:
        for (speaker, language), entries in recordings(source, folder).items():
            rng = seeded(source["name"], speaker, language)
            rng.shuffle(entries)
            made = clips(decoded(source, entries, unreadable), rng)
            for number, (clip, rate) in enumerate(itertools.islice(made, cap)):
                who = slug(speaker) if speaker != language else language_code(language)
                path = f"clips/{source['name']}/{who}-{number:03d}.mp3"
                if not (out / path).exists():
                    encoder.add(clip, rate, out / path, seeded(path))
                rows.append(row(source, speaker, language, path))
                progress(len(rows))
    return rows, unreadable


def row(source, speaker, language, path):
    group = source["name"] if source.get("cast") else f"{source['name']}/{speaker}"
    return {
        "path": path,
        "label": "human",
        "engine": "human",
        "family": "human",
        "kind": "human",
        "corpus": source["name"],
        "speaker": f"{source['name']}/{speaker}",
        "language": language_code(language),
        "licence": source["licence"],
        "split_group": source.get("groups", {}).get(speaker, group),
    }
