"""Statistics, table and JSON of scripts/bench, and that every figure is there."""
import contextlib
import io
import os
import sys
import unittest

HARNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "harness")
sys.path.insert(0, HARNESS)
import arguments  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from figures import FIGURES  # noqa: E402

IDS = """read_fault.one read_fault.each write_fault.one write_fault.each local_fault first_touch
    scan.one scan.each scan_warm.one scan_warm.each random_prefetch lock_handover.one
    lock_handover.each spin_flag.one spin_flag.each lock_cached barrier.one barrier.each ipc malloc
    create_join directory_bytes""".split()


class Statistics(unittest.TestCase):
    def test_percentile_is_a_value_that_was_seen(self):
        self.assertEqual(report.percentile([3, 1, 2], 99), 3)
        self.assertEqual(report.percentile(range(1, 101), 99), 99)
        self.assertEqual(report.percentile([7], 1), 7)

    def test_entry_has_medians_of_rounds_and_their_ratio(self):
        rounds = [(30.0, 10.0), (20.0, 8.0), (90.0, 16.0)]
        self.assertEqual(report.entry("a", "us", rounds, "x"),
                         {"id": "a", "unit": "us", "ours": 30.0, "floor": 10.0, "ratio": 3.0,
                          "floor_is": "x", "runs": 3})

    def test_entry_without_a_floor_has_no_ratio(self):
        one = report.entry("a", "B", [(204.4444, None)], "-")
        self.assertEqual((one["ours"], one["floor"], one["ratio"]), (204.4, None, None))
        self.assertEqual(list(report.problems_of([one], ["a"])), [])

    def test_samples_are_those_of_the_last_line_that_has_any(self):
        self.assertEqual(measure.samples_of("x\nsamples us 1.5 2\ndone\n", "a"), [1.5, 2])
        with self.assertRaises(measure.MeasuringFailed):
            measure.samples_of("samples us\n", "a")


class FakeMachine:
    def __init__(self, **values):
        self.values = values

    def floor(self, words, placement, count):
        return [self.values[words[1]]]


class Floors(unittest.TestCase):
    def floor_of(self, words, **values):
        return measure.floor_of(FakeMachine(**values), words, "one", 1)

    def test_a_ring_within_its_bound_is_the_floor(self):
        self.assertEqual(self.floor_of(("tcp", "ring", "64"), ring=11, blocking=10), 11)

    def test_a_slow_ring_counts_as_its_bound(self):
        self.assertEqual(self.floor_of(("tcp", "ring", "64"), ring=13, blocking=10), 11.5)

    def test_nothing_else_is_compared(self):
        self.assertEqual(self.floor_of(("tcp", "stream"), stream=5), 5)


class Json(unittest.TestCase):
    def entry(self, **changes):
        return {**report.entry("a", "us", [(30.0, 10.0)], "x"), **changes}

    def test_good_ones_pass(self):
        self.assertEqual(list(report.problems_of([self.entry()], ["a"])), [])

    def test_bad_ones_are_found(self):
        for bad in ([self.entry(ratio=2.0)], [self.entry(runs=0)], [self.entry(ours="30")],
                    [self.entry(more=1)], [self.entry(id="b")], [], {}, [self.entry()] * 2,
                    [self.entry(ours=float("nan"))]):
            self.assertNotEqual(list(report.problems_of(bad, ["a"])), [], bad)


class Table(unittest.TestCase):
    def test_columns_are_as_wide_as_their_widest_cell(self):
        self.assertEqual(report.table(("id", "n", "x"), [("long", 1, "a"), ("b", 20, "")]),
                         "id    n   x\nlong  1   a\nb     20")


class CommandLine(unittest.TestCase):
    def test_all_figures_are_there(self):
        self.assertEqual(sorted(figure.id for figure in FIGURES), sorted(IDS))
        self.assertEqual(arguments.parse(IDS).ids, IDS)

    def test_wrong_ones_end_with_64(self):
        for words in (["no_such_id"], ["--nonsense"], ["--json"], ["--breakdown", "ipc"],
                      ["--pictures", "x"]):
            with self.assertRaises(SystemExit) as left, contextlib.redirect_stderr(io.StringIO()):
                arguments.parse(words)
            self.assertEqual(left.exception.code, 64, words)


if __name__ == "__main__":
    unittest.main()
