"""A function that the runtime for unmodified programs takes has other names in the C library: for
files of 64 bits, for programs that were compiled with checks, of older standards. All of them are
taken. The environment names PRELOAD, the library."""
import os
import re
import subprocess
import sys

FORMS = ("{}64", "{}64v2", "__{}", "__{}64", "_IO_{}", "__{}_chk", "__{}64_chk", "{}_unlocked",
         "__{}_unlocked_chk", "__isoc99_{}", "__isoc23_{}", "__{}_2", "__{}64_2", "__x{}", "{}_np",
         "bsd_{}", "__bsd_{}", "sysv_{}", "__sysv_{}")

# Other things than their names say, and names that nothing is linked with any more.
OTHERS = re.compile("_IO_(getline|vfscanf|popen)|__pthread_.*|__sbrk|pthread_mutex_consistent_np")


def functions(library, option="--defined-only"):
    """Public ones: GLIBC_PRIVATE is the C library's own."""
    lines = subprocess.run(["nm", "-D", option, library], check=True, stdout=subprocess.PIPE,
                           text=True, timeout=60).stdout.splitlines()
    names = [line.split()[-1] for line in lines if line.split()[-2] in "TWi"]
    return {name.split("@")[0] for name in names if "@GLIBC_PRIVATE" not in name.replace("@@", "@")}


def c_library():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next(line.split()[-1] for line in maps if re.search(r"/libc[.-]", line))


def main():
    try:
        known = functions(c_library())
    except (FileNotFoundError, StopIteration) as reason:
        print("no nm, or no C library that it reads:", reason)
        sys.exit(77)
    taken = functions(os.environ["PRELOAD"])
    missing = sorted({form.format(name) for name in taken for form in FORMS} & known - taken)
    missing = [name for name in missing if not OTHERS.fullmatch(name)]
    print(len(taken & known), "functions of the C library are taken")
    if missing:
        sys.exit(f"of the same functions there are other names, which are not: {missing}")


main()
