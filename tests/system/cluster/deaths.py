"""deaths.py [CASE...]: a process of a job ends that no other should have to go on without.

The job ends, for that reason and with the status that says so, and until it has, nobody gets
anything of it: no lock, no end of a thread. Also if main() ends in that time. DEATHS names the
program.
"""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Daemons, expect, expect_status, main, require_daemon, run  # noqa: E402

LIMIT_S = 30
EXIT_JOB_FAILED = 70

# How the process ends: the status of the job, and what is said of it.
ENDS = {
    "segv": (128 + signal.SIGSEGV, "was killed by signal 11 (SIGSEGV); the job ends"),
    "abort": (128 + signal.SIGABRT, "was killed by signal 6 (SIGABRT); the job ends"),
    "kill": (128 + signal.SIGKILL, "was killed by signal 9 (SIGKILL); the job ends"),
    "_exit": (EXIT_JOB_FAILED, "exited with status 0; the job ends"),
    "exit": (EXIT_JOB_FAILED, "exited with status 0; the job ends"),
    "fail": (EXIT_JOB_FAILED, "exited with status 3; the job ends"),
}


def check(what, how, home, *options):
    require_daemon()
    result = run(*(options or ("-n", 3)), os.environ["DEATHS"], what, how, home, limit_s=LIMIT_S)
    status, sentence = ENDS[how]
    where = f"{what} {how}, home {home}:"
    expect_status(result, status)
    # Of two ranks of the node either may have been chosen.
    expect(re.fullmatch(r"gallocy-run: rank [13] on node 1 " + re.escape(sentence),
                        result.last_line()), where, "last line:", result)
    expect(result.out == "begun\n", where, "somebody got something of the dead:", result)


def joiners_of_the_dead():
    for how in ENDS:
        check("join", how, 0)


def locks_of_the_dead():
    """Homed where nobody of them runs, where the next one does, and where the dead did."""
    for what in ("mutex", "rwlock", "lent"):
        for how, home in (("segv", 2), ("kill", 0), ("kill", 1), ("_exit", 2)):
            check(what, how, home)


def robust_mutexes_of_the_dead():
    for how, home in (("abort", 2), ("kill", 0), ("exit", 1)):
        check("robust", how, home)


def last_thread_of_the_dead():
    for how in ("kill", "_exit"):
        check("count", how, 0)


def main_ends_beside_the_dead():
    for how in ENDS:
        check("end", how, 0)


def two_ranks_of_the_node():
    """The other one, and the daemon, go on till the end."""
    with Daemons() as daemons:
        for what, how in (("join", "segv"), ("mutex", "kill"), ("lent", "kill"), ("end", "_exit")):
            check(what, how, 1, "-n", 4, daemons.option)


main(joiners_of_the_dead, locks_of_the_dead, robust_mutexes_of_the_dead, last_thread_of_the_dead,
     main_ends_beside_the_dead, two_ranks_of_the_node, side_by_side=1)
