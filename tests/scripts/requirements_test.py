#!/usr/bin/env python3
"""scripts/requirements against small trees of its own: what counts as a test, and what makes --check fail."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "requirements"
HEADER = "id,level,layer,requirement,how_to_test\n"
ROWS = HEADER + 'RFC1-1-1,MUST,demo,"One, with a comma.",Do it\nRFC1-1-2,MUST NOT,demo,Two.,Do it\nPOLICY-D-1,SHOULD,demo,Three.,Do it\n'


class Requirements(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.write("docs/requirements/demo.csv", ROWS)
        self.write("docs/requirements/covered.txt", "RFC1-1-1\n")
        self.write("tests/unit/CMakeLists.txt", "tapir_test(unit_demo SOURCES demo_test.cpp)\n")
        self.source('TEST_CASE("one", "[demo][RFC1-1-1]") {}\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, text):
        self.write("tests/unit/demo_test.cpp", text)

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, "--root", self.root, *arguments], capture_output=True, text=True)

    def assert_ok(self):
        done = self.run_script("--check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("requirements: ok", done.stdout)

    def assert_refused(self, *words):
        done = self.run_script("--check")
        self.assertEqual(done.returncode, 1, done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_covered_ledger_passes(self):
        self.assert_ok()

    def test_counts_are_by_level_and_file(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout.splitlines()[1].split(), "demo.csv 1 of 2 0 of 1 0 of 0".split())

    def test_list_names_what_has_no_test(self):
        listed = self.run_script("--list").stdout
        self.assertIn("RFC1-1-2", listed)
        self.assertIn("POLICY-D-1", listed)
        self.assertNotIn("RFC1-1-1 ", listed)

    def test_a_tag_that_no_row_bears_fails(self):
        self.source('TEST_CASE("one", "[demo][RFC1-1-1]") {}\n\nTEST_CASE("two", "[RFC1-1-3]") {}\n')
        self.assert_refused("tests/unit/demo_test.cpp:3", "RFC1-1-3")

    def test_other_tags_are_free(self):
        self.source('TEST_CASE("one", "[demo][slow][RFC1-1-1][tcp]") {}\n')
        self.assert_ok()

    def test_a_row_that_lost_its_test_fails(self):
        self.source('TEST_CASE("one", "[demo]") {}\n')
        self.assert_refused("RFC1-1-1", "had a test")

    def test_a_new_test_must_be_written_down(self):
        self.source('TEST_CASE("one", "[RFC1-1-1]") {}\nTEST_CASE("two", "[POLICY-D-1]") {}\n')
        self.assert_refused("POLICY-D-1", "--update")
        self.assertEqual(self.run_script("--update").returncode, 0)
        self.assertEqual((self.root / "docs/requirements/covered.txt").read_text(), "POLICY-D-1\nRFC1-1-1\n")
        self.assert_ok()

    def test_hidden_and_excused_tests_do_not_count(self):
        for tag in (".", ".slow", "!hide", "!mayfail", "!shouldfail"):
            with self.subTest(tag):
                self.source(f'TEST_CASE("one", "[{tag}][RFC1-1-1]") {{}}\n')
                self.assert_refused("RFC1-1-1", "had a test")

    def test_text_in_comments_and_strings_is_no_test(self):
        for text in ('// TEST_CASE("one", "[RFC1-1-1]") {}\n', '/* TEST_CASE("one", "[RFC1-1-1]") {} */\n',
                     'auto a = "TEST_CASE(\\"one\\", \\"[RFC1-1-1]\\") {}";\nTEST_CASE("other", "[demo]") {}\n',
                     'TEST_CASE("[RFC1-1-1]", "[demo]") {}\n'):
            with self.subTest(text):
                self.source(text)
                self.assert_refused("RFC1-1-1")

    def test_every_way_to_write_a_case_is_read(self):
        for text in ('TEST_CASE("one",\n          "[demo]"\n          "[RFC1-1-1]") {\n}\n', 'TEST_CASE("a \\" quote", "[RFC1-1-1]")\n{}\n',
                     'TEMPLATE_TEST_CASE("one", "[RFC1-1-1]", int, long) {}\n', "auto n = 0xffff'fff0u;\nTEST_CASE(\"one\", \"[RFC1-1-1]\") {}\n",
                     "auto c = '\"';\nTEST_CASE(\"one\", \"[RFC1-1-1]\") {}\n"):
            with self.subTest(text):
                self.source(text)
                self.assert_ok()

    def test_a_file_that_is_not_built_does_not_count(self):
        self.write("tests/unit/CMakeLists.txt", "tapir_test(unit_demo SOURCES another_demo_test.cpp)\n")
        self.assert_refused("no CMakeLists.txt builds it", "had a test")

    def test_excluded_rows_are_named_with_their_reason_and_not_counted(self):
        self.write("docs/requirements/excluded.csv", 'id,reason\nRFC1-1-2,"Superseded, by another."\n')
        self.assert_ok()
        done = self.run_script("--list")
        self.assertEqual(done.stdout.splitlines()[1].split(), "demo.csv 1 of 2 0 of 1 0 of 0 1".split())
        self.assertIn("1 rows excluded", done.stdout)
        self.assertRegex(done.stdout, r"RFC1-1-2 +MUST NOT +Superseded, by another\.")
        self.assertNotRegex(done.stdout, r"RFC1-1-2 .*Two\.")

    def test_an_exclusion_that_cannot_be_is_refused(self):
        for name, text, word in (("unknown", "id,reason\nRFC1-1-9,Why.\n", "RFC1-1-9"), ("no reason", "id,reason\nRFC1-1-2,\n", "no reason"),
                                 ("twice", "id,reason\nRFC1-1-2,Why.\nRFC1-1-2,Why.\n", "twice"), ("columns", "id,why\n", "columns"),
                                 ("tested", "id,reason\nRFC1-1-1,Why.\n", "has a test")):
            with self.subTest(name):
                self.write("docs/requirements/excluded.csv", text)
                self.assert_refused(word)

    def test_a_broken_ledger_fails(self):
        for name, text in (("twice", ROWS + "RFC1-1-1,MUST,demo,Again.,Do it\n"), ("level", HEADER + "RFC1-1-1,SHALL,demo,One.,Do it\n"),
                           ("id", HEADER + "RFC 1,MUST,demo,One.,Do it\n"), ("columns", "id,level\nRFC1-1-1,MUST\n"),
                           ("field", ROWS + "RFC1-1-4,MUST,demo,Four.\n"), ("empty", HEADER)):
            with self.subTest(name):
                self.write("docs/requirements/demo.csv", text)
                self.assertEqual(self.run_script("--check").returncode, 1)


if __name__ == "__main__":
    unittest.main()
