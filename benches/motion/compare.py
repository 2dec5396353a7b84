"""People tracked from a moving drone, with and without its motion taken off: IDF1 and MOTA on flights of HIT-UAV.

    pip install opencv-python motmetrics scipy numpy
    cargo build -p patrol-pipeline --example motion_tracks
    PATROL_DATA=... python benches/motion/compare.py --ours target/debug/examples/motion_tracks --work FOLDER [--draw] [--hot-spot]

The frames of a flight are taken in the order of their numbers. They are about one a second, by the speed of the people in them: at two a second all
walkers would run at 6 m/s. HIT-UAV labels boxes, not identities; the truth is linked here, by other
means than those that are judged: ORB features and MAGSAC give the camera's motion from frame to frame, checked by the correlation of the
warped frame; boxes are then linked by distance after compensation, with the person's own speed, over at most two frames without a label. Frames are
missing from the set here and there: where the camera's motion cannot be found, or is more than a drone makes between two frames, every
true track ends; nobody is asked to hold an identity that we do not know ourselves.

`live`: what the tracker says in each frame, its confirmed tracks. `whole`: the tracks that are confirmed sooner or later, from their first box; three
hits confirm, and the flights are so cut up that most people are in view for a few frames only.

`label`: the labels' boxes as detections. `hot-spot`: our own detector's. Each is tracked with the camera's motion taken off and without.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
from collections import defaultdict

import cv2
import motmetrics
import numpy as np
from scipy.optimize import linear_sum_assignment

# name, first and last frame number, angle below the horizon; altitude 60 m.
FLIGHTS = [("1_60_50_0", 281, 407, 50), ("1_60_60_0", 408, 539, 60), ("1_60_70_0", 540, 639, 70), ("1_60_30_0", 0, 149, 30), ("1_60_80_0", 640, 708, 80)]
CUT_PX, CUT_DEG = 100, 8
MEASURES = ["idf1", "mota", "num_switches"]
HFOV_DEG, WIDTH, HEIGHT = 45.5, 640, 512


def flight(data, name, first, last):
    """Frames in order: grey picture, person boxes, boxes not to be asked for."""
    said = json.loads((data / "hit-uav/train.json").read_text())
    people, ignored = defaultdict(list), defaultdict(list)
    for a in said["annotations"]:
        if a.get("iscrowd"):
            ignored[a["image_id"]].append(a["bbox"])
        elif a["category_id"] == 1:
            people[a["image_id"]].append(a["bbox"])
    frames = []
    for image in said["images"]:
        match = re.match(r"(\d_\d+_\d+_\d)_(\d+)\.", pathlib.Path(image["file_name"]).name)
        if match and match[1] == name and first <= int(match[2]) <= last:
            frames.append((int(match[2]), data / "hit-uav" / image["file_name"], people[image["id"]], ignored[image["id"]]))
    frames.sort(key=lambda frame: frame[0])
    return [(n, cv2.imread(str(p), cv2.IMREAD_GRAYSCALE), np.array(b, float).reshape(-1, 4), np.array(i, float).reshape(-1, 4)) for n, p, b, i in frames]


def camera_motion(before, now, boxes_before, boxes_now):
    """Homography from `before` to `now` by ORB, or None; and how well it explains the picture."""
    equalise = cv2.createCLAHE(3.0, (8, 8))
    a, b = equalise.apply(before), equalise.apply(now)

    def mask(boxes):
        m = np.full(before.shape, 255, np.uint8)
        for x, y, w, h in boxes:
            m[max(0, int(y - 4)):int(y + h + 4), max(0, int(x - 4)):int(x + w + 4)] = 0
        return m

    orb = cv2.ORB_create(3000, fastThreshold=5)
    ka, da = orb.detectAndCompute(a, mask(boxes_before))
    kb, db = orb.detectAndCompute(b, mask(boxes_now))
    candidates = [np.eye(3)]
    if da is not None and db is not None:
        pairs = [p for p in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(da, db, k=2) if len(p) == 2 and p[0].distance < 0.85 * p[1].distance]
        if len(pairs) >= 12:
            src = np.float32([ka[p[0].queryIdx].pt for p in pairs])
            dst = np.float32([kb[p[0].trainIdx].pt for p in pairs])
            for motion, _ in (cv2.findHomography(src, dst, cv2.USAC_MAGSAC, 2.0, maxIters=5000, confidence=0.999),
                              cv2.estimateAffinePartial2D(src, dst, ransacReprojThreshold=2.0, maxIters=5000)):
                if motion is not None:
                    candidates.append(np.vstack([motion, [0, 0, 1]]) if motion.shape == (2, 3) else motion)
    scored = [(explained(a, b, motion), index) for index, motion in enumerate(candidates)]
    score, best = max(scored)
    # Standing still is believed unless another motion explains more.
    if scored[0][0] > score - 0.01:
        score, best = scored[0]
    return (candidates[best] if score > 0.5 else None), score


def explained(a, b, motion):
    """Mean correlation of blocks of 64 pixels that have structure."""
    corners = cv2.perspectiveTransform(np.float32([[[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]]), motion)[0]
    if not np.isfinite(corners).all() or not 0.3 < cv2.contourArea(corners.astype(np.float32)) / (WIDTH * HEIGHT) < 3:
        return -1.0
    warped = cv2.warpPerspective(a, motion, (WIDTH, HEIGHT))
    inside = cv2.warpPerspective(np.full(a.shape, 255, np.uint8), motion, (WIDTH, HEIGHT))
    found = []
    for y in range(0, HEIGHT - 63, 64):
        for x in range(0, WIDTH - 63, 64):
            if inside[y:y + 64, x:x + 64].min() == 255:
                p = cv2.GaussianBlur(warped[y:y + 64, x:x + 64].astype(float), (0, 0), 2)
                q = cv2.GaussianBlur(b[y:y + 64, x:x + 64].astype(float), (0, 0), 2)
                if p.std() > 8 and q.std() > 8:
                    found.append(np.corrcoef(p.ravel(), q.ravel())[0, 1])
    return float(np.median(found)) if len(found) >= 4 else -1.0


def carry(motion, points):
    return cv2.perspectiveTransform(np.float32(points).reshape(1, -1, 2), motion)[0] if len(points) else np.zeros((0, 2))


def is_cut(motion):
    """Unknown, or more than a drone turns or flies between two frames: the set has left out what was between."""
    if motion is None:
        return True
    centre, aside = carry(motion, [[320, 256], [420, 256]])
    return np.linalg.norm(centre - [320, 256]) > CUT_PX or abs(np.degrees(np.arctan2(aside[1] - centre[1], aside[0] - centre[0]))) > CUT_DEG


def link(frames):
    """True tracks: per frame a list of ids. Also the camera's motion to each frame from the one before, and doubtful steps.

    In three rounds: who hardly moved, who is where his speed takes him, and who began to move and is found again at twice the way one frame later."""
    motions = [None] + [camera_motion(a[1], b[1], a[2], b[2])[0] for a, b in zip(frames, frames[1:])]
    centres = [f[2][:, :2] + f[2][:, 2:] / 2 for f in frames]
    next_id, live, ids, doubtful = 1, [], [], []
    for index, (number, _, boxes, _) in enumerate(frames):
        here, given = centres[index], [0] * len(boxes)
        if index and is_cut(motions[index]):
            live = []
        elif index:
            for person in live:
                ends = carry(motions[index], [person["at"], person["at"] + person["step"]])
                person["at"], person["step"] = ends[0], ends[1] - ends[0]
                person["unseen"] += 1
        onward = index + 1 < len(frames) and not is_cut(motions[index + 1])
        after, to_after = (centres[index + 1], motions[index + 1]) if onward else (np.zeros((0, 2)), None)

        def goes_on(person, j):
            """Whether somebody is where he would come to next."""
            if not len(after):
                return False
            step = (here[j] - person["at"]) / person["unseen"]
            ahead = carry(to_after, [here[j] + step])[0]
            return np.linalg.norm(after - ahead, axis=1).min() < 0.6 * person["side"]

        for round_ in range(3):
            open_people = [p for p in live if p["unseen"] > 0]
            open_boxes = [j for j in range(len(boxes)) if not given[j]]
            cost = np.full((len(open_people), len(open_boxes)), 1e3)
            for i, person in enumerate(open_people):
                side = person["side"]
                for k, j in enumerate(open_boxes):
                    stay = np.linalg.norm(here[j] - person["at"]) / side
                    go = np.linalg.norm(here[j] - person["at"] - person["step"] * person["unseen"]) / side
                    if round_ == 0 and stay < 0.4 and (person["hits"] == 1 or np.linalg.norm(person["step"]) < 0.5 * side):
                        cost[i, k] = stay
                    elif round_ == 1 and person["hits"] > 1 and go < 0.7 + 0.2 * (person["unseen"] - 1):
                        cost[i, k] = go
                    elif round_ == 2 and person["unseen"] == 1 and stay < 2.2 and (goes_on(person, j) or stay < 1.0):
                        cost[i, k] = stay
            rows, columns = linear_sum_assignment(cost) if cost.size else ([], [])
            for i, k in zip(rows, columns):
                if cost[i, k] > 100:
                    continue
                person, j = open_people[i], open_boxes[k]
                others = [cost[i, c] for c in range(cost.shape[1]) if c != k] + [cost[r, k] for r in range(cost.shape[0]) if r != i]
                if others and min(others) < cost[i, k] + 0.25:
                    doubtful.append((number, person["id"]))
                step = (here[j] - person["at"]) / person["unseen"]
                person.update(step=step, at=here[j], unseen=0, hits=person["hits"] + 1, side=max(boxes[j, 2:]))
                given[j] = person["id"]
        for j in range(len(boxes)):
            if not given[j]:
                given[j] = next_id
                live.append(dict(id=next_id, at=here[j], step=np.zeros(2), unseen=0, hits=1, side=max(boxes[j, 2:])))
                next_id += 1
        live = [person for person in live if person["unseen"] <= 2]
        ids.append(given)
    return ids, motions, doubtful


def iou_distances(a, b):
    if len(a) == 0 or len(b) == 0:
        return np.empty((len(a), len(b)))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    iou = shared / (np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None, :] - shared)
    return np.where(iou >= 0.3, 1 - iou, np.nan)


def score(frames, ids, tracks):
    """A person of 20 pixels at IoU 0.3: the tracker smooths its boxes, and 3 px of that are an IoU of 0.5."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for (_, _, boxes, ignored), true_ids, found in zip(frames, ids, tracks):
        said = np.array([box for _, box in found]).reshape(-1, 4)
        names = [track for track, _ in found]
        if len(ignored) and len(said):
            centres = said[:, :2] + said[:, 2:] / 2
            drop = [any(x <= cx <= x + w and y <= cy <= y + h for x, y, w, h in ignored) for cx, cy in centres]
            matched = np.isfinite(iou_distances(boxes, said)).any(axis=0) if len(boxes) else np.zeros(len(said), bool)
            keep = [k for k in range(len(said)) if not drop[k] or matched[k]]
            said, names = said[keep], [names[k] for k in keep]
        accumulator.update(true_ids, names, iou_distances(boxes, said))
    return accumulator


def ours(program, fps, folder, detections, name, compensate, gsd_m):
    tracks, motions = folder / f"{name}.txt", folder / f"{name}.motions.txt"
    flags = ([] if compensate else ["--no-compensation"]) + (["--hot-spot", str(gsd_m)] if gsd_m else [])
    subprocess.run([program, *flags, str(fps), folder, detections, tracks, motions], check=True)
    rows = [[float(v) for v in line.split(",")] for line in tracks.read_text().splitlines()]
    told = {int(row[1]) for row in rows if row[8] == 1}
    found, whole = defaultdict(list), defaultdict(list)
    for frame, track, x, y, w, h, _, _, confirmed, _ in rows:
        if int(track) in told:
            whole[int(frame)].append((int(track), np.array([x, y, w, h])))
        if confirmed:
            found[int(frame)].append((int(track), np.array([x, y, w, h])))
    moved = [line.split(",") for line in motions.read_text().splitlines()]
    return found, whole, moved


def draw(folder, frames, found, name):
    colours = np.random.default_rng(3).integers(80, 256, (4096, 3)).tolist()
    for index, (number, grey, _, _) in enumerate(frames):
        picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        for track, (x, y, w, h) in found[index + 1]:
            colour = colours[track % 4096]
            cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), colour, 1)
            cv2.putText(picture, str(track), (int(x), int(y) - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
        cv2.putText(picture, str(number), (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255), 1)
        cv2.imwrite(str(folder / f"{name}.{number:05d}.png"), picture)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--ours", required=True)
    arguments.add_argument("--work", required=True, type=pathlib.Path)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--fps", type=float, default=1.0)
    arguments.add_argument("--draw", action="store_true")
    arguments.add_argument("--hot-spot", action="store_true")
    options = arguments.parse_args()
    data = pathlib.Path(os.environ["PATROL_DATA"])
    print("| flight | frames | people boxes / tracks | detections | camera | moved / still / unknown (truth: moved / cut) | live: IDF1 / MOTA / switches | whole |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    totals = defaultdict(list)
    for name, first, last, angle in FLIGHTS:
        if options.only not in name:
            continue
        frames = flight(data, name, first, last)
        folder = options.work / name
        folder.mkdir(parents=True, exist_ok=True)
        ids, motions, doubtful = link(frames)
        lines = []
        for index, (number, grey, boxes, _) in enumerate(frames, 1):
            cv2.imwrite(str(folder / f"{number:05d}.pgm"), grey)
            lines += [f"{index},-1,{x},{y},{w},{h},0.9" for x, y, w, h in boxes]
        detections = folder / "det.txt"
        detections.write_text("\n".join(lines) + "\n")
        if options.draw:
            draw(folder, frames, {i + 1: list(zip(g, f[2])) for i, (g, f) in enumerate(zip(ids, frames))}, "truth")
        truth_moved = sum(not is_cut(m) and np.abs(carry(m, [[320, 256]]) - [320, 256]).max() > 2 for m in motions)
        truth_lost = sum(is_cut(m) for m in motions[1:])
        gsd_m = 60 / np.sin(np.radians(angle)) / (WIDTH / 2 / np.tan(np.radians(HFOV_DEG / 2)))
        people = len({i for given in ids for i in given})
        for kind in ["label"] + (["hot-spot"] if options.hot_spot else []):
            for compensate in (True, False):
                run = f"{kind}-{'on' if compensate else 'off'}"
                found, whole, moved = ours(options.ours, options.fps, folder, detections, run, compensate, gsd_m if kind == "hot-spot" else None)
                measured = []
                for how, said in (("live", found), ("whole", whole)):
                    accumulator = score(frames, ids, [said[i] for i in range(1, len(frames) + 1)])
                    totals[run, how].append(accumulator)
                    measured.append(motmetrics.metrics.create().compute(accumulator, metrics=MEASURES).iloc[0])
                kinds = [line[1] for line in moved[1:]]
                counts = " / ".join(str(kinds.count(k)) for k in ("moved", "still", "unknown"))
                print(f"| {name} | {len(frames)} | {sum(len(f[2]) for f in frames)} / {people} | {kind} | {'taken off' if compensate else 'as it is'} "
                      f"| {counts} ({truth_moved} / {truth_lost}) | " + " | ".join(row(m) for m in measured) + " |", flush=True)
                if options.draw:
                    draw(folder, frames, whole, run)
                if compensate and kind == "label":
                    compare_motions(motions, moved)
        print(f"  doubtful links: {len(doubtful)}", doubtful[:12])
    host = motmetrics.metrics.create()
    for (run, how), accumulators in totals.items():
        names = [str(i) for i in range(len(accumulators))]
        print(f"| all | {run} | {how} | {row(host.compute_many(accumulators, metrics=MEASURES, names=names, generate_overall=True).loc['OVERALL'])} |")


def row(measured):
    return f"{measured['idf1']:.3f} / {measured['mota']:.3f} / {measured['num_switches']:.0f}"


def compare_motions(motions, moved):
    """Our motion against ORB's: pixels apart, as a mean over nine points of the picture that stay in view."""
    grid = np.array([[x, y] for x in (100, 320, 540) for y in (80, 256, 432)], float)
    apart, lost, wrong_still = [], 0, []
    for truth, line in zip(motions[1:], moved[1:]):
        if is_cut(truth):
            continue
        if line[1] == "unknown":
            lost += 1
            continue
        mine = np.array([float(v) for v in line[4:13]]).reshape(3, 3)
        there = carry(truth, grid)
        inside = (there >= 0).all(axis=1) & (there[:, 0] < WIDTH) & (there[:, 1] < HEIGHT)
        if inside.any():
            off = np.linalg.norm(there - carry(mine, grid), axis=1)[inside].mean()
            apart.append(off)
            if off > 4:
                wrong_still.append((int(line[0]), line[1], round(float(off), 1)))
    milliseconds = {kind: np.median([float(line[3]) for line in moved[1:] if line[1] == kind] or [np.nan]) for kind in ("still", "moved", "unknown")}
    print(f"  against ORB: median {np.median(apart):.2f} px, 90 % {np.percentile(apart, 90):.2f}, worst {np.max(apart):.1f}; unknown to us only {lost}; ms {milliseconds}; > 4 px: {wrong_still}")


if __name__ == "__main__":
    main()
