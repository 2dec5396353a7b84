#!/usr/bin/env python3
"""What YOLOX-nano (Apache-2.0) sees in the visible training pictures. Its weights are no starting point of ours, and `val` is never shown to it here.

As a program: keeps boxes, of people whom nobody labelled and of doubtful ones. As a module: [`Teacher`] tells what it makes of each training crop,
in colours, by day and upright, while ours is shown the same in grey, by night and turned.

    PATROL_DATA=... python teacher.py --out runs/teacher.json
"""

import argparse
import json
import os

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

SIDE, STRIDES = 416, (8, 16, 32)
SCORE_MIN, NMS_IOU = 0.2, 0.5


class Yolox:
    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        grids = [np.stack(np.meshgrid(np.arange(SIDE // s), np.arange(SIDE // s)), 2).reshape(-1, 2) for s in STRIDES]
        self.grid = np.concatenate(grids)
        self.stride = np.concatenate([np.full((len(grid), 1), s) for grid, s in zip(grids, STRIDES)])

    def __call__(self, bgr):
        """Boxes [n, 4] (x, y, w, h) and scores [n] of people in a picture of 416x416, before suppression."""
        rows = self.session.run(None, {self.input: bgr.astype(np.float32).transpose(2, 0, 1)[None]})[0][0]
        scores = rows[:, 4] * rows[:, 5]
        chosen = scores >= SCORE_MIN
        centre = (rows[chosen, :2] + self.grid[chosen]) * self.stride[chosen]
        sides = np.exp(rows[chosen, 2:4]) * self.stride[chosen]
        return np.c_[centre - sides / 2, sides], scores[chosen]


# Outputs of the three strides in the graph, before they are made one.
OUTPUTS = ("1066", "1108", "1150")


class Teacher:
    """YOLOX-nano for crops of any size in multiples of 32, with what its heads see before they answer."""

    FEATURES = 128

    def __init__(self, path, threads):
        model = onnx.load(path)
        made_by = {output: node for node in model.graph.node for output in node.output}
        features = []
        for output in OUTPUTS:
            box, objectness, classes = made_by[output].input
            # Features of the box, then of the classes: what the last convolutions read.
            features += [made_by[box].input[0], made_by[made_by[classes].input[0]].input[0]]
        sides = model.graph.input[0].type.tensor_type.shape.dim
        for index, name in ((0, "batch"), (2, "height"), (3, "width")):
            sides[index].dim_param = name
        del model.graph.output[:]
        model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (*OUTPUTS, *features))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # It warns at each size that is not 416.
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __call__(self, clear, quarters):
        """Of crops [b, h, w, 3] that were turned by `quarters` [b] afterwards: scores [b, n], boxes [b, n, 4] (corners) and features, a list of
        [b, FEATURES, h / s, w / s], all as of the turned crop."""
        said = self.session.run(None, {"images": np.ascontiguousarray(clear.transpose(0, 3, 1, 2), np.float32)})
        side, scores, boxes, features = clear.shape[1], [], [], []
        for level, stride in enumerate(STRIDES):
            rows = said[level]
            score = rows[:, 4] * rows[:, 5]
            y, x = np.mgrid[: rows.shape[2], : rows.shape[3]].astype(np.float32)
            cx, cy = (rows[:, 0] + x) * stride, (rows[:, 1] + y) * stride
            w, h = np.exp(rows[:, 2]) * stride, np.exp(rows[:, 3]) * stride
            seen = np.concatenate(said[len(STRIDES) + 2 * level :][:2], 1)
            for index, count in enumerate(quarters):
                for _ in range(count):
                    cx[index], cy[index], w[index], h[index] = cy[index], side - cx[index], h[index], w[index].copy()
                for map_ in (score, cx, cy, w, h):
                    map_[index] = np.rot90(map_[index], count)
                seen[index] = np.rot90(seen[index], count, (1, 2))
            corners = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)
            scores.append(score.reshape(len(score), -1))
            boxes.append(corners.reshape(len(corners), -1, 4))
            features.append(torch.from_numpy(seen))
        return torch.from_numpy(np.concatenate(scores, 1)), torch.from_numpy(np.concatenate(boxes, 1)), features


def people_in(yolox, bgr):
    """People seen in the picture or in its mirror image: x, y, w, h, score."""
    boxes, scores = yolox(bgr)
    mirrored, more = yolox(bgr[:, ::-1])
    mirrored[:, 0] = SIDE - mirrored[:, 0] - mirrored[:, 2]
    boxes, scores = np.concatenate([boxes, mirrored]), np.concatenate([scores, more])
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), SCORE_MIN, NMS_IOU)
    return [[*(round(float(v), 1) for v in boxes[i]), round(float(scores[i]), 3)] for i in np.array(kept).reshape(-1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    yolox = Yolox(os.path.join(args.data, "models", "yolox_nano_416.onnx"), args.threads)
    folder = os.path.join(args.data, "people-visible")
    with open(os.path.join(folder, "train.json"), encoding="utf-8") as file:
        images = json.load(file)["images"]
    found = {image["file_name"]: people_in(yolox, cv2.imread(os.path.join(folder, image["file_name"]))) for image in images}
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(found, file)
    print(f"{len(found)} pictures, {sum(map(len, found.values()))} people -> {args.out}")


if __name__ == "__main__":
    main()
