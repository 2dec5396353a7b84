"""Visible-light pictures with people (Open Images) in memory, and what YOLOX-nano adds to their labels."""

import json
import os

import cv2
import numpy as np

from pictures import Frame

SIDE = 416
# A person whom the teacher sees and nobody labelled counts from the first score on, and is not punished from the second on.
UNLABELLED_MIN, DOUBTFUL_MIN = 0.6, 0.25
# A label overlapped by more than this much is the one the teacher means.
SAME_IOU = 0.4


def load(data, split, teacher=None):
    """Frames of `train` or `val`, in the order of the annotation file. `teacher`: what teacher.py wrote."""
    folder = os.path.join(data, "people-visible")
    with open(os.path.join(folder, f"{split}.json"), encoding="utf-8") as file:
        coco = json.load(file)
    seen = {}
    if teacher:
        with open(teacher, encoding="utf-8") as file:
            seen = json.load(file)
    boxes = {}
    for annotation in coco["annotations"]:
        boxes.setdefault(annotation["image_id"], ([], []))[annotation["iscrowd"]].append(annotation["bbox"])
    none = np.zeros((0, 4), np.float32)
    frames = []
    for image in coco["images"]:
        colour = cv2.imread(os.path.join(folder, image["file_name"]), cv2.IMREAD_COLOR)
        if colour is None:
            raise SystemExit(f"{image['file_name']}: cannot be read; is PATROL_DATA the folder of testdata/README.md?")
        people, crowds = (np.array(some, np.float32).reshape(-1, 4) for some in boxes.get(image["id"], ([], [])))
        people, ignored = completed(people, crowds, seen.get(image["file_name"], []))
        grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
        frames.append(Frame(image["file_name"], grey, "", 0, 0.0, 0.0, people, none, none, ignored, colour if split == "train" else None))
    return frames


def completed(people, crowds, seen):
    """Labels and regions to ignore, with those whom only the teacher sees."""
    added, doubtful = [], []
    for x, y, w, h, score in seen:
        box = np.array([x, y, w, h], np.float32)
        if score < DOUBTFUL_MIN or (len(people) and iou(people, box).max() > SAME_IOU) or (len(crowds) and inside(crowds, box).max() > 0.5):
            continue
        (added if score >= UNLABELLED_MIN else doubtful).append(box)
    join = lambda first, more: np.concatenate([first, np.array(more, np.float32).reshape(-1, 4)])
    return join(people, added), join(crowds, doubtful)


def shared(boxes, box):
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    return np.clip(high - low, 0, None).prod(1)


def iou(boxes, box):
    inter = shared(boxes, box)
    return inter / (boxes[:, 2:].prod(1) + box[2:].prod() - inter + 1e-6)


def inside(boxes, box):
    return shared(boxes, box) / max(box[2:].prod(), 1e-6)
