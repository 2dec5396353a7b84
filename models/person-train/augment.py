"""From a frame to a training crop: geometry, people added, faded and hidden, then everything a camera and its video do to levels."""

from dataclasses import dataclass

import cv2
import numpy as np

from bodies import drawn, turned
from network import STRIDE
from weather import weathered

SIDE = 256
# Most labels of training pictures are axis-aligned: for turns that are no quarter turns the box of the inscribed ellipse stands in.
TURN_FREELY = 0.35


@dataclass(frozen=True)
class Strength:
    """Parts of the crops: only scaled, flipped and turned by quarters; inverted of these; with people pasted and drawn into them; inverted; with
    other gain, curve or palette; seen through weather or with little contrast. All but the first two and the last are parts of the crops that are not plain."""

    plain: float
    plain_inverted: float
    bodies: float
    inverted: float
    gain: float
    curve: float
    palette: float
    weather: float = 0.0


# A network that is shown too many people whom hardly anybody could see, too early, learns to see people in everything.
EARLY = Strength(plain=0.35, plain_inverted=0.0, bodies=0.5, inverted=0.3, gain=0.5, curve=0.25, palette=0.1)
LATE = Strength(plain=0.2, plain_inverted=0.15, bodies=0.75, inverted=0.4, gain=0.6, curve=0.35, palette=0.3)
# What it is to do most of the time comes last: half of the crops as the camera gave them, a third of all through weather.
LAST = Strength(plain=0.5, plain_inverted=0.15, bodies=0.75, inverted=0.4, gain=0.6, curve=0.35, palette=0.3, weather=0.35)


def crop(rng, frame, bank, strength, side=SIDE):
    """One training crop: grey [side, side] float 0-255, what it was before weather, its boxes, and people whom weather hides."""
    clear, people, bicycles, cars, ignored = crop_in_the_clear(rng, frame, bank, strength, side)
    if rng.random() >= strength.weather:
        return clear, clear, people, bicycles, cars, ignored, people[:0]
    grey, seen = weathered(rng, clear, people)
    return grey, clear, people[seen], bicycles, cars, ignored, people[~seen]


def crop_in_the_clear(rng, frame, bank, strength, side):
    plain = rng.random() < strength.plain
    matrix, quarter = geometry(rng, frame, side, plain)
    fill = float(rng.choice([0.0, 16.0, float(np.median(frame.grey[::16, ::16]))]))
    grey = cv2.warpAffine(frame.grey, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    grey = grey.astype(np.float32)
    people, ignored = moved(frame.people, matrix, side, quarter)
    bicycles, _ = moved(frame.bicycles, matrix, side, quarter)
    cars, _ = moved(frame.cars, matrix, side, quarter)
    ignored = np.concatenate([ignored, moved(frame.ignored, matrix, side, quarter, keep=0.0)[0]])
    if plain:
        if rng.random() < strength.plain_inverted:
            grey = 255 - grey
        return grey, people, bicycles, cars, ignored
    taken = [*people, *bicycles, *cars, *ignored]
    people = list(people)
    if rng.random() < 0.12:
        fade(rng, grey, people)
    if rng.random() < strength.bodies:
        paste(rng, grey, people, taken, bank)
    if rng.random() < 0.25:
        distract(rng, grey, people, taken)
    hidden = []
    if rng.random() < 0.15:
        grey = np.clip(grey, 0, 255).astype(np.uint8)
        hidden = overlay(rng, grey, people)
    grey = camera(rng, np.asarray(grey, np.float32), strength)
    return grey, np.array(people, np.float32).reshape(-1, 4), bicycles, cars, np.array([*ignored, *hidden], np.float32).reshape(-1, 4)


def geometry(rng, frame, side, plain):
    if len(frame.people) and rng.random() < 0.65:
        x, y, w, h = frame.people[rng.integers(len(frame.people))]
        centre = np.array([x + w / 2, y + h / 2]) + rng.uniform(-0.4, 0.4, 2) * side
    else:
        centre = rng.uniform(0, 1, 2) * np.array(frame.grey.shape[::-1])
    scale = np.exp(rng.uniform(np.log(0.85), np.log(1.2)) if rng.random() < 0.6 else rng.uniform(np.log(0.6), np.log(2.0)))
    # The crop stays in the picture as far as it fits, so that its border is rarely seen.
    half = side / scale / 2
    for axis, extent in enumerate(frame.grey.shape[::-1]):
        centre[axis] = np.clip(centre[axis], min(half, extent / 2), max(extent - half, extent / 2))
    quarter = plain or rng.random() > TURN_FREELY
    angle = rng.integers(4) * np.pi / 2 if quarter else rng.uniform(0, 2 * np.pi)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    c, s = np.cos(angle), np.sin(angle)
    turn = scale * np.array([[c * flip, -s], [s * flip, c]])
    return np.c_[turn, np.array([side / 2, side / 2]) - turn @ centre].astype(np.float32), quarter


def moved(boxes, matrix, side, quarter, keep=0.4):
    """Boxes after the turn, clipped; and those of which less than `keep` is left, to be ignored."""
    if len(boxes) == 0:
        return boxes.reshape(-1, 4), np.zeros((0, 4), np.float32)
    centre = (boxes[:, :2] + boxes[:, 2:] / 2) @ matrix[:, :2].T + matrix[:, 2]
    half = boxes[:, 2:] / 2
    turn = np.abs(matrix[:, :2])
    reach = half @ turn.T if quarter else np.sqrt(half**2 @ (turn**2).T)
    low, high = np.clip(centre - reach, 0, side), np.clip(centre + reach, 0, side)
    left = (high - low).prod(1) / np.maximum(4 * reach.prod(1), 1e-6)
    out = np.c_[low, high - low].astype(np.float32)
    return out[left > keep], out[(left <= keep) & (left > 0.02)]


def fade(rng, grey, people):
    """Winter clothing: takes 30-75 % off the contrast of some people."""
    for x, y, w, h in people:
        if rng.random() < 0.5 or w < 3 or h < 3:
            continue
        m = 4
        x0, y0, x1, y1 = max(0, int(x) - m), max(0, int(y) - m), min(grey.shape[1], int(x + w) + m), min(grey.shape[0], int(y + h) + m)
        patch = grey[y0:y1, x0:x1]
        edge = np.median(np.concatenate([patch[0], patch[-1], patch[:, 0], patch[:, -1]]))
        gy, gx = np.mgrid[y0:y1, x0:x1]
        inside = np.exp(-np.maximum(((gx - x - w / 2) / (w / 2 + 1)) ** 2 + ((gy - y - h / 2) / (h / 2 + 1)) ** 2 - 1, 0))
        patch -= (patch - edge) * inside * rng.uniform(0.3, 0.75)


def paste(rng, grey, people, taken, bank):
    side = grey.shape[0]
    usual = np.median([max(box[2:]) for box in people]) if people else np.exp(rng.uniform(np.log(12), np.log(32)))
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.4 and bank:
            body, box = turned(rng, bank[rng.integers(len(bank))], usual * np.exp(rng.normal(0, 0.2)))
            gain = rng.uniform(0.45, 1.2)
        else:
            length = np.exp(rng.uniform(np.log(9), np.log(96))) if rng.random() < 0.6 else usual * rng.uniform(1.0, 2.2)
            body, box = drawn(rng, float(np.clip(length, 8, 110)))
            gain = None
        if box is None or max(body.shape) >= side - 2:
            continue
        x, y = rng.integers(side - body.shape[1]), rng.integers(side - body.shape[0])
        box = box + np.array([x, y, 0, 0], np.float32)
        if any(box[0] < t[0] + t[2] + 2 and t[0] < box[0] + box[2] + 2 and box[1] < t[1] + t[3] + 2 and t[1] < box[1] + box[3] + 2 for t in taken):
            continue
        patch = grey[y : y + body.shape[0], x : x + body.shape[1]]
        if gain is None:
            # From 6 σ of what lies around it (the body's hottest part; its mean is half of that) to the whole range.
            sigma = np.median(np.abs(patch - np.median(patch))) * 1.48 + 2.5
            gain = float(np.exp(rng.uniform(np.log(6 * sigma), np.log(max(150.0, 8 * sigma)))))
            gain *= -1 if rng.random() < 0.1 else 1
            # A body hides what it lies on.
            patch -= (patch - np.median(patch)) * np.clip(body * 2, 0, 1) * 0.8
        patch += body * gain
        people.append(box)
        taken.append(box)


def distract(rng, grey, people, taken):
    """Warm things that are no people: lamps smaller than a head, manhole covers, long pipes and edges, large warm areas."""
    side = grey.shape[0]
    usual = np.median([max(box[2:]) for box in people]) if len(people) else np.exp(rng.uniform(np.log(12), np.log(32)))
    layer = np.zeros_like(grey)
    for _ in range(rng.integers(1, 4)):
        at = rng.integers(10, side - 10, 2)
        kind, warm = rng.random(), float(rng.uniform(30, 160))
        if kind < 0.25:
            cv2.circle(layer, tuple(int(v) for v in at), 1, warm, -1)
        elif kind < 0.55:
            # A round cover of 0.6-0.8 m, as long as a walking person is seen from above; flat where the camera looks at a slant.
            wide = usual * rng.uniform(0.3, 0.6)
            axes = (max(1, round(wide)), max(1, round(wide * rng.uniform(0.4, 1.0))))
            cv2.ellipse(layer, tuple(int(v) for v in at), axes, float(rng.integers(2) * 90), 0, 360, warm, -1)
        elif kind < 0.8:
            to = at + rng.uniform(-1, 1, 2) * side
            cv2.line(layer, tuple(int(v) for v in at), tuple(int(v) for v in to), warm, int(rng.integers(1, 5)))
        else:
            axes = tuple(int(v) for v in rng.uniform(45, 120, 2))
            cv2.ellipse(layer, tuple(int(v) for v in at), axes, float(rng.uniform(0, 180)), 0, 360, warm * 0.6, -1)
    layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 1.2))
    for x, y, w, h in taken:
        layer[max(0, int(y) - 2) : int(y + h) + 3, max(0, int(x) - 2) : int(x + w) + 3] = 0
    grey += layer


def overlay(rng, grey, people):
    """Black borders, burnt-in words, logos and crosshairs. Returns what lies hidden."""
    side = grey.shape[0]
    covered = np.zeros(grey.shape, np.uint8)
    ink = float(rng.choice([0, 16, 235, 255]))
    for _ in range(rng.integers(1, 4)):
        kind = rng.random()
        if kind < 0.35:
            thick, edge = int(rng.integers(8, side // 4)), rng.integers(4)
            where = [np.s_[:thick], np.s_[-thick:], np.s_[:, :thick], np.s_[:, -thick:]][edge]
            grey[where] = rng.choice([0, 16])
            covered[where] = 1
        elif kind < 0.8:
            words = "".join(rng.choice(list("0123456789:-/ ABCDEFGHKMNRTW"), rng.integers(4, 20)))
            at = (int(rng.integers(0, side // 2)), int(rng.integers(15, side)))
            font = (int(rng.integers(0, 6)), float(rng.uniform(0.3, 1.2)))
            thick = int(rng.integers(1, 3))
            if rng.random() < 0.4:
                cv2.putText(grey, words, at, *font, 255.0 - ink, thick + 2)
            cv2.putText(grey, words, at, *font, ink, thick)
        else:
            at, reach = rng.integers(40, side - 40, 2), int(rng.integers(6, 40))
            for dx, dy in ((1, 0), (0, 1)):
                a, b = at - reach * np.array([dx, dy]), at + reach * np.array([dx, dy])
                cv2.line(grey, tuple(int(v) for v in a), tuple(int(v) for v in b), ink, int(rng.integers(1, 3)))
    hidden = [box for box in people if covered[int(box[1]) : int(box[1] + box[3]) + 1, int(box[0]) : int(box[0] + box[2]) + 1].mean() > 0.4]
    people[:] = [box for box in people if not any(box is other for other in hidden)]
    return hidden


def camera(rng, grey, strength):
    """Gain control, polarity, optics, noise and the video's own losses."""
    low, high = np.percentile(grey[::8, ::8], [1, 99])
    if rng.random() < strength.gain:
        # Contrast and level as another gain control would set them.
        gain = np.exp(rng.uniform(np.log(0.4), np.log(1.7)))
        middle = rng.uniform(60, 190) if rng.random() < 0.4 else (low + high) / 2 + rng.normal(0, 15)
        grey = (grey - (low + high) / 2) * gain + middle
    grey = np.clip(grey, 0, 255)
    if rng.random() < strength.curve:
        grey = 255 * (grey / 255) ** np.exp(rng.uniform(np.log(0.55), np.log(1.8)))
    if rng.random() < strength.palette:
        # The brightness of a palette: rising, with a knee or two.
        knots = np.sort(rng.uniform(0, 255, 5))
        knots = (knots - knots[0]) / max(knots[-1] - knots[0], 1) * 255
        grey = np.interp(grey, np.linspace(0, 255, 5), knots)
    if rng.random() < strength.inverted:
        grey = 255 - grey
    if rng.random() < 0.15:
        # Vignette, or a slow slope of the sensor's own warmth.
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]] / grey.shape[0] - 0.5
        grey = grey + rng.normal(0, 25) * x + rng.normal(0, 25) * y + rng.normal(0, 30) * (x * x + y * y)
    grey = grey.astype(np.float32)
    if rng.random() < 0.2:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.4, 1.3))
    elif rng.random() < 0.2:
        grey = grey + (grey - cv2.GaussianBlur(grey, (0, 0), 1.5)) * rng.uniform(0.3, 1.5)
    grey = perhaps_smeared(rng, grey)
    if rng.random() < 0.3:
        grey = grey + rng.normal(0, rng.uniform(1, 8), grey.shape)
    if rng.random() < 0.15:
        grey = grey + rng.normal(0, rng.uniform(1, 5), (1, grey.shape[1]) if rng.random() < 0.6 else (grey.shape[0], 1))
    grey = np.clip(grey, 0, 255)
    if rng.random() < 0.2:
        # Blocks and ringing as of a starved intra picture.
        quality = int(rng.integers(18, 75))
        grey = cv2.imdecode(cv2.imencode(".jpg", grey.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    return np.asarray(grey, np.float32)


def perhaps_smeared(rng, grey):
    """One in twelve as a camera sees it that moves."""
    if rng.random() >= 0.08:
        return grey
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, tuple(int(v) for v in rng.integers(0, length, 2)), (length // 2, length // 2), 1.0)
    return cv2.filter2D(grey, -1, kernel / max(kernel.sum(), 1e-6))


def heat_of(boxes, side):
    """Cells within the middle half of the boxes."""
    cells = side // STRIDE
    heat = np.zeros((cells, cells), np.float32)
    for x, y, w, h in boxes:
        x0, x1 = int((x + w / 4) / STRIDE), int(np.ceil((x + w * 3 / 4) / STRIDE))
        y0, y1 = int((y + h / 4) / STRIDE), int(np.ceil((y + h * 3 / 4) / STRIDE))
        heat[max(0, y0) : y1, max(0, x0) : x1] = 1
    return heat


def covered(boxes, side):
    cells = side // STRIDE
    mask = np.zeros((cells, cells), np.float32)
    for x, y, w, h in boxes:
        mask[max(0, int(y / STRIDE)) : int(np.ceil((y + h) / STRIDE)), max(0, int(x / STRIDE)) : int(np.ceil((x + w) / STRIDE))] = 1
    return mask
