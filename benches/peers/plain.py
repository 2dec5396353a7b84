"""The pipeline that a good engineer writes in a day, and single stages of it: what `patrol bench` holds its own figures against.

    pip install opencv-python-headless onnxruntime numpy scipy supervision==0.27.0
    python benches/peers/plain.py whole VIDEO MODEL.onnx     decode with OpenCV, infer, ByteTrack (when supervision is there)
    python benches/peers/plain.py infer MODEL.onnx --runs N  the network alone, on pictures of noise
    python benches/peers/plain.py motion FRAMES.raw --size 1280x720 --runs N
    python benches/peers/plain.py track --objects N --runs N

One thread everywhere. The last line of standard output is JSON; cpu_s is user and system time of the stage, without the start of the interpreter.
MODEL.onnx is a YOLOX of one size (BGR, 0-255, picture at the top left of grey 114). `motion` takes the steps of Frigate's default motion detector: shrink to 100 rows, stretch the contrast between percentiles, blur,
difference to a running average, threshold, dilate, contours. Exit code 3: a package is missing; standard error says which.
"""

import argparse
import importlib
import json
import sys
import time


def need(name, package):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"no Python package {name}: pip install {package} (benches/README.md names all of them)", file=sys.stderr)
        sys.exit(3)


np = need("numpy", "numpy")


def session(model):
    onnxruntime = need("onnxruntime", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    network = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    taken = network.get_inputs()[0]
    return network, taken.name, taken.shape


def infer(options):
    before = time.process_time()
    network, name, shape = session(options.model)
    rng = np.random.default_rng(1)
    pictures = [(rng.random(shape) * 255).astype(np.float32) for _ in range(4)]
    for number in range(options.runs):
        network.run(None, {name: pictures[number % 4]})
    return {"runs": options.runs, "cpu_s": time.process_time() - before}


def yolox_grid(height, width):
    places, strides = [], []
    for stride in (8, 16, 32):
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(places), np.concatenate(strides)


def boxes_of(output, grid, strides, ratio, cv2, score_min=0.3, iou=0.45):
    scores = output[:, 4] * output[:, 5]  # objectness times class 0, a person
    good = scores >= score_min
    centre = (output[good, :2] + grid[good]) * strides[good] / ratio
    size = np.exp(output[good, 2:4]) * strides[good] / ratio
    boxes, scores = np.concatenate([centre - size / 2, size], axis=1), scores[good]
    kept = list(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), score_min, iou)) if len(boxes) else []
    return boxes[kept], scores[kept]


def whole(options):
    cv2 = need("cv2", "opencv-python-headless")
    before = time.process_time()
    cv2.setNumThreads(1)
    network, name, shape = session(options.model)
    _, _, height, width = shape
    grid, strides = yolox_grid(height, width)
    try:
        import supervision

        tracker = supervision.ByteTrack(frame_rate=25)
    except ImportError:
        tracker = None
    video, pictures, found = cv2.VideoCapture(options.video), 0, 0
    while True:
        read, picture = video.read()
        if not read:
            break
        pictures += 1
        ratio = min(height / picture.shape[0], width / picture.shape[1])
        shrunk = cv2.resize(picture, (int(picture.shape[1] * ratio), int(picture.shape[0] * ratio)))
        padded = np.full((height, width, 3), 114, np.uint8)
        padded[: shrunk.shape[0], : shrunk.shape[1]] = shrunk
        output = network.run(None, {name: padded.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        boxes, scores = boxes_of(output, grid, strides, ratio, cv2)
        found += len(boxes)
        if tracker is not None:
            corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) if len(boxes) else np.empty((0, 4))
            tracker.update_with_detections(supervision.Detections(xyxy=corners, confidence=scores, class_id=np.zeros(len(boxes), int)))
    if pictures == 0:
        sys.exit(f"{options.video}: OpenCV reads no picture from it")
    return {"pictures": pictures, "found": found, "tracker": tracker is not None, "cpu_s": time.process_time() - before}


def motion(options):
    cv2, ndimage = need("cv2", "opencv-python-headless"), need("scipy.ndimage", "scipy")
    cv2.setNumThreads(1)
    width, height = map(int, options.size.split("x"))
    frames = np.fromfile(options.frames, np.uint8).reshape(-1, height, width)
    small = (width * 100 // height, 100)
    average, extremes = np.zeros((100, small[0]), np.float32), np.tile(np.array([0, 255], np.uint8), (50, 1))
    before, areas = time.process_time(), 0
    for number in range(options.runs):
        now = cv2.resize(frames[number % len(frames)], small, interpolation=cv2.INTER_NEAREST)
        extremes[number % 50] = np.percentile(now, 4), np.percentile(now, 96)
        dark, bright = extremes.mean(axis=0)
        now = ((np.clip(now, dark, bright) - dark) / (bright - dark) * 255).astype(np.uint8)
        now = ndimage.gaussian_filter(now, sigma=1, radius=1)
        difference = cv2.absdiff(now, cv2.convertScaleAbs(average))
        _, mask = cv2.threshold(difference, 30, 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(cv2.dilate(mask, None, iterations=1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        areas += sum(cv2.contourArea(contour) > 10 for contour in contours)
        cv2.accumulateWeighted(now, average, 0.2 if number < 50 else 0.01)
    return {"runs": options.runs, "moved": areas, "cpu_s": time.process_time() - before}


def track(options):
    supervision = need("supervision", "supervision==0.27.0")
    tracker = supervision.ByteTrack(frame_rate=25)
    rng = np.random.default_rng(1)
    at = rng.uniform([100, 100], [1700, 900], (options.objects, 2))
    speed = rng.uniform(-2, 2, (options.objects, 2))
    size = np.array([40.0, 100.0])
    frames = []
    for _ in range(options.runs):
        at += speed
        speed = np.where((at < 50) | (at > [1800, 950]), -speed, speed)
        corner = at + rng.normal(0, 1, at.shape)
        xyxy = np.concatenate([corner, corner + size], axis=1)
        frames.append(supervision.Detections(xyxy=xyxy, confidence=np.full(options.objects, 0.8), class_id=np.zeros(options.objects, int)))
    before = time.process_time()
    for detections in frames:
        tracker.update_with_detections(detections)
    return {"runs": options.runs, "cpu_s": time.process_time() - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(required=True)
    for name, stage, places in (
        ("whole", whole, ("video", "model")), ("infer", infer, ("model",)), ("motion", motion, ("frames",)), ("track", track, ()),
    ):
        added = stages.add_parser(name)
        added.set_defaults(stage=stage)
        for place in places:
            added.add_argument(place)
        added.add_argument("--runs", type=int, default=100)
        added.add_argument("--size", default="1280x720")
        added.add_argument("--objects", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(options.stage(options)))


if __name__ == "__main__":
    main()
