"""not_planted.py PLANTED DELIVERED...: only the first has the switch and the names of bugs."""
import re
import subprocess
import sys


def signs_of(path):
    """Symbols, and the name of the variable, which is there even if they were stripped."""
    symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True).stdout
    with open(path, "rb") as file:
        names = re.findall(rb"GALLOCY_BUG", file.read())
    return {line for line in symbols.splitlines() if "planted" in line} | set(names)


planted, *delivered = sys.argv[1:]
if not signs_of(planted):
    sys.exit(f"{planted}: no switch, so this test says nothing")
found = {path: signs for path in delivered if (signs := signs_of(path))}
print(f"{len(delivered)} programs and libraries" + (f": {found}" if found else ": none planted"))
sys.exit(1 if found or not delivered else 0)
