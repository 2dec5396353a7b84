"""What the benches of the motionless share: runs of `patrol`, and whom a track was on."""

import json
import subprocess

# A body of this many pixels, short and long side of its box, has a posture (design §5).
SHORT_PX, LONG_PX = 8, 14
DOWN = ("lying", "curled", "slumped")


def call(command):
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(str(part) for part in command[:4])}: {run.stderr.strip()[-600:]}")
    return run.stdout


def draw_scene(patrol, spec_text, seed, folder):
    """The scene folder of a SPEC; one that is there already with the same SPEC is taken as it is."""
    spec = folder / "spec.toml"
    done = folder / "truth.json"
    if not (done.exists() and spec.exists() and spec.read_text() == spec_text):
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        spec.write_text(spec_text)
        call([patrol, "sim", "scene", spec, "--seed", seed, "--out", folder])
    return folder


def replay(patrol, folder, out, feeds=()):
    feeds = [part for feed in feeds for part in ("--feed", feed)]
    call([patrol, "replay", folder, "--out", out, *feeds])
    return json.loads((out / "run.json").read_text())["cpu_s"]


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def is_on(box, other):
    """Whether two boxes x, y, w, h are of one body: they overlap by a tenth, or the middle of one is inside the other."""
    w = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    h = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    shared = max(w, 0) * max(h, 0)
    union = box[2] * box[3] + other[2] * other[3] - shared
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    inside = other[0] <= x <= other[0] + other[2] and other[1] <= y <= other[1] + other[3]
    return inside or (union > 0 and shared / union >= 0.1)


def seen_at(person, camera, t_s):
    near = [seen for seen in person["seen"] if seen["camera"] == camera and abs(seen["t_s"] - t_s) <= 1]
    return min(near, key=lambda seen: abs(seen["t_s"] - t_s), default=None)


def whom(sighting, truth):
    """The person, dog or mannequin that a track was on when it was last seen: its id or kind. None: a thing, or nothing."""
    camera, t_s, box = sighting["camera"], sighting["to_s"], sighting["bbox"]
    for person in truth["people"]:
        seen = seen_at(person, camera, t_s)
        if seen and is_on(box, seen["box"]):
            return person["id"]
    for other in truth["others"]:
        there = other.get("from_s", 0) - 1 <= t_s <= other.get("to_s", t_s) + 1
        if other["kind"] in ("dog", "mannequin") and other["camera"] == camera and there and is_on(box, other["box"]):
            return other["kind"]
    return None
