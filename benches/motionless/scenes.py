"""The scenes of "Stay with the motionless" as SPEC files, each row drawn anew from a seed.

    python benches/motionless/scenes.py --row walk-in --seed 7 [--variant once] [--out FOLDER]

Writes ROW-VARIANT-SEED.toml into FOLDER, or to standard output; `run.py` runs and judges them. All cameras are thermal, 640 x 512, 2 pictures a
second (1 where nothing happens for long, 0.5 in the half hour of blindness) and looked at every second.
"""

import argparse
import math
import pathlib
from dataclasses import dataclass, field

from street import Street, View, dice, spec_text

WEATHER = {"air_c": -4.0, "wind_kmh": 10.0}
TOUR_STAY_S, TOUR_MOVE_S = 25.0, 2.0


@dataclass
class Case:
    row: str
    variant: str
    seed: int
    spec: dict
    # What `run.py` needs to know, e.g. when the detectors come back.
    about: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.row}-{self.variant}-{self.seed}"


def spec(street, duration_s, people, output=None, **more):
    camera = dict(street.camera, **({"output": output} if output else {}))
    tables = {"camera": [camera], "person": people, **street.props()}
    inline = {key: value for key, value in more.items() if not isinstance(value, list)}
    for key, value in more.items():
        if isinstance(value, list):
            tables[key] = tables.get(key, []) + value
    return {"duration_s": float(duration_s), "weather": WEATHER, **inline, **tables}


def down(rng, **more):
    return {"do": "lie", "facing_deg": rng.uniform(0, 360), **more}


def comes_and_lies(street, at_s, **more):
    """He walks in, stands a moment and lies down. In view by 40 s after `at_s`."""
    rng = street.rng
    at, pavement = street.spot()
    pause = {"do": "stand", "for_s": rng.uniform(2, 8)}
    return street.walks_in(at, pavement, at_s, [pause, down(rng, **more)]), at, pavement


def lies_already(street, for_s=None, **spot):
    """He lies at the first picture, and with `for_s` gets up then and walks away."""
    at, pavement = street.spot(**spot)
    steps = [down(street.rng, **({"for_s": for_s + 20.0} if for_s else {}))]
    if for_s:
        steps += street.walks_out(at, pavement)
    return {"at_s": -24.0, "from": at, "steps": steps}


def walk_in(variant, seed, rng):
    street = Street(rng)
    person, _, _ = comes_and_lies(street, rng.uniform(0, 15))
    duration_s = rng.choice([300, 450, 600])
    from_s = rng.uniform(100, duration_s - 60)
    faults = {
        "once": {"outages": [[from_s, from_s + 20]]},
        "every-60": {"outage_every_s": 60.0, "outage_s": 20.0},
        "miss-35": {"miss": 0.35},
    }
    # Three seeds in a row go through the three strengths of noise.
    noise = [2.0, 4.0, 6.0][(seed + list(faults).index(variant)) % 3]
    return Case("walk-in", variant, seed, spec(street, duration_s, [person], {"noise_grey": noise}, detection=faults[variant]), {"noise_grey": noise})


def blind(variant, seed, rng):
    street = Street(rng, fps=0.5)
    from_s = rng.uniform(300, 360)
    back_s = from_s + 1800
    person, at, pavement = comes_and_lies(street, rng.uniform(0, 10))
    if variant != "stays":
        # Two seconds a step are missed by nobody: he is down by about 60 s.
        person["steps"][-1]["for_s"] = rng.uniform(from_s + 300, back_s - 500) - 60
        person["steps"] += street.walks_out(at, pavement)
    people = [dict(person, id="p1")] + [street.passes(t_s) for t_s in range(150, 2500, 150)]
    hidden = {"blind": [{"person": "p1", "from_s": from_s, "to_s": back_s}]}
    faults = {"outages": [[from_s, back_s]]} if variant == "all-out-leaves" else hidden
    return Case("blind", variant, seed, spec(street, back_s + 420, people, detection=faults), {"back_s": back_s})


def already(variant, seed, rng):
    street = Street(rng)
    leaves_s = rng.uniform(240, 360)
    return Case("already", variant, seed, spec(street, leaves_s + 220, [lies_already(street, leaves_s)]))


def two(variant, seed, rng):
    """Two lie a metre apart. One gets up and goes; both stay under one quilt; one is found no more and both stay."""
    street = Street(rng, fps=1.0)
    first, at, pavement = comes_and_lies(street, 2.0)
    along, left = street.local(at)
    beside_him = street.point(along + rng.choice([-1, 1]) * rng.uniform(0.9, 1.3), left)
    facing = first["steps"][-1]["facing_deg"] = street.heading_deg + 90 + rng.uniform(-20, 20)
    second = street.walks_in(beside_him, pavement, 12.0, [{"do": "stand", "for_s": 4.0}, {"do": "lie", "facing_deg": facing}])
    people, faults = [dict(first, id="p1"), dict(second, id="p2")], {}
    if variant == "one-leaves":
        people[1]["steps"][-1]["for_s"] = rng.uniform(240, 300)
        people[1]["steps"] += street.walks_out(beside_him, pavement)
    elif variant == "quilt":
        for person in people:
            person["steps"][-1]["cover"] = "quilt"
    elif variant == "one-blind":
        faults = {"detection": {"blind": [{"person": "p2", "from_s": 120.0, "to_s": 480.0}]}}
    # Whoever covers himself at once is known by nothing but that he vanished there: of unknown posture, a lead after ten minutes.
    return Case("two", variant, seed, spec(street, 960.0 if variant == "quilt" else 560.0, people, **faults))


def disturbed(variant, seed, rng):
    street = Street(rng, fps=1.0 if variant in ("snow", "tour") else 2.0)
    duration_s, output, more = 600.0, None, {}
    if variant == "tour":
        camera = street.camera
        wide = [camera["heading_deg"], camera["tilt_deg"], camera["hfov_deg"]]
        closer = [camera["heading_deg"] + rng.uniform(-4, 4), camera["tilt_deg"], camera["hfov_deg"] * 0.75]
        left = [camera["heading_deg"] - rng.uniform(45, 60), camera["tilt_deg"] - 4, camera["hfov_deg"] * 0.6]
        right = [camera["heading_deg"] + rng.uniform(30, 45), camera["tilt_deg"] + 4, camera["hfov_deg"] * 0.75]
        presets = [wide, left, closer, right]
        views = [View(dict(camera, heading_deg=p[0], tilt_deg=p[1], hfov_deg=p[2])) for p in (wide, closer)]
        person = lies_already(street, views=views)
        camera["motion"] = {"kind": "tour", "presets": presets, "stay_s": TOUR_STAY_S, "move_s": TOUR_MOVE_S}
        duration_s = 900.0
    else:
        person, _, _ = comes_and_lies(street, rng.uniform(0, 15))
    if variant == "snow":
        more["snow"] = {"rate": rng.uniform(0.4, 0.9), "settles": True}
        duration_s = 900.0
    elif variant == "headlights":
        for number in range(10):
            street.drive(20 + 60 * number + rng.uniform(-5, 5))
    elif variant == "flicker":
        for lamp in street.lamps[:2] + street.lamps[-2:]:
            lamp["flicker_every_s"] = rng.uniform(5, 14)
    elif variant == "agc":
        output = {"agc_step_every_s": rng.uniform(20, 60), "shutter_every_s": 120.0}
    return Case("disturbed", variant, seed, spec(street, duration_s, [person], output, **more))


def not_lying(variant, seed, rng):
    street = Street(rng, fps=1.0 if variant == "bus" else 2.0)
    duration_s, people, more = 300.0, [], {}
    if variant in ("bench", "bus"):
        seat, kerb = street_bench(street, variant == "bus")
        more["bench"] = [seat]
        facing = seat["facing_deg"]
        if variant == "bench":
            sit = {"do": "sit", "bench": True, "facing_deg": facing, "for_s": 400.0}
            people = [street.walks_in(kerb, (7.4, 12.1), 2.0, [{"do": "walk", "to": beside(street, seat, 0.45)}, sit])]
        else:
            duration_s = 1000.0
            for number in range(3):
                at = street.point(street.local(seat["at"])[0] + rng.uniform(-2.5, 2.5), 7.3 - 0.3 * number)
                wait = {"do": "stand", "for_s": 900.0, "facing_deg": facing + rng.uniform(-40, 40)}
                people.append(street.walks_in(at, (7.4, 12.1), 3.0 + 12 * number, [wait] + street.walks_out(at, (7.4, 12.1))))
    elif variant == "walk":
        people = [street.passes(20 * number + rng.uniform(0, 10)) for number in range(14)]
    elif variant == "shoe":
        for number in range(3):
            at, pavement = street.spot()
            bend = {"do": "bend", "for_s": 20.0}
            people.append(street.walks_in(at, pavement, 70 * number, [bend] + street.walks_out(at, pavement)))
    elif variant == "stand":
        for number in range(2):
            at, pavement = street.spot()
            people.append(street.walks_in(at, pavement, 10 * number, [{"do": "stand", "facing_deg": rng.uniform(0, 360)}]))
    elif variant == "sweeper":
        at, pavement = street.spot()
        steps = []
        for _ in range(8):
            steps.append({"do": "crouch", "for_s": rng.uniform(30, 90)})
            along, left = street.local(at)
            at = street.point(along + rng.uniform(-1.5, 1.5), min(max(left + rng.uniform(-1, 1), pavement[0]), pavement[1]))
            steps += [{"do": "walk", "to": at, "speed_m_s": 0.6}, {"do": "stand", "for_s": rng.uniform(5, 20)}]
        people = [street.walks_in(street.taken[0], pavement, 0.0, steps)]
    elif variant == "dog":
        more["dog"] = [dog(street) for _ in range(2)]
    elif variant == "mannequin":
        at, pavement = street.spot()
        carried_s = rng.uniform(60, 90)
        person = street.walks_in(beside(street, {"at": at, "facing_deg": rng.uniform(0, 360)}, 0.7), pavement, 0.0, [])
        person["at_s"] = carried_s - 3 - way_s(person)
        person["steps"] += [{"do": "bend", "for_s": 6.0}] + street.walks_out(at, pavement)
        people = [person]
        more["mannequin"] = [{"at_s": carried_s, "at": at, "facing_deg": rng.uniform(0, 360), "warm_k": rng.uniform(0.3, 2.0)}]
    return Case("not-lying", variant, seed, spec(street, duration_s, people, **more))


def busy(variant, seed, rng):
    street = Street(rng)
    # The first are on their way when the scene begins. The empty street has the same camera and things, and both are examined in full at every
    # look, so that like is compared with like.
    people = [street.passes(t_s + rng.uniform(-0.5, 0.5)) for t_s in range(-40, 180)] if variant == "crowd" else []
    return Case("busy", variant, seed, spec(street, 180.0, people), {"rescan_every_s": 1.0})


def street_bench(street, shelter):
    """A bench at the left kerb, seen whole, with its back to the houses; and where one stands before it."""
    for _ in range(1000):
        at = street.point(street.rng.uniform(10, 20), 8.3)
        view = View(street.camera)
        street.cars = [car for car in street.cars if (car["at"][0] - at[0]) ** 2 + (car["at"][1] - at[1]) ** 2 > 64]
        if view.holds(view.box(at, 2.5, 2.3), 8) and not street.is_hidden(at):
            return {"at": at, "facing_deg": street.heading_deg + 90.0, "shelter": shelter}, street.point(street.local(at)[0] + 1.0, 7.4)
    raise SystemExit("no place for a bench")


def beside(street, thing, metres):
    """To the right of where `thing` faces."""
    angle = math.radians(thing["facing_deg"] + 90)
    return [thing["at"][0] + metres * math.sin(angle), thing["at"][1] + metres * math.cos(angle)]


def way_s(person):
    at, seconds = person["from"], 0.0
    for step in person["steps"]:
        seconds += ((step["to"][0] - at[0]) ** 2 + (step["to"][1] - at[1]) ** 2) ** 0.5 / step["speed_m_s"]
        at = step["to"]
    return seconds


def dog(street):
    rng = street.rng
    at, pavement = street.spot()
    steps, left_s = [{"do": "walk", "to": at, "speed_m_s": rng.uniform(0.8, 2.0)}], 300.0
    while left_s > 0:
        for_s = rng.uniform(40, 150)
        steps.append({"do": rng.choice(["lie", "curl", "sit", "stand"]), "for_s": for_s})
        along, left = street.local(at)
        near = street.point(along + rng.uniform(-2, 2), min(max(left + rng.uniform(-1, 1), pavement[0]), pavement[1]))
        steps.append({"do": "walk", "to": near, "speed_m_s": rng.uniform(0.8, 2.0)})
        left_s -= for_s
    return {"at_s": rng.uniform(-5, 10), "from": street.way_in(at, pavement, "near")[0], "length_m": rng.uniform(0.6, 1.0), "steps": steps}


ROWS = {
    "walk-in": (walk_in, ["once", "every-60", "miss-35"]),
    "blind": (blind, ["stays", "leaves", "all-out-leaves"]),
    "already": (already, ["leaves"]),
    "two": (two, ["one-leaves", "quilt", "one-blind"]),
    "disturbed": (disturbed, ["snow", "headlights", "flicker", "tour", "agc"]),
    "not-lying": (not_lying, ["stand", "walk", "bench", "shoe", "bus", "sweeper", "dog", "mannequin"]),
    "busy": (busy, ["crowd", "empty"]),
}


def draw(row, variant, seed):
    make, _ = ROWS[row]
    # Crowd and empty street are the same street.
    return make(variant, seed, dice(row, "" if row == "busy" else variant, seed))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--row", choices=ROWS, required=True)
    arguments.add_argument("--variant", help="default: all of the row")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=pathlib.Path)
    options = arguments.parse_args()
    for variant in [options.variant] if options.variant else ROWS[options.row][1]:
        case = draw(options.row, variant, options.seed)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{case.name}.toml").write_text(spec_text(case.spec))
        else:
            print(f"# {case.name}\n{spec_text(case.spec)}")


if __name__ == "__main__":
    main()
