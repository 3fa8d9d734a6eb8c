"""Programs of this folder call each function for memory, threads and synchronisation that the
runtime takes from the C library. The environment names PRELOAD, the library."""
import os
import re
import subprocess
import sys

OURS = re.compile("(pthread|thrd|mtx|cnd|tss|sem)_.*|call_once|(c|m|re|v|pv)alloc|reallocarray|"
                  "free|memalign|aligned_alloc|posix_memalign|malloc_usable_size|mmap|munmap|"
                  "mremap|mprotect|madvise|msync|mincore|sbrk")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
FOLDER = os.path.dirname(os.path.abspath(__file__))


def taken():
    """With 64 at its end a name is another one of the same function."""
    lines = subprocess.run(["nm", "-D", "--defined-only", os.environ["PRELOAD"]], check=True,
                           stdout=subprocess.PIPE, text=True, timeout=60).stdout.splitlines()
    names = {line.split()[-1].split("@")[0].removesuffix("64") for line in lines}
    return {name for name in names if OURS.fullmatch(name)}


def called(code):
    """Also by pointers to them."""
    return set(re.findall(r"\w+", NOT_CODE.sub(" ", code)))


assert called('// a();\n/* b() */ c("d()", e); f (1);') == {"c", "e", "f", "1"}


def main():
    try:
        names = taken()
    except FileNotFoundError as reason:
        print("no nm:", reason)
        sys.exit(77)
    if len(names) < 100 or not {"pthread_create", "sem_post", "mmap"} <= names:
        sys.exit(f"only {len(names)} functions were found: this test is broken")
    for file in os.listdir(FOLDER):
        if file.endswith((".c", ".cpp", ".h", ".hpp")):
            with open(os.path.join(FOLDER, file), encoding="utf-8") as source:
                names -= called(source.read())
    if names:
        sys.exit(f"no program calls {', '.join(sorted(names))}")
    print("all are called")


main()
