"""The network for visible pictures: people of 10 to 400 pixels need answers at strides 8, 16 and 32. With what its cells should answer, and the losses.

Made of the same parts as the thermal network, for the same reasons. One channel: luma is what a street camera shows by night, and what needs no
conversion; colour tells little of who lies there.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from boxes import fit
from network import Block, conv

STRIDES = (8, 16, 32)
# A person whose box has these mean sides (the root of its area, pixels) is learnt at the stride; between two of them at both.
SIDES_PX = ((0, 56), (36, 128), (88, 1e9))
# Cells whose centre is no further from the person's than so many strides, along each axis.
REACH = 1.5
BOX_WEIGHT = 1.2
# Weights of what the teacher says.
SCORE_TAUGHT, BOX_TAUGHT, FEATURES_TAUGHT = 0.5, 0.5, 0.7
# 55 cells: wider than any crop, and finite while the network is young.
LOG_SIDE_MAX = 4.0


@dataclass(frozen=True)
class GridSize:
    """Channels at strides 2, 4, 8, 16, 32; residual blocks at strides 8, 16, 32; channels of the heads there."""

    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int]
    heads: tuple[int, int, int]


GRID_SIZES = {
    "visible-n": GridSize((8, 16, 32, 64, 128), (1, 2, 2), (32, 48, 64)),
    "visible-s": GridSize((16, 32, 96, 128, 144), (1, 2, 2), (64, 72, 96)),
}


class GridNetwork(nn.Module):
    """Grey picture [b, 1, h, w] in 0-1, sides multiples of 32, to one [b, 5, h / s, w / s] for each stride s: offset x and y of the centre from the
    cell's upper left corner (in cells), logarithm of width and height (in cells), score (logit)."""

    def __init__(self, size):
        super().__init__()
        c2, c4, c8, c16, c32 = size.channels
        stage = lambda inside, outside, count: nn.Sequential(conv(inside, outside, stride=2), *[Block(outside) for _ in range(count)])
        self.stem = nn.Sequential(conv(1, c2, stride=2), conv(c2, c4, stride=2))
        self.to8, self.to16, self.to32 = (stage(*each) for each in zip((c4, c8, c16), (c8, c16, c32), size.blocks))
        self.lateral32, self.merge16 = conv(c32, c16, 1, relu=False), conv(c16, c16)
        self.lateral16, self.merge8 = conv(c16, c8, 1, relu=False), conv(c8, c8)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.heads = nn.ModuleList([conv(inside, head) for inside, head in zip((c8, c16, c32), size.heads)])
        self.outs = nn.ModuleList([nn.Conv2d(head, 5, 1) for head in size.heads])
        with torch.no_grad():
            for out in self.outs:
                out.weight *= 0.3
                out.bias[:2] = 0.5
                out.bias[2], out.bias[3] = 0.9, 1.5
                # One cell in a hundred is a person at the start.
                out.bias[4] = -4.6

    def features(self, x):
        """What the heads see, stride after stride."""
        x8 = self.to8(self.stem(x))
        x16 = self.to16(x8)
        x32 = self.to32(x16)
        x16 = self.merge16(torch.relu(x16 + self.enlarge(self.lateral32(x32))))
        x8 = self.merge8(torch.relu(x8 + self.enlarge(self.lateral16(x16))))
        return [head(level) for level, head in zip((x8, x16, x32), self.heads)]

    def forward(self, x):
        return [out(seen) for out, seen in zip(self.outs, self.features(x))]


def centres(width, height):
    """Upper left corner [n, 2] (in cells) and stride [n, 1] of every cell of a picture, stride after stride."""
    grids = [np.stack(np.meshgrid(np.arange(width // s), np.arange(height // s)), 2).reshape(-1, 2) for s in STRIDES]
    return np.concatenate(grids).astype(np.float32), np.concatenate([np.full((len(grid), 1), s, np.float32) for grid, s in zip(grids, STRIDES)])


def flat(outputs):
    """The outputs of all strides as [b, n, 5]."""
    return torch.cat([output.flatten(2).transpose(1, 2) for output in outputs], 1)


def decode(rows, width, height):
    """Boxes [b, n, 4] (x0, y0, x1, y1 in pixels) of rows [b, n, 5]."""
    cell, stride = (torch.from_numpy(part).to(rows.device) for part in centres(width, height))
    centre = (rows[..., :2] + cell) * stride
    half = rows[..., 2:4].clamp(max=LOG_SIDE_MAX).exp() * stride / 2
    return torch.cat([centre - half, centre + half], -1)


def answers(people, ignored, side):
    """Whose box each cell should say [n, 4] (corners in pixels), whether it should [n], and whether its score counts [n]."""
    cell, stride = centres(side, side)
    at, stride = (cell + 0.5) * stride, stride[:, 0]
    boxes, asked, counted = np.zeros((len(at), 4), np.float32), np.zeros(len(at), np.float32), np.ones(len(at), np.float32)
    for x, y, w, h in ignored:
        counted[(at[:, 0] > x) & (at[:, 0] < x + w) & (at[:, 1] > y) & (at[:, 1] < y + h)] = 0
    # Larger people first: where cells are wanted by two, the smaller one has fewer others.
    for x, y, w, h in sorted(people, key=lambda box: -box[2] * box[3]):
        mean = (w * h) ** 0.5
        far = np.abs(at - np.array([x + w / 2, y + h / 2], np.float32)) / stride[:, None]
        inside = (at[:, 0] > x) & (at[:, 0] < x + w) & (at[:, 1] > y) & (at[:, 1] < y + h)
        for level, (least, most) in zip(STRIDES, SIDES_PX):
            if not least <= mean < most:
                continue
            mine = (stride == level) & (far.max(1) <= REACH) & inside
            # The cell that holds the centre, however small the person.
            mine |= (stride == level) & (far.max(1) <= 0.5)
            boxes[mine], asked[mine], counted[mine] = (x, y, x + w, y + h), 1, 1
    return boxes, asked, counted


def losses(outputs, wanted):
    """`wanted`: boxes [b, n, 4], asked and counted [b, n]. Scores learn the overlap of their own box with the person's (quality focal loss, Li et al.
    2020). Returns score and box loss."""
    rows = flat(outputs)
    side = outputs[0].shape[-1] * STRIDES[0]
    boxes, asked = decode(rows, side, side), wanted["asked"] > 0
    found, true = boxes[asked], wanted["boxes"][asked]
    goodness = fit(found, true)
    quality = torch.zeros_like(wanted["asked"])
    with torch.no_grad():
        low, high = torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:])
        inter = (high - low).clamp(min=0).prod(1)
        area = lambda some: (some[:, 2:] - some[:, :2]).prod(1)
        quality[asked] = inter / (area(found) + area(true) - inter + 1e-6)
    total = quality.sum().clamp(min=8.0)
    score = rows[..., 4]
    each = nn.functional.binary_cross_entropy_with_logits(score, quality, reduction="none") * (score.sigmoid() - quality).abs().square()
    return (each * wanted["counted"]).sum() / total, ((2 - goodness) * quality[asked].clamp(min=0.1)).sum() / total * BOX_WEIGHT


class Student(nn.Module):
    """A network, and what makes its features comparable with those of a teacher while it learns."""

    def __init__(self, network, size, teacher_features):
        super().__init__()
        self.network = network
        self.adapters = nn.ModuleList([nn.Conv2d(head, teacher_features, 1) for head in size.heads])

    def forward(self, x):
        seen = self.network.features(x)
        return [out(level) for out, level in zip(self.network.outs, seen)], [adapter(level) for adapter, level in zip(self.adapters, seen)]


def taught(outputs, adapted, wanted, said):
    """What a teacher adds that has seen the same crop in colours, by day and upright: soft scores, boxes where it sees somebody, and its features, each channel in
    units of its own spread. Returns the three losses."""
    scores, corners, features = said
    rows, same = flat(outputs), wanted["same"]
    total = (scores * same).square().sum().clamp(min=8.0)
    each = nn.functional.binary_cross_entropy_with_logits(rows[..., 4], scores, reduction="none") * (rows[..., 4].sigmoid() - scores).abs()
    side = outputs[0].shape[-1] * STRIDES[0]
    seen = (scores > 0.3) & (same > 0)
    goodness = fit(decode(rows, side, side)[seen], corners[seen])
    box = ((2 - goodness) * scores[seen]).sum() / scores[seen].sum().clamp(min=8.0)
    imitation, first = 0.0, 0
    for ours, theirs in zip(adapted, features):
        cells = theirs.shape[2] * theirs.shape[3]
        mask = same[:, first : first + cells].view(len(same), 1, *theirs.shape[2:])
        first += cells
        spread = theirs.var((0, 2, 3), keepdim=True) + 1e-3
        imitation = imitation + ((ours - theirs).square() / spread * mask).mean()
    return (each * same).sum() / total * SCORE_TAUGHT, box * BOX_TAUGHT, imitation * FEATURES_TAUGHT
