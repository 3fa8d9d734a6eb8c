"""Runs gallocy-run for the system tests, and looks for what it must not leave behind.

Every wait has a limit. A process is only ever signalled by its pid, and only if it descends from
one that the test started.
"""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    pass


def require(condition, *what):
    if not condition:
        raise Failure(" ".join(str(part) for part in what))


def wait_for(condition, limit_s, what):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise Failure(f"not within {limit_s} s: {what}")


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            pass
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Run:
    """One gallocy-run. Use as a context: whatever happens, it and its children end."""

    def __init__(self, gallocy_run, arguments, **popen):
        self.folder = tempfile.TemporaryDirectory(prefix="gallocy-test-")
        os.chmod(self.folder.name, 0o777)
        environment = dict(os.environ, XDG_RUNTIME_DIR=self.folder.name)
        environment.update(popen.pop("environment", {}))
        self.output_path = os.path.join(self.folder.name, "stdout")
        self.error_path = os.path.join(self.folder.name, "stderr")
        self.known = set()
        with open(self.output_path, "wb") as out, open(self.error_path, "wb") as err:
            self.process = subprocess.Popen([gallocy_run, *map(str, arguments)], stdout=out,
                                            stderr=err, stdin=subprocess.DEVNULL,
                                            env=environment, **popen)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.look()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.known:
            if alive(pid) and self.is_ours(pid):
                os.kill(pid, signal.SIGKILL)
        self.folder.cleanup()

    def is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self.folder.name.encode() in file.read()
        except OSError:
            return False

    def look(self):
        """Remembers the processes that descend from gallocy-run now."""
        new = children(self.process.pid)
        while new:
            pid = new.pop()
            if pid not in self.known:
                self.known.add(pid)
                new += children(pid)

    @property
    def output(self):
        with open(self.output_path, errors="replace") as file:
            return file.read()

    @property
    def errors(self):
        with open(self.error_path, errors="replace") as file:
            return file.read()

    def wait(self, limit_s):
        end = time.monotonic() + limit_s
        while self.process.poll() is None:
            self.look()
            require(time.monotonic() < end, "gallocy-run has not ended within", limit_s, "s:",
                    self.output[-2000:], self.errors[-6000:])
            time.sleep(0.02)
        return self.process.returncode

    def daemons(self):
        self.look()
        return sorted(pid for pid in self.known if name_of(pid) == "gallocyd" and alive(pid))

    def rank_pids(self, count, limit_s=20):
        """Pids that tests/system/programs/idle prints, one a node."""
        def pids():
            self.look()
            return [int(line.split()[1]) for line in self.output.splitlines()
                    if line.startswith("running ")]
        return wait_for(lambda: len(pids()) == count and pids(), limit_s,
                        f"{count} ranks running: {self.errors[-2000:]}")

    def require_nothing_left(self, limit_s=10):
        def left():
            return [f"{pid} {name_of(pid)}" for pid in self.known
                    if alive(pid) and self.is_ours(pid)]
        try:
            wait_for(lambda: not left(), limit_s, "")
        except Failure:
            raise Failure(f"processes are left: {left()}")
        files = [name for name in os.listdir(self.folder.name)
                 if name not in ("stdout", "stderr", "statistics.json")]
        require(not files, "files are left:", files)


def require_nodes(statistics, node_count):
    """That many nodes ran an application thread, and pages went between them."""
    ranks = statistics["ranks"]
    nodes = {rank["node"] for rank in ranks if rank["threads_run"] > 0}
    require(len(nodes) == node_count, "threads ran on nodes", nodes, "of", node_count, ranks)
    if node_count < 2:
        return
    remote = sum(rank["faults"]["remote_read"] + rank["faults"]["remote_write"] for rank in ranks)
    require(remote > 0, "no remote faults:", ranks)
    for rank in ranks:
        require(rank["peer_bytes_in"] > 0 and rank["peer_bytes_out"] > 0, "no peer bytes:", rank)


def run_program(gallocy_run, node_count, command, limit_s=120, options=()):
    """Runs to the end, demands `OK`, and returns (output, errors, statistics)."""
    with tempfile.TemporaryDirectory(prefix="gallocy-stat-") as folder:
        path = os.path.join(folder, "statistics.json")
        with Run(gallocy_run, ["-n", node_count, f"--stat=json:{path}", *options, *command]) as run:
            status = run.wait(limit_s)
            output, errors = run.output, run.errors
            require(status == 0, command, "exit status", status, output[-2000:], errors[-6000:])
            run.require_nothing_left()
        with open(path) as file:
            return output, errors, json.load(file)


def main(test):
    """Runs test(*arguments); a Failure is the test's, anything else is an error as well."""
    try:
        test(*sys.argv[1:])
    except Failure as failure:
        print("FAILED:", failure)
        sys.exit(1)
    print("passed")
