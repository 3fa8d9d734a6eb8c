"""Where the time of a remote fault goes: the daemons' stamps and the thread's own two, put side by
side. Daemons on one machine have one CLOCK_MONOTONIC."""
import bisect
import collections
import glob
import os
import tempfile

import report
from measure import PROGRAM_LIMIT_S, MeasuringFailed, harness

FAULTING, HOLDER = 1, 0  # nodes, as in bench/ours/faults.cpp
ROUNDS = 5
FAULT_COUNT = 2000
SUM_WITHIN = 0.10

# (stage, node, what happens up to it)
STAGES = (
    ("event_read", FAULTING, "kernel: the thread is parked, the daemon wakes and reads the event"),
    ("decided", FAULTING, "core decides"),
    ("request_sent", FAULTING, "the request is written and given to the kernel"),
    ("request_received", HOLDER, "network and wake-up: the request is at the holder"),
    ("page_protected", HOLDER, "it is read, core decides, the page is protected or taken away"),
    ("data_sent", HOLDER, "the page is copied and given to the kernel"),
    ("data_received", FAULTING, "network and wake-up: the page is here"),
    ("installed", FAULTING, "it is read, core decides, the page is installed"),
)
RESUMED = ("resumed", "kernel: the thread wakes and goes on")
NAMES = [stage for stage, _, _ in STAGES] + [RESUMED[0]]
TEXTS = [text for _, _, text in STAGES] + [RESUMED[1]]


def read_stamps(folder, node):
    """{(stage, address): [ns, ...]} in order, of the only job that was run."""
    paths = glob.glob(os.path.join(folder, f"*-{node}.stamps"))
    if len(paths) != 1:
        raise MeasuringFailed(f"breakdown: {len(paths)} files of node {node}'s stamps, not one")
    stamps = collections.defaultdict(list)
    with open(paths[0]) as file:
        for line in file:
            ns, stage, address = line.split()
            stamps[stage, int(address, 16)].append(int(ns))
    return stamps


def read_faults(path):
    """(address, began ns, ended ns) of each fault, by the thread's own clock."""
    with open(path) as file:
        for line in file:
            address, began, ended = line.split()
            yield int(address, 16), int(began), int(ended)


def life_of(stamps, address, began, ended):
    """Microseconds that each stage took; None unless there is one stamp of each, in order."""
    moments = [began]
    for stage, node, _ in STAGES:
        times = stamps[node].get((stage, address), [])
        times = times[bisect.bisect_left(times, moments[-1]):]
        if stage == "page_protected":  # of a write there are two: the page has gone at the last
            times = times[-1:]
        if not times:
            return None
        moments.append(times[0])
    # The thread may go on before the daemon, which woke it, comes to look at the clock.
    moments = [min(moment, ended) for moment in [*moments, ended]]
    return [(after - before) / 1000 for before, after in zip(moments, moments[1:])]


def run_faults(machine, placement, kind, folder, stamped):
    """The thread's own (address, began, ended), by daemons with stamps or without."""
    options = ["--fault-stamps", folder] if stamped else []
    path = os.path.join(folder, "faults")
    with machine.new_daemons(placement, *options) as daemons:
        words = [kind, str(FAULT_COUNT), path]
        result = harness.run(*machine.job_words(daemons.sockets, placement, words),
                             limit_s=PROGRAM_LIMIT_S)
        if result.status != 0:
            raise MeasuringFailed(f"breakdown: {result.err.strip()}")
    return list(read_faults(path))


class Breakdown:
    """Of one kind of fault in one placement, over all rounds."""

    def __init__(self, placement, kind):
        self.placement, self.kind = placement, kind
        self.lives, self.plain_us, self.lost_count = [], [], 0

    @property
    def name(self):
        return f"{self.kind}.{self.placement}"

    def add_round(self, machine):
        with tempfile.TemporaryDirectory(prefix="gallocy-stamps-") as folder:
            faults = run_faults(machine, self.placement, self.kind, folder, stamped=True)
            stamps = {node: read_stamps(folder, node) for node in (FAULTING, HOLDER)}
        for fault in faults:
            life = life_of(stamps, *fault)
            if life is None:
                self.lost_count += 1
            else:
                self.lives.append(life)
        if self.lost_count > len(self.lives) / 10:
            raise MeasuringFailed(f"breakdown: {self.lost_count} faults of {self.name} have not "
                                  f"all stamps, {len(self.lives)} have")
        with tempfile.TemporaryDirectory(prefix="gallocy-stamps-") as folder:
            self.plain_us += [(ended - began) / 1000 for _, began, ended in run_faults(
                machine, self.placement, self.kind, folder, stamped=False)]

    def medians(self):
        return [report.median(stage) for stage in zip(*self.lives)]

    def typical(self):
        """Means over the half of the faults that were neither fast nor slow: they add up exactly,
        also where a stage has two usual lengths, of which a median tells only one."""
        ordered = sorted(self.lives, key=sum)
        middle = ordered[len(ordered) // 4:len(ordered) - len(ordered) // 4]
        return [sum(stage) / len(middle) for stage in zip(*middle)]

    def whole(self):
        return report.median([sum(life) for life in self.lives])


def measure(machine):
    """Round by round, so that all see the same weather."""
    all_ = [Breakdown(placement, kind) for kind in ("read_fault", "write_fault")
            for placement in ("one", "each") if machine.has(placement)]
    for _ in range(ROUNDS):
        for one in all_:
            one.add_round(machine)
    return all_


def print_table(all_):
    medians, typical = [one.medians() for one in all_], [one.typical() for one in all_]
    rows = [(*(f"{stages[index]:.2f} / {means[index]:.2f}"
               for stages, means in zip(medians, typical)), text)
            for index, text in enumerate(TEXTS)]
    rows.append((*(f"{sum(stages):.1f} / {sum(means):.1f}"
                   for stages, means in zip(medians, typical)), "sums of the above"))
    rows.append((*(f"{one.whole():.1f}" for one in all_), "the fault as its thread sees it"))
    rows.append((*(f"{report.median(one.plain_us):.1f}" for one in all_),
                 "the same without stamps"))
    print("us: median / mean of the middle half of the faults, which adds up\n")
    print(report.table((*(one.name for one in all_), "up to this"), rows))
    for one, stages in zip(all_, medians):
        off = sum(stages) / one.whole() - 1
        print(f"{one.name}: {len(one.lives)} faults; the medians add up to {off:+.1%} of the fault")
        if abs(off) > SUM_WITHIN:
            print(f"NOTE: {one.name}: that is more than {SUM_WITHIN:.0%}; the means tell more")
