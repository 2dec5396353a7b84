#!/usr/bin/env python3
"""Pictures of where `run.py --keep` fell short: what was there (green, with its posture) and what was made of it (red: tracks; blue: leads).

    python benches/motionless/worst.py DIR [--most 24]

Writes DIR/worst.png (one line of pictures for each scene that fell short: whole picture and enlarged, at the moments that matter) and DIR/worst.txt (what each
shows). Needs opencv-python-headless and numpy. Nothing of it is committed.
"""

import argparse
import json
import pathlib

import cv2
import numpy as np

from common import is_on, json_lines, seen_at

CAMERA = "c1"
# Pictures of one scene, side by side; each is so wide and high, the enlarged part below it alike.
MOMENTS = 4
WIDE, HIGH = 400, 320
# Around whoever is concerned, pixels of the picture.
MARGIN = 40
GREEN, RED, BLUE, WHITE = (60, 220, 60), (60, 60, 255), (255, 140, 60), (255, 255, 255)


def boxes_at(out, t_s, every_s):
    """Tracks of the look at `t_s`: number and box. Lines count looks from 1."""
    number, found = round(t_s / every_s) + 1, []
    for line in (out / "tracks" / f"{CAMERA}.txt").read_text().splitlines():
        frame, track, x, y, w, h = (float(part) for part in line.split(",")[:6])
        if round(frame) == number:
            found.append((int(track), [x, y, w, h]))
    return found


def moments(run, truth, leads, start_ns):
    """When to look: where each false lead was made; before, during and after each person was down."""
    people = {person["id"]: person for person in truth["people"] if person["down_from_s"] is not None}
    made = [((lead["made_at"] - start_ns) / 1e9, lead["place"]["bbox"]) for lead in leads if lead["made_at"]]
    for t_s, box in made:
        box = [box[name] for name in ("x", "y", "w", "h")]
        if not any(is_on(box, seen["box"]) for person in people.values() if (seen := seen_at(person, CAMERA, t_s))):
            yield t_s, box, "false lead"
    for name, person in people.items():
        down, up = person["down_from_s"], person["down_to_s"] or max(seen["t_s"] for seen in person["seen"])
        for t_s in (down + 10, (down + up) / 2, up - 5, up + 90):
            seen = seen_at(person, CAMERA, min(t_s, up)) or seen_at(person, CAMERA, down)
            if seen:
                yield t_s, seen["box"], f"{name} down {down:.0f}-{up:.0f} s"


def draw(frame, box, colour, words=""):
    x, y, w, h = (round(value) for value in box)
    cv2.rectangle(frame, (x - 1, y - 1), (x + w + 1, y + h + 1), colour, 1)
    if words:
        cv2.putText(frame, words, (x, max(y - 4, 8)), cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour, 1, cv2.LINE_AA)


def picture(video, every_s, t_s, box, truth, tracks, leads, words):
    video.set(cv2.CAP_PROP_POS_FRAMES, max(round(t_s / every_s), 0))
    known, frame = video.read()
    if not known:
        return None
    h, w = frame.shape[:2]
    left, top = max(int(box[0]) - MARGIN, 0), max(int(box[1]) - MARGIN, 0)
    right, bottom = min(int(box[0] + box[2]) + MARGIN, w), min(int(box[1] + box[3]) + MARGIN, h)
    near = cv2.resize(frame[top:bottom, left:right], (WIDE, HIGH), interpolation=cv2.INTER_CUBIC)
    for person in truth["people"] + truth["others"]:
        seen = seen_at(person, CAMERA, t_s) if "seen" in person else None
        if seen:
            draw(frame, seen["box"], GREEN, f"{person.get('id', person.get('kind', ''))} {seen.get('posture', '')}")
    for track, bbox in tracks:
        draw(frame, bbox, RED, str(track))
    for bbox in leads:
        draw(frame, bbox, BLUE)
    whole = cv2.resize(frame, (WIDE, HIGH), interpolation=cv2.INTER_AREA)
    cv2.putText(whole, words, (6, HIGH - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, WHITE, 1, cv2.LINE_AA)
    return np.vstack([whole, near])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("runs", type=pathlib.Path, metavar="DIR")
    arguments.add_argument("--most", type=int, default=24, help="scenes at most")
    options = arguments.parse_args()
    rows, told = [], []
    for run in json.loads((options.runs / "motionless.json").read_text()):
        folder = options.runs / f"{run['row']}-{run['variant']}-{run['seed']}"
        if not run["short"] or not (folder / "scene" / "video.mp4").exists() or len(rows) == options.most:
            continue
        truth = json.loads((folder / "scene" / "truth.json").read_text())
        leads = [lead for lead in json_lines(folder / "out" / "leads.jsonl") if lead["state"] not in ("CANDIDATE", "EXPIRED")]
        video = cv2.VideoCapture(str(folder / "scene" / "video.mp4"))
        count, fps = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        every_s = 1 / fps if fps > 0 else 1.0
        start_ns = min((lead["evidence"][0]["captured"]["at"] - lead["evidence"][0]["media_time"] for lead in leads if lead["evidence"]), default=0)
        cells = []
        for t_s, box, words in moments(run, truth, leads, start_ns):
            if len(cells) == MOMENTS or t_s > count * every_s:
                continue
            shown = [[lead["place"]["bbox"][name] for name in ("x", "y", "w", "h")] for lead in leads if lead["made_at"] <= start_ns + t_s * 1e9]
            cell = picture(video, every_s, t_s, box, truth, boxes_at(folder / "out", t_s, every_s), shown, f"{t_s:.0f} s: {words}")
            if cell is not None:
                cells.append(cell)
        if not cells:
            continue
        cells += [np.zeros_like(cells[0])] * (MOMENTS - len(cells))
        told.append(f"line {len(rows) + 1}: {folder.name}: {'; '.join(run['short'])}")
        rows.append(np.hstack(cells))
    if not rows:
        raise SystemExit(f"{options.runs}: no scene fell short whose video was kept; run run.py with --out {options.runs} --keep")
    cv2.imwrite(str(options.runs / "worst.png"), np.vstack(rows))
    (options.runs / "worst.txt").write_text("\n".join(told) + "\n")
    print("\n".join(told))


if __name__ == "__main__":
    main()
