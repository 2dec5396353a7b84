"""A lying adult in thermal infrared, seen from straight above: metres and temperatures, then pixels.

Temperatures are shares of the head's excess over the ground: head 1, clothes much less. Nothing here comes from pictures of people.
"""

import cv2
import numpy as np

FINE_M = 0.015
POSES = ("supine", "prone", "side", "legs bent", "arms out", "curled")


class Body:
    """Parts in metres, in the order they are painted: (points with radii, temperature). The spine lies along y, the head at -y."""

    def __init__(self, rng, pose=None):
        self.pose = pose or POSES[rng.integers(len(POSES))]
        self.stature = rng.uniform(1.5, 1.9)
        self.turn = rng.uniform(0, 2 * np.pi)
        self.clothes = rng.uniform(0.3, 0.9)
        self.fold_seed = int(rng.integers(1 << 31))
        self.parts = []
        build = rng.uniform(0.95, 1.25)
        if self.pose in ("side", "curled"):
            self.on_the_side(rng, build)
        else:
            self.on_back_or_front(rng, build)
        # 1.75 m is what the proportions below are for.
        scale = self.stature / 1.75
        mirror = np.array([scale * rng.choice([-1, 1]), scale])
        c, s = np.cos(self.turn), np.sin(self.turn)
        turned = np.array([[c, -s], [s, c]])
        self.parts = [([(turned @ (np.array(p) * mirror), r * scale) for p, r in points], t) for points, t in self.parts]
        ends = np.array([(*(p - r), *(p + r)) for points, _ in self.parts for p, r in points])
        low, high = ends[:, :2].min(axis=0), ends[:, 2:].max(axis=0)
        # The middle of the extent is where it is placed.
        self.parts = [([(p - (low + high) / 2, r) for p, r in points], t) for points, t in self.parts]
        self.size = high - low

    def part(self, points, temperature):
        self.parts.append((points, min(temperature, 1.0)))

    def leg(self, hip, thigh, shin, toe, rng, build):
        """`thigh`, `shin`, `toe`: degrees from straight down, positive to +x."""
        warm = self.clothes * rng.uniform(0.85, 1.0)
        knee = hip + 0.43 * towards(thigh)
        ankle = knee + 0.41 * towards(shin)
        self.part([(ankle, 0.045), (ankle + 0.18 * towards(toe), 0.035)], self.clothes * rng.uniform(0.4, 0.8))
        self.part([(knee, 0.062 * build), (ankle, 0.045)], warm * rng.uniform(0.85, 1.0))
        self.part([(hip, 0.088 * build), (knee, 0.065 * build)], warm)

    def arm(self, shoulder, upper, fore, rng, build):
        sleeve = self.clothes * rng.uniform(0.8, 1.0)
        bare = rng.uniform(0.75, 0.95) if rng.random() < 0.3 else sleeve
        elbow = shoulder + 0.29 * towards(upper)
        wrist = elbow + 0.25 * towards(fore)
        self.part([(shoulder, 0.058 * build), (elbow, 0.048 * build)], sleeve)
        self.part([(elbow, 0.048 * build), (wrist, 0.035)], bare)
        # Hands are skin, and often cold.
        self.part([(wrist, 0.036), (wrist + 0.10 * towards(fore + rng.uniform(-25, 25)), 0.034)], max(rng.uniform(0.5, 0.95), bare * 0.9))

    def head(self, at, rng):
        warm = 1.0 if self.pose != "prone" else rng.uniform(0.9, 1.0)
        crown = np.array(at) + [rng.uniform(-0.02, 0.02), -0.03]
        self.part([(np.array(at) + [0, 0.13], 0.06), (at, 0.07)], warm * rng.uniform(0.85, 1.0))
        self.part([(crown, 0.104), (np.array(at) + [0, 0.02], 0.095)], warm)

    def on_back_or_front(self, rng, build):
        for side in (-1, 1):
            hip = np.array([side * 0.09, 0.88])
            thigh, bend, toe = rng.uniform(2, 16), rng.uniform(-6, 6), rng.uniform(10, 70)
            if self.pose == "arms out":
                thigh = rng.uniform(4, 30)
            if self.pose == "legs bent" and (side == 1 or rng.random() < 0.6):
                # Fallen outwards, or both over to one side.
                thigh, bend = rng.uniform(25, 75), -rng.uniform(50, 120)
            self.leg(hip, side * thigh, side * (thigh + bend), side * (thigh + bend + toe), rng, build)
        shoulders, waist, hips = 0.15 * build, 0.11 * build, 0.10 * build
        trunk = [((-shoulders, 0.36), 0.07), ((shoulders, 0.36), 0.07), ((waist, 0.66), 0.05), ((hips, 0.86), 0.075), ((-hips, 0.86), 0.075), ((-waist, 0.66), 0.05)]
        self.part([(np.array(p), r) for p, r in trunk], self.clothes)
        for side in (-1, 1):
            upper, bend = rng.uniform(6, 35), rng.uniform(-40, 25)
            if self.pose == "arms out" or (self.pose == "prone" and rng.random() < 0.5) or rng.random() < 0.12:
                upper, bend = rng.uniform(55, 150), rng.uniform(-20, 70)
            elif rng.random() < 0.25:
                # The forearm lies on the belly.
                bend = -rng.uniform(70, 120)
            self.arm(np.array([side * 0.18 * build, 0.35]), side * upper, side * (upper + bend), rng, build)
        self.head(np.array([rng.uniform(-0.03, 0.03), 0.12]), rng)

    def on_the_side(self, rng, build):
        """Knees and arms to +x."""
        curled = self.pose == "curled"
        hunch = rng.uniform(0.06, 0.16) if curled else rng.uniform(0, 0.06)
        for _ in range(2):
            thigh = rng.uniform(65, 125) if curled else rng.uniform(5, 60)
            shin = thigh - (rng.uniform(70, 130) if curled else rng.uniform(10, 80))
            self.leg(np.array([hunch, 0.86]) + rng.normal(0, 0.015, 2), thigh, shin, shin + rng.uniform(50, 95), rng, build)
        self.part([(np.array(p), r * build) for p, r in [((hunch, 0.35), 0.115), ((0.0, 0.6), 0.105), ((hunch * 0.6, 0.86), 0.13)]], self.clothes)
        for _ in range(2):
            upper = rng.uniform(15, 110)
            self.arm(np.array([hunch + 0.02, 0.36]), upper, upper + rng.uniform(0, 110), rng, build)
        self.head(np.array([hunch * 1.6 + (0.05 if curled else 0.01), 0.14]), rng)


def towards(degrees):
    return np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


def capsule(xx, yy, a, ra, b, rb):
    """Signed depth as a share of the local radius: 1 on the axis, 0 at the skin."""
    d = b - a
    along = np.clip(((xx - a[0]) * d[0] + (yy - a[1]) * d[1]) / max(d @ d, 1e-9), 0, 1)
    away = np.hypot(xx - a[0] - along * d[0], yy - a[1] - along * d[1])
    return 1 - away / (ra + along * (rb - ra))


def folds(seed, shape, step):
    """Smooth noise of about 15 cm, sigma 1: clothes lie close here and stand off there."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 1, (int(shape[0] * step / 0.15) + 3, int(shape[1] * step / 0.15) + 3)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def render(body, gsd, offset, psf):
    """Coverage before the optics, coverage and warmth after them, and the extent x, y, w, h in pixels of the patch.

    The body's middle is `offset` pixels (0 to 1) right of and below the patch's middle corner. Warmth is already weighted by the coverage."""
    fine = max(2, int(np.ceil(gsd / FINE_M)))
    step = gsd / fine
    reach = int(np.ceil(max(body.size) / 2 / gsd + 4 * psf)) + 2
    side = 2 * reach * fine
    at = (np.arange(side) + 0.5) * step - reach * gsd
    whole_x, whole_y = (at - offset[0] * gsd).astype(np.float32), (at - offset[1] * gsd).astype(np.float32)
    cover, warmth = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    wrinkles = 1 + 0.1 * folds(body.fold_seed, cover.shape, step)
    for points, temperature in body.parts:
        low = np.min([p - r for p, r in points], axis=0)
        high = np.max([p + r for p, r in points], axis=0)
        window = np.s_[np.searchsorted(whole_y, low[1]):np.searchsorted(whole_y, high[1]), np.searchsorted(whole_x, low[0]):np.searchsorted(whole_x, high[0])]
        xx, yy = np.meshgrid(whole_x[window[1]], whole_y[window[0]])
        if len(points) == 2:
            (a, ra), (b, rb) = points
            depth = capsule(xx, yy, a, ra, b, rb)
        elif len(points) == 3:
            (a, ra), (b, rb), (c, rc) = points
            depth = np.maximum(capsule(xx, yy, a, ra, b, rb), capsule(xx, yy, b, rb, c, rc))
        else:
            depth = inside_outline(xx, yy, points, step)
        here = depth > 0
        cover[window][here] = 1
        # Skin that is seen at a slant, and cloth that hangs off it, look cooler.
        shaded = temperature * (0.78 + 0.22 * np.sqrt(np.clip(depth, 0, 1) * 2 - np.clip(depth, 0, 1) ** 2))
        warmth[window][here] = (shaded * (wrinkles[window] if temperature < 0.95 else 1))[here]
    warmth = np.clip(warmth, 0, 1.05)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    extent = [columns[0] / fine, rows[0] / fine, (columns[-1] + 1 - columns[0]) / fine, (rows[-1] + 1 - rows[0]) / fine]

    def binned(fine_map):
        return fine_map.reshape(2 * reach, fine, 2 * reach, fine).mean(axis=(1, 3))

    blurred = [binned(cv2.GaussianBlur(m, (0, 0), psf * fine)) for m in (cover, warmth)]
    return binned(cover), blurred[0], blurred[1], extent


def inside_outline(xx, yy, points, step):
    """The hull of discs: corners round, sides straight."""
    ring = np.array([p + r * towards(angle) for p, r in points for angle in range(0, 360, 15)])
    origin = np.array([xx[0, 0], yy[0, 0]])
    corners = cv2.convexHull(((ring - origin) / step).astype(np.float32))
    mask = np.zeros(xx.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners * 16).astype(np.int32), 1, shift=4)
    return np.clip(cv2.distanceTransform(mask, cv2.DIST_L2, 3) * step / 0.12, 0, 1)
