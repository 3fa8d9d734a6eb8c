"""programs.py BUILD [--json FILE] [NAME...]: scripts/bench-programs with what was built into BUILD.
With an empty BUILD it only judges the command line; exits 64 if that is wrong."""
import os
import re
import subprocess
import sys
import tempfile

import report
from arguments import Parser
from measure import PROGRAM_LIMIT_S, Machine, MeasuringFailed, harness

EXIT_UNAVAILABLE = 69
ROUNDS = 3
SECONDS = re.compile(r"([0-9]+\.[0-9]+) s\b")
TEXT_BYTES = 3_000_000

# Their arguments before the number of threads; what they do is said in their sources.
SIZES = {
    "blackscholes": ["50000"],
    "fft": ["1024"],
    "lu": ["1024"],
    "radix": ["1000000"],
    "ocean": ["1024"],
    "false_sharing": ["2000"],
    "jacobi": ["1024", "100"],
    "kmeans": ["500000", "16", "10"],
    "matmul": ["1024"],
    "kv": ["2000", "1000"],
    "wordcount": [],
}
EXAMPLES = ("jacobi", "kmeans", "matmul", "kv", "wordcount")
WAYS = ("native on two CPUs", "native on one CPU", "gallocy on two nodes")


def parse(words):
    parser = Parser(prog="scripts/bench-programs", description="Runs programs on two nodes of one "
                    "CPU each, and as plain pthreads programs on two CPUs and on one, in turns.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="which; all if none: " + ", ".join(SIZES))
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE as well")
    chosen = parser.parse_args(words)
    unknown = [name for name in chosen.names if name not in SIZES]
    if unknown:
        parser.error(f"no such program: {', '.join(unknown)}")
    return chosen


def some_texts():
    """Files of this machine: the same on every run."""
    found, total = [], 0
    for folder, folders, names in os.walk("/usr/include"):
        folders.sort()
        for path in sorted(os.path.join(folder, name) for name in names):
            if total < TEXT_BYTES and os.path.isfile(path) and os.access(path, os.R_OK):
                found.append(path)
                total += os.path.getsize(path)
    return found


class Program:
    def __init__(self, name, folder):
        self.name = name
        self.table = os.path.join(folder, "words")  # of wordcount
        self.first_table = None
        self.texts = some_texts() if name == "wordcount" else []

    def words(self, threads, nodes):
        if self.name == "wordcount":
            return ["-t", str(threads // nodes), "-o", self.table, "--", *self.texts]
        return [*SIZES[self.name], str(threads)]

    def seconds_of(self, way, status, out, err):
        """Of the part that is shared out to threads, when the answer is right."""
        found = SECONDS.search(err if self.name == "wordcount" else out)
        if status != 0 or not found or out.splitlines()[-1:] != ["OK"]:
            raise MeasuringFailed(f"{self.name}, {way}: status {status}: {out.strip()} "
                                  f"{err.strip()}")
        self.check_table(way)
        if float(found.group(1)) == 0:
            raise MeasuringFailed(f"{self.name}, {way}: took too little time to be measured")
        return float(found.group(1))

    def check_table(self, way):
        if self.name != "wordcount":
            return
        with open(self.table, "rb") as file:
            table = file.read()
        self.first_table = self.first_table or table
        if table != self.first_table or table.count(b"\n") < 1000:
            raise MeasuringFailed(f"wordcount, {way}: its table is another than at first")

    def native(self, machine, way, threads):
        cpus = ",".join(map(str, machine.cpus[:threads]))
        done = subprocess.run(["taskset", "-c", cpus,
                               machine.program("programs", "native_" + self.name),
                               *self.words(threads, 1)],
                              capture_output=True, text=True, timeout=PROGRAM_LIMIT_S)
        return self.seconds_of(way, done.returncode, done.stdout, done.stderr)

    def gallocy(self, machine, way):
        path = (os.path.join(machine.build, "examples", self.name) if self.name in EXAMPLES
                else machine.program("programs", "kernel_" + self.name))
        words = machine.job_words(machine.daemons_of("each").sockets, "each",
                                  self.words(2, 2), program=path)
        result = harness.run(*words, limit_s=PROGRAM_LIMIT_S + 10)
        return self.seconds_of(way, result.status, result.out, result.err)

    def run(self, machine):
        """Seconds of each way, one after the other."""
        return (self.native(machine, WAYS[0], 2), self.native(machine, WAYS[1], 1),
                self.gallocy(machine, WAYS[2]))


def entry_of(name, rounds):
    return report.entry(f"program.{name}", "s", [(ours, native) for native, _, ours in rounds],
                        "the same source with pthreads, two threads on two CPUs")


def print_table(rounds):
    rows = []
    for name, times in rounds.items():
        native, alone, ours = (report.median(column) for column in zip(*times))
        rows.append((name, f"{native:.4f}", f"{alone:.4f}", f"{ours:.4f}",
                     f"{report.text_of(ours / native)}x", f"{alone / ours / 2:.0%}"))
    print(report.table(("program", *WAYS, "of native", "efficiency"), rows))
    print("seconds, medians; efficiency: half the time on one CPU, by that on two nodes")


def measure(build, chosen):
    names = chosen.names or list(SIZES)
    with tempfile.TemporaryDirectory(prefix="gallocy-bench-") as folder, \
            Machine(os.path.abspath(build)) as machine:
        if not machine.has("each"):
            print("bench-programs: two CPUs are needed", file=sys.stderr)
            sys.exit(EXIT_UNAVAILABLE)
        programs = [Program(name, folder) for name in names]
        rounds = {name: [] for name in names}
        for number in range(ROUNDS):
            for program in programs:
                rounds[program.name].append(program.run(machine))
            print(f"bench-programs: round {number + 1}", file=sys.stderr, flush=True)
    print_table(rounds)
    if chosen.json:
        report.write_json(chosen.json, [entry_of(name, times) for name, times in rounds.items()])


def main():
    build, *words = sys.argv[1:]
    chosen = parse(words)
    if build == "":
        return
    try:
        measure(build, chosen)
    except (MeasuringFailed, harness.Failed) as problem:
        sys.exit(f"bench-programs: {problem}")


if __name__ == "__main__":
    main()
