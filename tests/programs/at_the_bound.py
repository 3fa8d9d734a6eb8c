"""A program that has used up its memory goes on. The environment names PROGRAM."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import expect, expect_status, main, require_daemon, run  # noqa: E402


def goes_on_when_there_is_no_more():
    require_daemon()
    for nodes in (1, 2, 3):
        result = run("-n", nodes, "--memory", "48M", os.environ["PROGRAM"], stat=True)
        expect_status(result, 0)
        expect(result.out == "end\n", "it printed", repr(result.out), result)
        ran = [rank["threads_run"] > 0 for rank in result.stat["ranks"]]
        expect(ran == [True] * nodes, "nodes that ran a thread:", ran, result)


main(goes_on_when_there_is_no_more)
