#!/usr/bin/env python3
"""scripts/fuzz in a tree of its own, where building does nothing and the targets are shell scripts: what runs, for how long, what fails."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "fuzz"


class Fuzz(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.program("scripts/build", 'echo "$*" >built')
        shutil.copy(SCRIPT, self.root / "scripts" / "fuzz")
        for name in ("arp", "tcp"):
            self.target(name, "exit 0")
        (self.root / "fuzz/corpus/arp").mkdir(parents=True)

    def program(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def target(self, name, text):
        self.program(f"build/fuzz/fuzz/fuzz_{name}", f'echo "$*" >>ran_{name}\n{text}')
        (self.root / "fuzz").mkdir(exist_ok=True)
        (self.root / f"fuzz/{name}.cpp").touch()

    def fuzz(self, *arguments):
        done = subprocess.run([self.root / "scripts" / "fuzz", *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr

    def words(self, name):
        return (self.root / f"ran_{name}").read_text().split()

    def test_every_target_for_60_seconds(self):
        self.assertEqual(self.fuzz(), (0, "fuzz: ok, 2 targets, 60 s each"))
        for name in ("arp", "tcp"):
            self.assertIn("-max_total_time=60", self.words(name))
        self.assertEqual((self.root / "built").read_text(), "fuzz\n")

    def test_the_committed_corpus_is_not_the_folder_that_is_written_to(self):
        self.fuzz()
        folders = [word for word in self.words("arp") if not word.startswith("-")]
        self.assertEqual(len(folders), 2)
        self.assertEqual(folders[1], "fuzz/corpus/arp")

    def test_other_seconds_and_only_some(self):
        self.assertEqual(self.fuzz("7", "arp"), (0, "fuzz: ok, 1 targets, 7 s each"))
        self.assertIn("-max_total_time=7", self.words("arp"))
        self.assertFalse((self.root / "ran_tcp").exists())
        self.assertEqual((self.root / "built").read_text(), "fuzz fuzz_arp\n")
        self.assertEqual(self.fuzz("tcp"), (0, "fuzz: ok, 1 targets, 60 s each"))

    def test_a_failure_is_named_and_does_not_stop_the_others(self):
        self.target("arp", "exit 77")
        code, last = self.fuzz("1")
        self.assertEqual(code, 1)
        self.assertTrue(last.startswith("fuzz: failed: arp "), last)
        self.assertIn("-max_total_time=1", self.words("tcp"))

    def test_a_build_that_fails_or_makes_nothing_is_a_failure(self):
        shutil.rmtree(self.root / "build")
        self.assertEqual(self.fuzz()[0], 1)
        self.program("scripts/build", "exit 1")
        self.assertEqual(self.fuzz()[0], 1)


if __name__ == "__main__":
    unittest.main()
