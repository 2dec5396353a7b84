#!/usr/bin/env python3
"""Makes a checkpoint of an exported thermal network in FP32, so that what is committed can learn on without the run it came from.

    PATROL_DATA=... python from_onnx.py thermal-s ../thermal-person-s/thermal-person-s.onnx --step 36000 --out runs/thermal-s

Normalisation was folded into the convolutions. It is laid out again from what they answer on crops of train, so that the network says what it said and
learns much as it did. The heats of bicycles and cars are not exported: they begin at nothing. The optimiser begins anew.
"""

import argparse
import os

import numpy as np
import onnx
import torch
from torch import nn

import pictures
from crops import ThermalCrops
from export import THERMAL_MARGIN, Exported, check
from learner import Learner
from network import CLASSES, SIZES, STRIDE, Network

# Batches from which means and deviations are taken.
BATCHES = 12


def folded(path):
    """Weight and bias of each convolution, in the order of the graph, which is that of the network's modules."""
    model = onnx.load(path)
    arrays = {weight.name: onnx.numpy_helper.to_array(weight).astype(np.float32) for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return [tuple(torch.from_numpy(arrays[name].copy()) for name in node.input[1:3]) for node in model.graph.node if node.op_type == "Conv"]


def read(network, path):
    """Puts an exported file's weights into the network; normalisations pass on what they get, with the folded bias."""
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    *stored, (weight, bias) = folded(path)
    fits = len(stored) == len(norms) == len(convs) - 1 and all(conv.weight.shape == one[0].shape for conv, one in zip(convs, stored))
    if not fits:
        raise SystemExit(f"{path}: its convolutions are not those of this network; was it exported from another size?")
    with torch.no_grad():
        for conv, norm, (kernel, shift) in zip(convs, norms, stored):
            conv.weight.copy_(kernel)
            norm.weight.fill_((1 + norm.eps) ** 0.5)
            norm.bias.copy_(shift)
        # Person, then offsets and sizes with their margin: back to the order and the unit in which the network learns.
        scale = torch.tensor([1.0, 1.0, 1.0, STRIDE * THERMAL_MARGIN, STRIDE * THERMAL_MARGIN])
        rows = [4, 0, 1, 2, 3]
        width = network.out.in_channels
        network.out.weight.zero_()
        network.out.weight.view(4 + CLASSES, 4, width)[rows] = weight.view(5, 4, width) / scale[:, None, None]
        network.out.bias.view(4 + CLASSES, 4)[rows] = bias.view(5, 4) / scale[:, None]


def normalise(network, batches):
    """Gives each normalisation mean and deviation of what it gets, and takes them out of its scale and shift: the same function, normalised."""
    seen = {}

    def watch(norm):
        def hook(_, inputs):
            x = inputs[0].transpose(0, 1).flatten(1)
            seen.setdefault(norm, []).append((x.mean(1), x.square().mean(1)))
        return hook

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(watch(norm)) for norm in norms]
    network.eval()
    with torch.no_grad():
        for greys in batches:
            network(greys)
        for norm in norms:
            mean, square = (torch.stack(parts).mean(0) for parts in zip(*seen[norm]))
            variance = (square - mean.square()).clamp(min=1e-6)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("onnx")
    parser.add_argument("--step", type=int, required=True, help="steps it has learnt")
    parser.add_argument("--out", required=True, help="folder for the checkpoint")
    parser.add_argument("--data", default=os.environ.get("PATROL_DATA"), help="default: PATROL_DATA")
    args = parser.parse_args()
    if os.path.exists(os.path.join(args.out, "last.pt")):
        raise SystemExit(f"{args.out} holds a checkpoint already; give another --out")
    torch.manual_seed(20261130)
    network = Network(SIZES[args.size])
    read(network, args.onnx)
    check(Exported(network.eval()).eval(), args.onnx, [(pictures.HEIGHT, pictures.WIDTH)], 5e-2)
    crops = ThermalCrops(pictures.load(args.data, "train"), [], 1, args.step, args.step + BATCHES)
    batches = [crops.batch(args.step + index)[0] for index in range(BATCHES)]
    with torch.no_grad():
        before = network.eval()(batches[0])
        normalise(network, batches)
        apart = (network(batches[0]) - before).abs().max().item()
    learner = Learner(network, args.out)
    learner.step = args.step
    learner.save()
    print(f"{learner.checkpoint}: says what it said to {apart:.1e}")


if __name__ == "__main__":
    main()
