"""gallocy-run against a fake daemon: exit status, last line, and nothing left behind, on every
path. The real daemon's part in a job is tested elsewhere."""
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import Job, expect, expect_status, main, make_program, run  # noqa: E402

FAKE_DAEMON = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_gallocyd.py")
FAKE_RANK = os.environ["FAKE_RANK"]


def fake(*options, ranks=(), daemons="", **more):
    return run(*options, FAKE_RANK, *ranks, limit_s=40,
               env={"GALLOCYD": FAKE_DAEMON, "FAKE_GALLOCYD": daemons}, **more)


def expect_end(result, status, sentence):
    expect_status(result, status)
    expect(sentence in result.last_line(), "the last line lacks", repr(sentence), result)


def usage():
    for arguments in (["-n", "0", "true"], ["-n", "65", "true"], ["-n", "x", "true"], [],
                      ["--bogus", "true"], ["-n", "2"], ["--", "-x"], ["--stat=x", "true"],
                      ["--timeout", "-1", "true"], ["--peer-timeout", "nan", "true"],
                      ["--peer-timeout", "2", "--daemon", "x", "true"],
                      ["--placement", "heap", "true"], ["--placement", "1", "true"],
                      ["--placement", "", "true"], ["--memory", "1T", "true"],
                      ["--memory", "", "true"], ["--timeout", "", "true"],
                      ["--peer-timeout", "", "true"], ["-n", "", "true"],
                      ["-x", "=1", "true"], ["-x", "NOT_SET_HERE", "true"], ["-x"],
                      ["--daemon", "", "true"], ["-x", "", "true"],
                      ["-n", "99999999999999999999", "true"], ["--timeout", "inf", "true"],
                      ["--daemon", "a,b", "-n", "1", "true"], ["--tag=3", "true"],
                      ["--spmd=1", "true"], ["--spmd=false", "true"], ["--explain=no", "true"],
                      ["--verbose=2", "true"], ["--preload=off", "true"],
                      ["--no-preload=1", "true"], ["--tag=", "true"], ["--spmd=", "true"],
                      ["--explain=", "true"], ["--stat=", "true"], ["--preload=", "true"],
                      ["--no-preload=", "true"], ["--placement=", "pack", "true"],
                      ["--version="], ["--daemon=", "true"], ["--memory=", "64M", "true"],
                      ["--timeout=", "1", "true"]):
        result = run(*arguments)
        expect_status(result, 64)
        expect(len(result.err.splitlines()) == 1 and result.err.startswith("gallocy-run: "),
               arguments, "gave", result)
    result = run("--tag=3", "true")
    expect(result.err == "gallocy-run: --tag takes no value; try gallocy-run --help\n", result)
    for words, sentence in (
            (["-n", "1", "--tag=", "true"], "--tag was given an empty value"),
            (["--timeout=", "true"], "--timeout was given an empty value"),
            (["--peer-timeout=", "true"], "--peer-timeout was given an empty value"),
            (["--memory=", "true"], "--memory was given an empty value"),
            (["--timeout=1", "--daemon=", "true"], "--daemon was given an empty value"),
            (["--timeout="], "--timeout needs a value"), (["-n"], "-n needs a value"),
            (["--timeout", "", "true"], "--timeout needs a value"),
            (["-n", "x", "echo", "--tag="], "-n can't be x"),
            (["--timeout=x", "echo", "--tag="], "--timeout can't be x"),
            (["--tag=3", "echo", "--tag="], "--tag takes no value")):
        result = run(*words)
        expect(result.err == f"gallocy-run: {sentence}; try gallocy-run --help\n", result)
    result = run("--no-preload", "echo", "--tag=")  # the program's
    expect(result.status == 0 and result.out == "--tag=\n", result)


def help_and_version():
    for option, text in (("--help", "PROGRAM"), ("--version", "gallocy-run ")):
        result = run(option)
        expect_status(result, 0)
        expect(text in result.out and result.err == "", result)


def not_found_and_not_executable():
    with tempfile.NamedTemporaryFile() as file:
        for program, status in (("no-such-program", 127), ("/no/such", 127), (file.name, 126),
                                ("/tmp", 126)):
            expect_status(run(program), status)


def not_linked_runs_once():
    result = run("-n", "4", "--no-preload", "sh", "-c", "echo once; exit 9")
    expect_status(result, 9)
    expect(result.out == "once\n", result)
    expect(result.err == "gallocy-run: sh is not linked with libgallocy: it runs once, on one "
                         "node\n", result)
    expect_status(run("--no-preload", "sh", "-c", "kill -TERM $$"), 128 + 15)
    with tempfile.TemporaryDirectory() as folder:
        script = make_program(os.path.join(folder, "script"), "echo \"$1\" -n; exit 4\n")
        result = run("--no-preload", "--", script, "-x")
    expect_status(result, 4)
    expect(result.out == "-x -n\n", result)


def job_runs():
    result = fake("-n", "3", ranks=["0:exit=5"], stat=True)
    expect_status(result, 5)
    expect(sorted(result.out.split("\n")[:3]) == [f"rank {i} runs" for i in range(3)], result)
    ranks = result.stat["ranks"]
    expect([rank["rank"] for rank in ranks] == [0, 1, 2], result.stat)
    expect(result.stat["fault_latency_us"] == {"p50": 5, "p99": 5}, result.stat)
    expect(ranks[2] == {"rank": 2, "node": 2, "threads_run": 2,
                        "faults": {"local": 1000, "first_touch": 20, "remote_read": 3,
                                   "remote_write": 4, "upgrade": 5, "poisoned": 0},
                        "peer_bytes_in": 4096, "peer_bytes_out": 8192,
                        "pages_evicted": 7, "connections_resumed": 0}, ranks)


def statistics_line():
    result = fake("-n", "2", "--stat", ranks=["0:exit=0"])
    expect_end(result, 0, "gallocy-run: 2 ranks ended, exit 0; 2,064 faults (2,000 local, 40 first "
                          "touch, 6 remote read, 8 remote write, 10 upgrade, 0 poisoned), p50 "
                          "5 us, p99 5 us; peer bytes 8,192 in, 16,384 out; "
                           "threads 2 on node 0, 2 on node 1")
    result = fake("-n", "2", "--stat", ranks=["0:exit=0"], daemons="1:silent")
    expect_status(result, 0)
    expect("node 1 gave no statistics" in result.err, result)


def every_rank_runs_main():
    """--spmd: the job lasts until all have ended, and the first that fails ends it."""
    result = fake("-n", "3", "--spmd", ranks=["0:exit=0", "1:late=0", "2:exit=0"])
    expect_status(result, 0)
    expect("rank 1 is late" in result.out, result)
    result = fake("-n", "3", "--spmd", ranks=["2:exit=7", "1:hang"])
    expect_end(result, 7, "gallocy-run: rank 2 on node 2 exited with status 7; the job ends")
    expect_status(fake("-n", "2", "--spmd", ranks=["0:exit=7"]), 7)
    expect_end(fake("-n", "2", "--spmd", ranks=["0:exit=0", "1:signal=11"]), 128 + 11,
               "rank 1 on node 1 was killed by signal 11 (SIGSEGV); the job ends")
    # Ranks that print their usage and leave before the start.
    expect_status(fake("-n", "2", "--spmd", ranks=["0:early=3", "1:early=3"]), 3)


def lines_are_tagged():
    result = fake("-n", "3", "--tag", ranks=["0:exit=0"])
    expect_status(result, 0)
    expect(sorted(result.out.splitlines()) == [f"[{i}] rank {i} runs" for i in range(3)], result)
    # The end of an output without a newline, long lines, and both streams.
    script = "printf 'x%.0s' $(seq 70000); echo; echo to stderr >&2; printf end"
    result = run("--no-preload", "--tag", "sh", "-c", script)
    expect_status(result, 0)
    lines = result.out.splitlines()
    lengths = [len(line) for line in lines]
    expect(lengths == [65536 + 4, 70000 - 65536 + 4, 7], lengths)
    expect(lines[2] == "[0] end" and "[0] to stderr\n" in result.err, result)
    # A grandchild that keeps the pipe does not keep gallocy-run.
    result = run("--no-preload", "--tag", "sh", "-c", "sleep 8 & echo done", left_wait_s=20)
    expect_status(result, 0)
    expect(result.out == "[0] done\n", result)


def statistics_that_can_not_be_written():
    """A place that is none is refused before anything runs; one that turns out so at the end fails
    the job, as long as it has not failed otherwise."""
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        pipe = os.path.join(folder, "pipe")
        os.mkfifo(pipe)
        for path, why in ((folder + "/no/such", "No such file"), (folder, "Is a directory"),
                          ("/proc/none", "No such file"), (pipe, "No such device")):
            result = fake(f"--stat=json:{path}", ranks=["0:exit=0"])
            expect_end(result, 64, f"gallocy-run: can't write statistics to {path}: {why}")
            expect(result.out == "" and len(result.err.splitlines()) == 1, result)
        expect(os.listdir(folder) == ["pipe"], os.listdir(folder))
        for status, expected in (0, 74), (3, 3):
            expect_end(fake("--stat=json:/dev/full", ranks=[f"0:exit={status}"]), expected,
                       "can't write statistics to /dev/full: No space left")
        expect(stat.S_ISCHR(os.stat("/dev/full").st_mode), "/dev/full was replaced")
        target, link = os.path.join(folder, "target"), os.path.join(folder, "link")
        open(target, "w").close()
        os.symlink(target, link)
        expect_end(fake(f"--stat=json:{link}", ranks=["0:exit=0"]), 64, "name the file itself")
        expect(os.path.islink(link), "the link was replaced")


def variables_are_passed_on():
    result = run("--no-preload", "-x", "GIVEN=a=b", "-x", "PASSED", "-x", "EMPTY=", "sh", "-c",
                 "echo $GIVEN.$PASSED.${EMPTY-unset}", env={"PASSED": "on"})
    expect_status(result, 0)
    expect(result.out == "a=b.on.\n", result)


def daemon_does_not_start():
    for deed, status, sentence in (
            ("exit69", 69, "node 1 can't start: this kernel has no userfaultfd"),
            ("exit3", 70, "node 1 exited with status 3 before it was ready"),
            ("killed", 70, "node 1 was killed by signal 9 (SIGKILL) before it was ready")):
        expect_end(fake("-n", "2", daemons=f"1:{deed}"), status, sentence)


def daemon_is_mute():
    expect_end(fake("-n", "2", daemons="1:mute"), 70, "node 1 was not ready within 10 s")


def daemon_does_not_answer():
    expect_end(fake("-n", "2", daemons="1:no_answer"), 70, "node 1 did not take the job")


def daemon_refuses():
    expect_end(fake("-n", "2", daemons="0:refuse"), 70, "no more jobs today (node 0)")
    expect_end(fake("-n", "2", daemons="1:unavailable"), 69, "no more jobs today (node 1)")
    expect_end(fake("-n", "2", daemons="1:bare"), 70, "the daemon of node 1 did not send the "
               "descriptors of rank 1 on node 1; the job ends")
    expect_end(fake("-n", "2", daemons="1:hang_up"), 70, "node 1 has closed its connection")


def daemon_dies():
    expect_end(fake("-n", "2", daemons="1:die"), 70,
               "the daemon of node 1 was killed by signal 9 (SIGKILL); the job ends")
    expect_end(fake("-n", "2", daemons="0:die"), 70, "the daemon of node 0 was killed")
    expect_end(fake("-n", "2", daemons="1:fail"), 70, "a peer has gone (node 1)")


def daemon_is_deaf():
    result = fake("-n", "2", ranks=["0:exit=0"], daemons="1:deaf")
    expect_end(result, 0, "node 1 did not stop within 5 s and is killed")


def log_is_shown():
    result = fake("-n", "2", daemons="0:chatty 1:die")
    expect("line 19999 of a long log" in result.err and "line 1 of" not in result.err,
           "the log's last 64 KiB are missing", result.status)
    expect("gallocyd ready" not in result.err and "node 1 begins" in result.err, result.status)
    result = fake("-v", "-n", "1", ranks=["0:exit=0"])
    expect("node 0: node 0 begins\n" in result.err, result)


def other_executables():
    expect_end(fake("-n", "2", daemons="1:build_id"), 70,
               "rank 1 runs another executable than rank 0: build-id 54abab")
    expect_end(fake("-n", "2", daemons="1:address"), 70, "rank 1 has its executable at 0x")


def rank_does_not_check_in():
    expect_end(fake("-n", "2", ranks=["1:absent"]), 70,
               "rank 1 on node 1 did not call gallocy_init() within 10 s")


def rank_crashes():
    expect_end(fake("-n", "2", ranks=["1:signal=9"]), 128 + 9,
               "gallocy-run: rank 1 on node 1 was killed by signal 9 (SIGKILL); the job ends")
    expect_end(fake("-n", "2", ranks=["0:signal=11"]), 128 + 11, "rank 0 on node 0 was killed")


def rank_leaves():
    expect_end(fake("-n", "2", ranks=["1:exit=3"]), 70, "rank 1 on node 1 exited with status 3")
    expect_end(fake("-n", "2", ranks=["1:early=3"]), 70, "before it called gallocy_init()")
    expect_status(fake("-n", "2", ranks=["0:early=2", "1:early=2"]), 2)
    expect_status(fake("-n", "2", ranks=["0:exit=70"]), 70)


def rank_0_follows():
    """main() ends in the time in which the launcher looks for the cause: that is the other rank's
    end all the same."""
    for deed, status, sentence in (("exit=0", 70, "exited with status 0; the job ends"),
                                   ("exit=3", 70, "exited with status 3; the job ends"),
                                   ("signal=6", 128 + 6, "was killed by signal 6 (SIGABRT)")):
        with tempfile.TemporaryDirectory() as folder:
            result = fake("-n", "3", "-x", f"FAKE_PIDS={folder}",
                          ranks=[f"1:{deed}", "0:follows=1"])
        expect_end(result, status, "gallocy-run: rank 1 on node 1 " + sentence)


def rank_hangs_at_the_end():
    result = fake("-n", "2", ranks=["0:exit=0", "1:hang"])
    expect_status(result, 0)
    expect(4 < result.seconds < 9, "the rank was not killed after 5 s:", result)


def timeout():
    expect_end(fake("-n", "2", "--timeout", "2"), 124, "longer than the 2 s of --timeout")
    expect_end(run("--no-preload", "--timeout", "0.3", "sleep", "60"), 124, "--timeout")


def start(*ranks, count=2, **more):
    return Job(["-n", count, FAKE_RANK, *ranks],
               env={"GALLOCYD": FAKE_DAEMON, "FAKE_GALLOCYD": ""}, **more)


def signals_end_it():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with start() as job:
            job.await_lines("rank ", 2)
            job.process.send_signal(number)
            expect_end(job.wait(20), 128 + number, f"stopped by signal {number}")
            job.expect_nothing_left()


def a_second_signal_is_impatient():
    with start("0:hang", "1:hang") as job:
        job.await_lines("rank ", 2)
        job.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        job.process.send_signal(signal.SIGTERM)
        result = job.wait(4)
        expect_status(result, 128 + signal.SIGTERM)
        job.expect_nothing_left()


def killed_launcher_leaves_no_process():
    with start("0:hang", "1:hang") as job:
        job.await_lines("rank ", 2)
        job.process.kill()
        job.wait(5)
        job.expect_nothing_left(wait_s=5, folders=False)


@contextlib.contextmanager
def running_fakes(deeds=""):
    """Nodes 4 and 2; yields their sockets. Both must still run at the end."""
    folder = tempfile.mkdtemp(dir="/tmp")
    paths = [os.path.join(folder, f"{node}.sock") for node in (4, 2)]
    daemons = [subprocess.Popen([FAKE_DAEMON, "--socket", path, "--node-id", str(node)],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env={**os.environ, "FAKE_GALLOCYD": deeds})
               for path, node in zip(paths, (4, 2))]
    try:
        for daemon in daemons:
            expect("ready" in daemon.stdout.readline(), "no ready line")
        yield ",".join(paths)
        expect(all(daemon.poll() is None for daemon in daemons), "a daemon did not survive")
    finally:
        for daemon in daemons:
            daemon.terminate()
            daemon.wait(5)
        shutil.rmtree(folder)


def running_daemons():
    with running_fakes() as sockets:
        result = run("--daemon", sockets, FAKE_RANK, "1:signal=6")
        expect_end(result, 128 + 6, "rank 1 on node 2 was killed by signal 6 (SIGABRT)")
        result = run("--daemon", sockets, "-n", "3", FAKE_RANK, "0:exit=1")
        expect_status(result, 1)
        expect(result.out.count("runs") == 3 and result.err == "", result)
        none = sockets.split(",")[0] + "/none"
        expect_end(run("--daemon", none, FAKE_RANK), 70, "none")


def running_daemon_keeps_memory():
    with running_fakes("2:keeps") as sockets:
        result = run("--daemon", sockets, FAKE_RANK, "0:exit=0")
        expect_end(result, 0, "node 2 did not say within 5 s that it has given up the job's memory")


main(usage, help_and_version, not_found_and_not_executable, not_linked_runs_once, job_runs,
     every_rank_runs_main, lines_are_tagged, variables_are_passed_on, statistics_line,
     statistics_that_can_not_be_written, daemon_does_not_start, daemon_is_mute,
     daemon_does_not_answer, daemon_refuses, daemon_dies, daemon_is_deaf, log_is_shown,
     other_executables, rank_does_not_check_in, rank_crashes, rank_leaves, rank_0_follows,
     rank_hangs_at_the_end, timeout, signals_end_it, a_second_signal_is_impatient,
     killed_launcher_leaves_no_process, running_daemons, running_daemon_keeps_memory,
     side_by_side=8)
