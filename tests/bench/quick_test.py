"""quick_test.py BUILD [CASE...]: scripts/bench and scripts/bench-programs measure something,
quickly, and write what they should."""
import json
import os
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
HARNESS = os.path.join(TESTS, "..", "bench", "harness")
sys.path[:0] = [os.path.join(TESTS, "system"), HARNESS]
import report  # noqa: E402
from harness import Skipped, expect, main, require_daemon  # noqa: E402

BUILD = sys.argv[1]
LIMIT_S = 120


def measured(script, ids, *words):
    """What it prints, when its JSON has these ids."""
    with tempfile.TemporaryDirectory(prefix="gallocy-bench-") as folder:
        path = os.path.join(folder, "figures.json")
        done = subprocess.run([sys.executable, os.path.join(HARNESS, script), BUILD, "--json", path,
                               *words], capture_output=True, text=True, timeout=LIMIT_S)
        expect(done.returncode == 0, done.stdout, done.stderr)
        with open(path) as file:
            problems = list(report.problems_of(json.load(file), ids))
    expect(not problems, *problems)
    return done.stdout


def figures_in_json():
    require_daemon()
    ids = ["read_fault.one", "local_fault", "ipc", "directory_bytes"]
    if len(os.sched_getaffinity(0)) > 1:
        ids.append("lock_handover.each")
    out = measured("main.py", ids, "--quick", *ids)
    for id_ in ids:
        expect(f"\n{id_} " in out, id_, "is not in the table:", out)


def programs_in_json():
    require_daemon()
    if len(os.sched_getaffinity(0)) < 2:
        raise Skipped("two CPUs are needed")
    out = measured("programs.py", ["program.matmul"], "matmul")
    expect("\nmatmul " in out, "matmul is not in the table:", out)


main(figures_in_json, programs_in_json, chosen=sys.argv[2:], side_by_side=1)
