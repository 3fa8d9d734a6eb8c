#!/usr/bin/env python3
"""Says to the launcher what a gallocyd says, and misbehaves as told. It serves fake_rank only.

FAKE_GALLOCYD is a list of NODE:DEED, separated by blanks:
  exit69 exit3 killed  end before the ready line          mute        no ready line
  refuse unavailable   answer the job with Refused        no_answer   no JobReady
  build_id address     tell a wrong one of its ranks      die         SIGKILL itself at JobStart
  fail                 JobFailed at JobStart              deaf        ignore SIGTERM
  silent               no statistics                      hang_up     close the launcher's socket
  chatty               fill the log                       keeps       no JobOver
  bare                 no descriptors beside RankAttached
"""
import os
import selectors
import signal
import socket
import struct
import sys
import time

MAGIC = 0x594C4147
CLIENT_HELLO, CLIENT_READY, REFUSED = 1, 4, 5
JOB_CREATE, JOB_WATCH, JOB_READY, JOB_START = 16, 17, 18, 19
STATISTICS_REQUEST, STATISTICS, JOB_END = 20, 21, 22
RANK_ATTACHED, RANK_GONE, JOB_FAILED, JOB_OVER = 32, 33, 34, 35
NODE_QUERY, NODE_INFO = 48, 49


# 99 faults of 5 us and one of 10 us.
LATENCIES = struct.pack("<240Q", *[{5: 99, 10: 1}.get(bucket, 0) for bucket in range(240)])


def message(kind, body):
    return struct.pack("<IHHII", MAGIC, 1, kind, 16 + len(body), 0) + body


def sentence(text):
    return text.encode().ljust(256, b"\0")


class Fake:
    def __init__(self, arguments):
        values = dict(zip(arguments[::2], arguments[1::2]))
        self.node = int(values["--node-id"])
        self.path = values["--socket"]
        words = os.environ.get("FAKE_GALLOCYD", "").split()
        self.deeds = {deed for node, deed in (word.split(":") for word in words)
                      if int(node) == self.node}
        self.selector = selectors.DefaultSelector()
        self.launcher, self.job, self.clients, self.started = None, 0, [], False

    def does(self, deed):
        return deed in self.deeds

    def begin(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if self.does("deaf") else self.leave)
        if self.does("exit69"):
            print("gallocyd: this kernel has no userfaultfd", file=sys.stderr, flush=True)
            sys.exit(69)
        if self.does("exit3"):
            sys.exit(3)
        if self.does("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.selector.register(self.listener, selectors.EVENT_READ)
        print(f"node {self.node} begins", file=sys.stderr, flush=True)
        if self.does("mute"):
            time.sleep(60)
        print(f"gallocyd ready node={self.node} incarnation=1f listen=127.0.0.1:{7000 + self.node}",
              flush=True)
        if self.does("chatty"):
            for number in range(20000):
                print(f"line {number} of a long log", flush=False)
            sys.stdout.flush()

    def leave(self, *unused):
        os.unlink(self.path)
        os._exit(0)

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.selector.register(self.listener.accept()[0], selectors.EVENT_READ)
                else:
                    self.take(key.fileobj)

    def take(self, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if data:
            self.answer(sock, struct.unpack_from("<H", data, 6)[0], data[16:])
            return
        self.selector.unregister(sock)
        sock.close()
        self.clients = [client for client in self.clients if client is not sock]

    def answer(self, sock, kind, body):
        if kind == NODE_QUERY:
            sock.send(message(NODE_INFO, struct.pack("<II", self.node, 2)))
        elif kind in (JOB_CREATE, JOB_WATCH):
            self.launcher, (self.job,) = sock, struct.unpack_from("<Q", body)
            self.answer_job()
        elif kind == CLIENT_HELLO:
            self.attach(sock, body)
        elif kind == JOB_START:
            self.start()
        elif kind == STATISTICS_REQUEST and not self.does("silent"):
            self.send_statistics()
        elif kind == JOB_END:
            self.end_clients()
            if not self.does("keeps"):
                self.tell_over()

    def answer_job(self):
        if self.does("refuse") or self.does("unavailable"):
            code = 95 if self.does("unavailable") else 16
            self.launcher.send(message(REFUSED, struct.pack("<ii", code, 0) +
                                       sentence("no more jobs today")))
        elif self.does("hang_up"):
            self.selector.unregister(self.launcher)
            self.launcher.close()
        elif not self.does("no_answer"):
            self.launcher.send(message(JOB_READY, struct.pack("<QII", self.job, self.node, 0)))

    def attach(self, sock, body):
        body = bytearray(body)
        if self.does("build_id"):
            body[16] ^= 0xFF
        if self.does("address"):
            body[49] ^= 0x10
        self.clients.append(sock)
        fds = [os.memfd_create("descriptor") for _ in range(0 if self.does("bare") else 2)]
        socket.send_fds(self.launcher, [message(RANK_ATTACHED, bytes(body))], fds)
        for fd in fds:
            os.close(fd)

    def start(self):
        if self.does("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.started = True
        self.tell_clients()
        if self.does("fail"):
            self.launcher.send(message(JOB_FAILED, struct.pack("<Q", self.job) +
                                       sentence("a peer has gone")))

    def tell_clients(self):
        for client in self.clients:
            try:
                client.send(message(CLIENT_READY, bytes(8)))
            except OSError:
                pass  # it has died; the end of file comes later

    def end_clients(self):
        if self.started:
            self.tell_clients()  # they take a second one as the end
            return
        for client in self.clients:
            self.selector.unregister(client)
            client.close()
        self.clients = []

    def tell_over(self):
        try:
            self.launcher.send(message(JOB_OVER, struct.pack("<Q", self.job)))
        except OSError:
            pass  # a launcher of private daemons does not wait for it

    def send_statistics(self):
        rank = struct.pack("<IIQ6Q", self.node, self.node, 2, 1000, 20, 3, 4, 5, 0)
        self.launcher.send(message(STATISTICS, struct.pack(
            "<QIIQQQQQ", self.job, self.node, 1, 4096, 8192, 9, 0, 7) + rank.ljust(64 * 64, b"\0") +
            LATENCIES))


fake = Fake(sys.argv[1:])
fake.begin()
fake.serve()
