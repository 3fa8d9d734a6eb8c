"""stress.py: memory, threads, locks and jobs on daemons that stay, for STRESS_SECONDS (600).

In rounds: each round runs every work of WORKS once, on as many daemons and in the order that the
round's seed says, several side by side; one in KILLS_EACH loses a rank at some moment. Every
program checks what it reads, and its status and last line are checked here. LEG_COUNT times a round
all jobs end; then nothing of them may be left and no daemon may have grown (usage.py). What is
found, by a sanitizer too, ends all at once, and is shown. Beside that one job stays (long_job.py).

The environment names GALLOCY_RUN, GALLOCYD and PROGRAMS, the folder of the programs. The seed is
STRESS_SEED or another each time; the rounds of a seed run the same jobs, though not in the same
time."""
import concurrent.futures
import contextlib
import functools
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (Daemons, Failed, Job, expect, kill, main, require_daemon,  # noqa: E402
                     sanitizer_reports, wait_for)
import long_job  # noqa: E402
from usage import Growth, growth_text  # noqa: E402

DAEMON_COUNT = 4
LANE_COUNT = 2
LEG_COUNT = 3
KILLS_EACH = 6
JOB_LIMIT_S = 300
SETTLE_LIMIT_S = 20
# A short quarantine, and few frames of its own for each thread's variables, which are all used in
# turn: what a process frees shall not look like what it keeps.
SANITIZER_OPTIONS = ("quarantine_size_mb=4:thread_local_quarantine_size_kb=64:"
                     "max_uar_stack_size_log=16")
os.environ["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:{SANITIZER_OPTIONS}"
SECONDS = int(os.environ.get("STRESS_SECONDS") or 600)
FOUND = threading.Event()  # something: all shall end


class Work:
    """`ranks`: so many are on each node."""
    def __init__(self, program, *arguments, nodes=(1, 2, 3, 4), options=(), ranks=1):
        self.program, self.arguments = program, arguments
        self.nodes, self.options, self.ranks = nodes, options, ranks


WORKS = (
    # memory
    Work("heap_stress", "100"),
    Work("heap_stress", "100", nodes=(2, 3), options=("--memory", "256M")),
    Work("heap_calls"),
    Work("memory", "exceed", "36", "2", nodes=(2,), options=("--memory", "64M")),
    Work("memory", "exceed", "24", "1", nodes=(3, 4), options=("--memory", "64M")),
    Work("memory", "malloc", "19", nodes=(1, 2), options=("--memory", "32M")),
    Work("prefetch", "yes", nodes=(2,)),
    Work("maps", nodes=(2, 3, 4)),
    Work("steal", nodes=(2,)),
    Work("stress"),
    # threads
    Work("threads", nodes=(1, 2, 3)), Work("thread_ends"), Work("keys"), Work("main_exits"),
    Work("cpp"), Work("spmd", options=("--spmd",)), Work("syscalls", nodes=(2,)),
    # locks
    Work("mutexes"), Work("conditions"), Work("barriers"), Work("rwlocks"), Work("semaphores"),
    Work("once"), Work("owners", nodes=(2,), options=("--spmd",)),
    # several ranks of one node
    Work("ranks", "share", nodes=(1, 2, 3), options=("--spmd",), ranks=2),
    Work("heap_stress", "60", nodes=(1, 2), ranks=2), Work("stress", nodes=(2, 3), ranks=2),
    # jobs: short ones in a row
    *[Work("names") for _ in range(6)],
)


class Stress:
    def __init__(self, daemons):
        self.daemons = daemons
        for node in range(DAEMON_COUNT):
            wait_for(lambda: daemons.log(node).count(": linked to node ") == DAEMON_COUNT - 1,
                     SETTLE_LIMIT_S, "daemon", node, "has links to all others")
        self.growths = [Growth(process.pid, functools.partial(daemons.heap_bytes, node))
                        for node, process in enumerate(daemons.processes)]
        self.jobs = {}  # that run: what each is
        self.lock = threading.Lock()
        self.stopped = False
        self.job_count = 0

    def run_job(self, work, seed):
        chance = random.Random(seed)
        count = chance.choice(work.nodes)
        sockets = self.daemons.sockets[:count]  # the programs count their nodes from 0
        with_kill = chance.randrange(KILLS_EACH) == 0
        command = ["-n", count * work.ranks, "--daemon=" + ",".join(sockets), *work.options,
                   os.path.join(os.environ["PROGRAMS"], "test_" + work.program), *work.arguments]
        with Job(command) as job:
            with self.lock:
                if self.stopped:
                    job.process.terminate()
                self.jobs[job] = work.program
            try:
                killed = with_kill and self.kill_a_rank(job, work, chance)
                result = job.wait(JOB_LIMIT_S)
                job.expect_nothing_left(wait_s=SETTLE_LIMIT_S)
                self.check(result, killed)
            except Failed as failure:
                raise Failed(f"{' '.join(map(str, command))}\n{failure}") from None
            finally:
                with self.lock:
                    del self.jobs[job]
                    self.job_count += 1

    @staticmethod
    def kill_a_rank(job, work, chance):
        """Whether there was one to be killed."""
        time.sleep(chance.choice((0.1, 0.5, 2)) * chance.random())
        ranks = job.processes("test_" + work.program)
        if not ranks:
            return False
        kill(chance.choice(ranks))
        return True

    @staticmethod
    def check(result, killed):
        if killed and result.status == 128 + signal.SIGKILL:
            return
        expect(result.status == 0, "it did not end well:", result)  # it may have ended before
        expect(result.out.splitlines()[-1:] == ["OK"], "no OK:", result)

    def stop(self):
        with self.lock:
            self.stopped = True
            for job in self.jobs:
                job.process.terminate()

    def run_round(self, seed):
        works = random.Random(seed).sample(WORKS, len(WORKS))
        for leg in range(LEG_COUNT):
            if FOUND.is_set():
                return
            self.run_leg(works[leg::LEG_COUNT], f"{seed}:{leg}")
            self.check_daemons()

    def run_leg(self, works, seed):
        with concurrent.futures.ThreadPoolExecutor(LANE_COUNT) as lanes:
            futures = [lanes.submit(self.run_job, work, f"{seed}:{number}")
                       for number, work in enumerate(works)]
            try:
                for future in concurrent.futures.as_completed(futures):
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self.tell_states()
                self.stop()
                raise

    def tell_states(self):
        """Of the pages on their way, for whoever has to find out."""
        for process in self.daemons.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1)
        time.sleep(1)

    def check_daemons(self):
        for node, growth in enumerate(self.growths):
            expect(self.daemons.processes[node].poll() is None, "daemon", node, "has ended")
            wrong = growth.look(SETTLE_LIMIT_S)
            expect(not wrong, "daemon", node, "after all jobs have ended:", wrong)

    def run(self, seconds, seed):
        began = time.monotonic()
        self.round_number = 0
        try:
            while time.monotonic() - began < seconds and not FOUND.is_set():
                self.round_number += 1
                self.run_round(f"{seed}:{self.round_number}")
                print(f"round {self.round_number}, {self.job_count} jobs, "
                      f"{time.monotonic() - began:.0f} s; daemon 0: "
                      f"{self.growths[0].looks[-1]}", flush=True)
        except Failed as failure:
            raise Failed(f"STRESS_SEED={seed}, round {self.round_number}: {failure}") from None
        return time.monotonic() - began


@contextlib.contextmanager
def stress_daemons(count):
    """A failure comes with all there is to be said of it, what sanitizers say last."""
    with Daemons(count=count, env=Daemons.EXACT_HEAP) as daemons:
        try:
            yield daemons
        except BaseException as failure:
            FOUND.set()
            if not isinstance(failure, Failed):
                raise
            logs = [f"---- log of daemon {node} ----\n{daemons.log(node)[-8000:]}"
                    for node in range(count)]
            raise Failed("\n".join([*logs, sanitizer_reports(daemons.folder), str(failure)])) \
                from None


def print_growths(growths):
    for name, growth in growths.items():
        print(f"{name}: heap {growth.heap_text()} bytes; resident {growth.resident_text()} KiB",
              flush=True)


def jobs_that_come_and_go():
    require_daemon()
    seed = os.environ.get("STRESS_SEED") or random.randrange(1 << 32)
    print(f"STRESS_SEED={seed}", flush=True)
    with stress_daemons(DAEMON_COUNT) as daemons:
        stress = Stress(daemons)
        took_s = stress.run(SECONDS, seed)
    print_growths({f"daemon {node}": growth for node, growth in enumerate(stress.growths)})
    print(f"stress: {stress.round_number} rounds, {stress.job_count} jobs, {took_s:.0f} s, "
          f"0 findings, {growth_text(stress.growths)}", flush=True)


def a_job_that_stays():
    require_daemon()
    with stress_daemons(long_job.NODE_COUNT) as daemons:
        job = long_job.run_long_job(daemons, SECONDS, FOUND.is_set)
    print_growths(job.growths)
    print(f"stress: {job.round_count} rounds of a job that stays, 0 findings, "
          f"{growth_text(job.growths.values())}", flush=True)


main(jobs_that_come_and_go, a_job_that_stays, chosen=[])
