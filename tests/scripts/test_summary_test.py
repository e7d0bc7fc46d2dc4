#!/usr/bin/env python3
"""scripts/test_summary: a skipped test is never counted as passed, and its reason is shown."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "test_summary"
PASSED = '<testcase name="good" status="run"><system-out/></testcase>'
SKIPPED = ('<testcase name="host_ping" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
           "<system-out>first line\nnetlab: there is no /dev/net/tun\n</system-out></testcase>")
FAILED = '<testcase name="bad" status="fail"><failure message=""/><system-out>oops</system-out></testcase>'
MISSING = '<testcase name="gone" status="notrun"><skipped message="Unable to find executable"/><system-out/></testcase>'
DISABLED = '<testcase name="off" status="disabled"><system-out>Disabled</system-out></testcase>'


class Summary(unittest.TestCase):
    def summary(self, *cases):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f"<testsuite>{''.join(cases)}</testsuite>")
            file.flush()
            done = subprocess.run([sys.executable, SCRIPT, file.name], capture_output=True, text=True)
        return done.returncode, done.stdout

    def test_all_passed(self):
        code, text = self.summary(PASSED, PASSED)
        self.assertEqual((code, text.splitlines()[-1]), (0, "test: ok, 2 passed, 0 failed, 0 skipped"))

    def test_skipped_is_not_passed_and_has_a_reason(self):
        code, text = self.summary(PASSED, SKIPPED)
        self.assertEqual((code, text.splitlines()[-1]), (0, "test: ok, 1 passed, 0 failed, 1 skipped"))
        self.assertIn("host_ping: netlab: there is no /dev/net/tun", text)

    def test_only_skipped_is_no_success(self):
        self.assertEqual(self.summary(SKIPPED)[0], 1)

    def test_whatever_did_not_run_has_failed(self):
        for case in (FAILED, MISSING, DISABLED):
            code, text = self.summary(PASSED, case)
            self.assertEqual((code, text.splitlines()[-1]), (1, "test: failed, 1 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
