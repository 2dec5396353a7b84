"""People lying at any angle, seen from a drone 40-120 m up, rendered into real thermal pictures in which nobody is: recall by contrast.

    pip install numpy opencv-python
    PATROL_DATA=... python benches/detectors/lying.py --patrol target/release/patrol --detect "NAME=--model thermal-person --hot-spot" \\
        [--detect hot-spot=--hot-spot] [--work FOLDER] [--sheet FILE.png] [--json FILE.json] [--every N] [--copies N]

Ground: the pictures of HIT-UAV `val` without a person. Bodies: body.py, seen from straight above, one to three a picture, clear of each other, of
labelled objects and of the edge. They cover the ground; the optics blur them (sigma 0.6-0.9 px) and they get the noise that the ground around them has.
No picture of a person is used, and nothing of how a detector was trained.

Contrast c: the body's mean, weighted by how much of each pixel it covers, less the median of a ring of 1 to 2.5 body lengths around it, over
1.4826 * MAD of that ring (at least 1 grey level). The ring may hold warmer and colder ground than the body lies on, so a body at c = 4 may
still not stand out from what it touches; recall is told separately for bodies that are also c / 2 sigma warmer than the ground within 0.3 m. Where
the picture has too little room above the ground for c, another place is taken.

Geometry `own`: the pictures' own optics, 0.444 mm a pixel per metre of height (16.2 degrees of view, by the cars in pictures from straight above; the
published 45.5 degrees are wrong). Geometry `wide`: a lens of 45 degrees, 1.29 mm a pixel per metre: 33 to 11 pixels a person. The ground is not
rescaled: it was taken from 70-120 m, partly at a slant, so cars are too small for people of `own` at 40 m and too big for those of `wide`.

Threshold: the lowest score with at most 0.1 (or 1) detections a picture on the same pictures without bodies, regions to ignore left out. Found: a
detection with IoU >= 0.3, or with its centre in the box and 1/3 to 3 times its area. Among those pictures may be people whom nobody
labelled; they would count as false alarms for every detector alike. Bodies may come to lie on roofs, walls and trees.
"""

import argparse
import json
import pathlib
import tempfile
from collections import Counter

import cv2
import numpy as np

import body
import common

CONTRASTS = (2, 2.5, 3, 4, 5, 6, 8)
GEOMETRIES = {"own": 0.000444, "wide": 0.00129}
BANDS = ((40, 60), (60, 80), (80, 100), (100, 120))
RATES = (0.1, 1.0)
SIGMA_MIN, NOISE_MIN = 1.0, 0.5
TRIES = 60


def ring_of(grey, centre, length):
    """Median and robust sigma of the picture 1 to 2.5 body lengths away."""
    height, width = grey.shape
    x0, x1 = max(0, int(centre[0] - 2.5 * length)), min(width, int(centre[0] + 2.5 * length) + 1)
    y0, y1 = max(0, int(centre[1] - 2.5 * length)), min(height, int(centre[1] + 2.5 * length) + 1)
    away = np.hypot(np.arange(x0, x1)[None, :] + 0.5 - centre[0], np.arange(y0, y1)[:, None] + 0.5 - centre[1])
    values = grey[y0:y1, x0:x1][(away >= length) & (away <= 2.5 * length)]
    middle = np.median(values)
    return middle, max(SIGMA_MIN, 1.4826 * np.median(np.abs(values - middle)))


def noise_around(grey, x0, y0, side):
    """Sigma of what a 3 x 3 median takes away."""
    patch = grey[max(0, y0 - side):y0 + 2 * side, max(0, x0 - side):x0 + 2 * side]
    fine = patch.astype(np.float32) - cv2.medianBlur(patch, 3)
    # The median of nine follows the noise a little.
    return max(NOISE_MIN, 1.1 * 1.4826 * np.median(np.abs(fine - np.median(fine))))


def is_clear(box, others, gap, shape):
    x, y, w, h = box
    if x < gap or y < gap or x + w > shape[1] - gap or y + h > shape[0] - gap:
        return False
    return all(common.overlap([x - gap, y - gap, w + 2 * gap, h + 2 * gap], other) == 0 for other in others)


def lay(rng, ground, picture, taken, c, metres_per_px):
    """Renders one body into `picture` (float) at a free place of `ground`. None when no place is found."""
    who = body.Body(rng)
    altitude = rng.uniform(BANDS[0][0], BANDS[-1][1])
    gsd, psf, length = altitude * metres_per_px, rng.uniform(0.6, 0.9), who.stature / (altitude * metres_per_px)
    cover, seen, warmth, extent = body.render(who, gsd, rng.uniform(0, 1, 2), psf)
    side = cover.shape[0]
    for _ in range(TRIES):
        x0, y0 = (int(rng.integers(3 - int(extent[axis]), ground.shape[1 - axis] - int(extent[axis]))) for axis in (0, 1))
        box = [x0 + extent[0], y0 + extent[1], extent[2], extent[3]]
        if not is_clear(box, taken, 4, ground.shape):
            continue
        centre = (box[0] + box[2] / 2, box[1] + box[3] / 2)
        middle, sigma = ring_of(ground, centre, length)
        # The patch's margin may hang over the edge of the picture; the body does not.
        left, top = max(0, -x0), max(0, -y0)
        right, bottom = min(side, ground.shape[1] - x0), min(side, ground.shape[0] - y0)
        inner, outer = np.s_[top:bottom, left:right], np.s_[y0 + top:y0 + bottom, x0 + left:x0 + right]
        below, covered, alpha = ground[outer].astype(np.float64), cover[inner], seen[inner]
        still = below * (1 - alpha) + middle * alpha

        def mean(values):
            return float((values * covered).sum() / covered.sum())

        excess = (middle + c * sigma - mean(still)) / mean(warmth[inner])
        if excess <= 0:
            continue
        noise = rng.normal(0, noise_around(ground, x0, y0, side), alpha.shape) * alpha
        drawn = np.clip(still + excess * warmth[inner] + noise, 0, 255)
        reached = (mean(drawn) - middle) / sigma
        if abs(reached - c) > 0.1 * c:
            continue
        belt = cv2.dilate((covered > 0).astype(np.uint8), np.ones((3, 3)), iterations=1 + int(np.ceil(0.3 / gsd))) - (alpha > 0.02)
        near = np.median(below[belt == 1]) if (belt == 1).any() else middle
        # Bodies are clear of one another, their blurred rims may meet.
        picture[outer] = np.where(alpha > 1e-3, drawn, picture[outer])
        return {
            "bbox": box, "contrast": c, "sigma": sigma, "levels": mean(drawn) - middle, "near_contrast": (mean(drawn) - near) / sigma, "excess": excess,
            "altitude_m": altitude, "length_px": length, "pose": who.pose, "clothes": who.clothes, "turn_deg": float(np.degrees(who.turn)),
        }
    return None


def render_all(truth, work, options):
    """Pictures with bodies and without, each set with its COCO truth. Returns the rendered images with their bodies, and the plain images."""
    plain, rendered, unplaced = [], [], Counter()
    for folder in ("plain", *GEOMETRIES):
        (work / folder).mkdir(parents=True, exist_ok=True)
        for left_over in (work / folder).glob("*.png"):
            left_over.unlink()
    for image in truth.without_people():
        ground, annotations = truth.grey(image), truth.annotations[image["id"]]
        stem = pathlib.Path(image["file_name"]).stem
        cv2.imwrite(str(work / "plain" / f"{stem}.png"), ground)
        plain.append({**image, "file_name": f"{stem}.png", "ignore": common.ignored_boxes(annotations)})
        for number, (geometry, metres_per_px) in enumerate(GEOMETRIES.items()):
            for copy in range(options.copies):
                # Independent of --every, so that a subset has the same pictures.
                rng = np.random.default_rng([options.seed, number, copy, image["id"]])
                picture, bodies, taken = ground.astype(np.float64), [], [a["bbox"] for a in annotations]
                for c in rng.permutation(CONTRASTS)[:rng.integers(1, 4)]:
                    laid = lay(rng, ground, picture, taken, float(c), metres_per_px)
                    if laid is None:
                        unplaced[float(c)] += 1
                    else:
                        bodies.append(laid)
                        taken.append(laid["bbox"])
                name = f"{stem}.{copy}.png"
                cv2.imwrite(str(work / geometry / name), np.round(picture).astype(np.uint8))
                rendered.append({"id": len(rendered) + 1, "file_name": name, "width": ground.shape[1], "height": ground.shape[0], "geometry": geometry,
                                 "bodies": bodies, "ignore": common.ignored_boxes(annotations)})
    for folder in GEOMETRIES:
        images = [image for image in rendered if image["geometry"] == folder]
        write_truth(work / f"{folder}.json", images, truth.categories)
    write_truth(work / "plain.json", plain, truth.categories)
    return rendered, plain, unplaced


def write_truth(path, images, categories):
    annotations = []
    for image in images:
        for laid in image.get("bodies", []):
            annotations.append({**common.rounded(laid), "category_id": common.PERSON, "iscrowd": 0, "image_id": image["id"], "area": laid["bbox"][2] * laid["bbox"][3]})
        for box in image["ignore"]:
            annotations.append({"bbox": box, "category_id": common.DONTCARE, "iscrowd": 1, "image_id": image["id"], "area": box[2] * box[3]})
    annotations = [{"id": number, **annotation} for number, annotation in enumerate(annotations, 1)]
    common.write_coco(path, [{key: image[key] for key in ("id", "file_name", "width", "height")} for image in images], annotations, categories)


def is_ignored(found, regions):
    return any(common.overlap(found, region) >= 0.5 * found[2] * found[3] for region in regions)


def finds(found, box):
    ratio = found[2] * found[3] / (box[2] * box[3])
    return common.iou(found, box) >= 0.3 or (common.centre_inside(found, box) and 1 / 3 <= ratio <= 3)


def threshold_for(scores, rate, pictures):
    """Least score a detection may have. Equal scores stand or fall together; infinitesimally above the first one that is too many."""
    allowed = int(rate * pictures + 1e-9)
    ordered = sorted(scores, reverse=True)
    return float(np.nextafter(ordered[allowed], np.inf)) if len(ordered) > allowed else 0.0


def judge(rendered, plain, found_plain, found):
    """Best score on every body, -1 for none, and scores of false alarms on plain and on rendered pictures."""
    false_plain = [row[4] for image in plain for row in found_plain[image["id"]] if not is_ignored(row, image["ignore"])]
    false_rendered = []
    for image in rendered:
        rows = found[image["id"]]
        for laid in image["bodies"]:
            laid["score"], laid["found"] = max(((row[4], row[:4]) for row in rows if finds(row, laid["bbox"])), default=(-1.0, None))
        for row in rows:
            on_body = any(common.iou(row, laid["bbox"]) >= 0.3 or common.centre_inside(row, laid["bbox"]) for laid in image["bodies"])
            if not on_body and not is_ignored(row, image["ignore"]):
                false_rendered.append((image["geometry"], row[4]))
    return false_plain, false_rendered


def recalls(bodies, threshold):
    """Share found, and how many there are, of all that the table tells apart."""
    groups = {f"{g} / c {c:g}": [] for g in ("all", *GEOMETRIES) for c in CONTRASTS}
    groups |= {f"{g} / c >= 4": [] for g in ("all", *GEOMETRIES)}
    groups |= {f"{g} / c >= 4, {low}-{high} m": [] for g in GEOMETRIES for low, high in BANDS}
    groups |= {f"all / c >= 4, {pose}": [] for pose in body.POSES}
    groups |= {f"all / c >= 4, clothes {of} of the head": [] for of in ("0.3-0.6", "0.6-0.9")}
    groups |= {f"all / c >= 4, {said} from what it touches": [] for said in ("stands out", "does not stand out")}
    groups |= {f"all / {levels} grey levels": [] for levels in ("< 15", "15-40", ">= 40")}
    for laid in bodies:
        hit, g, c = laid["found"] is not None and laid["score"] >= threshold, laid["geometry"], laid["contrast"]
        levels = laid["levels"]
        keys = [f"all / c {c:g}", f"{g} / c {c:g}", f"all / {'< 15' if levels < 15 else '15-40' if levels < 40 else '>= 40'} grey levels"]
        if c >= 4:
            band = next(f"{low}-{high} m" for low, high in BANDS if laid["altitude_m"] <= high)
            keys += ["all / c >= 4", f"{g} / c >= 4", f"{g} / c >= 4, {band}", f"all / c >= 4, {laid['pose']}"]
            keys += [f"all / c >= 4, clothes {'0.3-0.6' if laid['clothes'] < 0.6 else '0.6-0.9'} of the head"]
            keys += [f"all / c >= 4, {'stands out' if laid['near_contrast'] >= c / 2 else 'does not stand out'} from what it touches"]
        for key in keys:
            groups[key].append(hit)
    return {key: {"recall": float(np.mean(hits)), "bodies": len(hits)} for key, hits in groups.items() if hits}


def draw_sheet(path, work, rendered, threshold, seed):
    """24 bodies enlarged: corners of the truth white, found green, found below the threshold amber, other detections red."""
    rng = np.random.default_rng(seed)
    cells = []
    for geometry in GEOMETRIES:
        there = [(image, laid) for image in rendered if image["geometry"] == geometry for laid in image["bodies"]]
        rng.shuffle(there)
        # As many of each contrast as there is room for.
        there = sorted(there, key=lambda one: CONTRASTS.index(one[1]["contrast"]))
        cells += [there[i] for i in np.linspace(0, len(there) - 1, min(12, len(there))).astype(int)]
    tiles = []
    for image, laid in cells:
        picture = cv2.imread(str(work / image["geometry"] / image["file_name"]), cv2.IMREAD_GRAYSCALE)
        x, y, w, h = laid["bbox"]
        half = int(1.1 * max(w, h, 14))
        left, top = int(x + w / 2) - half, int(y + h / 2) - half
        padded = cv2.copyMakeBorder(picture, 2 * half, 2 * half, 2 * half, 2 * half, cv2.BORDER_CONSTANT)
        zoom = 300 / (2 * half)
        tile = cv2.resize(padded[top + 2 * half:top + 4 * half, left + 2 * half:left + 4 * half], (300, 300), interpolation=cv2.INTER_NEAREST)
        tile = cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR)
        corner = lambda px, py: (int((px - left) * zoom), int((py - top) * zoom))
        for row in image["detections"]:
            if row[4] >= threshold or row[:4] == laid["found"]:
                colour = (0, 0, 255) if not finds(row, laid["bbox"]) else (0, 220, 0) if row[4] >= threshold else (0, 170, 255)
                cv2.rectangle(tile, corner(row[0], row[1]), corner(row[0] + row[2], row[1] + row[3]), colour, 1)
        for px, py in ((x, y), (x + w, y), (x, y + h), (x + w, y + h)):
            cv2.drawMarker(tile, corner(px, py), (255, 255, 255), cv2.MARKER_CROSS, 9, 1)
        words = f"{image['geometry']} c {laid['contrast']:g} ({laid['levels']:.0f}) {laid['altitude_m']:.0f} m {laid['length_px']:.0f} px {laid['pose']}"
        said = f"{laid['score']:.2f}" if laid["score"] >= threshold else f"({laid['score']:.2f})" if laid["score"] > 0 else "nothing"
        strip = np.zeros((34, 300, 3), np.uint8)
        for number, line in enumerate((words, f"found {said}")):
            cv2.putText(strip, line, (3, 13 + 16 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(np.vstack([strip, tile]))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 6)
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i:i + 6]) for i in range(0, len(tiles), 6)]))


def main():
    arguments = argparse.ArgumentParser()
    common.add_detect(arguments)
    arguments.add_argument("--work", type=pathlib.Path, help="folder for the pictures; default: a temporary one")
    arguments.add_argument("--json", type=pathlib.Path)
    arguments.add_argument("--sheet", type=pathlib.Path, help="24 bodies enlarged, with what the first detector found")
    arguments.add_argument("--every", type=int, default=1, help="every Nth picture only")
    arguments.add_argument("--copies", type=int, default=2, help="pictures with bodies per picture and geometry")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    truth = common.Truth(common.data_folder(), options.every)
    with tempfile.TemporaryDirectory() as temporary:
        evaluate(truth, options.work or pathlib.Path(temporary), options)


def evaluate(truth, work, options):
    rendered, plain, unplaced = render_all(truth, work, options)
    bodies = [laid for image in rendered for laid in image["bodies"]]
    for image in rendered:
        for laid in image["bodies"]:
            laid["geometry"] = image["geometry"]
    against = np.mean([laid["near_contrast"] >= laid["contrast"] / 2 for laid in bodies])
    print(f"{len(plain)} pictures without people, {len(rendered)} with {len(bodies)} bodies (no place for {sum(unplaced.values())}); "
          f"{against:.0%} of the bodies also stand out from what they touch")
    report = {"pictures": len(plain), "rendered": len(rendered), "bodies": len(bodies), "unplaced": dict(unplaced), "seed": options.seed, "detectors": {}}
    columns = {}
    for name, args in common.detectors(options).items():
        found_plain, ms = common.run_detect(options.patrol, args, work / "plain", work / "plain.json", work / "plain.found.json")
        found = {}
        for geometry in GEOMETRIES:
            by_image, _ = common.run_detect(options.patrol, args, work / geometry, work / f"{geometry}.json", work / f"{geometry}.found.json")
            found.update(by_image)
        for image in rendered:
            image["detections"] = found.setdefault(image["id"], [])
        false_plain, false_rendered = judge(rendered, plain, found_plain, found)
        told = {"args": args, "ms_a_picture": ms, "at": {}}
        for rate in RATES:
            threshold = threshold_for(false_plain, rate, len(plain))
            columns[name, rate] = recalls(bodies, threshold)
            per_picture = {g: sum(score >= threshold for where, score in false_rendered if where == g) / sum(i["geometry"] == g for i in rendered) for g in GEOMETRIES}
            told["at"][str(rate)] = {"threshold": threshold, "false_a_picture_plain": sum(score >= threshold for score in false_plain) / len(plain),
                                     "false_a_picture_rendered": per_picture, "recall": columns[name, rate]}
            print(f"{name} at {rate:g}: threshold {threshold:.4f}, false a picture: plain {told['at'][str(rate)]['false_a_picture_plain']:.3f}, "
                  + ", ".join(f"{g} {value:.3f}" for g, value in per_picture.items()))
        if options.sheet and not report["detectors"]:
            draw_sheet(options.sheet, work, rendered, threshold_for(false_plain, RATES[0], len(plain)), options.seed)
        report["detectors"][name] = told
    if options.json:
        options.json.write_text(json.dumps(common.rounded(report), indent=1))
    print()
    keys = next(iter(columns.values()))
    print(common.table(["bodies", "number", *(f"{name} @ {rate:g}" for name, rate in columns)],
                       [[key, keys[key]["bodies"], *(f"{column[key]['recall']:.3f}" for column in columns.values())] for key in keys]))


if __name__ == "__main__":
    main()
