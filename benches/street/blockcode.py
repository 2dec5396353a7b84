"""Reads the block code out of pictures of `patrol sim street`: an independent reading of the format below.

    pip install pillow numpy
    python benches/street/blockcode.py PICTURE…        one JSON line a picture
    from blockcode import read                        read(path or PIL image or 2-D array) -> Code or None

The format. The top 16 rows of a picture are cells of 16 x 16 pixels, counted from 0 at the left. A cell holds four bits in blocks of 8 x 8 pixels,
white is 1, black is 0, in the order top left, top right, bottom left, bottom right.

    cell 0        grey
    cells 1-2     1001 0110, the beginning
    cells 3-26    96 bits, most significant first:
                    12  camera number; 4095: the code was made with the clip (H.265), frame is the place in the clip, the time is 0
                    24  frame number: the camera's pictures counted from its start, sent or not, modulo 2^24
                    44  capture time, milliseconds since 1970-01-01 UTC
                    16  CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF, nothing reflected) of the ten bytes before
    cell 27       0110, the end
    from cell 28  grey

The 16 rows below the cells are grey, too. A block is judged by its middle 4 x 4 pixels, so that JPEG or another codec may soften its edges; the
picture must have its original size. A picture without a code, or whose CRC fails, gives None.
"""

import json
import sys
from typing import NamedTuple

import numpy as np
from PIL import Image

CELL, BLOCK = 16, 8
BEGIN, END = "10010110", "0110"
PAYLOAD_CELLS = 24
WIDTH_MIN = 29 * CELL


class Code(NamedTuple):
    camera: int
    frame: int
    unix_ms: int


def crc16(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def read(picture) -> Code | None:
    """`picture`: a path, a PIL image, or luma as a 2-D array."""
    if not isinstance(picture, (np.ndarray, Image.Image)):
        with Image.open(picture) as opened:
            picture = opened.convert("L")
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("L"))
    height, width = picture.shape
    if height < CELL or width < WIDTH_MIN:
        return None

    def cell(number: int) -> str:
        bits = ""
        for y in (0, BLOCK):
            for x in (0, BLOCK):
                left = number * CELL + x
                middle = picture[y + 2 : y + 6, left + 2 : left + 6]
                bits += "1" if middle.mean() >= 128 else "0"
        return bits

    last = 3 + PAYLOAD_CELLS
    if cell(1) + cell(2) != BEGIN or cell(last) != END:
        return None
    payload = int("".join(cell(number) for number in range(3, last)), 2).to_bytes(12, "big")
    if crc16(payload[:10]) != int.from_bytes(payload[10:], "big"):
        return None
    value = int.from_bytes(payload[:10], "big")
    return Code(value >> 68, value >> 44 & 0xFFFFFF, value & (1 << 44) - 1)


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    for path in paths:
        code = read(path)
        print(json.dumps({"picture": path, **(code._asdict() if code else {"camera": None, "frame": None, "unix_ms": None})}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
