"""What a user gets: installs the build tree into an empty folder, builds a program against it and
runs it from there; and `meson devenv` for those who don't install."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
from harness import expect, expect_status, main, require_daemon, require_nodes, run  # noqa: E402

BUILD = os.environ["BUILD_ROOT"]
HERE = os.path.dirname(os.path.abspath(__file__))


def command(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, **more)
    expect(done.returncode == 0, words, "failed:", done.stdout, done.stderr)
    return done.stdout


def build_options():
    options = json.loads(command("meson", "introspect", "--buildoptions", BUILD))
    return {option["name"]: option["value"] for option in options}


def without_build_tree():
    """An environment in which nothing of the build tree can be found by accident."""
    return {name: value for name, value in os.environ.items()
            if name not in ("LD_LIBRARY_PATH", "GALLOCYD", "GALLOCY_RUN", "DESTDIR")}


def compile_consumer(prefix, libdir):
    program = os.path.join(prefix, "bin", "consumer")
    command(os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Werror",
            os.path.join(HERE, "consumer.c"), "-I", os.path.join(prefix, "include"),
            "-L", os.path.join(prefix, libdir), "-lgallocy", "-pthread",
            "-Wl,-rpath,$ORIGIN/../" + libdir, "-o", program)
    return program


def installed_program_runs():
    require_daemon()
    options = build_options()
    folder = tempfile.mkdtemp(prefix="gallocy-install-")
    try:
        command("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder,
                env=without_build_tree())
        prefix = os.path.join(folder, options["prefix"].lstrip("/"))
        program = compile_consumer(prefix, options["libdir"])
        os.environ.pop("GALLOCYD")  # the installed one is found beside gallocy-run
        result = run("-n", "2", program, stat=True,
                     launcher=os.path.join(prefix, "bin", "gallocy-run"))
        expect_status(result, 0)
        expect(result.out == "200\n", result)
        require_nodes(result, 2)
    finally:
        shutil.rmtree(folder)


def devenv_finds_the_launcher():
    out = command("meson", "devenv", "-C", BUILD, "gallocy-run", "--version",
                  env=without_build_tree())
    expect("gallocy-run " in out, out)


def devenv_runs_a_job():
    require_daemon()
    out = command("meson", "devenv", "-C", BUILD, "gallocy-run", "-n", "2", "--timeout", "60",
                  os.environ["CONSUMER"], env=without_build_tree())
    expect("200\n" in out, out)


# One after the other: the first takes GALLOCYD out of the environment at its end.
main(devenv_finds_the_launcher, devenv_runs_a_job, installed_program_runs, side_by_side=1)
