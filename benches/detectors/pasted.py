"""People cut out of one video, turned by any angle, darkened and pasted into another that shows nobody: recall with known truth.

    pip install numpy opencv-python
    PATROL_DATA=... python benches/detectors/pasted.py --patrol target/release/patrol --detect "NAME=--model visible-person" [--pictures 180] [--size 1920x1080] [--sheet FILE.png]

People come from `one-by-one-person-detection.mp4`, where they differ from the empty room; places from `car-detection.mp4`. A body's box is that of its
mask. The threshold is the one at which the detector has 0.1 (and 1) false boxes a picture in these pictures; a box counts from an overlap of 0.5 on.
"""

import argparse
import json
import pathlib
import tempfile

import cv2
import numpy as np

import common

# A picture of the video in which the room is empty, and by how many grey levels somebody differs from it.
EMPTY_FRAME, DIFFERENT = 740, 28
SIZES = [(16, 24), (24, 40), (40, 80), (80, 200)]


def frames(path):
    video = cv2.VideoCapture(str(path))
    shown = []
    while True:
        there, frame = video.read()
        if not there:
            return shown
        shown.append(frame)


def people(path):
    """Cut-outs (BGR, mask 0-1) of whoever stands whole in the picture, a few of each."""
    shown = frames(path)
    empty = cv2.GaussianBlur(shown[EMPTY_FRAME], (0, 0), 1.5).astype(np.float32)
    bodies, last = [], -100
    for number in range(0, len(shown), 5):
        frame = shown[number]
        apart = np.abs(cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32) - empty).max(2) > DIFFERENT
        mask = cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21)))
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        if count < 2:
            continue
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        x, y, w, h, area = stats[largest]
        inside = x > 4 and y > 4 and x + w < frame.shape[1] - 4 and y + h < frame.shape[0] - 4
        if not inside or h < 250 or not 1.8 < h / w < 4 or area < 0.35 * w * h or number - last < 15:
            continue
        contours, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros(mask.shape, np.float32), contours, -1, 1.0, -1)
        edge = 8
        part = np.s_[y - 4 : y + h + 4, x - 4 : x + w + 4]
        bodies.append((frame[part].astype(np.float32), cv2.GaussianBlur(filled[part], (0, 0), edge / 6)))
        last = number
    return bodies


def paste(rng, picture, body, mask, length, angle, light):
    """Pastes one body; its box, or `None` where it does not fit."""
    scale = length / mask.shape[0]
    if scale < 0.8:
        body, mask = cv2.GaussianBlur(body, (0, 0), 0.4 / scale), cv2.GaussianBlur(mask, (0, 0), 0.4 / scale)
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    reach = int(np.ceil(1.15 * length)) + 6
    middle = np.array(mask.shape[::-1]) / 2
    matrix = np.array([[c, -s], [s, c]])
    matrix = np.c_[matrix, reach / 2 - matrix @ middle].astype(np.float32)
    body, mask = cv2.warpAffine(body, matrix, (reach, reach)), cv2.warpAffine(mask, matrix, (reach, reach))
    if reach >= min(picture.shape[:2]):
        return None
    x, y = rng.integers(picture.shape[1] - reach), rng.integers(picture.shape[0] - reach)
    there = picture[y : y + reach, x : x + reach]
    there += (body * light - there) * mask[..., None]
    rows, columns = np.where(mask > 0.5)
    return [float(x + columns.min()), float(y + rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)]


def write(data, folder, pictures, size, seed):
    bodies, places = people(data / "video/one-by-one-person-detection.mp4"), frames(data / "video/car-detection.mp4")
    images, annotations = [], []
    for number in range(pictures):
        rng = np.random.default_rng([seed, number])
        picture = places[number * len(places) // pictures].astype(np.float32)
        if size:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        boxes = []
        # Every other picture shows nobody.
        for _ in range(rng.integers(1, 4) if number % 2 == 0 else 0):
            body, mask = bodies[rng.integers(len(bodies))]
            length, angle, light = np.exp(rng.uniform(np.log(16), np.log(200))), rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.1)
            before = picture.copy()
            box = paste(rng, picture, body, mask, length, angle, light)
            if box is None or any(common.overlap(box, other) > 0 for other in boxes):
                picture = before
                continue
            boxes.append(box)
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0, "area": box[2] * box[3],
                                "length_px": length, "from_upright_deg": abs((np.degrees(angle) + 180) % 360 - 180)})
        # Evening to night, with the sensor's noise.
        night = rng.uniform(0.3, 1.0)
        picture = picture * night + rng.normal(0, 2 + 6 * (1 - night), picture.shape)
        cv2.imwrite(str(folder / f"{number}.png"), np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        images.append({"id": number, "file_name": f"{number}.png", "width": picture.shape[1], "height": picture.shape[0]})
    common.write_coco(folder / "truth.json", images, annotations, [{"id": 1, "name": "person"}])
    return images, annotations, len(bodies)


def judged(images, annotations, found):
    """(score, annotation or None) of every box, best first."""
    by_image = {image["id"]: [] for image in images}
    for annotation in annotations:
        by_image[annotation["image_id"]].append(annotation)
    rows = []
    for image, truth in by_image.items():
        taken = set()
        for *box, score in found[image]:
            best = max((a for a in truth if a["id"] not in taken), key=lambda a: common.iou(box, a["bbox"]), default=None)
            if best is not None and common.iou(box, best["bbox"]) >= 0.5:
                taken.add(best["id"])
                rows.append((score, best))
            else:
                rows.append((score, None))
    return sorted(rows, key=lambda row: -row[0])


def seen_at(rows, allowed):
    """Annotations seen before more than `allowed` false boxes come."""
    seen, false = [], 0
    for _, annotation in rows:
        if annotation is None:
            false += 1
            if false > allowed:
                break
        else:
            seen.append(annotation["id"])
    return set(seen)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_detect(arguments)
    arguments.add_argument("--pictures", type=int, default=180)
    arguments.add_argument("--size", help="width x height to which places are enlarged; bodies are 16 to 200 pixels long in any")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--sheet", type=pathlib.Path, help="twelve of the pictures, to be looked at; not to be kept")
    arguments.add_argument("--json", type=pathlib.Path)
    options = arguments.parse_args()
    size = tuple(int(side) for side in options.size.split("x")) if options.size else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        images, annotations, bodies = write(common.data_folder(), folder, options.pictures, size, options.seed)
        print(f"{len(images)} pictures, {len(annotations)} bodies, {bodies} cut-outs")
        groups = {"all": annotations, "24 px and more": [a for a in annotations if a["length_px"] >= 24]}
        groups |= {f"{low}-{high} px": [a for a in annotations if low <= a["length_px"] < high] for low, high in SIZES}
        for name, (low, high) in {"upright ±30°": (0, 30), "leaning 30-60°": (30, 60), "lying 60-120°": (60, 120), "head down": (120, 181)}.items():
            groups[f"{name}, 24 px and more"] = [a for a in annotations if a["length_px"] >= 24 and low <= a["from_upright_deg"] < high]
        told, rows = {}, []
        for name, args in common.detectors(options).items():
            found, ms = common.run_detect(options.patrol, args, folder, folder / "truth.json", folder / "found.json")
            if options.sheet:
                draw(folder, images, annotations, found, options.sheet.with_stem(f"{options.sheet.stem}-{name}"))
            told[name] = {"ms": ms}
            rows.append([name, f"{ms:.1f} ms a picture", "", "", ""])
            ranked = judged(images, annotations, found)
            few, many = (seen_at(ranked, rate * len(images)) for rate in (0.1, 1.0))
            for group, members in groups.items():
                counts = [sum(a["id"] in seen for a in members) for seen in (few, many)]
                told[name][group] = {"bodies": len(members), "recall_at_0_1_fp": counts[0] / max(len(members), 1), "recall_at_1_fp": counts[1] / max(len(members), 1)}
                rows.append([name, group, len(members), common.share(counts[0], len(members)), common.share(counts[1], len(members))])
        print(common.table(["detector", "bodies", "number", "recall at 0.1", "at 1 false a picture"], rows))
        if options.json:
            options.json.write_text(json.dumps(common.rounded(told), indent=1))


def draw(folder, images, annotations, found, path):
    tiles = []
    for image in images[:24:2]:
        picture = cv2.imread(str(folder / image["file_name"]))
        for annotation in annotations:
            if annotation["image_id"] == image["id"]:
                x, y, w, h = (int(v) for v in annotation["bbox"])
                cv2.rectangle(picture, (x, y), (x + w, y + h), (0, 255, 0), 1)
        for x, y, w, h, score in found[image["id"]]:
            if score >= 0.2:
                cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), (0, 160, 255), 1)
                cv2.putText(picture, f"{score:.2f}", (int(x), int(y) - 2), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 160, 255), 1)
        tiles.append(cv2.resize(picture, (512, 288)))
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[row : row + 3]) for row in range(0, 12, 3)]))


if __name__ == "__main__":
    main()
