"""Numbers of many rounds as one table and one JSON file."""
import json
import math
import statistics

KEYS = ("id", "unit", "ours", "floor", "ratio", "floor_is", "runs")


def median(values):
    return statistics.median(values)


def percentile(values, percent):
    """The smallest value that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def rounded(value):
    """To four significant digits: more were never measured."""
    return None if value is None else float(f"{value:.4g}")


def entry(id_, unit, rounds, floor_is):
    """The object of one figure; rounds: (ours, floor) of each, floor None if there is none."""
    ours = median([one[0] for one in rounds])
    floors = [one[1] for one in rounds if one[1] is not None]
    floor = median(floors) if floors else None
    return {"id": id_, "unit": unit, "ours": rounded(ours), "floor": rounded(floor),
            "ratio": rounded(ours / floor) if floor else None, "floor_is": floor_is,
            "runs": len(rounds)}


def problems_of(entries, ids):
    """What is wrong with the content of a JSON file, of which these ids are expected."""
    if not isinstance(entries, list):
        yield "it is no array"
        return
    for one in entries:
        if not isinstance(one, dict) or tuple(sorted(one)) != tuple(sorted(KEYS)):
            yield f"not an object of {', '.join(KEYS)}: {one}"
            continue
        numbers = [one["ours"]] + ([] if one["floor"] is None else [one["floor"], one["ratio"]])
        if not all(isinstance(number, float) and math.isfinite(number) and number >= 0
                   for number in numbers):
            yield f"{one['id']}: not all numbers are: {one}"
            continue
        if not isinstance(one["runs"], int) or one["runs"] < 1:
            yield f"{one['id']}: was not run: {one}"
        if one["floor"] and abs(one["ours"] / one["floor"] - one["ratio"]) > 0.01 * one["ratio"]:
            yield f"{one['id']}: the ratio is another: {one}"
    found = [one.get("id") for one in entries if isinstance(one, dict)]
    if sorted(found) != sorted(ids):
        yield f"ids {sorted(set(found) ^ set(ids))} are missing, too many or there twice"


def text_of(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def table(header, rows):
    """Lines of aligned columns; the last one is not padded."""
    cells = [tuple(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]])
             for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def write_json(path, entries):
    with open(path, "w") as file:
        json.dump(entries, file, indent=1)
        file.write("\n")
