"""Cells to boxes, overlaps, what each cell should answer, and the losses."""

import numpy as np
import torch

from network import STRIDE

# Heat falls off as a normal distribution with this part of the person's width and height, and half a cell, as σ.
HEAT_SIGMA = 0.2
# Cells at least so hot are asked for the box as well.
BOX_HEAT_MIN = 0.4
# Weight of the box loss against the heat, and of the heats that only teach.
BOX_WEIGHT, OTHERS_WEIGHT = 1.5, 0.1
PROBABILITY_MIN = 1e-4


def answers(people, side):
    """What the cells of a crop should say: heat [h, w], whose box [4, h, w] (corners in pixels). `people`: x, y, w, h."""
    cells = side // STRIDE
    heat, boxes = np.zeros((cells, cells), np.float32), np.zeros((4, cells, cells), np.float32)
    at = (np.arange(cells, dtype=np.float32) + 0.5) * STRIDE
    for x, y, w, h in people:
        cx, cy = x + w / 2, y + h / 2
        across = np.exp(-0.5 * ((at - cx) / (HEAT_SIGMA * w + STRIDE / 2)) ** 2)
        down = np.exp(-0.5 * ((at - cy) / (HEAT_SIGMA * h + STRIDE / 2)) ** 2)
        mine = down[:, None] * across[None]
        # The cell that holds the centre is the person, wherever in it the centre lies.
        mine[min(int(cy / STRIDE), cells - 1), min(int(cx / STRIDE), cells - 1)] = 1.0
        hotter = mine > heat
        heat[hotter] = mine[hotter]
        boxes[:, hotter] = np.array([x, y, x + w, y + h], np.float32)[:, None]
    return heat, boxes


def corners(output):
    """Boxes [b, 4, h, w] (x0, y0, x1, y1 in pixels) of an output [b, 4 + classes, h, w]."""
    h, w = output.shape[2:]
    y, x = torch.meshgrid(torch.arange(h, dtype=output.dtype), torch.arange(w, dtype=output.dtype), indexing="ij")
    centre = (output[:, :2] + torch.stack([x, y])) * STRIDE
    # A box is never thinner than a pixel: keeps overlaps finite while the network is young.
    half = output[:, 2:4].mul(STRIDE).clamp(min=1.0) / 2
    return torch.cat([centre - half, centre + half], 1)


def decode(output):
    """Boxes [b, h·w, 4] and heats [b, h·w, classes] (logits)."""
    return corners(output).flatten(2).transpose(1, 2), output[:, 4:].flatten(2).transpose(1, 2)


def overlaps(a, b):
    """IoU of every box of a [n, 4] with every box of b [m, 4]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(2)
    area = lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return inter / (area(a)[:, None] + area(b)[None] - inter + 1e-6)


# Labels are drawn tightly or with a wide margin, as the annotator liked. An IoU alone is best served by the middle of these; a box that most of them still
# accept serves better. Steepness of that acceptance around an IoU of 0.5.
ACCEPT_SOFTNESS = 0.08


def fit(a, b):
    """IoU of pairs less their centres' distance over the diagonal of both (DIoU, Zheng et al. 2020), less their difference in size, plus how likely
    an IoU of 0.5 is reached. At most 2."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    area = lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1)
    iou = inter / (area(a) + area(b) - inter + 1e-6)
    span = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    # Overlap alone is flat for boxes inside one another.
    size = (a[:, 2:] - a[:, :2]).clamp(min=1).log() - (b[:, 2:] - b[:, :2]).clamp(min=1).log()
    accepted = torch.sigmoid((iou - 0.5) / ACCEPT_SOFTNESS)
    return iou + accepted - apart.square().sum(1) / (span.square().sum(1) + 1e-6) - 0.25 * size.abs().clamp(max=1).sum(1)


def losses(output, wanted):
    """`wanted`: heat [b, h, w], boxes [b, 4, h, w], others [b, 2, h, w] (heat of bicycles and cars), ignored [b, h, w].
    Heat: the penalty-reduced focal loss of CenterNet (Zhou et al. 2019). Returns heat, box and others' loss."""
    heat = wanted["heat"]
    people = (heat == 1).sum().clamp(min=4)
    probability = output[:, 4].sigmoid().clamp(PROBABILITY_MIN, 1 - PROBABILITY_MIN)
    # Somebody who may not be counted is no mistake, and what stands before him counts.
    counted = torch.where(heat > BOX_HEAT_MIN, 1.0, 1.0 - wanted["ignored"])
    right = (1 - probability).square() * probability.log() * (heat == 1)
    wrong = (1 - heat).pow(4) * probability.square() * (1 - probability).log() * (heat < 1) * counted
    heat_loss = -(right + wrong).sum() / people
    asked = heat >= BOX_HEAT_MIN
    found, true = (boxes.permute(0, 2, 3, 1)[asked] for boxes in (corners(output), wanted["boxes"]))
    weight = heat[asked]
    box_loss = ((2 - fit(found, true)) * weight).sum() / weight.sum().clamp(min=4)
    others = torch.nn.functional.binary_cross_entropy_with_logits(output[:, 5:], wanted["others"], reduction="sum")
    return heat_loss, box_loss * BOX_WEIGHT, others / wanted["others"].sum().clamp(min=20) * OTHERS_WEIGHT


# Ways to look at a crop: transposed, flipped across, flipped down. Seen from above there is no up.
VIEWS = [(transposed, across, down) for transposed in (False, True) for across in (False, True) for down in (False, True)]


def seen(greys, view):
    """Crops [b, 1, h, w] in a view."""
    transposed, across, down = view
    greys = greys.transpose(2, 3) if transposed else greys
    return greys.flip([axis for axis, is_flipped in ((3, across), (2, down)) if is_flipped])


def back(output, view):
    """What a network said of crops in a view, as it would have said it of the crops themselves."""
    transposed, across, down = view
    output = output.flip([axis for axis, is_flipped in ((3, across), (2, down)) if is_flipped]).clone()
    for row, is_flipped in enumerate((across, down)):
        if is_flipped:
            output[:, row] = 1 - output[:, row]
    rows = [1, 0, 3, 2, *range(4, output.shape[1])]
    return output.transpose(2, 3)[:, rows] if transposed else output


def taught(output, wished, wanted_heat, hidden):
    """What a larger network adds that says `wished` of the same crops, but in cells that are `hidden` [b, h, w] and nobody else's (`wanted_heat`): its heats as soft wishes, and its boxes
    where it sees somebody."""
    score = wished[:, 4].sigmoid()
    # Whom weather hides may stand behind somebody who is seen.
    shown = torch.where(wanted_heat > BOX_HEAT_MIN, 1.0, 1 - hidden)
    total = (score.square() * shown).sum().clamp(min=4.0)
    heat = torch.nn.functional.binary_cross_entropy_with_logits(output[:, 4], score, reduction="none")
    heat = (heat * (score - output[:, 4].sigmoid()).abs() * shown).sum() / total
    # Offsets and sizes in cells; a tenth of a cell is well within what a label is worth.
    box = torch.nn.functional.smooth_l1_loss(output[:, :4], wished[:, :4], beta=0.1, reduction="none").sum(1)
    return heat + 0.3 * (box * score.square() * shown).sum() / total
