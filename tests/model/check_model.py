"""Checks the model of the page protocol, or that it finds a planted mistake.

usage: check_model.py MODEL [MISTAKE]

MISTAKE is the name of a constant of the model. Exits 77 if rumur is not installed. Says in a line
what was found, and after how many states.
"""
import re
import shutil
import subprocess
import sys
import tempfile
import time

# The optimiser takes longer over the generated code than the check takes without it.
COMPILE_SECONDS_MAX = 300
CHECK_SECONDS_MAX = 600
OUTPUT_MAX = 20000


def run(command, directory, seconds_max):
    return subprocess.run(command, cwd=directory, timeout=seconds_max, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def make_checker(model, directory):
    with open(f"{directory}/page.m", "w") as file:
        file.write(model)
    for command in (["rumur", "--deadlock-detection", "stuck", "--threads", "1", "--colour", "off",
                     "--output", "page.c", "page.m"],
                    ["cc", "-O0", "-mcx16", "-w", "-o", "page", "page.c", "-lpthread"]):
        done = run(command, directory, COMPILE_SECONDS_MAX)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")


def what_failed(output):
    """The name of an invariant or of an assertion, or what the checker says; None: nothing did."""
    found = re.search(r"error trace for the error:\n+\s*(.*)", output)
    if not found:
        return None
    return re.sub(r"^Assertion failed: [^ ]* ", "", found.group(1)).removesuffix(" failed")


def main():
    if shutil.which("rumur") is None:
        print("skipped: rumur is not installed (scripts/deps installs it)")
        return 77
    with open(sys.argv[1]) as file:
        model = file.read()
    mistake = sys.argv[2] if len(sys.argv) > 2 else None
    if mistake is not None:
        model, count = re.subn(r"planted: right;", f"planted: {mistake};", model)
        assert count == 1, "the model has no place for a mistake"
    with tempfile.TemporaryDirectory() as directory:
        make_checker(model, directory)
        began = time.monotonic()
        done = run(["./page"], directory, CHECK_SECONDS_MAX)
        seconds = time.monotonic() - began
    # The last figure: those before it say how far it is.
    states = int((re.findall(r"(\d+) states", done.stdout) or ["0"])[-1])
    found = what_failed(done.stdout)
    print(f"model: {mistake or 'the protocol'}: {found or 'no error'} in {states:,} states "
          f"({seconds:.0f} s)")
    if mistake is None:
        is_good = done.returncode == 0 and "No error found" in done.stdout
    else:
        # A model that stops at an undefined value, or anywhere else, has proven nothing.
        is_good = done.returncode != 0 and found and not re.search("undefined|deadlock", found)
    if not is_good:
        print(done.stdout[-OUTPUT_MAX:])
    return 0 if is_good else 1


sys.exit(main())
