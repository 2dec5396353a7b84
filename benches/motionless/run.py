"""Judges the scenes of "Stay with the motionless": sim -> replay -> eval, one line a scene.

    python benches/motionless/run.py --patrol target/release/patrol [--rows walk-in,blind] [--variants once] [--seeds 3] [--first-seed 41]
        [--scripted] [--network thermal-person-s] [--jobs 1] [--out FOLDER] [--keep]

Rows: walk-in, blind, already, two, disturbed, not-lying, busy (`scenes.py` draws them); postures are `posture.py`'s. Seeds by which no constant was chosen
tell the most. Aims that a scene misses stand behind FALLS SHORT. "watched" counts the people whose lead is open and does
not say that they left. Cost is CPU seconds of `patrol replay`. All figures go to FOLDER/motionless.json; videos stay with --keep.
Exit 1 when any scene falls short.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import tempfile

from common import DOWN, call, draw_scene, json_lines, replay, whom
from scenes import ROWS, draw
from street import spec_text

UNEXAMINED_MAX_S = 60.0
INFERENCES_MAX_PER_S = 1.5
CELLS_MAX = 8
COST_MAX = 1.3


def beside_network(pipeline, network):
    """The pipeline of a scene with a network in front of `hot-spot`, or without."""
    text = re.sub(r'\[\[detector\]\]\nname = "network"\n.*\n.*\n\n', "", pipeline.read_text()).replace('["network", "hot-spot"]', '["hot-spot"]')
    if network:
        own = f'[[detector]]\nname = "network"\nkind = "onnx"\nmodel = "{network}"\n\n'
        text = text.replace("[[detector]]", own + "[[detector]]", 1).replace('["hot-spot"]', '["network", "hot-spot"]')
    pipeline.write_text(text)


def measure(patrol, case, folder, network):
    """Everything that the checks and the table want to know of one scene."""
    scene = draw_scene(patrol, spec_text(case.spec), case.seed, folder / "scene")
    beside_network(scene / "pipeline.toml", network)
    out = folder / "out"
    runs = 1
    if "rescan_every_s" in case.about:
        pipeline = scene / "pipeline.toml"
        pipeline.write_text(re.sub(r"rescan_every_s = .*", f"rescan_every_s = {case.about['rescan_every_s']}", pipeline.read_text()))
        # Costs are compared: whatever else the machine does only adds to them.
        runs = 3
    cpu_s = min(replay(patrol, scene, out) for _ in range(runs))
    files = {name: out / name for name in ("leads.jsonl", "summary.json", "sightings.jsonl")}
    command = [patrol, "eval", "leads", "--json", "--truth", scene / "truth.json", "--leads", files["leads.jsonl"]]
    score = json.loads(call(command + ["--summary", files["summary.json"], "--sightings", files["sightings.jsonl"]]))
    truth = json.loads((scene / "truth.json").read_text())
    camera = score["blind"]["c1"]
    looks = sum(count for outcome, count in camera["outcomes"].items() if outcome != "stale")
    lying = {}
    for sighting in json_lines(files["sightings.jsonl"]):
        who, down = whom(sighting, truth), sum(sighting["postures"].get(posture, 0) for posture in DOWN)
        if who and down:
            lying[who] = lying.get(who, 0) + down
    return {
        "row": case.row, "variant": case.variant, "seed": case.seed, "about": case.about, "score": score, "camera": camera,
        "leads": len([lead for lead in json_lines(files["leads.jsonl"]) if lead["state"] not in ("CANDIDATE", "EXPIRED")]),
        "news": sorted({line["kind"] for lead in json_lines(files["leads.jsonl"]) for line in lead["history"]}),
        "down_looks": lying, "looks": looks, "cpu_s": cpu_s, "cpu_ms_per_look": 1000 * cpu_s / max(looks, 1),
        "down_to_s": {person["id"]: person["down_to_s"] for person in truth["people"] if person["down_to_s"] is not None},
    }


def one_lead(run):
    score = run["score"]
    if score["missed"]:
        yield f"missed: {score['missed_why']}"
    elif score["people"] != 1:
        yield f"{score['people']} people need a lead: the scene is wrong"
    if score["duplicates"]:
        yield f"duplicates: {len(score['duplicates'])}"
    yield from nothing_false(run)


def nothing_false(run):
    if run["score"]["false_leads"]:
        yield f"false leads: {sorted(run['score']['false_why'].values())}"


def still_watched(run):
    for kept in run["score"]["kept"].values():
        if kept["left_early_s"] is not None:
            yield f"let go at {kept['left_s']:.0f} s, {kept['left_early_s']:.0f} s early"
        elif not kept["still_watched"]:
            yield "not watched at the end"


def unexamined(run):
    if run["camera"]["max_unexamined_s"] > UNEXAMINED_MAX_S:
        yield f"unexamined for {run['camera']['max_unexamined_s']:.0f} s"


def closed_after(run, since_s, what):
    for kept in run["score"]["kept"].values():
        if kept["left_s"] is None:
            yield "never seen empty" + ("" if kept["unjudged_s"] is None else f", unjudged at {kept['unjudged_s']:.0f} s")
        elif kept["left_s"] < since_s:
            yield f"closed at {kept['left_s']:.0f} s, before {what} at {since_s:.0f} s"


def check_walk_in(run, _others):
    yield from one_lead(run)
    yield from still_watched(run)
    yield from unexamined(run)
    if run["camera"]["inferences_per_s"] > INFERENCES_MAX_PER_S:
        yield f"{run['camera']['inferences_per_s']:.2f} inferences/s"


def check_blind(run, _others):
    yield from one_lead(run)
    if run["variant"] == "stays":
        yield from still_watched(run)
        for kept in run["score"]["kept"].values():
            if kept["last_seen_s"] < run["about"]["back_s"]:
                yield f"not seen again though the detectors were back at {run['about']['back_s']:.0f} s: last seen at {kept['last_seen_s']:.0f} s"
        return
    # Those that are blind to him alone may see the place empty as soon as he has gone.
    yield from closed_after(run, max(run["down_to_s"].values()), "he got up")
    if run["variant"] == "all-out-leaves":
        yield from closed_after(run, run["about"]["back_s"], "the detectors were back")


def check_two(run, _others):
    score = run["score"]
    if score["missed"]:
        yield f"missed: {score['missed_why']}"
    if score["duplicates"]:
        yield f"duplicates: {len(score['duplicates'])}"
    yield from nothing_false(run)
    if score["headcount_short"]:
        yield "counted as one"
    if any(kept["left_s"] is not None for kept in score["kept"].values()):
        yield "let go of those who stay"
    if run["variant"] == "one-leaves" and "news-one-fewer" not in run["news"]:
        yield "nobody was told that one has gone"


def check_already(run, _others):
    yield from one_lead(run)
    yield from closed_after(run, max(run["down_to_s"].values()), "he got up")


def check_disturbed(run, _others):
    yield from one_lead(run)
    yield from still_watched(run)
    if run["variant"] != "tour":
        yield from unexamined(run)


def check_not_lying(run, _others):
    if run["leads"]:
        yield f"{run['leads']} leads: {sorted(run['score']['false_why'].values())}"
    if run["down_looks"]:
        yield f"looks called lying: {run['down_looks']}"


def check_busy(run, others):
    yield from nothing_false(run)
    if run["variant"] == "empty":
        return
    cells = run["camera"].get("watch_cells_max")
    if cells is not None and cells > CELLS_MAX:
        yield f"{cells} watch cells"
    empty = [other for other in others if (other["row"], other["variant"], other["seed"]) == ("busy", "empty", run["seed"])]
    for other in empty:
        ratio = run["cpu_ms_per_look"] / other["cpu_ms_per_look"]
        if ratio > COST_MAX:
            yield f"a look costs {ratio:.2f} x that of the empty street"


CHECKS = {"two": check_two, "walk-in": check_walk_in, "blind": check_blind, "already": check_already, "disturbed": check_disturbed, "not-lying": check_not_lying, "busy": check_busy}


def line(run):
    score, camera = run["score"], run["camera"]
    watched = sum(kept["still_watched"] for kept in score["kept"].values())
    unusable = {name.removeprefix("unusable-"): count for name, count in camera["outcomes"].items() if name.startswith("unusable")}
    cells = "/".join(str(camera.get(name, "-")) for name in ("watch_cells", "watch_cells_max", "watch_cells_dropped"))
    closed = ", ".join(f"{kept['left_s']:.0f}" for kept in score["kept"].values() if kept["left_s"] is not None) or "-"
    to_lead = ", ".join(f"{seconds:.0f}" for seconds in score["time_to_lead_s"].values()) or "-"
    name = run["variant"] + (f" σ{run['about']['noise_grey']:.0f}" if "noise_grey" in run["about"] else "")
    verdict = "ok" if not run["short"] else "FALLS SHORT: " + "; ".join(run["short"])
    figures = [
        run["row"], run["seed"], name, f"{score['found']}/{score['people']}", run["leads"], len(score["duplicates"]), len(score["false_leads"]), watched,
        closed, to_lead, f"{camera['max_unexamined_s']:.1f}", unusable or "-", f"{camera['inferences_per_s'] or 0:.2f}", cells, f"{run['cpu_ms_per_look']:.1f}",
        f"{run['cpu_s']:.1f}", verdict,
    ]
    return "| " + " | ".join(str(figure) for figure in figures) + " |"


HEAD = ["row", "seed", "variant", "found", "leads", "dup", "false", "watched", "left at s", "to lead s", "unexamined s", "unusable", "inf/s", "cells end/max/dropped", "ms/look", "cpu s", "verdict"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--patrol", required=True, type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--rows", default=",".join(ROWS))
    arguments.add_argument("--variants", default="", help="of the rows; default: all")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--first-seed", type=int, default=1)
    arguments.add_argument("--scripted", action="store_true", help="boxes from the truth instead of pixels")
    arguments.add_argument("--network", help="model that looks beside hot-spot")
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--out", type=pathlib.Path)
    arguments.add_argument("--keep", action="store_true", help="keep the videos of scenes; a scene that is there is not drawn again")
    options = arguments.parse_args()
    cases = []
    for row in options.rows.split(","):
        variants = [variant for variant in ROWS[row][1] if not options.variants or variant in options.variants.split(",")]
        # The crowd is compared with the empty street: that goes first.
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            cases += [draw(row, variant, seed) for variant in sorted(variants, key=lambda variant: variant == "crowd")]
    if options.scripted:
        for case in cases:
            case.spec["detection"] = {"scripted": True, **case.spec.get("detection", {})}
    out = options.out or pathlib.Path(tempfile.mkdtemp(prefix="motionless-"))
    out.mkdir(parents=True, exist_ok=True)

    def run_case(case):
        folder = out / case.name
        try:
            run = measure(options.patrol, case, folder, options.network)
        except RuntimeError as error:
            return {"row": case.row, "variant": case.variant, "seed": case.seed, "short": [f"broke off: {error}"]}
        if not options.keep:
            shutil.rmtree(folder)
        return run

    print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD), flush=True)
    runs = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for run in pool.map(run_case, cases):
            if "score" in run:
                run["short"] = list(CHECKS[run["row"]](run, [other for other in runs if "score" in other]))
            runs.append(run)
            print(line(run) if "score" in run else f"| {run['row']} | {run['seed']} | {run['variant']} | {run['short'][0]} |", flush=True)
    (out / "motionless.json").write_text(json.dumps(runs, ensure_ascii=False, indent=1))
    short = sum(bool(run["short"]) for run in runs)
    print(f"\n{len(runs) - short} of {len(runs)} scenes as wanted; {out / 'motionless.json'}")
    raise SystemExit(1 if short else 0)


if __name__ == "__main__":
    main()
