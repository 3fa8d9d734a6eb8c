"""What gallocy-run can be told about how a job runs, with real daemons.

The environment names the programs: SPMD, PLACEMENT, PLAIN_THREADS, OWNERS, BY_LIBRARY."""
import errno
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, expect, expect_status, main, require_daemon,  # noqa: E402
                     require_no_sanitizer, require_nodes, run, wait_for)
from lacking import (CHECK_IN_LIMIT_S, CLONE, CLONE3, IO_URING_SETUP,  # noqa: E402
                     TOO_SMALL, have_an_old_kernel, have_at_most, refuse_call,
                     run_with_more_and_more_descriptors)


def every_rank_runs_main():
    require_daemon()
    for nodes in (1, 2, 3):
        result = run("-n", nodes, "--spmd", os.environ["SPMD"], stat=True)
        expect_status(result, 0)
        expect(result.out == "OK\n", "no OK:", result)
        require_nodes(result, nodes)
        latency = result.stat["fault_latency_us"]
        expect(0 < latency["p50"] <= latency["p99"], result.stat)


def placed(policy, nodes, count, *before):
    result = run("-n", nodes, f"--placement={policy}", os.environ["PLACEMENT"], count, *before)
    expect_status(result, 0)
    return result.out.strip()


def cpus_of_a_node():
    return min(len(os.sched_getaffinity(0)), 8)


def placement_of_threads():
    require_daemon()
    # Beside two threads on node 1 that were placed there by name.
    for policy, alone, beside in (("spread", "1201201", "2020120"),
                                  ("roundrobin", "1201201", "1201201")):
        expect(placed(policy, 3, 7) == alone, policy)
        expect(placed(policy, 3, 7, 1, 1) == beside, policy, "beside others")
    cpus = cpus_of_a_node()  # main() has one of node 0
    packed = "0" * (cpus - 1) + "1" * cpus
    expect(placed("pack", 2, len(packed)) == packed, "pack")


def placement_in_unmodified_programs():
    require_daemon()
    require_no_sanitizer("it preloads no library")
    cpus = cpus_of_a_node()
    for policy, counts in (("pack", [cpus, cpus, 0]),
                           ("spread", [len(range(i, 2 * cpus, 3)) for i in range(3)])):
        result = run("-n", 3, f"--placement={policy}", os.environ["PLAIN_THREADS"], 2 * cpus - 1,
                     stat=True)
        expect_status(result, 0)
        ran = [rank["threads_run"] for rank in result.stat["ranks"]]
        expect(ran == counts, policy, "ran", ran, "and not", counts)


def tagged_output():
    require_daemon()
    result = run("-n", 2, "--tag", "--spmd", os.environ["SPMD"])
    expect_status(result, 0)
    expect(result.out == "[0] OK\n", result)


def owner_leaves():
    require_daemon()
    result = run("-n", 2, "-v", "--spmd", os.environ["OWNERS"], stat=True)
    expect_status(result, 0)
    expect("OK" in result.out.splitlines(), "no OK:", result)
    passed_on = [line for line in result.err.splitlines() if "goes to the next" in line]
    expect(len(passed_on) == 3, "every lock that is not robust is in the log:", result)
    require_nodes(result, 2)


def logs_in_a_file():
    require_daemon()
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        path = os.path.join(folder, "log")
        expect_status(run("-n", 2, os.environ["PLACEMENT"], 2, env={"GALLOCY_LOG": path}), 0)
        with open(path) as file:
            lines = file.read().splitlines()
        for node in (0, 1):
            expect(any(line.startswith(f"gallocyd[{node}]: job ") for line in lines), lines)
        result = run("-n", 1, os.environ["PLACEMENT"], 2, env={"GALLOCY_LOG": folder})
        expect_status(result, 69)
        expect("GALLOCY_LOG" in result.last_line() and folder in result.last_line(), result)


def machine_that_lacks_something():
    """The program is not run, and the last line says why, with the remedy."""
    require_daemon()
    for lacking, words in (
            (have_an_old_kernel, ("kernel 2.6 is too old", "boot Linux 6.6")),
            (lambda: refuse_call(IO_URING_SETUP, errno.ENOSYS), ("has no io_uring", "seccomp")),
            (lambda: refuse_call(IO_URING_SETUP, errno.EPERM), ("io_uring is forbidden",
                                                                "io_uring_disabled=0"))):
        result = run("-n", 2, os.environ["PLACEMENT"], 2, lacking=lacking)
        expect_status(result, 69)
        expect(all(word in result.last_line() for word in words), words, result)
        expect(result.out == "", "the program ran:", result)


def no_more_processes_or_threads():
    """For the launcher, and for a daemon."""
    require_daemon()
    remedy = "can't start a {}: EAGAIN; raise the limit of processes and threads: ulimit -u 4096"
    for number, what in ((CLONE3, "thread"), (CLONE, "process")):
        result = run("-n", 2, os.environ["PLACEMENT"], 2,
                     lacking=lambda: refuse_call(number, errno.EAGAIN))
        expect_status(result, 69)
        expect(remedy.format(what) in result.last_line() and result.out == "", result)
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        daemon = subprocess.run([os.environ["GALLOCYD"], "--socket", f"{folder}/socket",
                                 "--listen", "127.0.0.1:0", "--node-id", "0"],
                                preexec_fn=lambda: refuse_call(CLONE3, errno.EAGAIN), timeout=20,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        expect(daemon.returncode == 69 and remedy.format("thread") in daemon.stderr, daemon)
        expect(os.listdir(folder) == [], os.listdir(folder))


def limits_that_are_too_small():
    """The job ends with the remedy, and nothing is left behind."""
    require_daemon()
    require_no_sanitizer("it needs more addresses, and descriptors for its reports")
    idle = os.environ["PLACEMENT"]
    for name, value, remedy in TOO_SMALL:
        result = run("-n", 2, idle, 2, lacking=lambda: have_at_most(name, value))
        expect_status(result, 69)
        expect(remedy in result.last_line() and result.out == "", name, value, result)
    # gallocy_init() fails in the program, too, which ends with a status of its own.
    def placed_with(lacking):
        result = run("-n", 2, idle, 2, lacking=lacking)
        if "gallocy_init" in result.err and result.status == 1:
            result.status = 70
        return result
    run_with_more_and_more_descriptors(placed_with)


def statistics_larger_than_a_file():
    require_daemon()
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        path = os.path.join(folder, "stat")
        result = run(f"--stat=json:{path}", "--no-preload", "true",
                     lacking=lambda: have_at_most("RLIMIT_FSIZE", 10))
        expect_status(result, 74)
        expect(os.listdir(folder) == [], os.listdir(folder))


def daemon_without_descriptors():
    """Whoever finds a daemon that has no descriptor left is told so, at once; when it has some
    again, the next one is served."""
    require_daemon()
    require_no_sanitizer("its reports need descriptors")
    with Daemons(prefix=lambda node: ["prlimit", "--nofile=40:1024", "--"]) as daemons:
        program = os.environ["PLACEMENT"]
        expect_status(run(daemons.option, program, 2), 0)
        held = [connect_to(daemons.sockets[0]) for _ in range(40)]
        result = run(daemons.option, program, 2)
        expect(result.status in (69, 70) and "ulimit -n 1024" in result.last_line(), result)
        expect(result.seconds < CHECK_IN_LIMIT_S, "it was not told:", result)
        for connection in held:
            connection.close()
        wait_for(lambda: run(daemons.option, program, 2).status == 0, 20, "the next is served")


def linked_by_a_library():
    """A program that only a library of its makes one of gallocy's is not preloaded."""
    require_daemon()
    program = os.environ["BY_LIBRARY"]
    result = run("-n", 2, program, stat=True)
    expect_status(result, 0)
    expect(result.out == "written on node 1, read on node 0\n" and result.err == "", result)
    require_nodes(result, 2)
    result = run("-n", 2, "--preload", program)
    expect_status(result, 64)
    expect("is linked with libgallocy; run it without --preload" in result.last_line(), result)
    result = run("-n", 2, "--explain", program)
    expect("preloaded: no, since a library of its is linked with libgallocy" in result.err, result)


def connect_to(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(10)
    connection.connect(path)
    return connection


main(every_rank_runs_main, placement_of_threads, placement_in_unmodified_programs, tagged_output,
     logs_in_a_file, owner_leaves, machine_that_lacks_something, no_more_processes_or_threads,
     limits_that_are_too_small,
     statistics_larger_than_a_file, daemon_without_descriptors, linked_by_a_library,
     side_by_side=1)
