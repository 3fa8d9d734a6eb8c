"""quick_test.py BUILD: scripts/bench measures some figures, quickly, and writes what it should."""
import json
import os
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
HARNESS = os.path.join(TESTS, "..", "bench", "harness")
sys.path[:0] = [os.path.join(TESTS, "system"), HARNESS]
import report  # noqa: E402
from harness import expect, main, require_daemon  # noqa: E402

BUILD = sys.argv[1]
LIMIT_S = 120


def bench(*words):
    return subprocess.run([sys.executable, os.path.join(HARNESS, "main.py"), BUILD, *words],
                          capture_output=True, text=True, timeout=LIMIT_S)


def figures_in_json():
    require_daemon()
    ids = ["read_fault.one", "local_fault", "ipc", "directory_bytes"]
    if len(os.sched_getaffinity(0)) > 1:
        ids.append("lock_handover.each")
    with tempfile.TemporaryDirectory(prefix="gallocy-bench-") as folder:
        path = os.path.join(folder, "figures.json")
        done = bench("--quick", "--json", path, *ids)
        expect(done.returncode == 0, done.stdout, done.stderr)
        with open(path) as file:
            entries = json.load(file)
    problems = list(report.problems_of(entries, ids))
    expect(not problems, *problems)
    for id_ in ids:
        expect(f"\n{id_} " in done.stdout, id_, "is not in the table:", done.stdout)


main(figures_in_json, chosen=[])
