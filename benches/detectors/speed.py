"""Milliseconds a picture on one thread: `patrol detect` beside YOLOX-nano 416 in Python onnxruntime, turn and turn about in one run.

    pip install numpy opencv-python onnxruntime
    PATROL_DATA=... python benches/detectors/speed.py --patrol target/release/patrol --detect "NAME=--model thermal-person --hot-spot" \\
        [--detect hot-spot=--hot-spot] [--set people-visible] [--repeats 5] [--pictures 60] [--cpu 1] [--json FILE.json]

The peer is `session.run` alone on one picture that is ready, with one thread; what `patrol detect` tells is everything after reading the file: scaling,
network, boxes. So the ratio favours the peer. Each repeat is the peer, then every detector, then the peer again; the ratio of a repeat is to
the mean of the two peers around it, so that other work on the machine falls on both. `busy` is the share of its time, start and reading
included, that the program had a core: above 1 it used more than one thread, well below 1 it waited for one and the milliseconds are too high;
times busy they are about what a free core would take.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import tempfile
import time

import cv2
import numpy as np
import onnxruntime

import common


def peer_session(model):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])


def peer_ms(session, tensor, runs):
    name = session.get_inputs()[0].name
    began, used = time.perf_counter(), time.process_time()
    for _ in range(runs):
        session.run(None, {name: tensor})
    took = time.perf_counter() - began
    return took * 1000 / runs, (time.process_time() - used) / took


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(values):
    return {"min": min(values), "median": float(np.median(values)), "all": values}


def main():
    arguments = argparse.ArgumentParser()
    common.add_detect(arguments)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--pictures", type=int, default=60, help="pictures of val, and runs of the peer, per repeat")
    common.add_set(arguments)
    arguments.add_argument("--cpu", type=int, help="keep everything on this core (Linux)")
    arguments.add_argument("--json", type=pathlib.Path)
    options = arguments.parse_args()
    if options.repeats < 3:
        arguments.error("--repeats: at least 3")
    if options.cpu is not None:
        # Children inherit it.
        os.sched_setaffinity(0, {options.cpu})
    data = common.data_folder()
    truth = common.Truth(data, name=options.set)
    with tempfile.TemporaryDirectory() as temporary:
        measure(options, truth, peer_session(data / "models/yolox_nano_416.onnx"), pathlib.Path(temporary))


def measure(options, truth, session, work):
    (work / "pictures").mkdir()
    step = max(1, len(truth.images) // options.pictures)
    images = truth.images[::step][:options.pictures]
    for number, image in enumerate(images):
        grey = truth.grey(image)
        cv2.imwrite(str(work / f"pictures/{number}.png"), grey)
        image["file_name"] = f"{number}.png"
    common.write_coco(work / "truth.json", images, [], truth.categories)
    shape = [side if isinstance(side, int) else 1 for side in session.get_inputs()[0].shape]
    picture = cv2.cvtColor(cv2.resize(grey, (shape[3], shape[2])), cv2.COLOR_GRAY2BGR)
    tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    asked = common.detectors(options)
    peer_ms(session, tensor, 10)
    peers = [peer_ms(session, tensor, len(images))]
    spent, ratios, busy = ({name: [] for name in asked} for _ in range(3))
    for _ in range(options.repeats):
        for name, args in asked.items():
            began, used = time.perf_counter(), children_s()
            _, ms = common.run_detect(options.patrol, args, work / "pictures", work / "truth.json", work / "found.json")
            busy[name].append((children_s() - used) / (time.perf_counter() - began))
            peers.append(peer_ms(session, tensor, len(images)))
            spent[name].append(ms)
            ratios[name].append(ms / np.mean([one[0] for one in peers[-2:]]))
    peer, peer_busy = summary([one[0] for one in peers]), summary([one[1] for one in peers])
    rows = [["YOLOX-nano 416, session.run", f"{peer['min']:.2f}", f"{peer['median']:.2f}", "1", "1", f"{peer_busy['median']:.2f}", f"{np.median([ms * share for ms, share in peers]):.2f}"]]
    told = {"peer_ms": peer, "peer_busy": peer_busy, "onnxruntime": onnxruntime.__version__, "machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg(),
            "pictures": len(images), "repeats": options.repeats, "detectors": {}}
    for name in asked:
        one = summary(spent[name])
        rows.append([name, f"{one['min']:.2f}", f"{one['median']:.2f}", f"{one['min'] / peer['min']:.3f}", f"{np.median(ratios[name]):.3f}", f"{np.median(busy[name]):.2f}",
                     f"{np.median(np.multiply(spent[name], busy[name])):.2f}"])
        told["detectors"][name] = {"args": asked[name], "ms": one, "ratio_of_min": one["min"] / peer["min"], "ratio": summary(ratios[name]), "busy": summary(busy[name])}
    print(common.table(["", "min ms", "median ms", "ratio of minima", "median ratio", "busy", "median ms x busy"], rows))
    print(f"\n{len(images)} pictures of {grey.shape[1]} x {grey.shape[0]}, {options.repeats} repeats, onnxruntime {onnxruntime.__version__}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.json:
        options.json.write_text(json.dumps(common.rounded(told), indent=1))


if __name__ == "__main__":
    main()
