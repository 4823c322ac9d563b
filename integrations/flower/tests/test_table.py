"""When a table of rounds ends with the check of averages."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from unittest import mock

import numpy as np
from test_client import write_checkpoint

from sparseft_federation import table


def printed(numbers):
    """What the table of two rounds prints, of which updates are there of those with these numbers."""
    row = {"clients": 2, "bytes_down": 8, "bytes_up": 8, "loss": 1.0, "refused": []}
    rounds = [{"round": n, "replies": 2 * (n in numbers), **row} for n in (1, 2)]
    summary = {
        "strategy": "RowAverage", "method": {"type": "norms"}, "seconds": 1, "initial_loss": 2.0,
        "rounds": rounds,
    }
    with tempfile.TemporaryDirectory(prefix="a[b]-") as folder:
        model, output = os.path.join(folder, "base.sfckpt"), io.StringIO()
        write_checkpoint(model, b"\xab" * 32)
        with open(os.path.join(folder, "rounds.json"), "w", encoding="utf-8") as file:
            json.dump(summary, file)
        for number in numbers:
            np.savez(os.path.join(folder, f"round-{number}.npz"), weights=[1, 2])
        with (
            mock.patch("sys.argv", ["table", folder, model, "sparseft"]),
            mock.patch.object(table, "check", lambda *_: ["checked"]),
            contextlib.redirect_stdout(output),
        ):
            table.main()
    return output.getvalue()


class Tables(unittest.TestCase):
    def test_any_round_with_updates_is_checked(self):
        self.assertIn("checked", printed([1, 2]))
        # Nobody answered in the first round.
        self.assertIn("checked", printed([2]))
        self.assertNotIn("checked", printed([]))


if __name__ == "__main__":
    unittest.main()
