"""What system tests share: run gallocy-run with a limit, read its statistics, and see that
nothing is left behind. Everything a launcher starts stays in the session that the harness made
for it, so leftovers are found by session, whatever they are called.

A test is a function; main(*tests) runs them side by side and exits 77 if all were skipped."""
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback


class Skipped(Exception):
    pass


class Failed(Exception):
    pass


def expect(condition, *words):
    if not condition:
        raise Failed(" ".join(str(word) for word in words))


class Result:
    def __init__(self, status, out, err, stat, seconds):
        self.status, self.out, self.err = status, out, err
        self.stat, self.seconds = stat, seconds  # stat: None unless asked for and written

    def __str__(self):
        return (f"[status {self.status} after {self.seconds:.1f} s]\n"
                f"---- stdout ----\n{self.out[-4000:]}\n---- stderr ----\n{self.err[-8000:]}")

    def last_line(self):
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


def processes_of_session(session):
    """pids of living processes (no zombies) whose session is that of the launcher."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(name))
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone)"


class Job:
    """A running gallocy-run. Use it as a context: leaving it ends whatever still runs."""

    def __init__(self, command, launcher=None, env=None, stat=False, stdin=subprocess.DEVNULL):
        self.launcher = launcher or os.environ["GALLOCY_RUN"]
        self.folder = tempfile.mkdtemp(prefix="gt-", dir="/tmp")
        self.runtime = os.path.join(self.folder, "run")
        os.mkdir(self.runtime, 0o700)
        self.stat_path = os.path.join(self.folder, "stat.json")
        options = [f"--stat=json:{self.stat_path}"] if stat else []
        # Files, not pipes: a child that is left behind would keep a pipe open.
        self.out_file = open(os.path.join(self.folder, "out"), "w+b")
        self.err_file = open(os.path.join(self.folder, "err"), "w+b")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [self.launcher, *options, *map(str, command)],
            stdin=stdin, stdout=self.out_file, stderr=self.err_file, start_new_session=True,
            env={**os.environ, "XDG_RUNTIME_DIR": self.runtime, **(env or {})})
        self.session = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.left_processes(wait_s=2):
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                os.close(handle)
        self.out_file.close()
        self.err_file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self, file):
        file.flush()
        return os.pread(file.fileno(), 1 << 26, 0).decode(errors="replace")

    def err_so_far(self):
        return self.text(self.err_file)

    def wait_for_err(self, text, limit_s=20):
        """Until the job has said it on standard error."""
        end = time.monotonic() + limit_s
        while text not in self.err_so_far():
            expect(self.process.poll() is None, "the job ended and did not say", repr(text),
                   self.err_so_far())
            expect(time.monotonic() < end, "the job did not say", repr(text), self.err_so_far())
            time.sleep(0.02)

    def processes(self, part):
        """pids of the job whose command line has the part in it."""
        return [pid for pid in processes_of_session(self.session)
                if pid != self.process.pid and part in command_of(pid)]

    def wait(self, limit_s=60):
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"gallocy-run still runs after {limit_s} s; it said:\n"
                         + self.err_so_far()) from None
        stat = None
        if os.path.exists(self.stat_path):
            with open(self.stat_path) as file:
                stat = json.load(file)
        return Result(status, self.text(self.out_file), self.err_so_far(), stat,
                      time.monotonic() - self.began)

    def left_processes(self, wait_s=0.0):
        end = time.monotonic() + wait_s
        while True:
            left = [pid for pid in processes_of_session(self.session)
                    if pid != self.process.pid or self.process.poll() is None]
            if not left or time.monotonic() >= end:
                return left
            time.sleep(0.02)

    def expect_nothing_left(self, wait_s=0.0, folders=True):
        left = [f"{pid}: {command_of(pid)}" for pid in self.left_processes(wait_s)]
        expect(not left, "processes are left behind:", left)
        if folders:
            names = [os.path.join(place, name) for place, folders_, files in os.walk(self.runtime)
                     for name in folders_ + files]
            expect(not names, "files are left behind:", names)


def run(*command, limit_s=60, stat=False, env=None, launcher=None, left_behind=True):
    """Runs gallocy-run with these arguments to its end; nothing may be left behind."""
    with Job(command, env=env, stat=stat, launcher=launcher) as job:
        result = job.wait(limit_s)
        if left_behind:
            job.expect_nothing_left()
        return result


def expect_status(result, status):
    expect(result.status == status, "expected status", status, "got", result)


def requires_nodes(result, count):
    """The job really was spread: each of `count` nodes ran an application thread, and for more
    than one node pages crossed between them."""
    expect(result.stat is not None, "no statistics were written:", result)
    ranks = result.stat["ranks"]
    ran = {rank["node"] for rank in ranks if rank["threads_run"] > 0}
    expect(len(ran) == count, "threads ran on nodes", sorted(ran), "and not on", count, "nodes:",
           json.dumps(result.stat))
    if count == 1:
        return
    remote = sum(rank["faults"]["remote_read"] + rank["faults"]["remote_write"] for rank in ranks)
    expect(remote > 0, "no fault was served by another node:", json.dumps(result.stat))
    for direction in ("peer_bytes_in", "peer_bytes_out"):
        expect(sum(rank[direction] for rank in ranks) > 0, direction, "is 0:",
               json.dumps(result.stat))


def requires_daemon():
    """Skips where this machine can't run a daemon at all."""
    if not os.environ.get("GALLOCYD"):
        raise Skipped("there is no gallocyd in this build")
    if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        raise Skipped("/dev/userfaultfd can't be opened")


def run_test(test):
    try:
        test()
        return "ok", ""
    except Skipped as reason:
        return "skipped", str(reason)
    except Exception as error:  # a test that breaks is a test that fails
        where = "" if isinstance(error, Failed) else traceback.format_exc()
        return "FAILED", f"{error}\n{where}"


def main(*tests, side_by_side=4):
    wanted = set(sys.argv[1:])
    chosen = [test for test in tests if not wanted or test.__name__ in wanted]
    with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
        results = list(pool.map(run_test, chosen))
    for test, (what, why) in zip(chosen, results):
        print(f"{what:8}{test.__name__}" + (f": {why}" if why else ""), flush=True)
    whats = {what for what, _ in results}
    if "FAILED" in whats:
        sys.exit(1)
    sys.exit(77 if whats == {"skipped"} else 0)
