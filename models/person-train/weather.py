"""Weather before a thermal camera, and the noise of one that has too little contrast to show.

Flakes and drops near the lens are out of focus and have the air's temperature: darker than warm ground, brighter than a clear sky, and gain control
turns that about as it likes. So either sign is drawn, and every length from a flake's to a streak's.
"""

import cv2
import numpy as np

# Signal to noise of a person over his whole box below which nobody can be asked to see him.
SEEN_MIN = 6.0
# Flakes are alike over about this many pixels, each way (their length, thickness and blur): averaging over a box takes that much less off them than off noise. Long
# streaks are alike over more: people behind the thickest rain are still asked for.
FLAKE_PX = 3.0


def weathered(rng, grey, people):
    """The crop as weather shows it, and which of `people` (x, y, w, h) can still be told from noise and what falls."""
    kind, falling = rng.random(), np.zeros_like(grey)
    if kind < 0.7:
        grey = veiled(rng, grey) if rng.random() < 0.3 else grey
        falling = flakes(rng, grey.shape) if kind < 0.4 else streaks(rng, grey.shape)
        noise = rng.uniform(0, 4)
    elif kind < 0.8:
        grey, noise = veiled(rng, grey), rng.uniform(0, 5)
    else:
        middle = float(np.median(grey))
        # Little of the range is left, at any level; the sensor's grain grows as gain does.
        grey = (grey - middle) * np.exp(rng.uniform(np.log(0.12), np.log(0.8))) + (middle if rng.random() < 0.4 else rng.uniform(15, 200))
        noise = rng.uniform(2, 12)
    noise = max(noise, 1e-3)
    seen = [is_seen(around(grey, box), around(falling, box), noise, box) for box in people]
    return np.clip(grey + falling + rng.normal(0, noise, grey.shape), 0, 255).astype(np.float32), np.array(seen, bool)


def is_seen(person, falling, noise, box):
    # What lies over less than a sixth of him hides nobody, however bright.
    low, high = np.percentile(falling, [16, 84])
    clutter = (high - low) / 2 * FLAKE_PX
    return person.std() * np.sqrt(box[2] * box[3]) >= SEEN_MIN * np.hypot(max(noise, 1.0), clutter)


def around(grey, box):
    """Levels within the box and a little around it."""
    x, y, w, h = box
    return grey[max(0, int(y) - 2) : int(y + h) + 3, max(0, int(x) - 2) : int(x + w) + 3]


def veiled(rng, grey):
    """Fog, or air full of snow: what is far away takes its temperature."""
    left = rng.uniform(0.25, 0.8)
    return grey * left + rng.uniform(20, 200) * (1 - left)


def flakes(rng, shape):
    return drops(rng, shape, lambda: (rng.uniform(0, 5), int(rng.choice([1, 1, 2, 2, 3, 4]))), np.exp(rng.uniform(np.log(20), np.log(400))), 220)


def streaks(rng, shape):
    length, thick = rng.uniform(4, 32), int(rng.choice([1, 1, 1, 2]))
    return drops(rng, shape, lambda: (length * rng.uniform(0.6, 1.3), thick), np.exp(rng.uniform(np.log(15), np.log(250))), 140)


def drops(rng, shape, form, per_megapixel_tenth, most):
    """A layer of short lines that fall the same way; so many on each tenth of a megapixel, up to `most` grey levels away."""
    layer = np.zeros(shape, np.float32)
    slant = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.normal(0, 0.35)
    level = rng.uniform(0.15, 1.0) * most
    sign = rng.choice([1.0, -1.0])
    for x, y in rng.uniform((0, 0), shape[::-1], (round(per_megapixel_tenth * shape[0] * shape[1] / 1e5), 2)):
        length, thick = form()
        turn = slant + rng.normal(0, 0.06)
        end = (round(x + length * np.sin(turn)), round(y + length * np.cos(turn)))
        cv2.line(layer, (round(x), round(y)), end, float(sign * level * rng.uniform(0.3, 1.0)), thick, cv2.LINE_AA)
    return cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.35, 1.4))
