"""only_io_uring.py WORDCOUNT FILE...: no TCP byte goes through a system call.

gallocyd runs under strace. Reading or writing a TCP socket by anything but io_uring_enter is a
failure. strace must not look at the arguments of reads and writes (raw): it would fault on a page
that the daemon it has stopped is to deliver, in the daemon's self-test. So what a descriptor is
comes from setsockopt, which every connection begins with, and close.
"""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Skipped, expect, expect_status, main, require_daemon,  # noqa: E402
                     require_nodes, run)

CALLS = ("read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,"
         "sendmmsg,recvfrom,recvmsg,recvmmsg,splice,sendfile,accept,accept4,connect")


def offenders(lines):
    """(lines that move bytes of a TCP socket by a system call, how many TCP sockets there were)"""
    tcp, found, socket_count = set(), [], 0
    for line in lines:
        if match := re.search(r"\bsetsockopt\((\d+)<TCP", line):
            socket_count += int(match[1]) not in tcp
            tcp.add(int(match[1]))
        elif match := re.search(r"\bclose\((\d+)", line):
            tcp.discard(int(match[1]))
        elif match := re.search(r"\b(" + CALLS.replace(",", "|") + r")\((0x[0-9a-f]+|\d+)", line):
            if int(match[2], 0) in tcp:
                found.append(line)
    return found, socket_count


# The detector itself, on a trace in which a TCP socket is written to.
assert len(offenders(["1 setsockopt(5<TCP:[1]>, ...) = 0", "2 write(0x5, 0x7f, 0x8) = 0x8",
                      "1 close(5<TCP:[1]>) = 0", "1 write(0x5, 0x7f, 0x8) = 0x8"])[0]) == 1


def write_wrapper(path, strace, folder):
    with open(path, "w") as file:
        # -D: gallocyd itself stays the launcher's child.
        # LeakSanitizer, if it is in gallocyd, gives up where something traces already.
        file.write('#!/bin/sh\nexport ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"\n'
                   f'exec {strace} -D -f -yy -o {folder}/trace.$$ '
                   f'-e trace={CALLS},setsockopt,close,io_uring_enter '
                   f'-e raw={CALLS},io_uring_enter "{os.path.abspath(os.environ["GALLOCYD"])}" '
                   '"$@"\n')
    os.chmod(path, 0o755)


def no_tcp_byte_by_a_system_call():
    require_daemon()
    strace = shutil.which("strace")
    if strace is None:
        raise Skipped("strace is not installed")
    with tempfile.TemporaryDirectory(prefix="gallocy-strace-") as folder:
        wrapper = os.path.join(folder, "gallocyd")
        write_wrapper(wrapper, strace, folder)
        result = run("-n", 2, *sys.argv[1:], stat=True, limit_s=180, env={"GALLOCYD": wrapper},
                     left_wait_s=10)  # strace itself
        expect_status(result, 0)
        require_nodes(result, 2)
        for name in os.listdir(folder):
            if not name.startswith("trace."):
                continue
            with open(os.path.join(folder, name), errors="replace") as file:
                lines = file.read().splitlines()
            expect(any("io_uring_enter(" in line for line in lines), "no io_uring_enter in", name)
            found, socket_count = offenders(lines)
            expect(socket_count > 1, "strace named no TCP socket: this test would see nothing")
            expect(not found, len(found), "calls on TCP sockets:", found[:5])


main(no_tcp_byte_by_a_system_call, chosen=[])
