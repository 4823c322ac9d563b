"""Runs the sparseft program."""

import json
import os
import subprocess
from dataclasses import dataclass, field

from . import delta_file
from .delta_file import Arrays, Base

# What a server decides for everybody; the rest of a recipe is a client's own.
SHARED_KEYS = ("seed", "method", "analysis", "optimizer", "schedule", "run", "privacy")
SHARED_DATA = (
    "sequence_length", "document_separator", "append_eos", "train_on", "chat_template", "long_rows",
    "shuffle",
)


class ProgramFailed(Exception):
    """The program ended with an error, whose text this is."""


@dataclass
class Training:
    """What a client's training gave."""

    update: Arrays
    tokens: int
    metrics: dict[str, float] = field(default_factory=dict)


def shared_part(recipe: dict) -> dict:
    """The part of a recipe that a server sends to clients: no path and no text."""
    shared = {key: recipe[key] for key in SHARED_KEYS if key in recipe}
    data = recipe.get("data", {})
    shared["data"] = {key: data[key] for key in SHARED_DATA if key in data}
    shared.get("run", {}).pop("sample", None)
    return shared


def of_round(shared: dict, server_round: int) -> dict:
    """The recipe of a round: with a seed of its own, so that clients go on to other windows.

    The seed stays where it decides what clients share: the frozen factor of `lora_fa`, and the
    tensors of a random scheme.
    """
    method = shared["method"]
    if method["type"] == "lora_fa" or method.get("tensors") == "random":
        return shared
    return {**shared, "seed": shared.get("seed", 0) + server_round - 1}


def call(arguments: list[str]) -> str:
    outcome = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        lines = [line for line in outcome.stderr.splitlines() if "error" in line.lower()]
        raise ProgramFailed("; ".join(lines) or f"exit code {outcome.returncode}")
    return outcome.stdout


def train(
    program: str, model: str, base: Base, text: list[str], shared: dict, start: Arrays, folder: str,
    overrides: dict | None = None,
) -> Training:
    """Trains from the base with an update, and returns the difference that it made.

    The folder is the caller's, who also removes it.
    """
    recipe = json.loads(json.dumps(shared))
    recipe["model"] = os.path.abspath(model)
    recipe["output"] = "run"
    recipe["data"]["train"] = [os.path.abspath(path) for path in text]
    for key, value in (overrides or {}).items():
        section, _, name = key.partition(".")
        recipe.setdefault(section, {})[name] = value
        if value is None:
            del recipe[section][name]
    if any(array.any() for array in start.values()):
        delta_file.write(f"{folder}/global.sfdelta", base, start)
        recipe["deltas"] = ["global.sfdelta"]
    path = f"{folder}/recipe.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(recipe, file)
    events = [
        json.loads(line) for line in call([program, "finetune", path, "--json"]).splitlines()
    ]
    difference = f"{folder}/update.sfdelta"
    call([program, "export-delta", f"{folder}/run", "-o", difference, "--relative"])
    done = next(event for event in events if event["type"] == "done")
    losses = [event["loss"] for event in events if event["type"] == "step"]
    validations = [event for event in events if event["type"] == "validation"]
    metrics = {"seconds": done["seconds"]}
    # Losses have no noise, so a private client keeps them.
    if "privacy" not in shared:
        metrics["loss"] = losses[-1]
    if validations:
        if "privacy" not in shared:
            metrics["validation-loss"] = validations[-1]["loss"]
        if validations[-1].get("epsilon") is not None:
            metrics["epsilon"] = validations[-1]["epsilon"]
    return Training(delta_file.read(difference, base), done["tokens"], metrics)


def evaluate(
    program: str, model: str, base: Base, text: str, update: Arrays, length: int, folder: str
) -> float:
    """The loss of the base with an update on a text, in nats per token."""
    arguments = [program, "eval", "--model", model, "--data", text, "--json"]
    arguments += ["--sequence-length", str(length)]
    if any(array.any() for array in update.values()):
        delta_file.write(f"{folder}/scored.sfdelta", base, update)
        arguments += ["--delta", f"{folder}/scored.sfdelta"]
    return json.loads(call(arguments))["loss"]
