"""Builds a copy of the source tree with the libraries of subprojects/ in place of the system's,
from Debian's source archives and without a network, and looks at what came out.

usage: fallback_test.py SOURCE_ROOT"""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
ARCHIVES = os.path.join(ROOT, "subprojects", "packagefiles")
TARGETS = ("src/daemon/gallocyd", "src/run/gallocy-run", "src/tools/gallocy",
           "tests/unit/base/base_test")


def command(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=1200, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout[-8000:]}")
    return done.stdout


def left_out(folder, names):
    """Builds, and what an earlier one has unpacked into subprojects/."""
    if os.path.basename(folder) == "subprojects":
        return [name for name in names if os.path.isdir(os.path.join(folder, name))
                and name != "packagefiles"]
    return [name for name in names if name.startswith("build") and folder == ROOT
            or name in (".git", "__pycache__")]


def fetch_archives():
    fetched = subprocess.run([os.path.join(ROOT, "scripts", "fetch-sources")],
                             capture_output=True, text=True, timeout=300)
    if fetched.returncode != 0:
        print("skipped: Debian's source archives can't be had here:", fetched.stderr[-500:])
        sys.exit(77)


def offline():
    """A network namespace without any network, where this user may make one."""
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True)
    return ["unshare", "-n"] if probe.returncode == 0 else []


def main():
    fetch_archives()
    with tempfile.TemporaryDirectory(prefix="gallocy-fallback-") as folder:
        source, build = os.path.join(folder, "source"), os.path.join(folder, "build")
        shutil.copytree(ROOT, source, ignore=left_out)
        said = command(*offline(), "meson", "setup", build, source, "--wrap-mode=forcefallback",
                       "--buildtype=debug", "-Doptimization=0")
        for name in ("liburing", "fmt", "doctest", "cli11"):
            if f"Subproject {name} finished" not in said:
                sys.exit(f"{name} was not taken from subprojects/:\n{said[-4000:]}")
        command(*offline(), "ninja", "-C", build, *TARGETS)
        needed = command("readelf", "-d", os.path.join(build, "src/daemon/gallocyd"))
        for library in ("liburing", "libfmt"):
            if library in needed:
                sys.exit(f"gallocyd needs the system's {library} all the same:\n{needed}")
        command(os.path.join(build, "tests/unit/base/base_test"))
        command(os.path.join(build, "src/tools/gallocy"), "--version")


main()
