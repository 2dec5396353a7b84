#!/usr/bin/env python3
"""Trains one thermal network. Deterministic for a given seed, number of threads and version of PyTorch; can be stopped and resumed at any time.

    PATROL_DATA=... python train_thermal.py thermal-n --out runs/thermal-n
"""

import argparse
import os
import time

import cv2
import numpy as np
import torch

import boxes
import measure
import pictures
import rendered
from crops import ThermalCrops
from learner import Learner, fast
from network import SIZES, Network

STEPS = {"thermal-n": 12000, "thermal-s": 36000}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--out", required=True, help="folder for checkpoints and the log")
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--rendered", help="folder that rendered.py made; left out: real frames only")
    parser.add_argument("--without-date", help="leave this flight date of train out, and measure on it as well")
    parser.add_argument("--teacher", help="checkpoint of a larger or earlier network to learn from: its size and file, as thermal-s:runs/thermal-s/last.pt")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261128)
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    steps = args.steps or STEPS[args.size]
    torch.set_num_threads(args.threads)
    # Its pool of threads does not survive the fork of the loader.
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)

    frames = pictures.load(args.data, "train", without_date=args.without_date)
    checked = {"val": pictures.load(args.data, "val")[::3]}
    if args.without_date:
        checked["left-out"] = pictures.load(args.data, "train", only_date=args.without_date)[::3]
    scenes = rendered.load(args.rendered) if args.rendered else []
    learner = Learner(Network(SIZES[args.size]), args.out)
    teacher = None
    if args.teacher:
        size, path = args.teacher.split(":", 1)
        teacher = Network(SIZES[size]).to(memory_format=torch.channels_last).eval()
        teacher.load_state_dict(torch.load(path, weights_only=True)["averaged"])
    log = open(os.path.join(args.out, "log.txt"), "a", encoding="utf-8")

    def say(words):
        print(words, flush=True)
        print(words, file=log, flush=True)

    weights = sum(weight.numel() for weight in learner.network.parameters())
    say(f"{len(frames)} frames, {len(scenes)} rendered, {weights} weights, from step {learner.step} to {steps}")
    crops = ThermalCrops(frames, scenes, args.seed, learner.step, steps)
    loader = torch.utils.data.DataLoader(crops, batch_size=None, num_workers=args.workers, prefetch_factor=4 if args.workers else None)
    began, sums, seen = time.time(), 0.0, 0
    for greys, wanted in loader:
        learner.network.train()
        greys = greys.contiguous(memory_format=torch.channels_last)
        with fast():
            output = learner.network(greys)
        output = output.float()
        parts = boxes.losses(output, wanted)
        loss = sum(parts)
        if teacher is not None:
            # What it says on average of the crop and of another view of it: AP50 of the larger network on val 0.788 so, 0.773 of one view.
            view = boxes.VIEWS[1 + learner.step % (len(boxes.VIEWS) - 1)]
            clear = wanted["clear"].contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), fast():
                wished = (teacher(clear).float() + boxes.back(teacher(boxes.seen(clear, view)).float(), view)) / 2
            loss = loss + boxes.taught(output, wished, wanted["heat"], wanted["hidden"])
        learner.learn(loss, steps)
        sums, seen = sums + np.array([part.item() for part in parts]), seen + 1
        if learner.step % 100 == 0:
            heat, box, others = sums / seen
            say(f"step {learner.step} {(time.time() - began) / seen:.3f} s each, heat {heat:.3f} box {box:.3f} others {others:.3f}")
            began, sums, seen = time.time(), 0.0, 0
        if learner.step % 1000 == 0 or learner.step == steps:
            learner.save()
            found = {name: round(measure.ap50(learner.averaged, some), 4) for name, some in checked.items()}
            say(f"step {learner.step} AP50 on every third frame: {found}")
            began, sums, seen = time.time(), 0.0, 0
    learner.save()


if __name__ == "__main__":
    main()
