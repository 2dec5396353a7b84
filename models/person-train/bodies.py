"""People to paste: cut out of training pictures, or drawn lying and curled. Both as (levels above the ground, box)."""

import cv2
import numpy as np

# Margin around a labelled person in which his surroundings are measured.
MARGIN_PX = 6
# What stands out less than this many grey levels from its ring is no use as a cut-out.
CONTRAST_MIN = 14.0


def cut_out(frame):
    """Every person of a frame who stands alone and stands out, as a patch of levels above (or below) his ring."""
    others = np.concatenate([frame.people, frame.bicycles, frame.cars, frame.ignored])
    patches = []
    for x, y, w, h in frame.people:
        x0, y0, x1, y1 = (int(v) for v in (x - MARGIN_PX, y - MARGIN_PX, x + w + MARGIN_PX, y + h + MARGIN_PX))
        if w * h < 80 or x0 < 0 or y0 < 0 or x1 > frame.grey.shape[1] or y1 > frame.grey.shape[0]:
            continue
        apart = (others[:, 0] > x1) | (others[:, 1] > y1) | (others[:, 0] + others[:, 2] < x0) | (others[:, 1] + others[:, 3] < y0)
        if (~apart).sum() > 1:
            continue
        patch = frame.grey[y0:y1, x0:x1].astype(np.float32)
        inside = np.zeros(patch.shape, bool)
        inside[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = True
        ring = np.median(patch[~inside])
        above = patch - ring
        strong = np.abs(above) > 0.3 * np.percentile(np.abs(above[inside]), 95)
        if np.percentile(np.abs(above[inside]), 95) < CONTRAST_MIN or strong[~inside].mean() > 0.05:
            continue
        soft = cv2.GaussianBlur((strong & inside).astype(np.float32), (0, 0), 1.2)
        patches.append((above * np.clip(soft * 1.6, 0, 1)).astype(np.float16))
    return patches


def extent(mask):
    """x, y, w, h of what is set, or none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]], np.float32)


def turned(rng, patch, longest_px):
    """A cut-out at any angle, at the size wanted, one time in three stretched along one axis as somebody who lies is longer than he is wide."""
    patch = patch.astype(np.float32)
    scale = longest_px / max(patch.shape[0] - 2 * MARGIN_PX, patch.shape[1] - 2 * MARGIN_PX)
    stretch = rng.uniform(1.2, 2.2) if rng.random() < 0.33 else 1.0
    angle = rng.uniform(0, 2 * np.pi)
    side = int(np.ceil(np.hypot(*patch.shape) * scale * stretch)) + 4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([scale, scale * stretch])
    centre = np.array(patch.shape[::-1]) / 2
    matrix = np.c_[matrix, np.array([side / 2, side / 2]) - matrix @ centre].astype(np.float32)
    out = cv2.warpAffine(patch, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return out, extent(np.abs(out) > 0.3 * np.abs(out).max())


def drawn(rng, length_px):
    """A lying, curled or huddled body seen from above: limbs as thick lines, each part with its own warmth, levels in 0-1 of its hottest part."""
    up = 4
    side = int(length_px * up * 1.5) + 8 * up
    canvas = np.zeros((side, side), np.float32)
    metre = length_px * up / 1.75
    at = np.array([side / 2, side / 2])
    angle = rng.uniform(0, 2 * np.pi)

    def to(point):
        x, y = point
        turned_to = np.array([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)])
        return tuple(int(v) for v in at + turned_to * metre)

    def limb(points, width, warmth):
        layer = np.zeros_like(canvas)
        cv2.polylines(layer, [np.array([to(p) for p in points], np.int32)], False, float(warmth), max(1, int(width * metre)), cv2.LINE_8)
        np.maximum(canvas, layer, out=canvas)

    def along(radians):
        return np.array([np.cos(radians), np.sin(radians)])

    clothes = rng.uniform(0.25, 0.9)
    warmth = lambda: float(np.clip(clothes * rng.uniform(0.7, 1.3), 0.15, 1.0))
    kind = rng.random()
    if kind < 0.6:
        # On the back, the side or the belly, x along the body; limbs anywhere that joints allow.
        limb([(-0.35, 0), (0.15, 0)], rng.uniform(0.3, 0.5), warmth())
        for way in (-1, 1):
            thigh = way * rng.uniform(0.0, 0.5) if rng.random() < 0.6 else rng.uniform(-1.2, 1.2)
            shin = thigh + rng.normal(0, 0.2) if rng.random() < 0.6 else thigh + rng.uniform(-1.8, 1.8)
            hip = np.array([0.15, 0.08 * way])
            knee = hip + 0.4 * along(thigh)
            limb([hip, knee, knee + 0.4 * along(shin)], rng.uniform(0.1, 0.15), warmth())
            if rng.random() < 0.85:
                shoulder = np.array([-0.32, 0.17 * way])
                upper = way * (rng.uniform(0.1, 0.7) if rng.random() < 0.5 else rng.uniform(0.5, 2.7))
                elbow = shoulder + 0.28 * along(upper)
                limb([shoulder, elbow, elbow + 0.3 * along(upper + way * rng.uniform(-2.0, 0.8))], rng.uniform(0.07, 0.11), warmth())
    elif kind < 0.85:
        # Curled up: trunk bent, knees to the belly.
        limb([(-0.3, 0), (-0.05, -0.12), (0.2, -0.05)], rng.uniform(0.32, 0.45), warmth())
        limb([(0.2, -0.05), (0.05, 0.35), (0.35, 0.45)], 0.18, warmth())
    else:
        # Sits, seen from above: trunk and legs stretched out or drawn up.
        limb([(-0.15, -0.05), (0.05, 0.05)], rng.uniform(0.4, 0.5), warmth())
        reach = rng.uniform(0.2, 0.75)
        for way in (-1, 1):
            limb([(0.0, 0.1 * way), (reach, 0.12 * way)], 0.15, warmth())
    head = rng.uniform(-0.08, 0.08)
    cv2.circle(canvas, to((-0.62 if kind < 0.6 else -0.45 if kind < 0.85 else -0.05, head)), int(0.12 * metre), float(rng.uniform(0.7, 1.0)), -1)
    canvas = cv2.GaussianBlur(canvas, (0, 0), up * rng.uniform(0.5, 1.0))
    # A quilt or a bench hides a part, one time in six.
    if rng.random() < 0.17:
        edge = rng.uniform(0.3, 0.6)
        normal = np.array([np.cos(angle + rng.normal(0, 0.3)), np.sin(angle + rng.normal(0, 0.3))])
        y, x = np.mgrid[:side, :side]
        canvas[((x - at[0]) * normal[0] + (y - at[1]) * normal[1]) > (edge - 0.35) * metre] *= rng.uniform(0.1, 0.4)
    body = cv2.resize(canvas, (side // up, side // up), interpolation=cv2.INTER_AREA)
    body += cv2.resize(rng.normal(0, 0.08, (8, 8)).astype(np.float32), body.shape[::-1]) * (body > 0.2)
    return body / max(float(body.max()), 1e-6), extent(body > 0.25 * body.max())
