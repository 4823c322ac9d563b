#!/usr/bin/env python3
"""Measures what deltas of the bundled model give away: the tables of docs/privacy.md.

    swift build -c release && python3 docs/privacy-study.py PART [FOLDER]

PART is span, defences, shadows, price (of private training) or cost (of the audit). Trains and audits
in FOLDER (a temporary one by default) on this project's documentation: pieces of two lines, of which
each seed draws the text and what is held out. SPARSEFT names the binary; numpy is needed.
"""
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "integrations/flower"))

import numpy as np  # noqa: E402
from sparseft_federation import delta_file  # noqa: E402

SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
BASE = str(ROOT / "checkpoints/base.sfckpt")
SEEDS = [1, 2, 3]
SGD = {"type": "sgd", "learning_rate": 0.1, "clip_norm": 1.0}
ADAMW = {"type": "adamw", "learning_rate": 1e-3}
QKV = {f"layers[0].attention.{kind}": 1.0 for kind in ["query", "key", "value"]}
LAST = {"type": "last_layers", "count": 2}
WINDOWS, LENGTH = 100, 32  # of what membership is asked of
RANK = 80  # dimensions that the truncated span has: about the distinct tokens of 128
CLIP = 0.1
FAST_SGD = {"type": "sgd", "learning_rate": 0.5, "clip_norm": 1.0}
NOISY_ADAMW = {"type": "adamw", "learning_rate": 3e-3}  # better with noise than 1e-3 and 3e-4


# Texts


def halves(seed):
    """Words of the two halves of all pieces, drawn at random."""
    pieces = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name != "privacy.md":
            for paragraph in re.split(r"\n\s*\n", path.read_text()):
                lines = paragraph.splitlines()
                pieces += [" ".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]
    random.Random(seed).shuffle(pieces)
    middle = len(pieces) // 2
    return " ".join(pieces[:middle]).split(), " ".join(pieces[middle:]).split()


@functools.cache
def enough(words, tokens):
    """How many of the words are `tokens` + 1 ids or a few more, less than a window more."""
    low, high = 1, len(words)
    while low < high:
        middle = (low + high) // 2
        text = " ".join(words[:middle])
        ids = len(json.loads(run("tokenize", "--model", BASE, "--text", text, "--json"))["ids"])
        low, high = (low, middle) if ids >= tokens + 1 else (middle + 1, high)
    return low


def shortened(folder, words, tokens, name):
    """Writes as many of the words as whole windows of `tokens` tokens take."""
    count = enough(tuple(words[: 2 * tokens + 64]), tokens)
    path = f"{folder}/{name}.txt"
    pathlib.Path(path).write_text(" ".join(words[:count]))
    return path


# Runs


def run(*arguments, codes=(0,)):
    done = subprocess.run([SPARSEFT, *arguments], capture_output=True, text=True)
    if done.returncode not in codes:
        sys.exit(f"sparseft {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def finetuned(folder, name, text, method, optimizer, amount, batch, tokens, seed=1, **more):
    """Trains and returns the run's folder."""
    recipe = {
        "model": BASE, "output": f"{folder}/{name}", "seed": seed,
        "data": {"train": [text], "validation": 0, "sequence_length": tokens},
        "method": method, "optimizer": optimizer,
        "schedule": {"type": "constant", "warmup_steps": 0},
        "run": {**amount, "batch_size": batch, "validate_every": 0, "save_every": 0,
                "products": "tiles", "precision": "f32"},
        **more,
    }
    path = f"{folder}/{name}.json"
    pathlib.Path(path).write_text(json.dumps(recipe))
    run("finetune", path, "--overwrite")
    return f"{folder}/{name}"


def exported(folder, *options):
    """The delta of a run's folder, with options of export-delta."""
    path = folder + "".join(options) + ".sfdelta"
    run("export-delta", folder, "-o", path, *options)
    return path


def done(folder):
    """The event `done` of a run."""
    return json.loads(pathlib.Path(folder, "events.jsonl").read_text().splitlines()[-1])


def audited(delta, text, held_out, *more):
    return json.loads(run(
        "audit", delta, "--model", BASE, "--train", text, "--heldout", held_out, "--json",
        "--precision", "f32", *more, codes=(0, 1)))


def held_out_loss(text, length, *delta):
    options = ["--delta", *delta] if delta else []
    return json.loads(run(
        "eval", "--model", BASE, *options, "--data", text, "--sequence-length", str(length),
        "--precision", "f32", "--json"))["loss"]


def sparse(shares):
    return {"type": "sparse", "tensors": shares}


# Deltas that this script changes; `delta` is one of differences (export-delta --relative)


def changed(delta, name, change):
    base = delta_file.base_of(BASE)
    path = delta.replace(".sfdelta", f"-{name}.sfdelta")
    delta_file.write(path, base, change(delta_file.read(delta, base)))
    return path


def pruned(delta, share):
    """Only the largest entries of all matrices together, others zero."""

    def prune(arrays):
        sizes = np.concatenate([np.abs(array).ravel() for array in arrays.values()])
        kept = max(1, int(share * sizes.size))
        least = np.partition(sizes, sizes.size - kept)[sizes.size - kept]
        return {k: np.where(np.abs(a) >= least, a, 0) for k, a in arrays.items()}

    return changed(delta, f"largest{share}", prune)


def truncated(delta):
    """The best approximation of rank 80 of all matrices of a place together: what somebody would look
    at who knows that the rest is noise, or what noise has been added."""

    def truncate(arrays):
        stacked = np.concatenate(list(arrays.values())).astype(np.float64)
        u, s, v = np.linalg.svd(stacked, full_matrices=False)
        low = ((u[:, :RANK] * s[:RANK]) @ v[:RANK]).astype(np.float32)
        ends = np.cumsum([len(array) for array in arrays.values()])[:-1]
        return dict(zip(arrays, np.split(low, ends)))

    return changed(delta, "truncated", truncate)


# Tables


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def table(*titles):
    print("| " + " | ".join(titles) + " |")
    print("|" + "---|" * len(titles), flush=True)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def over_seeds(values, form):
    """The lowest and highest value of the seeds, once if they read the same."""
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    texts = [form(min(values)), form(max(values))]
    return texts[0] if texts[0] == texts[1] else f"{texts[0].removesuffix(' %')}–{texts[1]}"


def areas(records, name):
    """A measure's AUC and the ends of its interval, each the mean over the seeds."""
    found = [m for r in records for m in r["membership"]["measures"] if m["name"] == name]
    auc, low, high = (statistics.mean(m[key] for m in found) for key in ["auc", "low", "high"])
    return f"{auc:.3f} ({low:.2f}–{high:.2f})"


def recited(records):
    rows = [next(r for r in record["extraction"]["rows"] if r["delta"] and r["trained_text"])
            for record in records]
    return f"{statistics.mean(r['greedy'] for r in rows):.1f}"


def alarms(records):
    return f"{sum(r['leaks'] for r in records)} of {len(records)}"


# Parts


def span_texts(folder, seed, tokens):
    """The text that is trained on, held-out text of its length, and a text for a control."""
    words, others = halves(seed)
    return [shortened(folder, part, tokens, f"{name}{tokens}-{seed}")
            for name, part in [("short", words), ("third", others), ("other", others[6000:])]]


def span(folder):
    """Windows of 32 tokens; a text is what the steps read."""
    value = {"layers[0].attention.value": 1.0}
    cases = [
        # name, method, optimizer, steps, windows a step, options of export-delta
        ("SGD, 1 step of 128 tokens", sparse(QKV), SGD, 1, 4, []),
        ("SGD, 4 steps of 32", sparse(QKV), SGD, 4, 1, []),
        ("SGD, 1 step of 1,024", sparse(QKV), SGD, 1, 32, []),
        ("query alone", sparse({"layers[0].attention.query": 1.0}), SGD, 1, 4, []),
        ("value alone", sparse(value), SGD, 1, 4, []),
        ("a quarter of query's rows, 32 tokens",
         sparse({"layers[0].attention.query": 0.25}), SGD, 1, 1, []),
        ("difference in bf16", sparse(QKV), SGD, 1, 4, ["--dtype", "bf16"]),
        ("difference in int8", sparse(QKV), SGD, 1, 4, ["--dtype", "int8"]),
        ("LoRA r64 on value, 32 tokens",
         {"type": "lora", "rank": 64, "alpha": 64, "targets": ["value"]}, SGD, 1, 1, []),
        ("AdamW, 1 step of 128", sparse(QKV), ADAMW, 1, 4, []),
        ("blocks 0-2 frozen, value of 3, 64 tokens",
         sparse({"layers[3].attention.value": 1.0}), SGD, 1, 2, []),
        ("control: delta of another text", sparse(QKV), SGD, 1, 4, []),
    ]
    table("delta", "rank of bound", "found", "precision", "recall", "held-out's", "nearest", "bytes")
    for index, (name, method, optimizer, steps, windows, options) in enumerate(cases):
        records, size = [], 0
        for seed in SEEDS:
            text, third, other = span_texts(folder, seed, steps * windows * 32)
            ran = finetuned(
                folder, f"span{index}-{seed}", other if name.startswith("control") else text,
                method, optimizer, {"steps": steps}, windows, 32, seed)
            delta = exported(ran, *options)
            size = os.path.getsize(delta)
            records.append(audited(delta, text, third))
        row(name, *span_cells(records), f"{size:,}")


def span_cells(records):
    """Rank of bound, found, precision, recall, held-out's, nearest: lowest and highest of the seeds."""
    places = [r["span"]["places"][-1] for r in records]
    searches = [r["span"]["search"] for r in records if r["span"]["search"]]
    rank = over_seeds([p["rank"] for p in places], str) + f" of {places[0]['bound']}"
    if not searches:
        return [rank, "not applicable", "", "", "", ""]
    return [
        rank, over_seeds([s["found"] for s in searches], str),
        *(over_seeds([s[key] for s in searches], percent)
          for key in ["precision", "recall", "control_precision", "nearest_precision"])]


MEASURES = ["loss", "min-20 %++", "loss - base's", "differential score", "loss of the base"]
TOLD = [measure for measure in MEASURES if measure != "min-20 %++"]


def membership_texts(folder, seed, times=1):
    """The text, held-out text as long, and a text that is neither."""
    words, others = halves(seed)
    tokens = WINDOWS * LENGTH
    return [shortened(folder, words, times * tokens, f"members{times}-{seed}"),
            shortened(folder, others, tokens, f"others-{seed}"),
            shortened(folder, others[9000:], tokens, f"elsewhere-{seed}")]


def shadows(folder):
    """What a shadow run adds, of one seed: on a delta of the text, and on one that never saw it."""
    texts = membership_texts(folder, SEEDS[0])
    table("delta", *MEASURES, "loss - shadow's", "exposure, bits after 1 / 4 / 16", "alarms")
    for name, epochs, place in [("3 epochs", 3, 0), ("12 epochs", 12, 0),
                                ("12 epochs of another text", 12, 2)]:
        ran = trained_once(folder, texts[place], {"epochs": epochs}, 4, LENGTH, SEEDS[0], many())
        record = audited(exported(ran), texts[0], texts[1], "--shadows", "1")
        bits = [r["bits"] for count in (1, 4, 16) for r in record["exposure"]["rows"]
                if r["repeats"] == count]
        row(name, *(areas([record], measure) for measure in [*MEASURES, "loss - shadows'"]),
            " / ".join(f"{b:.1f}" for b in bits), alarms([record]))


def private(noise):
    return {"privacy": {"clip": CLIP, "noise": noise, "delta": 1e-3}}


def few(method=sparse(QKV), optimizer=SGD, windows=4, **more):
    """One step of plain gradient descent on few tokens."""
    return {"method": method, "optimizer": optimizer, "windows": windows, "more": more}


def many(method=LAST, optimizer=ADAMW, epochs=3, times=1, text=0, **more):
    """What membership is asked of: by default AdamW on 100 windows."""
    return {"method": method, "optimizer": optimizer, "epochs": epochs, "times": times,
            "text": text, "more": more}


def defences(folder):
    """Each defence on a delta of few tokens and on one of many; None where it changes nothing."""
    quarter = sparse({"layers[4-5].attention.*": 0.25, "layers[4-5].mlp.*": 0.25})
    quarter_of_qkv = sparse({path: 0.25 for path in QKV})

    def stored(*options):
        return lambda ran: exported(ran, *options)

    def largest(share):
        return lambda ran: pruned(exported(ran, "--relative"), share)

    plain, values = stored("--relative"), stored()
    cases = [
        # name, training on few tokens, training on many, what is shared of either
        ("none: differences in f32", few(), many(), plain),
        ("values, not differences", few(), None, values),
        ("bf16", few(), many(), stored("--relative", "--dtype", "bf16")),
        ("int8", few(), many(), stored("--relative", "--dtype", "int8")),
        ("largest 10 %", few(), many(), largest(0.1)),
        ("largest 1 %", few(), many(), largest(0.01)),
        ("a quarter of the rows", few(quarter_of_qkv), many(quarter), plain),
        ("AdamW", few(optimizer=ADAMW), None, plain),
        ("SGD", None, many(optimizer=FAST_SGD), plain),
        ("more tokens: 8 and 4 times", few(windows=32), many(times=4), plain),
        ("1 epoch", None, many(epochs=1), plain),
        ("12 epochs", None, many(epochs=12), plain),
        ("12 epochs, largest 1 %", None, many(epochs=12), largest(0.01)),
        ("12 epochs of another text", None, many(epochs=12, text=2), plain),
        ("12 epochs, int8", None, many(epochs=12), stored("--relative", "--dtype", "int8")),
        *((f"clipping{', σ = ' + str(noise) if noise else ' alone'}", few(**private(noise)),
           many(optimizer=NOISY_ADAMW if noise else ADAMW, **private(noise)), plain)
          for noise in [0, 0.5, 1, 2]),
    ]
    table("defence", "rank of bound", "found", "precision", "recall", "nearest",
          "nearest 80 truncated (held-out's)", *TOLD, "recited of 100", "held-out loss", "bytes",
          "ε", "alarms")
    before = [held_out_loss(membership_texts(folder, seed)[1], LENGTH) for seed in SEEDS]
    print(f"base's held-out loss: {statistics.mean(before):.3f}", file=sys.stderr, flush=True)
    for name, small, large, store in cases:
        cells = few_cells(folder, small, store) if small else ["as none", *[""] * 5]
        row(name, *cells, *(many_cells(folder, large, store) if large else ["as none"]))


runs = {}


def trained_once(folder, text, amount, batch, tokens, seed, training):
    """The folder of a run, which is not done twice."""
    key = json.dumps([text, amount, tokens, seed, training])
    if key not in runs:
        name = "run-" + hashlib.sha256(key.encode()).hexdigest()[:12]
        runs[key] = finetuned(
            folder, name, text, training["method"], training["optimizer"], amount,
            batch, tokens, seed, **training["more"])
    return runs[key]


def differences(ran, shared):
    """A delta of differences: the shared one, unless it holds values."""
    return shared if "--relative" in shared else exported(ran, "--relative")


def few_cells(folder, training, store):
    records, closer = [], []
    windows = training["windows"]
    for seed in SEEDS:
        text, third, _ = span_texts(folder, seed, windows * 32)
        ran = trained_once(folder, text, {"steps": 1}, windows, 32, seed, training)
        shared = store(ran)
        records.append(audited(shared, text, third, "--sequence-length", "32"))
        closer.append(audited(
            truncated(differences(ran, shared)), text, third, "--sequence-length", "32"))
    found = [r["span"]["search"] for r in closer]
    rank, count, precision, recall, _, nearest = span_cells(records)
    held_out = over_seeds([s["nearest_control_hits"] / s["nearest"] for s in found], percent)
    return [rank, count, precision, recall, nearest,
            over_seeds([s["nearest_precision"] for s in found], percent) + f" ({held_out})"]


def many_cells(folder, training, store):
    records, losses, epsilons = [], [], []
    for seed in SEEDS:
        texts = membership_texts(folder, seed, training["times"])
        text, others, _ = texts
        ran = trained_once(folder, texts[training["text"]], {"epochs": training["epochs"]}, 4, LENGTH,
                           seed, training)
        shared = store(ran)
        records.append(audited(
            shared, text, others, "--sequence-length", str(LENGTH), "--windows", str(WINDOWS)))
        losses.append(held_out_loss(others, LENGTH, shared))
        metrics = json.loads(run("inspect", shared, "--json")).get("metrics") or {}
        epsilons.append(metrics.get("epsilon"))
    kept = sum(int(np.count_nonzero(a)) for a in
               delta_file.read(shared, delta_file.base_of(BASE)).values())
    size = f"{os.path.getsize(shared):,}"
    if "largest" in os.path.basename(shared):
        size += f" ({8 * kept:,} as index and value)"
    return [*(areas(records, measure) for measure in TOLD), recited(records),
            f"{statistics.mean(losses):.3f}", size, over_seeds(epsilons, lambda e: f"{e:.2g}"),
            alarms(records)]


def price(folder):
    """Speed and memory of private training against the same recipe without, runs in turn; CPU seconds
    beyond a run of one step, so that starting does not count. Its losses are in `defences`."""
    text = shortened(folder, halves(SEEDS[0])[0], 1000 * LENGTH, "private")
    recipes = [("none", {})] + [(f"σ = {noise}", private(noise)) for noise in [0, 1]]
    times, ends = {name: [] for name, _ in recipes}, {}
    for seed in SEEDS:
        for name, more in recipes:
            spent = []
            for steps in [1, 4]:
                before = cpu_seconds()
                ran = finetuned(
                    folder, "price", text, LAST, NOISY_ADAMW, {"steps": steps}, 32, LENGTH, seed,
                    **more)
                spent.append((cpu_seconds() - before, done(ran)))
            tokens = spent[1][1]["tokens"] - spent[0][1]["tokens"]
            times[name].append((spent[1][0] - spent[0][0]) / tokens)
            ends[name] = spent[1][1]
    table("privacy", "tokens per CPU second, of those without", "peak memory, planned / measured")
    for name, _ in recipes:
        ratios = [without / private for without, private in zip(times["none"], times[name])]
        planned, peak = (ends[name][key] / 2**20 for key in ["planned_bytes", "peak_rss_bytes"])
        row(name, over_seeds(ratios, lambda r: f"{r:.2f}"), f"{planned:.1f} / {peak:.1f} MiB")


def cost(folder):
    """CPU seconds of audits over those of the training that made the delta."""
    table("training", "CPU seconds", "audit", "with a shadow run")
    for times, epochs in [(1, 3), (4, 3), (1, 12)]:
        text, others, _ = membership_texts(folder, SEEDS[0], times)
        spent = [cpu_seconds()]
        ran = finetuned(
            folder, "cost", text, LAST, ADAMW, {"epochs": epochs}, 4, LENGTH)
        spent.append(cpu_seconds())
        delta = exported(ran)
        for shadows in ["0", "1"]:
            start = cpu_seconds()
            audited(delta, text, others, "--windows", str(WINDOWS), "--shadows", shadows)
            spent.append(cpu_seconds() - start)
        training = spent[1] - spent[0]
        row(f"{epochs} epochs of {times * WINDOWS} windows", f"{training:.1f}",
            *(f"{s:.1f} ({s / training:.2f}x)" for s in spent[2:]))


PARTS = {"span": span, "defences": defences, "shadows": shadows, "price": price, "cost": cost}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else temporary
        os.makedirs(folder, exist_ok=True)
        PARTS[sys.argv[1]](folder)
    print(f"{cpu_seconds():.0f} CPU seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
