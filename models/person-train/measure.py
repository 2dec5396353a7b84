"""AP50 on whole frames, as `patrol eval detect` counts it, for use while training. Figures on the card come from `patrol` itself."""

import numpy as np
import torch

import grid
from boxes import decode, overlaps

NMS_IOU = 0.45
SCORE_MIN = 0.01


def people_in(output):
    """Boxes [n, 4] (x0, y0, x1, y1) and scores of one output: peaks of a thermal heat [1, 4 + classes, h, w], or cells of a visible network's grids;
    then suppression."""
    if isinstance(output, list):
        rows = grid.flat(output)
        height, width = (side * grid.STRIDES[0] for side in output[0].shape[2:])
        boxes, scores = grid.decode(rows, width, height), rows[0, :, 4].sigmoid()
        chosen = (scores >= SCORE_MIN).nonzero().squeeze(1)
    else:
        heat = output[:, 4:5]
        peak = (torch.nn.functional.max_pool2d(heat, 3, 1, 1) == heat).flatten()
        boxes, heats = decode(output)
        scores = heats[0, :, 0].sigmoid()
        chosen = (peak & (scores >= SCORE_MIN)).nonzero().squeeze(1)
    chosen = chosen[scores[chosen].argsort(descending=True)][:300]
    boxes, scores = boxes[0, chosen], scores[chosen]
    iou = overlaps(boxes, boxes)
    kept = []
    for index in range(len(boxes)):
        if not kept or iou[index, kept].max() <= NMS_IOU:
            kept.append(index)
    return boxes[kept].numpy(), scores[kept].numpy()


def match(boxes, scores, frame):
    """(score, right) of each detection of a frame; those in ignored regions are left out."""
    corners = lambda found: np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], 1)
    truth = corners(frame.people)
    iou = overlaps(torch.tensor(boxes), torch.tensor(truth)).numpy() if len(truth) and len(boxes) else np.zeros((len(boxes), len(truth)))
    taken, judged = np.zeros(len(truth), bool), []
    for index, score in enumerate(scores):
        fits = np.where(taken, 0, iou[index]) if len(truth) else np.zeros(0)
        if len(fits) and fits.max() >= 0.5:
            taken[fits.argmax()] = True
            judged.append((score, True))
            continue
        x0, y0, x1, y1 = boxes[index]
        inside = False
        for ix, iy, iw, ih in frame.ignored:
            across, down = min(x1, ix + iw) - max(x0, ix), min(y1, iy + ih) - max(y0, iy)
            inside |= across > 0 and down > 0 and across * down >= 0.5 * (x1 - x0) * (y1 - y0)
        if not inside:
            judged.append((score, False))
    return judged


def average_precision(judged, people):
    """101-point AP of (score, right) pairs, and recall at 0.1 false per picture is left to `patrol eval detect`."""
    judged = sorted(judged, key=lambda one: -one[0])
    right = np.cumsum([one[1] for one in judged])
    recall, precision = right / max(people, 1), right / np.arange(1, len(judged) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[i] if i < len(precision) else 0.0 for i in at])) if len(judged) else 0.0


@torch.no_grad()
def ap50(network, frames, change=lambda grey: grey):
    """AP50 of a network over frames; `change` alters each picture first."""
    network.eval()
    judged = []
    for frame in frames:
        picture = torch.from_numpy(change(frame.grey).astype(np.float32) / 255)[None, None]
        judged += match(*people_in(network(picture)), frame)
    return average_precision(judged, sum(len(frame.people) for frame in frames))
