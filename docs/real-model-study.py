#!/usr/bin/env python3
"""Holds methods against each other on SmolLM2-135M; the tables of docs/selection.md, "On a real model".

    python3 docs/real-model-study.py prepare SHARED_DATA WORK   # checkpoint and texts
    python3 docs/real-model-study.py run WORK [--steps 40] [--seeds 1] [--texts T ...] [--methods M ...]
    python3 docs/real-model-study.py tables WORK

A run is a process of `sparseft finetune`; its figures become a line of WORK/results.jsonl, and a line that is
there is not measured again, so that a study can be interrupted and extended. Every method gets a ladder of rates on
the first seed (three rates, a fourth and fifth where an end is best) and its best rate on all others.
"""

import argparse
import json
import math
import os
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


SPREAD = ("attention.value", "attention.output", "mlp.down")
# Each method with the middle of its ladder of rates.
METHODS = {
    "lora r8": (lora(8), 3e-3),
    "lora r32": (lora(32), 3e-3),
    "lora r16, last 15 blocks": (lora(16, maps(15)), 3e-3),
    "full": ({"type": "full"}, 1e-4),
    "last 15 blocks": (sparse(*maps(15)), 3e-4),
    "last 9 blocks": (sparse(*maps(21)), 1e-3),
    "last 2 blocks": (sparse(*maps(28)), 1e-3),
    "value, output, down": (sparse(*maps(0, SPREAD)), 3e-4),
    "head and last 2 blocks": (sparse("head", *maps(28)), 1e-3),
    "norms": ({"type": "norms"}, 1e-2),
    "auto": ({"type": "auto"}, None),
}
TEXTS = {
    "shakespeare": {"train": ["shakespeare.txt"]},
    "repository": {"train": ["repository.txt"], "document_separator": "<|endoftext|>"},
    "python tasks": {"train": ["mbpp_pairs.jsonl"]},
}


def prepare(data, work):
    work.mkdir(parents=True, exist_ok=True)
    source = next(data.rglob("SmolLM2-135M*.gguf"))
    subprocess.run([SPARSEFT, "import", source, "-o", work / "smollm2.sfckpt", "--dtype", "bf16"],
                   check=True)
    text = (data / "text/tinyshakespeare.txt").read_text(encoding="utf-8")
    (work / "shakespeare.txt").write_text(text[:260_000], encoding="utf-8")
    files = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("Sources/**/*.swift")])
    joined = "<|endoftext|>".join(path.read_text(encoding="utf-8") for path in files)
    (work / "repository.txt").write_text(joined[:250_000], encoding="utf-8")
    shutil.copy(data / "chat/mbpp_pairs.jsonl", work / "mbpp_pairs.jsonl")


def recipe(work, text, method, rate, steps, seed, output):
    data = {key: ([str(work / name) for name in value] if key == "train" else value)
            for key, value in TEXTS[text].items()}
    return {
        "model": str(work / "smollm2.sfckpt"), "output": str(output), "seed": seed,
        "data": {"sequence_length": 96, "validation": 0.05, **data}, "method": method,
        "optimizer": {"learning_rate": "auto" if rate is None else rate},
        "schedule": {"warmup_steps": 5},
        "run": {"steps": steps, "batch_size": 4, "threads": 2, "validate_every": 0, "save_every": 0},
    }


class Results:
    def __init__(self, work):
        self.path = work / "results.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows = [json.loads(line) for line in lines]

    def find(self, **key):
        return [row for row in self.rows if all(row[k] == v for k, v in key.items())]

    def add(self, row):
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def train(work, results, text, name, rate, steps, seed):
    key = {"text": text, "method": name, "rate": rate, "steps": steps, "seed": seed}
    known = results.find(**key)
    if known:
        return known[0]["loss"]
    output = work / "run"
    shutil.rmtree(output, ignore_errors=True)
    path = work / "recipe.json"
    path.write_text(json.dumps(
        recipe(work, text, METHODS[name][0], rate, steps, seed, output)))
    result = subprocess.run([SPARSEFT, "finetune", path, "--json"], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{key}\n{result.stderr}")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    start = next(event for event in events if event["type"] == "start")
    plan = next(event for event in events if event["type"] == "plan")
    done = events[-1]
    row = key | {
        "loss": done["final_validation_loss"], "before": done["initial_validation_loss"],
        "tokens_per_second": done["tokens_per_second"], "peak": done["peak_rss_bytes"],
        "planned": done["planned_bytes"], "used_rate": start["learning_rate"],
        "trainable": start["trainable_parameters"], "choice": start.get("choice"),
        "flops": plan["flops_per_token"] / plan["full_flops_per_token"],
        "analysis_seconds": start.get("analysis_seconds"), "seconds": done["seconds"],
    }
    results.add(row)
    print(f"{text}, {name}, {rate}, seed {seed}: {row['before']:.3f} -> {row['loss']:.4f}", flush=True)
    return row["loss"]


def best_rate(work, results, text, name, steps):
    """The best rate of a ladder of factors of three on the first seed."""
    middle = METHODS[name][1]
    if middle is None:
        return None
    losses = {}
    rates = [middle, middle / 3, middle * 3]
    while rates:
        rate = float(f"{rates.pop(0):.1g}")
        losses[rate] = train(work, results, text, name, rate, steps, 0)
        best = min(losses, key=losses.get)
        if not rates and len(losses) < 5 and best in (min(losses), max(losses)):
            rates = [best / 3 if best == min(losses) else best * 3]
    return min(losses, key=losses.get)


def run(work, options):
    results = Results(work)
    for name in options.methods:
        for text in options.texts:
            rate = best_rate(work, results, text, name, options.steps)
            for seed in range(options.seeds):
                train(work, results, text, name, rate, options.steps, seed)


def interval(values):
    """Mean and half of the 95 % interval of Student's t."""
    t = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}.get(len(values))
    half = f" ± {t * statistics.stdev(values) / math.sqrt(len(values)):.3f}" if t else ""
    return f"{statistics.mean(values):.3f}{half}"


def tables(work):
    results = Results(work)
    for steps in sorted({row["steps"] for row in results.rows}):
        for text in TEXTS:
            rows = results.find(text=text, steps=steps)
            if not rows:
                continue
            print(f"\n**{text}, {steps} steps, {rows[0]['before']:.3f} before**\n")
            print("| method | rate | held-out loss | arithmetic | trained | planned / peak MB |")
            print("|---|---:|---:|---:|---:|---:|")
            lines = []
            for name in METHODS:
                own = [row for row in rows if row["method"] == name]
                first = [row for row in own if row["seed"] == 0]
                if not first:
                    continue
                rate = min(first, key=lambda row: row["loss"])["rate"]
                chosen = [row for row in own if row["rate"] == rate]
                one = chosen[0]
                lines.append((statistics.mean(row["loss"] for row in chosen), (
                    f"| {name} | {one['used_rate']:.2g} | {interval([r['loss'] for r in chosen])} | "
                    f"{one['flops']:.0%} | {one['trainable'] / 1e6:.1f} M | "
                    f"{one['planned'] / 1e6:.0f} / {one['peak'] / 1e6:.0f} |")))
            for _, line in sorted(lines):
                print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["prepare", "run", "tables"])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--texts", nargs="+", default=list(TEXTS), choices=list(TEXTS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(*options.paths)
    elif options.command == "run":
        run(options.paths[0], options)
    else:
        tables(options.paths[0])


if __name__ == "__main__":
    sys.exit(main())
