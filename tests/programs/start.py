"""How the preload library starts a program, and when it refuses to. The environment names PROGRAM,
which ends with 0, LINKED, which is linked with LIBRARY, FIRST, which is constructed before others,
and DIFFERS, which makes a rank another machine (differs.c)."""
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import expect, expect_status, main, require_daemon, run  # noqa: E402
from lacking import (TOO_SMALL, have_at_most,  # noqa: E402
                     run_with_more_and_more_descriptors)


def differing(rank, what, *options, **settings):
    require_daemon()
    return run("-n", 2, "-x", f"LD_PRELOAD={os.environ['DIFFERS']}", "-x",
               f"DIFFERS={rank}:{what}", *options, os.environ["PROGRAM"],
               **settings)


def expect_refused(result, *sentences):
    expect_status(result, 69)
    expect(result.out == "", "main() ran:", result)
    for sentence in sentences:
        expect(sentence in result.err, "no sentence", repr(sentence), result)
    expect(result.last_line() == "gallocy-run: rank 1 on node 1 can't go on, as it says; the job "
                                 "ends", result)


def alike():
    """The library of the other tests, by itself, changes nothing."""
    result = differing(1, "nothing")
    expect_status(result, 0)
    expect(result.out != "" and result.err == "", result)


def cpus_differ():
    expect_refused(differing(1, "level"), "gallocy: rank 1 ends: its CPU (x86-64-v1) lacks SSE3, "
                   "which that of rank 0 (x86-64-v", "all nodes need CPUs of one kind\n")
    expect_refused(differing(0, "level"), "has SSE3, which that of rank 0 (x86-64-v1) lacks: ")
    expect_refused(differing(1, "feature"), " RDSEED, which that of rank 0 ")
    expect_refused(differing(1, "unnamed"), " feature ", " of glibc's list, which that of rank 0 ")


def pages_differ():
    expect_refused(differing(1, "pages"), "its pages have 16384 bytes where those of rank 0 have "
                   "4096: all nodes need kernels with the same size of a page\n")


def limits_differ():
    expect_refused(differing(1, "stack"), "its limit of the stack is 4096 KiB where that of rank "
                   "0 is ", ": set the same on all nodes with `ulimit -s`\n")
    expect_refused(differing(0, "stack"), " where that of rank 0 is 4096 KiB: ")
    expect_refused(differing(1, "data"), "its limit of the data is 1073741824 KiB where ",
                   "`ulimit -d`\n")
    expect_refused(differing(1, "memory"), "its limit of the address space is ", "`ulimit -v`\n")


def limits_too_small():
    """The same on all nodes, and less than a job needs: main() does not run, with the remedy."""
    require_daemon()
    for name, value, remedy in TOO_SMALL:
        result = run("-n", 2, os.environ["PROGRAM"], lacking=lambda: have_at_most(name, value))
        expect_status(result, 69)
        expect(remedy in result.err and result.out == "", name, value, result)
    result = run_with_more_and_more_descriptors(
        lambda lacking: run("-n", 2, os.environ["PROGRAM"], lacking=lacking))
    expect(result.out != "" and result.err == "", result)


def libraries_differ():
    library = os.environ["LIBRARY"]
    expect_refused(differing(1, f"library={library}"),
                   f"it has loaded '{library}' where rank 0 has nothing more: all nodes need the "
                   "same libraries\n")
    expect_status(differing(0, f"library={library}"), 0)  # all load what rank 0 has loaded


def builds_differ():
    """Of a library that both ranks know by the same name."""
    with tempfile.TemporaryDirectory(prefix="gp-") as folder:
        with open(os.environ["LIBRARY"], "rb") as file:
            library = bytearray(file.read())
        note = struct.pack("<III4s", 4, 20, 3, b"GNU\0")
        place = library.index(note) + len(note)
        for name in (".", "other"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            with open(os.path.join(folder, name, "library.so"), "wb") as file:
                file.write(library)
            library[place] ^= 1
        expect_refused(differing(1, "build=other", cwd=folder),
                       "its './library.so' has another build-id than that of rank 0: all nodes "
                       "need the same build\n")
        result = differing(1, "build=.", cwd=folder)
        expect_status(result, 0)


def libraries_begin():
    """What a constructor may not do. Those of other ranks than the first do not run."""
    thread = f"{os.environ['DIFFERS']} has started a thread before main(), which is not supported"
    for what, sentence in (
            ("thread", thread),
            ("written", "a library has mapped a file before main() to write it, which is not "
             "supported")):
        result = differing(0, what)
        expect_status(result, 69)
        expect(result.out == "" and f"gallocy: rank 0 ends: {sentence}\n" in result.err,
               "no sentence", repr(sentence), result)
        expect_status(differing(1, what), 0)
    expect_status(differing(0, f"loads={os.environ['LIBRARY']}"), 0)
    first = os.environ["FIRST"]
    result = run("-n", 2, "-x", f"LD_PRELOAD={first}", os.environ["PROGRAM"])
    expect_status(result, 69)
    expect(result.out == "" and f" ends: {first} is to be constructed before all other libraries, "
           "which is not supported\n" in result.err, "no sentence", result)


def explanations():
    """Of rank 0, once; what the program prints is as without it."""
    require_daemon()
    linked, library = os.environ["LINKED"], os.path.realpath(os.environ["LIBRARY"])
    plain = run("-n", 2, linked)
    result = run("-n", 2, "--explain", linked)
    expect_status(result, 0)
    expect(result.out == plain.out and plain.err == "", "it printed something else:", result)
    told = [line.removeprefix("gallocy: ") for line in result.err.splitlines()
            if line.startswith("gallocy: ")]
    expect(told[0].startswith("compared on all ranks: CPU x86-64-v"), told)
    for beginning, end in (("shared: the executable, ", ""), (f"shared: {library}, ", ""),
                           ("local: ", "/libc.so.6, which belongs to the C core that each rank "
                            "has for itself"),
                           ("local: ", "/libgallocy-preload.so, which is gallocy's own")):
        found = [line for line in told if line.startswith(beginning) and line.endswith(end)]
        expect(len(found) == 1, beginning, end, "is told by", found, "of", told)
    expect(all(" KiB of data at 0x" in line for line in told if line.startswith("shared: ")), told)
    result = differing(1, "stack", "--explain")
    expect("gallocy: compared on all ranks" in result.err, result)
    expect_refused(result, "its limit of the stack is 4096 KiB")


main(alike, cpus_differ, pages_differ, limits_differ, limits_too_small, libraries_differ,
     builds_differ, libraries_begin, explanations,
     side_by_side=1)
