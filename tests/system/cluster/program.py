"""program.py GALLOCY_RUN NODES PROGRAM [ARG...]: the program ends with OK on that many nodes."""
from cluster import main, require, require_nodes, run_program


def test(gallocy_run, nodes, *command):
    output, errors, statistics = run_program(gallocy_run, int(nodes), command)
    require(output.splitlines()[-1:] == ["OK"], "no OK:", output, errors)
    require_nodes(statistics, int(nodes))


main(test)
