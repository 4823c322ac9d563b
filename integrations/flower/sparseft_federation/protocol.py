"""What server and clients agree on before anything is trained."""

import hashlib
import json

import numpy as np
from flwr.app import Array, ArrayRecord

from .delta_file import Arrays


# Values and weights beyond are no training's; sums of those within are finite.
LARGEST_VALUE, LARGEST_WEIGHT = 2.0**20, 2**40


class Refusal(Exception):
    """A client and a server that don't fit; the text says why."""


def scheme_hash(method: dict) -> str:
    """What a scheme is known by: which tensors train, and how."""
    return hashlib.sha256(json.dumps(method, sort_keys=True).encode()).hexdigest()


def record(arrays: Arrays) -> ArrayRecord:
    """Arrays as they travel: exactly the changed rows, f32."""
    return ArrayRecord({name: Array(np.asarray(a, np.float32)) for name, a in arrays.items()})


def arrays_of(message: ArrayRecord) -> Arrays:
    return {name: array.numpy() for name, array in message.items()}


def byte_count(message: ArrayRecord) -> int:
    """Bytes of a record's arrays as they are sent."""
    return sum(len(array.data) for array in message.values())


def is_left_factor(name: str) -> bool:
    return name.endswith(".lora_a")


def is_right_factor(name: str) -> bool:
    return name.endswith(".lora_b")


def completed(update: Arrays, shapes: dict[str, tuple]) -> Arrays:
    """An update in the order and with all arrays of the scheme: rows that a client left out did not
    change."""
    other = [name for name in update if name not in shapes]
    if other:
        raise Refusal(f"the update changes '{other[0]}', which the scheme does not")
    return {
        name: update[name] if name in update else np.zeros(shape, np.float32)
        for name, shape in shapes.items()
    }


def problem(arrays: Arrays, shapes: dict[str, tuple]) -> str | None:
    """Why an update is not one of the scheme; None if it is."""
    for name, shape in shapes.items():
        if name not in arrays:
            return f"'{name}' is missing"
        if arrays[name].dtype != np.float32:
            return f"'{name}' is of type {arrays[name].dtype}, expected float32"
        if arrays[name].shape != tuple(shape):
            return f"'{name}' has the shape {arrays[name].shape}, expected {tuple(shape)}"
        if not np.isfinite(arrays[name]).all():
            return f"'{name}' has values that are not finite"
        if np.abs(arrays[name]).max(initial=0) > LARGEST_VALUE:
            return f"'{name}' has values beyond {LARGEST_VALUE:.0f}"
    other = [name for name in arrays if name not in shapes]
    return f"'{other[0]}' is not in the scheme" if other else None
