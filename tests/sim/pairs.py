#!/usr/bin/env python3
"""pairs.py SIMULATOR: each pair of state and event is reached, or excluded and asserted.

Several settings, since one alone reaches few: PAIRS_SEEDS (200) seeds of each. Some pairs take one
answer that is later than several other messages; what is still open then is looked for with more
seeds, up to 10,000 of each setting. Prints what was reached only so, and what was not. Exits 1 if a
pair is open in the end, or if a run fails."""
import collections
import concurrent.futures
import os
import re
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
]
SEED_COUNT = int(os.environ.get("PAIRS_SEEDS", "200"))
SEED_COUNT_MAX, BATCH = 10_000, 500
LINE = re.compile(r"^  (\S.*?)  +(\S.*?)  +(\d+|impossible|open)")
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
        if line.startswith(("page table:", "directory:")):
            table = line.split(":")[0]
        elif table and (found := LINE.match(line)):
            pairs[table, found.group(1), found.group(2)] = found.group(3)
    return pairs


class Search:
    def __init__(self):
        self.reached = collections.Counter()
        self.others = {}

    def with_all(self, first_seed, seed_count):
        """Every setting, as many at a time as there are CPUs."""
        workers = len(os.sched_getaffinity(0))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for pairs in pool.map(lambda options: run(options, first_seed, seed_count), SETTINGS):
                self.add(pairs)

    def add(self, pairs):
        for pair, what in pairs.items():
            if what.isdigit():
                self.reached[pair] += int(what)
            else:
                self.others[pair] = what

    def left(self, what):
        return {pair for pair in self.others if pair not in self.reached
                and self.others[pair] == what}


def main():
    search = Search()
    search.with_all(1, SEED_COUNT)
    last_seed = SEED_COUNT
    while (still_open := search.left("open")) and last_seed < SEED_COUNT_MAX:
        search.with_all(last_seed + 1, BATCH)
        last_seed += BATCH
        for pair in sorted(still_open - search.left("open")):
            print(f"reached within {last_seed} seeds of each: {', '.join(pair)}", flush=True)
    for pair in sorted(still_open):
        print(f"open: {', '.join(pair)}")
    print(f"{len(search.reached)} pairs reached, {len(search.left('impossible'))} impossible, "
          f"{len(still_open)} open, {last_seed} seeds of each of {len(SETTINGS)} settings")
    return 1 if still_open or not search.reached else 0


try:
    sys.exit(main())
except RuntimeError as error:
    sys.exit(str(error))
