#!/usr/bin/env python3
"""Repeats the study of docs/selection.md with sparseft itself.

    python3 docs/selection-study.py prepare SHARED_DATA WORK   # import models, strip books
    python3 docs/selection-study.py run WORK [PAIR ...]        # comparisons, ablations, finals
    python3 docs/selection-study.py tables WORK                # the page's tables as Markdown

WORK gets checkpoints, texts, recipes and one compare.json a comparison; nothing of it is committed.
"""

import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))

# Model, text, tokens of an epoch, the price of an analysis in one-epoch runs, seeds of an ablation.
# Epochs are short, so that five seeds of everything fit into some hours of a core; analyses, whose
# length does not shrink with the run's, cost several runs here. The largest model gets a smaller one.
PAIRS = {
    "stories260K-shakespeare": ("stories260K", "tinyshakespeare", 78_000, 9, 5),
    "babyllama-pride": ("babyllama", "pride_and_prejudice", 78_000, 9, 3),
    "base-wikitext": ("base", "wikitext2", 38_000, 5, 3),
}
SEEDS = 5
# What each leaves out of the procedure; the last leaves out whatever a fifth of the run can't pay.
ABLATIONS = {"contributions": {"contributions": False}, "joint probes": {"joint_probes": False},
             "head": {"head": False}, "price above a fifth": {"share": 0.2}}
BUDGETS = {"S25": 0.25, "S50": 0.5}


def sparseft(*words, **options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    result = subprocess.run(
        [SPARSEFT, *map(str, words)], capture_output=True, text=True, env=env, **options)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{result.stderr}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def prepare(data, work):
    """Checkpoints of the three models; texts without Project Gutenberg's header and footer."""
    work.mkdir(parents=True, exist_ok=True)
    sparseft("import", data / "stories260K/stories260K.bin", "--tokenizer",
             data / "stories260K/tok512.model", "-o", work / "stories260K.sfckpt")
    sparseft("import", data / "babyllama-tok105/model5000.bin", "--tokenizer",
             data / "babyllama-tok105/tok105.model", "-o", work / "babyllama.sfckpt")
    shutil.copy(ROOT / "checkpoints/base.sfckpt", work / "base.sfckpt")
    for name, source in [("tinyshakespeare", "tinyshakespeare"),
                         ("pride_and_prejudice", "pride_and_prejudice"),
                         ("wikitext2", "wikitext2_valid")]:
        text = (data / f"text/{source}.txt").read_text(encoding="utf-8", errors="replace")
        start = re.search(r"\*\*\* ?START OF.*?\*\*\*", text)
        end = re.search(r"\*\*\* ?END OF", text)
        if start and end:
            text = text[start.end():end.start()].strip()
        (work / f"{name}.txt").write_text(text, encoding="utf-8")
    for pair, (model, name, tokens, *_) in PAIRS.items():
        cut(work, pair, model, name, tokens)


def cut(work, pair, model, name, tokens):
    """Training text of about so many tokens from the beginning, validation text from the end."""
    text = (work / f"{name}.txt").read_text(encoding="utf-8")
    probe = work / "probe.txt"
    probe.write_text(text[:100_000], encoding="utf-8")
    count = sparseft("tokenize", "--model", work / f"{model}.sfckpt", "--file", probe,
                     "--json")[0]["count"]
    characters = int(tokens * 100_000 / count)
    folder = work / pair
    folder.mkdir(exist_ok=True)
    (folder / "train.txt").write_text(text[:characters], encoding="utf-8")
    held_out = min(characters // 4, len(text) - characters)
    (folder / "validation.txt").write_text(text[-held_out:], encoding="utf-8")


def recipe(work, pair, method, epochs, output, compare=(), analysis=None):
    return {
        "model": str(work / f"{PAIRS[pair][0]}.sfckpt"),
        "output": str(work / pair / output),
        "data": {"train": [str(work / pair / "train.txt")],
                 "validation": [str(work / pair / "validation.txt")], "sequence_length": 128},
        "method": method,
        "compare": list(compare),
        "analysis": {"share": PAIRS[pair][3] / epochs, **(analysis or {})},
        "schedule": {"warmup_steps": 5},
        "run": {"epochs": epochs, "batch_size": 4, "threads": 1, "validate_every": 20,
                "save_every": 0},
    }


def write(work, pair, name, content):
    path = work / pair / f"{name}.json"
    path.write_text(json.dumps(content, indent=1))
    return path


def budgets(work, pair):
    """step_flops of a quarter and a half of the way from the cheapest to all blocks."""
    def share(method):
        path = write(work, pair, "plan", recipe(work, pair, method, 1, "plan"))
        plan = sparseft("plan", path, "--json")[0]
        return plan["flops_per_token"] / plan["full_flops_per_token"]

    layers = next(x for x in sparseft("inspect", work / f"{PAIRS[pair][0]}.sfckpt", "--json")
                  )["layers"]
    floor = share({"type": "sparse", "tensors": {"norm": 1}})
    blocks = share({"type": "last_layers", "count": layers})
    return {k: round(floor + part * (blocks - floor), 4) for k, part in BUDGETS.items()}


def sparse(tensors, budget, label):
    return {"type": "sparse", "tensors": tensors, "budget": {"step_flops": budget}, "label": label}


def baselines(work, pair, epochs):
    limits = budgets(work, pair)
    entries = [{"type": "lora", "label": "lora r8"},
               {"type": "lora", "targets": "qv", "label": "lora r8 qv"},
               {"type": "full"}, {"type": "norms"}]
    for name, limit in limits.items():
        entries += [sparse("last", limit, f"last {name}"),
                    sparse("random", limit, f"random {name}")]
    output = f"compare-{epochs}"
    path = write(work, pair, output, recipe(
        work, pair, entries[0], epochs, output, entries[1:]))
    sparseft("compare", path, "--seeds", SEEDS, "--json")


def autos(work, pair, epochs, output=None, switches=None, seeds=SEEDS):
    """"auto" under both budgets, as a whole or without one of its stages."""
    entries = [sparse("auto", limit, f"auto {budget}")
               for budget, limit in budgets(work, pair).items()]
    output = output or f"auto-{epochs}"
    path = write(work, pair, output, recipe(
        work, pair, entries[0], epochs, output, entries[1:], switches))
    sparseft("compare", path, "--seeds", seeds, "--json")


def ablations(work, pair):
    """Auto without one of its stages, one epoch."""
    for name, switches in ablations_of(pair).items():
        autos(work, pair, 1, f"ablation-{name.replace(' ', '-')}", switches, PAIRS[pair][4])


def ablations_of(pair):
    """The largest model's price does not reach contributions."""
    return {k: v for k, v in ABLATIONS.items() if k != "contributions" or pair != "base-wikitext"}


def finals(work, pair):
    """Every candidate of the first seed's analyses trained to the end, same rate rule, one epoch."""
    rows = []
    for budget in BUDGETS:
        folder = next((work / pair / "auto-1" / "compare").glob(f"*auto-{budget}-0"))
        analysis = json.loads((folder / "contributions.json").read_text())
        for number, candidate in enumerate(analysis["candidates"]):
            method = {"type": "sparse", "tensors": candidate["scheme"],
                      "learning_rate": candidate["learning_rate"], "label": candidate["label"]}
            output = f"final-{budget}-{number}"
            path = write(work, pair, output, recipe(work, pair, method, 1, output))
            done = sparseft("finetune", path, "--json")[-1]
            rows.append({
                "budget": budget, "label": candidate["label"], "chosen": candidate["chosen"],
                "probe": [r["loss"] for r in candidate["rounds"]],
                "final": done["final_validation_loss"],
                "base_loss": analysis["base_loss"],
                "predicted_gain": candidate.get("predicted_gain")})
    (work / pair / "finals.json").write_text(json.dumps(rows, indent=1))


# Student's t, 95 % two-sided, by number of values.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def interval(values):
    """Mean and half of the 95 % confidence interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, float("nan")
    return mean, STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values))


def plus_minus(values, digits=3, sign=False):
    mean, half = interval(values)
    return f"{mean:{'+' if sign else ''}.{digits}f} ± {half:.{digits}f}"


def spearman(a, b):
    def ranks(values):
        order = sorted(range(len(values)), key=values.__getitem__)
        return [order.index(i) for i in range(len(values))]
    a, b = ranks(a), ranks(b)
    n = len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(a, b)) / (n * (n * n - 1))


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(x) for x in row) + " |")
    print()


def rows_of(path):
    """Rows of a comparison by label, seeds in order."""
    labels = {}
    for row in json.loads(path.read_text())["rows"]:
        labels.setdefault(row["label"], []).append(row)
    return labels


def all_rows(work, pair, epochs):
    labels = rows_of(work / pair / f"compare-{epochs}" / "compare.json")
    # Where an earlier version of "auto" ran among the baselines, the later one counts.
    return {**labels, **rows_of(work / pair / f"auto-{epochs}" / "compare.json")}


def crossing(row, loss):
    """Seconds of training, without the analysis, until the curve is down to a loss; None if never."""
    points = [(t - row["analysis_seconds"], y) for t, y in row["curve"]]
    points = [(max(0.0, t), y) for t, y in points]
    for (t0, y0), (t1, y1) in zip(points, points[1:]):
        if y1 <= loss:
            return t0 if y0 <= loss else t0 + (t1 - t0) * (y0 - loss) / (y0 - y1)
    return None


def at_time(row, seconds):
    """Held-out loss after so many seconds of training, without the analysis."""
    points = [(max(0.0, t - row["analysis_seconds"]), y) for t, y in row["curve"]]
    for (t0, y0), (t1, y1) in zip(points, points[1:]):
        if t1 >= seconds:
            return y0 if t1 <= t0 else y0 + (y1 - y0) * max(0.0, seconds - t0) / (t1 - t0)
    return points[-1][1]


def time_to(rows, reference, with_analysis):
    """Mean time to the reference's final loss as a share of its training time, as text."""
    ratios = []
    for row, other in zip(rows, reference):
        seconds = crossing(row, other["final_validation_loss"])
        if seconds is not None:
            extra = row["analysis_seconds"] if with_analysis else 0
            ratios.append((seconds + extra) / other["training_seconds"])
    count = f" ({len(ratios)} of {len(rows)})" if 0 < len(ratios) < len(rows) else ""
    return f"{statistics.fmean(ratios):.2f}{count}" if ratios else "never"


def comparison(work, pair, epochs):
    labels = all_rows(work, pair, epochs)
    reference = labels["lora r8"]
    body = []
    for label, rows in sorted(
            labels.items(), key=lambda x: statistics.fmean(r["final_validation_loss"] for r in x[1])):
        losses = [r["final_validation_loss"] for r in rows]
        paired = [r["final_validation_loss"] - q["final_validation_loss"]
                  for r, q in zip(rows, reference)]
        equal = [at_time(r, q["training_seconds"]) for r, q in zip(rows, reference)]
        mean = lambda key: statistics.fmean(r[key] for r in rows)
        body.append([
            label, f"{mean('trainable_parameters') / 1e3:.0f} k", plus_minus(losses),
            f"{mean('best_validation_loss'):.3f}",
            plus_minus(paired, sign=True) if label != "lora r8" else "–",
            f"{mean('tokens_per_second') / 1e3:.1f} k",
            f"{mean('planned_bytes') / 1e6:.0f} / {mean('peak_rss_bytes') / 1e6:.0f}",
            f"{mean('delta_bytes') / 1e3:.0f}", f"{mean('training_seconds'):.1f}",
            f"{mean('analysis_seconds'):.1f}", f"{statistics.fmean(equal):.3f}",
            time_to(rows, reference, False), time_to(rows, reference, True)])
    print(f"**{pair}, {epochs} epoch{'s' if epochs > 1 else ''}**\n")
    table(["method", "trained", "held-out loss", "best on the way", "− LoRA r8, paired", "tokens/s", "planned / peak MB",
           "delta KB", "training s", "analysis s", "loss at LoRA's time", "time to LoRA's loss",
           "… analysis included"], body)


def versus(work, pair, epochs):
    """Auto against last and random of the same budget, paired by seed."""
    labels = all_rows(work, pair, epochs)
    body = []
    for budget in BUDGETS:
        auto, last, draws = (
            [r["final_validation_loss"] for r in labels[f"{kind} {budget}"]]
            for kind in ("auto", "last", "random"))
        spread = statistics.stdev(draws)
        body.append([
            f"{pair}, {budget}, {epochs}", plus_minus([a - b for a, b in zip(auto, last)], sign=True),
            plus_minus([a - b for a, b in zip(auto, draws)], sign=True),
            f"{(statistics.fmean(draws) - statistics.fmean(auto)) / spread:.1f}"])
    return body


def ablation_rows(work, pair):
    whole = all_rows(work, pair, 1)
    reference = whole["lora r8"]
    body = []
    for name in ablations_of(pair):
        labels = rows_of(work / pair / f"ablation-{name.replace(' ', '-')}" / "compare.json")
        for budget in BUDGETS:
            label = f"auto {budget}"
            paired = [a["final_validation_loss"] - b["final_validation_loss"]
                      for a, b in zip(labels[label], whole[label])]
            seconds = [r["analysis_seconds"] / r["training_seconds"] for r in labels[label]]
            full = [r["analysis_seconds"] / r["training_seconds"] for r in whole[label]]
            against = [a["final_validation_loss"] - b["final_validation_loss"]
                       for a, b in zip(labels[label], whole[f"last {budget}"])]
            body.append([f"{pair}, {budget}", name, plus_minus(paired, sign=True),
                         plus_minus(against, sign=True), f"{statistics.fmean(seconds):.1f}",
                         f"{statistics.fmean(full):.1f}", time_to(labels[label], reference, True)])
    return body


def final_rows(work, pair):
    body, details = [], []
    rows = json.loads((work / pair / "finals.json").read_text())
    for budget in BUDGETS:
        group = [r for r in rows if r["budget"] == budget]
        best = min(group, key=lambda r: r["final"])
        chosen = next(r for r in group if r["chosen"])
        first = [r["probe"][0] for r in group]
        rho = spearman(first, [r["final"] for r in group])
        body.append([f"{pair}, {budget}", chosen["label"], f"{chosen['final']:.3f}", best["label"],
                     f"{best['final']:.3f}", f"{chosen['final'] - best['final']:+.3f}", f"{rho:.2f}"])
        for r in sorted(group, key=lambda r: r["final"]):
            details.append([f"{pair}, {budget}", r["label"],
                            *[f"{x:.3f}" for x in r["probe"]], *["–"] * (2 - len(r["probe"])),
                            f"{r['final']:.3f}", "chosen" if r["chosen"] else ""])
    return body, details


def gain_rows(work, pair):
    body = []
    for budget in BUDGETS:
        predicted, measured, constants, probes, price = [], [], [], [], []
        for folder in sorted((work / pair / "auto-1" / "compare").glob(f"*auto-{budget}-*")):
            found = json.loads((folder / "contributions.json").read_text())
            if found["predicted_gain"] is not None and found["measured_gain"] is not None:
                predicted.append(found["predicted_gain"])
                measured.append(found["measured_gain"])
            constants.append(found["rate_constant"])
            probes.append(found["probe"]["probes"])
            price.append(found["probe"]["price_share"])
        body.append([f"{pair}, {budget}",
                     plus_minus(predicted) if predicted else "–",
                     plus_minus(measured) if measured else "–",
                     f"{min(constants):.1f}–{max(constants):.1f}",
                     f"{statistics.fmean(probes):.0f}", f"{statistics.fmean(price):.1f}"])
    return body


def tables(work):
    pairs = [p for p in PAIRS if (work / p / "finals.json").exists()]
    for pair in pairs:
        for epochs in (1, 3):
            comparison(work, pair, epochs)
    print("## Against last and random\n")
    table(["pair, budget, epochs", "auto − last, paired", "auto − random, paired",
           "standard deviations of the draws below their mean"],
          [r for p in pairs for e in (1, 3) for r in versus(work, p, e)])
    print("## Chosen against the best candidate\n")
    finals_of = [final_rows(work, p) for p in pairs]
    table(["pair, budget", "chosen", "its loss", "best", "its loss", "difference",
           "Spearman, first probe and end"], [r for f in finals_of for r in f[0]])
    table(["pair, budget", "candidate", "first probe", "longer probe", "at the end", ""],
          [r for f in finals_of for r in f[1]])
    print("## Predicted and measured\n")
    table(["pair, budget", "predicted gain", "measured gain", "C", "probes", "price, runs"],
          [r for p in pairs for r in gain_rows(work, p)])
    print("## Ablations\n")
    table(["pair, budget", "without", "loss − whole procedure's, paired", "− last of that budget, paired",
           "analysis, runs", "whole procedure's", "time to LoRA's loss, analysis included"],
          [r for p in pairs for r in ablation_rows(work, p)])


def main():
    command, folders = sys.argv[1], [Path(p) for p in sys.argv[2:4]]
    if command == "prepare":
        prepare(folders[0].resolve(), folders[1].resolve())
    elif command == "run":
        work = folders[0].resolve()
        for pair in sys.argv[3:] or PAIRS:
            for epochs in (1, 3):
                baselines(work, pair, epochs)
                autos(work, pair, epochs)
            finals(work, pair)
            ablations(work, pair)
    elif command == "tables":
        tables(folders[0].resolve())


if __name__ == "__main__":
    main()
