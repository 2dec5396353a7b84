"""What pictures from other cameras, colour maps, weather and channels cost a person detector: AP50 on altered copies of the `val` pictures.

    pip install numpy opencv-python av
    PATROL_DATA=... python benches/detectors/robust.py --patrol target/release/patrol --detect "NAME=--model thermal-person --hot-spot" \\
        [--detect hot-spot=--hot-spot] [--set people-visible] [--only viridis,borders] [--every N] [--work FOLDER] [--json FILE.json]

Every alteration is made of the same pictures with the same seed, written as PNG, looked at by `patrol detect` with nothing said about it, and judged
by `patrol eval detect`. `plain` is the unaltered picture, also as grey PNG. Boxes are turned and scaled with the picture. What a border or a
drawing hides: by more than 40 %, the person becomes a region to ignore; by less, a border cuts the box, a drawing does not.

Colour-mapped pictures are RGB. `iron` here is our own, from black over purple and orange to white, as cameras have it; the other colour maps are
OpenCV's.
"""

import argparse
import fractions
import json
import pathlib
import shutil
import tempfile

import av
import cv2
import numpy as np

import common

HIDDEN_MAX = 0.4
BORDER_MAX = 0.12


def colour_map(number):
    return lambda grey, boxes, rng: (cv2.applyColorMap(grey, number), boxes, None)


def table_of(stops):
    """A colour map, BGR, from (grey, red, green, blue) stops."""
    stops = np.array(stops, float)
    return np.stack([np.interp(np.arange(256), stops[:, 0], stops[:, channel]) for channel in (3, 2, 1)], axis=1).round().astype(np.uint8)


IRON = table_of([(0, 0, 0, 8), (35, 28, 0, 92), (80, 118, 0, 152), (125, 192, 34, 118), (165, 230, 88, 28), (205, 250, 158, 4), (238, 255, 226, 96), (255, 255, 255, 246)])
GREEN = table_of([(0, 0, 4, 0), (150, 12, 165, 22), (255, 170, 255, 150)])
SEPIA = table_of([(0, 8, 3, 0), (128, 140, 104, 62), (255, 255, 240, 200)])


def look_up(colours):
    return lambda grey, boxes, rng: (colours[grey], boxes, None)


def tone(function):
    """A change of the grey levels only."""
    return lambda grey, boxes, rng: (np.clip(np.round(function(grey.astype(np.float64), rng)), 0, 255).astype(np.uint8), boxes, None)


def jpeg(quality, colours=None):
    """With colours, these lose half their resolution too, as in video."""
    def alter(grey, boxes, rng):
        picture = grey if colours is None else colours[grey]
        return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_UNCHANGED), boxes, None
    return alter


def h264(qp):
    """The third picture of a scene that stands still before a noisy sensor, as x264 codes it at one quantiser: predicted, then patched."""
    def alter(grey, boxes, rng):
        height, width = grey.shape
        coder = av.CodecContext.create("libx264", "w")
        coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuv420p", fractions.Fraction(1, 25)
        coder.options = {"qp": str(qp), "preset": "veryfast", "tune": "zerolatency", "bf": "0"}
        packets = []
        for _ in range(3):
            noisy = np.clip(grey + rng.normal(0, 2, grey.shape), 0, 255)
            picture = av.VideoFrame.from_ndarray(np.repeat(noisy.round().astype(np.uint8)[..., None], 3, axis=2), format="bgr24")
            packets += coder.encode(picture.reformat(format="yuv420p"))
        decoder = av.CodecContext.create("h264", "r")
        pictures = [picture for packet in [*packets, *coder.encode(None)] for picture in decoder.decode(packet)]
        pictures += decoder.decode(None)
        return np.ascontiguousarray(pictures[-1].to_ndarray(format="bgr24")[..., 0]), boxes, None
    return alter


def turned_90(grey, boxes, rng):
    height = grey.shape[0]
    return cv2.rotate(grey, cv2.ROTATE_90_CLOCKWISE), [[height - y - h, x, h, w] for x, y, w, h in boxes], None


def turned_180(grey, boxes, rng):
    height, width = grey.shape
    return cv2.rotate(grey, cv2.ROTATE_180), [[width - x - w, height - y - h, w, h] for x, y, w, h in boxes], None


def scaled(factor):
    def alter(grey, boxes, rng):
        height, width = grey.shape
        to = (round(width * factor), round(height * factor))
        sx, sy = to[0] / width, to[1] / height
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return cv2.resize(grey, to, interpolation=how), [[x * sx, y * sy, w * sx, h * sy] for x, y, w, h in boxes], None
    return alter


def borders(grey, boxes, rng):
    """Black bands over some of the sides, at least over one."""
    height, width = grey.shape
    sides = rng.random(4) < 0.6
    sides[rng.integers(4)] = True
    left, right, top, bottom = (int(round(rng.uniform(0.02, BORDER_MAX) * size)) * bool(side) for side, size in zip(sides, (width, width, height, height)))
    hidden = np.ones(grey.shape, bool)
    hidden[top:height - bottom, left:width - right] = False
    cut = []
    for x, y, w, h in boxes:
        x0, y0, x1, y1 = max(x, left), max(y, top), min(x + w, width - right), min(y + h, height - bottom)
        # What is hidden altogether keeps its box, which is then ignored.
        cut.append([x0, y0, x1 - x0, y1 - y0] if x1 > x0 and y1 > y0 else [x, y, w, h])
    return np.where(hidden, 0, grey).astype(np.uint8), cut, hidden


def drawings(grey, boxes, rng):
    """A maker's logo in one corner, time and position in another, a crosshair with a scale, a battery: what drones draw into the picture."""
    height, width = grey.shape
    drawn, mask = grey.copy(), np.zeros_like(grey)

    def both(draw):
        draw(drawn, int(ink))
        draw(mask, 255)

    ink = rng.integers(225, 256)
    logo_left = rng.random() < 0.5
    logo_x, logo_y = (14 if logo_left else width - 106), (12 if rng.random() < 0.5 else height - 46)
    both(lambda to, level: cv2.rectangle(to, (logo_x, logo_y), (logo_x + 92, logo_y + 34), level, 2))
    both(lambda to, level: cv2.circle(to, (logo_x + 18, logo_y + 17), 10, level, -1))
    both(lambda to, level: cv2.putText(to, "SKYE", (logo_x + 33, logo_y + 24), cv2.FONT_HERSHEY_DUPLEX, 0.6, level, 2, cv2.LINE_AA))
    when = f"20{rng.integers(18, 27)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} {rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}"
    text_x, text_y = (width - 250 if logo_left else 12), (22 if rng.random() < 0.5 else height - 34)
    for number, words in enumerate((when, f"H {rng.uniform(40, 120):.1f}m  {rng.uniform(-89, 89):.5f} {rng.uniform(-179, 179):.5f}")):
        both(lambda to, level: cv2.putText(to, words, (text_x, text_y + 20 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.45, level, 1, cv2.LINE_AA))
    cx, cy = width // 2, height // 2
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        both(lambda to, level: cv2.line(to, (cx + 8 * dx, cy + 8 * dy), (cx + 34 * dx, cy + 34 * dy), level, 2))
    both(lambda to, level: cv2.rectangle(to, (cx - 60, cy - 45), (cx + 60, cy + 45), level, 1))
    return drawn, boxes, mask > 127


def dark(share, noise):
    """A picture of little light: what is left of it, and the noise of a sensor that amplifies it."""
    return tone(lambda grey, rng: grey * share + rng.normal(0, noise, grey.shape))


def weather(length, count, least, most, angle_deg):
    """Streaks of rain, or flakes of snow where they are short, brighter than the picture."""
    def alter(grey, boxes, rng):
        layer = np.zeros(grey.shape, np.float32)
        slant = np.radians(angle_deg + rng.normal(0, 6))
        for x, y in rng.uniform((0, 0), grey.shape[::-1], (count, 2)):
            end = (int(x + length * np.sin(slant)), int(y + length * np.cos(slant)))
            cv2.line(layer, (int(x), int(y)), end, float(rng.uniform(least, most)), 1 if length > 6 else int(rng.integers(1, 4)), cv2.LINE_AA)
        return np.clip(grey + cv2.GaussianBlur(layer, (0, 0), 0.7), 0, 255).round().astype(np.uint8), boxes, None
    return alter


ALTERATIONS = {
    "plain": lambda grey, boxes, rng: (grey, boxes, None),
    "inverted": tone(lambda grey, rng: 255 - grey),
    "inferno": colour_map(cv2.COLORMAP_INFERNO),
    "magma": colour_map(cv2.COLORMAP_MAGMA),
    "hot": colour_map(cv2.COLORMAP_HOT),
    "bone": colour_map(cv2.COLORMAP_BONE),
    "viridis": colour_map(cv2.COLORMAP_VIRIDIS),
    "iron": look_up(IRON),
    "iron-jpeg-60": jpeg(60, IRON),
    "green": look_up(GREEN),
    "sepia": look_up(SEPIA),
    "borders": borders,
    "drawings": drawings,
    "blur-1.2": tone(lambda grey, rng: cv2.GaussianBlur(grey, (0, 0), 1.2)),
    "noise-6": tone(lambda grey, rng: grey + rng.normal(0, 6, grey.shape)),
    "jpeg-30": jpeg(30),
    "h264-32": h264(32),
    "h264-38": h264(38),
    "half-contrast": tone(lambda grey, rng: (grey - grey.mean()) / 2 + grey.mean()),
    "gamma-0.6": tone(lambda grey, rng: 255 * (grey / 255) ** 0.6),
    "gamma-1.6": tone(lambda grey, rng: 255 * (grey / 255) ** 1.6),
    "dark-noise": dark(0.3, 6),
    "darker-noise": dark(0.15, 5),
    "rain": weather(18, 220, 40, 130, 15),
    "snow": weather(3, 260, 90, 220, 0),
    "turned-90": turned_90,
    "turned-180": turned_180,
    "scale-0.75": scaled(0.75),
    "scale-1.33": scaled(1.33),
}


def hidden_share(mask, box):
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = int(np.ceil(box[0] + box[2])), int(np.ceil(box[1] + box[3]))
    inside = mask[y0:y1, x0:x1]
    return float(inside.mean()) if inside.size else 1.0


def write_altered(truth, name, folder, seed):
    """Pictures and `truth.json` of one alteration in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    images, kept = [], []
    for image in truth.all_pictures():
        annotations = truth.annotations[image["id"]]
        grey, boxes = truth.grey(image), [list(a["bbox"]) for a in annotations]
        picture, altered, mask = ALTERATIONS[name](grey, boxes, np.random.default_rng([seed, image["id"]]))
        file_name = f"{pathlib.Path(image['file_name']).stem}.png"
        cv2.imwrite(str(folder / file_name), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        images.append({"id": image["id"], "file_name": file_name, "width": picture.shape[1], "height": picture.shape[0]})
        for annotation, before, box in zip(annotations, boxes, altered):
            hidden = mask is not None and hidden_share(mask, before) > HIDDEN_MAX
            kept.append({**annotation, "bbox": before if hidden else box, "iscrowd": 1 if hidden else annotation.get("iscrowd", 0), "area": box[2] * box[3]})
    common.write_coco(folder / "truth.json", images, kept, truth.categories)


def main():
    arguments = argparse.ArgumentParser()
    common.add_detect(arguments)
    arguments.add_argument("--only", help="names with commas between; plain is always made; of " + ", ".join(ALTERATIONS))
    common.add_set(arguments)
    arguments.add_argument("--every", type=int, default=1, help="every Nth picture only")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--work", type=pathlib.Path, help="folder for the pictures, which stay there; default: a temporary one, emptied after each alteration")
    arguments.add_argument("--json", type=pathlib.Path)
    options = arguments.parse_args()
    names = list(ALTERATIONS)
    if options.only:
        asked = options.only.split(",")
        if unknown := [name for name in asked if name not in ALTERATIONS]:
            raise SystemExit(f"--only {','.join(unknown)}: there are {', '.join(ALTERATIONS)}")
        names = ["plain", *(name for name in ALTERATIONS if name in asked and name != "plain")]
    truth = common.Truth(common.data_folder(), options.every, options.set)
    with tempfile.TemporaryDirectory() as temporary:
        evaluate(truth, names, options, pathlib.Path(temporary))


def evaluate(truth, names, options, temporary):
    asked = common.detectors(options)
    scores = {detector: {} for detector in asked}
    rows = []
    head = ["picture", "people", *(f"{detector}: {what}" for detector in asked for what in ("AP50", "difference", "recall at 0.1 / 1"))]
    for name in names:
        folder = (options.work or temporary) / name
        write_altered(truth, name, folder, options.seed)
        cells = []
        for number, (detector, args) in enumerate(asked.items()):
            results = folder / f"found.{number}.json"
            common.run_detect(options.patrol, args, folder, folder / "truth.json", results)
            score = common.run_eval(options.patrol, folder / "truth.json", results)
            score["ap50_less_plain"] = score["ap50"] - scores[detector].get("plain", score)["ap50"]
            scores[detector][name] = score
            cells += [f"{score['ap50']:.3f}", f"{score['ap50_less_plain']:+.3f}", f"{score['recall_at_0_1_fp']:.3f} / {score['recall_at_1_fp']:.3f}"]
        rows.append([name, score["people"], *cells])
        # A line at a time: a whole run takes long.
        print(common.table(head, rows).splitlines()[-1] if len(rows) > 1 else common.table(head, rows), flush=True)
        if not options.work:
            shutil.rmtree(folder)
    for detector in asked:
        others = {name: score["ap50_less_plain"] for name, score in scores[detector].items() if name != "plain"}
        if others:
            worst = min(others, key=others.get)
            print(f"\n{detector}: worst {worst} {others[worst]:+.3f}, mean {np.mean(list(others.values())):+.3f}")
    if options.json:
        options.json.write_text(json.dumps(common.rounded({"pictures": len(truth.all_pictures()), "seed": options.seed, "detectors": asked, "scores": scores}), indent=1))


if __name__ == "__main__":
    main()
