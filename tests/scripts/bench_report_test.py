#!/usr/bin/env python3
"""bench/report.py, bench/plots.py and what bench/sections.py makes of the rounds, on small results."""
import pathlib
import sys
import unittest
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import plots  # noqa: E402
import report  # noqa: E402
import sections  # noqa: E402


def of_tapir(*values):
    return {**sections.summary(list(values)), "system_calls_a_frame": 1.05, "allocations_a_frame": 0.0}


def rows(lwip):
    """Two rows; with lwIP, or as where it is not installed."""
    single = {"nothing": sections.summary([8e9]), **({"lwip": sections.summary([2e9])} if lwip else {}), "tapir": of_tapir(6e9)}
    return {
        "bulk receive, super-segments": {"nothing": sections.summary([80e9, 100e9, 90e9]), "kernel": sections.summary([60e9]), "tapir": of_tapir(81e9, 72e9, 90e9)},
        "bulk receive, 1514-byte frames": single,
    }


class Summary(unittest.TestCase):
    def test_the_median_stands_between_the_least_and_the_most(self):
        self.assertEqual(sections.summary([3.0, 1.0, 2.0]), {"median": 2.0, "least": 1.0, "most": 3.0, "rounds": [3.0, 1.0, 2.0]})

    def test_what_is_counted_is_divided_by_the_frames_of_all_rounds(self):
        counted = [{"frames": 10, "system_calls": 11, "allocations": 0}, {"frames": 30, "system_calls": 31, "allocations": 4}]
        self.assertEqual(sections.per_frame(counted), {"system_calls_a_frame": 42 / 40, "allocations_a_frame": 4 / 40})

    def test_a_peer_that_counts_nothing_has_no_counts(self):
        self.assertEqual(sections.per_frame([{}, {}]), {})


class Tables(unittest.TestCase):
    def cells(self, table, row):
        return [cell.strip() for cell in table.splitlines()[2 + row].strip("|").split("|")]

    def test_ratios_and_spread_are_those_of_the_medians(self):
        self.assertEqual(self.cells(report.device_table({"rows": rows(lwip=True)}), 0),
                         ["bulk receive, super-segments", "90.00 Gbit/s", "60.00 Gbit/s", "2.00 Gbit/s", "81.00 Gbit/s", "0.89 - 1.11", "0.90", "1.35", "40.50", "1.05", "0.00"])

    def test_who_is_not_there_has_a_dash(self):
        self.assertEqual(self.cells(report.device_table({"rows": rows(lwip=False)}), 1)[2:4], ["-", "-"])

    def test_what_was_built_with_a_profile_stands_beside_what_was_built_without(self):
        measured = rows(lwip=True)
        self.assertEqual(report.profiled_table({"rows": measured}), "")
        measured["bulk receive, super-segments"]["profiled"] = of_tapir(90e9, 81e9, 99e9)
        self.assertEqual(self.cells(report.profiled_table({"rows": measured}), 0),
                         ["bulk receive, super-segments", "90.00 Gbit/s", "0.90 - 1.10", "1.11", "1.00", "1.50", "45.00"])

    def test_costs_among_many_connections_stand_beside_those_among_the_fewest(self):
        among = [{"connections": 100, "nanoseconds": 500, "instructions": 6000, "bytes_a_connection": 400}, {"connections": 1000000, "nanoseconds": 750, "instructions": 6060, "bytes_a_connection": 320}]
        self.assertEqual(self.cells(report.million_table(among), 1), ["1,000,000", "750 ns", "6,060", "1.50", "1.01", "320 bytes"])


class Plots(unittest.TestCase):
    def test_bars_end_where_their_scale_says(self):
        image = plots.bars("Speed", [("a row", [("tapir", sections.summary([1e9])), ("kernel", sections.summary([2e9]))])], report.quantity)
        widths = [float(bar.getAttribute("width")) for bar in xml.dom.minidom.parseString(image).getElementsByTagName("rect") if bar.getAttribute("height") == str(plots.BAR)]
        self.assertEqual(len(widths), 2)
        self.assertAlmostEqual(widths[0] * 2, widths[1], delta=0.2)

    def test_names_are_escaped(self):
        xml.dom.minidom.parseString(plots.one_scale("a < b & c", [("<&>", 1)], str))


if __name__ == "__main__":
    unittest.main()
