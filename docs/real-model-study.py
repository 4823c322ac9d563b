#!/usr/bin/env python3
"""Holds methods against each other on SmolLM2-135M; the tables of docs/selection.md, "On a real model".

    python3 docs/real-model-study.py prepare SHARED_DATA WORK   # checkpoint and texts
    python3 docs/real-model-study.py run WORK [--epochs 1] [--seeds 1] [--fixed] [--texts T ...] [--methods M ...]
    python3 docs/real-model-study.py tables WORK
    python3 docs/real-model-study.py landscape WORK   # what single matrices gain, by kind and depth

A run is a process of `sparseft finetune`; its figures become a line of WORK/results.jsonl, and a line that is
there is not measured again, so that a study can be interrupted and extended. Every method gets a ladder of rates on
the first seed (three rates, a fourth and fifth where an end is best) and its best rate on all others.
"""

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
LAYERS = 30


def maps(first, kinds=("attention.*", "mlp.*")):
    return [f"layers[{first}-{LAYERS - 1}].{kind}" for kind in kinds]


def sparse(*patterns):
    return {"type": "sparse", "tensors": {pattern: 1.0 for pattern in patterns}}


def lora(rank, targets="all_linear"):
    return {"type": "lora", "rank": rank, "alpha": 2 * rank, "targets": targets}


def budgeted(tensors, budget):
    return {"type": "sparse", "tensors": tensors, "budget": budget}


SPREAD = ("attention.value", "attention.output", "mlp.down")
# A quarter and a half of the way from the cheapest step to one that trains all blocks.
BUDGETS = {"S25": 0.25, "S50": 0.5}
# Each method with the middle of its ladder of rates, None for the tool's own rate.
METHODS = {
    "lora r8": (lora(8), 3e-3),
    "lora r32": (lora(32), 1e-3),
    "lora r16, last 15 blocks": (lora(16, maps(15)), 3e-3),
    "lora r16, last 6 blocks": (lora(16, maps(24)), 3e-3),
    "full": ({"type": "full"}, 1e-4),
    "last S50": (budgeted("last", "S50"), 3e-4),
    "last S25": (budgeted("last", "S25"), 1e-3),
    "random S50": (budgeted("random", "S50"), 1e-3),
    "random S25": (budgeted("random", "S25"), 1e-3),
    "value, output, down": (sparse(*maps(0, SPREAD)), 3e-4),
    "head and last 2 blocks": (sparse("head", *maps(28)), 1e-3),
    "norms": ({"type": "norms"}, 1e-2),
    "auto": ({"type": "auto"}, None),
    "auto S50": ({"type": "auto", "budget": "S50"}, None),
    "auto S25": ({"type": "auto", "budget": "S25"}, None),
}
# Characters of each text that are trained on and that are held out: 40 steps of 4×96 tokens an epoch.
TEXTS = {
    "shakespeare": ("tinyshakespeare.txt", 52_000, 20_000),
    "repository": ("repository.txt", 52_000, 20_000),
    "python tasks": ("mbpp_pairs.jsonl", 48_000, 24_000),
}


def split(text, trained, held_out):
    """Whole lines of about so many characters for training, and what follows to be held out."""
    first = text.rindex("\n", 0, trained) + 1
    return text[:first], text[first:text.rindex("\n", 0, first + held_out) + 1]


def prepare(data, work):
    work.mkdir(parents=True, exist_ok=True)
    source = next(data.rglob("SmolLM2-135M*.gguf"))
    subprocess.run([SPARSEFT, "import", source, "-o", work / "smollm2.sfckpt", "--dtype", "bf16"],
                   check=True)
    files = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("Sources/**/*.swift")])
    random.Random(1).shuffle(files)
    sources = {"repository.txt": "\n".join(path.read_text(encoding="utf-8") for path in files)}
    for text, (name, trained, held_out) in TEXTS.items():
        content = sources.get(name) or next(data.rglob(name)).read_text(encoding="utf-8")
        for part, lines in zip(("train", "held-out"), split(content, trained, held_out)):
            (work / f"{text} {part}{Path(name).suffix}").write_text(lines, encoding="utf-8")


def plan_share(work, method):
    path = work / "plan.json"
    path.write_text(json.dumps(recipe(work, "shakespeare", method, 1e-3, 1, 0, work / "plan")))
    plan = json.loads(subprocess.run([SPARSEFT, "plan", path, "--json"], capture_output=True,
                                     text=True, check=True).stdout.splitlines()[0])
    return plan["flops_per_token"] / plan["full_flops_per_token"]


def with_budget(work, method):
    """The method with its budget in figures: shares of full fine-tuning's arithmetic."""
    path = work / "budgets.json"
    if not path.exists():
        floor = plan_share(work, {"type": "sparse", "tensors": {"norm": 1.0}})
        blocks = plan_share(work, {"type": "last_layers", "count": LAYERS})
        limits = {name: round(floor + part * (blocks - floor), 4) for name, part in BUDGETS.items()}
        path.write_text(json.dumps(limits))
    if "budget" not in method:
        return method
    return method | {"budget": {"step_flops": json.loads(path.read_text())[method["budget"]]}}


def recipe(work, text, method, rate, epochs, seed, output):
    suffix = Path(TEXTS[text][0]).suffix
    train, held_out = (str(work / f"{text} {part}{suffix}") for part in ("train", "held-out"))
    return {
        "model": str(work / "smollm2.sfckpt"), "output": str(output), "seed": seed,
        "data": {"sequence_length": 96, "train": [train], "validation": [held_out]},
        "method": method, "optimizer": {"learning_rate": "auto" if rate is None else rate},
        "schedule": {"warmup_steps": 5},
        "run": {"epochs": epochs, "batch_size": 4, "threads": 2, "save_every": 0,
                "validate_every": 0 if epochs == 1 else 20},
    }


class Results:
    def __init__(self, work, name="results.jsonl"):
        self.path = work / name
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows = [json.loads(line) for line in lines]

    def find(self, **key):
        return [row for row in self.rows if all(row[k] == v for k, v in key.items())]

    def add(self, row):
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def train(work, results, text, name, rate, epochs, seed):
    key = {"text": text, "method": name, "rate": rate, "epochs": epochs, "seed": seed}
    known = results.find(**key)
    if known:
        return known[0]["loss"]
    output = work / "run"
    shutil.rmtree(output, ignore_errors=True)
    path = work / "recipe.json"
    path.write_text(json.dumps(
        recipe(work, text, with_budget(work, METHODS[name][0]), rate, epochs, seed, output)))
    result = subprocess.run([SPARSEFT, "finetune", path, "--json"], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{key}\n{result.stderr}")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    start = next(event for event in events if event["type"] == "start")
    plan = next(event for event in events if event["type"] == "plan")
    done = events[-1]
    curve = [(event["step"], event["loss"]) for event in events if event["type"] == "validation"]
    row = key | {
        "loss": curve[-1][1], "best": min(loss for _, loss in curve), "steps": done["steps"],
        "curve": curve, "before": done["initial_validation_loss"],
        "tokens_per_second": done["tokens_per_second"], "peak": done["peak_rss_bytes"],
        "planned": done["planned_bytes"], "used_rate": start["learning_rate"],
        "trainable": start["trainable_parameters"], "choice": start.get("choice"),
        "flops": plan["flops_per_token"] / plan["full_flops_per_token"],
        "analysis_seconds": start.get("analysis_seconds"), "seconds": done["seconds"],
    }
    results.add(row)
    print(f"{text}, {name}, {rate}, seed {seed}: {row['before']:.3f} -> {row['loss']:.4f}", flush=True)
    return row["loss"]


def best_rate(work, results, text, name, epochs):
    """The best rate of a ladder of factors of three on the first seed."""
    middle = METHODS[name][1]
    if middle is None:
        return None
    losses = {}
    rates = [middle, middle / 3, middle * 3]
    while rates:
        rate = float(f"{rates.pop(0):.1g}")
        losses[rate] = train(work, results, text, name, rate, epochs, 0)
        best = min(losses, key=losses.get)
        if not rates and len(losses) < 5 and best in (min(losses), max(losses)):
            rates = [best / 3 if best == min(losses) else best * 3]
    return min(losses, key=losses.get)


def run(work, options):
    results = Results(work)
    for name in options.methods:
        for text in options.texts:
            rate = (METHODS[name][1] if options.fixed
                    else best_rate(work, results, text, name, options.epochs))
            for seed in range(options.seeds):
                train(work, results, text, name, rate, options.epochs, seed)


def interval(values):
    """Mean and half of the 95 % interval of Student's t."""
    t = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}.get(len(values))
    half = f" ± {t * statistics.stdev(values) / math.sqrt(len(values)):.3f}" if t else ""
    return f"{statistics.mean(values):.3f}{half}"


def tables(work):
    """One table for each number of epochs: the best rate of each method, its losses on all texts."""
    results = Results(work)
    for epochs in sorted({row["epochs"] for row in results.rows}):
        known = results.find(epochs=epochs)
        before = {row["text"]: row["before"] for row in known}
        texts = [text for text in TEXTS if text in before]
        print(f"\n**{epochs} epochs**\n")
        heads = [f"{text}, {before[text]:.3f}" for text in texts]
        print(f"| method | rate | arithmetic | trained | planned / peak MB | {' | '.join(heads)} |")
        print("|---|---:|---:|---:|---:|" + "---:|" * len(texts))
        lines = []
        for name in METHODS:
            rows = [row for row in known if row["method"] == name]
            if not rows:
                continue
            cells, means = [], []
            for text in texts:
                own = [row for row in rows if row["text"] == text]
                if not own:
                    cells.append("–")
                    continue
                rate = min((row for row in own if row["seed"] == 0), key=lambda r: r["loss"])["rate"]
                chosen = [row for row in own if row["rate"] == rate]
                kept = "loss" if epochs == 1 else "best"
                cells.append(interval([row[kept] for row in chosen]))
                means.append(statistics.mean(row[kept] for row in chosen))
            one = min(rows, key=lambda row: (row["seed"], row["loss"]))
            lines.append((means[0], (
                f"| {name} | {one['used_rate']:.2g} | {one['flops']:.0%} | "
                f"{one['trainable'] / 1e6:.1f} M | {one['planned'] / 1e6:.0f} / "
                f"{one['peak'] / 1e6:.0f} | {' | '.join(cells)} |")))
        for _, line in sorted(lines):
            print(line)


DEPTHS = (0, 7, 15, 22, 29)
KINDS = ("attention.query", "attention.key", "attention.value", "attention.output",
         "mlp.gate", "mlp.up", "mlp.down")


def landscape(work):
    """Gains of ten steps at 1e-3 of one matrix alone, and on top of the last block, on Shakespeare."""
    results = Results(work, "landscape.jsonl")
    held_out = (work / "shakespeare held-out.txt").read_text(encoding="utf-8")
    (work / "landscape held-out.txt").write_text(split(held_out, 6_000, 0)[0], encoding="utf-8")

    def gain(*patterns):
        key = {"trained": list(patterns)}
        known = results.find(**key)
        if known:
            return known[0]["gain"]
        job = recipe(work, "shakespeare", sparse(*patterns), 1e-3, 1, 0, work / "run")
        job["data"]["validation"] = [str(work / "landscape held-out.txt")]
        del job["run"]["epochs"]
        job["run"]["steps"] = 10
        (work / "recipe.json").write_text(json.dumps(job))
        shutil.rmtree(work / "run", ignore_errors=True)
        result = subprocess.run([SPARSEFT, "finetune", work / "recipe.json", "--json"],
                                capture_output=True, text=True, check=True)
        done = json.loads(result.stdout.splitlines()[-1])
        row = key | {"gain": done["initial_validation_loss"] - done["final_validation_loss"]}
        results.add(row)
        return row["gain"]

    last = maps(LAYERS - 1)
    base = gain(*last)
    print(f"the last block: {base:.3f}; the head: {gain('head'):.3f}, "
          f"on top of it {gain('head', *last) - base:+.3f}\n")
    print("| matrix | " + " | ".join(f"block {d}" for d in DEPTHS) + " |")
    print("|---|" + "---:|" * len(DEPTHS))
    for kind in KINDS:
        cells = []
        for depth in DEPTHS:
            name = f"layers[{depth}].{kind}"
            top = "" if depth == LAYERS - 1 else f", {gain(name, *last) - base:+.3f}"
            cells.append(f"{gain(name):.3f}{top}")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["prepare", "run", "tables", "landscape"])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--fixed", action="store_true", help="no ladder: the middle rate only")
    parser.add_argument("--texts", nargs="+", default=list(TEXTS), choices=list(TEXTS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(*options.paths)
    elif options.command == "run":
        run(options.paths[0], options)
    else:
        {"tables": tables, "landscape": landscape}[options.command](options.paths[0])


if __name__ == "__main__":
    sys.exit(main())
