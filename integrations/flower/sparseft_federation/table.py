"""Prints a federation's rounds, and checks the averages with numpy and with the program.

    python3 -m sparseft_federation.table OUTPUT BASE PROGRAM

Of masked sums the server has no updates; what it has is held against the copies that clients kept,
in OUTPUT/clients if they are on this machine.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from . import delta_file


def updates_of(path: str) -> tuple[np.ndarray, list[delta_file.Arrays]]:
    """The weights and updates of a round's clients."""
    file = np.load(path)
    weights = file["weights"].astype(np.float64)
    updates: list[delta_file.Arrays] = [{} for _ in weights]
    for name in file.files:
        client, slash, array = name.partition("/")
        if slash:
            updates[int(client)][array] = file[name]
    return weights, updates


def check(output: str, table: dict, base: delta_file.Base, program: str) -> list[str]:
    """Recomputes the sum of all rounds' weighted means: in numpy, and by `merge-deltas`."""
    rounds = [row["round"] for row in table["rounds"] if row["replies"]]
    expected: delta_file.Arrays = {}
    for number in rounds:
        weights, updates = updates_of(f"{output}/round-{number}.npz")
        for name in updates[0]:
            stacked = np.stack([u[name] for u in updates]).astype(np.float64)
            mean = np.average(stacked, axis=0, weights=weights)
            before = expected.get(name, np.zeros_like(updates[0][name]))
            expected[name] = (before + mean).astype(np.float32)
    found = delta_file.read(f"{output}/global.sfdelta", base)
    worst = max(float(np.abs(found[n] - expected[n]).max()) for n in expected)
    lines = [f"average against numpy: largest difference {worst:.1e}"]
    weights, updates = updates_of(f"{output}/round-{rounds[-1]}.npz")
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for index, update in enumerate(updates):
            names.append(f"{folder}/{index}.sfdelta")
            delta_file.write(names[-1], base, update)
        shares = weights / weights.sum()
        texts = [repr(float(share)) for share in shares]
        subprocess.run(
            [program, "merge-deltas", *names, "--weights", *texts, "-o", f"{folder}/mean.sfdelta"],
            check=True, capture_output=True,
        )
        merged = delta_file.read(f"{folder}/mean.sfdelta", base)
    worst = 0.0
    for name in updates[0]:
        total = np.zeros(updates[0][name].shape)
        for share, update in zip(shares, updates, strict=True):
            total += share * update[name].astype(np.float64)
        worst = max(worst, float(np.abs(total.astype(np.float32) - merged[name]).max()))
    lines.append(f"merge-deltas against numpy: largest difference {worst:.1e}")
    return lines


def quantisation(output: str, table: dict, base: delta_file.Base) -> list[str]:
    """How far masked means are from the exact ones of the clients' own copies."""
    lines, before = [], None
    for row in table["rounds"]:
        path = f"{output}/sum-{row['round']}.sfdelta"
        if not row["replies"] or not os.path.exists(path):
            continue
        after = delta_file.read(path, base)
        copies = sorted(glob.glob(f"{output}/clients/*/round-{row['round']}.sfdelta"))
        if len(copies) != row["replies"]:
            lines.append(f"round {row['round']}: {len(copies)} copies of {row['replies']} updates")
            before = after
            continue
        weights = [delta_file.metrics_of(copy)["tokens"] for copy in copies]
        updates = [delta_file.read(copy, base) for copy in copies]
        squares = total = worst = 0.0
        for name in after:
            stacked = np.stack([update[name] for update in updates]).astype(np.float64)
            mean = np.average(stacked, axis=0, weights=weights)
            found = after[name].astype(np.float64) - (before[name] if before else 0)
            squares += float(((found - mean) ** 2).sum())
            total += float((mean**2).sum())
            worst = max(worst, float(np.abs(found - mean).max()))
        share = (squares / total) ** 0.5
        lines.append(
            f"round {row['round']}: masked mean against the exact one: {share:.1e} of its size "
            f"(rms), at most {worst:.1e}; range {row['range']:g}"
        )
        before = after
    return lines


def main() -> None:
    output, model, program = sys.argv[1:4]
    base = delta_file.base_of(model)
    with open(f"{output}/rounds.json", encoding="utf-8") as file:
        table = json.load(file)
    print(f"{table['strategy']}, {json.dumps(table['method'])}, {table['seconds']:.0f} s")
    print("| round | clients | updates | down, kB | up, kB | held-out loss |")
    print("|---|---|---|---|---|---|")
    print(f"| 0 | | | | | {table['initial_loss']:.4f} |")
    for row in table["rounds"]:
        print(
            f"| {row['round']} | {row['clients']} | {row['replies']} | "
            f"{row['bytes_down'] / 1000:.0f} | {row['bytes_up'] / 1000:.0f} | {row['loss']:.4f} |"
        )
    base_bytes = os.path.getsize(model)
    print(f"the base's file: {base_bytes / 1000:.0f} kB")
    for row in table["rounds"]:
        for refused in row["refused"]:
            print(f"round {row['round']}: without node {refused['node']}: {refused['reason']}")
        if "halted" in row:
            print(f"round {row['round']}: no mean: {row['halted']}")
    # merge-deltas stacks the factors that lora_fa's clients share.
    is_checked = table["strategy"] == "RowAverage" and table["method"]["type"] != "lora_fa"
    if is_checked and glob.glob(f"{glob.escape(output)}/round-*.npz"):
        print("\n".join(check(output, table, base, program)))
    if table["strategy"] == "MaskedAverage":
        print("\n".join(quantisation(output, table, base)))


if __name__ == "__main__":
    main()
