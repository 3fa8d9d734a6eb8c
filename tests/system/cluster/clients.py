"""clients.py [CASE...]: several clients of one daemon, and what is left of one that is killed.

The environment names the programs: RANKS, MEMORY, STRESS, HEAP_STRESS, WINDOWS, and GALLOCY, the
tool.
"""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Job, environment_of, expect, expect_status,  # noqa: E402
                     holding_job, kill, main, require_daemon, require_nodes, resident_bytes, run,
                     wait_for)

LIMIT_S = 10
RANKS = ("-n", 4, "--spmd")  # two on each daemon


def ranks_of_one_node():
    require_daemon()
    with Daemons() as daemons:
        for options, program in ((RANKS, (os.environ["RANKS"], "share")),
                                 (("-n", 4), (os.environ["STRESS"],)),
                                 (("-n", 4), (os.environ["HEAP_STRESS"], 60))):
            result = run(*options, daemons.option, *program, stat=True)
            expect_status(result, 0)
            expect(result.out.endswith("OK\n"), "no OK:", result)
            require_nodes(result, 2)
            nodes = {rank["rank"]: rank["node"] for rank in result.stat["ranks"]}
            expect(nodes == {0: 0, 1: 1, 2: 0, 3: 1}, "ranks ran elsewhere:", nodes)
            if options is RANKS:
                expect(all(rank["threads_run"] > 0 for rank in result.stat["ranks"]), result.stat)


# ---- a client that is killed ----------------------------------------------------------------

def footprint(pid):
    """What must not grow in a daemon from one job to the next."""
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": len(os.listdir(f"/proc/{pid}/task")),
            "memory files": resident_bytes(pid)}


def jobs_of(daemons):
    sockets = [word for path in daemons.sockets for word in ("--socket", path)]
    shown = subprocess.run([os.environ["GALLOCY"], "stat", "--json", *sockets], timeout=LIMIT_S,
                           capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)


def expect_dead_and_gone(job, rank, node):
    """The job ends in time, with a sentence about the rank, and leaves nothing behind."""
    result = job.wait(LIMIT_S)
    expect_status(result, 128 + signal.SIGKILL)
    last = result.last_line()
    expect(f"rank {rank} on node {node} " in last and "SIGKILL" in last, "last line:", last)
    job.expect_nothing_left()


def grows(sizes):
    """With every job. What does not is the same, or was larger once."""
    return all(later > earlier for earlier, later in zip(sizes, sizes[1:]))


def expect_harmless(kill_one, times=3):
    """kill_one(daemons) ends a job. Whatever it leaves in the daemons is gone afterwards, and
    another job at the same time does not notice."""
    require_daemon()
    with Daemons(env=Daemons.EXACT_HEAP) as daemons:
        pids = [process.pid for process in daemons.processes]
        expect_status(run("-n", 2, daemons.option, os.environ["STRESS"], 20), 0)
        wait_for(lambda: not any(map(resident_bytes, pids)), LIMIT_S, "the first job is over")
        idle = [footprint(pid) for pid in pids]

        def back_to_idle():
            return all(now[what] <= then[what] for now, then in
                       zip(map(footprint, pids), idle) for what in then)
        kill_one(daemons)
        wait_for(back_to_idle, LIMIT_S, "what the first job took is given back:", idle)
        sizes = [[daemons.heap_bytes(node)] for node in range(len(pids))]
        while len(sizes[0]) <= times or any(map(grows, sizes)):
            expect(len(sizes[0]) <= 12, "a daemon's heap grows with every job:", sizes)
            with holding_job("-n", 2, daemons.option, os.environ["MEMORY"], "hold", 4) as go_on:
                kill_one(daemons)
                expect_status(go_on(), 0)
            expect_status(run("-n", 2, daemons.option, os.environ["STRESS"], 20), 0)
            wait_for(lambda: jobs_of(daemons) == [], LIMIT_S, "no job is left")
            wait_for(back_to_idle, LIMIT_S, "what the jobs took is given back:", idle)
            for node, size in enumerate(sizes):
                size.append(daemons.heap_bytes(node))


def await_parked(tid):
    """The thread waits for a page."""
    def parked():
        with open(f"/proc/{tid}/wchan") as file:
            return "userfault" in file.read()
    wait_for(parked, LIMIT_S, "thread", tid, "waits for a page")


def kill_in_fault(stopped):
    """Kills a rank whose fault cannot be served, since that daemon is stopped: 0, the home of the
    page, or 1, the rank's own, which has not even read of it."""
    def kill_one(daemons):
        path = os.path.join(daemons.folder, "touch.log")
        with Job([*RANKS, daemons.option, os.environ["RANKS"], "fault", path]) as job:
            pid, tid = map(int, job.await_lines("ready", 1)[0].split())
            daemon = daemons.processes[stopped]
            daemon.send_signal(signal.SIGSTOP)
            try:
                wait_for(lambda: state_of(daemon.pid) == "T", LIMIT_S, "the daemon is stopped")
                open(path, "w").close()
                await_parked(tid)
                kill(pid)
            finally:
                daemon.send_signal(signal.SIGCONT)
                os.unlink(path)
            expect_dead_and_gone(job, 1, 1)
    return kill_one


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def killed_in_a_fault_of_another_node():
    expect_harmless(kill_in_fault(0))


def killed_in_a_fault_that_nobody_read():
    expect_harmless(kill_in_fault(1))


def killed_with_a_lock():
    def kill_one(daemons):
        with Job([*RANKS, daemons.option, os.environ["RANKS"], "lock"]) as job:
            pid = int(job.await_lines("locked", 1)[0])
            begin = len(daemons.log(0))

            def all_wait():
                daemons.processes[0].send_signal(signal.SIGUSR1)  # the home of the lock
                dumps = daemons.log(0)[begin:].split(" clients, ")
                return any(len(re.findall(r"waits: ", dump)) == 3 for dump in dumps)
            wait_for(all_wait, LIMIT_S, "three ranks wait for the lock")
            kill(pid)
            expect_dead_and_gone(job, 1, 1)
    expect_harmless(kill_one)


def killed_while_it_allocates():
    """At a moment that nobody chose: several times."""
    def kill_one(daemons):
        with Job(["-n", 4, daemons.option, os.environ["HEAP_STRESS"], 1000000]) as job:
            victim = wait_for(lambda: busy_rank(job, 1), 30, "rank 1 allocates")
            kill(victim)
            expect_dead_and_gone(job, 1, 1)
    expect_harmless(kill_one)


def killed_while_it_maps_windows():
    """Somewhere between two steps, of one window or another."""
    def kill_one(daemons):
        with Job([*RANKS, daemons.option, os.environ["WINDOWS"], "map"]) as job:
            kill(int(job.await_lines("mapping", 1)[0]))
            expect_dead_and_gone(job, 1, 1)
    expect_harmless(kill_one)


def busy_rank(job, rank):
    """Its pid, once it has used some time of a CPU."""
    expect(job.process.poll() is None, "the job ended early:", job)
    for pid in job.processes(os.path.basename(os.environ["HEAP_STRESS"])):
        try:
            if int(environment_of(pid).get("GALLOCY_RANK", -1)) != rank:
                continue
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # it is just being made
        if int(fields[11]) + int(fields[12]) >= 10:
            return pid
    return None


main(ranks_of_one_node, killed_in_a_fault_of_another_node, killed_in_a_fault_that_nobody_read,
     killed_with_a_lock, killed_while_it_allocates, killed_while_it_maps_windows, side_by_side=1)
