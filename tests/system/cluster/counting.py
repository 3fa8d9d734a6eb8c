"""counting.py GALLOCY_RUN COUNTING: after gallocy_init the client library allocates nothing."""
import sys

from cluster import Run, main, require


def test(gallocy_run, counting):
    with Run(gallocy_run, ["-n", 1, counting]) as run:
        status = run.wait(30)
        print(run.output, end="")
        if status == 77:
            sys.exit(77)
        require(status == 0 and "allocations 0," in run.output, status, run.output, run.errors)
        run.require_nothing_left()


main(test)
