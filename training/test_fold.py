#!/usr/bin/env python3
"""Tests of fold.py: python3 training/test_fold.py"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FOLD = Path(__file__).with_name("fold.py")


class Fold(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.at = Path(self.folder.name)
        self.at.joinpath("a.csv").write_text("file,label\nx.mp3,ai\ny.mp3,human\n", encoding="utf-8")
        self.at.joinpath("b.csv").write_text("label,path\nhuman,z.mp3\n", encoding="utf-8")
        clips = [{"file": f"{name}.mp3", "ai": name == "x"} for name in "xyz"]
        corpus = {"clips": clips, "conditions": ["recorded"], "folds": [{"train": [0, 2], "test": [1]}]}
        self.at.joinpath("corpus.json").write_text(json.dumps(corpus), encoding="utf-8")

    def tearDown(self):
        self.folder.cleanup()

    def run_fold(self, *arguments):
        command = [sys.executable, str(FOLD), str(self.at / "corpus.json"), "--out", str(self.at / "out"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def manifests(self, *names):
        return [part for name in names for part in ("--manifest", str(self.at / name))]

    def test_each_manifest_is_divided(self):
        done = self.run_fold(*self.manifests("a.csv", "b.csv"))
        self.assertEqual(done.returncode, 0, done.stderr)
        read = lambda name: self.at.joinpath("out", name).read_text(encoding="utf-8")
        self.assertEqual(read("train-0.csv"), "file,label\nx.mp3,ai\n")
        self.assertEqual(read("test-0.csv"), "file,label\ny.mp3,human\n")
        self.assertEqual(read("train-1.csv"), "label,path\nhuman,z.mp3\n")
        self.assertEqual(read("test-1.csv"), "label,path\n")
        self.assertEqual([clip["file"] for clip in json.loads(read("train.json"))["clips"]], ["x.mp3", "z.mp3"])

    def test_what_does_not_belong_together_is_named(self):
        done = self.run_fold(*self.manifests("a.csv"))
        self.assertIn("1 of the fold's 2 clips to train", done.stderr)
        done = self.run_fold("--fold", "1", *self.manifests("a.csv", "b.csv"))
        self.assertIn("folds 0 to 0, not 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
