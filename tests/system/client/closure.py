"""libgallocy.so needs libc only, allocates and prints through nobody, and exports its API only."""
import re
import subprocess
import sys

FORBIDDEN = re.compile(
    r"^(malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|strdup"
    r"|_Zn.*|_Zd.*|_ZSt.*|_ZNS.*|_ZNKS.*|__gxx_.*|__cxa_.*|_Unwind_.*"
    r"|.*printf.*|f(open|dopen|reopen|close|write|read|puts|putc|flush|getc|gets|seek).*|puts|putc"
    r"|putchar|perror|std(in|out|err)|dlsym|dlopen)$")
# The C compiler's start-up code refers to it, weakly, in every shared library.
ALLOWED = {"__cxa_finalize"}
NEEDED = {"libc.so.6", "ld-linux-x86-64.so.2"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(option, library):
    lines = output("nm", "-D", option, library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def main():
    library = sys.argv[1]
    undefined = symbols("--undefined-only", library)
    if any(re.match(r"__(asan|tsan|ubsan|msan)_", name) for name in undefined):
        print("skipped: a sanitizer build")
        return 77
    dynamic = output("readelf", "-d", library)
    problems = [f"needs {name}" for name in re.findall(r"NEEDED.*\[(.*)\]", dynamic)
                if name not in NEEDED]
    problems += [f"uses {name}" for name in sorted(undefined - ALLOWED) if FORBIDDEN.match(name)]
    problems += [f"exports {name}" for name in sorted(symbols("--defined-only", library))
                 if not name.startswith("gallocy_")]
    if "[libgallocy.so.0]" not in dynamic:
        problems.append("soname is not libgallocy.so.0")
    if "malloc" in FORBIDDEN.pattern and not FORBIDDEN.match("malloc"):
        problems.append("this test is broken")
    print("\n".join(problems) or "libc only")
    return 1 if problems else 0


sys.exit(main())
