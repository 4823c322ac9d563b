#!/usr/bin/env python3
"""Do contributions say which groups of tensors to train? The table of docs/selection.md, "Contributions on a real model".

    python3 docs/real-model-study.py prepare SHARED_DATA WORK
    python3 docs/contribution-study.py scores WORK      # needs torch and transformers
    python3 docs/contribution-study.py truth WORK [--text shakespeare]
    python3 docs/contribution-study.py table WORK

Groups are the attention and the MLP of each block of SmolLM2-135M. `scores` measures what each would gain: (a) held-out
first order, −⟨g_held-out, Δw_train⟩ of the optimizer's first step over disjoint pairs of batches; (b) the same summed along
20 joint steps of all groups; (d) greedily, five groups at a time by gain per weight, trained for five steps, and measured
again. `truth` trains sets of a quarter of the blocks' weights with sparseft: what the scores choose, rules of kind, and
random sets.
"""

import argparse
import importlib.util
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("study", Path(__file__).with_name("real-model-study.py"))
study = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)

GROUPS = [f"{i}.{kind}" for i in range(study.LAYERS) for kind in ("attention", "mlp")]
WEIGHTS = {"attention": 2 * 576 * 576 + 2 * 576 * 192, "mlp": 3 * 576 * 1536}
BUDGET = 0.25 * study.LAYERS * sum(WEIGHTS.values())
RATE, WINDOW, BATCH, RANDOM_SETS = 3e-4, 96, 4, 10


def cost(group):
    return WEIGHTS[group.split(".")[1]]


def fill(order):
    """Groups in that order as far as the budget goes."""
    chosen, used = [], 0
    for group in order:
        if used + cost(group) <= BUDGET:
            chosen.append(group)
            used += cost(group)
    return sorted(chosen, key=GROUPS.index)


class Model:
    """SmolLM2 in PyTorch with the gradients and AdamW steps of its groups."""

    def __init__(self, work, text):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        self.torch = torch
        folder = work / "huggingface"
        if not folder.exists():
            subprocess.run([study.SPARSEFT, "export", work / "smollm2.sfckpt", "--format", "hf",
                            "-o", folder], check=True)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.windows = {}
        for part in ("train", "held-out"):
            ids = tokenizer((work / f"{text} {part}.txt").read_text(encoding="utf-8"))["input_ids"]
            count = len(ids) // WINDOW
            self.windows[part] = torch.tensor(ids[:count * WINDOW]).view(count, WINDOW)
        self.tensors = {}
        for name, tensor in self.model.named_parameters():
            parts = name.split(".")
            is_group = len(parts) > 4 and parts[3] in ("self_attn", "mlp")
            tensor.requires_grad_(is_group)
            if is_group:
                kind = "attention" if parts[3] == "self_attn" else "mlp"
                self.tensors.setdefault(f"{parts[2]}.{kind}", []).append(tensor)
        self.moments, self.steps = {}, {}

    def loss(self, part, number):
        rows = self.windows[part]
        chosen = [(number * BATCH + i) % len(rows) for i in range(BATCH)]
        with self.torch.autocast("cpu", dtype=self.torch.bfloat16):
            return self.model(input_ids=rows[chosen], labels=rows[chosen]).loss

    def gradients(self, part, number):
        self.model.zero_grad(set_to_none=True)
        self.loss(part, number).backward()
        return {g: [t.grad.clone() for t in tensors] for g, tensors in self.tensors.items()}

    def held_out(self, count=8):
        with self.torch.no_grad():
            return statistics.mean(float(self.loss("held-out", i)) for i in range(count))

    def step(self, gradients, groups, rate, keeps):
        """AdamW's change of the groups; with `keeps` it is made and its moments are kept."""
        torch, changes = self.torch, {}
        for group in groups:
            count = self.steps.get(group, 0) + 1
            changes[group] = []
            for i, (tensor, g) in enumerate(zip(self.tensors[group], gradients[group])):
                m, v = self.moments.get((group, i), (torch.zeros_like(g), torch.zeros_like(g)))
                m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
                change = -rate * (m / (1 - 0.9 ** count)) / ((v / (1 - 0.95 ** count)).sqrt() + 1e-8)
                changes[group].append(change)
                if keeps:
                    self.moments[group, i] = (m, v)
                    tensor.data += change
            if keeps:
                self.steps[group] = count
        return changes

    def contributions(self, gradients, changes):
        return {g: -sum(float((a * b).sum()) for a, b in zip(gradients[g], change))
                for g, change in changes.items()}


def first_order(model, groups, pairs, offset=0):
    """Mean contribution of each group to one step, and its standard error."""
    samples = {group: [] for group in groups}
    for pair in range(pairs):
        changes = model.step(model.gradients("train", offset + pair), groups, RATE, keeps=False)
        found = model.contributions(model.gradients("held-out", pair), changes)
        for group in groups:
            samples[group].append(found[group])
    return {g: (statistics.mean(s), statistics.stdev(s) / len(s) ** 0.5) for g, s in samples.items()}


def scores(work, text):
    result = {}
    model = Model(work, text)
    result["a"] = first_order(model, GROUPS, 8)
    before = model.held_out()
    along = dict.fromkeys(GROUPS, 0.0)
    for number in range(20):
        rate = RATE * min(1, (number + 1) / 5) / 3  # all groups at once bear a third
        gradients = model.gradients("train", number)
        held_out = model.gradients("held-out", number % 8)
        for g, value in model.contributions(
                held_out, model.step(gradients, GROUPS, rate, keeps=True)).items():
            along[g] += value
    result["b"] = along
    result["joint gain"] = before - model.held_out()
    model = Model(work, text)
    chosen, number = [], 0
    while len(fill(chosen + GROUPS)) > len(fill(chosen)):
        rest = [g for g in GROUPS if g not in chosen]
        found = first_order(model, rest, 2, offset=number)
        rest.sort(key=lambda g: -found[g][0] / cost(g))
        new = [g for g in rest if g in fill(chosen + rest)][:5]
        if not new:
            break
        chosen += new
        for _ in range(5):
            model.step(model.gradients("train", number), chosen, RATE, keeps=True)
            number += 1
    result["d"] = chosen
    (work / f"scores {text}.json").write_text(json.dumps(result))
    print(json.dumps({k: v for k, v in result.items() if k in ("joint gain", "d")}))
    print("sum of (b):", sum(along.values()))


def sets(work, text):
    found = json.loads((work / f"scores {text}.json").read_text())
    a, b = {g: v[0] for g, v in found["a"].items()}, found["b"]
    up = sorted(GROUPS, key=lambda g: -GROUPS.index(g))
    spread = [g for g in GROUPS if int(g.split(".")[0]) % 4 == 3]
    result = {
        "(a) gain per weight": fill(sorted(GROUPS, key=lambda g: -a[g] / cost(g))),
        "(a) gain": fill(sorted(GROUPS, key=lambda g: -a[g])),
        "(b) gain per weight": fill(sorted(GROUPS, key=lambda g: -b[g] / cost(g))),
        "(b) gain": fill(sorted(GROUPS, key=lambda g: -b[g])),
        "(d) greedy": fill(found["d"]),
        "last blocks": fill(up),
        "every fourth block": fill(spread + up),
        "MLPs of every third block": fill([g for g in up if g.endswith("mlp")][::3] + up),
    }
    for draw in range(RANDOM_SETS):
        order = list(GROUPS)
        random.Random(draw).shuffle(order)
        result[f"random {draw}"] = fill(order)
    return found, a, b, result


def truth(work, text):
    results = study.Results(work)
    for name, groups in sets(work, text)[3].items():
        patterns = [f"layers[{g.split('.')[0]}].{g.split('.')[1]}.*" for g in groups]
        key = f"set: {name}"
        study.METHODS[key] = (study.sparse(*patterns), RATE)
        study.train(work, results, text, key, RATE, 1, 0)


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    return {index: rank for rank, index in enumerate(order)}


def spearman(x, y):
    a, b = ranks(x), ranks(y)
    n = len(x)
    return 1 - 6 * sum((a[i] - b[i]) ** 2 for i in range(n)) / (n * (n * n - 1))


def table(work, text):
    found, a, b, chosen = sets(work, text)
    rows = {row["method"]: row for row in study.Results(work).find(text=text)}
    known = {name: groups for name, groups in chosen.items() if f"set: {name}" in rows}
    gain = {n: rows[f"set: {n}"]["before"] - rows[f"set: {n}"]["loss"] for n in known}
    best = max(gain.values())
    print("| set | sum of (a) | sum of (b) | gain | regret | arithmetic |\n|---|---:|---:|---:|---:|---:|")
    for name in sorted(known, key=lambda n: -gain[n]):
        print(f"| {name} | {sum(a[g] for g in known[name]):.4f} | {sum(b[g] for g in known[name]):.3f} | "
              f"{gain[name]:.3f} | {best - gain[name]:.3f} | {rows[f'set: {name}']['flops']:.0%} |")
    names = list(known)
    gains = [gain[n] for n in names]
    drawn = [n for n in names if n.startswith("random")]
    for label, value in (("(a)", lambda n: sum(a[g] for g in known[n])),
                         ("(b)", lambda n: sum(b[g] for g in known[n])),
                         ("arithmetic", lambda n: rows[f"set: {n}"]["flops"])):
        print(f"rank correlation of {label} with the gain: all sets "
              f"{spearman([value(n) for n in names], gains):.2f}, random sets "
              f"{spearman([value(n) for n in drawn], [gain[n] for n in drawn]):.2f}")
    errors = [error / max(1e-12, abs(mean)) for mean, error in found["a"].values()]
    print(f"standard error of (a), median share of its value: {statistics.median(errors):.0%}")
    print(f"sum of (b) {sum(b.values()):.3f}, joint gain {found['joint gain']:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["scores", "truth", "table"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--text", default="shakespeare", choices=list(study.TEXTS))
    options = parser.parse_args()
    {"scores": scores, "truth": truth, "table": table}[options.command](options.work, options.text)


if __name__ == "__main__":
    sys.exit(main())
