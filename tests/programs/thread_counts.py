"""What `--stat` calls threads that ran, and what placement counts, are the program's own: not those
by which the runtime makes calls on other nodes. The environment names PROGRAM and LIBRARY."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import expect, expect_status, main, require_daemon, run  # noqa: E402


def expect_threads(mode, lines, *counts):
    """So many threads on each node."""
    require_daemon()
    result = run("-n", len(counts), os.environ["PROGRAM"], mode, os.environ["LIBRARY"], stat=True)
    expect_status(result, 0)
    expect(result.out == lines, "it printed", repr(result.out), result)
    ran = [(rank["node"], rank["threads_run"]) for rank in result.stat["ranks"]]
    expect(ran == list(enumerate(counts)), "threads ran on nodes:", ran, result)


def main_alone():
    """All nodes make its calls."""
    expect_threads("alone", "end\n", 1, 0, 0)


def one_worker():
    """The first node makes its calls, which are interrupted, and all nodes make others."""
    expect_threads("worker", "called\nend\n", 1, 1, 0)


def one_made_by_a_worker():
    """Seen from the worker the first node is the idlest, though it has made a call for it."""
    expect_threads("by worker", "called\nend\n", 2, 1)


main(main_alone, one_worker, one_made_by_a_worker)
