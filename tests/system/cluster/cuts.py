"""cuts.py CASE NODES: what jobs do when connections between daemons break.

All traffic between the daemons goes through proxies of this test. The environment names the
programs: STRESS and PREFETCH, which check what they read, and IDLE, which goes on until it is
ended."""
import contextlib
import os
import random
import selectors
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Job, expect, expect_status, main, require_daemon,  # noqa: E402
                     require_nodes)

PIECE_BYTES = 64 * 1024


class Proxy:
    """Forwards connections to an address. With `most_bytes` each is cut after a random number of
    bytes up to that, in whatever it is in the middle of, by a reset or an end."""

    def __init__(self, target, most_bytes, seed):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.most_bytes = most_bytes
        self.random = random.Random(seed)
        self.cut_count = 0
        self.blocked = False
        self.pairs = {}  # socket: the other one, bytes left in a list that both share
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake_read, self.wake_write = socket.socketpair()
        self.selector.register(self.wake_read, selectors.EVENT_READ)
        self.orders = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def order(self, what):
        self.orders.append(what)
        self.wake_write.send(b"x")

    def block(self):
        """From now on nothing comes through, also not over new connections."""
        self.order("block")

    def end(self):
        self.order("end")
        self.thread.join()
        for each in (self.listener, self.wake_read, self.wake_write, self.selector):
            each.close()

    def run(self):
        while "end" not in self.orders:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.wake_read:
                    self.wake_read.recv(16)
                    if "block" in self.orders and not self.blocked:
                        self.blocked = True
                        self.cut_all()
                elif key.fileobj in self.pairs:
                    self.forward(key.fileobj)
        self.cut_all()

    def cut_all(self):
        for end in list(self.pairs):
            if end in self.pairs:
                self.cut(end)

    def accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target, 10)
        except OSError:  # its daemon has ended
            near.close()
            return
        left = [self.random.randint(1, self.most_bytes) if self.most_bytes else None]
        for end, other in ((near, far), (far, near)):
            end.settimeout(20)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs[end] = (other, left)
            self.selector.register(end, selectors.EVENT_READ)

    def forward(self, end):
        other, left = self.pairs[end]
        try:
            data = end.recv(PIECE_BYTES)
            if self.blocked and data:
                return
            other.sendall(data if left[0] is None else data[:left[0]])
        except OSError:
            data = b""
        if left[0] is not None:
            left[0] -= len(data)
        if not data or (left[0] is not None and left[0] <= 0):
            self.cut_count += bool(data)
            self.cut(end)

    def cut(self, end):
        other, _ = self.pairs.pop(end)
        self.pairs.pop(other)
        resets = self.random.random() < 0.75
        for each in (end, other):
            self.selector.unregister(each)
            if resets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()


@contextlib.contextmanager
def cluster(nodes, *options, most_bytes=0):
    """Daemons, and the proxies between them."""
    require_daemon()
    with contextlib.ExitStack() as stack:
        proxies = []

        def reached_at(address):
            proxies.append(Proxy(address, most_bytes, seed=len(proxies)))
            stack.callback(proxies[-1].end)
            return proxies[-1].address

        yield stack.enter_context(
            Daemons(*options, count=nodes, reached_at=reached_at)), proxies


def resumed_count(result):
    return sum(rank["connections_resumed"] for rank in result.stat["ranks"])


def ends_well(nodes, program, *arguments, most_bytes, at_least):
    """The job ends well although connections break all the time."""
    with cluster(nodes, most_bytes=most_bytes) as (daemons, proxies):
        with Job(["-n", nodes, daemons.option, program, *arguments], stat=True) as job:
            result = job.wait(120)
            cut_count = sum(proxy.cut_count for proxy in proxies)
            logs = "\n".join(daemons.log(node)[-3000:] for node in range(nodes))
            expect(result.status == 0, "after", cut_count, "cuts:", result, logs)
            expect(result.out.splitlines()[-1:] == ["OK"], "no OK:", result)
            require_nodes(result, nodes)
            count = resumed_count(result)
            expect(cut_count >= at_least, "only", cut_count, "cuts")
            # Each is seen at both ends; links are cut, too, and cuts between hellos.
            expect(count >= at_least, "only", count, "of", cut_count, "cuts were survived")
            print(f"{cut_count} cuts in {result.seconds:.1f} s, both ends resumed {count} times")
            job.expect_nothing_left()


def resets_under_load():
    ends_well(NODES, os.environ["STRESS"], most_bytes=60_000, at_least=50)


def resets_of_prefetched_pages():
    ends_well(NODES, os.environ["PREFETCH"], most_bytes=200_000, at_least=20)


def resets_of_everything_early():
    """Most connections do not live long enough for a page. So many rounds that no thread can run
    all of its own before the next begins, even on one CPU: pages would hardly move then."""
    ends_well(NODES, os.environ["STRESS"], 100, most_bytes=9_000, at_least=50)


def away_for_too_long():
    """The sentence names the node and the time, on every node, and the daemons serve on."""
    with cluster(NODES, "--peer-timeout", "1") as (daemons, proxies):
        with Job(["-n", NODES, daemons.option, os.environ["IDLE"]]) as job:
            job.await_lines("running", NODES)
            began = time.monotonic()
            for proxy in proxies:
                proxy.block()
            result = job.wait(30)
            expect_status(result, 70)
            expect(time.monotonic() - began >= 1, "given up early:", result)
            expect("did not come back within 1 s" in result.err, "no sentence:", result)
            expect(any(f"node {node} " in result.err for node in range(NODES)), result)
            job.expect_nothing_left()


NODES = int(sys.argv[2]) if len(sys.argv) > 2 else 2
main(resets_under_load, resets_of_prefetched_pages, resets_of_everything_early,
     away_for_too_long, chosen=sys.argv[1:2])
