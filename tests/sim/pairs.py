#!/usr/bin/env python3
"""pairs.py SIMULATOR: each pair of state and event is reached, or excluded and asserted, or rare.

Several settings, since one alone reaches few; PAIRS_SEEDS (200) seeds of each. Prints what was
reached by none. Exits 1 if a pair is open, that is none of the three, or if a run fails."""
import collections
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
]
LINE = re.compile(r"^  (\S.*?)  +(\S.*?)  +(\d+|impossible|rare|open)")
SECONDS_MAX = 600


def run(options):
    """{(table, state, event): what is printed of it}"""
    seeds = os.environ.get("PAIRS_SEEDS", "200")
    command = [sys.argv[1], "--seed", "1", "--seeds", seeds, "--ops", "2000", "--pairs", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-8000:]}")
    pairs, table = {}, None
    for line in done.stdout.splitlines():
        if line.startswith(("page table:", "directory:")):
            table = line.split(":")[0]
        elif table and (found := LINE.match(line)):
            pairs[table, found.group(1), found.group(2)] = found.group(3)
    return pairs


total = collections.defaultdict(int)
others = {}
for options in SETTINGS:
    for pair, what in run(options).items():
        if what.isdigit():
            total[pair] += int(what)
        else:
            others[pair] = what
left = {pair: what for pair, what in others.items() if pair not in total}
for pair, what in left.items():
    print(f"{what}: {', '.join(pair)}")
counts = collections.Counter(left.values())
print(f"{len(total)} pairs reached, {counts['impossible']} impossible, {counts['rare']} rare and "
      f"not met, {counts['open']} open")
sys.exit(1 if counts["open"] > 0 or not total else 0)
