#!/usr/bin/env python3
"""Writes a trained network as ONNX, in FP32 and in INT8, and prints the hashes for its card.

    PATROL_DATA=... python export.py thermal-s --checkpoint runs/thermal-s/last.pt --out ../thermal-person-s
"""

import argparse
import hashlib
import os
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

import grid
import pictures
import visible
from network import SIZES, STRIDE, Network

OPSET = 17
# Frames for calibration: every so many of train; every other thermal one inverted, every other visible one at a third of its light.
CALIBRATE_EVERY = 12
# The stem's maps are large and its channels few, where INT8 kernels are slower than FP32 ones (0.4 against 2.8 ms); the last layer
# holds logits and pixels side by side, which share no scale.
IN_FP32 = ("/stem/", "/out/", "/outs.")
# Labels of people in thermal frames have a margin: on val, boxes wider and higher by this part have AP50 0.729 instead of 0.716 (1.1: 0.713; 0.95: 0.696), AP as before.
THERMAL_MARGIN = 1.05
# What follows the last layer.
KINDS_IN_FP32 = ("Sigmoid", "Concat", "Reshape", "Transpose", "Slice")


class Exported(nn.Module):
    """The network as the card's layout wants it: heat of people, offset x and y, width and height in pixels, each in 2x2 subcell planes."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        rows = [4, 0, 1, 2, 3]
        scale = torch.tensor([1.0, 1.0, 1.0, STRIDE * THERMAL_MARGIN, STRIDE * THERMAL_MARGIN])
        width = network.out.in_channels
        weight = network.out.weight.data.view(-1, 4, width)[rows] * scale[:, None, None]
        bias = network.out.bias.data.view(-1, 4)[rows] * scale[:, None]
        self.out = nn.Conv2d(width, 20, 1)
        self.out.weight.data = weight.reshape(20, width, 1, 1)
        self.out.bias.data = bias.reshape(20)

    def forward(self, images):
        return self.out(self.network.features(images))


class ExportedGrid(nn.Module):
    """The visible network as the layout `yolox` wants it: rows of offset x and y, logarithms of width and height, score, and 1 for the only class."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        rows = grid.flat(self.network(images))
        score = rows[..., 4:].sigmoid()
        return torch.cat([rows[..., :4], score, torch.ones_like(score)], 2)


class Frames(CalibrationDataReader):
    def __init__(self, frames, change):
        self.frames, self.change = iter(enumerate(frames)), change

    def get_next(self):
        number, frame = next(self.frames, (None, None))
        if frame is None:
            return None
        grey = frame.grey.astype(np.float32) / 255
        return {"images": (self.change(grey) if number % 2 else grey)[None, None]}


def write_fp32(exported, path, size, any_size):
    with tempfile.TemporaryDirectory() as scratch:
        plain = os.path.join(scratch, "plain.onnx")
        open_sides = {"images": {2: "height", 3: "width"}, "output": {1: "cells"}} if any_size else None
        torch.onnx.export(
            exported, torch.zeros(1, 1, *size), plain, input_names=["images"], output_names=["output"], opset_version=OPSET, dynamo=False,
            dynamic_axes=open_sides)
        quant_pre_process(plain, path, skip_symbolic_shape=True)
    settle(path)


def halve(path):
    """Keeps weights in 16 bits, to be widened when the file is opened: half the size, and no difference that anybody could measure."""
    model = onnx.load(path)
    nodes = []
    for index, weight in enumerate(model.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= 1024:
            name = weight.name
            model.graph.initializer[index].CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            nodes.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.widen", to=onnx.TensorProto.FLOAT))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.save(model, path)
    settle(path)


def write_int8(fp32, path, frames, reduce_range, method):
    nodes = onnx.load(fp32).graph.node
    quantize_static(
        fp32, path, frames, quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=reduce_range, calibrate_method=method,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        nodes_to_exclude=[node.name for node in nodes if any(part in node.name for part in IN_FP32) or node.op_type in KINDS_IN_FP32])
    settle(path)


def open_to_several(path):
    """Any number of pictures at once, as a GPU takes them. The file in INT8 runs on CPU cores, one picture after another, and stays as it is."""
    model = onnx.load(path)
    # Shapes that were worked out for one picture.
    del model.graph.value_info[:]
    for outlet in (*model.graph.input, *model.graph.output):
        pictures_dim = outlet.type.tensor_type.shape.dim[0]
        pictures_dim.Clear()
        pictures_dim.dim_param = "pictures"
    onnx.save(model, path)
    settle(path)


def settle(path):
    """The same bytes wherever it was made: no paths, no versions of tools."""
    model = onnx.load(path)
    model.producer_name, model.producer_version, model.ir_version = "patrol", "", 8
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=[*SIZES, *grid.GRID_SIZES])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--full-range", action="store_true", help="8-bit weights: saturates without VNNI, see the card")
    parser.add_argument("--percentile", action="store_true", help="calibrate to the 99.99th percentile, not to the extremes")
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    learnt = torch.load(args.checkpoint, weights_only=True)["averaged"]
    is_visible = args.size in grid.GRID_SIZES
    network = (grid.GridNetwork(grid.GRID_SIZES[args.size]) if is_visible else Network(SIZES[args.size])).eval()
    prefix = "network." if is_visible else ""
    network.load_state_dict({key.removeprefix(prefix): value for key, value in learnt.items() if key.startswith(prefix)})
    os.makedirs(args.out, exist_ok=True)
    name = args.size.replace("-", "-person-")
    fp32, int8 = os.path.join(args.out, f"{name}.onnx"), os.path.join(args.out, f"{name}.int8.onnx")
    if is_visible:
        exported, size = ExportedGrid(network).eval(), (visible.SIDE, visible.SIDE)
        frames = Frames(visible.load(args.data, "train")[::CALIBRATE_EVERY], lambda grey: grey / 3)
    else:
        exported, size = Exported(network).eval(), (pictures.HEIGHT, pictures.WIDTH)
        frames = Frames(pictures.load(args.data, "train")[::CALIBRATE_EVERY], lambda grey: 1 - grey)
    write_fp32(exported, fp32, size, is_visible)
    method = CalibrationMethod.Percentile if args.percentile else CalibrationMethod.MinMax
    write_int8(fp32, int8, frames, not args.full_range, method)
    halve(fp32)
    open_to_several(fp32)
    for path in (int8, fp32):
        with open(path, "rb") as file:
            data = file.read()
        print(f"{os.path.basename(path)}\t{len(data)} bytes\tsha256 = \"{hashlib.sha256(data).hexdigest()}\"")
    # Weights in 16 bits have three digits.
    check(exported, fp32, [size, (320, 544), (64, 32)] if is_visible else [size], 5e-2)


def check(exported, path, sizes, most):
    """What was written answers as the network does, at each of the sizes."""
    for size in sizes:
        grey = torch.rand(2, 1, *size)
        with torch.no_grad():
            wanted = exported(grey).numpy()
        found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": grey.numpy()})[0]
        apart = (np.abs(found - wanted) / (1 + np.abs(wanted))).max()
        if not apart < most:
            raise SystemExit(f"{path}: differs from the network by {apart} at {size}, wanted less than {most}")


if __name__ == "__main__":
    main()
