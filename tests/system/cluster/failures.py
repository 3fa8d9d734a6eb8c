"""failures.py CASE GALLOCY_RUN GALLOCYD IDLE PROGRAM LIAR: what happens when something dies or lies.

In each case: a sentence within 10 s, the right exit status, nothing left behind.
"""
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from cluster import Failure, Run, alive, main, require, wait_for

LIMIT_S = 10


def daemon_killed(gallocy_run, gallocyd, idle, program):
    with Run(gallocy_run, ["-n", 2, idle]) as run:
        run.rank_pids(2)
        daemons = run.daemons()
        require(len(daemons) == 2, "daemons:", daemons)
        os.kill(daemons[1], signal.SIGKILL)
        require(run.wait(LIMIT_S) == 70, "exit", run.process.returncode, run.errors)
        require("daemon" in run.errors and "node" in run.errors, "no sentence:", run.errors)
        run.require_nothing_left()


def rank_killed(gallocy_run, gallocyd, idle, program):
    with Run(gallocy_run, ["-n", 2, idle]) as run:
        pids = run.rank_pids(2)
        rank_of = {}
        for pid in pids:
            with open(f"/proc/{pid}/environ", "rb") as file:
                rank_of[int(re.search(rb"GALLOCY_RANK=(\d+)", file.read()).group(1))] = pid
        os.kill(rank_of[1], signal.SIGKILL)
        require(run.wait(LIMIT_S) == 128 + 9, "exit", run.process.returncode, run.errors)
        last = run.errors.strip().splitlines()[-1]
        require("rank 1" in last and "node 1" in last, "last line:", last)
        run.require_nothing_left()


def launcher_told_to_end(gallocy_run, gallocyd, idle, program):
    with Run(gallocy_run, ["-n", 2, idle]) as run:
        run.rank_pids(2)
        run.process.send_signal(signal.SIGTERM)
        require(run.wait(LIMIT_S) == 128 + 15, "exit", run.process.returncode, run.errors)
        run.require_nothing_left()


def launcher_killed(gallocy_run, gallocyd, idle, program):
    with Run(gallocy_run, ["-n", 2, idle]) as run:
        run.rank_pids(2)
        run.process.kill()
        run.process.wait(LIMIT_S)
        wait_for(lambda: not [pid for pid in run.known if alive(pid) and run.is_ours(pid)],
                 LIMIT_S, "ranks and daemons end with their launcher")


def time_limit(gallocy_run, gallocyd, idle, program):
    with Run(gallocy_run, ["-n", 2, "--timeout", 2, idle]) as run:
        require(run.wait(LIMIT_S + 2) == 124, "exit", run.process.returncode, run.errors)
        run.require_nothing_left()


def noise_on_the_sockets(gallocy_run, gallocyd, idle, program):
    """Random bytes on the TCP port and the UNIX socket of a node while a job runs there."""
    with Run(gallocy_run, ["-n", 2, idle]) as run:
        run.rank_pids(2)
        for pid in run.daemons():
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().decode().split("\0")
            unix = arguments[arguments.index("--socket") + 1]
            for length in (1, 15, 16, 100, 5000):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                    peer.settimeout(LIMIT_S)
                    peer.connect(unix)
                    peer.send(os.urandom(length))
                    try:
                        peer.recv(4096)
                    except ConnectionError:
                        pass
            for port in listening_ports(pid):
                for length in (1, 32, 10000):
                    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as peer:
                        try:
                            peer.sendall(os.urandom(length))
                            if length > 32:
                                require(peer.recv(4096) == b"", "the daemon answered noise")
                        except ConnectionError:
                            pass
        time.sleep(0.2)
        require(run.process.poll() is None, "the job ended:", run.errors)
        require(len(run.daemons()) == 2, "a daemon ended:", run.errors)
        run.process.send_signal(signal.SIGTERM)
        require(run.wait(LIMIT_S) == 128 + 15, "exit", run.process.returncode, run.errors)
        run.require_nothing_left()


def listening_ports(pid):
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{name}")
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    ports = []
    with open("/proc/net/tcp") as file:
        for line in list(file)[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                ports.append(int(words[1].split(":")[1], 16))
    require(ports, "the daemon listens nowhere")
    return ports


class Daemons:
    """Two daemons for several jobs."""

    def __init__(self, gallocyd, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="gallocy-daemons-")
        os.chmod(self.folder.name, 0o755)
        self.processes, self.sockets, peers = [], [], []
        for node in range(2):
            path = os.path.join(self.folder.name, f"{node}.sock")
            process = subprocess.Popen(
                [gallocyd, "--socket", path, "--listen", "127.0.0.1:0", "--node-id", str(node),
                 *peers, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.processes.append(process)
            self.sockets.append(path)
            ready = process.stdout.readline()
            require(ready.startswith("gallocyd ready"), "not ready:", ready)
            peers += ["--peer", ready.split("listen=")[1].strip()]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Failure("a daemon did not end on SIGTERM")
        left = os.listdir(self.folder.name)
        self.folder.cleanup()
        require(not left, "files are left:", left)
        require([p.returncode for p in self.processes] == [0, 0], "daemons did not end cleanly:",
                [p.returncode for p in self.processes])


def other_jobs_go_on(gallocy_run, gallocyd, idle, program):
    """Two jobs on the same daemons: a rank of one is killed, the other ends well."""
    with Daemons(gallocyd) as daemons:
        where = ["-n", 2, "--daemon", ",".join(daemons.sockets)]
        with Run(gallocy_run, [*where, idle]) as doomed, Run(gallocy_run, [*where, program]) as good:
            os.kill(doomed.rank_pids(2)[0], signal.SIGKILL)
            require(doomed.wait(LIMIT_S) == 128 + 9, "exit", doomed.process.returncode,
                    doomed.errors)
            require(good.wait(60) == 0, "the other job:", good.process.returncode, good.errors)
            doomed.require_nothing_left()
        with Run(gallocy_run, [*where, program]) as later:
            require(later.wait(60) == 0, "a later job:", later.process.returncode, later.errors)


def clients_that_lie(gallocy_run, gallocyd, idle, program, liar):
    """Whatever a rank tells its daemon, the daemon serves the next job, and ends on SIGTERM."""
    for lie in ("exited", "orders"):
        with Daemons(gallocyd) as daemons:
            where = ["-n", 2, "--daemon", ",".join(daemons.sockets)]
            with Run(gallocy_run, [*where, liar, lie]) as run:
                require(run.wait(3 * LIMIT_S) == 0, lie, run.process.returncode, run.errors)
            with Run(gallocy_run, [*where, program]) as later:
                require(later.wait(60) == 0, lie, later.process.returncode, later.errors)


CASES = [daemon_killed, rank_killed, launcher_told_to_end, launcher_killed, time_limit,
         noise_on_the_sockets, other_jobs_go_on, clients_that_lie]


def test(case, *arguments):
    function = {one.__name__: one for one in CASES}[case]
    function(*arguments[:function.__code__.co_argcount])


if __name__ == "__main__":
    main(test)
