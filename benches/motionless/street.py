"""A street before a pole camera, drawn from a seed, for the scenes of this bench; after `patrol-sim/src/stage.rs`.

The street's own frame: metres along it and to the left of it. The camera stands at its origin, at the right kerb, and looks down the street and
a little to the left. Roadway: left 0 to 6.2; pavements: left 7.4 to 12.1 and -4.9 to -1.2; house fronts beyond.
"""

import json
import math
import random

PAVEMENTS = [(7.4, 12.1), (-4.9, -1.2)]
CAR_LENGTH_M, CAR_WIDTH_M, CAR_HEIGHT_M = 4.6, 1.9, 1.6
# A body is farther than this from the picture's edge, pixels.
EDGE_PX = 20


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:.4f}"
    return json.dumps(value, ensure_ascii=False)


def spec_text(spec):
    """A SPEC as TOML: lists of tables become [[table]]s, everything else one line."""
    lines, tables = [], []
    for key, value in spec.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for table in value:
                tables.append(f"[[{key}]]")
                tables.extend(f"{name} = {toml(item)}" for name, item in table.items())
        elif not (isinstance(value, list) and not value):
            lines.append(f"{key} = {toml(value)}")
    return "\n".join(lines + tables) + "\n"


class View:
    """Projects ground points as `patrol_core::CameraView` does."""

    def __init__(self, camera):
        self.camera = camera
        self.size = camera.get("size", [640, 512])
        self.f = self.size[0] / 2 / math.tan(math.radians(camera["hfov_deg"]) / 2)

    def project(self, at, z=0.0):
        """x, y in pixels and depth in metres; None behind the lens."""
        heading, tilt = math.radians(self.camera["heading_deg"]), math.radians(self.camera["tilt_deg"])
        e, n = at[0] - self.camera["at"][0], at[1] - self.camera["at"][1]
        ahead, right = e * math.sin(heading) + n * math.cos(heading), e * math.cos(heading) - n * math.sin(heading)
        below = self.camera["height_m"] - z
        depth = ahead * math.cos(tilt) + below * math.sin(tilt)
        if depth < 0.3:
            return None
        down = below * math.cos(tilt) - ahead * math.sin(tilt)
        return self.size[0] / 2 + self.f * right / depth, self.size[1] / 2 + self.f * down / depth, depth

    def box(self, at, radius_m, height_m):
        """Of a cylinder on the ground: left, top, right, bottom in pixels; None when any of it is behind the lens."""
        ring = [(radius_m * math.sin(a), radius_m * math.cos(a)) for a in (k * math.pi / 4 for k in range(8))]
        points = [self.project((at[0] + e, at[1] + n), z) for e, n in ring for z in (0.0, height_m)]
        if None in points:
            return None
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return min(xs), min(ys), max(xs), max(ys)

    def holds(self, box, edge_px=EDGE_PX):
        return box is not None and box[0] > edge_px and box[1] > edge_px and box[2] < self.size[0] - edge_px and box[3] < self.size[1] - edge_px


class Street:
    """Camera, things, and ways in and out. `rng` decides all of it."""

    def __init__(self, rng, fps=2.0):
        self.rng = rng
        self.heading_deg = rng.uniform(0, 360)
        self.camera = {
            "id": "c1", "name": "仿真路口1号", "at": [0.0, 0.0], "height_m": rng.uniform(6.2, 7.8), "tilt_deg": rng.uniform(21, 29),
            "heading_deg": (self.heading_deg - rng.uniform(12, 21)) % 360, "hfov_deg": rng.uniform(54, 64), "fps": fps,
        }
        self.cars, self.lamps = [], []
        for first, left in [(10.0, 6.6), (17.0, -0.4)]:
            along = first + rng.uniform(0, 4)
            while along < 45:
                self.lamps.append({"at": self.point(along, left), "height_m": rng.uniform(4.2, 5.2)})
                along += rng.uniform(13, 17)
        along = 11 + rng.uniform(0, 4)
        while along < 41:
            if rng.random() < 0.5:
                car = {"at": self.point(along, 5.15), "heading_deg": self.heading_deg + rng.uniform(-1.5, 1.5)}
                if along < 32 and rng.random() < 0.5:
                    car["bonnet_k"] = rng.uniform(8, 15)
                self.cars.append(car)
            along += rng.uniform(5.6, 7.5)
        self.taken = []

    def point(self, along, left):
        s, c = math.sin(math.radians(self.heading_deg)), math.cos(math.radians(self.heading_deg))
        return [along * s - left * c, along * c + left * s]

    def local(self, at):
        s, c = math.sin(math.radians(self.heading_deg)), math.cos(math.radians(self.heading_deg))
        return at[0] * s + at[1] * c, at[1] * s - at[0] * c

    def props(self):
        end_m, walls = 57.0, []
        for a, b in [((-10, -6.2), (45, -6.2)), ((-10, 13.4), (45, 13.4)), ((45, -6.2), (45, -45)), ((45, 13.4), (45, 45)), ((end_m, -45), (end_m, 45))]:
            walls.append({"from": self.point(*a), "to": self.point(*b), "height_m": self.rng.uniform(8, 17)})
        strips = [
            {"from": self.point(-20, 3.1), "to": self.point(51, 3.1), "width_m": 6.2, "warm_k": self.rng.uniform(0.5, 0.9)},
            {"from": self.point(51, -45), "to": self.point(51, 45), "width_m": 7.0, "warm_k": self.rng.uniform(0.4, 0.8)},
        ]
        return {"strip": strips, "wall": walls, "lamp": self.lamps, "car": self.cars}

    def is_hidden(self, at):
        """Whether a parked car or a lamp post stands before a body at `at`."""
        eye_m = self.camera["height_m"]
        for step in range(1, 100):
            k = step / 100
            along, left = self.local([at[0] * k, at[1] * k])
            height_m = eye_m * (1 - k)
            for car in self.cars:
                if "at" not in car:
                    continue
                a, b = self.local(car["at"])
                if height_m < CAR_HEIGHT_M + 0.3 and abs(along - a) < CAR_LENGTH_M / 2 + 1.0 and abs(left - b) < CAR_WIDTH_M / 2 + 0.8:
                    return True
            for lamp in self.lamps:
                a, b = self.local(lamp["at"])
                if height_m < lamp["height_m"] and math.hypot(along - a, left - b) < 1.2 * k:
                    return True
        return False

    def spot(self, near_m=8.0, far_m=25.0, apart_m=5.5, views=None):
        """A place on a pavement that every view shows whole, whatever somebody does there; and the pavement."""
        views = views or [View(self.camera)]
        for _ in range(4000):
            pavement = self.rng.choice(PAVEMENTS)
            local = (self.rng.uniform(5, 25), self.rng.uniform(*pavement))
            at = self.point(*local)
            if not near_m <= math.hypot(*at) <= far_m or any(math.dist(at, other) < apart_m for other in self.taken):
                continue
            if any(not view.holds(view.box(at, 0.95, 1.8)) for view in views) or self.is_hidden(at):
                continue
            self.taken.append(at)
            return at, pavement
        raise SystemExit("no place in view: draw the street otherwise")

    def way_in(self, at, pavement, side=None):
        """From outside the picture to `at`: the first point, and the rest without `at`."""
        left = min(max(self.local(at)[1] + self.rng.uniform(-1.5, 1.5), pavement[0]), pavement[1])
        if (side or self.rng.choice(["near", "far"])) == "near":
            return self.point(-7, left), []
        return self.point(54, math.copysign(38, pavement[0])), [self.point(54, left)]

    def walks_in(self, at, pavement, at_s, then):
        """A person who comes from outside at `at_s`, then does `then`."""
        speed = self.rng.uniform(1.1, 1.45)
        start, between = self.way_in(at, pavement)
        steps = [{"do": "walk", "to": to, "speed_m_s": speed} for to in between + [at]]
        return {"at_s": float(at_s), "from": start, "steps": steps + then}

    def walks_out(self, at, pavement):
        start, between = self.way_in(at, pavement)
        return [{"do": "walk", "to": to, "speed_m_s": self.rng.uniform(1.1, 1.4)} for to in between[::-1] + [start]]

    def passes(self, at_s):
        """One who walks along a pavement from end to end."""
        pavement = self.rng.choice(PAVEMENTS)
        left = self.rng.uniform(*pavement)
        corner = [self.point(54, math.copysign(38, pavement[0])), self.point(54, left)]
        way = [self.point(-7, left)] + corner[::-1]
        way = way if self.rng.random() < 0.5 else way[::-1]
        speed = self.rng.uniform(1.1, 1.6)
        return {"at_s": float(at_s), "from": way[0], "steps": [{"do": "walk", "to": to, "speed_m_s": speed} for to in way[1:]]}

    def drive(self, at_s):
        path = [self.point(*p) for p in [(50, -40), (50, 3.4), (46, 2.2), (-14, 2.2)]]
        self.cars.append({"path": path, "at_s": float(at_s), "speed_m_s": self.rng.uniform(6.5, 9.5), "headlights": True, "bonnet_k": self.rng.uniform(9, 14)})


def dice(*key):
    """The same key gives the same draws on every machine."""
    return random.Random("/".join(str(part) for part in key))
