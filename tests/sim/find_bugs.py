#!/usr/bin/env python3
"""Every planted bug must be found: by oracle, invariant or liveness bound.

usage: find_bugs.py PLANTED_SIMULATOR PLANTED_TESTS [SEED_COUNT [BUG...]]

Prints for each bug the seeds that were needed and what found it. SEED_COUNT (10000) bounds the
seeds of each. What the simulator cannot find a unit test must: it passes without the bug and fails
with it. Exits 1 if a bug was not found, or if the simulator fails without one.
"""
import os
import re
import subprocess
import sys

OPERATIONS = "2000"
SECONDS_MAX = 600
# Holes of the simulator (docs/correctness.md says why), and the unit test that sees each.
HOLES = {
    "accept_old_transaction":
        "an acknowledgement of a request that is over does not count for the next one",
    "accept_old_done": "a transaction is not over when an earlier one of the same node is",
    "accept_old_release": "bytes in a slot are not freed by the release of another transfer",
    "accept_old_writeback_ack":
        "an answer to an eviction that is over changes nothing of the next one",
}
# Of what every draw could find, but hardly one does.
OPTIONS = {
    "first_grant_forgotten": ["--workload", "recycled", "--faults", "removal,crash,delay,pause"],
    "evict_what_the_oldest_needs": ["--workload", "random", "--faults", "pressure,loss,pause",
                                    "--nodes", "5"],
    "token_of_the_dead_kept": ["--workload", "sync", "--nodes", "3"],
}
LAST_LINE = re.compile(r"^seed (\d+): FAIL ", re.M)
REASON = re.compile(r"^seed \d+ at \d+ us, (?:pattern (\w+): )?(.*)$|^seed \d+ at \d+ us: (.*)$",
                    re.M)
CHECK = re.compile(r"^.*check failed.*$|^.*\.[ch]pp:\d+.*$", re.M)
# In a sanitizer build some break a rule of the language first, which ends the simulator at once.
SANITIZER = re.compile(r"^.*(?:runtime error: |ERROR: AddressSanitizer).*$", re.M)


def run(simulator, bug, seed_count):
    command = [simulator, "--seed", "1", "--seeds", str(seed_count), "--ops", OPERATIONS]
    command += ["--bug", bug, *OPTIONS.get(bug, [])] if bug else []
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)


def detector_of(done):
    check = CHECK.search(done.stderr)
    if check:
        return check.group(0).strip()[:140]
    reason = REASON.search(done.stdout)
    return f"[{reason.group(1) or 'sync'}] {reason.group(2) or reason.group(3)}" if reason else "?"


def passes(tests, case, bug):
    environment = os.environ | ({"GALLOCY_BUG": bug} if bug else {})
    done = subprocess.run([tests, f"--test-case={case}"], capture_output=True, text=True,
                          timeout=SECONDS_MAX, env=environment)
    ran = re.search(r"test cases:\s+1 \|", done.stdout)
    if not ran or done.returncode not in (0, 1):
        sys.exit(f"{tests}: the test '{case}' did not run:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main():
    simulator, tests = sys.argv[1:3]
    seed_count = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    listed = subprocess.run([simulator, "--list"], capture_output=True, text=True, check=True)
    names = [line.split(":")[0] for line in listed.stdout.splitlines()]
    bugs = sys.argv[4:] or names
    print("sim: planted bugs, the first seed that finds each, and what found it")
    missed = []
    for bug in bugs:
        if bug in HOLES:
            found = passes(tests, HOLES[bug], None) and not passes(tests, HOLES[bug], bug)
            missed += [] if found else [bug]
            print(f"sim: {bug:34} {'unit' if found else 'NOT':>6}  {HOLES[bug]}", flush=True)
            continue
        done = run(simulator, bug, seed_count)
        found = LAST_LINE.search(done.stdout)
        if done.returncode != 0 and not found and SANITIZER.search(done.stderr):
            print(f"sim: {bug:34}      ?  {SANITIZER.search(done.stderr).group(0)[:140]}",
                  flush=True)
            continue
        if done.returncode != 1 or not found:
            missed.append(bug)
            print(f"sim: {bug:34} not found (exit {done.returncode})", flush=True)
            continue
        options = " ".join(["", *OPTIONS.get(bug, [])])
        print(f"sim: {bug:34} {found.group(1):>6}  {detector_of(done)}{options}", flush=True)
    if run(simulator, None, 20).returncode != 0:
        missed.append("nothing: the simulator fails without a bug")
    print(f"sim: {len(bugs) - len(missed)} of {len(bugs)} planted bugs found within "
          f"{seed_count:,} seeds, {len(HOLES.keys() & set(bugs) - set(missed))} by a unit test"
          + (f"; not: {', '.join(missed)}" if missed else ""))
    return 1 if missed else 0


sys.exit(main())
