#!/usr/bin/env python3
"""Measures a visible model's `[calibration]`: at which of its own scores it gives as many false boxes a picture of `val` as YOLOX-nano gives at a score.

    PATROL_DATA=... python calibrate.py --patrol ../../target/release/patrol --card ../visible-person-s
"""

import argparse
import collections
import json
import os
import re
import subprocess
import tempfile

import numpy as np

import measure
import visible

SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
# False boxes a picture of YOLOX-nano at these scores: `calibrate.py --card ../yolox-nano` on people-visible `val`.
REFERENCE = (3.188, 1.612, 1.0, 0.67, 0.455, 0.278, 0.133, 0.032)


def uncalibrated(card, folder):
    """A copy of the card without its calibration."""
    with open(os.path.join(card, "model.toml"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"\n\[calibration\].*?(?=\n\[|\Z)", "\n", text, flags=re.S)
    text = re.sub(r'(?m)^file = "(.*)"', lambda found: f'file = "{os.path.abspath(os.path.join(card, found[1]))}"', text)
    path = os.path.join(folder, "model.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def false_scores(patrol, card, data):
    """Scores of all false boxes on `val`, highest first, and the number of pictures."""
    with tempfile.TemporaryDirectory() as folder:
        out, pictures = os.path.join(folder, "found.json"), os.path.join(data, "people-visible")
        words = [patrol, "detect", "--model", uncalibrated(card, folder), "--images", os.path.join(pictures, "val"), "--ann", os.path.join(pictures, "val.json"),
                 "--min-score", "0.01", "--out", out]
        subprocess.run(words, check=True)
        with open(out, encoding="utf-8") as file:
            results = json.load(file)
    found = collections.defaultdict(list)
    for result in sorted(results, key=lambda result: -result["score"]):
        x, y, w, h = result["bbox"]
        found[result["file_name"]].append((x, y, x + w, y + h, result["score"]))
    frames, scores = visible.load(data, "val"), []
    for frame in frames:
        rows = np.array(found[frame.name], np.float32).reshape(-1, 5)
        scores += [score for score, right in measure.match(rows[:, :4], rows[:, 4], frame) if not right]
    return np.sort(scores)[::-1], len(frames)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patrol", required=True, help="the patrol command")
    parser.add_argument("--card", required=True, help="folder of the model's card")
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    scores, pictures = false_scores(args.patrol, args.card, args.data)
    print("false boxes a picture at", {score: round(float((scores >= score).sum()) / pictures, 3) for score in SCORES})
    if REFERENCE:
        raw = [float(scores[min(max(round(rate * pictures), 1), len(scores)) - 1]) for rate in REFERENCE]
        points = {round(value, 4): score for value, score in zip(raw, SCORES) if 0 < value < 1}
        rising = sorted(points.items())
        print("[calibration]\nraw =", [value for value, _ in rising], "\nscore =", [score for _, score in rising])


if __name__ == "__main__":
    main()
