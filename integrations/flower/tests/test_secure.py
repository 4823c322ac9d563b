"""SecAgg+ between a strategy and clients' mods, in one process: means, dropouts, refusals."""

import unittest

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common import bytes_to_ndarray
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.supercore.task_identity import TaskIdentity

from sparseft_federation import client_app, masked_client, masked_strategy
from sparseft_federation.protocol import Refusal, arrays_of, record

RANDOM = np.random.default_rng(1)
SHAPES = {"layers[0].mlp.up@3": (40, 50), "norm": (50,)}
ORIGIN = {"base": "b", "scheme": "s"}


def update(scale):
    return {n: (scale * RANDOM.normal(size=s)).astype(np.float32) for n, s in SHAPES.items()}


def context(**node_config):
    return Context(run_id=1, node_id=1, node_config=node_config, state=RecordDict(), run_config={})


def setUpModule():
    # Who makes a message, which Flower knows in its own processes.
    TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1


def received(message):
    """As over a network: a node changes its own copy."""
    content = {
        key: ConfigRecord(dict(part)) if isinstance(part, ConfigRecord) else part
        for key, part in message.content.items()
    }
    kind, node = message.metadata.message_type, message.metadata.dst_node_id
    copy = Message(RecordDict(content), dst_node_id=node, message_type=kind)
    copy.metadata.__dict__["_message_id"] = message.metadata.message_id
    return copy


class Grid:
    """Nodes in this process; `dead` names stages from which on nodes don't answer, `spoiled` what
    the answers to a stage hold instead."""

    def __init__(self, updates, tokens, dead=None, spoiled=None):
        self.nodes = {}
        self.updates, self.tokens, self.dead = updates, tokens, dead or {}
        self.spoiled = spoiled or {}
        self.masked = {}

    def get_node_ids(self):
        return range(1, len(self.updates) + 1)

    def _is_gone(self, node, stage):
        stages = Stage.all()
        return node in self.dead and stages.index(stage) >= stages.index(self.dead[node])

    def send_and_receive(self, messages, *, timeout=None):
        replies = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = message.object_id
            message = received(message)
            node = message.metadata.dst_node_id
            settings = message.content.config_records.get(RECORD_KEY_CONFIGS, {})
            stage = settings.get(Key.STAGE)
            if stage and self._is_gone(node, stage):
                continue
            state = self.nodes.setdefault(node, context())
            if stage is None:
                metrics = masked_client.keep(self.updates[node - 1], self.tokens[node - 1], state)
                content = RecordDict({"metrics": metrics, "origin": ConfigRecord(ORIGIN)})
                reply = Message(content, reply_to=message)
            else:
                reply = masked_client.masked(message, state, None)
                if stage == Stage.COLLECT_MASKED_VECTORS:
                    answer = reply.content.config_records[RECORD_KEY_CONFIGS]
                    self.masked[node] = answer[Key.MASKED_PARAMETERS]
                if stage in self.spoiled:
                    answer = ConfigRecord(self.spoiled[stage])
                    reply.content.config_records[RECORD_KEY_CONFIGS] = answer
            replies.append(reply)
        return replies


def one_round(grid, strategy=masked_strategy.MaskedAverage, current=None):
    built = strategy(fraction_evaluate=0.0, min_train_nodes=len(grid.updates))
    built.expect(SHAPES, "b", "s")
    current = current or {n: np.zeros(s, np.float32) for n, s in SHAPES.items()}
    messages = built.configure_train(1, record(current), ConfigRecord(), grid)
    total, _ = built.aggregate_train(1, grid.send_and_receive(messages))
    return total and arrays_of(total), built.rounds[1]


def exact(updates, tokens, name):
    stacked = np.stack([u[name] for u in updates]).astype(np.float64)
    return np.average(stacked, axis=0, weights=tokens)


class Sums(unittest.TestCase):
    def test_the_mean_within_the_quantisation(self):
        updates, tokens = [update(s) for s in (1e-3, 3e-3, 2e-3)], [500, 1000, 700]
        current = update(1)
        total, row = one_round(Grid(updates, tokens), current=current)
        self.assertEqual(row["range"], 2.0**-6)
        for name in SHAPES:
            expected = current[name] + exact(updates, tokens, name)
            # A step of every client: 2^-6 · 2 / 2^22, divided by its share; and f32 of the sum.
            np.testing.assert_allclose(total[name], expected, atol=1e-7 + 3 * 2**-27, rtol=1e-6)
        # Eight bytes for each value and for the weight.
        self.assertGreaterEqual(row["bytes_up"], 3 * 8 * (2000 + 50 + 1))
        self.assertEqual(row["replies"], 3)

    def test_a_client_that_vanishes_is_left_out(self):
        updates, tokens = [update(1e-3) for _ in range(4)], [10, 20, 30, 40]
        for stage in (Stage.COLLECT_MASKED_VECTORS, Stage.SHARE_KEYS):
            total, row = one_round(Grid(updates, tokens, dead={4: stage}))
            self.assertEqual(row["replies"], 3)
            expected = exact(updates[:3], tokens[:3], "norm")
            np.testing.assert_allclose(total["norm"], expected, atol=1e-7)
        # One before and one after the keys were shared.
        updates, tokens = [update(1e-3) for _ in range(6)], [10, 20, 30, 40, 50, 60]
        dead = {1: Stage.SHARE_KEYS, 2: Stage.COLLECT_MASKED_VECTORS}
        total, row = one_round(Grid(updates, tokens, dead=dead))
        expected = exact(updates[2:], tokens[2:], "norm")
        np.testing.assert_allclose(total["norm"], expected, atol=1e-7)

    def test_too_few_clients(self):
        total, row = one_round(Grid([update(1), update(1)], [5, 5]))
        self.assertIsNone(total)
        self.assertIn("2 clients; a masked sum takes 3", row["halted"])
        updates = [update(1) for _ in range(3)]
        # A sum of two would tell each of them the other's update.
        for stage in (Stage.COLLECT_MASKED_VECTORS, Stage.SHARE_KEYS):
            total, row = one_round(Grid(updates, [5, 5, 5], dead={1: stage}))
            self.assertIsNone(total)
            self.assertEqual(row["replies"], 0)
            self.assertIn("too few clients stayed", row["halted"])

    def test_so_many_that_their_sum_would_wrap(self):
        built = masked_strategy.MaskedAverage(fraction_evaluate=0.0)
        with self.assertRaisesRegex(masked_strategy.Halted, "1024 clients; .* takes 1023 or fewer"):
            built.means([None] * 1024)

    def test_a_mean_may_exceed_its_range_by_rounding_only(self):
        built = masked_strategy.MaskedAverage(fraction_evaluate=0.0)
        built.expect({"norm": (5,)}, "b", "s")
        built._checked([np.full(5, -0.504)], 0.5)
        for wrong in (0.52, np.nan):
            with self.assertRaisesRegex(masked_strategy.Halted, "outside of its range"):
                built._checked([np.full(5, wrong)], 0.5)

    def test_what_cannot_be_read_costs_its_round_only(self):
        updates, tokens = [update(1e-3) for _ in range(3)], [10, 20, 30]
        for stage, answer in [
            (Stage.SETUP, {}),
            (Stage.SHARE_KEYS, {Key.DESTINATION_LIST: [1, 2], Key.CIPHERTEXT_LIST: [b"x"]}),
            (Stage.COLLECT_MASKED_VECTORS, {Key.MASKED_PARAMETERS: [b"no array"]}),
            (Stage.UNMASK, {Key.NODE_ID_LIST: [99], Key.SHARE_LIST: [b"x"]}),
        ]:
            grid = Grid(updates, tokens, spoiled={stage: answer})
            total, row = one_round(grid)
            self.assertIsNone(total)
            self.assertIn("can't be read", row["halted"])
            # The same clients, as they are now.
            grid.spoiled = {}
            total, row = one_round(grid)
            expected = exact(updates, tokens, "norm")
            np.testing.assert_allclose(total["norm"], expected, atol=1e-7)

    def test_adam_takes_the_masked_mean(self):
        updates, tokens = [update(1e-3) for _ in range(3)], [10, 20, 30]
        built = type("Adam", (masked_strategy.MaskedAdam,), {})
        total, _ = one_round(Grid(updates, tokens), strategy=built)
        plain = exact(updates, tokens, "norm")
        np.testing.assert_array_equal(np.sign(total["norm"]), np.sign(plain))

    def test_what_the_server_sees_is_no_update(self):
        updates, tokens = [update(1e-3) for _ in range(3)], [10, 10, 10]
        grid = Grid(updates, tokens)
        one_round(grid)
        seen = bytes_to_ndarray(grid.masked[1][1]).ravel()
        own = updates[0]["layers[0].mlp.up@3"].ravel()
        # Chance leads to 0.02.
        self.assertLess(abs(np.corrcoef(seen, own)[0, 1]), 0.2)
        # Uniform below 2^32; chance leads to 0.013.
        self.assertLess(abs(seen.mean() / 2**31 - 1), 0.1)


class Masks(unittest.TestCase):
    def test_both_sides_use_the_keystream(self):
        self.assertIs(masked_client.client_side.pseudo_rand_gen, masked_client.keystream)
        self.assertIs(masked_strategy.server_side.pseudo_rand_gen, masked_client.keystream)

    def test_all_bits_of_a_seed_count(self):
        # Flower's own generator XORs these to the same 32 bits.
        one, other = bytes(32), b"\1\0\0\0" * 2 + bytes(24)
        a, b = (masked_client.keystream(seed, 2**32, [(1000,)])[0] for seed in (one, other))
        self.assertFalse((a == b).any())
        parts = masked_client.keystream(one, 2**32, [(7,), (3, 331)])
        self.assertTrue((parts[1].ravel() == a[7:]).all())


class Clients(unittest.TestCase):
    def setup_message(self, **changes):
        settings = {
            Key.STAGE: Stage.SETUP, Key.SAMPLE_NUMBER: 3, Key.SHARE_NUMBER: 3, Key.THRESHOLD: 2,
            Key.CLIPPING_RANGE: 1.0, Key.TARGET_RANGE: 2**22, Key.MOD_RANGE: 2**32,
            Key.MAX_WEIGHT: 10.0, **changes,
        }
        content = RecordDict({RECORD_KEY_CONFIGS: ConfigRecord(settings)})
        return Message(content, dst_node_id=1, message_type="train")

    def test_what_keeps_no_secret_is_refused(self):
        state = context()
        with self.assertRaisesRegex(Refusal, "no update"):
            masked_client.masked(self.setup_message(), state, None)
        masked_client.keep({"norm": np.full(5, 0.7, np.float32)}, 10, state)
        for changes in (
            {Key.SAMPLE_NUMBER: 2, Key.SHARE_NUMBER: 2},
            {Key.THRESHOLD: 1},
            # Half of the shares, a share too many, half of the clients.
            {Key.SAMPLE_NUMBER: 4, Key.SHARE_NUMBER: 4},
            {Key.SHARE_NUMBER: 4, Key.THRESHOLD: 3},
            {Key.SAMPLE_NUMBER: 4},
            # Masks that are 0, and ones that repeat within a value's bits.
            {Key.MOD_RANGE: 2**32 + 1},
            {Key.MOD_RANGE: 2**23},
            {Key.TARGET_RANGE: 2**31},
        ):
            with self.assertRaisesRegex(Refusal, "keeps? no(ne| secret)"):
                masked_client.masked(self.setup_message(**changes), state, None)
        with self.assertRaisesRegex(Refusal, "would clip"):
            masked_client.masked(self.setup_message(**{Key.CLIPPING_RANGE: 0.5}), state, None)
        masked_client.masked(self.setup_message(), state, None)

    def test_both_secrets_of_a_node_are_refused(self):
        settings = {
            Key.STAGE: Stage.UNMASK, Key.ACTIVE_NODE_ID_LIST: [1, 2, 3],
            Key.DEAD_NODE_ID_LIST: [3],
        }
        content = RecordDict({RECORD_KEY_CONFIGS: ConfigRecord(settings)})
        message = Message(content, dst_node_id=1, message_type="train")
        with self.assertRaisesRegex(Refusal, "node 3 is said to be there and to be gone"):
            masked_client.masked(message, context(), None)

    def test_a_sum_of_two_is_not_uncovered(self):
        # Twice the same one is one.
        for active in ([1, 2], [1, 2, 2]):
            settings = {
                Key.STAGE: Stage.UNMASK, Key.ACTIVE_NODE_ID_LIST: active, Key.DEAD_NODE_ID_LIST: [3]
            }
            content = RecordDict({RECORD_KEY_CONFIGS: ConfigRecord(settings)})
            message = Message(content, dst_node_id=1, message_type="train")
            with self.assertRaisesRegex(Refusal, "a sum of 2 clients keeps no secret"):
                masked_client.masked(message, context(), None)

    def test_an_update_is_not_sent_without_a_mask(self):
        with self.assertRaisesRegex(Refusal, "masked sums only"):
            client_app._sent(None, context(secure=True), "")

    def test_bounds_are_powers_of_two(self):
        for largest, exponent in [(0.5, -1), (0.51, 0), (1.0, 0), (3.0, 2), (0.0, -60)]:
            self.assertEqual(masked_client.exponent_of({"n": np.float32([0, -largest])}), exponent)
        with self.assertRaises(Refusal):
            masked_client.exponent_of({"n": np.float32([np.inf])})
        with self.assertRaises(Refusal):
            masked_client.exponent_of({"m": np.ones(1), "n": np.float32([np.nan])})
        with self.assertRaises(Refusal):
            masked_client.exponent_of({"n": np.float32([17])})

    def test_frozen_factors_are_neither_summed_nor_bounded(self):
        state = context()
        factors = {"m.lora_a": np.float32([[9]]), "m.lora_b": np.float32([[0.5]])}
        told = masked_client.keep(factors, 10, state)
        self.assertEqual(told[masked_client.EXPONENT], -1)
        self.assertEqual(list(state.state[masked_client.KEPT]), ["m.lora_b"])

    def test_replies_are_checked(self):
        built = masked_strategy.MaskedAverage(fraction_evaluate=0.0)
        built.expect(SHAPES, "b", "s")
        for exponent, more, text in [
            ({}, {}, "range-exponent"),
            ({masked_client.EXPONENT: 5}, {}, "is 5"),
            ({masked_client.EXPONENT: 1}, {"arrays": ArrayRecord()}, "not masked"),
            ({masked_client.EXPONENT: 1, "num-examples": 2**40 + 1}, {}, "expected 1 to"),
        ]:
            metrics = MetricRecord({"num-examples": 5, **exponent})
            content = {"metrics": metrics, "origin": ConfigRecord(ORIGIN), **more}
            self.assertIn(text, built._mismatch(RecordDict(content)))


if __name__ == "__main__":
    unittest.main()
