"""From visible pictures to a training crop: put together, scaled, people laid down and covered, then night, weather, optics and video, and turned."""

from dataclasses import dataclass

import cv2
import numpy as np

from augment import moved, perhaps_smeared

PAD = 114.0
# Shorter than this nobody can be told from a post.
TINY_PX = 8.0
# Grey levels of deviation within his box below which nobody can be seen, nor is punished for seeing him.
DEVIATION_MIN = 8.0
LUMA = np.array([[0.114, 0.587, 0.299]], np.float32)


@dataclass(frozen=True)
class Strength:
    """Parts of the crops: as they are but for scale, turn and mirror; four pictures in one; people laid down into them; covered; lit as at night;
    turned by a quarter, a half or three quarters."""

    plain: float
    mosaic: float
    laid: float
    covered: float
    night: float
    turned: float


EARLY = Strength(plain=0.6, mosaic=0.3, laid=0.2, covered=0.1, night=0.15, turned=0.4)
LATE = Strength(plain=0.35, mosaic=0.3, laid=0.3, covered=0.2, night=0.3, turned=0.5)


@dataclass
class Crop:
    """grey [side, side] float 0-255; people, regions to ignore, and what was changed in it beyond its light (x, y, w, h); `clear`: the crop in colours
    before any of that and before it was turned by `quarters`, uint8 [side, side, 3]."""

    grey: np.ndarray
    people: np.ndarray
    ignored: np.ndarray
    changed: np.ndarray
    clear: np.ndarray
    quarters: int


def crop(rng, frames, bank, strength, side, scale):
    """One training crop of pictures at about `scale`."""
    plain = rng.random() < strength.plain
    if rng.random() < strength.mosaic:
        colour, people, ignored = mosaic(rng, frames, side, scale)
    else:
        colour, people, ignored = placed(rng, any_of(rng, frames), side, side, scale)
    clear, grey = colour, grey_of(rng, colour)
    changed = []
    tiny = (people[:, 2:].max(1) < TINY_PX) | (people[:, 2:].min(1) < TINY_PX / 3)
    people, ignored = people[~tiny], np.concatenate([ignored, people[tiny]])
    if not plain:
        people = list(people)
        if rng.random() < strength.laid:
            lay(rng, grey, people, ignored, bank, changed)
        if rng.random() < strength.covered:
            cover(rng, grey, people, frames, changed)
        grey, noiseless = camera(rng, grey, strength)
        seen = [deviation(noiseless, box) >= DEVIATION_MIN for box in people]
        lost = [box for box, is_seen in zip(people, seen) if not is_seen]
        people = array([box for box, is_seen in zip(people, seen) if is_seen])
        ignored = np.concatenate([ignored, array(lost)])
        changed += lost
    quarters = int(rng.integers(1, 4)) if rng.random() < strength.turned else 0
    turned = [turned_boxes(boxes, quarters, side) for boxes in (people, ignored, array(changed))]
    return Crop(np.ascontiguousarray(np.rot90(grey, quarters)), *turned, clear, quarters)


def array(boxes):
    return np.array(boxes, np.float32).reshape(-1, 4)


def turned_boxes(boxes, quarters, side):
    """Boxes as np.rot90 turns a picture."""
    for _ in range(quarters):
        boxes = np.c_[boxes[:, 1], side - boxes[:, 0] - boxes[:, 2], boxes[:, 3], boxes[:, 2]]
    return boxes


def deviation(grey, box):
    x, y, w, h = (int(v) for v in box)
    return float(grey[y : y + h + 1, x : x + w + 1].std())


def any_of(rng, frames):
    return frames[rng.integers(len(frames))]


def grey_of(rng, colour):
    """Luma, or the grey of another sensor: cloth that is dark to the eye is bright in infrared light."""
    weights = LUMA if rng.random() < 0.7 else rng.dirichlet([1.2, 1.2, 1.2])[None].astype(np.float32)
    return cv2.transform(colour.astype(np.float32), weights)


def placed(rng, frame, width, height, shrink):
    """A picture scaled, and turned a little, into width x height; what it leaves is padding."""
    colour = frame.colour
    # Pictures were stretched to a square: half of them stay so, as they are measured, the others get proportions of cameras back.
    aspect = np.exp(rng.normal(0, 0.12)) if rng.random() < 0.5 else np.exp(rng.uniform(np.log(0.75), np.log(1.78)))
    scale = shrink * (np.exp(rng.normal(-0.1, 0.25)) if rng.random() < 0.6 else np.exp(rng.uniform(np.log(0.45), np.log(1.5))))
    free = rng.random() < 0.2
    turn = 0.0
    if free:
        turn = rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(-0.8, 0.8)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    c, s = np.cos(turn), np.sin(turn)
    matrix = scale * np.array([[c, -s], [s, c]]) @ np.diag([flip * aspect**0.5, aspect**-0.5])
    if len(frame.people) and rng.random() < 0.7:
        x, y, w, h = frame.people[rng.integers(len(frame.people))]
        centre = matrix @ np.array([x + w / 2, y + h / 2]) + rng.uniform(-0.45, 0.45, 2) * (width, height)
    else:
        centre = matrix @ (rng.uniform(0, 1, 2) * colour.shape[1::-1])
    # The crop stays in the picture as far as it fits, so that its border is rarely seen.
    ends = matrix @ np.array([[0, colour.shape[1], 0, colour.shape[1]], [0, 0, colour.shape[0], colour.shape[0]]])
    low, high = ends.min(1), ends.max(1)
    half = np.array([width, height]) / 2
    for axis in range(2):
        if high[axis] - low[axis] > 2 * half[axis]:
            centre[axis] = np.clip(centre[axis], low[axis] + half[axis], high[axis] - half[axis])
        else:
            slack = half[axis] - (high[axis] - low[axis]) / 2
            centre[axis] = (low[axis] + high[axis]) / 2 + rng.uniform(-1, 1) * slack
    matrix = np.c_[matrix, half - centre].astype(np.float32)
    fill = PAD if rng.random() < 0.7 else float(rng.choice([0.0, 16.0, 128.0]))
    if scale < 0.7:
        colour = cv2.GaussianBlur(colour, (0, 0), 0.35 / scale)
    borders = dict(borderMode=cv2.BORDER_CONSTANT, borderValue=(fill, fill, fill))
    out = cv2.warpAffine(colour, matrix, (width, height), flags=cv2.INTER_LINEAR, **borders)
    side = np.array([width, height], np.float32)
    people, cut = moved(frame.people, matrix, side, not free)
    ignored = moved(frame.ignored, matrix, side, not free, keep=0.0)[0]
    return out, people, np.concatenate([ignored, cut])


def mosaic(rng, frames, side, scale):
    """Four pictures around a point: many people, small ones, and places that no picture shows together."""
    x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * side)
    colour, people, ignored = np.empty((side, side, 3), np.uint8), [], []
    for x0, y0, x1, y1 in ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)):
        part, some, others = placed(rng, any_of(rng, frames), x1 - x0, y1 - y0, 0.6 * scale)
        colour[y0:y1, x0:x1] = part
        people.append(some + np.array([x0, y0, 0, 0], np.float32))
        ignored.append(others + np.array([x0, y0, 0, 0], np.float32))
    return colour, np.concatenate(people), np.concatenate(ignored)


def cut_out(frame):
    """People who stand alone and upright, with a margin: grey, and their box in it."""
    out = []
    for number, (x, y, w, h) in enumerate(frame.people):
        if h < 60 or not 1.4 < h / max(w, 1) < 5:
            continue
        others = np.delete(frame.people, number, 0)
        x0, y0, x1, y1 = (int(v) for v in (x - 0.08 * w, y - 0.05 * h, x + 1.08 * w, y + 1.05 * h))
        if x0 < 0 or y0 < 0 or x1 > frame.grey.shape[1] or y1 > frame.grey.shape[0]:
            continue
        if len(others) and ((others[:, 0] < x1) & (others[:, 1] < y1) & (others[:, 0] + others[:, 2] > x0) & (others[:, 1] + others[:, 3] > y0)).any():
            continue
        out.append((frame.grey[y0:y1, x0:x1], np.array([x - x0, y - y0, w, h], np.float32)))
    return out


def lay(rng, grey, people, ignored, bank, changed):
    """People cut out of other pictures, lying: turned by about a quarter, edges soft, levels as of the place."""
    if not bank:
        return
    side = grey.shape[0]
    for _ in range(rng.integers(1, 4)):
        patch, box = bank[rng.integers(len(bank))]
        length = np.exp(rng.uniform(np.log(18), np.log(0.5 * side)))
        scale = length / box[3]
        turn = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.25) if rng.random() < 0.75 else rng.uniform(0, 2 * np.pi)
        c, s = np.cos(turn), np.sin(turn)
        matrix = scale * np.array([[c, -s], [s, c]]) @ np.diag([rng.uniform(0.75, 1.2), 1.0])
        reach = int(np.ceil(1.2 * length)) + 4
        if reach >= side:
            continue
        middle = box[:2] + box[2:] / 2
        matrix = np.c_[matrix, reach / 2 - matrix @ middle].astype(np.float32)
        yy, xx = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
        # A soft edge at the box; beyond it nothing.
        far = np.maximum(np.abs(xx - middle[0]) / (box[2] / 2), np.abs(yy - middle[1]) / (box[3] / 2))
        round_ = ((xx - middle[0]) / (box[2] / 2)) ** 4 + ((yy - middle[1]) / (box[3] / 2)) ** 4
        mask = np.clip((1.15 - np.maximum(far, round_)) / 0.25, 0, 1)
        source = cv2.GaussianBlur(patch, (0, 0), 0.35 / scale) if scale < 0.7 else patch
        body = cv2.warpAffine(source, matrix, (reach, reach), flags=cv2.INTER_LINEAR).astype(np.float32)
        mask = cv2.warpAffine(mask, matrix, (reach, reach), flags=cv2.INTER_LINEAR)
        found, _ = moved(box[None], matrix, np.array([reach, reach], np.float32), False)
        if not len(found):
            continue
        x, y = rng.integers(side - reach), rng.integers(side - reach)
        box_there = found[0] + np.array([x, y, 0, 0], np.float32)
        if any(overlap(box_there, other) > 0.15 * min(box_there[2] * box_there[3], other[2] * other[3]) for other in [*people, *ignored]):
            continue
        there = grey[y : y + reach, x : x + reach]
        # Half-way to the mean and contrast of the ground, as the same light would have it.
        if rng.random() < 0.7:
            inside = mask > 0.5
            if inside.sum() > 20:
                body = (body - body[inside].mean()) * rng.uniform(0.6, 1.1) + 0.5 * body[inside].mean() + 0.5 * there[inside].mean() + rng.normal(0, 12)
        there += (np.clip(body, 0, 255) - there) * mask
        people.append(box_there)
        changed.append(box_there)


def overlap(a, b):
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(across, 0) * max(down, 0)


def cover(rng, grey, people, frames, changed):
    """Quilts, coats, boxes and bench backs over part of some people; the box stays, for he is still there."""
    for x, y, w, h in people:
        if rng.random() < 0.5 or w < 12 or h < 12:
            continue
        wide, high = (rng.uniform(0.8, 1.3), rng.uniform(0.25, 0.55)) if (w < h) == (rng.random() < 0.8) else (rng.uniform(0.25, 0.55), rng.uniform(0.8, 1.3))
        wide, high = wide * w, high * h
        at = np.array([x, y]) + rng.uniform(0, 1, 2) * np.maximum(np.array([w - wide, h - high]), 1)
        x0, y0 = max(0, int(at[0])), max(0, int(at[1]))
        x1, y1 = min(grey.shape[1], int(at[0] + wide)), min(grey.shape[0], int(at[1] + high))
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        cloth = np.full(xx.shape, rng.uniform(20, 230), np.float32)
        # Folds, stripes or squares, and what light does to them.
        for _ in range(rng.integers(1, 4)):
            period, angle = rng.uniform(4, max(5.0, w)), rng.uniform(0, np.pi)
            cloth += rng.uniform(3, 25) * np.sin((xx * np.cos(angle) + yy * np.sin(angle)) * 2 * np.pi / period + rng.uniform(0, 6))
        if rng.random() < 0.4:
            other = any_of(rng, frames).grey
            if other.shape[0] > yy.shape[0] and other.shape[1] > xx.shape[1]:
                oy, ox = rng.integers(other.shape[0] - yy.shape[0]), rng.integers(other.shape[1] - xx.shape[1])
                cloth = other[oy : oy + yy.shape[0], ox : ox + xx.shape[1]].astype(np.float32)
        power = rng.choice([2, 4, 8])
        far = np.abs((xx - at[0] - wide / 2) / (wide / 2)) ** power + np.abs((yy - at[1] - high / 2) / (high / 2)) ** power
        mask = np.clip((1.05 - far) / 0.1, 0, 1)
        left, top = min(x, x0), min(y, y0)
        changed.append((left, top, max(x + w, x1) - left, max(y + h, y1) - top))
        grey[y0:y1, x0:x1] += (np.clip(cloth, 0, 255) - grey[y0:y1, x0:x1]) * mask


def camera(rng, grey, strength):
    """Light, weather, optics, noise and the video's own losses. Returns the picture, and what it was before noise."""
    side = grey.shape[0]
    if rng.random() < 0.45:
        middle = float(grey.mean())
        grey = (grey - middle) * np.exp(rng.uniform(np.log(0.45), np.log(1.5))) + middle + rng.normal(0, 25)
    grey = np.clip(grey, 0, 255)
    if rng.random() < 0.25:
        grey = 255 * (grey / 255) ** np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    noise = 0.0
    if rng.random() < strength.night:
        grey = night(rng, grey)
        noise = rng.uniform(2, 11)
    elif rng.random() < 0.25:
        noise = rng.uniform(1, 8)
    if rng.random() < 0.12:
        grey = weather(rng, grey)
    if rng.random() < 0.2:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.4, 1.4))
    elif rng.random() < 0.15:
        grey = grey + (grey - cv2.GaussianBlur(grey, (0, 0), 1.5)) * rng.uniform(0.3, 1.5)
    grey = perhaps_smeared(rng, grey)
    clear = grey
    if noise:
        grain = rng.normal(0, noise, (side, side)).astype(np.float32)
        grey = grey + (cv2.GaussianBlur(grain, (0, 0), 0.6) * 1.8 if rng.random() < 0.4 else grain)
    grey = np.clip(grey, 0, 255)
    if rng.random() < 0.25:
        # Blocks and ringing as of a starved intra picture.
        quality = int(rng.integers(12, 70))
        grey = cv2.imdecode(cv2.imencode(".jpg", grey.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    return np.asarray(grey, np.float32), clear


def night(rng, grey):
    """A dim place with lamps, or an infrared lamp beside the lens; then headlights."""
    side = grey.shape[0]
    yy, xx = np.mgrid[:side, :side].astype(np.float32) / side
    light = np.full((side, side), rng.uniform(0.18, 0.6), np.float32)
    if rng.random() < 0.4:
        x, y, wide = rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.8), rng.uniform(0.25, 0.7)
        light += rng.uniform(0.3, 1.0) * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * wide**2))
    else:
        for _ in range(rng.integers(0, 4)):
            x, y, wide = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.06, 0.3)
            light += rng.uniform(0.2, 1.0) * np.exp(-(((xx - x) / 1.4) ** 2 + (yy - y) ** 2) / (2 * wide**2))
    grey = grey * light + rng.uniform(0, 20)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 5)):
            x, y, wide = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.004, 0.03)
            glare = np.exp(-np.sqrt((xx - x) ** 2 + (yy - y) ** 2) / wide)
            grey = grey + glare * rng.uniform(150, 500)
    return np.clip(grey, 0, 255)


def weather(rng, grey):
    """Rain as streaks, snow as flakes, fog as a veil."""
    side, kind = grey.shape[0], rng.random()
    layer = np.zeros_like(grey)
    if kind < 0.4:
        angle, length = rng.normal(0, 0.25), rng.uniform(5, 25)
        dx, dy = length * np.sin(angle), length * np.cos(angle)
        for x, y in rng.uniform(0, side, (int(rng.integers(20, 250)), 2)):
            cv2.line(layer, (int(x), int(y)), (int(x + dx), int(y + dy)), float(rng.uniform(20, 110)), 1)
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.4, 0.9))
    elif kind < 0.8:
        for x, y in rng.uniform(0, side, (int(rng.integers(20, 250)), 2)):
            cv2.circle(layer, (int(x), int(y)), int(rng.choice([1, 1, 1, 2, 3])), float(rng.uniform(50, 200)), -1)
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.4, 1.5))
    else:
        veil = rng.uniform(0.2, 0.65)
        return grey * (1 - veil) + rng.uniform(90, 200) * veil
    return np.clip(grey + layer, 0, 255)
