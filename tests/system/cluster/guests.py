"""guests.py [CASE...]: programs that make a job of one node by themselves.

The environment names GUEST, the program, GALLOCY_RUN and GALLOCYD."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Job, expect, expect_status, kill, main, require_daemon  # noqa: E402


def start(*arguments, env=None):
    """The program itself in the place of gallocy-run."""
    return Job(arguments, launcher=os.environ["GUEST"], env=env)


def process(job, name):
    found = job.processes(name)
    expect(len(found) == 1, name, "runs as", found)
    return found[0]


def runs_alone():
    require_daemon()
    with start() as job:
        result = job.wait()
        expect_status(result, 3)
        expect(result.out == "OK\n" and result.err == "", result)
        job.expect_nothing_left(wait_s=10)


def found_without_being_told():
    """The launcher is found beside the library, and in PATH."""
    require_daemon()
    with start(env={"GALLOCY_RUN": "", "GALLOCYD": ""}) as job:
        expect_status(job.wait(), 3)
        job.expect_nothing_left(wait_s=10)
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as folder:
        library = os.path.join(folder, "libgallocy.so.0")
        shutil.copy(os.environ["LIBGALLOCY"], library)
        nowhere = {"GALLOCY_RUN": "", "LD_LIBRARY_PATH": folder, "PATH": "/usr/bin:/bin"}
        with start(env=nowhere) as job:
            result = job.wait()
            expect(result.status == 1 and "no gallocy-run to be found" in result.err, result)
        path = os.path.dirname(os.environ["GALLOCY_RUN"]) + ":" + nowhere["PATH"]
        with start(env={**nowhere, "PATH": path}) as job:
            expect_status(job.wait(), 3)
            job.expect_nothing_left(wait_s=10)


def killed():
    require_daemon()
    with start("wait") as job:
        job.await_lines("OK", 1)
        job.process.kill()
        job.wait()
        job.expect_nothing_left(wait_s=10)


def daemon_or_launcher_killed():
    require_daemon()
    for name in ("gallocyd", "gallocy-run"):
        with start("wait") as job:
            job.await_lines("OK", 1)
            kill(process(job, name))
            result = job.wait(20)
            expect_status(result, 70)
            said = ["gallocy: the pager daemon of node 0 has gone; rank 0 ends"]
            if name == "gallocy-run":  # the daemon ends because of that, and may be seen first
                said.append("gallocy: the gallocy-run that hosts this program has gone; rank 0 "
                            "ends")
            expect(any(sentence in result.err for sentence in said), result)
            # Nobody is left to remove the folder of a launcher that was killed.
            job.expect_nothing_left(wait_s=10, folders=name == "gallocyd")


def no_daemon_to_be_had():
    for env, sentence in (({"GALLOCYD": "/no/such"}, "GALLOCYD is /no/such"),
                          ({"GALLOCY_RUN": "/no/such"}, "/no/such could not be run")):
        with start(env=env) as job:
            result = job.wait()
            expect(result.status == 1 and sentence in result.err, result)
            job.expect_nothing_left(wait_s=10)


main(runs_alone, found_without_being_told, killed, daemon_or_launcher_killed, no_daemon_to_be_had)
