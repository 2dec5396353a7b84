"""Batches of training crops: what the network is shown, and what it should answer."""

import numpy as np
import torch

import augment
import bodies
import boxes
import grid
import street

BATCH = 16
# The rate stays level, then falls to nothing over this last part, in which crops are harder (augment.LATE).
FALL_PART = 0.4
# Thermal: part of the run from which on crops have so many pixels a side.
THERMAL_SIDES = ((0.0, augment.SIDE), (0.6, 320))
# Thermal: part of the run from which on crops are made so.
THERMAL_STRENGTHS = ((0.0, augment.EARLY), (1 - FALL_PART, augment.LATE), (0.85, augment.LAST))
# Thermal: part of the run from which on so many crops come from rendered scenes, where there are some. More at last, when weather comes: they have the lamps, bonnets and
# cold patches that look like somebody in snow and are none.
RENDERED_PARTS = ((0.0, 0.12), (0.85, 0.3))
# Visible: part of the run from which on crops have so many pixels a side, and pictures this scale. Small crops first, for their speed.
VISIBLE_SIDES = ((0.0, 192, 0.62), (0.35, 256, 0.8), (0.75, 320, 0.95))


def fall_from(steps):
    return steps * (1 - FALL_PART)


def together(arrays):
    return torch.from_numpy(np.stack(arrays).astype(np.float32))


class Crops(torch.utils.data.IterableDataset):
    """Batches of one domain, each made from its seed, step and place in the batch alone."""

    def __init__(self, frames, seed, first_step, steps):
        self.frames, self.seed, self.first_step, self.steps = frames, seed, first_step, steps

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        each, mine = (worker.num_workers, worker.id) if worker else (1, 0)
        for step in range(self.first_step + mine, self.steps, each):
            yield self.batch(step)

    def batch(self, step):
        greys, wanted = [], []
        for index in range(BATCH):
            grey, answers = self.crop(np.random.default_rng([self.seed, step, index]), step)
            greys.append(grey[None] / np.float32(255))
            wanted.append(answers)
        return together(greys), {name: together([one[name] for one in wanted]) for name in wanted[0]}


class VisibleCrops(Crops):
    def __init__(self, frames, *rest):
        super().__init__(frames, *rest)
        self.bank = [patch for frame in frames for patch in street.cut_out(frame)]

    def crop(self, rng, step):
        strength = street.LATE if step >= fall_from(self.steps) else street.EARLY
        side, scale = next((side, scale) for part, side, scale in reversed(VISIBLE_SIDES) if step >= part * self.steps)
        crop = street.crop(rng, self.frames, self.bank, strength, side, scale)
        answers = dict(zip(("boxes", "asked", "counted"), grid.answers(crop.people, crop.ignored, side)))
        # What the teacher sees, where it sees the same.
        answers["clear"], answers["quarters"] = crop.clear, np.array(crop.quarters)
        answers["same"] = grid.answers(crop.people[:0], crop.changed, side)[2]
        return crop.grey, answers


class ThermalCrops(Crops):
    def __init__(self, frames, scenes, *rest):
        super().__init__(frames, *rest)
        self.scenes = scenes
        self.bank = [patch for frame in frames for patch in bodies.cut_out(frame)]
        # Dates differ in number of frames by four; a date teaches by what it shows, not by how long it was flown.
        group = [(frame.date, frame.night) for frame in frames]
        count = {key: group.count(key) for key in set(group)}
        weight = np.array([count[key] ** -0.5 * (2.0 if len(frame.people) else 1.0) for key, frame in zip(group, frames)])
        self.cumulated = np.cumsum(weight / weight.sum())

    def crop(self, rng, step):
        rendered_part = next(some for part, some in reversed(RENDERED_PARTS) if step >= part * self.steps)
        if self.scenes and rng.random() < rendered_part:
            frame = self.scenes[rng.integers(len(self.scenes))]
        else:
            frame = self.frames[min(np.searchsorted(self.cumulated, rng.random()), len(self.frames) - 1)]
        side = next(side for part, side in reversed(THERMAL_SIDES) if step >= part * self.steps)
        strength = next(strength for part, strength in reversed(THERMAL_STRENGTHS) if step >= part * self.steps)
        grey, clear, people, bicycles, cars, ignored, hidden = augment.crop(rng, frame, self.bank, strength, side)
        heat, whose = boxes.answers(people, side)
        others = np.stack([augment.heat_of(bicycles, side), augment.heat_of(cars, side)])
        # A teacher is asked of the crop before weather; of whom it sees there and nobody could see here it is not heard.
        clear = clear[None] / np.float32(255)
        hidden = augment.covered(hidden, side)
        ignored = np.maximum(augment.covered(ignored, side), hidden)
        return grey, {"heat": heat, "boxes": whose, "others": others, "ignored": ignored, "hidden": hidden, "clear": clear}
