"""prefetch.py PREFETCH NODES: what was prefetched needs no remote fault any more, on any node."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402


def remote_reads(nodes, how):
    """Of each node but the first."""
    result = run("-n", nodes, sys.argv[1], how, stat=True)
    expect_status(result, 0)
    expect(result.out == "OK\n", result)
    require_nodes(result, nodes)
    return [rank["faults"]["remote_read"] for rank in result.stat["ranks"][1:]]


def far_fewer_remote_faults():
    require_daemon()
    nodes = int(sys.argv[2])
    for without, with_it in zip(remote_reads(nodes, "no"), remote_reads(nodes, "yes")):
        expect(without >= 2048, without, "remote reads without it")  # 1,024 pages, twice
        expect(with_it <= without - 900, with_it, "remote reads with it,", without, "without")


main(far_fewer_remote_faults, chosen=[])
