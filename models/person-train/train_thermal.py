#!/usr/bin/env python3
"""Trains one network. Deterministic for a given seed, number of threads and version of PyTorch; can be stopped and resumed at any time.

    PATROL_DATA=... python train.py n --out runs/n
"""

import argparse
import copy
import math
import os
import time

import numpy as np
import torch

import augment
import bodies
import boxes
import measure
import pictures
import rendered
from network import SIZES, Network

BATCH = 16
RATE = 2e-3
WARM_STEPS = 300
# The rate stays level, then falls to nothing over this last part, in which crops are harder (augment.LATE).
FALL_PART = 0.4
DECAY = 0.03
# Weights are averaged over about this many steps.
AVERAGED_STEPS = 400
# Of the crops, this many come from rendered scenes where there are some.
RENDERED_PART = 0.12
STEPS = {"n": 4000, "s": 11500}


class Crops(torch.utils.data.IterableDataset):
    def __init__(self, frames, scenes, seed, first_step, steps):
        self.frames, self.scenes, self.seed, self.first_step, self.steps = frames, scenes, seed, first_step, steps
        self.bank = [patch for frame in frames for patch in bodies.cut_out(frame)]
        # Dates differ in number of frames by four; a date teaches by what it shows, not by how long it was flown.
        group = [(frame.date, frame.night) for frame in frames]
        count = {key: group.count(key) for key in set(group)}
        weight = np.array([count[key] ** -0.5 * (2.0 if len(frame.people) else 1.0) for key, frame in zip(group, frames)])
        self.cumulated = np.cumsum(weight / weight.sum())

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        each, mine = (worker.num_workers, worker.id) if worker else (1, 0)
        for step in range(self.first_step + mine, self.steps, each):
            yield self.batch(step)

    def batch(self, step):
        strength = augment.LATE if step >= fall_from(self.steps) else augment.EARLY
        greys, wanted = [], {"heat": [], "boxes": [], "others": [], "ignored": []}
        for index in range(BATCH):
            rng = np.random.default_rng([self.seed, step, index])
            if self.scenes and rng.random() < RENDERED_PART:
                frame = self.scenes[rng.integers(len(self.scenes))]
            else:
                frame = self.frames[min(np.searchsorted(self.cumulated, rng.random()), len(self.frames) - 1)]
            grey, people, bicycles, cars, ignored = augment.crop(rng, frame, self.bank, strength)
            side = grey.shape[0]
            greys.append(grey[None] / np.float32(255))
            heat, whose = boxes.answers(people, side)
            wanted["heat"].append(heat)
            wanted["boxes"].append(whose)
            wanted["others"].append(np.stack([augment.heat_of(bicycles, side), augment.heat_of(cars, side)]))
            wanted["ignored"].append(augment.covered(ignored, side))
        together = lambda arrays: torch.from_numpy(np.stack(arrays).astype(np.float32))
        return together(greys), {name: together(arrays) for name, arrays in wanted.items()}


def fall_from(steps):
    return steps * (1 - FALL_PART)


def rate(step, steps):
    if step < WARM_STEPS:
        return RATE * (step + 1) / WARM_STEPS
    start = fall_from(steps)
    if step < start:
        return RATE
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - start) / (steps - start))) + 1e-6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--out", required=True, help="folder for checkpoints and the log")
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--rendered", help="folder that rendered.py made; left out: real frames only")
    parser.add_argument("--without-date", help="leave this flight date of train out, and measure on it as well")
    parser.add_argument("--teacher", help="checkpoint of a larger network to learn from: its size and file, as s:runs/s/last.pt")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261128)
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    steps = args.steps or STEPS[args.size]
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    frames = pictures.load(args.data, "train", without_date=args.without_date)
    checked = {"val": pictures.load(args.data, "val")[::3]}
    if args.without_date:
        checked["left-out"] = pictures.load(args.data, "train", only_date=args.without_date)[::3]
    scenes = rendered.load(args.rendered) if args.rendered else []
    network = Network(SIZES[args.size]).to(memory_format=torch.channels_last)
    teacher = None
    if args.teacher:
        size, path = args.teacher.split(":", 1)
        teacher = Network(SIZES[size]).to(memory_format=torch.channels_last).eval()
        teacher.load_state_dict(torch.load(path, weights_only=True)["averaged"])
    averaged = copy.deepcopy(network)
    weights = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE)
    step, checkpoint = 0, os.path.join(args.out, "last.pt")
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]

    def save():
        state = {"network": network.state_dict(), "averaged": averaged.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
        torch.save(state, checkpoint + ".part")
        os.replace(checkpoint + ".part", checkpoint)

    log = open(os.path.join(args.out, "log.txt"), "a", encoding="utf-8")

    def say(words):
        print(words, flush=True)
        print(words, file=log, flush=True)

    say(f"{len(frames)} frames, {len(scenes)} rendered, {sum(w.numel() for w in network.parameters())} weights, from step {step} to {steps}")
    loader = torch.utils.data.DataLoader(
        Crops(frames, scenes, args.seed, step, steps), batch_size=None, num_workers=args.workers, prefetch_factor=4 if args.workers else None)
    began, sums, seen = time.time(), np.zeros(3), 0
    for greys, wanted in loader:
        network.train()
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps)
        greys = greys.contiguous(memory_format=torch.channels_last)
        output = network(greys)
        parts = boxes.losses(output, wanted)
        loss = sum(parts)
        if teacher is not None:
            loss = loss + boxes.taught(output, teacher, greys)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        keep = min(1 - 1 / AVERAGED_STEPS, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, now in zip(averaged.state_dict().values(), network.state_dict().values()):
                mean.copy_(mean * keep + now * (1 - keep)) if mean.is_floating_point() else mean.copy_(now)
        sums += [float(part) for part in parts]
        seen += 1
        step += 1
        if step % 100 == 0:
            say(f"step {step} {(time.time() - began) / seen:.3f} s each, heat {sums[0] / seen:.3f} box {sums[1] / seen:.3f} others {sums[2] / seen:.3f}")
            began, sums, seen = time.time(), np.zeros(3), 0
        if step % 1000 == 0 or step == steps:
            save()
            found = {name: round(measure.ap50(averaged, some), 4) for name, some in checked.items()}
            say(f"step {step} AP50 on every third frame: {found}")
            began, sums, seen = time.time(), np.zeros(3), 0
    save()


if __name__ == "__main__":
    main()
