"""Nobody reads a page as zeros because its daemon has gone: neither where the daemon is killed
under load, nor where the program has closed all descriptors that it did not open. The environment
names NEVER_ZERO, which says so if it happens: a program of the library's, or one that has never
heard of it."""
import contextlib
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Job, environment_of, expect, expect_status, kill,  # noqa: E402
                     main, require_daemon, wait_for, words_of)

ROUNDS = 5
LIMIT_S = 15
THREADS = 4


def start(*words):
    require_daemon()
    return Job(["-n", 2, os.environ["NEVER_ZERO"], *words])


def await_all(job, ready="running"):
    """Until all threads have said so. Where a program has closed descriptors, the job may have
    ended by then."""
    wait_for(lambda: job.out_so_far().count(ready + " ") == THREADS
             or job.process.poll() is not None, LIMIT_S, "all are", ready, job)


def process_of(job, rank):
    """None if it has ended."""
    for pid in job.processes(os.path.basename(os.environ["NEVER_ZERO"])):
        with contextlib.suppress(OSError):
            if environment_of(pid).get("GALLOCY_RANK") == str(rank):
                return pid
    return None


def keeper_of(job):
    keepers = job.processes("gallocy-keeper")
    expect(len(keepers) == 1, "keepers:", keepers)
    return keepers[0]


def held_by(pid):
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    return sorted(re.sub(r"/memfd:.*", "memory", link) for link in links
                  if "userfaultfd" in link or link.startswith("/memfd:"))


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def kill_daemon(job, node):
    """All that the daemon had is closed before a thread of its rank runs on, which has the same
    number."""
    rank = process_of(job, node)
    daemon = next((pid for pid in job.processes("gallocyd")
                   if f" --node-id {node} " in " ".join(words_of(pid))), None)
    if daemon is None or rank is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(rank, signal.SIGSTOP)
    kill(daemon)
    wait_for(lambda: is_gone(daemon), LIMIT_S, "the daemon is gone")
    with contextlib.suppress(ProcessLookupError):
        os.kill(rank, signal.SIGCONT)


def expect_no_zeros(job):
    result = job.wait(LIMIT_S)
    expect_status(result, 70)
    expect("zero at" not in result.out, "a page was read as zeros:", result)
    job.expect_nothing_left()


def daemon_killed_under_load():
    for number in range(ROUNDS):
        with start() as job:
            await_all(job)
            kill_daemon(job, number % 2)
            expect_no_zeros(job)


def descriptors_closed():
    """The last duplicate outside the keeper is the daemon's."""
    for number in range(ROUNDS):
        with start("closes") as job:
            await_all(job, "closed")
            kill_daemon(job, number % 2)
            expect_no_zeros(job)


def keeper_holds():
    with start() as job:
        await_all(job)
        keeper = keeper_of(job)
        wait_for(lambda: held_by(keeper) == ["anon_inode:[userfaultfd]"] * 2 + ["memory"] * 2,
                 LIMIT_S, "it holds two descriptors of each rank:", held_by(keeper))
        job.process.send_signal(signal.SIGTERM)
        expect_status(job.wait(LIMIT_S), 128 + signal.SIGTERM)
        job.expect_nothing_left()


def keeper_goes():
    """Whatever becomes of gallocy-run, with the last rank."""
    with start() as job:
        await_all(job)
        keeper_of(job)
        job.process.kill()
        job.wait(LIMIT_S)
        job.expect_nothing_left(wait_s=LIMIT_S, folders=False)


def keeper_killed():
    """The job does not go on without: the next daemon's death might be read as zeros."""
    with start() as job:
        await_all(job)
        kill(keeper_of(job))
        result = job.wait(LIMIT_S)
        expect_status(result, 70)
        expect("holds the ranks' descriptors was killed by signal 9 (SIGKILL); the job ends"
               in result.last_line(), result)
        expect("zero at" not in result.out, "a page was read as zeros:", result)
        job.expect_nothing_left()


if __name__ == "__main__":
    main(daemon_killed_under_load, descriptors_closed, keeper_holds, keeper_goes, keeper_killed,
         side_by_side=1)
