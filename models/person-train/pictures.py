"""HIT-UAV read once into memory, with what training needs to know of each picture."""

import json
import os
from dataclasses import dataclass

import cv2
import numpy as np

HEIGHT, WIDTH = 512, 640
PERSON, CAR, BICYCLE, OTHER_VEHICLE = 1, 2, 3, 4


@dataclass
class Frame:
    name: str
    grey: np.ndarray
    date: str
    night: int
    altitude_m: float
    angle_deg: float
    # x, y, w, h in pixels.
    people: np.ndarray
    bicycles: np.ndarray
    cars: np.ndarray
    ignored: np.ndarray
    # Blue, green, red, where the camera sees colours; training mixes its own greys of them.
    colour: np.ndarray | None = None


def load(data, split, without_date=None, only_date=None):
    """Frames of `train` or `val`, in the order of the annotation file."""
    folder = os.path.join(data, "hit-uav")
    with open(os.path.join(folder, f"{split}.json"), encoding="utf-8") as file:
        coco = json.load(file)
    boxes = {}
    for annotation in coco["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append((annotation["category_id"], annotation["iscrowd"], annotation["bbox"]))
    frames = []
    for image in coco["images"]:
        if image["date"] == without_date or (only_date and image["date"] != only_date):
            continue
        grey = cv2.imread(os.path.join(folder, image["file_name"]), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise SystemExit(f"{image['file_name']}: cannot be read; is PATROL_DATA the folder of testdata/README.md?")
        mine = boxes.get(image["id"], [])

        def of(*classes, crowd=0, mine=mine):
            return np.array([box for kind, ignored, box in mine if kind in classes and ignored == crowd], np.float32).reshape(-1, 4)

        frames.append(
            Frame(
                os.path.basename(image["file_name"]), grey, image["date"], image["night"], image["altitude_m"], image["camera_angle"],
                of(PERSON), of(BICYCLE), of(CAR, OTHER_VEHICLE), of(1, 2, 3, 4, 5, crowd=1),
            )
        )
    return frames
