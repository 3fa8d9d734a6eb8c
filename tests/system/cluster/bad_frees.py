"""bad_frees.py PROGRAM KIND...: freeing what is no block ends the rank with a sentence that names
the pointer, and the job with it."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import expect, expect_status, main, require_daemon, run  # noqa: E402


def each_is_named():
    require_daemon()
    program, *kinds = sys.argv[1:]
    for kind in kinds:
        result = run("-n", 2, program, kind, limit_s=60)
        expect_status(result, 128 + 6)
        pointer = result.out.strip()
        expect(re.fullmatch("0x[0-9a-f]+", pointer), "no pointer was freed:", result)
        expect(re.search(rf"^gallocy: rank [01] ends: .* at {pointer}\b", result.err, re.MULTILINE),
               kind, "is not named:", result)


main(each_is_named, chosen=[])
