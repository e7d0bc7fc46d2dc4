#!/usr/bin/env python3
"""bench/callgrind.py on small profiles: whose instructions are counted."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from callgrind import own_cost  # noqa: E402


class OwnCost(unittest.TestCase):
    def test_instructions_of_other_objects_are_left_out(self):
        self.assertEqual(own_cost("ob=(1) /lib/libc.so.6\nfn=(1) memcpy\n10 5\nob=(2) /build/bench\nfn=(2) run\n20 7\n+1 8\n* 9\n", "bench"), 24)

    def test_what_a_call_costs_is_counted_in_the_function_that_is_called(self):
        self.assertEqual(own_cost("ob=(2) /build/bench\nfn=(2) run\n20 7\ncfn=(3)\ncalls=1 30\n20 100\n21 1\n", "bench"), 8)

    def test_an_object_may_have_been_named_where_it_was_called(self):
        self.assertEqual(own_cost("ob=(1) /lib/libc.so.6\nfn=(1) qsort\n10 5\ncob=(2) /build/bench\ncfn=(2) less\ncalls=1 20\n10 7\nob=(2)\nfn=(2)\n20 7\n", "bench"), 7)


if __name__ == "__main__":
    unittest.main()
