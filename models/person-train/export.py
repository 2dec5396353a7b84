#!/usr/bin/env python3
"""Writes a trained network as ONNX, in FP32 and in INT8, and prints the hashes for its card.

    PATROL_DATA=... python export.py s --checkpoint runs/s/last.pt --out ../thermal-person-s
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

import pictures
from network import SIZES, STRIDE, Network

OPSET = 17
# Frames for calibration: every so many of train, every other one inverted.
CALIBRATE_EVERY = 12
# The stem's maps are large and its channels few, where INT8 kernels are slower than FP32 ones (0.4 against 2.8 ms); the last layer
# holds logits and pixels side by side, which share no scale.
IN_FP32 = ("/stem/", "/out/")


class Exported(nn.Module):
    """The network as the card's layout wants it: heat of people, offset x and y, width and height in pixels, each in 2x2 subcell planes."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        rows = [4, 0, 1, 2, 3]
        scale = torch.tensor([1.0, 1.0, 1.0, STRIDE, STRIDE])
        width = network.out.in_channels
        weight = network.out.weight.data.view(-1, 4, width)[rows] * scale[:, None, None]
        bias = network.out.bias.data.view(-1, 4)[rows] * scale[:, None]
        self.out = nn.Conv2d(width, 20, 1)
        self.out.weight.data = weight.reshape(20, width, 1, 1)
        self.out.bias.data = bias.reshape(20)

    def forward(self, images):
        return self.out(self.network.features(images))


class Frames(CalibrationDataReader):
    def __init__(self, frames):
        self.frames = iter(enumerate(frames))

    def get_next(self):
        number, frame = next(self.frames, (None, None))
        if frame is None:
            return None
        grey = frame.grey.astype(np.float32) / 255
        return {"images": (1 - grey if number % 2 else grey)[None, None]}


def write_fp32(network, path):
    with tempfile.TemporaryDirectory() as scratch:
        plain = os.path.join(scratch, "plain.onnx")
        picture = torch.zeros(1, 1, pictures.HEIGHT, pictures.WIDTH)
        torch.onnx.export(Exported(network).eval(), picture, plain, input_names=["images"], output_names=["output"], opset_version=OPSET, dynamo=False)
        quant_pre_process(plain, path, skip_symbolic_shape=True)
    settle(path)


def write_int8(fp32, path, frames, reduce_range, method):
    names = [node.name for node in onnx.load(fp32).graph.node]
    quantize_static(
        fp32, path, Frames(frames), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=reduce_range, calibrate_method=method,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=[name for name in names if name.startswith(IN_FP32)])
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
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    parser.add_argument("--full-range", action="store_true", help="8-bit weights: saturates without VNNI, see the card")
    parser.add_argument("--percentile", action="store_true", help="calibrate to the 99.99th percentile, not to the extremes")
    args = parser.parse_args()
    if not args.data:
        raise SystemExit("PATROL_DATA is not set; see testdata/README.md for the data it names")
    network = Network(SIZES[args.size]).eval()
    network.load_state_dict(torch.load(args.checkpoint, weights_only=True)["averaged"])
    os.makedirs(args.out, exist_ok=True)
    name = f"thermal-person-{args.size}"
    fp32, int8 = os.path.join(args.out, f"{name}.onnx"), os.path.join(args.out, f"{name}.int8.onnx")
    write_fp32(network, fp32)
    method = CalibrationMethod.Percentile if args.percentile else CalibrationMethod.MinMax
    write_int8(fp32, int8, pictures.load(args.data, "train")[::CALIBRATE_EVERY], not args.full_range, method)
    for path in (int8, fp32):
        with open(path, "rb") as file:
            data = file.read()
        print(f"{os.path.basename(path)}\t{len(data)} bytes\tsha256 = \"{hashlib.sha256(data).hexdigest()}\"")
    check(network, fp32)


def check(network, fp32):
    """What was written answers as the network does."""
    grey = torch.rand(1, 1, pictures.HEIGHT, pictures.WIDTH)
    with torch.no_grad():
        wanted = Exported(network).eval()(grey).numpy()
    found = onnxruntime.InferenceSession(fp32, providers=["CPUExecutionProvider"]).run(None, {"images": grey.numpy()})[0]
    apart = np.abs(found - wanted).max()
    if not apart < 1e-2:
        raise SystemExit(f"{fp32}: differs from the network by {apart}, wanted less than 0.01")


if __name__ == "__main__":
    main()
