"""What running daemons hold between the legs of the stress, and whether that grows.

Once all jobs have ended, a daemon has no descriptor and no thread more than before the first job,
with connections to all its peers. That is exact, so one too many is a finding.

What is allocated in it, as it says on SIGUSR1, is exact too (Daemons.EXACT_HEAP), but for buffers
that are made when they are needed first and containers that keep what their busiest moment took, of
which there are few outside of jobs.
So the first WARM_UP looks do not count, and the rest has three parts: a daemon grows if the median
of the last is above that of the first by more than HEAP_SLACK_BYTES. A median of many does not care
for one high look, and what is lost with each job, however little, is there in all of them.

What the process has of its own, RssAnon + RssShmem, also counts what the allocator keeps, and shows
what is mapped and not allocated, of which there is no small loss. It is high or low as the
allocator has given back lately what was freed, or not yet; what is lost is there in the lowest
looks, too. So a daemon grows if the lowest of the last part is above the lowest of the first by
more than RESIDENT_SLACK_BYTES."""
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


class Usage:
    def __init__(self, pid):
        with open(f"/proc/{pid}/status") as file:
            status = dict(re.findall(r"(\w+):\s+(\d+)", file.read()))
        self.resident_bytes = (int(status["RssAnon"]) + int(status["RssShmem"])) << 10
        self.threads = int(status["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.heap_bytes = None  # not asked for

    def __str__(self):
        heap = "" if self.heap_bytes is None else f"{self.heap_bytes} bytes of heap, "
        return (f"{heap}{self.resident_bytes >> 10} KiB, {self.descriptors} descriptors, "
                f"{self.threads} threads")


class Growth:
    """Of one daemon, which serves no job yet; ask_heap_bytes() gives what is allocated in it."""

    def __init__(self, pid, ask_heap_bytes):
        self.pid = pid
        self.ask_heap_bytes = ask_heap_bytes
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
            return f"it holds {self.looks[-1]}; before the first job that was {self.idle}"
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
        return heap_growth_bytes(self.heap())

    def resident_growth_bytes(self):
        return resident_growth_bytes(self.resident())
