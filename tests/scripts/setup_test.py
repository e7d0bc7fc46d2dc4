#!/usr/bin/env python3
"""scripts/setup where nothing is missing: silent; and a package list without a package twice."""
import pathlib
import re
import subprocess
import unittest

SETUP = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "setup"


class Setup(unittest.TestCase):
    def test_nothing_is_missing(self):
        done = subprocess.run([SETUP], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_an_unknown_argument_is_refused(self):
        done = subprocess.run([SETUP, "--everything"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage", done.stderr)

    def test_no_package_stands_twice(self):
        lists = re.findall(r"^(?:base|dev)=\((.*?)^\)", SETUP.read_text(), re.MULTILINE | re.DOTALL)
        packages = [word for text in lists for line in text.splitlines() for word in line.split("#")[0].split()]
        self.assertEqual(len(lists), 2)
        self.assertGreater(len(packages), 15)
        self.assertEqual(len(packages), len(set(packages)))


if __name__ == "__main__":
    unittest.main()
