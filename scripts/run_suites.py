"""Runs meson's tests suite by suite and counts them. Used by scripts/check.

usage: run_suites.py BUILD [--ci | --full]

Prints "suite NAME: N passed, N failed, N skipped, S seconds" for each, the output of tests that
failed, and what parts tests skipped, and at the very end "N passed, N failed, N skipped" over all.
Exits 1 if any failed, or if nothing passed. A test that is marked as failing and fails counts as
passed and is named; if it passes, that is a failure: the mark has to go. With --full nothing may
be skipped, no part of a test neither, except for the reasons in ALLOWED_SKIPS: without it that
would prove less than it says. With --ci that holds for the model and the litmus tests, and no other
suite may be skipped as a whole. Any other skip counts as failed.

With --full there is a sanitizer build in BUILD-asan, whose suites come last. LITMUS_ITERATIONS of
the environment says how often the litmus tests run.
"""
import collections
import json
import os
import subprocess
import sys
import time

SUITES = ("lint", "unit", "trace", "model", "sim", "system", "programs", "litmus", "bench",
          "install")
SANITIZED_SUITES = ("unit", "trace", "sim", "system", "stress")
ONE_AT_A_TIME = ("system", "programs", "litmus", "bench", "install", "stress")
REPORTING = ("model", "sim", "litmus", "stress")  # say in lines of their own what they did
PROOFS = ("model", "litmus")
# What a test says that is skipped even where nothing may be, and in which passes.
ALLOWED_SKIPS = {
    "a sanitizer build": "(sanitizers)",  # it runs in the other build
    "two CPUs are needed": "(one CPU)",   # it runs on all of them
    # What it asks for is what a user is told who may not.
    "everybody may open /dev/userfaultfd here": "",
}
OUTPUT_LINES_MAX = 200
# Whatever else meson says of a test is a failure.
MEANINGS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    return ["taskset", "-c", ",".join(map(str, cpus))] if len(cpus) == 2 else []


def passes_of(build, mode):
    """(name, build, suite, prefix) for every run."""
    passes = []
    for suite in SUITES:
        if mode == "" or (mode == "--ci" and suite != "system"):
            passes.append((suite, build, suite, []))
            continue
        passes.append((suite + " (two CPUs)" if suite == "system" else suite, build, suite,
                       two_cpus() if suite == "system" else []))
        if suite not in ("lint", "install"):
            passes.append((suite + " (one CPU)", build, suite, first_cpu()))
    if mode == "--full":
        passes += [(suite + " (sanitizers)", build + "-asan", suite, [])
                   for suite in SANITIZED_SUITES]
    return passes


def first_cpu():
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def has_tests(build, suite):
    listed = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--list", "--suite",
                             suite], capture_output=True, text=True)
    return any(" / " in line for line in listed.stdout.splitlines())


def read_log(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def print_output(test):
    print(f"---- {test['name']}: {test['result']} after {test['duration']:.1f} s ----")
    for part in ("stdout", "stderr"):
        lines = (test.get(part) or "").splitlines()
        if len(lines) > OUTPUT_LINES_MAX:
            print(f"({len(lines) - OUTPUT_LINES_MAX} lines of {part} left out)")
        print("\n".join(lines[-OUTPUT_LINES_MAX:]))


def skips_of(test):
    """What it says of itself, or of parts of it."""
    lines = (test.get("stdout") or "").splitlines()
    said = [line for line in lines if line.startswith("skipped")]
    if said or MEANINGS.get(test["result"]) != "skipped":
        return said
    return lines[-1:] or ["skipped without a word"]


def is_allowed(skip, pass_name):
    return any(reason in skip and pass_name.endswith(where)
               for reason, where in ALLOWED_SKIPS.items())


def run_pass(number, name, build, suite, prefix, mode):
    must_run = mode != ""
    all_must_run = mode == "--full" or (must_run and suite in PROOFS)
    counts = collections.Counter()
    if not has_tests(build, suite):
        if must_run:
            print(f"this build has no tests of the suite {suite}, which may not be skipped here")
            counts["failed"] += 1
        print(f"suite {name}: 0 passed, {counts['failed']} failed, 0 skipped, 0 seconds",
              flush=True)
        return counts
    log_base = f"check-{number}"
    log_path = os.path.join(build, "meson-logs", f"{log_base}.json")
    if os.path.exists(log_path):
        os.unlink(log_path)
    began = time.monotonic()
    # One after the other in the system suite: its tests measure time and start many processes.
    options = ["--num-processes", "1"] if suite in ONE_AT_A_TIME else []
    options += ["--timeout-multiplier", "3"] if name.endswith(("(one CPU)", "(sanitizers)")) else []
    done = subprocess.run([*prefix, "meson", "test", "-C", build, "--no-rebuild", "--suite", suite,
                           "--logbase", log_base, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.monotonic() - began
    tests = read_log(log_path) if os.path.exists(log_path) else []
    for test in tests:
        what = MEANINGS.get(test["result"], "failed")
        if all_must_run and not all(is_allowed(skip, name) for skip in skips_of(test)):
            print(f"{test['name']} may not be skipped here, nor a part of it:")
            what = "failed"
        counts[what] += 1
        if what == "failed":
            print_output(test)
        elif test["result"] == "EXPECTEDFAIL":
            print(f"known to fail: {test['name']}")
        for line in (test.get("stdout") or "").splitlines() if what != "failed" else []:
            if line.startswith("skipped "):  # a part of it: the rest makes it pass
                print(f"in {test['name']}: {line}")
            elif suite in REPORTING and line.startswith(suite + ":"):
                print(line)
    if must_run and counts["skipped"] == len(tests) > 0:
        print(f"the suite {suite} may not be skipped here")
        counts["failed"] += 1
    if done.returncode != 0 and counts["failed"] == 0:
        print(done.stdout)
        counts["failed"] += 1
    print(f"suite {name}: {counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['skipped']} skipped, {seconds:.0f} seconds", flush=True)
    return counts


def main():
    build, mode = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    total = collections.Counter()
    for number, one in enumerate(passes_of(build, mode)):
        total += run_pass(number, *one, mode)
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] > 0 or total["passed"] == 0 else 0


sys.exit(main())
