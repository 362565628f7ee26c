"""Fast tests of the package recipe's pure parts: python3 training/test_packages.py"""

import array
import csv
import math
import random
import re
import shutil
import tempfile
import tomllib
import unittest
from pathlib import Path

from recipe import archives, audio, copies, fetch, human, manifest, synthetic, texts

HERE = Path(__file__).parent
RATE = 8000


def tone(seconds, level=8000):
    return array.array(
        "h", (int(level * math.sin(i * 0.3)) for i in range(int(seconds * RATE)))
    )


def silence(seconds):
    return array.array("h", bytes(2 * int(seconds * RATE)))


def tables():
    humans = tomllib.loads((HERE / "human.toml").read_text())["source"]
    engines = tomllib.loads((HERE / "synthetic.toml").read_text())["engine"]
    return humans, engines


class Shaping(unittest.TestCase):
    def lengths(self, recordings, seed=1):
        return [len(clip) / RATE for clip in audio.shape(recordings, RATE, random.Random(seed))]

    def test_a_recording_of_the_right_length_stays_whole(self):
        clip = tone(5)
        self.assertEqual(list(audio.shape([clip], RATE, random.Random(1))), [clip])

    def test_long_recordings_are_cut_at_the_pause(self):
        pause = tone(4) + silence(0.4) + tone(5.5)
        first, second = audio.split(pause, RATE, random.Random(3))
        self.assertAlmostEqual(len(first) / RATE, 4.2, delta=0.25)
        self.assertEqual(first + second, pause)

    def test_no_length_escapes_two_to_eight_seconds(self):
        rng = random.Random(7)
        mixed = [tone(rng.uniform(0.1, 30)) for _ in range(12)] + [tone(0.7)] * 20
        lengths = self.lengths(mixed)
        self.assertGreater(len(lengths), 10)
        for length in lengths:
            self.assertTrue(audio.MIN_SECONDS <= length <= audio.MAX_SECONDS, length)

    def test_short_pieces_are_joined_with_gaps(self):
        pieces = [tone(0.8)] * 3
        joined = audio.join(pieces, RATE, random.Random(1))
        gaps = len(joined) / RATE - 2.4
        self.assertTrue(0.3 <= gaps <= 1.0, gaps)

    def test_a_gap_sounds_like_the_quietest_part_and_is_not_digital_silence(self):
        noisy = tone(0.5) + tone(0.2, level=30) + tone(0.5)
        gap = audio.quiet_gap(noisy, RATE, 0.3)
        self.assertEqual(len(gap), int(0.3 * RATE))
        self.assertTrue(0 < max(gap) <= 30)

    def test_a_word_in_a_long_silence_counts_as_short(self):
        word = silence(1) + tone(0.6) + silence(1)
        self.assertAlmostEqual(len(audio.trim(word, RATE)) / RATE, 0.8, delta=0.06)
        # Six words make a clip or two of speech, not six of silence.
        self.assertIn(len(self.lengths([word] * 6)), (1, 2))

    def test_silent_and_tiny_recordings_are_left_out(self):
        self.assertEqual(self.lengths([silence(4), tone(0.1)]), [])

    def test_the_same_seed_gives_the_same_clips(self):
        recordings = [tone(20)] + [tone(0.6)] * 15
        self.assertEqual(self.lengths(recordings, 5), self.lengths(recordings, 5))
        self.assertNotEqual(self.lengths(recordings, 5), self.lengths(recordings, 6))


class Manifest(unittest.TestCase):
    def setUp(self):
        self.out = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.out)

    def row(self, path):
        (self.out / path).parent.mkdir(parents=True, exist_ok=True)
        (self.out / path).touch()
        return dict.fromkeys(manifest.COLUMNS, "x") | {"path": path}

    def test_sources_of_several_runs_end_in_one_table(self):
        manifest.save_rows(self.out, "b", None, [self.row("clips/b/1.mp3")], 1, [])
        manifest.save_rows(self.out, "a", None, [self.row("clips/a/1.mp3")], 1, [])
        manifest.write_manifest(self.out)
        with open(self.out / "manifest.csv", newline="") as table:
            rows = list(csv.DictReader(table))
        self.assertEqual([row["path"] for row in rows], ["clips/a/1.mp3", "clips/b/1.mp3"])
        self.assertEqual(tuple(rows[0]), manifest.COLUMNS)

    def test_a_source_is_done_again_if_more_is_asked_or_a_clip_is_gone(self):
        manifest.save_rows(self.out, "a", 5, [self.row("clips/a/1.mp3")], 1, [])
        self.assertTrue(manifest.is_complete(self.out, "a", 5))
        self.assertTrue(manifest.is_complete(self.out, "a", 2))
        self.assertFalse(manifest.is_complete(self.out, "a", None))
        (self.out / "clips/a/1.mp3").unlink()
        self.assertFalse(manifest.is_complete(self.out, "a", 5))
        self.assertFalse(manifest.is_complete(self.out, "never", None))
        self.assertEqual(manifest.write_manifest(self.out), [])

    def test_seeds_depend_on_the_key_alone(self):
        self.assertEqual(manifest.seeded("a", 1).random(), manifest.seeded("a", 1).random())
        self.assertNotEqual(manifest.seeded("a", 1).random(), manifest.seeded("a", 2).random())


@unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
class Encoding(unittest.TestCase):
    def test_clips_come_back_and_existing_ones_are_not_made_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clips/a.mp3"
            with audio.Encoder() as encoder:
                encoder.add(tone(2.5), RATE, path, random.Random(1))
                self.assertFalse(path.exists())
            samples, rate = audio.decode(path)
            self.assertIn(rate, audio.SAMPLE_RATES)
            self.assertAlmostEqual(len(samples) / rate, 2.5, delta=0.2)
            self.assertEqual([its.name for its in path.parent.iterdir()], ["a.mp3"])

    def test_one_unreadable_recording_spoils_no_other(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = Path(folder) / "good.raw", Path(folder) / "missing.raw"
            good.write_bytes(tone(1).tobytes())
            options = ["-f", "s16le", "-ar", str(RATE)]
            first, second = audio.decode_many([bad, good], options)
            self.assertIsInstance(first, ValueError)
            self.assertEqual(second, (tone(1), RATE))

    def test_a_human_source_is_made_from_a_folder_and_resumed(self):
        with tempfile.TemporaryDirectory() as folder:
            data, out = Path(folder) / "data", Path(folder) / "out"
            for speaker in ("anna", "bert"):
                for number in range(6):
                    path = data / f"{speaker}/{number}.raw"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(tone(3).tobytes())
            source = {
                "name": "s", "files": r"/(?P<speaker>\w+)/\d\.raw$", "language": "en",
                "licence": "MIT", "decode": ["-f", "s16le", "-ar", str(RATE)],
                "groups": {"bert": "shared"},
            }  # fmt: skip
            rows, unreadable = human.make(source, data, out, 4, lambda _: None)
            self.assertEqual((len(rows), unreadable), (8, []))
            groups = {row["split_group"] for row in rows}
            self.assertEqual(groups, {"s/anna", "shared"})
            before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp3")}
            (out / rows[0]["path"]).unlink()
            again, _ = human.make(source, data, out, 4, lambda _: None)
            self.assertEqual(again, rows)
            changed = [p for p in before if p.stat().st_mtime_ns != before[p]]
            self.assertEqual(changed, [out / rows[0]["path"]])


class Texts(unittest.TestCase):
    def test_fortunes_become_plain_sentences(self):
        fortune = 'A "wise" man said this to me once.  He was right!\n\t\t-- Anonymous\n'
        found = texts.sentences(texts.clean(fortune))
        self.assertEqual(found, ["A wise man said this to me once.", "He was right!"])

    def test_art_and_scraps_are_not_read_aloud(self):
        self.assertFalse(texts.usable("10 20 30 40 50 60 70 80", "en"))
        self.assertFalse(texts.usable("Too short.", "en"))
        self.assertTrue(texts.usable("This is a sentence of a fair length.", "en"))

    def test_every_language_has_texts(self):
        for engine in tables()[1]:
            for voice in engine["voices"]:
                language = voice["language"]
                self.assertTrue(texts.own_list(language).exists() or language in texts.FORTUNES)

    def test_utterances_are_never_empty(self):
        rng = random.Random(2)
        for language in ("hi", "ja"):
            pool = texts.own_list(language).read_text().splitlines()
            for _ in range(200):
                said = texts.utterances(pool, language, rng)
                self.assertTrue(said and all(said))


class Tables(unittest.TestCase):
    def test_names_are_unique_and_packages_pinned(self):
        humans, engines = tables()
        names = [spec["name"] for spec in humans + engines + copies.ENGINES]
        self.assertEqual(len(names), len(set(names)))
        for spec in humans:
            pin = spec.get("debian") or spec["pypi"]
            self.assertRegex(pin, r"^[a-z0-9.+-]+==?\S+$")
            self.assertTrue(spec["licence"])
            re.compile(spec["files"])
        for spec in engines:
            for pin in (*spec.get("debian", ()), *spec.get("pypi", ())):
                self.assertRegex(pin, r"^[a-z0-9.+-]+==?\S+$")

    def test_a_speaker_behind_several_engines_is_one_group(self):
        _, engines = tables()
        groups = {}
        for spec in engines:
            for voice in spec["voices"]:
                row = synthetic.row(spec, voice, "p")
                groups.setdefault(row["split_group"], set()).add(spec["name"])
        self.assertEqual(groups["slt"], {"flite-clustergen", "festival-hts", "rhvoice"})
        self.assertEqual(groups["kal"], {"flite-diphone", "festival-diphone"})
        self.assertEqual(groups["rab"], {"festival-diphone", "mbrola"})
        human_group = next(s for s in tables()[0] if s["name"] == "festvox-ru-recordings")["groups"]
        self.assertIn(human_group["nsh"], groups)

    def test_formant_clips_are_capped(self):
        formant = [spec for spec in tables()[1] if spec["kind"] == "formant"]
        for spec in formant:
            for voice in spec["voices"]:
                self.assertLessEqual(voice.get("count", spec["count"]), 60)


class Copies(unittest.TestCase):
    def test_the_selection_spreads_over_speakers(self):
        rows = [{"path": str(i), "speaker": f"s{i % 9}"} for i in range(300)]
        chosen = copies.selection(rows, "world", 30)
        self.assertEqual(len(chosen), 30)
        speakers = [row["speaker"] for row in chosen]
        self.assertLessEqual(max(map(speakers.count, speakers)), 4)


class Programs(unittest.TestCase):
    def test_a_relocated_path_keeps_its_length(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "a", Path(folder) / "b"
            source.write_bytes(b"x/usr/share/pico/lang/\0y")
            fetch.relocate(source, target, b"/usr/share/pico/lang/", b"data/")
            self.assertEqual(len(target.read_bytes()), len(source.read_bytes()))
            self.assertRegex(target.read_bytes(), rb"^x\./+data/\0y$")

    def test_huffman_values_of_the_game_archive(self):
        # Two codes of one bit: 0 stands for value 0, 1 for value 1.
        bits = archives.Bits(bytes([0b0000_0010, 0, 0, 0]), 0)
        table = {(1, 0): 0, (1, 1): 1}
        self.assertEqual([bits.value(table), bits.value(table)], [0, 1])


if __name__ == "__main__":
    unittest.main()
