#!/usr/bin/env python3
"""Measures the tables of docs/little-memory.md.

    python3 docs/little-memory-study.py methods  MODEL TEXT WORK [--cut N] [--only M ...]   # losses, memory, speed
    python3 docs/little-memory-study.py integers MODEL TEXT WORK [--only M ...]             # trained integers
    python3 docs/little-memory-study.py smallest MODEL TEXT WORK                            # down to the least arena
    python3 docs/little-memory-study.py table WORK

MODEL is a checkpoint, TEXT a text file, WORK a folder whose results.jsonl gets a line a run; a run that is there is not
repeated. Every method gets a ladder of rates on the first seed, a factor of 3 apart, which goes on while its end is
best, and its best rate on the other seeds. --cut N lets methods train in the uppermost N blocks only. A run is a process
of `sparseft finetune` on 2 threads.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))


def sparseft(*arguments):
    done = subprocess.run([SPARSEFT, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Study:
    """The runs of one folder."""

    def __init__(self, options):
        self.options = options
        self.file = options.work / "results.jsonl"
        options.work.mkdir(parents=True, exist_ok=True)

    def lines(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def run(self, table, name, rate, seed, method, optimizer=None, run=None, sequence=64):
        """The figures of a run, measured unless they are there."""
        options = self.options
        key = {"table": table, "method": name, "cut": options.cut, "rate": rate, "seed": seed}
        for line in self.lines():
            if all(line[part] == value for part, value in key.items()):
                return line
        recipe = {
            "model": str(Path(options.model).resolve()), "output": str(options.work / "run"), "seed": seed,
            "data": {"train": [str(Path(options.text).resolve())], "validation": options.held_out, "sequence_length": sequence},
            "method": method, "optimizer": {"learning_rate": rate} | (optimizer or {}),
            "run": {"steps": options.steps, "batch_size": 8, "validate_every": options.steps, "save_every": 0,
                    "threads": options.threads, "precision": options.precision} | (run or {}),
        }
        path = options.work / "recipe.json"
        path.write_text(json.dumps(recipe))
        plan = sparseft("plan", str(path), "--json")[-1]
        events = sparseft("finetune", str(path), "--json", "--overwrite")
        done = [event for event in events if event["type"] == "done"][0]
        delta = options.work / "run/best/trained.sfdelta"
        planned = plan["planned_bytes"]
        line = key | {
            "loss": done["final_validation_loss"], "before": done["initial_validation_loss"],
            "trained": plan["trainable_parameters"], "kept": plan["kept_activations"][0]["total"],
            "state": planned["optimizer"], "weights": planned["weights"], "arena": planned["arena"],
            "planned": done["planned_bytes"], "peak": done["peak_rss_bytes"],
            "tokens_per_second": done["tokens_per_second"],
            "delta": delta.stat().st_size if delta.exists() else 0,
        }
        with open(self.file, "a") as file:
            file.write(json.dumps(line) + "\n")
        loss = "lost" if line["loss"] is None else f"{line['loss']:.4f}"
        print(f"{table}: {name} cut {options.cut} rate {rate:g} seed {seed}: {loss}", flush=True)
        return line

    def best_rate(self, middle, run, highest=10.0):
        """The best rate of a ladder around the middle."""
        losses = {rate: loss_of(run(rate)) for rate in (middle / 3, middle, middle * 3) if rate <= highest}
        for _ in range(3):
            best = min(losses, key=losses.get)
            further = {min(losses): min(losses) / 3, max(losses): max(losses) * 3}.get(best)
            if further is None or further > highest:
                return best
            losses[further] = loss_of(run(further))
        return min(losses, key=losses.get)


def loss_of(line):
    return float("inf") if line["loss"] is None else line["loss"]


def random_sparse(tensors, size, layers):
    """Whole matrices drawn at random until they have about so many elements; at least one."""
    names = [tensor for tensor in tensors if tensor["name"].startswith(layers)]
    random.Random(size).shuffle(names)
    chosen, left = {}, size
    for tensor in names:
        count = tensor["count"]
        share = min(1.0, left / count)
        if share * count < 1:
            break
        chosen[tensor["name"]] = max(share, 1e-3)
        left -= int(share * count)
    return chosen


def methods(options):
    """Table (b): methods beside each other."""
    study = Study(options)
    facts = sparseft("inspect", options.model, "--json")[0]
    layers, tensors = facts["layers"], matrices(facts)
    count = options.cut or layers
    upper = f"layers[{layers - count}-{layers - 1}]"
    maps = [f"{upper}.attention.*", f"{upper}.mlp.*"]
    blocks = {} if count == layers else {"count": count}
    names = tuple(f"layers[{index}]." for index in range(layers - count, layers))
    lora = {"type": "lora", "rank": 8, "alpha": 16, "targets": maps}
    size = sum(8 * sum(t["shape"]) for t in tensors if t["name"].startswith(names))
    norms = {"type": "norms"} if count == layers else {
        "type": "sparse", "tensors": {f"{upper}.*_norm": 1, "norm": 1}}
    table = {
        "norms": (norms, 1e-2), "bias": ({"type": "bias"} | blocks, 1e-2),
        "tiny_tl r8": ({"type": "tiny_tl", "units": 8} | blocks, 3e-3),
        "tiny_tl r32": ({"type": "tiny_tl", "units": 32} | blocks, 3e-3),
        "tiny_tl r8, gates in int8": ({"type": "tiny_tl", "units": 8} | blocks, 3e-3, {"kept_gates": "int8"}),
        "ladder d32": ({"type": "ladder", "width": 32} | blocks, 3e-3),
        "lora r8": (lora, 3e-3), "lora r8, gates in int8": (lora, 3e-3, {"kept_gates": "int8"}),
        "lora_fa r8": (lora | {"type": "lora_fa"}, 3e-3),
        "random sparse, as many": ({"type": "sparse", "tensors": random_sparse(tensors, size, names)}, 3e-3),
        f"last {max(1, count // 3)}": ({"type": "last_layers", "count": max(1, count // 3)}, 1e-3),
    }
    if count == layers:
        table["full"] = ({"type": "full"}, 3e-4)
    else:
        table[f"last {count}"] = ({"type": "last_layers", "count": count}, 1e-3)
    for name, (method, middle, *more) in table.items():
        if options.only and name not in options.only:
            continue

        def run(rate, seed=1):
            return study.run("methods", name, rate, seed, method, run=more[0] if more else None)

        rate = study.best_rate(middle, run)
        for seed in range(2, options.seeds + 1):
            run(rate, seed)


def matrices(facts):
    """Name, shape and number of elements of each matrix in the blocks."""
    found = [tensor for tensor in facts["tensors"] if len(tensor["shape"]) == 2 and tensor["name"].startswith("layers[")]
    return [tensor | {"count": tensor["shape"][0] * tensor["shape"][1]} for tensor in found]


def integers(options):
    """Table (a): matrices of all blocks trained in f32 and in int8."""
    study = Study(options)
    method = {"type": "sparse", "tensors": {"layers[*].attention.*": 1, "layers[*].mlp.*": 1}}
    rules = {"SGD with momentum": ({"type": "sgd", "momentum": 0.9}, 0.2), "AdamW": ({"type": "adamw"}, 3e-3)}
    for rule, (optimizer, middle) in rules.items():

        def series(name, more, middle, highest=10.0, at=None):
            if options.only and name not in options.only:
                return None

            def run(rate, seed=1):
                return study.run("integers", name, rate, seed, method, optimizer | more)

            rates = {study.best_rate(middle, run, highest)} | ({at} if at else set())
            for rate in rates:
                for seed in range(1, options.seeds + 1):
                    run(rate, seed)
            return min(rates, key=lambda rate: loss_of(run(rate)))

        right = series(f"{rule}, f32", {}, middle)
        for rounding in ("stochastic", "nearest", "truncate"):
            for qas, start, highest in ((True, right, 10.0), (False, right * (1e5 if rule[0] == "S" else 1e3), 1e6)):
                name = f"{rule}, int8{' with' if qas else ' without'} QAS, {rounding}"
                series(name, {"parameters": "int8", "rounding": rounding, "qas": qas}, start, highest, right)


def smallest(options):
    """Table (c): from full fine-tuning down to the least arena that still learns."""
    study = Study(options)
    layers = sparseft("inspect", options.model, "--json")[0]["layers"]
    sgd = {"type": "sgd", "momentum": 0.0}
    last = f"layers[{layers - 1}]"
    output = {"type": "sparse", "tensors": {f"{last}.attention.output": 1, f"{last}.mlp.down": 1}}
    tiny = {"type": "tiny_tl", "units": 8, "count": 1}
    int8 = {"parameters": "int8"}
    steps = [
        ("full, AdamW, f32", {"type": "full"}, 3e-3, {"state": "f32"}, {}, 64),
        ("full, AdamW, int8 moments and matrices", {"type": "full"}, 3e-3, {"state": "int8"} | int8, {}, 64),
        ("last block, the same", {"type": "last_layers", "count": 1}, 3e-3, {"state": "int8"} | int8, {}, 64),
        ("output and down of the last block, the same", output, 3e-3, {"state": "int8"} | int8, {}, 64),
        ("the same by SGD without momentum", output, 1.0, sgd | int8, {}, 64),
        ("micro-batches of 1 window, 8 accumulated", output, 1.0, sgd | int8, {"batch_size": 1, "accumulation": 8}, 64),
        ("and clipped by nothing, one window a step", output, 0.3, sgd | int8 | {"clip_norm": None}, {"batch_size": 1}, 64),
        ("windows of 16", output, 0.1, sgd | int8 | {"clip_norm": None}, {"batch_size": 1}, 16),
        ("tiny_tl r8 in the last block, AdamW, windows of 16", tiny, 1e-3, {"state": "f32", "clip_norm": None}, {"batch_size": 1}, 16),
        ("the same in one thread", output, 0.1, sgd | int8 | {"clip_norm": None}, {"batch_size": 1, "threads": 1}, 16),
    ]
    for name, method, middle, optimizer, run, sequence in steps:

        def measured(rate, seed=1):
            return study.run("smallest", name, rate, seed, method, optimizer, run | {"prefix_cache_mb": 0}, sequence)

        rate = study.best_rate(middle, measured)
        for seed in range(2, options.seeds + 1):
            measured(rate, seed)


def table(options):
    results = Study(options).lines()
    for kind, cut in sorted({(line["table"], line["cut"]) for line in results}):
        lines = [line for line in results if (line["table"], line["cut"]) == (kind, cut)]
        place = f", the uppermost {cut} blocks" if cut else ""
        print(f"\n{kind}{place}; untrained {lines[0]['before']:.3f}\n")
        columns = {
            "methods": ("trained", "kept activations", "planned / peak", "tokens/s", "delta"),
            "integers": ("trained", "weights and state, bytes a trained parameter"),
            "smallest": ("trained", "arena", "peak"),
        }[kind]
        print("| " + " | ".join(("method", "rate", "loss") + columns) + " |")
        print("|---|" + "---:|" * (len(columns) + 2))
        for name in dict.fromkeys(line["method"] for line in lines):
            own = [line for line in lines if line["method"] == name]
            seeds = {rate: [l for l in own if l["rate"] == rate] for rate in dict.fromkeys(l["rate"] for l in own)}
            most = max(len(same) for same in seeds.values())
            for rate, same in sorted(seeds.items()):
                if len(same) == most:
                    print(row(kind, name, rate, same, lines))


def row(kind, name, rate, same, lines):
    losses = [loss_of(line) for line in same]
    spread = f" ± {statistics.stdev(losses):.3f}" if len(losses) > 1 and max(losses) < float("inf") else ""
    first = same[0]
    cells = [name, f"{rate:.3g}", f"{statistics.mean(losses):.3f}{spread}", f"{first['trained']:,}"]
    if kind == "methods":
        speed = statistics.median(line["tokens_per_second"] for line in same)
        cells += [f"{first['kept'] / 1e6:.2f} MB", f"{first['planned'] / 1e6:.0f} / {first['peak'] / 1e6:.0f} MB",
                  f"{speed:,.0f}", f"{first['delta'] / 1e3:,.0f} kB"]
    elif kind == "integers":
        cells.append(f"{bytes_each(first, lines):.2f}")
    else:
        cells += [f"{first['arena'] / 1e3:,.0f} kB", f"{first['peak'] / 1e6:.1f} MB"]
    return "| " + " | ".join(cells) + " |"


def bytes_each(line, lines):
    """Bytes of trained weights and of the optimizer's state for each trained parameter: what stays frozen is what
    remains of a run with all weights in f32."""
    wide = next(other for other in lines if other["method"].endswith("f32"))
    frozen = wide["weights"] - 4 * wide["trained"]
    return (line["weights"] - frozen + line["state"]) / line["trained"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for action in (methods, integers, smallest):
        command = commands.add_parser(action.__name__)
        command.set_defaults(action=action)
        command.add_argument("model")
        command.add_argument("text")
        command.add_argument("work", type=Path)
        command.add_argument("--cut", type=int, default=0)
        command.add_argument("--steps", type=int, default=200)
        command.add_argument("--seeds", type=int, default=3)
        command.add_argument("--held-out", type=float, default=0.02, help="share of the text that losses are of")
        command.add_argument("--precision", default="auto")
        command.add_argument("--threads", type=int, default=2)
        command.add_argument("--only", nargs="*")
    command = commands.add_parser("table")
    command.set_defaults(action=table)
    command.add_argument("work", type=Path)
    options = parser.parse_args()
    options.action(options)


if __name__ == "__main__":
    main()
