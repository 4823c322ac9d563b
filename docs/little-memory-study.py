#!/usr/bin/env python3
"""Holds the methods that train in little memory against each other: loss, memory, speed and size of the delta.

    python3 docs/little-memory-study.py run MODEL TEXT WORK [--cut N] [--steps 200] [--seeds 3] [--methods M ...]
    python3 docs/little-memory-study.py table WORK

MODEL is a checkpoint of N blocks, TEXT a text file. Every method gets a ladder of rates on the first seed (three, and
more where an end is best) and its best rate on all others. --cut N lets methods train in the uppermost N blocks only.
A run is a process of `sparseft finetune`; its figures become a line of WORK/results.jsonl, and a line that is there is
not measured again.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))


def methods(layers, cut):
    """Methods by name, each with the middle of its ladder of rates."""
    count = cut or layers
    upper = f"layers[{layers - count}-{layers - 1}]"
    maps = [f"{upper}.attention.*", f"{upper}.mlp.*"]
    blocks = {} if count == layers else {"count": count}
    some = {
        "bias": ({"type": "bias"} | blocks, 1e-2),
        "tiny_tl r8": ({"type": "tiny_tl", "units": 8} | blocks, 3e-3),
        "tiny_tl r32": ({"type": "tiny_tl", "units": 32} | blocks, 3e-3),
        "ladder d32": ({"type": "ladder", "width": 32} | blocks, 3e-3),
        "lora r8": ({"type": "lora", "rank": 8, "alpha": 16, "targets": maps}, 3e-3),
    }
    if count == layers:
        some["norms"] = ({"type": "norms"}, 1e-2)
        some["full"] = ({"type": "full"}, 3e-4)
    else:
        some[f"last {count}"] = ({"type": "last_layers", "count": count}, 1e-3)
    return some


def sparseft(*arguments):
    done = subprocess.run([SPARSEFT, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def recipe(options, method, rate, seed):
    return {
        "model": str(Path(options.model).resolve()), "output": str(options.work / "run"), "seed": seed,
        "data": {"train": [str(Path(options.text).resolve())], "validation": 0.1, "sequence_length": 64},
        "method": method, "optimizer": {"learning_rate": rate},
        "run": {"steps": options.steps, "batch_size": 8, "validate_every": options.steps, "save_every": 0},
    }


def measure(options, name, method, rate, seed):
    path = options.work / "recipe.json"
    path.write_text(json.dumps(recipe(options, method, rate, seed)))
    plan = sparseft("plan", str(path), "--json")[-1]
    done = [event for event in sparseft("finetune", str(path), "--json", "--overwrite") if event["type"] == "done"][0]
    kept = plan["kept_activations"][0]["total"]
    return {
        "method": name, "cut": options.cut, "rate": rate, "seed": seed, "loss": done["final_validation_loss"],
        "before": done["initial_validation_loss"], "trained": plan["trainable_parameters"], "kept": kept,
        "planned": done["planned_bytes"], "peak": done["peak_rss_bytes"], "tokens_per_second": done["tokens_per_second"],
        "delta": (options.work / "run/best/trained.sfdelta").stat().st_size,
    }


def read(work):
    path = work / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(options):
    options.work.mkdir(parents=True, exist_ok=True)
    layers = sparseft("inspect", options.model, "--json")[0]["layers"]

    def figures(name, method, rate, seed):
        for line in read(options.work):
            if (line["method"], line["cut"], line["rate"], line["seed"]) == (name, options.cut, rate, seed):
                return line
        line = measure(options, name, method, rate, seed)
        with open(options.work / "results.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{name} cut {options.cut} rate {rate:g} seed {seed}: {line['loss']:.4f}", flush=True)
        return line

    for name, (method, middle) in methods(layers, options.cut).items():
        if options.methods and name not in options.methods:
            continue
        losses = {rate: figures(name, method, rate, 1)["loss"] for rate in (middle / 3, middle, middle * 3)}
        for _ in range(2):
            best = min(losses, key=losses.get)
            further = {min(losses): min(losses) / 3, max(losses): max(losses) * 3}.get(best)
            if further is None:
                break
            losses[further] = figures(name, method, further, 1)["loss"]
        best = min(losses, key=losses.get)
        for seed in range(2, options.seeds + 1):
            figures(name, method, best, seed)
    shutil.rmtree(options.work / "run", ignore_errors=True)


def table(options):
    results = read(options.work)
    for cut in sorted({line["cut"] for line in results}):
        lines = [line for line in results if line["cut"] == cut]
        print(f"\n{'all blocks' if cut == 0 else f'the uppermost {cut} blocks'}; "
              f"untrained {lines[0]['before']:.3f}\n")
        print("| method | rate | loss | trained | kept activations | planned / peak | tokens/s | delta |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for name in dict.fromkeys(line["method"] for line in lines):
            own = [line for line in lines if line["method"] == name]
            first = min((line for line in own if line["seed"] == 1), key=lambda line: line["loss"])
            same = [line for line in own if line["rate"] == first["rate"]]
            losses = [line["loss"] for line in same]
            spread = f" ± {statistics.stdev(losses):.3f}" if len(losses) > 1 else ""
            print(f"| {name} | {first['rate']:g} | {statistics.mean(losses):.3f}{spread} | {first['trained']:,} | "
                  f"{first['kept'] / 1e6:.2f} MB | {first['planned'] / 1e6:.0f} / {first['peak'] / 1e6:.0f} MB | "
                  f"{statistics.median(line['tokens_per_second'] for line in same):,.0f} | "
                  f"{first['delta'] / 1e3:,.0f} kB |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.set_defaults(action=run)
    command.add_argument("model")
    command.add_argument("text")
    command.add_argument("work", type=Path)
    command.add_argument("--cut", type=int, default=0)
    command.add_argument("--steps", type=int, default=200)
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--methods", nargs="*")
    command = commands.add_parser("table")
    command.set_defaults(action=table)
    command.add_argument("work", type=Path)
    options = parser.parse_args()
    options.action(options)


if __name__ == "__main__":
    main()
