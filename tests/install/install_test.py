"""What a user gets: installs the build tree into an empty folder, builds a program against it and
runs it from there; and `meson devenv` for those who don't install."""
import json
import os
import re
import shlex
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


def warnings():
    return ["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]


class Installed:
    """The build tree installed into an empty folder. Use it as a context."""

    def __enter__(self):
        require_daemon()
        options = build_options()
        self.folder = tempfile.mkdtemp(prefix="gallocy-install-")
        command("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", self.folder,
                env=without_build_tree())
        self.prefix = os.path.join(self.folder, options["prefix"].lstrip("/"))
        self.library_folder = os.path.join(self.prefix, options["libdir"])
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def compile_c(self, source):
        """As its users do, by pkg-config; what it prints has to suffice."""
        flags = command("pkg-config", "--cflags", "--libs", "gallocy", env={
            **without_build_tree(), "PKG_CONFIG_SYSROOT_DIR": self.folder,
            "PKG_CONFIG_LIBDIR": os.path.join(self.library_folder, "pkgconfig")}).split()
        program = self.path("program")
        # As make and meson take it: a wrapper may stand before the compiler, options behind it.
        compiler = shlex.split(os.environ.get("CC", "cc"))
        command(*compiler, "-std=gnu11", *warnings(), source, *flags, "-o", program)
        return program

    def run(self, *words):
        """By the installed launcher, which finds the installed daemon beside it."""
        return run(*words, stat=True,
                   env={"LD_LIBRARY_PATH": self.library_folder, "GALLOCYD": None},
                   launcher=os.path.join(self.prefix, "bin", "gallocy-run"))


def c_consumer_by_pkg_config():
    with Installed() as installed:
        program = installed.compile_c(os.path.join(HERE, "consumer.c"))
        result = installed.run("-n", "2", program)
        expect_status(result, 0)
        expect(result.out == "200\n", result)
        require_nodes(result, 2)


def cpp_consumer_by_cmake():
    with Installed() as installed:
        build = installed.path("cmake")
        command("cmake", "-S", HERE, "-B", build, "-DCMAKE_PREFIX_PATH=" + installed.prefix,
                "-DCMAKE_CXX_FLAGS=" + " ".join(warnings()), env=without_build_tree())
        command("cmake", "--build", build, env=without_build_tree())
        result = installed.run("-n", "2", os.path.join(build, "consumer"))
        expect_status(result, 0)
        expect(result.out == "200\n", result)
        require_nodes(result, 2)


def strict_c_is_told_what_to_do():
    source = '#include <gallocy/gallocy.h>\n#include <gallocy/stats.h>\n'
    include = os.path.join(HERE, "..", "..", "include")
    for words, said in (["-std=c11"], "-D_POSIX_C_SOURCE=200809L"), \
            (["-std=c11", "-D_POSIX_C_SOURCE=200809L"], None), (["-std=gnu11"], None):
        done = subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *words, "-Wall", "-Wextra",
                               "-Werror", "-I", include, "-fsyntax-only", "-x", "c", "-"],
                              input=source, capture_output=True, text=True, timeout=60)
        if said is None:
            expect(done.returncode == 0 and done.stderr == "", words, done.stderr)
        else:
            expect(done.returncode != 0 and said in done.stderr, words, done.stderr)


def program_of_the_readme():
    """The C program in README.md compiles without a warning and does what it says."""
    with open(os.path.join(HERE, "..", "..", "README.md")) as file:
        program = re.search(r"```c\n(.*?)```", file.read(), re.DOTALL).group(1)
    with Installed() as installed:
        source = installed.path("hello.c")
        with open(source, "w") as file:
            file.write(program)
        result = installed.run("-n", "2", installed.compile_c(source))
        expect_status(result, 0)
        expect(result.out == "written on node 1, read on node 0\n", result)


def installed_tools_run():
    with Installed() as installed:
        for name in ("gallocy", "gallocy-run", "gallocyd"):
            tool = os.path.join(installed.prefix, "bin", name)
            version = command(tool, "--version", env=without_build_tree()).split()
            expect(version[0] == name and version[1][0].isdigit(), version)
            expect("--help" in command(tool, "--help", env=without_build_tree()), name)
        command(os.path.join(installed.prefix, "bin", "gallocy"), "doctor",
                env=without_build_tree())


def devenv_finds_the_launcher():
    out = command("meson", "devenv", "-C", BUILD, "gallocy-run", "--version",
                  env=without_build_tree())
    expect("gallocy-run " in out, out)


def devenv_runs_a_job():
    require_daemon()
    out = command("meson", "devenv", "-C", BUILD, "gallocy-run", "-n", "2", "--timeout", "60",
                  os.environ["CONSUMER"], env=without_build_tree())
    expect("200\n" in out, out)


main(devenv_finds_the_launcher, devenv_runs_a_job, c_consumer_by_pkg_config,
     cpp_consumer_by_cmake, strict_c_is_told_what_to_do, program_of_the_readme, installed_tools_run)
