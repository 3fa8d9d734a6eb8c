"""counting.py COUNTING: after gallocy_init the client library allocates nothing."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Skipped, expect, main, require_daemon, run  # noqa: E402


def allocates_nothing():
    require_daemon()
    for mode in ("count", "abort", "seccomp"):
        result = run("-n", 1, sys.argv[1], mode)
        if result.status == 77:
            raise Skipped(result.out)
        expect(result.status == 0 and "allocations 0," in result.out, mode, result)


main(allocates_nothing, chosen=[])
