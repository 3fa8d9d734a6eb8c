"""as_nobody.py GALLOCY_RUN GALLOCYD LIBGALLOCY PROGRAM: the same without any privilege.

The daemons run as root and let uid 65534 in; launcher and ranks run as that user. Everything is
copied where it can be read by everybody.
"""
import os
import shutil
import sys
import tempfile

from cluster import Run, main, require
from failures import Daemons


def test(gallocy_run, gallocyd, libgallocy, program):
    if os.geteuid() != 0:
        print("only root can become nobody")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="gallocy-nobody-") as folder:
        os.chmod(folder, 0o755)
        copies = [shutil.copy(path, folder) for path in (gallocy_run, program)]
        shutil.copy(libgallocy, os.path.join(folder, "libgallocy.so.0"))
        for path in copies:
            os.chmod(path, 0o755)
        with Daemons(gallocyd, "--allow-uid", "65534") as daemons:
            with Run(copies[0], ["-n", 2, "--daemon", ",".join(daemons.sockets), copies[1]],
                     environment={"LD_LIBRARY_PATH": folder}, user=65534, group=65534,
                     extra_groups=[]) as run:
                status = run.wait(60)
                require(status == 0 and run.output.endswith("OK\n"), "exit", status, run.output,
                        run.errors)


main(test)
