"""prefetch.py PREFETCH: what was prefetched needs no remote fault any more."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402


def remote_reads(how):
    result = run("-n", 2, sys.argv[1], how, stat=True)
    expect_status(result, 0)
    expect(result.out == "OK\n", result)
    require_nodes(result, 2)
    return result.stat["ranks"][1]["faults"]["remote_read"]


def far_fewer_remote_faults():
    require_daemon()
    without, with_it = remote_reads("no"), remote_reads("yes")
    expect(without >= 2048, without, "remote reads without it")  # 1,024 pages, twice
    expect(with_it <= without - 900, with_it, "remote reads with it,", without, "without")


main(far_fewer_remote_faults, chosen=[])
