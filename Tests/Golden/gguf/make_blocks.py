#!/usr/bin/env python3
"""blocks.gguf: tensors of every element type that is read, and their values as `gguf` widens them.

    pip install gguf numpy
    python3 Tests/Golden/gguf/make_blocks.py [OUTPUT]

For each type a tensor NAME of random bytes, whose values are finite, and a tensor NAME.f32 with the
values. For types that are written, too, a tensor "rounded to NAME" of what `gguf` makes of the tensor
"values". The metadata has a value of each kind. Fixed seed: the same versions give the same file.
"""

import pathlib
import sys

import gguf
import numpy
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
         "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"]
WRITTEN = ["F16", "BF16", "Q8_0", "Q4_0"]
ROWS = 3
KEYS = {
    "uint8": gguf.GGUFValueType.UINT8, "int8": gguf.GGUFValueType.INT8,
    "uint16": gguf.GGUFValueType.UINT16, "int16": gguf.GGUFValueType.INT16,
    "uint32": gguf.GGUFValueType.UINT32, "int32": gguf.GGUFValueType.INT32,
    "uint64": gguf.GGUFValueType.UINT64, "int64": gguf.GGUFValueType.INT64,
}


def random_rows(kind, random):
    """ROWS rows of 256 elements as bytes, and their values."""
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = []
    while len(blocks) < ROWS * 256 // elements:
        block = numpy.frombuffer(random.bytes(size), dtype=numpy.uint8)
        with numpy.errstate(all="ignore"):
            values = widened(block[None], kind)
        if numpy.isfinite(values).all():
            blocks.append(block)
    rows = numpy.stack(blocks).reshape(ROWS, -1)
    return rows, widened(rows, kind)


def widened(rows, kind):
    if kind == Type.F16:
        return rows.view(numpy.float16).astype(numpy.float32)
    return gguf.quants.dequantize(rows, kind).astype(numpy.float32)


def main():
    default = pathlib.Path(__file__).parent / "blocks.gguf"
    output = sys.argv[1] if len(sys.argv) > 1 else str(default)
    random = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(output, "blocks")
    for name, kind in KEYS.items():
        bits = int(name.strip("uint"))
        low = name.startswith("int")
        writer.add_key_value(f"value.{name}", -(1 << bits - 1) if low else (1 << bits) - 1, kind)
    writer.add_float32("value.float32", 0.1)
    writer.add_float64("value.float64", 0.1)
    writer.add_bool("value.bool", True)
    writer.add_string("value.string", "größer 🙂")
    writer.add_array("value.strings", ["a", "", "größer"])
    writer.add_array("value.integers", [1, -2, 3])
    writer.add_array("value.floats", [0.5, -0.25])
    writer.add_array("value.nested", [[1, 2], [3, 4]])
    for name in TYPES:
        rows, values = random_rows(Type[name], random)
        if name == "F16":
            writer.add_tensor(name, rows.view(numpy.float16))
        else:
            writer.add_tensor(name, rows, raw_dtype=Type[name])
        writer.add_tensor(name + ".f32", values)
    values = (random.normal(size=(ROWS, 256)) * random.uniform(0.1, 9, size=(ROWS, 256))).astype("f4")
    values[0, :32] = 0
    # Halves of a step, which rounding has to settle.
    values[1, :32] = numpy.arange(-16, 16) / 2 + 0.25
    values[2, :32] = (numpy.arange(32) * 8 - 127) / 2
    writer.add_tensor("values", values)
    for name in WRITTEN:
        rounded = gguf.quants.quantize(values, Type[name])
        if name == "F16":
            writer.add_tensor("rounded to F16", rounded)
        else:
            writer.add_tensor(f"rounded to {name}", rounded, raw_dtype=Type[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
