"""intruders.py [CASE...]: what a running job tells a person, and whom it does not let in.

The environment names IDLE, a program that goes on until it is ended, and GALLOCY, the tool.
Datagrams are built as src/ipc/protocol.hpp has them.
"""
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Job, environment_of, expect, expect_status, main,  # noqa: E402
                     require_daemon, require_root, run, wait_for)

NOBODY, STRANGER = 65534, 12345
SHARE = 64  # of the places at the door, for one user
MAGIC, VERSION, CLIENT_HELLO, REFUSED = 0x594C4147, 1, 1, 5
HEADER, HELLO_BODY, REFUSED_BODY = "<IHHII", "<QII32sQ", "<ii256s"


def hello(job, rank):
    body = struct.pack(HELLO_BODY, int(job, 16), rank, 20, b"\xab" * 20, 0x1000)
    header = struct.pack(HEADER, MAGIC, VERSION, CLIENT_HELLO, 16 + len(body), 0)
    return header + body


def refusal_of(path, datagram, uid=0):
    """What the daemon says to whoever connects as that user (if root runs this) and says this."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(10)
        # The kernel takes down who connects; tests run one by one here, as this is for all threads.
        if uid != 0:
            os.seteuid(uid)
        try:
            peer.connect(path)
        finally:
            if uid != 0:
                os.seteuid(0)
        peer.send(datagram)
        return refusal_from(peer)


def refusal_from(peer):
    answer = peer.recv(4096)
    expect(answer, "the daemon closed without a word")
    kind = struct.unpack_from(HEADER, answer)[2]
    expect(kind == REFUSED, "the answer is of kind", kind)
    return struct.unpack_from(REFUSED_BODY, answer, 16)[2].split(b"\0")[0].decode()


def start(daemons):
    return Job(["-n", 2, daemons.option, os.environ["IDLE"]])


def job_id(job):
    return environment_of(int(job.await_lines("running", 2)[0]))["GALLOCY_JOB"]


def expect_to_go_on(job, daemons):
    """Its protocol still has events, and it ends when told to."""
    expect(job.process.poll() is None, "the job ended:", job)
    expect_dump(job, daemons, 0)
    job.process.send_signal(signal.SIGTERM)
    expect_status(job.wait(10), 128 + signal.SIGTERM)
    job.expect_nothing_left()


def expect_dump(job, daemons, node):
    """SIGUSR1: page states, and events of the last second. A page has a state to tell while it is
    on its way, so more than one signal may be needed."""
    begin = len(daemons.log(node))

    def dumped():
        expect(job.process.poll() is None, "the job ended:", job)
        daemons.processes[node].send_signal(signal.SIGUSR1)
        text = daemons.log(node)[begin:]
        ages = [int(age) for age in re.findall(r"(\d+) us ago  (?:fault|from \d)", text)]
        return (re.search(r"\]: page \d+ at 0x[0-9a-f]+: state \d", text) and
                re.search(r"us ago    -> ", text) and any(age < 1_000_000 for age in ages))
    wait_for(dumped, 10, "page states and events of node", node)


def state_on_sigusr1():
    require_daemon()
    with Daemons() as daemons, start(daemons) as job:
        job_id(job)
        for node in range(2):
            expect_dump(job, daemons, node)
        expect_to_go_on(job, daemons)


def second_rank_of_one_number():
    require_daemon()
    with Daemons() as daemons, start(daemons) as job:
        number = job_id(job)
        for rank, path in enumerate(daemons.sockets):
            sentence = refusal_of(path, hello(number, rank))
            expect(f"rank {rank} " in sentence and "attached already" in sentence, sentence)
        sentence = refusal_of(daemons.sockets[0], hello("1", 0))
        expect("there is no job" in sentence, sentence)
        expect_to_go_on(job, daemons)


def job_of_another_user():
    """A user whom the daemon serves, but whose job it is not."""
    require_daemon()
    require_root()
    with Daemons("--allow-uid", str(NOBODY)) as daemons, start(daemons) as job:
        sentence = refusal_of(daemons.sockets[1], hello(job_id(job), 1), uid=NOBODY)
        expect(f"belongs to uid 0, not to uid {NOBODY}" in sentence, sentence)
        expect_to_go_on(job, daemons)


# Connects as fast as it can, as another user, and says nothing, until there is something to read.
# It changes its user by itself: the interpreter may be where that user can't start it.
FLOOD = """
import os, select, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
kept = []
print("begins", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.setblocking(False)
    try:
        peer.connect(sys.argv[1])
    except BlockingIOError:
        continue
    kept = [*kept[-200:], peer]
"""


@contextlib.contextmanager
def flood(path, uid):
    with subprocess.Popen([sys.executable, "-c", FLOOD, path, str(uid)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        try:
            expect(process.stdout.readline() == "begins\n", "the flood does not begin")
            yield
        finally:
            said = process.communicate("end", timeout=20)[1]
    expect(process.returncode == 0, "the flood broke:", said)


def floods_at_the_door():
    """Who may not use the daemon keeps nobody from it, nor does one of those who may; and the log
    tells of them, but not of each."""
    require_daemon()
    require_root()
    for uid, why in ((STRANGER, f"uid {STRANGER} may not use this daemon"),
                     (NOBODY, f"uid {NOBODY} has too many connections")):
        with Daemons("--allow-uid", str(NOBODY)) as daemons:
            with flood(daemons.sockets[0], uid):
                wait_for(lambda log=daemons.log: why in log(0), 20, why)
                for _ in range(3):
                    expect_status(run("-n", 2, daemons.option, "true"), 0)
                wait_for(lambda log=daemons.log: "more have been turned away" in log(0), 20,
                         "a line about the others")
            lines = daemons.log(0).count(why)
            told = sum(map(int, re.findall(r" (\d+) more have been turned away", daemons.log(0))))
            expect(told > 4 * lines, "turned away:", lines, "told of, and", told)


def turned_away_with_a_sentence():
    """Launcher and tool say what the daemon does, not that it has closed."""
    require_daemon()
    with Daemons() as daemons, contextlib.ExitStack() as silent:
        for _ in range(SHARE):
            peer = silent.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            peer.settimeout(10)
            peer.connect(daemons.sockets[1])
        said = f"uid {os.geteuid()} has too many connections to the daemon: try again"
        result = run("-n", 2, daemons.option, "true")
        expect_status(result, 70)
        expect(result.last_line() == f"gallocy-run: {said} ({daemons.sockets[1]})", result)
        done = subprocess.run([os.environ["GALLOCY"], "stat", "--socket", daemons.sockets[1]],
                              capture_output=True, text=True, timeout=60)
        expect(done.returncode == 69 and done.stdout == "" and
               done.stderr == f"gallocy: {daemons.sockets[1]}: {said}\n", done)
        said = refusal_from(peer)
        expect("no first message came within" in said, said)


main(state_on_sigusr1, second_rank_of_one_number, job_of_another_user, floods_at_the_door,
     turned_away_with_a_sentence, side_by_side=1)
