"""counting.py COUNTING: after gallocy_init the client library allocates nothing, on any node."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, main, require_daemon, require_no_sanitizer, run  # noqa: E402


def allocates_nothing():
    require_daemon()
    require_no_sanitizer("it has the malloc that is counted")
    for nodes in (1, 2):
        for mode in ("count", "abort", "seccomp"):
            result = run("-n", nodes, sys.argv[1], mode)
            expect(result.status == 0 and result.out.count("allocations 0,") == nodes, mode, "on",
                   nodes, result)


main(allocates_nothing, chosen=[])
