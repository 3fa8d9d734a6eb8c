"""memory.py CASE NODES: programs at the bound of --memory, and what the daemons really use."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import (Daemons, Job, expect, expect_status, holding_job, kill,  # noqa: E402
                     main, require_daemon, require_no_sanitizer, require_nodes,
                     resident_bytes, run, wait_for, words_of)
from lacking import memory_limit, memory_limits_here  # noqa: E402

MIB = 1 << 20
BOUND = 64 * MIB
TABLE = 2 * MIB  # page tables come on top: 16 bytes a page
MEMORY = os.environ["MEMORY"]
NODES = int(sys.argv[2])


def watch(*command):
    """Runs it to its end; the result, and the most that any daemon used."""
    require_daemon()
    most = 0
    with Job(["-n", NODES, *command], stat=True) as job:
        end = time.monotonic() + 120
        while job.process.poll() is None:
            expect(time.monotonic() < end, "the job still runs:", job)
            for pid in job.processes("gallocyd"):
                try:
                    most = max(most, resident_bytes(pid))
                except OSError:
                    pass  # it has ended
            time.sleep(0.005)
        result = job.wait(1)
        job.expect_nothing_left()
    return result, most


def evicted(result):
    return [rank["pages_evicted"] for rank in result.stat["ranks"]]


def more_than_a_node_has():
    mib_of_each = {1: 48, 2: 36, 3: 24}  # together more than the bound, but for one node
    result, most = watch("--memory", "64M", MEMORY, "exceed", mib_of_each[NODES],
                         1 if NODES == 3 else 2)
    expect_status(result, 0)
    require_nodes(result, NODES)
    expect(most <= BOUND + TABLE, most, "bytes are used of", BOUND)
    if NODES > 1:  # long enough for many looks
        expect(most > 40 * MIB, "at most", most, "bytes were seen")
        expect(all(count > 1000 for count in evicted(result)), "hardly evicted:", evicted(result))


def untouched_by_the_default():
    result, most = watch(MEMORY, "exceed", 8, 2)
    expect_status(result, 0)
    require_nodes(result, NODES)
    expect(evicted(result) == [0] * NODES, "evicted:", evicted(result))
    expect(most < (8 * NODES + 6) * MIB + TABLE, most, "bytes are used")


def bound_of(daemon):
    words = words_of(daemon)
    return int(words[words.index("--memory") + 1])


def half_of_ram_by_default():
    """For all private daemons of the machine together."""
    require_daemon()
    ram = min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *memory_limits_here()])
    with Job(["-n", NODES, os.environ["IDLE"]]) as job:
        job.await_lines("running", NODES)
        bounds = [bound_of(pid) for pid in job.processes("gallocyd")]
        expect(bounds == [ram // 2 // NODES] * NODES, "bounds:", bounds, "of", ram)
        job.process.terminate()
        expect_status(job.wait(), 128 + signal.SIGTERM)


def limit_of_a_control_group():
    """What may be used there is what counts, and a job that keeps to it is not killed."""
    require_daemon()
    require_no_sanitizer("it needs memory of its own")
    with memory_limit(128 * MIB) as (enter, _):
        with Job(["-n", NODES, os.environ["IDLE"]], lacking=enter) as job:
            job.await_lines("running", NODES)
            bounds = [bound_of(pid) for pid in job.processes("gallocyd")]
            expect(bounds == [64 * MIB // NODES] * NODES, "bounds:", bounds)
            job.process.terminate()
            expect_status(job.wait(), 128 + signal.SIGTERM)
        result = run("-n", NODES, MEMORY, "malloc", 19, lacking=enter)
        expect_status(result, 0)
        expect(result.err == "", result)


def more_than_a_control_group_may_have():
    """A warning at the start, since a sparse program may well go on; one that fills it is killed
    by the kernel, and that is said."""
    require_daemon()
    with memory_limit(128 * MIB) as (enter, limit):
        much = ("--memory", "1G", MEMORY, "exceed")
        warning = (f"gallocy-run: warning: {NODES} node{'s' * (NODES > 1)} of 1024 MiB may take "
                   f"more than the 128 MiB that its control group may have ({limit}); if the job "
                   "fills that, the kernel kills it: give a smaller --memory")
        result = run("-n", NODES, *much, 8, 2, lacking=enter)
        expect_status(result, 0)
        expect(result.err == warning + "\n", result)
        result = run("-n", NODES, *much, 200, 2, lacking=enter, left_wait_s=5)
        expect(result.status != 0 and result.err.startswith(warning), result)
        if result.status > 0:  # or gallocy-run was killed itself
            expect("the kernel has killed a process for lack of memory meanwhile" in result.err,
                   result)


def malloc_until_there_is_no_more():
    result, most = watch("--memory", "64M", MEMORY, "malloc", 46)  # a block is 1 MiB
    expect_status(result, 0)
    require_nodes(result, NODES)
    expect(most <= BOUND + TABLE, most, "bytes are used of", BOUND)


def freed_by_one_rank_for_the_next():
    """What a rank keeps of what it has freed leaves room for all others."""
    for mib in (4, 10, 20, 30, 40):
        expect_status(watch("--memory", "64M", MEMORY, "turns", mib)[0], 0)


def allocated_first_and_filled_later():
    """What one node could not hold is another's from the start, though nothing is touched yet."""
    result, _ = watch("--memory", "64M", MEMORY, "fill", 40, NODES)
    expect_status(result, 0)
    expect(result.err == "", result)
    require_nodes(result, NODES)


def filled_by_three_threads():
    """No block is lent that there is no room for when all of them are filled."""
    for kib in (5 << 10, 10 << 10, 20 << 10, 30 << 10):
        expect_no_complaint("together", kib)


def freed_while_the_owner_waits():
    """What a rank's blocks were can be had by others though it does nothing itself."""
    for kib in (100, 700, 5000):
        result, _ = watch("--memory", "64M", MEMORY, "elsewhere", kib)
        expect_status(result, 0)
        require_nodes(result, NODES)


def untouched_is_given_back_at_the_bound():
    result, _ = watch("--memory", "32M", MEMORY, "untouched", 700)
    expect_status(result, 0)
    require_nodes(result, NODES)


def filled_by_smaller_and_smaller_blocks():
    """What a large block leaves of its last chunk is as much memory as any other."""
    expect_no_complaint("together", 1500, 500)
    expect_no_complaint("together", 2300, 1200, 300, 20, 1)


def grown_where_they_are():
    """So is that by which a block grows."""
    expect_no_complaint("grow", 2246, 3906)  # within its last chunk
    expect_no_complaint("grow", 1200, 5000)
    expect_no_complaint("grow", 290, 480)


def expect_no_complaint(*arguments):
    result = run("-n", NODES, "--memory", "64M", MEMORY, *arguments)
    expect_status(result, 0)
    expect(result.err == "", result)


def sparse_memory_ends_with_a_sentence():
    """Whether the writer has a copy of the page already or not."""
    require_daemon()
    for what in ("sparse", "seen"):
        result = run("-n", NODES, "--memory", "64M", MEMORY, what, NODES - 1)
        expect_status(result, 128 + 7)
        lines = [line for line in result.err.splitlines() if "has no memory left" in line]
        expect(len(lines) == 1 and "node 0 has no memory left for the page at 0x55" in lines[0]
               and "64 MiB (--memory)" in lines[0], "not one sentence:", result)


def bound_too_small():
    require_daemon()
    result = run("-n", NODES, "--memory", "1M", MEMORY, "exceed", 1, 1)
    expect_status(result, 64)
    expect("at least 16M" in result.err, result)


def no_room_for_another_job():
    """Two jobs on daemons that have room for one: the second is refused, the first loses nothing,
    and afterwards there is room again."""
    require_daemon()
    job_of = ("-n", NODES, "--memory", "64M", MEMORY)
    with Daemons("--memory", "96M", count=NODES) as daemons:
        with holding_job(daemons.option, *job_of, "hold", 40, stat=True) as go_on:
            second = run(daemons.option, *job_of, "exceed", 8, 1)
            expect_status(second, 70)
            last = second.last_line()
            expect("has 32 MiB left of its 96 MiB for jobs, and 64 MiB are needed" in last and
                   "gallocy-run --memory" in last, second)
            expect(second.out == "", "the program ran:", second)
            result = go_on()
            expect_status(result, 0)
            require_nodes(result, NODES)
        result = run(daemons.option, *job_of, "exceed", 40, 1, stat=True)
        expect_status(result, 0)
        require_nodes(result, NODES)
        wait_for(lambda: all(resident_bytes(daemon.pid) == 0 for daemon in daemons.processes), 10,
                 "the daemons give up the memory of jobs that are over")


def all_of_it_for_each_in_turn():
    """Jobs that each need all memory of their daemons, begun as soon as the one before has ended:
    in order, by a signal, and because a rank was killed."""
    require_daemon()
    everything = ("--memory", "64M")
    with Daemons(*everything, count=NODES) as daemons:
        def job_of(*program):
            return Job([daemons.option, "-n", NODES, *everything, *program])

        def expect_end(job, status):
            expect_status(job.wait(), status)
            used = [resident_bytes(daemon.pid) for daemon in daemons.processes]
            expect(used == [0] * NODES, "memory of the job is still in use:", used)

        for _ in range(3):
            with job_of(MEMORY, "exceed", 4, 1) as job:
                expect_end(job, 0)
            with job_of(os.environ["IDLE"]) as job:
                job.await_lines("running", NODES)
                job.process.terminate()
                expect_end(job, 128 + signal.SIGTERM)
            with job_of(os.environ["IDLE"]) as job:
                kill(int(job.await_lines("running", NODES)[-1]))
                expect_end(job, 128 + signal.SIGKILL)


main(more_than_a_node_has, untouched_by_the_default, half_of_ram_by_default,
     limit_of_a_control_group, more_than_a_control_group_may_have,
     malloc_until_there_is_no_more, freed_by_one_rank_for_the_next,
     allocated_first_and_filled_later, filled_by_three_threads,
     freed_while_the_owner_waits, untouched_is_given_back_at_the_bound,
     filled_by_smaller_and_smaller_blocks, grown_where_they_are,
     sparse_memory_ends_with_a_sentence, bound_too_small,
     no_room_for_another_job, all_of_it_for_each_in_turn, chosen=[sys.argv[1]])
