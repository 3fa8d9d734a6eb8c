#!/usr/bin/env python3
"""pairs.py SIMULATOR: each pair of state and event is reached, or excluded and asserted.

Several settings, since one alone reaches few: PAIRS_SEEDS (200) seeds of each. Some pairs take one
answer that is later than several other messages; what is still open then is looked for with more
seeds, up to 5,000 of each setting. Prints what was reached only so, and all as a table. Exits 1 if
a pair is open in the end, or if a run fails."""
import collections
import concurrent.futures
import itertools
import os
import subprocess
import sys

SETTINGS = [
    [],
    ["--workload", "chunks", "--nodes", "3"],
    ["--workload", "random", "--faults", "pressure,delay,reorder,slow"],
    ["--workload", "random", "--late", "recalls"],
    ["--workload", "recycled", "--faults", "pressure,delay,reorder", "--late", "ends"],
    ["--workload", "recycled", "--faults", "pressure,delay,reorder", "--late", "evictions",
     "--nodes", "5"],
    ["--workload", "recycled", "--late", "evictions", "--nodes", "3"],
    ["--workload", "random", "--late", "evictions"],
    ["--workload", "recycled", "--faults", "removal,crash,delay,reorder,pressure", "--nodes", "5"],
    ["--workload", "random", "--late", "ends", "--nodes", "5"],
]
# Seeds that reach what hundreds of others do not: a home's answer to an eviction that is over
# comes while bytes that a third node sent wait for acknowledgements; a member is removed while a
# page that is zero again waits for a frame; and somebody reports to have a page of a chunk that
# was given back.
OF_FOUR = ["--workload", "recycled", "--faults", "pressure,delay,reorder", "--late", "evictions",
           "--nodes", "4"]
OF_REMOVALS = ["--workload", "recycled", "--faults", "removal,crash,delay,reorder,pressure",
               "--nodes", "5"]
RARE = [(5529, OF_FOUR), (5574, OF_FOUR), (625, OF_REMOVALS), (1023, OF_REMOVALS)]
SEED_COUNT = int(os.environ.get("PAIRS_SEEDS", "200"))
SEED_COUNT_MAX, BATCH = 5_000, 500
SECONDS_MAX = 600


def run(options, first_seed, seed_count):
    """{(table, state, event): what is printed of it}"""
    command = [sys.argv[1], "--seed", str(first_seed), "--seeds", str(seed_count), "--ops", "2000",
               "--pairs", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-8000:]}")
    pairs, table = {}, None
    for line in done.stdout.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if line.startswith(("page table:", "directory:")):
            table = line.split(":")[0]
        elif table and len(fields) == 3:
            pairs[table, fields[0], fields[1]] = fields[2]
    return pairs


def short(count):
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= 10 * size:
            return f"{count // size}{unit}"
    return str(count)


class Search:
    def __init__(self):
        self.reached = collections.Counter()
        self.others = {}  # what was printed of a pair that a run has not reached

    def with_all(self, first_seed, seed_count):
        """Every setting, as many at a time as there are CPUs."""
        workers = len(os.sched_getaffinity(0))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for pairs in pool.map(lambda options: run(options, first_seed, seed_count), SETTINGS):
                self.add(pairs)

    def add(self, pairs):
        self.order = list(pairs)
        for pair, what in pairs.items():
            if what.isdigit():
                self.reached[pair] += int(what)
            else:
                self.others[pair] = what

    def left(self, what):
        return {pair for pair in self.others if pair not in self.reached
                and self.others[pair].startswith(what)}

    def what_of(self, pair):
        if pair in self.reached:
            return short(self.reached[pair])
        return "-" if self.others[pair].startswith("impossible") else self.others[pair]

    def print_table(self, table):
        """Events by states; and why what is impossible is."""
        pairs = dict.fromkeys(pair for pair in [*self.others, *self.reached] if pair[0] == table)
        states = list(dict.fromkeys(state for _, state, _ in sorted(pairs, key=self.order.index)))
        events = list(dict.fromkeys(event for _, _, event in sorted(pairs, key=self.order.index)))
        assert len(pairs) == len(states) * len(events)
        print(f"sim: {table}: events and states; '-' is impossible, and asserted never to be;"
              " 'unmet' is put aside in any state")
        heads = [(state.split() + [""])[:2] for state in states]
        for row in zip(*heads):
            print("sim:", " " * 18, *(f"{word:>10}" for word in row))
        for event in events:
            print(f"sim: {event:18}", *(f"{self.what_of((table, state, event)):>10}"
                                        for state in states))
        reasons = collections.defaultdict(lambda: collections.defaultdict(list))
        for state, event in itertools.product(states, events):
            why = self.others.get((table, state, event), "")
            if (table, state, event) not in self.reached and why.startswith("impossible: "):
                reasons[why.removeprefix("impossible: ")][state].append(event)
        for why, of_state in reasons.items():
            by_events = collections.defaultdict(list)
            for state, some in of_state.items():
                by_events["any" if some == events else ", ".join(some)].append(state)
            for some, of in by_events.items():
                print(f"sim:   {'any' if of == states else ', '.join(of)} / {some}: {why}")


def main():
    search = Search()
    for seed, options in RARE:
        search.add(run(options, seed, 1))
    search.with_all(1, SEED_COUNT)
    last_seed = SEED_COUNT
    while (still_open := search.left("open")) and last_seed < SEED_COUNT_MAX:
        search.with_all(last_seed + 1, BATCH)
        last_seed += BATCH
        for pair in sorted(still_open - search.left("open")):
            print(f"sim: reached only within {last_seed} seeds of each: {', '.join(pair)}",
                  flush=True)
    for table in dict.fromkeys(pair[0] for pair in search.order):
        search.print_table(table)
    for pair in sorted(still_open):
        print(f"sim: open: {', '.join(pair)}")
    print(f"sim: {len(search.reached)} pairs reached, {len(search.left('impossible'))} impossible, "
          f"{len(search.left('unmet'))} unmet, {len(still_open)} open, "
          f"{last_seed} seeds of each of {len(SETTINGS)} settings")
    return 1 if still_open or not search.reached else 0


try:
    sys.exit(main())
except RuntimeError as error:
    sys.exit(str(error))
