"""Tests fetch_sources.py on a miniature local mirror: python3 training/test_fetch_sources.py (needs ffmpeg and git)."""
import csv
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).with_name("fetch_sources.py")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def tone(path, seconds, rate):
    path.parent.mkdir(parents=True, exist_ok=True)
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=440:sample_rate={rate}:duration={seconds}", path, check=True)


def probe(path):
    """Sample rate, channels, bit rate of a file."""
    out = run("ffprobe", "-v", "error", "-show_entries", "stream=sample_rate,channels,bit_rate", "-of", "csv=p=0", path, check=True)
    return [int(value) for value in out.stdout.split()[0].split(",")]


@unittest.skipUnless(shutil.which("ffmpeg") and shutil.which("git"), "needs ffmpeg and git")
class FetchSources(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.mirror, self.out = self.root / "mirror", self.root / "out"
        clone = self.mirror / "one" / "demo"
        tone(clone / "a b" / "[x]#1.wav", 3, 44_100)
        git = ["git", "-C", clone, "-c", "user.name=t", "-c", "user.email=t@example.org"]
        run("git", "init", "-q", clone, check=True)
        run(*git, "add", ".", check=True)
        run(*git, "commit", "-qm", "first", check=True)
        self.commit = run("git", "-C", clone, "rev-parse", "HEAD", check=True).stdout.strip()
        # A later commit takes the file away: the listed commit decides, not the work tree.
        run(*git, "rm", "-q", "a b/[x]#1.wav", check=True)
        run(*git, "commit", "-qm", "second", check=True)
        tone(self.mirror / "two" / "plain" / "low.wav", 2, 16_000)
        (self.mirror / "two" / "plain" / "lfs.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
        (self.mirror / "two" / "plain" / "text.wav").write_text("no audio")

    def fetch(self, *rows):
        """Runs the script on rows of (repo, commit, path, file, duration, offset)."""
        sources = self.root / "sources.csv"
        with open(sources, "w", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(["repo", "commit", "path", "file", "duration_seconds", "offset_seconds"])
            writer.writerows(rows)
        return run(sys.executable, SCRIPT, "--sources", sources, "--out", self.out, "--mirror", self.mirror)

    def test_cuts_and_converts_and_goes_on(self):
        rows = [("one/demo", self.commit, "a b/[x]#1.wav", "clips/ai/a.mp3", "1.5", "0.5"),
                ("one/demo", self.commit, "a b/[x]#1.wav", "clips/ai/b.mp3", "2.0", "0"),
                ("two/plain", "0" * 40, "low.wav", "clips/human/c.mp3", "1.2", "")]
        done = self.fetch(*rows)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3/3: 3 new, 0 kept, 0 failed", done.stderr)
        self.assertEqual(probe(self.out / "clips/ai/a.mp3"), [24_000, 1, 56_000])
        self.assertEqual(probe(self.out / "clips/human/c.mp3"), [16_000, 1, 40_000])
        seconds = float(run("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", self.out / "clips/ai/a.mp3").stdout)
        self.assertAlmostEqual(seconds, 1.5, delta=0.15)
        (self.out / "clips/ai/a.mp3").unlink()
        again = self.fetch(*rows)
        self.assertIn("3/3: 1 new, 2 kept, 0 failed", again.stderr)

    def test_lists_failures(self):
        done = self.fetch(("one/demo", self.commit, "gone.wav", "a.mp3", "1", "0"),
                          ("two/plain", "0" * 40, "lfs.wav", "b.mp3", "1", "0"),
                          ("two/plain", "0" * 40, "text.wav", "c.mp3", "1", "0"),
                          ("two/plain", "0" * 40, "low.wav", "../d.mp3", "1", "0"),
                          ("three/none", "0" * 40, "e.wav", "e.mp3", "1", "0"),
                          ("two/plain", "0" * 40, "low.wav", "good.mp3", "1.5", "0"))
        self.assertEqual(done.returncode, 1)
        with open(self.out / "failures.csv", newline="") as lines:
            reasons = {row["file"]: row["reason"] for row in csv.DictReader(lines)}
        self.assertEqual(sorted(reasons), ["../d.mp3", "a.mp3", "b.mp3", "c.mp3", "e.mp3"])
        self.assertIn("LFS", reasons["b.mp3"])
        self.assertIn("no audio", reasons["c.mp3"])
        self.assertIn("no clone", reasons["e.mp3"])
        self.assertEqual([path.name for path in self.out.glob("*.mp3")], ["good.mp3"])
        self.assertFalse(list(self.out.rglob("*.part")))


if __name__ == "__main__":
    unittest.main()
