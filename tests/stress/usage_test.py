"""What usage.py calls growth, and what not: made-up series, measured ones, and this process."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from usage import (HEAP_SLACK_BYTES, LOOKS_MIN, RESIDENT_SLACK_BYTES, Growth,  # noqa: E402
                   growth_text, heap_growth_bytes, resident_bytes_of, resident_growth_bytes)

MIB = 1 << 20
JOBS_EACH = 10  # between two looks
chance = random.Random(1)


def heap_grows(heap):
    return heap_growth_bytes(heap) > HEAP_SLACK_BYTES


def resident_grows(resident):
    return resident_growth_bytes(resident) > RESIDENT_SLACK_BYTES


def looks(count, of):
    return [int(of(look)) for look in range(count)]


def noise(size_bytes):
    return chance.randint(-size_bytes, size_bytes)


# Too few looks say nothing.
assert heap_growth_bytes(looks(LOOKS_MIN - 1, lambda look: look * MIB)) == 0
assert resident_growth_bytes(looks(LOOKS_MIN - 1, lambda look: look * MIB)) == 0

# A loss with each job, of 100 bytes in ten minutes, of 4 bytes in hours; noise hides none.
for count, loss_bytes in ((18, 100), (600, 4)):
    for noise_bytes in (0, 500):
        assert heap_grows(looks(count, lambda look: 1.5 * MIB + look * JOBS_EACH * loss_bytes +
                                noise(noise_bytes))), (count, loss_bytes, noise_bytes)
# One that only one job in ten has, and one that begins late.
assert heap_grows(looks(30, lambda look: MIB + look * 2000))
assert heap_grows(looks(30, lambda look: MIB + max(0, look - 15) * 4000))

# No growth: noise, what the first jobs make once, single high looks, a container that has doubled
# for its busiest moment, less than there was.
assert not heap_grows(looks(600, lambda look: MIB + noise(8000)))
assert not heap_grows([2_822_736] + 20 * [3_046_737])
assert not heap_grows([1_226_704, 1_496_288, 1_496_640, 1_496_640, 1_496_640, 1_496_768, 1_496_640,
                       1_496_768, 1_496_960, 1_497_088, 1_496_960, 1_496_976, 1_497_104])
assert not heap_grows(looks(18, lambda look: MIB + (look % 5 == 4) * MIB))
assert not heap_grows(looks(18, lambda look: MIB + (look > 12) * 4096))
assert not heap_grows(looks(18, lambda look: 2 * MIB - look * 4000))

# Memory of the process: the allocator's high tide is no growth, an unmapped ring a job is.
assert resident_grows(looks(30, lambda look: 20 * MIB + look * MIB + noise(MIB)))
assert not resident_grows(looks(30, lambda look: 20 * MIB + 20 * MIB * (1 - 0.6 ** look) +
                                noise(4 * MIB)))
assert not resident_grows([x << 10 for x in (10192, 10872, 15600, 10596, 11108, 10596, 13172, 14068,
                                             13300, 12436, 12436, 12020)])
# What lies where.
MAPPING = """{start:x}-{end:x} rw-p 00000000 00:00 0 {name:>24}
Size:               4096 kB
Rss:                {rss:>4} kB
Anonymous:          {anonymous:>4} kB
VmFlags: rd wr
"""


def smaps(*mappings):
    return "".join(MAPPING.format(start=start, end=start + (4 << 20), name=name, rss=rss,
                                  anonymous=anonymous) for start, name, rss, anonymous in mappings)


ordinary = ((0x555555554000, "/usr/bin/gallocyd", 300, 40), (0x7f0000000000, "", 60, 50),
            (0x7f0000800000, "/memfd:ring (deleted)", 8, 0))
sanitizers = ((0x100000000, "", 2000, 2000), (0x603000000000, "", 1000, 1000))
assert resident_bytes_of(smaps(*ordinary), False) == (40 + 50 + 8) << 10
assert resident_bytes_of(smaps(*ordinary, *sanitizers), True) == (40 + 50 + 8) << 10
assert resident_bytes_of(smaps(*ordinary, *sanitizers), False) == (40 + 50 + 8 + 3000) << 10


# A process that grows, and what is said of one that does not.
def growth_of_this_process(heap_step_bytes, judges_heap=True):
    steps = iter(range(LOOKS_MIN))
    growth = Growth(os.getpid(), lambda: MIB + next(steps) * heap_step_bytes, judges_heap)
    return growth, [growth.look(0) for _ in range(LOOKS_MIN)]


for heap_step_bytes, judges_heap, is_found in ((0, True, False), (4000, True, True),
                                               (4000, False, False)):
    growth, found = growth_of_this_process(heap_step_bytes, judges_heap)
    assert ("its heap grows" in found[-1]) == is_found and not any(found[:-1]), found
    if not is_found:
        assert growth_text([growth]).startswith("growth 0 bytes of heap"), growth_text([growth])
assert "not judged" in growth_text([growth, Growth(os.getpid(), lambda: 0)])

# A descriptor too many, and no more when it has gone.
growth = Growth(os.getpid(), lambda: 0)
descriptor = os.dup(0)
assert "it holds" in growth.look(0)
os.close(descriptor)
assert growth.look(0) == ""
