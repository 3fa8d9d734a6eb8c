"""What system tests share: run gallocy-run with a limit, read its statistics, and see that
nothing is left behind. Everything a launcher starts stays in the session that the harness made
for it, so leftovers are found by session, whatever they are called, and nothing else is ever
signalled. Every wait has a limit.

The environment names what is tested: GALLOCY_RUN, and GALLOCYD where daemons are needed.

A test is a function; main(*tests) runs them side by side and exits 77 if all were skipped."""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback


# Under nohup, or behind the `&` of a script, these are ignored, and whatever is started inherits
# that: gallocy-run would go on, as whoever said so wants it.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


class Skipped(Exception):
    pass


class Failed(Exception):
    pass


def expect(condition, *words):
    if not condition:
        raise Failed(" ".join(str(word) for word in words))


def wait_for(condition, limit_s, *what):
    """What the condition gave as soon as that is true."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < end, f"not within {limit_s} s:", *what)
        time.sleep(0.02)


SANITIZER_VARIABLES = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def sanitizer_options(folder):
    """What makes the programs of a sanitizer build write each finding into a file of the folder:
    a daemon's standard error is read by nobody when its job ends well."""
    return {name: f"{os.environ.get(name, '')}:print_stacktrace=1:log_path={folder}/sanitizer"
            for name in SANITIZER_VARIABLES}


def sanitizer_reports(folder):
    """All that sanitizers found; empty if nothing."""
    texts = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("sanitizer."):
            with open(os.path.join(folder, name), errors="replace") as file:
                texts.append(f"---- {name} ----\n{file.read()[:20000]}")
    return "\n".join(texts)


def make_program(path, text=None, copy_of=None):
    """A file that can be executed at once. Another process writes it: a test that forks while this
    process has it open for writing would make it busy until its exec. Gives the path."""
    subprocess.run(["install", "-m", "755", copy_of or "/dev/stdin", path], text=True, input=text,
                   check=True, timeout=20)
    return path


class Result:
    def __init__(self, status, out, err, stat, seconds):
        self.status, self.out, self.err = status, out, err
        self.stat, self.seconds = stat, seconds  # stat: None unless asked for and written

    def __str__(self):
        return (f"[status {self.status} after {self.seconds:.1f} s]\n"
                f"---- stdout ----\n{self.out[-4000:]}\n---- stderr ----\n{self.err[-8000:]}")

    def last_line(self):
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


def processes_of_session(session):
    """pids of living processes (no zombies) whose session is that of the launcher."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(name))
    return found


def words_of(pid):
    """The command line of a process; empty if it has gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def environment_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        words = file.read().decode(errors="replace").split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


class Job:
    """A running gallocy-run. Use it as a context: leaving it ends whatever still runs. With a uid
    it runs as that user, who owns its folders. What is None in `env` it does not have, and what
    the call `lacking` takes away neither (lacking.py)."""

    def __init__(self, command, launcher=None, env=None, stat=False, stdin=subprocess.DEVNULL,
                 uid=None, lacking=None, cwd=None):
        self.launcher = launcher or os.environ["GALLOCY_RUN"]
        self.folder = tempfile.mkdtemp(prefix="gt-", dir="/tmp")
        self.runtime = os.path.join(self.folder, "run")
        os.mkdir(self.runtime, 0o700)
        other_user = {}
        if uid is not None:
            other_user = {"user": uid, "group": uid, "extra_groups": []}
            for path in (self.folder, self.runtime):
                os.chown(path, uid, uid)
        self.stat_path = os.path.join(self.folder, "stat.json")
        options = [f"--stat=json:{self.stat_path}"] if stat else []
        # Files, not pipes: a child that is left behind would keep a pipe open.
        self.out_file = open(os.path.join(self.folder, "out"), "w+b")
        self.err_file = open(os.path.join(self.folder, "err"), "w+b")
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.runtime,
                       **sanitizer_options(self.folder), **(env or {})}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [self.launcher, *options, *map(str, command)],
            stdin=stdin, stdout=self.out_file, stderr=self.err_file, start_new_session=True,
            preexec_fn=lacking, cwd=cwd,
            env={name: value for name, value in environment.items() if value is not None},
            **other_user)
        self.session = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.left_processes(wait_s=2):
            kill(pid)
        self.out_file.close()
        self.err_file.close()
        reports = sanitizer_reports(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        expect(not reports, "a sanitizer found something:\n" + reports)

    def text(self, file):
        file.flush()
        return os.pread(file.fileno(), 1 << 26, 0).decode(errors="replace")

    def err_so_far(self):
        return self.text(self.err_file)

    def out_bytes(self):
        return os.pread(self.out_file.fileno(), 1 << 26, 0)

    def out_so_far(self):
        return self.text(self.out_file)

    def processes(self, name):
        """pids of the job's processes whose executable is called so."""
        return [pid for pid in processes_of_session(self.session)
                if os.path.basename((words_of(pid) or [""])[0]) == name]

    def await_lines(self, start, count, limit_s=20):
        """The rest of each line of standard output that begins with it, once there are `count`."""
        def found():
            expect(self.process.poll() is None, "the job ended early:", self.err_so_far())
            rest = [line[len(start):].strip() for line in self.out_so_far().split("\n")[:-1]
                    if line.startswith(start)]
            return rest if len(rest) >= count else None
        return wait_for(found, limit_s, f"{count} lines that begin with {start!r}; the job said:",
                        self)

    def __str__(self):
        return f"{self.out_so_far()[-2000:]}\n{self.err_so_far()[-6000:]}"

    def wait(self, limit_s=60):
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"gallocy-run still runs after {limit_s} s; it said:\n"
                         + self.err_so_far()) from None
        stat = None
        if os.path.exists(self.stat_path):
            with open(self.stat_path) as file:
                stat = json.load(file)
        return Result(status, self.text(self.out_file), self.err_so_far(), stat,
                      time.monotonic() - self.began)

    def left_processes(self, wait_s=0.0):
        end = time.monotonic() + wait_s
        while True:
            left = [pid for pid in processes_of_session(self.session)
                    if pid != self.process.pid or self.process.poll() is None]
            if not left or time.monotonic() >= end:
                return left
            time.sleep(0.02)

    def expect_nothing_left(self, wait_s=0.0, folders=True):
        left = [f"{pid}: {' '.join(words_of(pid))}" for pid in self.left_processes(wait_s)]
        expect(not left, "processes are left behind:", left)
        if folders:
            names = [os.path.join(place, name) for place, folders_, files in os.walk(self.runtime)
                     for name in folders_ + files]
            expect(not names, "files are left behind:", names)


class Daemons:
    """Daemons on this machine that serve several jobs, with `options`. Use it as a context: at its
    end each must leave cleanly on SIGTERM, without its socket. `reached_at(address)` is where
    daemons with higher ids shall dial the one that listens there; `prefix(node)` are the words of a
    command that becomes the daemon."""

    # What is allocated is exact when no thread has a cache of its own.
    EXACT_HEAP = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

    def __init__(self, *options, count=2, reached_at=lambda address: address,
                 prefix=lambda node: (), env=None):
        self.folder = tempfile.mkdtemp(prefix="gd-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.processes, self.sockets, self.logs, self.addresses = [], [], [], []
        self.options, self.env = options, env or {}
        self.reached_at, self.prefix = reached_at, prefix
        try:
            for node in range(count):
                self.start(node)
        except BaseException:
            self.end()
            raise

    def start(self, node):
        path = os.path.join(self.folder, f"{node}.sock")
        self.sockets.append(path)
        self.logs.append(os.path.join(self.folder, f"{node}.log"))
        peers = [word for address in self.addresses for word in ("--peer", address)]
        with open(self.logs[-1], "wb") as log:
            process = subprocess.Popen(
                [*self.prefix(node), os.environ["GALLOCYD"], "--socket", path, "--listen",
                 "127.0.0.1:0", "--node-id", str(node), *peers, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **sanitizer_options(self.folder), **self.env})
        self.processes.append(process)
        ready = process.stdout.readline()  # it ends by itself if it can't begin
        expect(ready.startswith("gallocyd ready"), "node", node, "is not ready:", ready,
               self.log(node))
        self.addresses.append(self.reached_at(ready.split("listen=")[1].strip()))

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        logs = [self.log(node)[-4000:] for node in range(len(self.logs))]
        states, left, reports = self.end()
        expect(not reports, "a sanitizer found something:\n" + reports)
        if kind is None:  # what went wrong first is the better answer
            expect(states == [0] * len(states), "daemons did not end cleanly:", states, *logs)
            expect(not left, "files are left behind:", left)

    def end(self):
        for process in self.processes:
            process.terminate()
        states = []
        for process in self.processes:
            try:
                states.append(process.wait(10))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                states.append("did not end on SIGTERM")
            process.stdout.close()
        reports = sanitizer_reports(self.folder)
        left = [name for name in os.listdir(self.folder)
                if not name.endswith(".log") and not name.startswith("sanitizer.")]
        shutil.rmtree(self.folder)
        return states, left, reports

    def log(self, node):
        with open(self.logs[node], errors="replace") as file:
            return file.read()

    def heap_bytes(self, node, limit_s=10):
        """What is allocated in that daemon now, as it says itself."""
        def figures():
            return re.findall(r" (\d+) bytes of heap$", self.log(node), re.MULTILINE)
        known = len(figures())
        self.processes[node].send_signal(signal.SIGUSR1)
        return int(wait_for(lambda: figures()[known:], limit_s, "daemon", node, "tells of its heap")
                   [-1])

    @property
    def option(self):
        return "--daemon=" + ",".join(self.sockets)


def run(*command, limit_s=60, left_wait_s=0.0, **how):
    """Runs gallocy-run with these arguments to its end; nothing may be left behind."""
    with Job(command, **how) as job:
        result = job.wait(limit_s)
        job.expect_nothing_left(left_wait_s)
        return result


@contextlib.contextmanager
def holding_job(*command, stat=False, **how):
    """A job whose program says "filled" when it has filled memory, and looks at it again when its
    standard input ends. Yields what lets it do that and gives its result; nothing may be left."""
    reading, writing = os.pipe()
    with open(reading, "rb") as stdin, open(writing, "wb") as hold, \
            Job(command, stdin=stdin, stat=stat, **how) as job:
        words = job.await_lines("filled", 1)[0]

        def go_on():
            hold.close()
            result = job.wait()
            job.expect_nothing_left()
            return result
        go_on.filled = words
        yield go_on


def resident_bytes(pid):
    """Of all the memory files of a daemon: frames, slots and page table."""
    total = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        try:
            if os.readlink(path).startswith("/memfd:gallocy-"):
                total += os.stat(path).st_blocks * 512
        except OSError:
            pass  # closed meanwhile
    return total


def expect_status(result, status):
    expect(result.status == status, "expected status", status, "got", result)


def require_nodes(result, count):
    """The job really was spread: each of `count` nodes ran an application thread, and for more
    than one node pages crossed between them and every node sent and received."""
    expect(result.stat is not None, "no statistics were written:", result)
    ranks = result.stat["ranks"]
    ran = {rank["node"] for rank in ranks if rank["threads_run"] > 0}
    expect(len(ran) == count, "threads ran on nodes", sorted(ran), "and not on", count, "nodes:",
           json.dumps(result.stat))
    if count == 1:
        return
    remote = sum(rank["faults"]["remote_read"] + rank["faults"]["remote_write"] for rank in ranks)
    expect(remote > 0, "no fault was served by another node:", json.dumps(result.stat))
    for node in ran:  # a node's traffic is told with one of its ranks
        for way in ("peer_bytes_in", "peer_bytes_out"):
            expect(sum(rank[way] for rank in ranks if rank["node"] == node) > 0, "node", node,
                   "spoke to no other:", json.dumps(result.stat))


def require_daemon():
    """Skips where this machine can't run a daemon at all."""
    if not os.environ.get("GALLOCYD"):
        raise Skipped("there is no gallocyd in this build")
    if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        raise Skipped("/dev/userfaultfd can't be opened")


def require_no_sanitizer(why):
    if os.environ.get("SANITIZERS", "none") != "none":
        raise Skipped(f"a sanitizer build: {why}")


def require_root():
    if os.geteuid() != 0:
        raise Skipped("only root can run something as another user")


def run_test(test):
    try:
        test()
        return "ok", ""
    except Skipped as reason:
        return "skipped", str(reason)
    except Exception as error:  # a test that breaks is a test that fails
        where = "" if isinstance(error, Failed) else traceback.format_exc()
        return "FAILED", f"{error}\n{where}"


def main(*tests, side_by_side=4, chosen=None):
    """Runs those named on the command line (or in `chosen`), or all if none is."""
    wanted = set(sys.argv[1:] if chosen is None else chosen)
    unknown = wanted - {test.__name__ for test in tests}
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}")
    tests = [test for test in tests if not wanted or test.__name__ in wanted]
    with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
        results = list(pool.map(run_test, tests))
    for test, (what, why) in zip(tests, results):
        print(f"{what:8}{test.__name__}" + (f": {why}" if why else ""), flush=True)
    whats = {what for what, _ in results}
    if "FAILED" in whats:
        sys.exit(1)
    sys.exit(77 if whats == {"skipped"} else 0)
