"""What an unmodified program can't do on several nodes is refused with a sentence, where it differs
with status 69, and nothing is left behind. The environment names REFUSED and WAITS_UNHEARD."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import (expect, expect_status, main, make_program, require_daemon,  # noqa: E402
                     run)

CHILD = "a child would not see the memory of the job. posix_spawn, system and popen work"
OVERLAP = ("shared maps of one file that overlap are not supported, where one of them may be "
           "written, unless one is inside the other")
BY_EXEC = ("takes the place of this program by exec and is not shared: it runs on one node; name "
           "it to gallocy-run itself")


def refused(*words):
    require_daemon()
    with tempfile.TemporaryDirectory(prefix="gp-") as folder:
        return run("-n", 2, os.environ["REFUSED"], *words, cwd=folder)


def expect_end(result, rank, sentence):
    """The job ends, whoever has called."""
    expect_status(result, 69)
    expect(result.out == "", "it went on:", result)
    expect(f"gallocy: rank {rank} ends: {sentence}\n" in result.err, "no sentence", sentence,
           result)


def expect_error(result, out, sentence):
    """The program goes on with an error."""
    expect_status(result, 0)
    expect(result.out == out, "it printed", repr(result.out), "instead of", repr(out), result)
    expect(result.err == f"gallocy: {sentence}\n", "no sentence", sentence, result)


def children():
    for where in ([], ["away"]):
        expect_error(refused("fork", *where), "-1, ENOSYS\nwent on\n", f"fork is refused: {CHILD}")
        expect_error(refused("daemon", *where), "-1, ENOSYS\nwent on\n",
                     f"daemon is refused: {CHILD}")
        for what, name in (("_Fork", "_Fork"), ("forkpty", "forkpty"), ("syscall fork", "fork"),
                           ("syscall clone", "clone"), ("clone", "clone")):
            expect_error(refused(what, *where), "-1, ENOSYS\nwent on\n",
                         f"{name} is refused: {CHILD}")
    result = refused("clone as vfork")
    expect((result.out, result.err) == ("1, 0\nwent on\n", ""), result)
    expect_error(refused("clone as vfork", "away"), "0, ENOSYS\nwent on\n",
                 f"clone is refused: {CHILD}")
    expect_error(refused("vfork", "away"), "-1, ENOSYS\nwent on\n", f"vfork is refused: {CHILD}")


def notifications():
    """Of what calls back in a thread that the C library makes."""
    for where in ([], ["away"]):
        for name in ("timer_create", "aio_read"):
            expect_error(refused(name, *where), "-1, ENOSYS\nwent on\n",
                         f"{name} is refused: what it would call (SIGEV_THREAD) would run in no "
                         "thread of the job. SIGEV_SIGNAL works")
        expect_error(refused("getaddrinfo_a", *where), "-11, ENOSYS\nwent on\n",
                     "getaddrinfo_a is refused: what it finds would be in no memory of the job. "
                     "getaddrinfo works")


def libraries():
    """That are loaded when main() runs."""
    why = ("waits by system calls of its own, of which other nodes do not hear yet: run it on one "
           "node (-n 1)")
    for where in ([], ["away"]):
        result = refused("dlopen", *where)
        found = re.search(r"none, (\S*libgomp.so.1) ", result.out)
        expect(found, "it was loaded:", result)
        expect_error(result, f"none, {found[1]} {why}\nwent on\n",
                     f"dlopen of libgomp.so.1 is refused: {found[1]} {why}")
        result = refused("dlopen none", *where)
        error = "cannot open shared object file: No such file or directory"
        expect((result.out, result.err) == (f"none, libnone.so.1: {error}\n"
                                            f"none, /none/libnone.so: {error}\nwent on\n", ""),
               "not as natively:", result)
        expect_error(refused("dlmopen", *where),
                     "none, dlmopen is not supported by gallocy\nwent on\n",
                     "dlmopen is refused: it is not supported")


def programs_run_by_exec():
    """They run as natively, on one node. That is told once, and only if they do run."""
    require_daemon()
    with tempfile.TemporaryDirectory(prefix="gp-") as folder:
        script = os.path.join(folder, "script")
        make_program(script, "#!/bin/sh\n"
                             "exec /bin/sh -c 'exec /bin/echo \"$1\"' sh \"$@\"\n")
        expect_error(run("-n", 2, script, "a word"), "a word\n",
                     f"/bin/sh {BY_EXEC}")
        make_program(script, "#!/bin/sh\nPATH=/no/such:/bin\nexec echo found\n")
        expect_error(run("-n", 2, script), "found\n",
                     f"/bin/echo {BY_EXEC}")
        make_program(script, "#!/bin/sh\nexec /no/such/program\n")
        result = run("-n", 2, script)
        expect_status(result, 127)
        expect("gallocy:" not in result.err, "it was not run:", result)


def unheard_waits():
    """Code that waits without the C library: it runs on one node, and is refused on several."""
    require_daemon()
    program = os.environ["WAITS_UNHEARD"]
    result = run("-n", 1, program, "wait")
    expect_status(result, 0)
    expect((result.out, result.err) == ("-11\n", ""), result)
    result = run("-n", 2, program)
    expect_status(result, 69)
    expect(result.out == "" and "waits by system calls of its own, of which other nodes do not "
           "hear yet: run it on one node (-n 1)" in result.err, result)


def memory():
    for rank, where in (0, []), (1, ["away"]):
        for what, sentence in (
                ("shmat", "memory of shmat is not supported"),
                ("overlap", OVERLAP),
                ("over_twice", "a map over a file that is mapped twice is not supported"),
                ("low", "a map below 4 GiB is not supported"),
                ("move_foreign", "mremap of what mmap has not given is not supported"),
                ("keep_old", "mremap that leaves the old pages where they are is not supported"),
                ("code", "memory for code made at run time is not supported"),
                ("fixed", "mmap at a fixed address outside its own memory is not supported"),
                ("sbrk", "sbrk in a program is not supported")):
            expect_end(refused(what, *where), rank, sentence)


def no_room():
    """Many programs do not look at what malloc gave: said once, before they fail."""
    for where in ([], ["away"]):
        result = refused("much", *where)
        expect_status(result, 0)
        expect(result.out == "none, ENOMEM\nnone, ENOMEM\n1\nwent on\n", "it printed", result)
        expect(result.err.count("\n") == 1, "not one sentence:", result)
        expect(result.err.startswith(f"gallocy: no room for 1 x {4 << 40} bytes: ")
               and "gallocy-run --memory" in result.err, "no remedy:", result)


def protection():
    """As before, once before they fail."""
    for where in ([], ["away"]):
        result = refused("protect", *where)
        expect_status(result, 0)
        expect(result.out == "-1, EACCES\n-1, EACCES\nwent on\n", "it printed", result)
        expect(result.err.count("\n") == 1 and result.err.startswith("gallocy: memory for code"),
               "not one sentence:", result)


def priorities():
    """No priority counts on another node: told once, before programs see it."""
    for where in ([], ["away"]):
        expect_error(refused("ceiling", *where), "EOPNOTSUPP\n" * 2 + "went on\n",
                     "mutexes of PTHREAD_PRIO_PROTECT are refused: no priority counts on another "
                     "node")
        expect_error(refused("inherit", *where), "made\nmade\nwent on\n",
                     "mutexes of PTHREAD_PRIO_INHERIT inherit nothing: no priority counts on "
                     "another node")
        expect_error(refused("policy", *where), "policy 0, priority 0\n" * 2 + "went on\n",
                     "the scheduling policy and priority in a thread's attributes are ignored: "
                     "pthread_setschedparam works")


def others():
    for rank, where in (0, []), (1, ["away"]):
        expect_end(refused("sem_open", *where), rank,
                   "a semaphore with a name (sem_open) is not supported")
    expect_end(refused("fopencookie", "away"), 1,
               "fopencookie on another node than the first is not supported")
    expect_end(refused("clock"), 1,
               "the CPU clock of a thread that runs on another node is not supported")


main(children, notifications, libraries, programs_run_by_exec, unheard_waits, memory, no_room,
     protection, priorities, others, side_by_side=2)
