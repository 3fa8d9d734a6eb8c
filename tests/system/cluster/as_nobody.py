"""Jobs of a user without any privilege. Everything is copied to where everybody can read it.

The environment names what is copied: GALLOCY_RUN, GALLOCYD, LIBGALLOCY, SYSCALLS, RANKS.
"""
import contextlib
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Skipped, expect, expect_status, holding_job,  # noqa: E402
                     main, require_daemon, require_root, run)

NOBODY = 65534


@contextlib.contextmanager
def copies(program_name="SYSCALLS"):
    """(program, what else run() needs) of a folder that everybody can read."""
    with tempfile.TemporaryDirectory(prefix="gallocy-nobody-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        launcher, daemon, program = (shutil.copy(os.environ[name], folder)
                                     for name in ("GALLOCY_RUN", "GALLOCYD", program_name))
        for path in (launcher, daemon, program):
            os.chmod(path, 0o755)
        shutil.copy(os.environ["LIBGALLOCY"], os.path.join(folder, "libgallocy.so.0"))
        yield program, {"launcher": launcher, "uid": NOBODY,
                        "env": {"LD_LIBRARY_PATH": folder, "GALLOCYD": daemon}}


def daemons_of_root_serve_nobody():
    """The daemons let uid 65534 in; launcher and ranks have no privilege at all."""
    require_daemon()
    require_root()
    with copies() as (program, how), Daemons("--allow-uid", str(NOBODY)) as daemons:
        result = run("-n", 2, daemons.option, program, **how)
        expect_status(result, 0)
        expect(result.out.endswith("OK\n"), "no OK:", result)


def jobs_of_two_users():
    """At once, on the same daemons and at the same addresses, and nothing is shared."""
    require_daemon()
    require_root()
    command = ("-n", 2, "--spmd")
    with copies("RANKS") as (program, how), Daemons("--allow-uid", str(NOBODY)) as daemons, \
            holding_job(*command, daemons.option, program, "same", 1, **how) as theirs, \
            holding_job(*command, daemons.option, os.environ["RANKS"], "same", 2) as ours:
        expect(theirs.filled == ours.filled, "not at one address:", theirs.filled, ours.filled)
        for go_on in (theirs, ours):
            result = go_on()
            expect_status(result, 0)
            expect(result.out.endswith("OK\n"), "no OK:", result)


def no_permission_for_userfaultfd():
    """A daemon of one's own needs the device: the launcher says so, once, with the remedy."""
    require_root()
    if not os.path.exists("/dev/userfaultfd"):
        raise Skipped("there is no /dev/userfaultfd")
    if os.stat("/dev/userfaultfd").st_mode & 0o006:
        raise Skipped("everybody may open /dev/userfaultfd here")
    with copies() as (program, how):
        result = run("-n", 1, program, **how)
        expect_status(result, 69)
        last = result.last_line()
        expect(last.startswith("gallocy-run: ") and "/dev/userfaultfd" in last, last)
        expect("chmod 0660 /dev/userfaultfd" in last, "no remedy:", last)
        expect(result.out == "", "the program ran:", result)


main(daemons_of_root_serve_nobody, no_permission_for_userfaultfd, jobs_of_two_users,
     side_by_side=1)
