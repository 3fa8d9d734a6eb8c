"""How much memory a daemon needs beside the pages: for each page that it has, and for memory that
nobody has touched."""
import os
import re
import subprocess

from measure import PROGRAM_LIMIT_S, MeasuringFailed, harness

MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$")
FRAMES = re.compile(r"/memfd:gallocy-0x[0-9a-f]+")
PAGES_PER_MIB = 256


def bytes_beside_pages(pid):
    total, name = 0, ""
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            found = MAPPING.match(line)
            if found:
                name = found.group(1)
            elif line.startswith("Rss:") and not FRAMES.search(name):
                total += int(line.split()[1]) * 1024
    return total


def measure(machine, figure, count):
    """(bytes a resident page, bytes an untouched page), at the home of all of them."""
    words = [str(count) if word == "COUNT" else word for word in figure.ours]
    with machine.new_daemons(figure.placement) as daemons:
        command = machine.job_words(daemons.sockets, figure.placement, words)
        with harness.Job(command, stdin=subprocess.PIPE) as job:
            seen = []
            for line in ("begun", "untouched", "touched"):
                job.await_lines(line, 1, limit_s=PROGRAM_LIMIT_S)
                seen.append(bytes_beside_pages(daemons.processes[0].pid))
                os.write(job.process.stdin.fileno(), b"\n")
            job.process.stdin.close()
            result = job.wait()
            job.expect_nothing_left()
    if result.status != 0:
        raise MeasuringFailed(f"{figure.id}: {result.err.strip()}")
    untouched = (seen[1] - seen[0]) / (int(words[2]) * PAGES_PER_MIB)
    return (seen[2] - seen[1]) / count, untouched
