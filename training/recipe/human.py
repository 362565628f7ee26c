"""Human speech: unpack a package, group its recordings by speaker, cut and join them to clips."""

import re

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
    for name, opener in entries:
        try:
            yield audio.decode(opener(), source.get("decode", ()), source.get("rate"))
        except (ValueError, OSError) as error:
            unreadable.append(f"{name}: {error}")


def rate_of(source, entries):
    """The rate at which a speaker's recordings are joined: given, or that of the first."""
    return source.get("rate") or audio.decode(entries[0][1](), source.get("decode", ()))[1]


def language_code(language):
    return language.replace("_", "-")


def make(source, folder, out, limit, progress):
    """Make a source's clips; returns its manifest rows and the recordings that could not be read."""
    rows, unreadable = [], []
    for (speaker, language), entries in recordings(source, folder).items():
        rng = seeded(source["name"], speaker, language)
        rng.shuffle(entries)
        rate = rate_of(source, entries)
        cap = source.get("cap", CAP)
        cap = cap if limit is None else min(cap, limit)
        pieces = (
            samples
            for samples, its in decoded(source, entries, unreadable)
            # Recordings of another rate would play at the wrong speed once joined.
            if its == rate
        )
        for number, clip in enumerate(audio.shape(pieces, rate, rng)):
            if number >= cap:
                break
            if audio.is_silent(clip):
                continue
            who = slug(speaker) if speaker != language else language_code(language)
            path = f"clips/{source['name']}/{who}-{number:03d}.mp3"
            if not (out / path).exists():
                audio.encode(clip, rate, out / path, seeded(path))
            group = source["name"] if source.get("cast") else f"{source['name']}/{speaker}"
            rows.append(
                {
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
            )
            progress(len(rows))
    return rows, unreadable
