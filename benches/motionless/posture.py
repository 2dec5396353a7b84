"""How lying people are called, by camera, height, angle to the line of sight and distance; and how often others are called lying.

    python benches/motionless/posture.py --patrol target/release/patrol [--seeds 1] [--first-seed 1] [--cameras thermal-45,thermal-25,visible]
        [--heights 4,7,12] [--detectors pixels,scripted] [--out FOLDER] [--keep]

Two scenes a camera and height: people who lie at 0, 45 and 90 degrees to the line of sight, and people who stand, sit on the ground or a bench,
crouch or bend; from the nearest place that the picture shows whole to where a body is a few pixels, none behind another, all there from the first
picture to the end of 60 s at 2 pictures a second. Looks are counted by the posture that they were called. "large": the box of the truth is at least
8 x 14 px. Visible cameras are asked with `scripted` detectors alone: what counts is the posture. A number in brackets counts curled and slumped
as lying, too. Exit 1 unless at least 95 % of the looks at large people who lie are called lying, and at most 2 % of those at others.
"""

import argparse
import json
import math
import pathlib
import shutil
import tempfile

from common import DOWN, LONG_PX, SHORT_PX, draw_scene, json_lines, replay, whom
from street import View, dice, spec_text

SECONDS, FPS = 60.0, 2.0
# Horizontal field of view, picture, and how far to look, metres; the renderer shows nobody beyond 110.
CAMERAS = {
    "thermal-45": {"hfov_deg": 45.0, "size": [640, 512], "modality": "thermal", "far_m": 70.0},
    "thermal-25": {"hfov_deg": 25.0, "size": [640, 512], "modality": "thermal", "far_m": 110.0},
    "visible": {"hfov_deg": 60.0, "size": [1920, 1080], "modality": "visible", "far_m": 110.0},
}
HEAD_M = 1.9
ANGLES = (0, 45, 90)
UPRIGHT = {"stand": {}, "sit": {}, "sit-bench": {"bench": True}, "crouch": {}, "bend": {}}
STEP = 1.16
LYING_MIN, WRONG_MAX = 0.95, 0.02


def grid(kind, height_m, lying, seed):
    """A SPEC of people in every pose at every distance; ids are POSE_DISTANCE."""
    rng = dice("posture", kind, height_m, lying, seed)
    about = CAMERAS[kind]
    half_tall = about["size"][1] / about["size"][0] * math.tan(math.radians(about["hfov_deg"] / 2))
    # The upper edge just holds one who stands at the far end.
    tilt_deg = math.degrees(math.atan(half_tall) + math.atan((height_m - HEAD_M) / about["far_m"]))
    camera = {
        "id": "c1", "name": kind, "at": [0.0, 0.0], "height_m": float(height_m), "tilt_deg": tilt_deg,
        "heading_deg": rng.uniform(0, 360), "hfov_deg": about["hfov_deg"], "size": about["size"], "fps": FPS, "modality": about["modality"],
    }
    if about["modality"] == "visible":
        camera["output"] = {"light": "ir"}
    view = View(camera)
    people, boxes, distance_m = [], [], 3.0
    while distance_m <= about["far_m"]:
        poses = list(ANGLES) if lying else list(UPRIGHT)
        rng.shuffle(poses)
        for pose in poses:
            found = free_place(rng, view, camera, distance_m, boxes, (0.95, 0.4) if lying else (0.45, 1.8))
            if found is None:
                continue
            at, bearing_deg = found
            facing_deg = bearing_deg + (pose + rng.choice([0, 180]) if lying else rng.uniform(0, 360))
            step = {"do": "lie"} if lying else {"do": pose.split("-")[0], **UPRIGHT[pose]}
            name = f"{pose}_{distance_m:.1f}"
            people.append({"id": name, "at_s": -24.0, "from": at, "height_m": rng.uniform(1.6, 1.8), "steps": [{**step, "facing_deg": facing_deg}]})
        distance_m *= STEP
    return {"duration_s": SECONDS, "weather": {"air_c": -4.0, "wind_kmh": 10.0}, "camera": [camera], "person": people}


def free_place(rng, view, camera, distance_m, boxes, body):
    """A bearing at which a body is whole in the picture and overlaps nobody; its box is taken."""
    for _ in range(300):
        bearing_deg = camera["heading_deg"] + rng.uniform(-0.5, 0.5) * camera["hfov_deg"]
        at = [distance_m * math.sin(math.radians(bearing_deg)), distance_m * math.cos(math.radians(bearing_deg))]
        box = view.box(at, *body)
        if not view.holds(box, 8):
            continue
        gap = 6 + 0.1 * (box[2] - box[0])
        if all(box[2] + gap < b[0] or b[2] + gap < box[0] or box[3] + gap < b[1] or b[3] + gap < box[1] for b in boxes):
            boxes.append(box)
            return at, bearing_deg
    return None


def people_of(scene, out):
    """Of every person: pose, distance, size in the picture, and looks by the posture that they were called."""
    truth = json.loads((scene / "truth.json").read_text())
    called = {}
    for sighting in json_lines(out / "sightings.jsonl"):
        looks = called.setdefault(whom(sighting, truth), {})
        for posture, count in sighting.get("postures", {sighting["posture"]: sighting["looks"]}).items():
            looks[posture] = looks.get(posture, 0) + count
    people = []
    for person in truth["people"]:
        if not person["seen"] or person["seen"][0]["visible"] < 0.9:
            continue
        pose, distance = person["id"].split("_")
        w, h = person["seen"][0]["box"][2:]
        large = min(w, h) >= SHORT_PX and max(w, h) >= LONG_PX
        people.append({"pose": pose, "distance_m": float(distance), "box": [w, h], "large": large, "looks": called.get(person["id"], {})})
    return people


def share(people, postures):
    """Part of the looks at `people` that were called so; None without looks."""
    looks = sum(sum(person["looks"].values()) for person in people)
    return sum(person["looks"].get(posture, 0) for person in people for posture in postures) / looks if looks else None


def shown(people):
    lying, down = share(people, ["lying"]), share(people, DOWN)
    if lying is None:
        return "-"
    return f"{100 * lying:.1f} %" + (f" ({100 * down:.1f})" if down > lying else "")


def limit(people):
    """Farthest of the large ones, and nearest of the small."""
    large = [person["distance_m"] for person in people if person["large"]]
    small = [person["distance_m"] for person in people if not person["large"]]
    return f"{max(large, default=0):.0f} m / {min(small, default=math.inf):.0f} m"


def tell(name, people, lying, short):
    large, small = [p for p in people if p["large"]], [p for p in people if not p["large"]]
    seen = [f"{sum(bool(p['looks']) for p in group)}/{len(group)}" for group in (large, small)]
    called = [share(group, ["lying"]) for group in (large, small)]
    bad = called[0] is None or called[0] < LYING_MIN if lying else any(part is not None and part > WRONG_MAX for part in called)
    if bad:
        short.append(name)
    unknown = share(small, ["unknown"])
    figures = [*name, limit(people), seen[0], shown(large), seen[1], shown(small), "-" if unknown is None else f"{100 * unknown:.0f} %", "FALLS SHORT" if bad else "ok"]
    print("| " + " | ".join(str(figure) for figure in figures) + " |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--patrol", required=True, type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--first-seed", type=int, default=1)
    arguments.add_argument("--cameras", default=",".join(CAMERAS))
    arguments.add_argument("--heights", default="4,7,12", help="of the mount, metres")
    arguments.add_argument("--detectors", default="pixels,scripted")
    arguments.add_argument("--out", type=pathlib.Path)
    arguments.add_argument("--keep", action="store_true", help="keep the videos; a scene that is there is not drawn again")
    options = arguments.parse_args()
    root = options.out or pathlib.Path(tempfile.mkdtemp(prefix="posture-"))
    head = ["camera", "height m", "detectors", "pose", "large to / small from", "large seen", "large called lying", "small seen", "small called lying", "small unknown", "verdict"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    results, short = [], []
    for kind in options.cameras.split(","):
        for height_m in (int(height) for height in options.heights.split(",")):
            found = {}
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                for lying in (True, False):
                    folder = root / f"{kind}-{height_m}-{'lying' if lying else 'upright'}-{seed}"
                    spec = grid(kind, height_m, lying, seed)
                    scene = draw_scene(options.patrol, spec_text(spec), seed, folder / "scene")
                    for detectors in options.detectors.split(","):
                        if detectors == "pixels" and kind != "visible":
                            replay(options.patrol, scene, folder / detectors)
                        elif detectors == "scripted":
                            # The truth of the same scene with hardly a picture, and the pictures of the whole one.
                            few = dict(spec, detection={"scripted": True}, camera=[dict(spec["camera"][0], fps=0.1)])
                            told = draw_scene(options.patrol, spec_text(few), seed, folder / "told")
                            replay(options.patrol, told, folder / detectors, [f"c1={scene / 'video.mp4'}"])
                        else:
                            continue
                        found.setdefault((detectors, lying), []).extend(people_of(scene, folder / detectors))
                    if not options.keep:
                        shutil.rmtree(folder)
            for (detectors, lying), people in sorted(found.items(), key=lambda item: (item[0][0], not item[0][1])):
                poses = [str(angle) for angle in ANGLES] if lying else list(UPRIGHT)
                for pose in poses:
                    tell((kind, height_m, detectors, f"lying {pose}°" if lying else pose), [p for p in people if p["pose"] == pose], lying, short)
                results.append({"camera": kind, "height_m": height_m, "detectors": detectors, "lying": lying, "people": people})
    root.mkdir(parents=True, exist_ok=True)
    (root / "posture.json").write_text(json.dumps(results, indent=1))
    print(f"\n{len(short)} lines fall short; {root / 'posture.json'}")
    raise SystemExit(1 if short else 0)


if __name__ == "__main__":
    main()
