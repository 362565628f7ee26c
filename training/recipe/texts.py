"""Sentences to speak: Debian's fortunes where there are any, else the lists in training/sentences."""

import html
import re
from pathlib import Path

from .manifest import write_atomic

SENTENCES = Path(__file__).parent.parent / "sentences"

FORTUNES = {
    "en": ["fortunes-min=1:1.99.1-7.3", "fortunes=1:1.99.1-7.3"],
    "cs": ["fortunes-cs=2.0.9-1.1"],
    "de": ["fortunes-de=0.35-1"],
    "es": ["fortunes-es=1.36"],
    "it": ["fortunes-it=1.99-4.1"],
    "pl": ["fortunes-pl=0.0.20130525-3"],
    "ru": ["fortunes-ru=1.52-3.1"],
    "pt": ["fortunes-br=20220821"],
}
LETTERS = {"ru": r"[а-яё]"}


def clean(text):
    """A fortune as sentences that can be read aloud, without signatures and ASCII art."""
    text = html.unescape(re.sub(r"^\s*--.*", "", text, flags=re.S | re.M))
    text = re.sub(r"[\"“”«»()\[\]<>{}*_`|\\/~^=+#@&]", " ", text)
    return " ".join(text.split())


def sentences(text):
    return [part.strip() for part in re.split(r"(?<=[.!?।。])\s*", text) if part.strip()]


def usable(sentence, language):
    letter = LETTERS.get(language, r"[a-zà-žА-я]")
    letters = len(re.findall(letter, sentence.lower()))
    return 20 <= len(sentence) <= 110 and letters > 0.7 * len(sentence) and "ftp" not in sentence


def from_fortunes(debian, language):
    found = set()
    for pin in FORTUNES[language]:
        folder = debian.data(pin) / "usr/share/games/fortunes"
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.is_symlink() or path.suffix in (".dat", ".u8"):
                continue
            for fortune in path.read_text(encoding="utf-8", errors="ignore").split("\n%"):
                found.update(s for s in sentences(clean(fortune)) if usable(s, language))
    return sorted(found)


def packages(language):
    return () if own_list(language).exists() else FORTUNES[language]


def own_list(language):
    return SENTENCES / f"{language}.txt"


def pool(debian, language):
    own = own_list(language)
    kept = debian.work / "texts" / f"{language}.txt"
    if not own.exists() and not kept.exists():
        # Reading all fortunes takes seconds; every voice of the language asks again.
        write_atomic(kept, "\n".join(from_fortunes(debian, language)))
    return (own if own.exists() else kept).read_text(encoding="utf-8").splitlines()


def utterances(pool, language, rng):
    """What one clip says: mostly one sentence; sometimes a few phrases, which are spoken apart and
    then joined as short human recordings are, so that a join tells nothing about the class."""
    sentence = rng.choice(pool)
    if rng.random() < 0.75:
        return [sentence]
    pieces = []
    while len(pieces) < rng.choice((2, 3, 4)):
        phrase = rng.choice(pool)
        if language == "ja":
            phrase = re.split("[、。]", phrase)[0]
        else:
            words = phrase.split()
            start = rng.randrange(max(1, len(words) - 3))
            phrase = " ".join(words[start : start + rng.choice((1, 2, 3))])
        pieces.append(phrase.strip(".,;:!?।- "))
    return [piece for piece in pieces if piece] or [sentence]
