"""Planted bugs are in no program and library that is delivered.

usage: not_planted.py PLANTED... -- DELIVERED...

Only the first have the switch, each of them. A stripped file does not show, and fails the test.
"""
import re
import subprocess
import sys


def signs_of(path):
    """Symbols, and the name of the variable."""
    symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True).stdout
    if not symbols:
        sys.exit(f"{path}: no symbols (stripped?), so this test says nothing")
    with open(path, "rb") as file:
        names = re.findall(rb"GALLOCY_BUG", file.read())
    return {line for line in symbols.splitlines() if "planted" in line} | set(names)


separator = sys.argv.index("--")
planted, delivered = sys.argv[1:separator], sys.argv[separator + 1:]
for path in planted:
    if not signs_of(path):
        sys.exit(f"{path}: no switch, so this test says nothing")
found = {path: signs for path in delivered if (signs := signs_of(path))}
print(f"{len(delivered)} programs and libraries" + (f": {found}" if found else ": none planted"))
sys.exit(1 if found or not delivered or not planted else 0)
