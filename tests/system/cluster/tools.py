"""tools.py [CASE...]: the tool `gallocy`: doctor and stat, on this machine and with real jobs.

The environment names GALLOCY, the tool, and IDLE, a program that goes on until it is ended."""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Failed, Job, Skipped, environment_of, expect,  # noqa: E402
                     main, require_daemon, require_no_sanitizer, require_root, wait_for, words_of)

NOBODY = 65534


def tool(*arguments, env=None, **how):
    done = subprocess.run([os.environ["GALLOCY"], *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, env={**os.environ, **(env or {})}, **how)
    return done.returncode, done.stdout, done.stderr


def usage():
    for arguments in ([], ["bogus"], ["stat", "--bogus"], ["stat", "--socket"], ["doctor", "x"]):
        status, out, err = tool(*arguments)
        expect(status == 64 and out == "", arguments, status, out)
        expect(err.startswith("gallocy: ") and len(err.splitlines()) == 1, err)
    for option in ("--help", "--version"):
        status, out, err = tool(option)
        expect(status == 0 and "gallocy" in out and err == "", option, status, out, err)


def doctor_finds_nothing_wrong():
    require_daemon()
    status, out, _ = tool("doctor")
    expect(status == 0 and "MISSING" not in out, status, out)
    for subject in ("kernel", "userfaultfd", "io_uring", "memory", "descriptors", "stale files"):
        expect(any(line.startswith(subject) for line in out.splitlines()), "no", subject, out)


def doctor_names_limits():
    """Too small limits are found, each with the command that mends it."""
    require_no_sanitizer("it needs more address space than is left here")
    def limited():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    status, out, _ = tool("doctor", preexec_fn=limited)
    expect(status == 69, status, out)
    for remedy in ("ulimit -v unlimited", "ulimit -f unlimited", "ulimit -n 1024"):
        expect("-> " + remedy in out, "no", remedy, out)


def doctor_names_the_device():
    require_root()
    require_daemon()
    if os.stat("/dev/userfaultfd").st_mode & 0o006:
        raise Skipped("everybody may open /dev/userfaultfd here")
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(os.environ["GALLOCY"], folder)
        status, out, _ = tool("doctor", env={"GALLOCY": copy}, executable=copy, user=NOBODY,
                              group=NOBODY, extra_groups=[])
    expect(status == 69 and "chmod 0660 /dev/userfaultfd" in out, status, out)


def doctor_finds_stale_folders():
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as runtime:
        stale = os.path.join(runtime, "gallocy-AbCdEf")
        os.mkdir(stale)
        open(os.path.join(stale, "0.sock"), "w").close()
        env = {"XDG_RUNTIME_DIR": runtime}
        expect(stale not in tool("doctor", env=env)[1], "a newcomer counts as stale")
        past = time.time() - 100
        os.utime(stale, (past, past))
        out = tool("doctor", env=env)[1]
        remedy = next(line for line in out.splitlines() if "rm -r " in line)
        # Others may have left folders in /tmp, which doctor always looks at.
        expect(stale in remedy.split(), out)


def stat_of(*arguments, env=None):
    status, out, err = tool("stat", "--json", *arguments, env=env)
    expect(status == 0 and err == "", status, out, err)
    return json.loads(out)


def stat_shows_private_jobs():
    require_daemon()
    with Job(["-n", 2, os.environ["IDLE"]]) as job:
        running = job.await_lines("running", 2)
        env = {"XDG_RUNTIME_DIR": job.runtime}
        ours = environment_of(int(running[0]))["GALLOCY_JOB"]

        def both_nodes_counted():
            pages = [page for page in stat_of(env=env) if page["job"] == ours]
            return pages if len(pages) == 2 and all(
                page["ranks"] and page["ranks"][0]["faults"]["upgrade"] > 0
                for page in pages) else None
        first = wait_for(both_nodes_counted, 20, "pages of both nodes")
        expect([page["node"] for page in first] == [0, 1], first)
        for page in first:
            expect(page["uid"] == os.geteuid() and page["peer_bytes_in"] > 0, page)
            expect(0 < page["fault_latency_us"]["p50"] <= page["fault_latency_us"]["p99"], page)
        # At any moment; the nodes steal the one page that both use from each other.
        expect(sum(page["resident_pages"] for page in first) > 0, first)
        # The pages go on while the job does.
        wait_for(lambda: all(new["written_us"] > old["written_us"] and
                             new["peer_bytes_in"] > old["peer_bytes_in"]
                             for old, new in zip(first, stat_of("--job", ours, env=env))),
                 20, "newer figures")
        expect(stat_of("--job", "0" * 16, env=env) == [], "another job")
        status, out, _ = tool("stat", env=env)
        expect(status == 0 and f"job {ours}" in out and "upgrade" in out, out)


def stat_shows_others_nothing():
    """Another user sees no page of a job, root sees all."""
    require_daemon()
    require_root()
    with Daemons("--allow-uid", str(NOBODY)) as daemons:
        for path in daemons.sockets:
            os.chmod(path, 0o666)
        with Job(["-n", 2, daemons.option, os.environ["IDLE"]]) as job:
            job.await_lines("running", 2)
            sockets = [word for path in daemons.sockets for word in ("--socket", path)]
            expect(len(stat_of(*sockets)) == 2, "root sees its job")
            with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
                os.chmod(folder, 0o755)
                copy = shutil.copy(os.environ["GALLOCY"], folder)
                status, out, err = tool("stat", *sockets, executable=copy, user=NOBODY,
                                        group=NOBODY, extra_groups=[])
                expect(status == 0 and out == "no jobs\n", status, out, err)
            job.process.terminate()
            job.wait(20)


def stat_of_no_daemon():
    status, out, err = tool("stat", "--socket", "/no/such.sock")
    expect(status == 64 and "/no/such.sock" in err and out == "", status, out, err)


def daemon_that_is_stopped():
    """Nobody waits for it for ever, nor when no more can wait for it, and it is not called dead."""
    require_daemon()
    with Job(["-n", 1, os.environ["IDLE"]]) as job, contextlib.ExitStack() as waiting:
        job.await_lines("running", 1)
        daemon = job.processes("gallocyd")[0]
        words = words_of(daemon)
        path = words[words.index("--socket") + 1]
        os.kill(daemon, signal.SIGSTOP)
        waiting.callback(os.kill, daemon, signal.SIGCONT)
        expect_unanswered("stat", "--socket", path, "does not answer")
        try:
            for _ in range(1000):
                peer = waiting.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                peer.setblocking(False)
                peer.connect(path)
            raise Failed("the backlog has no end")
        except BlockingIOError:
            pass
        expect_unanswered("stat", "--socket", path, "accepts nobody")
        past = time.time() - 100
        folder = os.path.dirname(path)
        os.utime(folder, (past, past))
        out = tool("doctor", env={"XDG_RUNTIME_DIR": job.runtime})[1]
        expect(not any("rm -r " in line and folder in line for line in out.splitlines()), out)


def expect_unanswered(*arguments):
    *arguments, sentence = arguments
    status, out, err = tool(*arguments)
    expect(status == 69 and out == "", arguments, status, out, err)
    expect(len(err.splitlines()) == 1 and sentence in err and "kill -CONT" in err, err)


main(usage, doctor_finds_nothing_wrong, doctor_names_limits, doctor_names_the_device,
     doctor_finds_stale_folders, stat_shows_private_jobs, stat_shows_others_nothing,
     stat_of_no_daemon, daemon_that_is_stopped, side_by_side=1)
