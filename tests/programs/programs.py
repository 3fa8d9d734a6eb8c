#!/usr/bin/env python3
"""usage: programs.py [--nodes 1,2,3] [--table] PROGRAM...

Runs each program by itself, and by gallocy-run on so many nodes: what it prints, the files that it
writes and its exit status must be the same. On k nodes, k must have run a thread of it, and for
more than one node, pages must have crossed between them.

--table prints the rows of docs/programs.md."""
import argparse
import atexit
import filecmp
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
from harness import (Failed, Job, Skipped, expect, require_daemon,  # noqa: E402
                     require_nodes)

NATIVE_LIMIT_S = 60
JOB_LIMIT_S = 100
STDIO_INPUT = b"".join(b"line %d\nword%d %d\n" % (i, i, i * i) for i in range(4))
STREAM_INPUT = b"".join(b"word%d %d\n" % (i, 20 + i) for i in range(4))


def each_thread(*words):
    """The last word says which thread ends the program, so each node has it once."""
    return [[*words, str(number)] for number in range(3)]


# Words that a program is called with, and what it reads, if any.
ARGUMENTS = {
    "sort": [["10000000"]],
    "sparse": [["34"], ["60"]],
    "xz": [["-k", "-T4", "--block-size=4MiB", "-0", "data"],
           ["-d", "-T4", "-c", "packed.xz"]],
    "primesieve": [["-t4", "1e10", "--count", "-q"]],  # without -q it tells how long it took
    "file_maps": [[], ["exit"], ["_exit"], ["quick_exit"], ["last"], ["worker"],
                  ["exec"]],
    "futex_ends": [["main"], *each_thread("exit"), *each_thread("abort")],
    "handler_ends": [*each_thread("exit"), *each_thread("fault")],
    "exec_on_worker": [["execle"], ["execveat"], ["syscall"]],
    "error_on_worker": [*each_thread("errx"), *each_thread("error"),
                        *each_thread("error_at_line")],
    "exit_on_worker": each_thread(),
    "abort_on_worker": each_thread(),
    "crash_on_worker": each_thread(),
    "uncaught": each_thread(),
}
INPUT = {"stdio": STDIO_INPUT, "iostreams": STREAM_INPUT}

# A signal ends these in the thread that the last word says. (That of handler_ends comes in a call
# on a stream, which the first node makes.)
DIES = {"abort_on_worker", "crash_on_worker", "uncaught", "futex_ends abort"}
# What these print of what is refused, and the sentence. By themselves they would do it.
REFUSED = {"futex_priority": (b"6 of 6 refused\n" * 3,
                              "mutexes that pass on priority are not supported")}


@functools.cache
def made_files():
    """What xz is given: 40 MB of text, and the same packed in blocks."""
    folder = tempfile.mkdtemp(prefix="gp-")
    atexit.register(shutil.rmtree, folder)
    chance = random.Random(1)
    words = [bytes(chance.randrange(97, 123) for _ in range(chance.randrange(2, 12)))
             for _ in range(5000)]
    data = os.path.join(folder, "data")
    with open(data, "wb") as file:
        while file.tell() < 40_000_000:
            file.write(b" ".join(chance.choices(words, k=20000)) + b"\n")
    subprocess.run(["/usr/bin/xz", "-T2", "--block-size=4MiB", "-0", "-k", data], check=True,
                   timeout=NATIVE_LIMIT_S)
    os.rename(data + ".xz", os.path.join(folder, "packed.xz"))
    return folder


def fill(words, folder):
    """What the program reads."""
    for word in words:
        if word in ("data", "packed.xz"):
            shutil.copy(os.path.join(made_files(), word), folder)


def status_of(returncode):
    """As a shell has it, and gallocy-run."""
    return 128 - returncode if returncode < 0 else returncode


class Native:
    def __init__(self, command, folder, given):
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, input=given, timeout=NATIVE_LIMIT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.seconds = time.monotonic() - began
        self.status, self.out = status_of(done.returncode), done.stdout


def run_job(command, folder, given, nodes):
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        with Job(["-n", nodes, *command], cwd=folder, stdin=stdin, stat=True) as job:
            result = job.wait(JOB_LIMIT_S)
            job.expect_nothing_left()
            result.bytes = job.out_bytes()
            return result


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(place, name), folder)
                  for place, _, names in os.walk(folder) for name in names)


def expect_same_files(native, job, result):
    names = files_below(native)
    expect(files_below(job) == names, "files", files_below(job), "and by itself", names, result)
    for name in names:
        expect(filecmp.cmp(os.path.join(native, name), os.path.join(job, name), shallow=False),
               "the file", name, "is not what the program writes by itself:", result)


def remote_faults(result):
    return sum(rank["faults"]["remote_read"] + rank["faults"]["remote_write"]
               for rank in (result.stat or {"ranks": []})["ranks"])


def check(program, words, nodes, rows):
    name = os.path.basename(program).removeprefix("program_")
    given = INPUT.get(name, b"")
    with tempfile.TemporaryDirectory(prefix="gp-") as native_folder, \
            tempfile.TemporaryDirectory(prefix="gp-") as job_folder:
        fill(words, native_folder)
        fill(words, job_folder)
        native = Native([program, *words], native_folder, given)
        result = run_job([program, *words], job_folder, given, nodes)
        row = [" ".join([name, *words]), nodes, "", native.seconds, result.seconds,
               remote_faults(result)]
        rows.append(row)
        row[2] = "differs"
        expect(result.status == native.status, "expected status", native.status, "got", result)
        expect(result.bytes == native.out, "it printed, by itself:\n",
               native.out[-3000:].decode(errors="replace"), "\nand", result)
        expect_same_files(native_folder, job_folder, result)
        require_nodes(result, nodes)
        if " ".join([name, *words[:-1]]) in DIES:
            expect_death_on(result, (int(words[-1]) + 1) % nodes)
        row[2] = "same"


def expect_death_on(result, rank):
    """Threads are spread over the nodes in turn, after main()."""
    expect(f"gallocy-run: rank {rank} on node {rank} was killed by signal " in result.err,
           "it was not rank", rank, "that a signal has ended:", result)


def check_refused(program, name, nodes):
    out, sentence = REFUSED[name]
    with tempfile.TemporaryDirectory(prefix="gp-") as folder:
        result = run_job([program], folder, b"", nodes)
    expect(result.status == 0 and result.bytes == out, "expected", out, "got", result)
    expect(sentence in result.err, "no sentence that says", sentence, "in", result)
    require_nodes(result, nodes)


def check_all(program, node_counts):
    """A row for each run, and what went wrong."""
    name = os.path.basename(program).removeprefix("program_")
    rows, errors = [], []
    for words in ARGUMENTS.get(name, [[]]):
        for nodes in node_counts:
            try:
                if name in REFUSED:
                    check_refused(program, name, nodes)
                else:
                    check(program, words, nodes, rows)
            except Failed as error:
                errors.append(f"{name} {' '.join(words)} on {nodes}: {error}")
    return rows, errors


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--nodes", default="1,2,3")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()
    try:
        require_daemon()
    except Skipped as reason:
        print(reason)
        sys.exit(77)
    if options.table:
        print("| program | nodes | verdict | by itself, s | by gallocy-run, s | remote faults |")
        print("| --- | --- | --- | --- | --- | --- |")
    failed = False
    for program in options.programs:
        if not os.path.exists(program):
            print(program, "is not installed")
            sys.exit(77)
        node_counts = [int(word) for word in options.nodes.split(",")]
        rows, errors = check_all(os.path.realpath(program), node_counts)
        for name, nodes, verdict, native_s, job_s, faults in rows:
            if options.table:
                print(f"| {name} | {nodes} | {verdict} | {native_s:.2f} | {job_s:.2f} | {faults} |")
            else:
                print(f"{name} on {nodes}: {verdict}, {native_s:.2f} s by itself, {job_s:.2f} s, "
                      f"{faults} remote faults")
        for error in errors:
            print(error, file=sys.stderr)
            failed = True
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


main()
