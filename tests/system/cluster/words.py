"""words.py NODES WORDCOUNT: the whole table of some 3 MB of this machine's headers is that of
tr | sort | uniq -c."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Skipped, expect, expect_status, main, require_daemon,  # noqa: E402
                     require_nodes, run)

WANTED_BYTES = 3_000_000
FILE_BYTES_MAX = 100_000  # many files, so that every thread gets some
PIPE = ("LC_ALL=C tr -cs 'A-Za-z' '\\n' | LC_ALL=C tr 'A-Z' 'a-z' | sed '/^$/d' | LC_ALL=C sort |"
        " LC_ALL=C uniq -c")


def pick_files():
    """The largest of those that are not too large: the same on every run of one machine."""
    found = {}
    for folder, _, names in os.walk("/usr/include"):
        for name in names:
            path = os.path.realpath(os.path.join(folder, name))
            if os.path.isfile(path) and os.access(path, os.R_OK):
                found[path] = os.path.getsize(path)
    chosen, total = [], 0
    for path in sorted(found, key=lambda path: (-found[path], path)):
        if found[path] <= FILE_BYTES_MAX and total < WANTED_BYTES:
            chosen.append(path)
            total += found[path]
    if total < WANTED_BYTES // 2:
        raise Skipped(f"/usr/include has only {total} bytes")
    return chosen


def table_of_the_shell(files):
    text = bytearray()
    for path in files:
        with open(path, "rb") as file:
            text += file.read() + b"\n"  # a word does not go on in the next file
    return subprocess.run(["sh", "-c", PIPE], input=bytes(text), stdout=subprocess.PIPE, check=True,
                          timeout=120).stdout


def whole_table_is_right():
    require_daemon()
    nodes, wordcount = sys.argv[1:]
    files = pick_files()
    with tempfile.TemporaryDirectory(prefix="gallocy-words-") as folder:
        table = os.path.join(folder, "table")
        result = run("-n", nodes, wordcount, "-o", table, "--", *files, stat=True, limit_s=120)
        expect_status(result, 0)
        expect(result.out == "OK\n", result)
        with open(table, "rb") as file:
            ours = file.read()
    theirs = table_of_the_shell(files)
    expect(ours.count(b"\n") > 1000, "the table is too small to tell anything")
    differing = set(ours.splitlines()) ^ set(theirs.splitlines())
    expect(ours == theirs, len(differing), "lines differ:", sorted(differing)[:20])
    require_nodes(result, int(nodes))


main(whole_table_is_right, chosen=[])
