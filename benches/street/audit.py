"""How long each camera of `patrol sim street` really went unseen, read from the pictures themselves.

    patrol sim street --cameras 8 --sent sent.csv --write-pipeline street …
    patrol run street --looks looks.csv --looks-strips strips
    python benches/street/audit.py looks.csv strips --promise 1 [--limit 3] [--skip 30 | --since UNIX] [--until UNIX] [--flapping 0,1] [--sent sent.csv] [--json]

It believes nothing the patrol says of itself but *that* it looked (a line of looks.csv) and what it looked at (the strip). When a picture was
taken, and by which camera, it reads from the block code in the strip; cameras are numbered by the digits at the end of their ids.

The blind interval at any moment is that moment minus the capture of the newest picture that was examined or unchanged. It is longest right before a
look ends: its maximum over a run is the largest (end of a look − capture of the one before). Given with it: the longest time between two captures.
With `--until` what comes later does not count, and `open_s` is how old the newest picture of each camera was then: a camera that nobody looked at
any more has no next look to tell.

Exit 1: a picture was shown under another camera's name, a code could not be read, or a camera that does not flap was blind for longer than the limit.
For cameras that flap (`--flapping`), given when the server sent to them (`--sent`) and how long it is down each time (`--down`): how long after its
return the first look ended. The server goes down right after the last picture before a gap.
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

from blockcode import read

KEEPS = ("examined", "unchanged")
# A server that sends nothing for this long was down; pictures come several times a second otherwise.
DOWN_S = 2.0


def number_of(camera: str) -> int:
    found = re.search(r"(\d+)$", camera)
    if found is None:
        sys.exit(f"camera {camera!r}: found no digits at the end of its id, wanted its number")
    return int(found.group(1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("looks", type=Path)
    parser.add_argument("strips", type=Path)
    parser.add_argument("--promise", type=float, required=True, help="look_every_s")
    parser.add_argument("--limit", type=float, help="longest blind interval allowed, s; default: three promises")
    parser.add_argument("--skip", type=float, default=0.0, help="seconds at the beginning that do not count: settling")
    parser.add_argument("--since", type=float, default=0.0, help="Unix time before which looks do not count: settling")
    parser.add_argument("--until", type=float, default=float("inf"), help="Unix time after which looks do not count")
    parser.add_argument("--flapping", default="", help="numbers of the cameras that go down, separated by commas")
    parser.add_argument("--down", type=float, default=5.0, help="how long the server is down each time, s")
    parser.add_argument("--sent", type=Path, help="what the server sent")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    limit = options.limit if options.limit is not None else 3 * options.promise
    flapping = {int(number) for number in options.flapping.split(",") if number}

    looks: dict[str, list[dict]] = {}
    with options.looks.open() as file:
        for row in csv.DictReader(file):
            if row["outcome"]:  # Without one the line is still being written.
                looks.setdefault(row["camera"], []).append(row)
    if not looks:
        sys.exit(f"{options.looks}: found no looks, wanted a line for each")
    begun = max(min(float(row["start_unix_s"]) for rows in looks.values() for row in rows) + options.skip, options.since)

    sent: dict[int, list[float]] = {}
    if options.sent:
        with options.sent.open() as file:
            for row in csv.DictReader(file):
                if not row["capture_unix_ms"]:
                    continue  # Still being written.
                sent.setdefault(int(row["camera"]), []).append(int(row["capture_unix_ms"]) / 1000)

    report, bad = [], False
    for camera, rows in sorted(looks.items()):
        number = number_of(camera)
        rows.sort(key=lambda row: float(row["end_unix_s"]))
        wrong, unreadable, seen = 0, 0, []
        errors, ages = [], []
        for row in rows:
            if float(row["end_unix_s"]) > options.until:
                continue
            strip = options.strips / camera / f"{row['captured_unix_s']}.jpg"
            code = read(strip) if strip.is_file() else None
            if code is None:
                unreadable += 1
                continue
            wrong += code.camera != number
            captured, end = code.unix_ms / 1000, float(row["end_unix_s"])
            errors.append(float(row["captured_unix_s"]) - captured)
            ages.append(end - captured)
            if row["outcome"] in KEEPS:
                seen.append((captured, end))
        blind, apart = 0.0, 0.0
        for (before, _), (captured, end) in zip(seen, seen[1:]):
            if end >= begun:
                blind, apart = max(blind, end - before), max(apart, captured - before)
        errors.sort()
        ages.sort()
        line = {
            "camera": camera,
            "looks": len(rows),
            "kept": len(seen),
            "other_cameras_pictures": wrong,
            "unreadable": unreadable,
            "max_blind_s": round(blind, 3),
            "max_between_captures_s": round(apart, 3),
            "captured_error_ms": [round(1000 * errors[int(q * (len(errors) - 1))]) for q in (0, 0.5, 1)] if errors else None,
            "open_s": round(options.until - seen[-1][0], 3) if seen and options.until < float("inf") else None,
            "age_at_end_ms": [round(1000 * ages[int(q * (len(ages) - 1))]) for q in (0.5, 0.99, 1)] if ages else None,
        }
        if number in flapping:
            times = sorted(sent.get(number, []))
            returns = [before + options.down for before, after in zip(times, times[1:]) if after - before > DOWN_S]
            back = [min((end - up for _, end in seen if end > up), default=None) for up in returns]
            line["returns"] = len(returns)
            line["back_after_s"] = [None if one is None else round(one, 2) for one in back]
        else:
            line["kept_promise"] = blind <= limit
            bad |= blind > limit
        bad |= wrong > 0 or unreadable > 0
        report.append(line)

    if options.json:
        print(json.dumps({"limit_s": limit, "cameras": report}, indent=1))
    else:
        for line in report:
            print("  ".join(f"{key}={value}" for key, value in line.items()))
        print("all promises kept, every picture its own camera's" if not bad else "NOT all well")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
