"""What gives way when there is more to look at than one core can, and what comes back when there is not.

    python benches/street/overload.py --patrol target/release/patrol --cameras 340 --kept 200 --out FOLDER
        [--every 6] [--limit 18] [--too-much-s 180] [--after-s 80]

`patrol sim street` on core 1 sends 1080p at 2 Mbit/s, key frames every 2 s, nobody there; `patrol run` on core 0 looks at every one with `visible-person-n` in one
piece. Cameras are of four classes of places by turns (GB/T 28181 Annex O): how likely people in need are there decides who gives way. After
`--too-much-s` all but the first `--kept` cameras are taken out of the pipeline (SIGHUP). `patrol_load` is the demand over what promises may take: pick `--cameras`
so that it is 1.3.

Prints the load by time, and of each class: cameras stretched, how far apart its pictures were captured, and how long it was blind (capture of the one before to
the end of a look) against promise and limit, both before and after. Exit 1: nobody was stretched, somebody more likely was and somebody less likely was not, a
limit was broken, or a promise had not come back at the end.
"""

import argparse
import collections
import csv
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

# An underpass, a square, a street, a place hardly anybody comes to: 1.0 to 0.2 in config/site_class.rs.
CLASSES = ("00203", "001", "018", "020")
SETTLING_S = 100.0
STRETCHED = 1.05


def number(camera):
    return int(re.search(r"(\d+)$", camera).group(1))


def adapt(pipeline, store):
    """Classes by turns, the cheapest look, a store of its own; the text without cameras, and each camera's."""
    text = pipeline.read_text().replace('model = "visible-person-n"', 'model = "visible-person-n"\nmin_score = 0.99\ntiles = "never"', 1)
    head, *cameras = re.split(r"(?m)^(?=\[\[camera\]\])", text)
    cameras = [re.sub(r'site_class = ".*"', f'site_class = "{CLASSES[at % 4]}"', camera) for at, camera in enumerate(cameras)]
    return f'{head}[store]\ndir = "{store}"\n\n', cameras


def metrics(port=8460):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        return reply.read().decode()


def value(text, name):
    return sum(float(found) for found in re.findall(rf"(?m)^{name}(?:\{{.*\}})? (\S+)$", text))


def stretches(text):
    return {number(camera): float(by) for camera, by in re.findall(r'(?m)^patrol_stretch\{camera="(.*?)"\} (\S+)$', text)}


def told(looks, cameras, since, until, stretched, every, limit):
    """A line for each class; how many looks of a window came later than the limit. Who has no look in it counts, too."""
    late = 0
    for at, name in enumerate(CLASSES):
        apart, blind = [], []
        for camera in range(at, cameras, 4):
            times = [look for look in looks[camera] if since <= look[0] < until] or [(since, since)]
            apart += [b[0] - a[0] for a, b in zip(times, times[1:])]
            blind += [b[1] - a[0] for a, b in zip(times, times[1:])]
            # Before the first and after the last look of the window.
            blind += [value for value in (times[0][1] - since, until - times[-1][0]) if value > limit]
        late += sum(value > limit for value in blind)
        by = [factor for camera, factor in stretched.items() if camera % 4 == at]
        print(f"  {name:6} {len(by):4} cameras, {sum(factor > STRETCHED for factor in by):3} stretched; captures {statistics.median(apart or [0.0]):4.1f} s apart, "
              f"at most {max(apart, default=0.0):4.1f}; blind at most {max(blind, default=0.0):5.2f}, {sum(value > every for value in blind)} of {len(blind)} over "
              f"{every:g} s, {sum(value > limit for value in blind)} over {limit:g} s")
    return late


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patrol", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    for name, default in (("cameras", 340), ("kept", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("every", 6.0), ("limit", 18.0), ("too-much-s", 180.0), ("after-s", 80.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        sys.exit(f"--out {options.out}: found a folder that is not empty, wanted a new one")
    street, looks_file = options.out / "street", options.out / "looks.csv"
    options.out.mkdir(parents=True, exist_ok=True)
    patrol = str(options.patrol.resolve())
    sim = subprocess.Popen(
        ["taskset", "-c", "1", patrol, "sim", "street", "--cameras", str(options.cameras), "--size", "1920x1080", "--kbps", "2000", "--fps", "25",
         "--clip-s", "46", "--no-code", "--empty", "--visible", "--model", "visible-person-n", "--look-every-s", str(options.every),
         "--look-limit-s", str(options.limit), "--workers", "1", "--rescan-every-s", "1", "--write-pipeline", str(street)],
        stdout=subprocess.DEVNULL, stderr=(options.out / "street.log").open("w"))
    run = None
    try:
        pipeline = street / "pipeline.toml"
        while not pipeline.exists():
            if sim.poll() is not None:
                sys.exit(f"patrol sim street ended: {(options.out / 'street.log').read_text()}")
            time.sleep(1)
        time.sleep(2)
        head, cameras = adapt(pipeline, options.out / "store")
        pipeline.write_text(head + "".join(cameras))
        run = subprocess.Popen(["taskset", "-c", "0", patrol, "run", str(pipeline), "--looks", str(looks_file)],
                               stdout=subprocess.DEVNULL, stderr=(options.out / "run.log").open("w"))
        began, reloaded, during, after = time.time(), None, "", ""
        while time.time() - began < options.too_much_s + options.after_s:
            time.sleep(10)
            if reloaded is None and time.time() - began >= options.too_much_s:
                pipeline.write_text(head + "".join(cameras[: options.kept]))
                run.send_signal(signal.SIGHUP)
                reloaded = time.time()
                print(f"{reloaded - began:5.0f} s: {options.kept} of {options.cameras} cameras are left")
                continue
            text = metrics()
            during, after = (text, after) if reloaded is None else (during, text)
            print(f"{time.time() - began:5.0f} s: load {value(text, 'patrol_load'):.2f}, "
                  f"{sum(by > STRETCHED for by in stretches(text).values())} stretched, {value(text, 'patrol_refused_cameras'):.0f} refused", flush=True)
    finally:
        for process in (run, sim):
            if process is not None:
                process.terminate()
                process.wait(30)
    looks = collections.defaultdict(list)
    for row in csv.DictReader(looks_file.open()):
        if row["outcome"] in ("examined", "unchanged"):
            looks[number(row["camera"])].append((float(row["captured_unix_s"]), float(row["end_unix_s"])))
    for times in looks.values():
        times.sort()
    by_during, by_after = stretches(during), stretches(after)
    print("too much to look at:")
    late = told(looks, options.cameras, began + SETTLING_S, reloaded, by_during, options.every, options.limit)
    print("afterwards:")
    late += told(looks, options.kept, reloaded + 20, began + options.too_much_s + options.after_s, by_after, options.every, options.limit)
    least = {at: min((by for camera, by in by_during.items() if camera % 4 == at), default=1.0) for at in range(4)}
    most = {at: max((by for camera, by in by_during.items() if camera % 4 == at), default=1.0) for at in range(4)}
    out_of_order = any(most[at] > STRETCHED and least[at + 1] <= STRETCHED for at in range(3))
    some = sum(by > STRETCHED for by in by_during.values())
    still = sum(by > STRETCHED for by in by_after.values())
    print(f"stretched: {some}, in order of importance: {not out_of_order}; looks later than the limit: {late}; still stretched at the end: {still}")
    return int(some == 0 or out_of_order or late > 0 or still > 0)


if __name__ == "__main__":
    sys.exit(main())
