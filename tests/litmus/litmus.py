"""litmus.py: the litmus catalogue on clusters of 2, 3 and 4 nodes, LITMUS_ITERATIONS (300) a test.

The iterations are spread evenly over 12 configurations: 2, 3 and 4 nodes; variables on one page,
and each on a page of another home; one and two threads a node. An outcome that x86-TSO forbids ends
the test. All that were seen are printed at the end, summed over the configurations. With variables
on different pages and threads not all on one node, a test should have seen all that sequential
consistency allows, or too little happened at once for it to count: what it did not see is named.

With `planted` it runs a program that breaks the rules, which has to be found.

The environment names GALLOCY_RUN, GALLOCYD and LITMUS, the program."""
import collections
import itertools
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import (expect, expect_status, main, require_daemon, require_nodes,  # noqa: E402
                     run)

TEST_COUNT = 30
NODE_COUNTS = (2, 3, 4)
PLACES = ("pages", "one_page")
THREADS_A_NODE = (1, 2)
CONFIGURATIONS = list(itertools.product(NODE_COUNTS, PLACES, THREADS_A_NODE))
PASS_ITERATIONS = 10000
PLANTED_ITERATIONS = 4000

Outcome = collections.namedtuple("Outcome", "words model asked")


def run_one(nodes, place, threads, iterations, *more):
    """One configuration; bounded by a tenth of a second an iteration."""
    seed = random.SystemRandom().randrange(1 << 32)
    limit_s = 120 + TEST_COUNT * iterations // 10
    return run("-n", str(nodes), "--timeout", str(limit_s), os.environ["LITMUS"], place,
               str(threads), str(iterations), str(seed), *more, stat=True, limit_s=limit_s + 30)


def end_children(*unused):
    """Told to end, as when the soak ends early: the launcher ends its job, so this test fails."""
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGTERM)


def histograms_of(text):
    """{test: {outcome: count}} of what the program printed, and the same of threads on several
    nodes only."""
    histogram, across_nodes = {}, {}
    for line in text.splitlines():
        kind, *fields = line.split("|")
        if kind == "outcome":
            test, words, model, asked, count, across = fields
            outcome = Outcome(words, model, asked == "1")
            histogram.setdefault(test, {})[outcome] = int(count)
            across_nodes.setdefault(test, {})[outcome] = int(across)
    return histogram, across_nodes


def add(total, histogram):
    for test, counts in histogram.items():
        total.setdefault(test, collections.Counter()).update(counts)


def say(*words):
    print("litmus:", *words, flush=True)


def print_table(total, apart):
    """Each test's outcomes, how often they were seen, and how often apart: with variables on
    different pages and threads not all on one node. ? is one that SC allows and that never was."""
    complete = 0
    for test, counts in total.items():
        asked = [outcome for outcome in counts if outcome.asked]
        unseen = [outcome for outcome in counts
                  if outcome.model == "sc" and apart[test][outcome] == 0]
        complete += not unseen
        verdict = f"tso allows, seen {sum(counts[one] for one in asked)}" if asked else "never"
        say(f"{test} [{verdict}]: {sum(counts.values())} iterations, "
            f"{sum(apart[test].values())} apart"
            + (f", does not count yet: {len(unseen)} not seen" if unseen else ""))
        for outcome, count in sorted(counts.items(), key=lambda one: -one[1]):
            mark = "?" if outcome in unseen else "*" if outcome.model == "tso" else " "
            say(f"  {mark} {count:9} {apart[test][outcome]:9} {outcome.words}")
    say(f"{len(total)} tests, none saw what x86-TSO forbids; {complete} saw all that sequential "
        "consistency allows apart: variables on different pages, threads not all on one node "
        "(? not seen, * only with TSO)")


def run_pass(each, total, apart):
    """`each` iterations of every test in every configuration."""
    for nodes, place, threads in CONFIGURATIONS:
        result = run_one(nodes, place, threads, each)
        what = f"{nodes} nodes, {place}, {threads} threads a node"
        expect(result.status == 0 and result.out.splitlines()[-1:] == ["OK"], what, result)
        require_nodes(result, nodes)
        histogram, across_nodes = histograms_of(result.out)
        expect(len(histogram) == TEST_COUNT, what, "only", len(histogram), "tests ran")
        for test, counts in histogram.items():
            expect(sum(counts.values()) >= each, what, test, "ran too rarely:", counts)
        add(total, histogram)
        if place == "pages":
            add(apart, across_nodes)
        say(f"{what}: {each} iterations a test in {result.seconds:.1f} s")


def catalogue():
    require_daemon()
    wanted = int(os.environ.get("LITMUS_ITERATIONS", "300"))
    expect(wanted > 0, "LITMUS_ITERATIONS must be a number above 0, not", wanted)
    end = time.monotonic() + float(os.environ.get("LITMUS_SECONDS", "inf"))
    passes = -(-wanted // PASS_ITERATIONS)
    total, apart = {}, {}
    for made in range(passes):
        if made > 0 and time.monotonic() >= end:
            break
        run_pass(-(-wanted // (passes * len(CONFIGURATIONS))), total, apart)
    print_table(total, apart)
    # scripts/soak looks for it.
    say(f"{min(sum(counts.values()) for counts in total.values())} of {wanted} iterations of each "
        "test")


def planted():
    require_daemon()
    result = run_one(2, "pages", 1, PLANTED_ITERATIONS, "planted")
    expect_status(result, 1)
    expect("FORBIDDEN: MP: r0=1 r1=0" in result.err, "the planted outcome was not named:", result)


signal.signal(signal.SIGTERM, end_children)
main(planted if sys.argv[1:] == ["planted"] else catalogue, chosen=[])
