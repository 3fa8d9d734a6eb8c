"""program.py NODES PROGRAM [ARG...]: the program ends with OK on that many nodes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402


def ends_with_ok():
    require_daemon()
    nodes, *command = sys.argv[1:]
    result = run("-n", nodes, *command, stat=True, limit_s=120)
    expect_status(result, 0)
    expect(result.out.splitlines()[-1:] == ["OK"], "no OK:", result)
    require_nodes(result, int(nodes))


main(ends_with_ok, chosen=[])
