"""The command line of scripts/bench. Run by itself it only judges one: exits 64 if it is wrong."""
import argparse
import sys

from figures import FIGURES

EXIT_USAGE = 64


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"bench: {message}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def parse(words):
    ids = [figure.id for figure in FIGURES]
    parser = Parser(prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                    description="Measures gallocy against what cannot be had faster, in turns on "
                                "the same CPUs.",
                    epilog="ids: " + " ".join(ids) + "\n\nThe build folder is build-bench, or "
                           "$GALLOCY_BUILD. Takes up to 15 minutes for everything.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="what to measure; everything if none")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--quick", action="store_true",
                        help="two short rounds instead of five: to see that it works")
    parser.add_argument("--breakdown", action="store_true",
                        help="instead of figures: where the time of a remote fault goes")
    parser.add_argument("--pictures", metavar="FOLDER",
                        help="with --breakdown: draw it, and how fault times are distributed, into "
                             "FOLDER")
    chosen = parser.parse_args(words)
    unknown = [one for one in chosen.ids if one not in ids]
    if unknown:
        parser.error(f"no such id: {', '.join(unknown)}; see --help")
    if chosen.breakdown and (chosen.ids or chosen.json or chosen.quick):
        parser.error("--breakdown takes neither ids nor --json nor --quick")
    if chosen.pictures and not chosen.breakdown:
        parser.error("--pictures goes with --breakdown")
    return chosen


if __name__ == "__main__":
    parse(sys.argv[1:])
