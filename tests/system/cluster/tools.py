"""tools.py [CASE...]: the tool `gallocy`: doctor and stat, on this machine and with real jobs.

The environment names GALLOCY, the tool, and IDLE, a program that goes on until it is ended."""
import contextlib
import errno
import json
import os
import re
import resource
import shlex
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
from lacking import (IO_URING_SETUP, PERSONALITY, have_an_old_kernel, hiding,  # noqa: E402
                     memory_limit, refuse_call)

NOBODY = 65534


def tool(*arguments, env=None, before=(), **how):
    done = subprocess.run([*before, os.environ["GALLOCY"], *map(str, arguments)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, **how)
    return done.returncode, done.stdout, done.stderr


def expect_findings(missing, warnings=(), text="", remedy="", **how):
    """What doctor finds wrong is just that, each thing with its remedy, and its status says whether
    something that is needed is missing. One of the findings has that text, and one that remedy.
    What others do to this machine meanwhile is theirs."""
    status, out, err = tool("doctor", **how)
    found = re.findall(r"^([a-z_ ]+?) \.* *(ok|warning|MISSING) +(.+)\n(?: +-> (.+)\n)?", out,
                       re.MULTILINE)
    others = {"stale files", "memory"} - set(warnings)
    wrong = {verdict: {subject for subject, what, _, _ in found if what == verdict} - others
             for verdict in ("MISSING", "warning")}
    expect(len(found) == 10 and err == "", out, err)
    expect(wrong == {"MISSING": set(missing), "warning": set(warnings)}, wrong, out)
    expect(all((what == "ok") == (cure == "") for _, what, _, cure in found), "no remedy:", out)
    expect(status == (69 if missing else 0), status, out)
    expect(out.endswith("can't run on this machine as it is\n" if missing else
                        "can run on this machine\n"), out)
    expect(any(text in said for _, _, said, _ in found), "no", text, out)
    expect(any(remedy in cure for _, _, _, cure in found), "no", remedy, out)


def usage():
    for arguments in ([], ["bogus"], ["stat", "--bogus"], ["stat", "--socket"], ["doctor", "x"],
                      ["stat", "--socket", ""], ["stat", "--job", ""], ["stat", "--job", "x"],
                      ["stat", "--job", "10000000000000000"], ["stat", "--json=0"],
                      ["stat", "--json="], ["stat", "--socket=", "x"], ["--bogus"]):
        status, out, err = tool(*arguments)
        expect(status == 64 and out == "", arguments, status, out)
        expect(err.startswith("gallocy: ") and len(err.splitlines()) == 1, err)
    for unknown in ("bogus", "--bogus"):
        err = tool(unknown)[2]
        expect(err == f"gallocy: {unknown} is neither doctor nor stat; try gallocy --help\n", err)
    for option in ("--help", "--version"):
        status, out, err = tool(option)
        expect(status == 0 and "gallocy" in out and err == "", option, status, out, err)


def doctor_finds_nothing_wrong():
    require_daemon()
    expect_findings([])


def doctor_names_limits():
    """Each too small limit is found, with the command that mends it."""
    require_daemon()
    require_no_sanitizer("it needs more address space than is left here")
    limits = {"RLIMIT_AS": (8 << 30, ["address space"], [], "ulimit -v unlimited"),
              "RLIMIT_FSIZE": (1 << 30, ["file size"], [], "ulimit -f unlimited"),
              "RLIMIT_STACK": (64 << 10, ["stack"], [], "ulimit -s 8192"),
              "RLIMIT_NOFILE": (64, [], ["descriptors"], "ulimit -n 1024")}

    def limit(name):
        resource.setrlimit(getattr(resource, name), (limits[name][0], limits[name][0]))
    for name, (_, missing, warnings, remedy) in limits.items():
        expect_findings(missing, warnings, remedy=remedy, preexec_fn=lambda: limit(name))
    expect_findings(["address space", "file size", "stack"], ["descriptors"],
                    preexec_fn=lambda: [limit(name) for name in limits])


def stacks_that_are_too_small():
    """Whoever can begin at all says what to do, doctor too. Tried often, since where a stack begins
    is chance; the environment is on it, too."""
    require_daemon()
    require_no_sanitizer("it needs more of the stack")
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        for name, *words in (
                ("GALLOCY", "doctor"), ("GALLOCY", "stat"), ("GALLOCY_RUN", "true"),
                ("GALLOCYD", "--socket", f"{folder}/socket", "--listen", "127.0.0.1:0",
                 "--node-id", "0")):
            program = os.environ[name]
            expected = (f"{os.path.basename(program)}: stacks are limited to 16 KiB; raise the "
                        "limit of stacks: ulimit -s 8192\n")
            for _ in range(20):
                done = subprocess.run(["prlimit", f"--stack={16 << 10}", "--", program, *words],
                                      env={}, capture_output=True, text=True, timeout=20)
                expect((done.returncode, done.stdout, done.stderr) == (69, "", expected), done)
        expect(os.listdir(folder) == [], os.listdir(folder))


def doctor_names_the_device():
    require_root()
    require_daemon()
    if os.stat("/dev/userfaultfd").st_mode & 0o006:
        raise Skipped("everybody may open /dev/userfaultfd here")
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(os.environ["GALLOCY"], folder)
        expect_findings(["userfaultfd"], remedy="chmod 0660 /dev/userfaultfd", executable=copy,
                        user=NOBODY, group=NOBODY, extra_groups=[])


def doctor_names_the_kernel():
    """An old one, and one without userfaultfd."""
    require_daemon()
    release = subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True,
                             preexec_fn=have_an_old_kernel).stdout.strip()
    expect(release.startswith("2.6."), release)
    expect_findings(["kernel", "userfaultfd"], text=f"{release} is too old",
                    remedy="install Linux 6.6 or newer", preexec_fn=have_an_old_kernel)
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        expect_findings(["userfaultfd"], remedy="CONFIG_USERFAULTFD",
                        before=hiding({"/dev": folder}))


def doctor_names_io_uring():
    """Whatever the kernel answers to who wants one, the remedy is for that."""
    require_daemon()
    for error, remedy in ((errno.ENOSYS, "seccomp"), (errno.EPERM, "seccomp"),
                          (errno.ENOMEM, "ulimit -l")):
        expect_findings(["io_uring"], remedy=remedy,
                        preexec_fn=lambda: refuse_call(IO_URING_SETUP, error))
    with tempfile.NamedTemporaryFile("w", prefix="gt-", dir="/tmp") as file:
        file.write("2\n")
        file.flush()
        expect_findings(["io_uring"], remedy="sysctl kernel.io_uring_disabled=0",
                        before=hiding({"/proc/sys/kernel/io_uring_disabled": file.name}),
                        preexec_fn=lambda: refuse_call(IO_URING_SETUP, errno.EPERM))


def doctor_warns():
    """What a job may do without is no reason for a status."""
    require_daemon()
    expect_findings([], ["addresses"], remedy="-no-pie",
                    preexec_fn=lambda: refuse_call(PERSONALITY, errno.EPERM))


def doctor_knows_control_groups():
    require_daemon()
    with memory_limit(100 << 20) as (enter, limit):
        expect_findings([], ["memory"], text="at most 100 MiB, by the limit of a control group",
                        remedy=f"raise {limit}, or use small jobs only", preexec_fn=enter)


def doctor_warns_of_little_memory():
    require_daemon()
    with tempfile.NamedTemporaryFile("w", prefix="gt-", dir="/tmp") as file:
        file.write("MemTotal: 900000 kB\nMemFree: 800000 kB\nMemAvailable: 102400 kB\n")
        file.flush()
        expect_findings([], ["memory"], text="100 MiB available", remedy="small jobs",
                        before=hiding({"/proc/meminfo": file.name}))


def doctor_finds_stale_folders():
    with tempfile.TemporaryDirectory(prefix="gt ", dir="/tmp") as runtime:
        stale = os.path.join(runtime, "gallocy-AbCdEf")
        sources = os.path.join(runtime, "gallocy-master")  # somebody's, and no letter more or less
        named_oddly = os.path.join(runtime, "gallocy-;id x;")
        for folder, file in ((stale, "0.sock"), (sources, "main.c"), (named_oddly, "0.sock")):
            os.mkdir(folder)
            open(os.path.join(folder, file), "w").close()
        env = {"XDG_RUNTIME_DIR": runtime}
        expect(stale not in tool("doctor", env=env)[1], "a newcomer counts as stale")
        past = time.time() - 100
        for folder in (stale, sources, named_oddly):
            os.utime(folder, (past, past))
        out = tool("doctor", env=env)[1]
        remedy = next(line for line in out.splitlines() if "rm -r " in line)
        # Others may have left folders in /tmp, which doctor always looks at.
        told = shlex.split(remedy[remedy.index("rm -r "):])
        expect(stale in told and sources not in told and named_oddly not in told, out)


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
        expect([page["node"] for page in stat_of("--job", "0x" + ours.lstrip("0").upper(), env=env)]
               == [0, 1], "the number in another form")
        other = f"{int(ours, 16) ^ 1:x}"
        for form, said in ([], ""), (["--json"], "[]\n"):
            status, out, err = tool("stat", "--job", other, *form, env=env)
            expect(status == 69 and out == said, "another job", status, out, err)
            expect(err == f"gallocy: there is no job {other:0>16}, or it is another user's\n", err)
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


def stat_of_no_job():
    for job in ("foo", "0x", "12g", "-1", " 1", "1" * 17):
        status, out, err = tool("stat", "--job", job)
        expect(status == 64 and out == "", job, status, out, err)
        expect(err == f"gallocy: --job {job}: must be a job's number in hexadecimal, as gallocy "
                      "stat prints it\n", err)
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as runtime:
        status, out, err = tool("stat", "--job", "1", env={"XDG_RUNTIME_DIR": runtime})
        expect(status == 69 and out == "" and "no job 0000000000000001" in err, status, out, err)


def output_that_is_full():
    """What can't be printed is no success: every program says so."""
    for name, arguments in (("GALLOCY", ["doctor"]), ("GALLOCY", ["stat"]),
                            ("GALLOCY", ["stat", "--json"]), ("GALLOCY", ["--help"]),
                            ("GALLOCY", ["--version"]), ("GALLOCY_RUN", ["--help"]),
                            ("GALLOCY_RUN", ["--version"]), ("GALLOCYD", ["--help"]),
                            ("GALLOCYD", ["--version"])):
        with open("/dev/full", "w") as full:
            done = subprocess.run([os.environ[name], *arguments], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        program = os.path.basename(os.environ[name])
        expect(done.returncode == 74 and
               done.stderr == f"{program}: can't write to standard output: ENOSPC\n",
               name, arguments, done)


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


main(usage, doctor_finds_nothing_wrong, doctor_names_limits, stacks_that_are_too_small,
     doctor_names_the_device, doctor_names_the_kernel, doctor_names_io_uring, doctor_warns,
     doctor_warns_of_little_memory, doctor_knows_control_groups, doctor_finds_stale_folders,
     stat_shows_private_jobs, stat_shows_others_nothing, stat_of_no_daemon, stat_of_no_job,
     output_that_is_full, daemon_that_is_stopped, side_by_side=1)
