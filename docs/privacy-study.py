#!/usr/bin/env python3
"""Measures what deltas of the bundled model give away: the tables of docs/privacy.md.

    swift build -c release && python3 docs/privacy-study.py span|membership [FOLDER]

Trains and audits in FOLDER (a temporary one by default), on this project's documentation: every other
paragraph is the text, the rest is held out. SPARSEFT names the binary.
"""
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
BASE = str(ROOT / "checkpoints/base.sfckpt")
SGD = {"type": "sgd", "learning_rate": 0.1, "clip_norm": 1.0}
ADAMW = {"type": "adamw", "learning_rate": 1e-3}


def texts():
    paragraphs = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name != "privacy.md":
            paragraphs += re.split(r"\n\s*\n", path.read_text())
    return {"train": "\n\n".join(paragraphs[0::2]), "heldout": "\n\n".join(paragraphs[1::2])}


def run(*arguments, codes=(0,)):
    done = subprocess.run([SPARSEFT, *arguments], capture_output=True, text=True)
    if done.returncode not in codes:
        sys.exit(f"sparseft {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def trained(folder, name, method, optimizer, length, batch, tokens, dtype="f32", text="train.txt"):
    recipe = {
        "model": BASE, "output": f"{folder}/{name}", "seed": 1,
        "data": {"train": [f"{folder}/{text}"], "validation": 0, "sequence_length": tokens},
        "method": method, "optimizer": optimizer,
        "schedule": {"type": "constant", "warmup_steps": 0},
        "run": {**length, "batch_size": batch, "validate_every": 0, "save_every": 0,
                "products": "tiles", "precision": "f32"},
    }
    path = f"{folder}/{name}.json"
    pathlib.Path(path).write_text(json.dumps(recipe))
    run("finetune", path, "--overwrite")
    delta = f"{folder}/{name}.sfdelta"
    run("export-delta", f"{folder}/{name}", "-o", delta, "--dtype", dtype)
    return delta


def audited(folder, delta, *more, text="train.txt", heldout="heldout.txt"):
    return json.loads(run(
        "audit", delta, "--model", BASE, "--train", f"{folder}/{text}", "--heldout",
        f"{folder}/{heldout}", "--json", "--precision", "f32", *more, codes=(0, 1)))


def sparse(shares):
    return {"type": "sparse", "tensors": shares}


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def span(folder, whole):
    """Windows of 32 tokens; the text is cut to what the steps read."""
    qkv = {f"layers[0].attention.{kind}": 1.0 for kind in ["query", "key", "value"]}
    value = {"layers[0].attention.value": 1.0}
    cases = [
        # name, method, optimizer, steps, windows a step, dtype
        ("SGD, 1 step of 128 tokens", sparse(qkv), SGD, 1, 4, "f32"),
        ("SGD, 4 steps of 32", sparse(qkv), SGD, 4, 1, "f32"),
        ("SGD, 1 step of 1,024", sparse(qkv), SGD, 1, 32, "f32"),
        ("query alone", sparse({"layers[0].attention.query": 1.0}), SGD, 1, 4, "f32"),
        ("value alone", sparse(value), SGD, 1, 4, "f32"),
        ("a share of 0.25 of query, 32 tokens",
         sparse({"layers[0].attention.query": 0.25}), SGD, 1, 1, "f32"),
        ("difference in bf16", sparse(qkv), SGD, 1, 4, "bf16"),
        ("difference in int8", sparse(qkv), SGD, 1, 4, "int8"),
        ("LoRA r64 on value, 32 tokens",
         {"type": "lora", "rank": 64, "alpha": 64, "targets": ["value"]}, SGD, 1, 1, "f32"),
        ("AdamW, 1 step of 128", sparse(qkv), ADAMW, 1, 4, "f32"),
        ("blocks 0-2 frozen, 64 tokens",
         sparse({"layers[3].attention.value": 1.0}), SGD, 1, 2, "f32"),
        ("delta of another text", sparse(qkv), SGD, 1, 4, "f32"),
    ]
    print("| delta | rank of bound | found | precision | recall | held-out's | nearest | bytes | "
          "seconds |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for index, (name, method, optimizer, steps, windows, dtype) in enumerate(cases):
        # As many words as give all windows and few tokens more.
        words = {key: text.split() for key, text in whole.items()}
        count = steps * windows * 32
        short = shortened(folder, words["train"], count, "short.txt")
        shortened(folder, words["heldout"], count, "other.txt")
        source = "other.txt" if name.startswith("delta of") else short
        delta = trained(folder, f"span{index}", method, optimizer, {"steps": steps}, windows, 32,
                        dtype, text=source)
        third = "third.txt"
        shortened(folder, words["heldout"][2000:], count, third)
        record = audited(folder, delta, text=short, heldout=third)
        place = record["span"]["places"][-1]
        search = record["span"]["search"] or {}
        print(f"| {name} | {place['rank']} of {place['bound']} | {search.get('found', '–')} | "
              f"{percent(search.get('precision'))} | {percent(search.get('recall'))} | "
              f"{percent(search.get('control_precision'))} | "
              f"{percent(search.get('nearest_precision'))} | {os.path.getsize(delta):,} | "
              f"{record['seconds']:.1f} |", flush=True)


def shortened(folder, words, tokens, name):
    """Writes the first words that are `tokens` + 1 ids or a few more, less than a window more."""
    pathlib.Path(f"{folder}/{name}").write_text(
        " ".join(words[:enough(tuple(words[:2 * tokens + 64]), tokens)]))
    return name


@functools.cache
def enough(words, tokens):
    low, high = 1, len(words)
    while low < high:
        middle = (low + high) // 2
        text = " ".join(words[:middle])
        ids = len(json.loads(run("tokenize", "--model", BASE, "--text", text, "--json"))["ids"])
        if ids >= tokens + 1:
            high = middle
        else:
            low = middle + 1
    return low


def membership(folder, whole):
    """About 120 windows of 64 tokens, the last two blocks, with a shadow run."""
    words = whole["train"].split(), whole["heldout"].split()
    shortened(folder, words[0], 120 * 64, "members.txt")
    shortened(folder, words[1], 120 * 64, "others.txt")
    shortened(folder, words[0][9000:], 120 * 64, "elsewhere.txt")
    last = {"type": "last_layers", "count": 2}
    quarter = sparse({"layers[4-5].attention.*": 0.25, "layers[4-5].mlp.*": 0.25})
    cases = [
        ("AdamW, 3 epochs", last, ADAMW, 3, "f32", "members.txt"),
        ("AdamW, 12 epochs", last, ADAMW, 12, "f32", "members.txt"),
        ("another text, 12 epochs", last, ADAMW, 12, "f32", "elsewhere.txt"),
        ("AdamW, 1 epoch", last, ADAMW, 1, "f32", "members.txt"),
        ("a quarter of the rows, 3", quarter, ADAMW, 3, "f32", "members.txt"),
        ("int8, 3 epochs", last, ADAMW, 3, "int8", "members.txt"),
        ("SGD, 3 epochs", last, SGD, 3, "f32", "members.txt"),
    ]
    print("| delta | AUC loss | min-20 %++ | − base's | − shadows' | differential | base alone | "
          "greedy | exposure 1 / 4 / 16 | held-out loss | bytes | leaks | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for index, (name, method, optimizer, epochs, dtype, text) in enumerate(cases):
        delta = trained(folder, f"member{index}", method, optimizer, {"epochs": epochs}, 4, 64,
                        dtype, text=text)
        record = audited(folder, delta, "--shadows", "1", text="members.txt", heldout="others.txt")
        loss = json.loads(run(
            "eval", "--model", BASE, "--delta", delta, "--data", f"{folder}/others.txt",
            "--sequence-length", "64", "--precision", "f32", "--json"))["loss"]
        areas = {m["name"]: m for m in record["membership"]["measures"]}
        cells = []
        for key in ["loss", "min-20 %++", "loss - base's", "loss - shadows'",
                    "differential score", "loss of the base"]:
            m = areas[key]
            cells.append(f"{m['auc']:.3f} ({m['low']:.2f}–{m['high']:.2f})")
        greedy = next(r for r in record["extraction"]["rows"] if r["delta"] and r["trained_text"])
        bits = [[r["bits"] for r in record["exposure"]["rows"] if r["repeats"] == n]
                for n in (1, 4, 16)]
        bits = " / ".join(f"{sum(b) / len(b):.1f}" for b in bits)
        print(f"| {name} | {' | '.join(cells)} | {greedy['greedy']} of {greedy['windows']} | {bits} | "
              f"{loss:.3f} | {os.path.getsize(delta):,} | {'yes' if record['leaks'] else 'no'} | "
              f"{record['seconds']:.0f} |", flush=True)


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("span", "membership"):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else temporary
        os.makedirs(folder, exist_ok=True)
        {"span": span, "membership": membership}[sys.argv[1]](folder, texts())


if __name__ == "__main__":
    main()
