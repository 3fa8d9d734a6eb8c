"""planted.py BUG: gallocyd-planted with this bug (uffd/planted.hpp) on a cluster of two nodes: the
litmus tests or the contents program have to find it, and with `none` neither may find anything.

The environment names GALLOCY_RUN, GALLOCYD (gallocyd-planted), LITMUS and CONTENTS."""
import os
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import expect, main, require_daemon, require_nodes, run  # noqa: E402

LITMUS_ITERATIONS = 100  # of each test
CONTENTS_ROUNDS = 400
LIMIT_S = 60
FOUND_STATUS = 3
# Who has to find it.
DETECTORS = {
    "send_before_protect": ["contents", "litmus"],
    "wake_without_install": ["contents"],
    "continue_without_protection": ["contents"],
    "stale_unprotect": ["contents", "litmus"],
    "acknowledge_before_unmapping": ["contents"],
    "none": ["contents", "litmus"],
}


def contents(bug):
    """What was found, and the result; nothing: None."""
    with tempfile.NamedTemporaryFile() as outside:
        os.truncate(outside.name, 4096)
        result = run("-n", 2, "--timeout", LIMIT_S, os.environ["CONTENTS"], CONTENTS_ROUNDS,
                     stat=True, limit_s=LIMIT_S + 30,
                     env={"GALLOCY_BUG": bug, "OUTSIDE": outside.name})
    found = re.search(r"^FOUND: (.*)$", result.out, re.M)
    expect(result.status != 0 or result.out == "OK\n", result)
    expect(result.status == 0 or found, "contents ended without a finding:", result)
    return found.group(1) if found else None, result


def litmus(bug):
    seed = random.SystemRandom().randrange(1 << 32)
    result = run("-n", 2, "--timeout", LIMIT_S, os.environ["LITMUS"], "pages", 1,
                 LITMUS_ITERATIONS, seed, stat=True, limit_s=LIMIT_S + 30,
                 env={"GALLOCY_BUG": bug})
    found = re.search(r"FORBIDDEN: (.*)$", result.err, re.M)
    expect(result.status == 0 or found, "litmus ended without a finding:", result)
    tests = len({line.split("|")[1] for line in result.out.splitlines() if "|" in line})
    return f"{found.group(1)}, in test {tests + 1}" if found else None, result


def planted():
    require_daemon()
    bug = sys.argv[1]
    for name in DETECTORS[bug]:
        found, result = {"contents": contents, "litmus": litmus}[name](bug)
        print(f"litmus: planted {bug}: {name} found {found or 'nothing'}, {result.seconds:.1f} s",
              flush=True)
        if bug == "none":
            expect(not found, "nothing was planted, and found:", found)
            require_nodes(result, 2)
        else:
            expect(found, bug, "was not found by", name)


main(planted, chosen=[])
