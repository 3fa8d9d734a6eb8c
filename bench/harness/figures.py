"""What is measured: each figure, the program of bench/ours that measures it, and its floor."""
import dataclasses

# How many nodes there are, and on which of the CPUs (0: the first, 1: the second) each has its
# daemon and its ranks.
PLACEMENTS = {"one": (0, 0), "each": (0, 1)}

RING = "raw TCP"
PAGE_TRIP = ("tcp", "ring", "CPUS", "64", "4160")
SMALL_TRIP = ("tcp", "ring", "CPUS", "64", "64")
WAKEUP = ("wakeup", "CPUS_LOCAL")
FULL_COUNT, QUICK_COUNT = 2000, 200


@dataclasses.dataclass(frozen=True)
class Figure:
    id: str
    unit: str
    placement: str
    ours: tuple  # words for bench/ours; COUNT becomes a number of samples
    # The floor is the sum of (factor, words for a program of bench/floors).
    floor: tuple
    floor_is: str
    target: str
    ranks_on_one_node: bool = False  # two, under --spmd
    full: int = FULL_COUNT
    quick: int = QUICK_COUNT

    @property
    def higher_is_better(self):
        return self.unit == "MB/s"


def in_both(name, unit, ours, floor, floor_is, targets, **more):
    return [Figure(f"{name}.{placement}", unit, placement, ours, floor, floor_is, target, **more)
            for placement, target in zip(PLACEMENTS, targets)]


FIGURES = [
    *in_both("read_fault", "us", ("read_fault", "COUNT"), ((1, PAGE_TRIP),),
             f"{RING}: round trip 64 -> 4160 B", ("1.85x", "1.4x")),
    *in_both("write_fault", "us", ("write_fault", "COUNT"), ((1, PAGE_TRIP),),
             f"{RING}: round trip 64 -> 4160 B", ("2.3x", "1.7x")),
    Figure("local_fault", "us", "one", ("local_fault", "COUNT"),
           ((1, ("userfault", "continue", "CPUS")),),
           "bare userfaultfd fault answered by UFFDIO_CONTINUE", "1.25x", ranks_on_one_node=True),
    Figure("first_touch", "us", "one", ("first_touch", "COUNT"),
           ((1, ("userfault", "install", "CPUS")),),
           "bare userfaultfd fault answered by UFFDIO_ZEROPAGE", "1.3x"),
    # Everything so large is measured as it is: nothing is prefetched, or populated in idle time.
    *in_both("scan", "MB/s", ("scan", "COUNT", "0"),
             ((1, ("tcp", "stream", "CPUS", "COUNT")),), "raw TCP stream of as many bytes",
             ("0.35x", "0.22x"), full=256, quick=8),
    *in_both("scan_warm", "MB/s", ("scan", "COUNT", "500"),
             ((1, ("tcp", "stream", "CPUS", "COUNT")),), "raw TCP stream of as many bytes",
             ("0.6x", "0.6x"), full=128, quick=8),
    Figure("random_prefetch", "us", "each", ("random_reads", "COUNT"), (("ours",),),
           "the same again: there is no prefetching to switch off yet", "1.03x", full=4000,
           quick=400),
    *in_both("lock_handover", "us", ("lock_handover", "COUNT"),
             ((0.5, SMALL_TRIP), (1, WAKEUP)),
             f"{RING}: 64 B one way, and two local wake-ups (futex)", ("1.3x", "1.3x"), full=500,
             quick=100),
    *in_both("spin_flag", "us", ("spin_flag", "COUNT"), ((2, PAGE_TRIP),),
             f"{RING}: two round trips 64 -> 4160 B", ("4x", "3x"), full=60, quick=10),
    Figure("lock_cached", "ns", "one", ("lock_cached", "COUNT"), ((1, ("libc", "lock", "CPU")),),
           "pthread_mutex_lock and _unlock of glibc", "2x", full=1000000, quick=100000),
    *in_both("barrier", "us", ("barrier", "COUNT"), ((1, SMALL_TRIP), (1, WAKEUP)),
             f"{RING}: 64 B there and back, and two local wake-ups (futex)", ("1.4x", "1.2x")),
    Figure("ipc", "us", "one", ("ipc", "COUNT"), ((1, WAKEUP),),
           "shared word and futex: round trip", "1.3x", full=5000),
    Figure("malloc", "ns", "one", ("malloc", "COUNT"), ((1, ("libc", "malloc", "CPU")),),
           "malloc and free of glibc", "1.2x", full=1000000, quick=100000),
    Figure("create_join", "us", "each", ("create_join", "COUNT"),
           ((1, ("libc", "create_join", "CPU")), (2, SMALL_TRIP)),
           "pthread_create and _join, and two round trips of 64 B", "1.5x", full=500, quick=50),
    Figure("directory_bytes", "B", "one", ("hold_memory", "COUNT", "256"), (), "-", "32 B",
           full=32768, quick=4096),
]

# Besides: what the floor could also be. Printed, and not in the JSON.
BLOCKING_TRIP = ("tcp", "blocking", "CPUS", "64", "4160", "COUNT")
SIGSEGV = ("sigsegv", "CPUS", "COUNT")
