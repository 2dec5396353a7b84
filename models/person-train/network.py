"""The network: a small fully convolutional pyramid that works at strides 8 and 16, the larger one at 32 too, and answers at stride 4.

What decides its shape is what inference runtimes do best in FP32 and INT8 alike: 3x3 and 1x1 convolutions with ReLU and channels in multiples
of 16 (8 in the stem); no depthwise convolutions (few multiplications, but bound by memory), no smooth activations, little work at stride 4,
where maps are large. Four answers per cell of stride 8 (sub-pixel convolution) part people who stand closer than a cell.
"""

from dataclasses import dataclass

import torch
from torch import nn

STRIDE = 4
# Heat of person, bicycle, car; only the first is exported. The others teach what looks warm and is no person.
CLASSES = 3


@dataclass(frozen=True)
class Size:
    """Channels at strides 2, 4, 8, 16 and perhaps 32; residual blocks at strides 8, 16 and perhaps 32; channels of the head. Stride 32 sees what
    surrounds a warm spot, at an eighth of the cost of seeing it at stride 8. No channels at stride 2: the picture is taken to stride 4 at once, which saves the largest maps."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    head: int


SIZES = {
    "thermal-n": Size((0, 16, 32, 64, 96), (1, 2, 2), 48),
    "thermal-s": Size((16, 32, 64, 128, 160), (1, 2, 2), 48),
}


def conv(inside, outside, kernel=3, stride=1, relu=True):
    layers = [nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outside)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = conv(width, width)
        self.second = conv(width, width, relu=False)

    def forward(self, x):
        return torch.relu(x + self.second(self.first(x)))


class Network(nn.Module):
    """Grey picture [b, 1, h, w] in 0-1, sides multiples of the largest stride, to [b, 4 + CLASSES, h / 4, w / 4]: offset x and y of the centre from the cell's
    upper left corner (in cells), width and height (in cells), then a heat (logit) per class."""

    def __init__(self, size):
        super().__init__()
        c2, c4, c8, c16, *c32 = size.channels
        n8, n16, *n32 = size.blocks
        self.stem = nn.Sequential(conv(1, c2, stride=2), conv(c2, c4, stride=2)) if c2 else conv(1, c4, 7, stride=4)
        self.to8 = nn.Sequential(conv(c4, c8, stride=2), *[Block(c8) for _ in range(n8)])
        self.to16 = nn.Sequential(conv(c8, c16, stride=2), *[Block(c16) for _ in range(n16)])
        self.to32 = nn.Sequential(conv(c16, c32[0], stride=2), *[Block(c32[0]) for _ in range(n32[0])]) if c32 else None
        self.lateral32 = conv(c32[0], c16, 1, relu=False) if c32 else None
        self.lateral = conv(c16, c8, 1, relu=False)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge = conv(c8, c8)
        self.head = conv(c8, size.head)
        self.out = nn.Conv2d(size.head, (4 + CLASSES) * 4, 1)
        self.shuffle = nn.PixelShuffle(2)
        with torch.no_grad():
            bias = self.out.bias.view(4 + CLASSES, 4)
            self.out.weight.view(4 + CLASSES, 4, size.head)[:4] *= 0.1
            bias[:2] = 0.5
            bias[2], bias[3] = 3.0, 5.0
            # One cell in a hundred is a person at the start.
            bias[4:] = -4.6

    def features(self, x):
        x8 = self.to8(self.stem(x))
        x16 = self.to16(x8)
        if self.to32 is not None:
            x16 = torch.relu(x16 + self.enlarge(self.lateral32(self.to32(x16))))
        return self.head(self.merge(torch.relu(x8 + self.enlarge(self.lateral(x16)))))

    def forward(self, x):
        return self.shuffle(self.out(self.features(x)))
