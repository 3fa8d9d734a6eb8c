"""windows.py [CASE...]: ranks that share static data of a program at its link address.

The environment names the programs: WINDOWS, BAD_WINDOWS, STRESS."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, expect, expect_status, main, require_daemon,  # noqa: E402
                     require_nodes, run)


def ends_with_ok(nodes, *command):
    result = run("-n", *command, stat=True, limit_s=100)
    expect_status(result, 0)
    expect(result.out == "OK\n", "no OK:", result)
    require_nodes(result, nodes)
    return result


def a_rank_on_each_node():
    require_daemon()
    for nodes in (1, 2, 3):
        ends_with_ok(nodes, nodes, "--spmd", os.environ["WINDOWS"], "share")


def with_and_without_on_one_node():
    """The second rank of each node sees the same pages at their own addresses, the third again in
    windows of its own."""
    require_daemon()
    for nodes, ranks in ((1, 2), (2, 4), (2, 6)):
        with Daemons(count=nodes) as daemons:
            ends_with_ok(nodes, ranks, "--spmd", daemons.option, os.environ["WINDOWS"], "share")


def windows_on_more_than_a_node_has():
    require_daemon()
    for nodes, mib in ((2, 7), (3, 6)):  # 12 MiB of the 16 are for pages
        result = ends_with_ok(nodes, nodes, "--spmd", "--memory", "16M", os.environ["WINDOWS"],
                              "exceed", mib, 2)
        evicted = [rank["pages_evicted"] for rank in result.stat["ranks"]]
        expect(all(count > 1000 for count in evicted), "hardly evicted:", evicted)


def switched_under_load():
    require_daemon()
    for nodes, ranks in ((1, 2), (2, 2), (2, 4), (3, 3)):
        with Daemons(count=nodes) as daemons:
            ends_with_ok(nodes, ranks, "--spmd", daemons.option, os.environ["WINDOWS"], "switch")


def no_windows():
    require_daemon()
    result = run("-n", 2, "--spmd", os.environ["BAD_WINDOWS"], "refuse")
    expect_status(result, 0)
    expect(result.out == "OK\n", "no OK:", result)


def lies_about_windows():
    """Whatever a rank says of its windows, the daemon serves the next job."""
    require_daemon()
    with Daemons() as daemons:
        expect_status(run("-n", 2, daemons.option, "--spmd", os.environ["BAD_WINDOWS"], "lie"), 0)
        expect_status(run("-n", 2, daemons.option, os.environ["STRESS"], 20), 0)


def touched_against_the_rule():
    """A thread that waits at an own address when that is closed ends too."""
    require_daemon()
    for _ in range(5):
        result = run("-n", 2, "--spmd", os.environ["BAD_WINDOWS"], "touch")
        expect_status(result, 128 + signal.SIGSEGV)


main(a_rank_on_each_node, with_and_without_on_one_node, switched_under_load,
     windows_on_more_than_a_node_has, no_windows, lies_about_windows, touched_against_the_rule,
     side_by_side=1)
