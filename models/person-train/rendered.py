#!/usr/bin/env python3
"""Frames of rendered scenes as training pictures: streets seen from masts and from the ground, people who lie, sit and curl up, lamps, warm
bonnets, dogs. They show what no labelled recording shows, and are no more real than the renderer.

    python rendered.py --patrol ../../target/release/patrol --out runs/rendered
"""

import argparse
import glob
import json
import os
import subprocess

import cv2
import numpy as np

from pictures import Frame

SCENES = [
    "winter-street", "nadir-drone", "empty-street", "waiting-people", "lying-any-angle", "group", "two-cameras", "quilt", "doorway", "bus-stop",
    "bending", "dogs", "steam", "snow", "wet-night", "mast-sway", "drone-flight", "ground-level",
]
# Seeds that no test, demo or published figure uses.
SEEDS = range(770001, 770009)
SECONDS = 160
EVERY_S = 16
# Less visible than this is no example; less than the second, and it is not to be punished either.
VISIBLE_MIN, IGNORED_MIN = 0.45, 0.05


def render(patrol, out):
    for scene in SCENES:
        for seed in SEEDS:
            folder = os.path.join(out, f"{scene}-{seed}")
            if not os.path.exists(os.path.join(folder, "truth.json")):
                words = [patrol, "sim", "scene", scene, "--seed", str(seed), "--seconds", str(SECONDS), "--out", folder]
                subprocess.run(words, check=True, stderr=subprocess.DEVNULL)


def load(out):
    """Frames of all thermal cameras of the scenes below `out`."""
    frames = []
    for path in sorted(glob.glob(os.path.join(out, "*", "truth.json"))):
        folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as file:
            truth = json.load(file)
        with open(os.path.join(folder, "pipeline.toml"), encoding="utf-8") as file:
            written = file.read()
        for camera in truth["cameras"]:
            if not is_thermal(written, camera):
                continue
            seen = {}
            for person in truth["people"]:
                for sight in person["seen"]:
                    if sight["camera"] == camera:
                        seen.setdefault(round(sight["t_s"]), []).append((sight["box"], sight["visible"]))
            video = cv2.VideoCapture(os.path.join(folder, f"video-{camera}.mp4"))
            fps = video.get(cv2.CAP_PROP_FPS)
            for number in range(int(video.get(cv2.CAP_PROP_FRAME_COUNT))):
                second = number / fps
                if not video.grab():
                    break
                if second % EVERY_S >= 1 / fps:
                    continue
                _, picture = video.retrieve()
                here = seen.get(round(second), [])
                people = np.array([box for box, visible in here if visible >= VISIBLE_MIN], np.float32).reshape(-1, 4)
                ignored = np.array([box for box, visible in here if IGNORED_MIN < visible < VISIBLE_MIN], np.float32).reshape(-1, 4)
                grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
                none = np.zeros((0, 4), np.float32)
                frames.append(Frame(f"{folder}/{camera}/{number}", grey, "rendered", 1, 0.0, 0.0, people, none, none, ignored))
    return frames


def is_thermal(written, camera):
    """Whether the pipeline that `sim` wrote has this camera as thermal."""
    part = written.split(f'id = "{camera}"', 1)[-1].split("[[camera]]", 1)[0]
    return 'modality = "thermal"' in part


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patrol", required=True, help="the patrol command")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    render(args.patrol, args.out)
    frames = load(args.out)
    print(f"{len(frames)} frames, {sum(len(frame.people) for frame in frames)} people -> {args.out}")


if __name__ == "__main__":
    main()
