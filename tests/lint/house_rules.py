"""The house rules that a program can check: who may include whom, and the form of files.

usage: house_rules.py SOURCE_ROOT    checks the tree, after checking itself on bad examples
"""
import os
import re
import sys

SOURCE_SUFFIXES = (".hpp", ".cpp", ".h", ".c")
TEXT_SUFFIXES = SOURCE_SUFFIXES + (".py", ".md", ".capnp", ".build", ".txt", ".map")
LINE_COUNT_MAX = 600
LINE_LENGTH_MAX = 100
CODE_SUFFIXES = SOURCE_SUFFIXES + (".py", ".capnp", ".build")
SKIPPED_FOLDERS = re.compile(r"^(\.|build|subprojects$|__pycache__$)")

EVERY_ROOM = {"include", "base", "core", "wire", "ipc", "heap", "daemon", "client", "preload",
              "run", "tools", "uffd", "net"}
# A room may include itself and these.
MAY_INCLUDE = {
    "include": set(),
    "base": set(),
    "core": {"base"},
    "wire": {"core", "base"},
    "ipc": {"base"},
    "heap": {"base"},
    "uffd": {"base"},
    "net": {"base"},
    "daemon": EVERY_ROOM - {"client", "preload", "run", "tools"},
    "client": {"include", "ipc", "uffd", "heap", "base"},
    "preload": {"include", "client", "ipc", "heap", "base"},
    "run": {"include", "ipc", "base"},
    "tools": {"include", "ipc", "uffd", "net", "base"},
    "examples": {"include"},
    "bench": {"include", "base", "ipc", "net", "uffd"},
    "tests/sim": {"core", "ipc", "base"},  # ipc: its clients have the table of lent mutexes
    "tests/trace": {"core", "base"},
}

# Nothing in core knows of files, time, chance or threads.
NOT_IN_CORE = re.compile(
    r"^(sys/.*|linux/.*|unistd\.h|fcntl\.h|poll\.h|pthread\.h|time\.h|signal\.h|thread|mutex"
    r"|shared_mutex|condition_variable|future|atomic|chrono|random|ctime|iostream|fstream"
    r"|filesystem|liburing\.h|fmt/.*)$")
FMT_IN_CORE = re.compile(r"^src/core/describe[^/]*$")
CAPNP = re.compile(r"^(capnp|kj)/|\.capnp\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """src/core/x.cpp -> core, net/x.cpp -> net, tests/sim/x.cpp -> tests/sim; None: any."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    if parts[0] == "tests":
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 else None


def room_of_include(name):
    if name.startswith("gallocy/"):
        return "include"
    first = name.split("/")[0] if "/" in name else None
    return first if first in EVERY_ROOM else None


def include_problem(path, name):
    room, other = room_of(path), room_of_include(name)
    if CAPNP.search(name) and room != "wire" and not path.startswith("tests/"):
        return f"only wire may see {name}"
    if room == "core" and NOT_IN_CORE.match(name):
        if not (name.startswith("fmt/") and FMT_IN_CORE.match(path)):
            return f"core may not include {name}"
    if room in MAY_INCLUDE and other is not None and other != room:
        if other not in MAY_INCLUDE[room]:
            return f"{room} may not include {other} ({name})"
    if path.startswith("src/") and room not in MAY_INCLUDE:
        return f"{room} is no room that these rules know"
    return None


def problems_of(path, text):
    """Yields "path:line: what" for everything wrong with one file."""
    lines = text.split("\n")
    if len(lines) - 1 > LINE_COUNT_MAX:
        yield f"{path}:{len(lines) - 1}: longer than {LINE_COUNT_MAX} lines"
    # A public header has to live with compilers that find it at two places.
    guarded = path.startswith("include/") and any(line.startswith("#ifndef ") for line in lines)
    if path.endswith(".hpp") and "#pragma once" not in lines and not guarded:
        yield f"{path}:1: no #pragma once"
    if text and not text.endswith("\n"):
        yield f"{path}:{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield f"{path}:{number}: a tab"
        if len(line) > LINE_LENGTH_MAX and path.endswith(CODE_SUFFIXES):
            yield f"{path}:{number}: longer than {LINE_LENGTH_MAX} characters"
        if line != line.rstrip():
            yield f"{path}:{number}: blanks at the end of the line"
        found = INCLUDE.match(line) if path.endswith(SOURCE_SUFFIXES) else None
        problem = include_problem(path, found.group(2)) if found else None
        if problem:
            yield f"{path}:{number}: {problem}"


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not SKIPPED_FOLDERS.match(name))
        for name in sorted(names):
            if name.endswith(TEXT_SUFFIXES):
                yield os.path.relpath(os.path.join(folder, name), root)


BAD = {
    "src/core/a.cpp": ["#include <mutex>\n", "#include <sys/mman.h>\n", '#include "net/ring.hpp"\n',
                       "#include <fmt/format.h>\n", "#include <chrono>\n"],
    "src/core/a.hpp": ["int a;\n"],
    "uffd/a.cpp": ['#include "net/ring.hpp"\n', '#include "core/event.hpp"\n'],
    "net/a.cpp": ['#include "uffd/fault.hpp"\n', '  #  include "core/message.hpp"\n',
                  "#include <capnp/message.h>\n"],
    "src/run/a.cpp": ['#include "daemon/job.hpp"\n', '#include "net/ring.hpp"\n'],
    "src/client/a.cpp": ['#include "wire/codec.hpp"\n'],
    "src/preload/a.cpp": ['#include "wire/codec.hpp"\n'],
    "src/drawer/a.cpp": ["#include <string>\n"],
    "src/daemon/a.cpp": ["#include <kj/async.h>\n", '#include "run/watch.hpp"\n', "int\ta;\n",
                         "int a; \n", "int a;", "\n" * 601, "//" + "a" * 99 + "\n"],
    "tests/sim/a.cpp": ['#include "daemon/job.hpp"\n'],
    "examples/a.c": ['#include "ipc/ring.hpp"\n'],
    "bench/floors/a.cpp": ['#include "core/event.hpp"\n', '#include "daemon/job.hpp"\n'],
}
GOOD = {
    "src/core/a.hpp": '#pragma once\n#include <vector>\n#include "base/ids.hpp"\n',
    "src/core/describe.cpp": "#include <fmt/format.h>\n",
    "src/wire/a.cpp": "#include <capnp/message.h>\n",
    "src/daemon/a.cpp": '#include "net/ring.hpp"\n#include "uffd/fault.hpp"\n#include <mutex>\n',
    "src/run/a.cpp": '#include "ipc/socket.hpp"\n#include "local.hpp"\n' + "\n" * 598,
    "tests/unit/net/a.cpp": '#include "net/ring.hpp"\n',
}


def check_itself():
    for path, texts in BAD.items():
        for text in texts:
            if len(list(problems_of(path, text))) != 1:
                yield f"the lint is broken: {path} with {text[:60]!r}: " \
                      f"{list(problems_of(path, text))}"
    for path, text in GOOD.items():
        for problem in problems_of(path, text):
            yield f"the lint is broken: {problem}"


def main():
    root = sys.argv[1]
    problems = list(check_itself())
    count = 0
    for path in files_of(root):
        count += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            problems += problems_of(path, file.read())
    if count < 50:
        problems.append(f"only {count} files were found in {root}")
    print("\n".join(problems) or f"{count} files keep the house rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
