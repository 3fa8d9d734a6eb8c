"""One job of two nodes that stays, on daemons of its own, which does round after round of
everything (tests/system/programs/rounds.c).

What a round needs is freed at its end. So each ROUNDS_EACH rounds its processes and the daemons may
hold no descriptor and no thread more than after the first, and none of them may have grown
(usage.py). Of the daemons' heap that is not asked while they have a job: what they remember of the
pages that were in use, and of threads that have waited for pages, comes slowly to its bounds."""
import functools
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import Daemons, Job, expect  # noqa: E402
from usage import Growth  # noqa: E402

NODE_COUNT = 2
ROUNDS_EACH = 2
ROUND_LIMIT_S = 300
SETTLE_LIMIT_S = 20


class LongJob:
    """`lines` is a file that is the standard input of the job."""

    def __init__(self, job, lines, daemons):
        self.job, self.lines, self.daemons = job, lines, daemons
        self.round_count = self.heap_count = 0
        pids = job.await_lines("ranks", 1)[0].split()
        expect(len(pids) == NODE_COUNT, "there are the ranks", pids)
        self.run_round()  # what is made when it is needed first is there now
        self.growths = {}
        for node, process in enumerate(daemons.processes):
            self.growths[f"daemon {node} of the long job"] = Growth(
                process.pid, functools.partial(daemons.heap_bytes, node), judges_heap=False)
        for rank, pid in enumerate(pids):
            self.growths[f"rank {rank}"] = Growth(
                int(pid), functools.partial(self.heap_bytes, rank))

    def run_round(self):
        self.lines.write("round\n")
        self.round_count += 1
        self.job.await_lines("round", self.round_count, ROUND_LIMIT_S)

    def heap_bytes(self, rank):
        self.lines.write("heap\n")
        self.heap_count += 1
        return int(self.job.await_lines("heap", self.heap_count)[-1].split()[rank])

    def check(self):
        for name, growth in self.growths.items():
            wrong = growth.look(SETTLE_LIMIT_S)
            expect(not wrong, f"{name}, after {self.round_count} rounds:", wrong)

    def run(self, seconds, is_over):
        """Or until it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not is_over():
            for _ in range(ROUNDS_EACH):
                self.run_round()
            self.check()


def run_long_job(daemons, seconds, is_over):
    """Gives the job, of which nothing is left."""
    reading, writing = os.pipe()
    command = ["-n", NODE_COUNT, daemons.option,
               os.path.join(os.environ["PROGRAMS"], "test_rounds")]
    with open(reading, "rb") as stdin, open(writing, "w", buffering=1) as lines, \
            Job(command, stdin=stdin, env=Daemons.EXACT_HEAP) as job:
        long_job = LongJob(job, lines, daemons)
        long_job.run(seconds, is_over)
        lines.close()
        result = job.wait(ROUND_LIMIT_S)
        job.expect_nothing_left(wait_s=SETTLE_LIMIT_S)
        expect(result.status == 0 and result.out.endswith("\nOK\n"), "it did not end well:", result)
        return long_job
