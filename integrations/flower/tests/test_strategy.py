"""Strategies against plain numpy, refusals, and files; without a network.

    PYTHONPATH=integrations/flower python -m unittest discover integrations/flower/tests
"""

import os
import tempfile
import unittest
from types import SimpleNamespace

import numpy as np
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from sparseft_federation import delta_file
from sparseft_federation.protocol import Refusal, arrays_of, completed, record
from sparseft_federation.strategy import RowAdam, RowAverage, StackedFactors

RANDOM = np.random.default_rng(0)
ROWS = {"layers[0].mlp.up@3": (4, 5), "norm": (5,)}
FACTORS = {"m.lora_a": (2, 6), "m.lora_b": (7, 2)}
WEIGHTS = [10, 20, 70]


def arrays(shapes):
    return {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def reply(update, weight, base="b", scheme="s", **metrics):
    content = RecordDict(
        {
            "arrays": record(update),
            "metrics": MetricRecord({"num-examples": weight, "loss": 1.0, **metrics}),
            "origin": ConfigRecord({"base": base, "scheme": scheme}),
        }
    )
    metadata = SimpleNamespace(src_node_id=7, reply_to_message_id="")
    return SimpleNamespace(content=content, metadata=metadata, has_error=lambda: False)


def instruction(node):
    """What a round sends to a node."""
    return SimpleNamespace(metadata=SimpleNamespace(message_id=f"to {node}", dst_node_id=node))


def mean(updates, name):
    stacked = np.stack([update[name] for update in updates]).astype(np.float64)
    return np.average(stacked, axis=0, weights=WEIGHTS)


def aggregate(strategy, shapes, current, replies, silent=(), **settings):
    """One round's sum, and the strategy; as many of three nodes are silent as are named."""
    built = strategy(fraction_evaluate=0.0, **settings)
    built._construct_messages = lambda content, nodes, kind: [instruction(n) for n in nodes]
    built.expect(shapes, "b", "s")
    grid = SimpleNamespace(get_node_ids=lambda: [1, 2, 3])
    built.configure_train(1, record(current), ConfigRecord(), grid)
    for node, message in enumerate(replies[: 3 - len(silent)], start=1):
        message.metadata.reply_to_message_id = f"to {node}"
    total, _ = built.aggregate_train(1, replies)
    return arrays_of(total), built


class Strategies(unittest.TestCase):
    def test_rows_are_averaged_exactly(self):
        updates, current = [arrays(ROWS) for _ in WEIGHTS], arrays(ROWS)
        replies = [reply(u, w) for u, w in zip(updates, WEIGHTS)]
        total, strategy = aggregate(RowAverage, ROWS, current, replies)
        for name in ROWS:
            expected = (current[name] + mean(updates, name)).astype(np.float32)
            np.testing.assert_array_equal(total[name], expected)
        row = strategy.rounds[1]
        self.assertEqual((row["clients"], row["replies"]), (3, 3))
        self.assertGreaterEqual(row["bytes_up"], 3 * 4 * (20 + 5))

    def test_strangers_are_refused(self):
        updates, current = [arrays(ROWS) for _ in WEIGHTS], arrays(ROWS)
        whole = updates[0]
        strangers = {
            "its base is": reply(whole, 5, base="c"),
            "its scheme is": reply(whole, 5, scheme="t"),
            "is missing": reply({"norm": whole["norm"]}, 5),
            "has the shape": reply({**whole, "norm": np.zeros(6, np.float32)}, 5),
            "not in the scheme": reply({**whole, "head": whole["norm"]}, 5),
            "not finite": reply({name: value * np.nan for name, value in whole.items()}, 5),
            "beyond 1048576": reply({**whole, "norm": np.full(5, 2.0**21, np.float32)}, 5),
            "'num-examples' is 0, expected 1 to": reply(whole, 0),
            "'num-examples' is 0.5, expected 1 to": reply(whole, 0.5),
            f"'num-examples' is {2**41}, expected 1 to": reply(whole, 2**41),
            "'num-examples' is no finite": reply(whole, [5, 5]),
            "'loss' is no finite": reply(whole, 5, loss=[1.0, 2.0]),
            "'seconds' is no finite": reply(whole, 5, seconds=float("nan")),
            "no metrics": reply(whole, 5),
        }
        strangers["no metrics"].content["metrics"] = ConfigRecord({"num-examples": 5})
        replies = [reply(u, w) for u, w in zip(updates, WEIGHTS)] + list(strangers.values())
        total, strategy = aggregate(RowAverage, ROWS, current, replies)
        for text, refused in zip(strangers, strategy.rounds[1]["refused"], strict=True):
            self.assertIn(text, refused["reason"])
        expected = (current["norm"] + mean(updates, "norm")).astype(np.float32)
        np.testing.assert_array_equal(total["norm"], expected)

    def test_metrics_that_some_lack_are_left_out(self):
        updates, current = [arrays(ROWS) for _ in WEIGHTS], arrays(ROWS)
        more = [{"epsilon": 1.0}, {"loss": 2.0}, {}]
        replies = [reply(u, w, **m) for u, w, m in zip(updates, WEIGHTS, more)]
        _, strategy = aggregate(RowAverage, ROWS, current, replies)
        metrics = strategy.metrics(replies)
        self.assertEqual(list(metrics), ["loss"])
        self.assertAlmostEqual(metrics["loss"], 1.2)

    def test_nodes_that_are_gone_are_named(self):
        updates, current = [arrays(ROWS) for _ in WEIGHTS], arrays(ROWS)
        replies = [reply(updates[0], 10)]
        # The SuperLink answers for a node that it has lost.
        gone = SimpleNamespace(
            has_error=lambda: True, error=SimpleNamespace(reason="node unavailable", code=5),
            metadata=SimpleNamespace(src_node_id=1, reply_to_message_id="to 2"),
        )
        total, strategy = aggregate(RowAverage, ROWS, current, [*replies, gone], silent=[3])
        row = strategy.rounds[1]
        self.assertEqual((row["clients"], row["replies"]), (3, 1))
        self.assertEqual(
            [(r["node"], r["reason"]) for r in row["refused"]],
            [("2", "node unavailable"), ("3", "it did not answer in time")],
        )
        expected = (current["norm"] + updates[0]["norm"].astype(np.float64)).astype(np.float32)
        np.testing.assert_array_equal(total["norm"], expected)

    def test_only_the_first_round_waits_for_all(self):
        built = RowAverage(fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=3)
        built._construct_messages = lambda content, nodes, kind: [instruction(n) for n in nodes]
        built.expect(ROWS, "b", "s")
        present = iter([[1, 2], [1, 2], [1, 2, 3], [1, 2], [1, 2]])
        grid = SimpleNamespace(get_node_ids=lambda: next(present))
        built.configure_train(1, record(arrays(ROWS)), ConfigRecord(), grid)
        built.configure_train(2, record(arrays(ROWS)), ConfigRecord(), grid)
        self.assertIsNone(next(present, None))

    def test_adam_steps_along_the_mean(self):
        updates, current = [arrays(ROWS) for _ in WEIGHTS], arrays(ROWS)
        replies = [reply(u, w) for u, w in zip(updates, WEIGHTS)]
        total, _ = aggregate(RowAdam, ROWS, current, replies, eta=0.1, tau=1e-3)
        for name in ROWS:
            change = mean(updates, name)
            rate = 0.1 * np.sqrt(1 - 0.99**2) / (1 - 0.9**2)
            step = rate * 0.1 * change / (np.sqrt(0.01 * change**2) + 1e-3)
            np.testing.assert_allclose(total[name], current[name] + step, atol=1e-5)

    def test_stacked_factors_multiply_to_the_mean(self):
        updates = [arrays(FACTORS) for _ in WEIGHTS]
        replies = [reply(u, w) for u, w in zip(updates, WEIGHTS)]
        nothing = {name: np.zeros(shape, np.float32) for name, shape in FACTORS.items()}
        total, _ = aggregate(StackedFactors, FACTORS, nothing, replies)
        self.assertEqual(total["m.lora_a"].shape, (6, 6))
        products = [u["m.lora_b"].astype(np.float64) @ u["m.lora_a"] for u in updates]
        expected = np.average(np.stack(products), axis=0, weights=WEIGHTS)
        found = total["m.lora_b"].astype(np.float64) @ total["m.lora_a"]
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_frozen_factors_stay(self):
        updates = [arrays(FACTORS) for _ in WEIGHTS]
        left = updates[0]["m.lora_a"]
        replies = [reply({**u, "m.lora_a": left}, w) for u, w in zip(updates, WEIGHTS)]
        replies.append(reply(updates[1], 5))
        current = {"m.lora_a": left, "m.lora_b": np.zeros((7, 2), np.float32)}

        class Frozen(RowAverage):
            freezes_left_factors = True
            shared = {"m.lora_a": left}

        total, strategy = aggregate(Frozen, FACTORS, current, replies)
        np.testing.assert_array_equal(total["m.lora_a"], left)
        expected = mean(updates, "m.lora_b").astype(np.float32)
        np.testing.assert_array_equal(total["m.lora_b"], expected)
        self.assertIn("all clients share", strategy.rounds[1]["refused"][0]["reason"])


class Files(unittest.TestCase):
    def test_what_is_written_is_read(self):
        update = {**arrays(ROWS), **arrays(FACTORS)}
        base = delta_file.Base("ab" * 32, {"width": 5})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.sfdelta")
            delta_file.write(path, base, update)
            found = delta_file.read(path, base)
            self.assertEqual(list(found), list(update))
            for name in update:
                np.testing.assert_array_equal(found[name], update[name])
            with self.assertRaisesRegex(delta_file.DamagedFile, "another checkpoint"):
                delta_file.read(path, delta_file.Base("cd" * 32, {}))
            with open(path, "r+b") as file:
                file.seek(-1, os.SEEK_END)
                file.write(b"\x01")
            with self.assertRaisesRegex(delta_file.DamagedFile, "hash"):
                delta_file.read(path, base)

    def test_rows_that_did_not_change_are_zero(self):
        update = arrays(ROWS)
        whole = completed({"norm": update["norm"]}, ROWS)
        self.assertEqual(list(whole), list(ROWS))
        self.assertFalse(whole["layers[0].mlp.up@3"].any())
        with self.assertRaises(Refusal):
            completed({"head": update["norm"]}, ROWS)


if __name__ == "__main__":
    unittest.main()
