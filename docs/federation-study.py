#!/usr/bin/env python3
"""Measures federated rounds against training in one place, and what their deltas give away.

    python3 docs/federation-study.py rounds [--seeds 0 1 2] [--rates 1e-3] [--rows alike kind …]
    python3 docs/federation-study.py leakage
    python3 docs/federation-study.py texts FOLDER    writes the texts, for integrations/flower/run

Prints tables of docs/federation.md. The rounds are those of integrations/flower without Flower: the
same calls of the program, the same mean. Needs numpy. SPARSEFT names the binary.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "integrations/flower"))
from sparseft_federation import delta_file, program  # noqa: E402

SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
MODEL = str(ROOT / "checkpoints/base.sfckpt")
BASE = delta_file.base_of(MODEL)
KINDS = {
    "manuals": ["docs/*.md"],
    "swift": ["Sources/Training/*.swift", "Sources/Runs/*.swift"],
    "c": ["Sources/CKernels/*.c", "Sources/CRuntime/*.c"],
}
# Of each kind; the shortest has a little more.
CHARACTERS = 120_000
CLIENTS, ROUNDS, STEPS, BATCH, LENGTH = 3, 3, 20, 4, 128
ROWS = {"type": "sparse", "tensors": {"layers[*].attention.output": 1, "layers[*].mlp.down": 1}}

TRAININGS = {
    "alike": "federated, texts dealt alike",
    "kind": "federated, a kind of text each",
    "steps": "in one place, as many steps, windows of all clients in each",
    "batch": "in one place, a client's windows in each step",
    "alone": "each client alone",
}


def pieces(kind):
    """A kind's text in pieces of about 2,000 characters, cut at empty lines."""
    files = sorted(path for pattern in KINDS[kind] for path in ROOT.glob(pattern))
    text = "\n\n".join(path.read_text() for path in files if path.name != "federation.md")
    made, current = [], ""
    for paragraph in re.split(r"\n\s*\n", text[:CHARACTERS]):
        current += paragraph + "\n\n"
        if len(current) >= 2000:
            made.append(current)
            current = ""
    return made


def write_texts(folder):
    """Every tenth piece is held out; the others go to clients by kind, or dealt to all alike."""
    os.makedirs(folder, exist_ok=True)
    held_out, by_kind = [], []
    for kind in KINDS:
        whole = pieces(kind)
        held_out += whole[9::10]
        by_kind.append([piece for i, piece in enumerate(whole) if i % 10 != 9])
    everything = [piece for own in by_kind for piece in own]
    random.Random(0).shuffle(everything)
    alike = [everything[client::CLIENTS] for client in range(CLIENTS)]
    texts = {"held-out": held_out, "union": everything}
    texts |= {f"kind-{i}": own for i, own in enumerate(by_kind)}
    texts |= {f"alike-{i}": own for i, own in enumerate(alike)}
    paths = {}
    for name, parts in texts.items():
        paths[name] = os.path.join(folder, f"{name}.txt")
        pathlib.Path(paths[name]).write_text("".join(parts))
    return paths


def recipe(seed, rate, steps, batch):
    return {
        "seed": seed, "data": {"sequence_length": LENGTH}, "method": ROWS,
        "optimizer": {"learning_rate": rate},
        "schedule": {"type": "constant", "warmup_steps": 2},
        "run": {"steps": steps, "batch_size": batch, "threads": 1, "validate_every": 0,
                "save_every": 0},
    }


def trained(text, shared, start, **overrides):
    with tempfile.TemporaryDirectory(prefix="federation-") as folder:
        return program.train(SPARSEFT, MODEL, BASE, [text], shared, start, folder, **overrides)


def loss(text, update):
    with tempfile.TemporaryDirectory(prefix="federation-") as folder:
        return program.evaluate(SPARSEFT, MODEL, BASE, text, update, LENGTH, folder)


def federated(texts, seed, rate, rounds=ROUNDS, steps=STEPS, batch=BATCH):
    """The sum after each round."""
    total, sums = {}, []
    for number in range(1, rounds + 1):
        # Seeds of runs lie apart, those of rounds follow each other.
        shared = program.of_round(recipe(1000 * seed, rate, steps, batch), number)
        results = [trained(text, shared, total) for text in texts]
        tokens = np.array([result.tokens for result in results], np.float64)
        mean = averaged([result.update for result in results], tokens / tokens.sum())
        total = {n: (total.get(n, 0) + mean[n]).astype(np.float32) for n in mean}
        sums.append(total)
    return sums


def averaged(updates, shares):
    return {
        name: sum(s * u[name].astype(np.float64) for s, u in zip(shares, updates))
        for name in updates[0]
    }


def rounds(seeds, rates, rows):
    with tempfile.TemporaryDirectory(prefix="federation-") as folder:
        paths = write_texts(folder)
        held_out = paths["held-out"]
        print(f"texts: {', '.join(f'{n} {os.path.getsize(p):,}' for n, p in paths.items())}")
        print(f"base: {loss(held_out, {}):.4f}")
        print("| trained | seed | rate | held-out loss (after each round; of each client alone) |")
        print("|---|---|---|---|", flush=True)
        everything = CLIENTS * ROUNDS * STEPS
        for seed, rate, name in itertools.product(seeds, rates, rows):
            one_place = {
                "steps": recipe(1000 * seed, rate, ROUNDS * STEPS, BATCH * CLIENTS),
                "batch": recipe(1000 * seed, rate, everything, BATCH),
            }
            if name in one_place:
                found = [trained(paths["union"], one_place[name], {}).update]
            elif name == "alone":
                shared = recipe(1000 * seed, rate, ROUNDS * STEPS, BATCH)
                clients = [paths[f"kind-{client}"] for client in range(CLIENTS)]
                found = [trained(text, shared, {}).update for text in clients]
            else:
                texts = [paths[f"{name}-{client}"] for client in range(CLIENTS)]
                found = federated(texts, seed, rate)
            losses = ", ".join(f"{loss(held_out, update):.4f}" for update in found)
            print(f"| {TRAININGS[name]} | {seed} | {rate:g} | {losses} |", flush=True)


def leakage():
    """One client's delta of a round against the mean of three, audited with the same texts."""
    paragraphs = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name not in ("federation.md", "privacy.md"):
            paragraphs += re.split(r"\n\s*\n", path.read_text())
    # Four texts of one kind: three clients', and one that nobody has.
    words = ["\n\n".join(paragraphs[i::4]).split() for i in range(4)]
    with tempfile.TemporaryDirectory(prefix="federation-") as folder:
        print("| tokens a client | update | text | rank | fall behind it | nearest tokens that are "
              "the text's | of all of its | nearest that a held-out text has |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for steps in (2, 8):
            span(folder, [shortened(folder, i, w, 32 * steps) for i, w in enumerate(words)], steps)
        print("| delta | loss | min-20 %++ | loss - base's | base alone | held-out loss |")
        print("|---|---|---|---|---|---|", flush=True)
        membership(folder, [shortened(folder, i, w, 64 * 120) for i, w in enumerate(words)])


def span(folder, texts, steps):
    """Which tokens lie nearest to the span of an update's rows; see docs/privacy.md.

    Rounding of f32 weights is noise in a difference of few steps, so the rank is where singular
    values fall most.
    """
    first = {f"layers[0].attention.{kind}": 1 for kind in ("query", "key", "value")}
    shared = recipe(1, 0.1, steps, 1) | {
        "method": {"type": "sparse", "tensors": first},
        "optimizer": {"type": "sgd", "learning_rate": 0.1, "clip_norm": 1.0},
        "schedule": {"type": "constant", "warmup_steps": 0},
        "data": {"sequence_length": 32},
    }
    inputs = base_tensor("embedding") * base_tensor("layers[0].attention_norm")
    inputs = inputs / np.linalg.norm(inputs, axis=1, keepdims=True).clip(1e-30)
    controls = token_ids(texts[3])
    for name, own, delta in deltas(folder, texts, shared):
        rows = np.concatenate([a.astype(float) for a in delta_file.read(delta, BASE).values()])
        values, directions = np.linalg.svd(rows, full_matrices=False)[1:]
        falls = values[:-1] / values[1:].clip(1e-300)
        rank = int(falls.argmax()) + 1
        cells = f"{rank} of {len(values)}", f"{falls.max():.2g}"
        if falls.max() < 10:
            print(f"| {32 * steps} | {name} | {' | '.join(cells)} | | | |", flush=True)
            continue
        inside = ((inputs @ directions[:rank].T) ** 2).sum(axis=1)
        nearest = set(np.argsort(-inside)[:rank].tolist())
        read = set().union(*(token_ids(text) for text in own))
        shares = len(nearest & read) / rank, len(nearest & read) / len(read), (
            len(nearest & controls) / rank)
        cells += tuple(f"{100 * share:.0f} %" for share in shares)
        print(f"| {32 * steps} | {name} | {' | '.join(cells)} |", flush=True)


def base_tensor(name):
    _, header, start = delta_file._header(MODEL, "checkpoint")
    entry = next(tensor for tensor in header["tensors"] if tensor["name"] == name)
    return delta_file._elements(pathlib.Path(MODEL).read_bytes()[start:], entry).astype(float)


def token_ids(path):
    arguments = [SPARSEFT, "tokenize", "--model", MODEL, "--file", path, "--json"]
    return set(json.loads(program.call(arguments))["ids"])


def membership(folder, texts):
    shared = recipe(1, 1e-3, 90, 4) | {"data": {"sequence_length": 64}}
    for name, text, delta in deltas(folder, texts, shared):
        if len(text) > 1:
            continue
        record = audited(delta, text, texts[3], 64)
        measures = {m["name"]: m for m in record["membership"]["measures"]}
        cells = []
        for key in ("loss", "min-20 %++", "loss - base's", "loss of the base"):
            m = measures[key]
            cells.append(f"{m['auc']:.3f} ({m['low']:.2f}–{m['high']:.2f})")
        update = delta_file.read(delta, BASE)
        print(f"| {name} | {' | '.join(cells)} | {loss(texts[3], update):.3f} |", flush=True)


def deltas(folder, texts, shared):
    """What is audited with which texts: one client's update, and the mean of three."""
    updates = [
        trained(text, shared, {}, overrides={"data.validation": 0}).update for text in texts[:3]
    ]
    mean = {n: a.astype(np.float32) for n, a in averaged(updates, [1 / 3] * 3).items()}
    paths = f"{folder}/client.sfdelta", f"{folder}/mean.sfdelta"
    for path, update in zip(paths, (updates[0], mean)):
        delta_file.write(path, BASE, update)
    yield "client's | its own", texts[:1], paths[0]
    yield "mean of 3 | that client's", texts[:1], paths[1]
    yield "mean of 3 | all three", texts[:3], paths[1]


def audited(delta, texts, held_out, length):
    done = subprocess.run(
        [SPARSEFT, "audit", delta, "--model", MODEL, "--train", *texts, "--heldout", held_out,
         "--sequence-length", str(length), "--json", "--precision", "f32"],
        capture_output=True, text=True,
    )
    # 1: a leak is shown.
    if done.returncode not in (0, 1):
        sys.exit(f"audit: {done.stderr}")
    return json.loads(done.stdout)


def shortened(folder, index, words, tokens):
    """Writes the first words that fill windows of so many tokens, and a target more."""
    low, high = 1, min(len(words), 2 * tokens + 64)
    while low < high:
        middle = (low + high) // 2
        text = " ".join(words[:middle])
        ids = json.loads(program.call([SPARSEFT, "tokenize", "--model", MODEL, "--text", text,
                                       "--json"]))["ids"]
        low, high = (low, middle) if len(ids) >= tokens + 1 else (middle + 1, high)
    path = f"{folder}/text-{tokens}-{index}.txt"
    pathlib.Path(path).write_text(" ".join(words[:low]))
    return path


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rounds", "leakage", "texts"])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--rows", choices=TRAININGS, nargs="+", default=list(TRAININGS))
    options = parser.parse_args()
    if options.what == "texts":
        if options.folder is None:
            parser.error("texts: into which folder?")
        print("\n".join(write_texts(options.folder).values()))
    elif options.what == "rounds":
        rounds(options.seeds, options.rates, options.rows)
    else:
        leakage()


if __name__ == "__main__":
    main()
