#!/usr/bin/env python3
"""Trains both visible networks on the same crops. Deterministic for a given seed, number of threads and versions; can be stopped and resumed at any time.

    PATROL_DATA=... python teacher.py --out runs/teacher.json
    PATROL_DATA=... python train_visible.py --unlabelled runs/teacher.json --out runs
"""

import argparse
import os
import time

import cv2
import numpy as np
import torch

import grid
import measure
import visible
from crops import VisibleCrops
from learner import Learner, fast
from teacher import Teacher

# About as many as both had.
STEPS = 10400


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=grid.GRID_SIZES, default=list(grid.GRID_SIZES))
    parser.add_argument("--out", required=True, help="folder for checkpoints and the log: OUT/visible-n, OUT/visible-s")
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--unlabelled", required=True, help="what teacher.py wrote")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261129)
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    torch.set_num_threads(args.threads)
    # Its pool of threads does not survive the fork of the loader.
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)
    frames, checked = visible.load(args.data, "train", args.unlabelled), visible.load(args.data, "val")
    learners = {}
    for name in args.sizes:
        student = grid.Student(grid.GridNetwork(grid.GRID_SIZES[name]), grid.GRID_SIZES[name], Teacher.FEATURES)
        learners[name] = Learner(student, os.path.join(args.out, name))
    steps = {learner.step for learner in learners.values()}
    if len(steps) > 1:
        raise SystemExit(f"{args.out}: checkpoints of different steps {sorted(steps)}; resume them one by one with --sizes")
    step = steps.pop()
    log = open(os.path.join(args.out, "log.txt"), "a", encoding="utf-8")

    def say(words):
        print(words, flush=True)
        print(words, file=log, flush=True)

    say(f"{len(frames)} pictures, {', '.join(args.sizes)}, from step {step} to {args.steps}")
    crops = VisibleCrops(frames, args.seed, step, args.steps)
    loader = torch.utils.data.DataLoader(crops, batch_size=None, num_workers=args.workers, prefetch_factor=4 if args.workers else None)
    batches = iter(loader)
    # The loader's processes are forked from the first batch on; the teacher's threads come after that.
    batch = next(batches, None)
    teacher = Teacher(os.path.join(args.data, "models", "yolox_nano_416.onnx"), args.threads)
    began, sums, seen = time.time(), 0.0, 0
    while batch is not None:
        greys, wanted = batch
        greys = greys.contiguous(memory_format=torch.channels_last)
        said = teacher(wanted["clear"].numpy(), wanted["quarters"].int().tolist())
        told = []
        for learner in learners.values():
            learner.network.train()
            with fast():
                outputs, adapted = learner.network(greys)
            outputs, adapted = ([level.float() for level in levels] for levels in (outputs, adapted))
            parts = [*grid.losses(outputs, wanted), *grid.taught(outputs, adapted, wanted, said)]
            learner.learn(sum(parts), args.steps)
            told += [part.item() for part in parts]
        sums, seen, step = sums + np.array(told), seen + 1, step + 1
        if step % 100 == 0:
            say(f"step {step} {(time.time() - began) / seen:.3f} s each, losses {' '.join(f'{part:.3f}' for part in sums / seen)}")
            began, sums, seen = time.time(), 0.0, 0
        if step % 800 == 0 or step == args.steps:
            for name, learner in learners.items():
                learner.save()
                say(f"step {step} {name} AP50 {measure.ap50(learner.averaged.network, checked[:: 1 if step == args.steps else 2]):.4f}")
            began, sums, seen = time.time(), 0.0, 0
        batch = next(batches, None)


if __name__ == "__main__":
    main()
