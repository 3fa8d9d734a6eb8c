"""porting.py NATIVE PORTED: both forms of the example say the same, on any number of nodes."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402


def both_say_the_same():
    require_daemon()
    native, ported = sys.argv[1:]
    plain = subprocess.run([native], capture_output=True, text=True, timeout=20)
    expect(plain.returncode == 0 and plain.stdout.endswith("OK\n"), plain)
    for nodes in (1, 2, 3):
        result = run("-n", nodes, ported, stat=True)
        expect_status(result, 0)
        expect(result.out == plain.stdout, "not the same:", result, plain.stdout)
        require_nodes(result, nodes)


main(both_say_the_same, chosen=[])
