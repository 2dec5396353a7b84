"""What the benches of detectors share: the truth of the validation pictures, and runs of `patrol`."""

import json
import os
import pathlib
import re
import shlex
import subprocess
from collections import defaultdict

import cv2
import numpy as np

PERSON, DONTCARE = 1, 5


def data_folder():
    if "PATROL_DATA" not in os.environ:
        raise SystemExit("PATROL_DATA is not set; testdata/README.md says what it names")
    return pathlib.Path(os.environ["PATROL_DATA"])


class Truth:
    """`val.json` of a set of pictures, with the annotations of each picture."""

    def __init__(self, data, every=1, name="hit-uav"):
        said = json.loads((data / name / "val.json").read_text())
        self.folder = data / name
        self.categories = said["categories"]
        self.annotations = defaultdict(list)
        for annotation in said["annotations"]:
            self.annotations[annotation["image_id"]].append(annotation)
        self.images = said["images"]
        self.every = every

    def all_pictures(self):
        return self.images[::self.every]

    def without_people(self):
        free = [image for image in self.images if all(a["category_id"] != PERSON for a in self.annotations[image["id"]])]
        return free[::self.every]

    def grey(self, image):
        picture = cv2.imread(str(self.folder / image["file_name"]), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise SystemExit(f"{image['file_name']}: cannot be read")
        return picture


def ignored_boxes(annotations):
    return [a["bbox"] for a in annotations if a.get("iscrowd") and a["category_id"] in (PERSON, DONTCARE)]


def write_coco(path, images, annotations, categories):
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def add_detect(arguments):
    arguments.add_argument("--patrol", required=True, help="the program")
    arguments.add_argument("--detect", action="append", metavar="NAME=ARGS", help="arguments of `patrol detect`, may be repeated; default hot-spot=--hot-spot")


def add_set(arguments):
    arguments.add_argument("--set", default="hit-uav", choices=["hit-uav", "people-visible"], help="whose `val` pictures")


def detectors(options):
    """Name and arguments of every detector that is asked for."""
    named = {}
    for text in options.detect or ["hot-spot=--hot-spot"]:
        name, args = text.split("=", 1) if re.match(r"[\w.+ -]*\w=", text) and not text.startswith("-") else ("", text)
        name = name or args.replace("--model", "").replace("--", "").strip().replace(" ", "+")
        if name in named:
            raise SystemExit(f"--detect {text}: {name} is there already; name it otherwise")
        named[name] = shlex.split(args)
    return named


def run_detect(program, args, pictures, annotations, out, min_score=0.01):
    """Detections by image_id as rows of x, y, w, h, score, best first; and milliseconds a picture."""
    command = [program, "detect", *args, "--images", str(pictures), "--ann", str(annotations), "--out", str(out)]
    if "--min-score" not in args:
        command += ["--min-score", str(min_score)]
    ran = subprocess.run(command, capture_output=True, text=True)
    said = re.search(r"(\d+) pictures, (\d+) skipped.*?([\d.]+) ms a picture", ran.stderr)
    if ran.returncode or not said:
        raise SystemExit(f"{shlex.join(command)}\n{ran.stderr}")
    if int(said[2]):
        raise SystemExit(f"{shlex.join(command)}: {said[2]} pictures could not be read")
    found = defaultdict(list)
    for result in json.loads(out.read_text()):
        found[result["image_id"]].append([*result["bbox"], result["score"]])
    by_score = {image: sorted(rows, key=lambda row: -row[4]) for image, rows in found.items()}
    return defaultdict(list, by_score), float(said[3])


def run_eval(program, truth, results):
    ran = subprocess.run([program, "eval", "detect", "--truth", str(truth), "--results", str(results), "--json"], capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout)


def overlap(a, b):
    """Area that two boxes share."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0)


def iou(a, b):
    shared = overlap(a, b)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def centre_inside(found, box):
    x, y = found[0] + found[2] / 2, found[1] + found[3] / 2
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def share(right, whole):
    return f"{right / whole:.3f}" if whole else "-"


def rounded(value, digits=4):
    """Floats of a nested value rounded, for JSON that people read."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one, digits) for one in value]
    return round(float(value), digits) if isinstance(value, (float, np.floating)) else value
