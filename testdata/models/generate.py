"""Makes the tiny models of this folder: real ONNX graphs of a few hundred bytes whose boxes are known in advance.

Each looks at the brightness of its cells: a cell as bright as 255 is a person, a black one is not.
Needs the package `onnx`. Run in this folder; prints the SHA-256 of each file for its card.
"""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def shape(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.int64), name)


def save(name, channels, nodes, initializers, output_shape, sides=(SIDE, SIDE)):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, channels, *sides])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, output_shape)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = "patrol"
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    with open(f"{name}.onnx", "wb") as file:
        file.write(data)
    print(name, len(data), hashlib.sha256(data).hexdigest())


def pool(source, target, side):
    return helper.make_node("AveragePool", [source], [target], kernel_shape=[side, side], strides=[side, side])


def center():
    """Grey 0-1 in; stride 4; heat = 20 * brightness - 10 (logit); offset 0.5; size 6 x 12."""
    rest = np.zeros((1, 4, 8, 8))
    rest[:, :2] = 0.5
    rest[:, 2], rest[:, 3] = 6, 12
    nodes = [
        pool("images", "bright", 4),
        helper.make_node("Mul", ["bright", "twenty"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "ten"], ["heat"]),
        helper.make_node("Concat", ["heat", "rest"], ["output"], axis=1),
    ]
    save("tiny-center", 1, nodes, [constant("twenty", 20), constant("ten", 10), constant("rest", rest)], [1, 5, 8, 8])


def any_size():
    """As `center`, for an input of any size."""
    weights = np.zeros((5, 1, 1, 1))
    weights[0] = 20
    nodes = [pool("images", "bright", 4), helper.make_node("Conv", ["bright", "weights", "bias"], ["output"])]
    initializers = [constant("weights", weights), constant("bias", [-10, 0.5, 0.5, 6, 12])]
    save("tiny-any-size", 1, nodes, initializers, [1, 5, "rows", "columns"], ("height", "width"))


def brightness(strides):
    """0-255 colours in; mean of the channels per cell of each stride, 0-1, as [1, cells, 1]."""
    nodes = [helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1], keepdims=1), helper.make_node("Mul", ["grey", "unit"], ["bright"])]
    parts = []
    for stride in strides:
        nodes.append(pool("bright", f"cells{stride}", stride))
        nodes.append(helper.make_node("Reshape", [f"cells{stride}", "column"], [f"column{stride}"]))
        parts.append(f"column{stride}")
    nodes.append(helper.make_node("Concat", parts, ["score"], axis=1))
    return nodes, [constant("unit", 1 / 255), shape("column", [1, -1, 1])]


def yolox():
    """Classes: other 0.1, person 0.9. Boxes centred in their cell, 10 x 20 at stride 8, 20 x 30 at 16, 30 x 30 at 32."""
    nodes, initializers = brightness([8, 16, 32])
    geometry, classes = [], []
    for stride, (w, h) in {8: (10, 20), 16: (20, 30), 32: (30, 30)}.items():
        for _ in range((SIDE // stride) ** 2):
            geometry.append([0.5, 0.5, np.log(w / stride), np.log(h / stride)])
            classes.append([0.1, 0.9])
    nodes.append(helper.make_node("Concat", ["geometry", "score", "classes"], ["output"], axis=2))
    initializers += [constant("geometry", [geometry]), constant("classes", [classes])]
    save("tiny-yolox", 3, nodes, initializers, [1, 21, 7])


def yolov8():
    """Classes: person = brightness of an 8-pixel cell, other = 0. Boxes 10 x 20, centred in their cell."""
    nodes, initializers = brightness([8])
    boxes = [[8 * x + 4, 8 * y + 4, 10, 20] for y in range(4) for x in range(4)]
    nodes += [
        helper.make_node("Reshape", ["score", "row"], ["person"]),
        helper.make_node("Concat", ["boxes", "person", "other"], ["output"], axis=1),
    ]
    initializers += [shape("row", [1, 1, 16]), constant("boxes", np.asarray([boxes]).transpose(0, 2, 1)), constant("other", np.zeros((1, 1, 16)))]
    save("tiny-yolov8", 3, nodes, initializers, [1, 6, 16])


center()
any_size()
yolox()
yolov8()
