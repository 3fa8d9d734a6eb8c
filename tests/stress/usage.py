"""What running daemons hold between the rounds of the stress, and whether that grows.

Descriptors and threads are counted: once all jobs of a round have ended, a daemon has no more of
them than it had before the first, with connections to all its peers. That is exact, so one
descriptor too many is a finding.

Memory is what the process has of its own, RssAnon + RssShmem: pages of its files come and go as
the kernel likes. An allocator keeps what it has once had, so a daemon's memory rises towards what
its busiest moment took, in ever smaller steps; what is lost with each job rises for ever, in equal
steps. So the first WARM_UP rounds are not looked at, the WINDOW rounds after them give the ceiling,
and a daemon grows if all of the last WINDOW rounds are above the ceiling by more than SLACK. One
high round proves nothing, and the slack is what a sanitizer's allocator may round up to."""
import os
import re
import time

WARM_UP = 2
WINDOW = 3
SLACK_BYTES = 4 << 20


class Usage:
    def __init__(self, pid):
        with open(f"/proc/{pid}/status") as file:
            status = dict(re.findall(r"(\w+):\s+(\d+)", file.read()))
        self.memory_bytes = (int(status["RssAnon"]) + int(status["RssShmem"])) << 10
        self.threads = int(status["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))

    def __str__(self):
        return (f"{self.memory_bytes >> 10} KiB, {self.descriptors} descriptors, "
                f"{self.threads} threads")


def excess_bytes(memory):
    """How far all of the last rounds are above the ceiling; 0 before that can be said."""
    if len(memory) < WARM_UP + 2 * WINDOW:
        return 0
    return max(0, min(memory[-WINDOW:]) - max(memory[WARM_UP:WARM_UP + WINDOW]))


# The measure itself, on what grows and on what does not.
MIB = 1 << 20
assert excess_bytes([20 * MIB + round * 100 * 1024 for round in range(60)]) > SLACK_BYTES
assert excess_bytes([9, 20, 40, 38, 41, 40, 36, 60, 41, 39]) == 0


class Growth:
    """Of one daemon, which serves no job yet."""

    def __init__(self, pid):
        self.pid = pid
        self.idle = Usage(pid)
        self.rounds = []

    def has_settled(self):
        now = Usage(self.pid)
        return now.descriptors <= self.idle.descriptors and now.threads <= self.idle.threads

    def look(self, limit_s):
        """After a round. What is wrong; empty if nothing. The last of a job is cleared away after
        its launcher has gone, hence the limit."""
        end = time.monotonic() + limit_s
        while not self.has_settled() and time.monotonic() < end:
            time.sleep(0.1)
        self.rounds.append(Usage(self.pid))
        if not self.has_settled():
            return f"it holds {self.rounds[-1]}; before the first round that was {self.idle}"
        if self.excess_bytes() > SLACK_BYTES:
            return f"its memory grows: {self.memory_text()} KiB after each round"
        return ""

    def memory_text(self):
        return " ".join(str(usage.memory_bytes >> 10) for usage in self.rounds)

    def is_judged(self):
        return len(self.rounds) >= WARM_UP + 2 * WINDOW

    def excess_bytes(self):
        return excess_bytes([usage.memory_bytes for usage in self.rounds])
