"""Checks the model of the page protocol, or that it finds a planted mistake.

usage: check_model.py MODEL [MISTAKE]

MISTAKE is the name of a constant of the model. Exits 77 if rumur is not installed.
"""
import re
import shutil
import subprocess
import sys
import tempfile

# The optimiser takes longer over the generated code than the check takes without it.
COMPILE_SECONDS_MAX = 300
CHECK_SECONDS_MAX = 600


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
        done = run(["./page"], directory, CHECK_SECONDS_MAX)
    states = re.search(r"(\d+) states", done.stdout)
    print(f"{mistake or 'the protocol'}: {states.group(1) if states else '?'} states, "
          f"exit status {done.returncode}")
    found = re.search(r"error trace for the error:\n+\s*(.*)", done.stdout)
    if mistake is not None:
        print("found:", found.group(1) if found else "nothing")
        # A model that stops at an undefined value, or anywhere else, has proven nothing.
        other = not found or re.search("undefined|deadlock", found.group(1))
        return 1 if other or done.returncode == 0 else 0
    if done.returncode == 0 and "No error found" in done.stdout:
        return 0
    print(done.stdout[-20000:])
    return 1


sys.exit(main())
