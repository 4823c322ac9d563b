#!/usr/bin/env python3
"""Measures sparseft beside PyTorch + PEFT on the same work and writes docs/performance.md.

    make bench                                    # builds, then measures with the defaults
    python3 docs/performance.py --resume          # goes on with a benchmark that was interrupted
    python3 docs/performance.py --help            # threads, runs, steps, where PyTorch is

The work folder gets checkpoints with random weights and results.jsonl, a line a run. Rounds go over
all rows, the two sides in turn, so that a machine that gets slower or faster does so for both.
"""

import argparse
import datetime
import hashlib
import itertools
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
MARKER = "<!-- measured: everything below this line is written by docs/performance.py -->"
INTRODUCTION = """# Performance

sparseft and PyTorch + PEFT fine-tune models of the same shapes, with random weights, on the same
CPU: sparse (attention and `mlp.up` of the top 30 % of the blocks), LoRA (rank 8, all linear maps)
and full, AdamW, batches of 4×128 tokens. `make bench` repeats it.
"""
SKIPPED = 2  # first steps of a run, which do not count
FLAGS = ("avx2 avx512f avx512_bf16 avx512_vnni avx_vnni amx_tile amx_bf16 amx_int8 "
         "asimd asimddp i8mm bf16 sve").split()


def shape(width, hidden, layers, heads, groups, tied):
    return {"model_type": "llama", "hidden_size": width, "intermediate_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": groups, "vocab_size": 32000,
            "max_position_embeddings": 2048, "tie_word_embeddings": tied}


SHAPES = {"134m": shape(576, 1536, 30, 9, 3, True), "1.1b": shape(2048, 5632, 22, 32, 4, False)}
TOP = {"134m": "layers[21-29]", "1.1b": "layers[15-21]"}  # 30 % of the blocks


@dataclass(frozen=True)
class Row:
    """One thing to measure; `base`, `state` and `memory` are sparseft's, `flag` is PyTorch's."""
    side: str
    method: str
    precision: str
    base: str = ""
    state: str = "f32"  # of moments: f32, the default (auto), or int8 and int4 with bf16 matrices
    memory: int = 0  # the limit that values are computed again for, in MB; 0: none
    flag: str = ""
    shape: str = "134m"

    @property
    def label(self):
        method = self.method.replace("lora", "LoRA")
        if self.side == "PyTorch":
            flag = {"--compile": " compiled", "--checkpointing": ", gradient checkpointing"}
            return f"PyTorch {method} {self.precision}{flag.get(self.flag, '')}"
        state = {"f32": "", "auto": ", default moments"}.get(
            self.state, f", {self.state} moments, bf16 parameters")
        limit = f", {self.memory} MB" if self.memory else ""
        return f"sparseft {method}, {self.base} base, {self.precision} products{state}{limit}"

    @property
    def key(self):
        return f"{self.shape} {self.label}"

    def steps(self, options):
        return options.large_steps if self.shape == "1.1b" else options.steps

    def runs(self, options):
        if self.shape == "1.1b" and options.no_large:
            return 0
        if self.side == "sparseft":
            return options.runs
        return 0 if options.peer_missing else options.peer_runs


def ours(method, base, precision, state="f32", **more):
    return Row("sparseft", method, precision, base, state, **more)


def torch(method, precision, flag="", **more):
    return Row("PyTorch", method, precision, flag=flag, **more)


STATES = ("f32", "auto", "int8")
SPARSE_BF16 = [ours("sparse", "bf16", "bf16", state) for state in STATES]
SPARSE_BYTES = [ours("sparse", "bf16", "int8", state) for state in STATES]
SPARSE_INT8 = [ours("sparse", "int8", "int8", state) for state in STATES]
SPARSE = SPARSE_BF16 + SPARSE_BYTES + SPARSE_INT8
LORA = [ours("lora", "bf16", precision) for precision in ("bf16", "int8")]
FULL = [ours("full", "bf16", "bf16", state) for state in STATES]
LARGE = [ours("sparse", "int8", "int8", "f32", shape="1.1b"),
         ours("sparse", "int8", "int8", "int8", shape="1.1b"),
         ours("sparse", "int8", "int8", "int4", memory=1600, shape="1.1b")]
LARGE_LORA = torch("lora", "bf16", shape="1.1b")

OURS = [ours("sparse", "f32", "f32"), *SPARSE, ours("lora", "f32", "f32"), *LORA,
        ours("full", "f32", "f32"), *FULL, *LARGE]
THEIRS = [torch(method, precision, flag) for method in ("sparse", "lora", "full")
          for precision, flag in (("f32", ""), ("bf16", ""), ("bf16", "--compile"))]
THEIRS += [torch("lora", "bf16", "--checkpointing"), LARGE_LORA,
           torch("lora", "bf16", "--checkpointing", shape="1.1b")]

SPEED, MEMORY = "tokens_per_second", "peak_bytes"


def targets():
    """Our row, what is compared, the other row (None: the limit is in MB), the limit."""
    peers = [(torch("lora", "bf16"), "3.5"), (torch("lora", "f32"), "6"),
             (torch("sparse", "bf16", "--compile"), "1.35")]
    for peer, limit in peers:
        for row in SPARSE:
            yield row, SPEED, peer, limit
    for peer, _ in peers:
        for row in SPARSE:
            yield row, MEMORY, peer, "1/4" if row.base == "int8" else "1/3"
    for row, *others in zip(SPARSE_INT8, SPARSE_BYTES, SPARSE_BF16):
        for other in others:
            yield row, SPEED, other, "1"
    for row in LORA:
        yield row, SPEED, torch("lora", "bf16", "--compile"), "1.6"
    for row in FULL:
        yield row, SPEED, torch("full", "bf16", "--compile"), "1.25"
    for row in LARGE:
        yield row, SPEED, LARGE_LORA, "3"
        yield row, MEMORY, None, "1600"


# Running


def child(*words):
    """Standard output's JSON lines; RuntimeError with the end of standard error if it fails."""
    unwanted = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    env = {k: v for k, v in os.environ.items() if k not in unwanted}
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=env)
    if result.returncode != 0:
        end = " ".join(result.stderr.split())[-300:]
        raise RuntimeError(f"exit code {result.returncode}: {end}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def checkpoint(row, options):
    """The path of the row's checkpoint, made if it is not there."""
    path = options.work / f"{row.shape}-{row.base}.sfckpt"
    if not path.exists():
        print(f"making {path}", file=sys.stderr)
        config = options.work / f"{row.shape}.json"
        config.write_text(json.dumps(SHAPES[row.shape], indent=1))
        child(SPARSEFT, "init", "--config", config, "--tokenizer", options.tokenizer,
              "--dtype", row.base, "-o", path)
    return path


def recipe(row, options):
    """PyTorch's side in sparseft's words: its defaults of AdamW, no clipping, a fixed rate."""
    method = {"type": row.method}
    if row.method == "sparse":
        top = TOP[row.shape]
        method["tensors"] = {f"{top}.attention.*": 1.0, f"{top}.mlp.up": 1.0}
    elif row.method == "lora":
        method |= {"rank": 8, "alpha": 16, "targets": "all_linear"}
    return {
        "model": str(checkpoint(row, options)),
        "output": str(options.work / "performance-run"),
        "data": {"train": [str(ROOT / "Sources")], "validation": 0, "sequence_length": 128},
        "method": method,
        "optimizer": {"type": "adamw", "learning_rate": 1e-4, "betas": [0.9, 0.999],
                      "weight_decay": 0.01, "clip_norm": None, "state": row.state,
                      "parameters": "bf16" if row.state in ("int8", "int4") else "f32"},
        "schedule": {"type": "constant", "warmup_steps": 0},
        "run": {"steps": row.steps(options), "batch_size": 4, "threads": options.threads,
                "precision": row.precision, "memory_mb": row.memory or None,
                "validate_every": 0, "save_every": 0, "prefix_cache_mb": 0},
    }


def run_sparseft(row, options, lines):
    path = options.work / "performance-recipe.json"
    path.write_text(json.dumps(recipe(row, options), indent=1))
    try:
        events = child(SPARSEFT, "finetune", path, "--json")
        # The peak of the CPU's arithmetic is measured once for each row.
        known = values(lines, row, "peak_flops")
        peak = None if known else child(SPARSEFT, "plan", path, "--json")[0]["peak_flops"]
    finally:
        shutil.rmtree(options.work / "performance-run", ignore_errors=True)
    start, plan, done = events[0], events[1], events[-1]
    counted = [e for e in events if e["type"] == "step"][SKIPPED:]
    return {SPEED: statistics.median(e["tokens_per_second"] for e in counted),
            MEMORY: done["peak_rss_bytes"], "planned_bytes": done["planned_bytes"],
            "flops_per_token": plan["flops_per_token"], "peak_flops": peak,
            "version": f"sparseft {start['version']}, {start['instruction_set']}"}


def run_torch(row, options, _):
    found = child(
        options.torch_python, options.peer, "--shape", row.shape, "--method", row.method,
        "--dtype", row.precision.replace("f32", "fp32"), "--threads", options.threads,
        "--steps", row.steps(options) - SKIPPED, *[row.flag] * bool(row.flag))[-1]
    # The peer says MB for 1024 · 1024 bytes.
    return {SPEED: found["tok_s"], MEMORY: found["peak_rss_mb"] * 2**20,
            "version": f"torch {found['torch']}"}


def conditions(options):
    """What all results of one benchmark have in common."""
    return {"threads": options.threads, "steps": options.steps, "large_steps": options.large_steps,
            "binary": hashlib.sha256(Path(SPARSEFT).read_bytes()).hexdigest()[:12]}


def opened(options):
    """The lines that are there already, the first of them the benchmark's conditions."""
    path = options.work / "results.jsonl"
    if options.resume and path.exists():
        # The last line may have been cut off.
        whole = [line for line in path.read_text().splitlines(True) if line.endswith("\n")]
        path.write_text("".join(whole))
        lines = [json.loads(line) for line in whole]
        if lines and lines[0]["conditions"] != conditions(options):
            raise SystemExit(f"{path} is of {lines[0]['conditions']},\nnot of "
                             f"{conditions(options)}: start anew, without --resume")
        if lines:
            return lines
    first = {"date": datetime.date.today().isoformat(), "conditions": conditions(options)}
    path.write_text(json.dumps(first) + "\n")
    return [first]


def attempt(row, options, lines):
    """The line of one run: its figures, or why it failed."""
    try:
        run = run_sparseft if row.side == "sparseft" else run_torch
        return {"row": row.key, **run(row, options, lines)}
    except RuntimeError as error:
        return {"row": row.key, "error": str(error)}


def measure(options):
    """All rounds; returns the lines of results.jsonl. A row that fails is not tried again."""
    lines = opened(options)
    done = Counter(line["row"] for line in lines if SPEED in line)
    failed = set()
    rows = [row for pair in itertools.zip_longest(OURS, THEIRS) for row in pair if row]
    rows.sort(key=lambda row: row.shape == "1.1b")  # large ones last, the sides in turn
    for number in range(max(row.runs(options) for row in rows)):
        for row in rows:
            if row in failed or not done[row.key] <= number < row.runs(options):
                continue
            line = attempt(row, options, lines)
            if "error" in line:
                failed.add(row)
            lines.append(line)
            with open(options.work / "results.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(f"round {number + 1}  {json.dumps(line)}", file=sys.stderr)
    return lines


# The report


def values(lines, row, key):
    found = [line.get(key) for line in lines if line.get("row") == row.key]
    return [value for value in found if value is not None]


def median(lines, row, key):
    found = values(lines, row, key) if row else []
    return statistics.median(found) if found else None


def shown(value, scale=1.0, unit=""):
    return "–" if value is None else f"{value * scale:.0f}{unit}"


def table(head, rows, left=1):
    ruler = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ruler, *rows]) + "\n"


def share_of_peak(lines, row):
    speed, flops, peak = (
        median(lines, row, key) for key in (SPEED, "flops_per_token", "peak_flops"))
    return speed * flops / peak if flops and peak else None


def result_table(lines, size):
    body = []
    for row in sorted((r for r in OURS + THEIRS if r.shape == size),
                      key=lambda r: ("sparse", "lora", "full").index(r.method)):
        speeds = values(lines, row, SPEED)
        spread = f" ({min(speeds):.0f}–{max(speeds):.0f})" if speeds else ""
        body.append([row.label, shown(median(lines, row, SPEED)) + spread,
                     shown(median(lines, row, MEMORY), 1e-6),
                     shown(median(lines, row, "planned_bytes"), 1e-6),
                     shown(share_of_peak(lines, row), 100, " %"), str(len(speeds))])
    return table(["row", "tokens/s, median (min–max)", "peak memory, MB", "planned, MB",
                  "share of peak", "runs"], body)


def target_row(lines, row, measured, other, limit):
    """Both sides, their ratio, and whether that is what was wanted."""
    is_speed = measured == SPEED
    scale, unit, sign = (1.0, " tokens/s", "≥") if is_speed else (1e-6, " MB", "≤")
    mine, theirs = median(lines, row, measured), median(lines, other, measured)
    against = theirs if other else 1e6
    value = mine / against if mine and against else None
    wanted = float(Fraction(limit))
    verdict = "not measured"
    if value is not None:
        verdict = "yes" if (value >= wanted if is_speed else value <= wanted) else "**no**"
    size = "" if row.shape == "134m" else f"{row.shape}: "
    return [size + row.label.removeprefix("sparseft "), shown(mine, scale, unit),
            other.label if other else "–", shown(theirs, scale, unit),
            f"{value:.3f}" if value and other else "–",
            f"{sign} {limit}" + ("" if other else unit), verdict]


def machine():
    """CPU model, and those of its instruction sets that matter here."""
    info = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    present = info.get("flags", info.get("Features", "")).split()
    return info.get("model name", platform.machine()), [f for f in FLAGS if f in present]


def measuring_arguments():
    """The command line without where the page goes."""
    words = sys.argv[1:]
    at = words.index("--report") if "--report" in words else len(words)
    return words[:at] + words[at + 2:]


def header(lines, options):
    """Where, when and with what it was measured."""
    model, flags = machine()
    versions = sorted({line["version"] for line in lines if "version" in line})
    peaks = []
    for precision in ("f32", "bf16", "int8"):
        found = [x for row in OURS if row.precision == precision
                 for x in values(lines, row, "peak_flops")]
        if found:
            peaks.append(f"{precision} {statistics.median(found) / 1e9:.0f} GFLOP/s")
    return "\n".join([
        f"- date: {lines[0]['date']}",
        f"- CPU: {model}, {os.cpu_count()} cores, {options.threads} threads used; "
        + f"{', '.join(flags)}",
        f"- peak of a step's products, measured by `sparseft plan`: {', '.join(peaks) or '–'}",
        f"- kernel: {platform.system()} {platform.release()}",
        f"- versions: {'; '.join(versions)}",
        f"- command: `{shlex.join(['python3', 'docs/performance.py', *measuring_arguments()])}`",
    ]) + "\n"


def explanation(options):
    small, large = options.steps, options.large_steps
    return f"""Batches of 4×128 tokens, AdamW, {small} steps a run ({large} of the 1.1b shape).
A run's tokens/s is the median of its steps after the first {SKIPPED}; tables show medians over
runs, and ratios are those of medians. The two sides' runs alternate. Memory is the process's own
peak, libraries and mapped weights included, in MB of 1,000,000 bytes on both sides (PyTorch's is
read in units of 1,048,576 bytes and converted). "Base" is how the checkpoint is stored, "products"
the precision of arithmetic. Moments and parameters are f32 unless a row says otherwise; PyTorch in
bf16 keeps parameters, gradients and moments in bf16. Share of peak: the time that the step would
take if each of its products ran at the peak of dot products of what it multiplies (f32, bf16 or
int8), which `sparseft plan` measures on all threads, over the time that it takes.
"""


def report(lines, options):
    """Writes the page; what stands above the marker stays."""
    path = options.report
    text = path.read_text(encoding="utf-8") if path.exists() else INTRODUCTION
    kept = text.partition(MARKER)[0].rstrip()
    measured = {line["row"] for line in lines if SPEED in line}
    errors = {line["row"]: line["error"] for line in lines if "error" in line}
    parts = [kept, MARKER, "## Measured", header(lines, options), explanation(options)]
    if not any(row.key in measured for row in THEIRS):
        parts.append(f"PyTorch's side was not run: {options.peer_missing or 'see below'}.")
    parts += [f"- {row} failed: `{error.replace('`', ' ')}`" for row, error in errors.items()
              if row not in measured]
    for size in SHAPES:
        parts += [f"### {size}", result_table(lines, size)]
    parts += ["### Targets", table(
        ["sparseft", "measured", "against", "measured", "ratio", "target", "reached"],
        [target_row(lines, *target) for target in targets()])]
    path.write_text("\n\n".join(part.rstrip() for part in parts) + "\n", encoding="utf-8")


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, venv = parser.add_argument, Path("/tmp/venv/bin/python")
    add("--work", type=Path, default="/tmp/sparseft-bench", help="folder of checkpoints, results")
    add("--tokenizer", type=Path, default=SHARED / "data/tokenizer-llama2",
        help="a SentencePiece model of 32000 pieces, or its folder")
    add("--threads", type=int, default=2)
    add("--steps", type=int, default=8, help=f"of a run; the first {SKIPPED} do not count")
    add("--large-steps", type=int, default=5, help="the same for the 1.1b shape")
    add("--runs", type=int, default=7, help="of each row of sparseft")
    add("--peer-runs", type=int, default=5, help="of each row of PyTorch")
    add("--no-large", action="store_true", help="leave the 1.1b shape out")
    add("--torch-python", default=str(venv) if venv.exists() else None,
        help="a Python with torch, transformers and peft")
    add("--peer", type=Path, default=SHARED / "peers/torch_finetune.py", help="PyTorch's script")
    add("--report", type=Path, default=ROOT / "docs/performance.md", help="the page to write")
    add("--resume", action="store_true", help="keep the results of an interrupted benchmark")
    options = parser.parse_args()
    if min(options.steps, options.large_steps) <= SKIPPED:
        parser.error(f"the first {SKIPPED} steps do not count; give more")
    options.work = options.work.resolve()
    os.environ["XDG_CACHE_HOME"] = str(options.work / "cache")  # choices of back-ends
    if options.tokenizer.is_dir():
        options.tokenizer /= "tokenizer.model"
    needed = [options.torch_python or "Python with torch (--torch-python)", options.peer]
    options.peer_missing = next((f"no {x}" for x in needed if not Path(x).exists()), None)
    if not Path(SPARSEFT).exists():
        parser.error(f"no {SPARSEFT}: make build")
    return options


def main():
    options = parsed()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        report(measure(options), options)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; --resume goes on") from None


if __name__ == "__main__":
    main()
