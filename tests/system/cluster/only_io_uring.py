"""only_io_uring.py GALLOCY_RUN GALLOCYD WORDCOUNT FILE...: no TCP byte goes through a system call.

gallocyd runs under strace, which names what each descriptor is. Reading or writing a TCP socket
by anything but io_uring_enter is a failure.
"""
import glob
import os
import re
import shutil
import sys
import tempfile

from cluster import main, require, require_nodes, run_program

CALLS = ("read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 send sendto "
         "sendmsg sendmmsg recv recvfrom recvmsg recvmmsg splice sendfile accept accept4 connect")


def test(gallocy_run, gallocyd, wordcount, *files):
    strace = shutil.which("strace")
    if strace is None:
        print("strace is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="gallocy-strace-") as folder:
        wrapper = os.path.join(folder, "gallocyd")
        with open(wrapper, "w") as file:
            # -D: gallocyd itself stays the launcher's child.
            file.write(f'#!/bin/sh\nexec {strace} -D -f -ff -yy -o {folder}/trace '
                       f'{gallocyd} "$@"\n')
        os.chmod(wrapper, 0o755)
        os.environ["GALLOCYD"] = wrapper
        _, errors, statistics = run_program(gallocy_run, 2, [wordcount, *files], 180)
        require_nodes(statistics, 2)
        lines = []
        for path in glob.glob(f"{folder}/trace.*"):
            with open(path, errors="replace") as file:
                lines += file.read().splitlines()
    require(any("io_uring_enter(" in line for line in lines), "strace saw no io_uring_enter")
    require(any(re.match(r"setsockopt\(\d+<TCP", line) for line in lines),
            "strace named no TCP socket: this test would see nothing")
    bad = re.compile(r"(" + "|".join(CALLS.split()) + r")\(\d+<TCP")
    offenders = [line for line in lines if bad.match(line)]
    require(not offenders, len(offenders), "calls on TCP sockets:", offenders[:5])


main(test)
