"""Every function of the public header is called by some test.

usage: api_coverage.py SOURCE_ROOT"""
import os
import re
import sys

DECLARATION = re.compile(r"^GALLOCY_API [^;]*?\b(gallocy_\w+)\(", re.MULTILINE)
TEST_SUFFIXES = (".c", ".cpp", ".h")


def declared(root):
    with open(os.path.join(root, "include", "gallocy", "gallocy.h")) as file:
        return set(DECLARATION.findall(file.read()))


def called(root):
    names = set()
    for folder, _, files in os.walk(os.path.join(root, "tests", "system")):
        for name in files:
            if not name.endswith(TEST_SUFFIXES):
                continue
            with open(os.path.join(folder, name)) as file:
                names |= set(re.findall(r"\b(gallocy_\w+)\b", file.read()))
    return names


def main():
    root = sys.argv[1]
    functions = declared(root)
    if len(functions) < 50 or "gallocy_malloc" not in functions:
        sys.exit(f"only {len(functions)} functions were found in gallocy.h: this test is broken")
    missing = sorted(functions - called(root))
    if missing:
        sys.exit("no test calls " + ", ".join(missing))
    print(f"all {len(functions)} functions of gallocy.h are called by tests")


main()
