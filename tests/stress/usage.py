"""What running processes hold between the legs of the stress, and whether that grows: daemons, and
the ranks of a job that stays.

Once all jobs have ended, a daemon has no descriptor and no thread more than before the first job,
with connections to all its peers; a rank has none more than after its first round. That is exact,
so one too many is a finding.

What is allocated in it, as it says when it is asked, is exact too (Daemons.EXACT_HEAP), but for
buffers that are made when they are needed first and containers that keep what their busiest moment
took, of which there are few outside of jobs.
So the first WARM_UP looks do not count, and the rest has three parts: a process grows if the median
of the last is above that of the first by more than HEAP_SLACK_BYTES. A median of many does not care
for one high look, and what is lost with each job, however little, is there in all of them.

What the process has of its own, anonymous and shared memory, shows what is mapped and not
allocated, of which there is no small loss. It also counts what the allocator keeps, which is more
or less as that has lately given back what was freed, or not yet. Of a sanitizer's allocator that
can be more than all the rest: its regions and the shadow of everything are left out. Of any other,
what is lost is there in the lowest looks, too: a process grows if the lowest of the last part is
above the lowest of the first by more than RESIDENT_SLACK_BYTES."""
import os
import re
import statistics
import time

WARM_UP = 3
PART_MIN = 2
HEAP_SLACK_BYTES = 8 << 10
RESIDENT_SLACK_BYTES = 8 << 20
LOOKS_MIN = WARM_UP + 3 * PART_MIN  # before that nothing is said


def growth_by(of, looks):
    """From the first third to the last, after the warm-up. Negative if it shrinks."""
    if len(looks) < LOOKS_MIN:
        return 0
    warm = looks[WARM_UP:]
    third = len(warm) // 3
    return int(of(warm[-third:]) - of(warm[:third]))


def heap_growth_bytes(heap):
    return growth_by(statistics.median, heap)


def resident_growth_bytes(resident):
    return growth_by(min, resident)


# Where AddressSanitizer has its shadow and the regions of its allocator on x86-64. Nothing else
# is mapped there: gallocy's region ends below them, and the kernel places mappings above.
SANITIZER_RANGES = ((0x7fff8000, 0x10007fff8000), (0x600000000000, 0x640000000000))


def resident_bytes_of(smaps, sanitized):
    """From the text of /proc/PID/smaps."""
    total_kib = 0
    for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)[1:]:
        head = mapping.split("\n", 1)[0].split(None, 5)
        start = int(head[0].split("-")[0], 16)
        if sanitized and any(begin <= start < end for begin, end in SANITIZER_RANGES):
            continue
        is_shared_memory = len(head) > 5 and head[5].startswith("/memfd:")
        kind = "Rss" if is_shared_memory else "Anonymous"
        total_kib += int(re.search(rf"^{kind}:\s+(\d+) kB$", mapping, re.MULTILINE)[1])
    return total_kib << 10


class Usage:
    def __init__(self, pid):
        with open(f"/proc/{pid}/smaps") as file:
            smaps = file.read()
        self.resident_bytes = resident_bytes_of(smaps, "libasan" in smaps)
        with open(f"/proc/{pid}/status") as file:
            status = dict(re.findall(r"(\w+):\s+(\d+)", file.read()))
        self.threads = int(status["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.heap_bytes = None  # not asked for

    def __str__(self):
        heap = "" if self.heap_bytes is None else f"{self.heap_bytes} bytes of heap, "
        return (f"{heap}{self.resident_bytes >> 10} KiB, {self.descriptors} descriptors, "
                f"{self.threads} threads")


class Growth:
    """Of one process, which now holds what is no growth: a daemon without jobs, a rank after a
    round. ask_heap_bytes() gives what is allocated in it."""

    def __init__(self, pid, ask_heap_bytes, judges_heap=True):
        self.pid = pid
        self.ask_heap_bytes = ask_heap_bytes
        self.judges_heap = judges_heap
        self.idle = Usage(pid)
        self.looks = []

    def has_settled(self):
        now = Usage(self.pid)
        return now.descriptors <= self.idle.descriptors and now.threads <= self.idle.threads

    def look(self, limit_s):
        """When no job runs. What is wrong; empty if nothing."""
        end = time.monotonic() + limit_s
        while not self.has_settled() and time.monotonic() < end:
            time.sleep(0.1)
        self.looks.append(Usage(self.pid))
        self.looks[-1].heap_bytes = self.ask_heap_bytes()
        if not self.has_settled():
            return f"it holds {self.looks[-1]}; at first that was {self.idle}"
        if self.heap_growth_bytes() > HEAP_SLACK_BYTES:
            return f"its heap grows: {self.heap_text()} bytes"
        if self.resident_growth_bytes() > RESIDENT_SLACK_BYTES:
            return f"its memory grows: {self.resident_text()} KiB"
        return ""

    def heap(self):
        return [usage.heap_bytes for usage in self.looks]

    def resident(self):
        return [usage.resident_bytes for usage in self.looks]

    def heap_text(self):
        return " ".join(map(str, self.heap()))

    def resident_text(self):
        return " ".join(str(size >> 10) for size in self.resident())

    def is_judged(self):
        return len(self.looks) >= LOOKS_MIN

    def heap_growth_bytes(self):
        return heap_growth_bytes(self.heap()) if self.judges_heap else 0

    def resident_growth_bytes(self):
        return resident_growth_bytes(self.resident())


def growth_text(growths):
    """Of processes in which nothing was wrong."""
    if not all(growth.is_judged() for growth in growths):
        return "growth not judged: too short"
    heap = max(growth.heap_growth_bytes() for growth in growths)
    resident = max(growth.resident_growth_bytes() for growth in growths)
    return (f"growth {heap} bytes of heap, {resident >> 10} KiB of memory, 0 descriptors, "
            "0 threads")
