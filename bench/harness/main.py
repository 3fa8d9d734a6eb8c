"""main.py BUILD [ARGUMENT...]: scripts/bench with what was built into the folder BUILD."""
import os
import sys
import time

import arguments
import breakdown
import directory
import pictures
import report
from figures import BLOCKING_TRIP, FIGURES, FULL_COUNT, QUICK_COUNT, SIGSEGV
from measure import RING_MAX, Machine, MeasuringFailed, harness, one_round

EXIT_UNAVAILABLE = 69
ROUNDS, QUICK_ROUNDS = 5, 2
LIMIT_S = 14 * 60  # for all rounds; a round that would end later is not begun


class References:
    """What the network floor is compared with, for each placement that has one."""

    def __init__(self, figures):
        self.placements = sorted({figure.placement for figure in figures
                                  if any("ring" in words for _, words in parts_of(figure))})
        self.seen = {}

    def add_round(self, machine, count):
        ring = ("tcp", "ring", *BLOCKING_TRIP[2:])
        for placement in self.placements:
            for words in (ring, BLOCKING_TRIP, SIGSEGV):
                value = report.median(machine.floor(words, placement, count))
                self.seen.setdefault((placement, words[:2]), []).append(value)

    def lines(self):
        for placement in self.placements:
            ring, blocking, sigsegv = (
                report.median(self.seen[placement, words])
                for words in (("tcp", "ring"), ("tcp", "blocking"), SIGSEGV[:2]))
            slower = ring / blocking - 1
            yield (f"raw TCP 64 -> 4160 B, {placement}: {ring:.1f} us by io_uring, {blocking:.1f} "
                   f"us by blocking calls ({slower:+.0%}); by a SIGSEGV handler in the process "
                   f"{sigsegv:.1f} us")
            if ring > RING_MAX * blocking:
                yield f"so the floors of {placement} are {RING_MAX} times those by blocking calls"


def parts_of(figure):
    return [part for part in figure.floor if part != ("ours",)]


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def measure_all(machine, figures, quick):
    """{figure: [(ours, floor, p99)]} and the references."""
    rounds = {figure: [] for figure in figures}
    references = References(figures)
    began = time.monotonic()
    for number in range(QUICK_ROUNDS if quick else ROUNDS):
        spent = time.monotonic() - began
        if number > 0 and spent + spent / number > LIMIT_S:
            say(f"there is no time for more than {number} rounds")
            break
        for figure in figures:
            if figure.id == "directory_bytes":
                value, untouched = directory.measure(machine, figure,
                                                     figure.quick if quick else figure.full)
                rounds[figure].append((value, None, untouched))
            else:
                rounds[figure].append(one_round(machine, figure, quick, number % 2 == 1))
        references.add_round(machine, QUICK_COUNT if quick else FULL_COUNT)
        say(f"round {number + 1} after {time.monotonic() - began:.0f} s")
    return rounds, references


def note_of(figure, rounds):
    if figure.id == "directory_bytes":
        untouched = report.median([one[2] for one in rounds])
        return f"and {max(0.0, untouched):.2g} B for an untouched one"
    if figure.higher_is_better:
        return figure.floor_is
    return f"{figure.floor_is} (p99 {report.text_of(report.median([one[2] for one in rounds]))})"


def print_table(entries, rounds):
    rows = []
    for figure, one in zip(rounds, entries):
        ratio = "-" if one["ratio"] is None else f"{report.text_of(one['ratio'])}x"
        rows.append((one["id"], report.text_of(one["ours"]), one["unit"],
                     report.text_of(one["floor"]), ratio, figure.target,
                     note_of(figure, rounds[figure])))
    print(report.table(("id", "ours", "unit", "floor", "ratio", "target", "floor is"), rows))


def measure_figures(machine, chosen):
    wanted = [figure for figure in FIGURES if not chosen.ids or figure.id in chosen.ids]
    figures = [figure for figure in wanted if machine.has(figure.placement)]
    for figure in wanted:
        if figure not in figures:
            say(f"{figure.id} is left out: it needs two CPUs")
    rounds, references = measure_all(machine, figures, chosen.quick)
    entries = [report.entry(figure.id, figure.unit, rounds[figure], figure.floor_is)
               for figure in figures]
    print_table(entries, rounds)
    for line in references.lines():
        print(line)
    if chosen.json:
        report.write_json(chosen.json, entries)
        say(f"{len(entries)} figures in {chosen.json}")


def measure_breakdown(machine, folder):
    all_ = breakdown.measure(machine)
    breakdown.print_table(all_)
    if folder:
        pictures.draw_all(machine, all_, folder)
        say(f"fault_latency.svg and breakdown.svg are in {folder}")


def main():
    build, *words = sys.argv[1:]
    chosen = arguments.parse(words)
    if chosen.json and not os.path.isdir(os.path.dirname(os.path.abspath(chosen.json))):
        sys.exit(f"bench: there is no folder for {chosen.json}")
    if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        print("bench: /dev/userfaultfd can't be opened: `gallocy doctor` says what to do",
              file=sys.stderr)
        sys.exit(EXIT_UNAVAILABLE)
    try:
        with Machine(os.path.abspath(build)) as machine:
            if chosen.breakdown:
                measure_breakdown(machine, chosen.pictures)
            else:
                measure_figures(machine, chosen)
    except (MeasuringFailed, harness.Failed) as problem:
        sys.exit(f"bench: {problem}")


if __name__ == "__main__":
    main()
