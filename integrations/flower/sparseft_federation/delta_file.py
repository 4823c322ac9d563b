"""Reads and writes `.sfdelta` files as docs/format.md describes them.

An update is a dict of arrays by name: `NAME` or `NAME@FIRST` hold what is added to rows of the
parameter NAME from row FIRST on, `NAME.lora_a` and `NAME.lora_b` factors whose product is added.
"""

import hashlib
import json
import struct
from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]

PREAMBLE = 64
MAGIC = {"checkpoint": b"SFCKPT\r\n", "delta": b"SFDELT\r\n"}
HEADER_LIMIT = 1 << 26


class DamagedFile(Exception):
    """A file that contradicts its format."""


@dataclass(frozen=True)
class Base:
    """What binds an update to a checkpoint."""

    content_hash: str
    configuration: dict


def aligned(offset: int) -> int:
    return -(-offset // 64) * 64


def _header(path: str, kind: str) -> tuple[bytes, dict, int]:
    """The preamble's hash, the header, and where the data starts."""
    with open(path, "rb") as file:
        preamble = file.read(PREAMBLE)
        if len(preamble) < PREAMBLE or preamble[:8] != MAGIC[kind]:
            raise DamagedFile(f"'{path}' is no {kind}")
        length = struct.unpack("<Q", preamble[16:24])[0]
        if not 2 <= length <= HEADER_LIMIT:
            raise DamagedFile(f"'{path}': a header of {length} bytes")
        text = file.read(length)
    try:
        header = json.loads(text)
    except ValueError as error:
        raise DamagedFile(f"'{path}': its header: {error}") from error
    if len(text) < length or not isinstance(header, dict):
        raise DamagedFile(f"'{path}' is cut short")
    return preamble[32:64], header, aligned(PREAMBLE + length)


def base_of(checkpoint: str) -> Base:
    """The hash and configuration of a checkpoint; its weights are not read."""
    digest, header, _ = _header(checkpoint, "checkpoint")
    return Base(digest.hex(), header["configuration"])


def metrics_of(path: str) -> dict:
    """What a delta says was measured of it."""
    metrics = _header(path, "delta")[1].get("metrics")
    return metrics if isinstance(metrics, dict) else {}


def _elements(data: bytes, tensor: dict) -> np.ndarray:
    count = int(np.prod(tensor["shape"], dtype=np.int64))
    start, kind = tensor["offset"], tensor["type"]
    width = {"f32": 4, "bf16": 2, "int8": 1}[kind]
    if start < 0 or start + count * width > len(data):
        raise DamagedFile(f"tensor '{tensor['name']}' lies outside of the file")
    if kind == "f32":
        values = np.frombuffer(data, "<f4", count, start)
    elif kind == "bf16":
        words = np.frombuffer(data, "<u2", count, start).astype("<u4") << 16
        values = words.view("<f4")
    else:
        rows = tensor["shape"][0]
        scales = np.frombuffer(data, "<f4", rows, tensor["scales_offset"])
        values = np.frombuffer(data, "i1", count, start).reshape(rows, -1) * scales[:, None]
    return values.astype(np.float32).reshape(tensor["shape"])


def read(path: str, base: Base) -> Arrays:
    """The update that a file of differences or factors holds."""
    digest, header, start = _header(path, "delta")
    with open(path, "rb") as file:
        whole = file.read()
    if hashlib.sha256(whole[PREAMBLE:]).digest() != digest:
        raise DamagedFile(f"'{path}': its hash is another one")
    if header["base"]["content_hash"] != base.content_hash:
        raise DamagedFile(f"'{path}' is of another checkpoint")
    data = whole[start:]
    tensors = {tensor["name"]: _elements(data, tensor) for tensor in header["tensors"]}
    for entry in header["entries"]:
        if entry["encoding"] == "low_rank":
            # So that one array says it all.
            tensors[entry["name"] + ".lora_b"] *= np.float32(entry["scale"])
        elif entry["encoding"] != "difference":
            raise DamagedFile(
                f"'{path}': '{entry['name']}' is stored as {entry['encoding']}; federated rounds "
                "take differences of rows and low-rank factors ('export-delta --relative')"
            )
    return tensors


def _entries(arrays: Arrays) -> list[dict]:
    entries = []
    for name, array in arrays.items():
        if name.endswith(".lora_b"):
            continue
        if name.endswith(".lora_a"):
            entries.append({"name": name[:-7], "encoding": "low_rank", "scale": 1})
            continue
        parameter, _, first = name.partition("@")
        entries.append(
            {
                "name": parameter,
                "encoding": "difference",
                "first_row": int(first or 0),
                "rows": array.shape[0],
            }
        )
    return entries


def write(path: str, base: Base, arrays: Arrays, metrics: dict | None = None) -> None:
    """Writes an update as a delta of the base."""
    tensors, sections, end = [], [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, "<f4").tobytes()
        offset = aligned(end)
        sections.append((offset, data))
        end = offset + len(data)
        tensors.append(
            {
                "name": name,
                "type": "f32",
                "shape": list(array.shape),
                "offset": offset,
                "length": len(data),
            }
        )
    header = {
        "kind": "delta",
        "base": {"content_hash": base.content_hash, "configuration": base.configuration},
        "method": None,
        "recipe": None,
        "metrics": metrics,
        "entries": _entries(arrays),
        "blobs": [],
        "tensors": tensors,
    }
    text = json.dumps(header).encode()
    start = aligned(PREAMBLE + len(text))
    body = bytearray(start - PREAMBLE + end)
    body[: len(text)] = text
    for offset, data in sections:
        place = start - PREAMBLE + offset
        body[place : place + len(data)] = data
    preamble = MAGIC["delta"] + struct.pack("<IIQQ", 1, 0, len(text), PREAMBLE + len(body))
    with open(path, "wb") as file:
        file.write(preamble + hashlib.sha256(body).digest() + body)
