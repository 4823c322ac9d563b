"""What a client refuses before it trains, and with what words."""

import json
import os
import struct
import tempfile
import unittest
from types import SimpleNamespace

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from sparseft_federation import client_app, program
from sparseft_federation.protocol import Refusal


def write_checkpoint(path, digest):
    """The start of a checkpoint, which is all that is read of it."""
    header = json.dumps({"configuration": {"width": 5}}).encode()
    with open(path, "wb") as file:
        file.write(b"SFCKPT\r\n" + struct.pack("<IIQQ", 2, 0, len(header), 64 + len(header)))
        file.write(digest + header)


class Refusals(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.model = os.path.join(self.folder.name, "base.sfckpt")
        write_checkpoint(self.model, b"\xab" * 32)

    def tearDown(self):
        self.folder.cleanup()

    def answer(self, base="ab" * 32, **node):
        recipe = {"method": {"type": "norms"}, "data": {}}
        config = ConfigRecord({"base": base, "recipe": json.dumps(recipe), "shapes": "{}"})
        message = SimpleNamespace(
            content=RecordDict({"arrays": ArrayRecord(), "config": config})
        )
        settings = {"model": self.model, "sparseft": "/nonexistent", "text": "t", **node}
        context = SimpleNamespace(node_config=settings)
        return client_app._trained(message, context, self.folder.name)

    def test_another_base(self):
        with self.assertRaisesRegex(Refusal, "hash abababababab, the federation trains cdcd"):
            self.answer(base="cd" * 32)

    def test_another_scheme(self):
        path = os.path.join(self.folder.name, "method.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"type": "full"}, file)
        with self.assertRaisesRegex(Refusal, 'agreed to train {"type": "full"}'):
            self.answer(method=path)

    def test_an_unnamed_text(self):
        with self.assertRaisesRegex(Refusal, "does not name 'text'"):
            self.answer(text="")

    def test_a_recipe_brings_no_paths(self):
        shared = program.shared_part(
            {
                "seed": 1, "model": "m", "output": "o", "deltas": ["d"], "compare": [],
                "data": {"train": ["x"], "sequence_length": 8}, "method": {"type": "norms"},
                "run": {"steps": 2, "sample": {"prompt": "p"}},
            }
        )
        self.assertEqual(
            shared,
            {
                "seed": 1, "method": {"type": "norms"}, "run": {"steps": 2},
                "data": {"sequence_length": 8},
            },
        )

    def test_a_round_has_windows_of_its_own(self):
        rows = {"seed": 5, "method": {"type": "norms"}}
        self.assertEqual([program.of_round(rows, n)["seed"] for n in (1, 2, 3)], [5, 6, 7])
        self.assertEqual(rows["seed"], 5)
        # What clients share comes from the seed.
        for method in ({"type": "lora_fa"}, {"type": "sparse", "tensors": "random"}):
            frozen = {"seed": 5, "method": method}
            self.assertEqual(program.of_round(frozen, 3)["seed"], 5)


if __name__ == "__main__":
    unittest.main()
