"""Programs that have never heard of gallocy: which of them gallocy-run takes and which it refuses,
and what happens to a rank into which the preload library does not come. Daemon and preload library
are fakes."""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import (Skipped, expect, expect_status, main, make_program,  # noqa: E402
                     require_root, run)

HERE = os.path.dirname(os.path.abspath(__file__))
FAKE_DAEMON = os.path.join(HERE, "fake_gallocyd.py")
LIBRARY = "libgallocy-preload.so"
NOBODY = 65534
# These differ from one run of the harness to the next.
OWN_VARIABLES = ("XDG_RUNTIME_DIR=", "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=", "_=")
WAY_OUT = "run it on one node with --no-preload"


class Tree:
    """A launcher with a fake preload library, and programs. Use it as a context. The folders are
    those of a build tree unless told."""

    def __init__(self, prefix="gallocy-preload-", bin_folder="run", library_folder="preload"):
        self.folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
        os.chmod(self.folder, 0o755)
        for name in (bin_folder, library_folder):
            os.makedirs(self.path(name))
        self.launcher = make_program(self.path(os.path.join(bin_folder, "gallocy-run")),
                                     copy_of=os.environ["GALLOCY_RUN"])
        self.library = make_program(self.path(os.path.join(library_folder, LIBRARY)),
                                    copy_of=os.environ["FAKE_PRELOAD_LIBRARY"])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *words, deeds="", env=None, **more):
        return run(*words, launcher=self.launcher, limit_s=40, **more,
                   env={"GALLOCYD": FAKE_DAEMON, "FAKE_GALLOCYD": "", "FAKE_PRELOAD": deeds,
                        **(env or {})})

    def write(self, name, text):
        return make_program(self.path(name), text)

    def compile(self, name, *flags):
        source = self.write("main.c", "#include <stdio.h>\nint main(void) { puts(\"ran\"); }\n")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        subprocess.run([*compiler, source, "-o", self.path(name), *flags], check=True, timeout=60)
        return self.path(name)


def expect_end(result, status, sentence):
    expect_status(result, status)
    expect(sentence in result.last_line(), "the last line lacks", repr(sentence), result)


def expect_refused(result, sentence):
    """With one line, before anything is started."""
    expect_end(result, 69, sentence)
    expect(result.out == "" and len(result.err.splitlines()) == 1, result)


def main_runs_once():
    with Tree() as tree:
        result = tree.run("-n", "3", "sh", "-c", "echo once; exit 5")
        expect_status(result, 5)
        expect((result.out, result.err) == ("once\n", ""), result)
        expect_status(tree.run("-n", "2", "sh", "-c", "kill -SEGV $$"), 128 + 11)
        expect_status(tree.run("true"), 0)


def program_sees_nothing_of_it():
    """Environment and personality are as without gallocy."""
    env = {"GLIBC_TUNABLES": "glibc.malloc.check=0", "LD_BIND_NOW": None, "LD_PRELOAD": "",
           "GALLOCY_RANK": "17"}
    script = "cat /proc/self/personality; env"

    def lines(result):
        expect_status(result, 0)
        return [line for line in result.out.splitlines() if not line.startswith(OWN_VARIABLES)]
    with Tree() as tree:
        for command in (["env"], ["sh", "-c", script]):
            native = lines(tree.run("--no-preload", *command, env=env))
            expect("GALLOCY_RANK=17" in native, native)
            shared = lines(tree.run("-n", "2", *command, env=env))
            expect(shared == native, shared, "instead of", native)


def addresses_are_fixed():
    with Tree() as tree:
        result = tree.run("-n", "2", "cat", "/proc/self/maps")
        expect_status(result, 0)
        expect(result.out.startswith("555555554000-"), result)
        expect("/" + LIBRARY in result.out, result)


def scripts_run():
    with Tree() as tree:
        words = "echo $0 $# $1; exit 3\n"
        for first_line in ("#!/bin/sh\n", "#!/usr/bin/env sh\n", "#! /usr/bin/env  sh \n", ""):
            script = tree.write("script", first_line + words)
            native = subprocess.run(["sh", "-c", f"{script} a b"], capture_output=True, text=True,
                                    timeout=20)
            result = tree.run("-n", "2", script, "a", "b")
            expect_status(result, 3)
            expect(result.out == native.stdout == f"{script} 2 a\n", repr(first_line), result,
                   native)


def rank_does_not_check_in():
    with Tree() as tree:
        for rank in (0, 1):
            result = tree.run("-n", "2", "echo", "main", deeds=f"{rank}:absent")
            expect_end(result, 70, f"gallocy-run: rank {rank} on node {rank} did not check in "
                                   "within 10 s, and main() must not run twice; the job ends")
            expect(result.out == "", result)


def library_is_not_loaded():
    """The dynamic linker says so and goes on. The other ranks are not started then."""
    with Tree() as tree:
        with open(tree.library, "w"):
            pass
        result = tree.run("-n", "3", "echo", "main")
        expect_end(result, 70, "rank 0 on node 0 exited with status 0 before it checked in, as if "
                               "it were not preloaded, and main() must not run twice")
        expect(result.out == "main\n", result)
        result = tree.run("-n", "3", "sleep", "60")
        expect_end(result, 70, "rank 0 on node 0 did not check in within 10 s")


def library_is_not_loaded_in_one_rank():
    with Tree() as tree:
        result = tree.run("-n", "2", "sh", "-c", "echo $GALLOCY_RANK", deeds="1:ignored")
        expect_end(result, 70, "rank 1 on node 1 exited with status 0 before it checked in")
        expect(result.out == "1\n", result)


def rank_refuses():
    with Tree() as tree:
        # Where rank 1 never checks in the start can't be before this.
        for rank, deeds in (0, "0:exit=69"), (1, "1:exit=69"), (0, "0:late=69 1:absent"):
            expect_end(tree.run("-n", "2", "echo", "main", deeds=deeds), 69,
                       f"rank {rank} on node {rank} exited with status 69 before the job had "
                       "started; the job ends")
        # Its check-in may be seen after its end, and the sentence tells which.
        expect_end(tree.run("-n", "2", "echo", "main", deeds="0:late=0 1:absent"), 70,
                   "rank 0 on node 0 exited with status 0 before ")


def linked_program_is_not_preloaded():
    with Tree() as tree:
        result = tree.run("-n", "2", os.environ["FAKE_RANK"], "0:exit=5")
        expect_status(result, 5)
        expect(sorted(result.out.splitlines()) == ["rank 0 runs", "rank 1 runs"], result)
        os.unlink(tree.library)
        expect_status(tree.run("-n", "2", os.environ["FAKE_RANK"], "0:exit=5"), 5)

def linked_program_can_not_be_preloaded():
    with Tree() as tree:
        for script in (None, tree.write("script", f"#!{os.environ['FAKE_RANK']}\n")):
            result = tree.run("-n", "2", "--preload", script or os.environ["FAKE_RANK"])
            expect_end(result, 64, "is linked with libgallocy; run it without --preload")
            expect(result.out == "" and len(result.err.splitlines()) == 1, result)


def programs_are_refused():
    with Tree() as tree:
        static = tree.compile("static", "-static")
        expect_refused(tree.run("-n", "2", static),
                       f"gallocy-run: {static} can't run on several nodes: it is statically "
                       "linked, so that nothing can be loaded into it; link it dynamically, or "
                       f"{WAY_OUT}")
        expect_refused(tree.run(tree.compile("pie", "-static-pie")), "it is statically linked")
        script = tree.write("script", f"#!{static}\n")
        expect_refused(tree.run(script), f"{static}, which runs {script}, can't run")
        musl = tree.compile("musl", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
        expect_refused(tree.run(musl), "its C library is not glibc")
        subprocess.run(["objcopy", "--add-section", ".go.buildinfo=" + tree.path("main.c"),
                        tree.compile("plain"), tree.path("go")], check=True, timeout=20)
        expect_refused(tree.run(tree.path("go")), f"without the C library; {WAY_OUT}")
        expect_refused(tree.run(tree.write("bytes", "MZ\0\1")), "it is no ELF program for x86-64")
        expect_refused(tree.run(tree.write("told", "#!/usr/bin/env -S sh -x\n")), "'-S sh -x'")


def refused_programs_run_on_one_node():
    with Tree() as tree:
        static = tree.compile("static", "-static")
        result = tree.run("-n", "2", "--no-preload", static)
        expect_status(result, 0)
        expect(result.out == "ran\n", result)
        expect(result.last_line().endswith("it runs once, on one node"), result)


def privileged_programs_are_refused():
    require_root()
    with Tree() as tree:
        program = tree.compile("program")
        os.chmod(program, 0o4755)
        expect_refused(tree.run(program, uid=NOBODY), "can't run on several nodes: it is setuid")
        expect_refused(tree.run("-n", "2", program), "it has a set-id bit, and the kernel lays")
        os.chmod(program, 0o755)
        attribute = b"\1\0\0\2" + (1 << 13).to_bytes(4, "little") + bytes(12)
        try:
            os.setxattr(program, "security.capability", attribute)
        except OSError as error:
            raise Skipped(f"no capabilities of files here: {error}") from None
        expect_refused(tree.run(program, uid=NOBODY), "it has file capabilities, and")
        os.removexattr(program, "security.capability")
        expect_status(tree.run("-n", "2", program, uid=NOBODY), 0)
        os.chmod(program, 0o711)
        expect_refused(tree.run(program, uid=NOBODY), "it can't be read")


def installed_library_is_found():
    """Also where the whole installation was moved to."""
    with Tree(bin_folder=os.environ["BIN_FOLDER"].lstrip("/"),
              library_folder=os.environ["LIBRARY_FOLDER"].lstrip("/")) as tree:
        result = tree.run("-n", "2", "--explain", "echo", "main")
        expect_status(result, 0)
        expect(result.out == "main\n" and f"with {tree.library}, since" in result.err, result)


def library_is_not_found():
    with Tree() as tree:
        os.unlink(tree.library)
        # No variable stands in for it.
        env = {"GALLOCY_PRELOAD": os.environ["FAKE_PRELOAD_LIBRARY"],
               "LD_LIBRARY_PATH": os.path.dirname(os.environ["FAKE_PRELOAD_LIBRARY"])}
        expect_refused(tree.run("true", env=env), f"gallocy-run: {LIBRARY} was not found in ")
    with Tree("gallocy preload ") as tree:
        expect_refused(tree.run("true"), "LD_PRELOAD has no way to write blanks")


def explanations():
    def facts(result):
        return [line.removeprefix("gallocy-run: ") for line in result.err.splitlines()]
    linker = "dynamic linker: /lib64/ld-linux-x86-64.so.2"
    with Tree() as tree:
        program = tree.compile("program")
        result = tree.run("-n", "2", "--explain", program)
        expect_status(result, 0)
        expect(result.out == "ran\n", result)
        expect(facts(result) == [
            f"program: {program}", linker, "libraries: libc.so.6",
            f"preloaded: with {tree.library}, since it is not linked with libgallocy"], result)
        script = tree.write("script", f"#!{program}\n")
        result = tree.run("--explain", "--no-preload", script)
        expect(facts(result)[:2] == [f"program: {script}", f"interpreter: {program}"], result)
        expect("preloaded: no, since --no-preload says so" in facts(result), result)
        result = tree.run("--explain", os.environ["FAKE_RANK"], "0:exit=0")
        expect("preloaded: no, since it is linked with libgallocy" in facts(result), result)
        static = tree.compile("static", "-static")
        result = tree.run("--explain", static)
        expect_end(result, 69, "it is statically linked")
        expect(facts(result)[:4] == [
            f"program: {static}", "dynamic linker: none", "libraries: none",
            "preloaded: it should be, since it is not linked with libgallocy, but can't"], result)


def spmd_needs_gallocy_init():
    with Tree() as tree:
        result = tree.run("--spmd", "true")
        expect_end(result, 64, "--spmd is for programs that call gallocy_init()")


main(main_runs_once, program_sees_nothing_of_it, addresses_are_fixed, scripts_run,
     rank_does_not_check_in, library_is_not_loaded, library_is_not_loaded_in_one_rank, rank_refuses,
     linked_program_is_not_preloaded, linked_program_can_not_be_preloaded, programs_are_refused,
     refused_programs_run_on_one_node,
     privileged_programs_are_refused, installed_library_is_found, library_is_not_found,
     explanations, spmd_needs_gallocy_init, side_by_side=8)
