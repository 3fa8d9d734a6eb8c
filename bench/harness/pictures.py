"""Draws, by gnuplot, what --breakdown has measured: two small SVG files."""
import os
import subprocess

import report
from breakdown import NAMES
from figures import PAGE_TRIP

QUANTILES = 200
AXIS_PERCENT = 98  # what is slower is the scheduler's; the axis ends there
COLOURS = ("#4c72b0", "#8fb0e0", "#c3d5f0", "#dd8452", "#55a868", "#a3d9a5", "#eeb27d", "#8172b3",
           "#c0b8dd")


def draw(script, path):
    command = (f"set terminal svg size 840,420 font 'sans,13' background 'white'\n"
               f"set output '{path}'\n{script}")
    try:
        subprocess.run(["gnuplot"], input=command, text=True, check=True, timeout=60)
    except FileNotFoundError:
        raise SystemExit("bench: gnuplot is not installed (Debian: gnuplot-nox)") from None


def block(name, rows):
    """Data that the script carries in itself."""
    lines = "\n".join(" ".join(map(str, row)) for row in rows)
    return f"${name} << EOD\n{lines}\nEOD\n"


def distribution_of(samples):
    ordered = sorted(samples)
    return [(f"{ordered[min(len(ordered) - 1, len(ordered) * i // QUANTILES)]:.2f}",
             f"{100 * i / QUANTILES:.1f}") for i in range(QUANTILES + 1)]


def draw_distribution(curves, path):
    """curves: {title: samples in microseconds}."""
    script, plots = "", []
    for number, (title, samples) in enumerate(curves.items()):
        script += block(f"curve{number}", distribution_of(samples))
        plots.append(f"$curve{number} using 1:2 with lines lw 2 title '{title}'")
    right = max(report.percentile(samples, AXIS_PERCENT) for samples in curves.values())
    script += (f"set xrange [0:{min(right, 250):.0f}]\nset yrange [0:100]\nset grid\n"
               "set key right bottom noenhanced\nset xlabel 'microseconds'\n"
               "set ylabel '% that took no longer'\nplot " + ", ".join(plots) + "\n")
    draw(script, path)


def draw_breakdown(all_, path):
    rows = [(f'"{one.name}"', *(f"{value:.2f}" for value in one.typical())) for one in all_]
    plots = [f"$stages using {column}{':xtic(1)' if column == 2 else ''} title '{name}' "
             f"lc rgb '{COLOURS[column - 2]}'" for column, name in enumerate(NAMES, start=2)]
    draw(block("stages", rows)
         + "set style data histograms\nset style histogram rowstacked\nset style fill solid 1\n"
           "set boxwidth 0.6\nset key outside right reverse Left invert noenhanced\n"
           "set xtics noenhanced\nset yrange [0:*]\nset grid y\n"
           "set ylabel 'microseconds up to each step, of typical faults'\nplot "
         + ", ".join(plots) + "\n", path)


def draw_all(machine, all_, folder):
    curves = {}
    for one in all_:
        if one.kind == "read_fault":
            curves[one.name] = one.plain_us
            curves[f"raw TCP round trip, {one.placement}"] = machine.floor(
                PAGE_TRIP, one.placement, len(one.plain_us))
    os.makedirs(folder, exist_ok=True)
    draw_distribution(curves, os.path.join(folder, "fault_latency.svg"))
    draw_breakdown(all_, os.path.join(folder, "breakdown.svg"))
