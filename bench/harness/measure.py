"""Runs the measuring programs on their CPUs, in turns with their floors."""
import contextlib
import os
import subprocess
import sys

from report import median, percentile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
import harness  # noqa: E402  (what system tests share: bounded waits, nothing left behind)
from figures import PLACEMENTS  # noqa: E402

PROGRAM_LIMIT_S = 120
RING_MAX = 1.15  # of the same by blocking calls: what a floor by io_uring may cost
JOB_MEMORY = "640M"


class MeasuringFailed(Exception):
    pass


def samples_of(text, what):
    """The numbers of the last line "samples UNIT NUMBER ..."."""
    for line in reversed(text.splitlines()):
        words = line.split()
        if words[:1] == ["samples"] and len(words) > 2:
            return [float(word) for word in words[2:]]
    raise MeasuringFailed(f"{what}: no samples were printed")


class Machine:
    """Two CPUs, the programs of a build folder, and two daemons for each placement that is asked
    for. Use it as a context."""

    def __init__(self, build):
        self.build = build
        os.environ["GALLOCY_RUN"] = os.path.join(build, "src/run/gallocy-run")
        os.environ["GALLOCYD"] = os.path.join(build, "src/daemon/gallocyd")
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        self.daemons = {}
        self.opened = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *how):
        return self.opened.__exit__(*how)

    def has(self, placement):
        return placement == "one" or len(self.cpus) == 2

    def cpus_of(self, placement):
        return [str(self.cpus[index]) for index in PLACEMENTS[placement]]

    def new_daemons(self, placement, *options):
        """A pair of fresh daemons, as a context."""
        cpus = self.cpus_of(placement)
        return harness.Daemons(*options, prefix=lambda node: ["taskset", "-c", cpus[node]])

    def daemons_of(self, placement):
        if placement not in self.daemons:
            self.daemons[placement] = self.opened.enter_context(self.new_daemons(placement))
        return self.daemons[placement]

    def program(self, *parts):
        return os.path.join(self.build, "bench", *parts)

    def job_words(self, sockets, placement, words, spmd=False, program=None):
        """The command line behind gallocy-run that runs bench/ours, or another program, in two
        ranks."""
        return ["--daemon=" + ",".join(sockets), "-n", "2", "--memory", JOB_MEMORY,
                "--timeout", str(PROGRAM_LIMIT_S), *(["--spmd"] if spmd else []),
                self.program("pinned"), ",".join(self.cpus_of(placement)),
                program or self.program("ours/ours"), *words]

    def ours(self, figure, count):
        words = [str(count) if word == "COUNT" else word for word in figure.ours]
        sockets = self.daemons_of(figure.placement).sockets
        if figure.ranks_on_one_node:
            sockets = sockets[:1]
        result = harness.run(*self.job_words(sockets, figure.placement, words,
                                             figure.ranks_on_one_node),
                             limit_s=PROGRAM_LIMIT_S + 10)
        if result.status != 0:
            raise MeasuringFailed(f"{figure.id}: {result.err.strip()}")
        return samples_of(result.out, figure.id)

    def floor(self, words, placement, count):
        cpus = self.cpus_of(placement)
        meanings = {"CPUS": cpus, "CPUS_LOCAL": [cpus[0]] * 2, "CPU": cpus[:1],
                    "COUNT": [str(count)]}
        name, *rest = words
        if "COUNT" not in rest:
            rest = [*rest, "COUNT"]
        command = [self.program("floors", "floor_" + name)]
        for word in rest:
            command += meanings.get(word, [word])
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_LIMIT_S)
        if done.returncode != 0:
            raise MeasuringFailed(f"{' '.join(command)}: {done.stderr.strip()}")
        return samples_of(done.stdout, " ".join(command))


def floor_of(machine, words, placement, count):
    """One program's median. Round trips by io_uring count as what they would cost at most, should
    the ring of this machine be slower than a floor may be."""
    value = median(machine.floor(words, placement, count))
    if words[:2] != ("tcp", "ring"):
        return value
    blocking = ("tcp", "blocking", *words[2:])
    return min(value, RING_MAX * median(machine.floor(blocking, placement, count)))


def one_round(machine, figure, quick, floor_first):
    """(ours, floor, p99 of ours): of one figure, one after the other."""
    count = figure.quick if quick else figure.full

    def ours():
        samples = machine.ours(figure, count)
        return median(samples), percentile(samples, 99)

    def floor():
        if figure.floor == (("ours",),):
            return ours()[0]
        return sum(factor * floor_of(machine, words, figure.placement, count)
                   for factor, words in figure.floor)

    if floor_first:
        floor_value = floor()
        value, p99 = ours()
    else:
        value, p99 = ours()
        floor_value = floor()
    return value, floor_value, p99
