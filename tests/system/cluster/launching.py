"""What gallocy-run can be told about how a job runs, with real daemons.

The environment names the programs: SPMD, PLACEMENT, OWNERS."""
import errno
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402
from lacking import IO_URING_SETUP, have_an_old_kernel, refuse_call  # noqa: E402


def every_rank_runs_main():
    require_daemon()
    for nodes in (1, 2, 3):
        result = run("-n", nodes, "--spmd", os.environ["SPMD"], stat=True)
        expect_status(result, 0)
        expect(result.out == "OK\n", "no OK:", result)
        require_nodes(result, nodes)
        latency = result.stat["fault_latency_us"]
        expect(0 < latency["p50"] <= latency["p99"], result.stat)


def placed(policy, nodes, count):
    result = run("-n", nodes, f"--placement={policy}", os.environ["PLACEMENT"], count)
    expect_status(result, 0)
    return result.out.strip()


def placement_of_threads():
    require_daemon()
    expect(placed("spread", 3, 7) == "1201201", "spread")
    expect(placed("roundrobin", 3, 7) == "1201201", "round robin")
    # main() has one CPU of node 0.
    cpus = min(len(os.sched_getaffinity(0)), 8)
    packed = "0" * (cpus - 1) + "1" * cpus
    expect(placed("pack", 2, len(packed)) == packed, "pack")


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


main(every_rank_runs_main, placement_of_threads, tagged_output, logs_in_a_file,
     owner_leaves, machine_that_lacks_something, side_by_side=1)
