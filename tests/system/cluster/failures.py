"""failures.py [CASE...]: what happens when something dies or lies.

In each case: a sentence within 10 s, the right exit status, nothing left behind. The environment
names three programs: IDLE, which goes on until it is ended, STRESS, which ends well, and LIAR.
"""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Job, environment_of, expect, expect_status, kill, main,  # noqa: E402
                     require_daemon, words_of)

LIMIT_S = 10


def start(*options):
    require_daemon()
    return Job(["-n", 2, *options, os.environ["IDLE"]])


def rank_pids(job):
    """{rank: pid}, once a thread runs in each."""
    pids = [int(text) for text in job.await_lines("running", 2)]
    return {int(environment_of(pid)["GALLOCY_RANK"]): pid for pid in pids}


def end_by_signal(job, number=signal.SIGTERM):
    job.process.send_signal(number)
    expect_status(job.wait(LIMIT_S), 128 + number)
    job.expect_nothing_left()


def daemon_killed():
    with start() as job:
        rank_pids(job)
        daemons = job.processes("gallocyd")
        expect(len(daemons) == 2, "daemons:", daemons)
        kill(daemons[1])
        result = job.wait(LIMIT_S)
        expect_status(result, 70)
        expect("daemon" in result.err and "node" in result.err, "no sentence:", result)
        job.expect_nothing_left()


def rank_killed():
    with start() as job:
        kill(rank_pids(job)[1])
        result = job.wait(LIMIT_S)
        expect_status(result, 128 + 9)
        last = result.last_line()
        expect("rank 1" in last and "node 1" in last, "last line:", last)
        job.expect_nothing_left()


def launcher_told_to_end():
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
        with start() as job:
            rank_pids(job)
            end_by_signal(job, number)


def launcher_killed():
    with start() as job:
        rank_pids(job)
        job.process.kill()
        job.wait(LIMIT_S)
        # The folder of the sockets stays: nobody is left to remove it.
        job.expect_nothing_left(wait_s=LIMIT_S, folders=False)


def time_limit():
    with start("--timeout", 2) as job:
        expect_status(job.wait(LIMIT_S + 2), 124)
        job.expect_nothing_left()


def noise_on_the_sockets():
    """Random bytes on the TCP port and the UNIX socket of a node while a job runs there."""
    with start() as job:
        rank_pids(job)
        for pid in job.processes("gallocyd"):
            words = words_of(pid)
            noise_on_unix_socket(words[words.index("--socket") + 1])
            for port in listening_ports(pid):
                noise_on_port(port)
        time.sleep(0.2)
        expect(job.process.poll() is None, "the job ended:", job)
        expect(len(job.processes("gallocyd")) == 2, "a daemon ended:", job)
        end_by_signal(job)


def noise_on_unix_socket(path):
    for length in (1, 15, 16, 100, 5000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(LIMIT_S)
            peer.connect(path)
            peer.send(os.urandom(length))
            try:
                peer.recv(4096)
            except ConnectionError:
                pass


def noise_on_port(port):
    for length in (1, 32, 10000):
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as peer:
            try:
                peer.sendall(os.urandom(length))
                if length > 32:
                    expect(peer.recv(4096) == b"", "the daemon answered noise")
            except ConnectionError:
                pass


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
    expect(ports, "the daemon listens nowhere")
    return ports


def other_jobs_go_on():
    """Two jobs on the same daemons: a rank of one is killed, the other ends well."""
    require_daemon()
    good = os.environ["STRESS"]
    with Daemons() as daemons:
        with start(daemons.option) as doomed, Job(["-n", 2, daemons.option, good]) as job:
            kill(rank_pids(doomed)[0])
            expect_status(doomed.wait(LIMIT_S), 128 + 9)
            expect_status(job.wait(60), 0)
            doomed.expect_nothing_left()
            job.expect_nothing_left()
        with Job(["-n", 2, daemons.option, good]) as later:
            expect_status(later.wait(60), 0)


def clients_that_lie():
    """Whatever a rank tells its daemon, the daemon serves the next job, and ends on SIGTERM."""
    require_daemon()
    for lie in ("exited", "freed", "orders"):
        with Daemons() as daemons:
            with Job(["-n", 2, daemons.option, os.environ["LIAR"], lie]) as job:
                expect_status(job.wait(30), 0)
            with Job(["-n", 2, daemons.option, os.environ["STRESS"]]) as later:
                expect_status(later.wait(60), 0)


if __name__ == "__main__":
    main(daemon_killed, rank_killed, launcher_told_to_end, launcher_killed, time_limit,
         noise_on_the_sockets, other_jobs_go_on, clients_that_lie, side_by_side=1)
