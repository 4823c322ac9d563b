"""Secure aggregation: the server learns the mean of the clients' updates, and no single one.

Flower's SecAgg+ (Bell et al. 2020; Li et al. 2021) sums integers under masks that cancel. It goes by
legacy messages, so it is called from the message API's strategy: a client trains on the message
`train.locally`, keeps its update, and reports by which power of two it is bounded; the masked sum
of what was kept then takes SecAgg+'s four exchanges, in the range of the largest bound.
"""

import hashlib
import importlib
import math
from collections.abc import Iterable
from logging import WARNING
from types import SimpleNamespace

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common import (
    Code,
    FitIns,
    FitRes,
    Parameters,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.common.logger import log
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.compat.common import recorddict_compat as compat
from flwr.server import LegacyContext
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey

from .protocol import Arrays, Refusal, arrays_of, is_left_factor, record
from .strategy import RowAdam, RowAverage

# The message on which a client trains and keeps its update.
LOCALLY = "train.locally"
# Where it keeps it, and the metric that bounds it.
KEPT, EXPONENT = "sparseft.update", "range-exponent"
# A sum of fewer is no secret, and fewer shares than two are none.
LEAST_CLIENTS, LEAST_SHARES = 3, 2
# Of two: what bounds an update of nothing, and what no training leads to.
EXPONENTS = (-60, 20)


def keystream(seed: bytes, modulus: int, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Masks of uniform integers below a power of two, from AES-256 in counter mode.

    Flower's own come from a Mersenne Twister of 32 bits of the seed, which can all be tried.
    """
    key = hashlib.sha256(b"sparseft mask" + seed).digest()
    stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    masks = []
    for shape in shapes:
        words = np.frombuffer(stream.update(bytes(4 * math.prod(shape))), "<u4")
        masks.append((words.astype(np.int64) & (modulus - 1)).reshape(shape))
    return masks


def _with_keystream(name: str):
    """A module of Flower's by name, its packages having a function of the same one."""
    module = importlib.import_module(name)
    if not callable(getattr(module, "pseudo_rand_gen", None)):
        raise ImportError(f"{name} has no pseudo_rand_gen to replace")
    module.pseudo_rand_gen = keystream
    return module


client_side = _with_keystream("flwr.client.mod.secure_aggregation.secaggplus_mod")
server_side = _with_keystream("flwr.server.workflow.secure_aggregation.secaggplus_workflow")


# The client.


def exponent_of(update: Arrays) -> int:
    """The least power of two that no value of an update exceeds."""
    largest = max((float(np.abs(array).max(initial=0)) for array in update.values()), default=0)
    # Also where it is not finite.
    if not largest <= 2.0 ** EXPONENTS[1]:
        raise Refusal("its update has values that are not finite, or beyond all measure")
    fraction, exponent = math.frexp(largest)
    return max(exponent - (fraction == 0.5), EXPONENTS[0]) if largest else EXPONENTS[0]


def keep(update: Arrays, tokens: int, context: Context) -> MetricRecord:
    """Keeps an update for the masked sum; what a server is told of it."""
    exponent = exponent_of(update)
    shared = {name: array for name, array in update.items() if not is_left_factor(name)}
    context.state[KEPT] = record(shared)
    context.state[KEPT + ".tokens"] = MetricRecord({"tokens": tokens, EXPONENT: exponent})
    return MetricRecord({"num-examples": tokens, EXPONENT: exponent})


def masked(message: Message, context: Context, call_next) -> Message:
    """A mod that answers SecAgg+'s exchanges with the update that was kept."""
    if RECORD_KEY_CONFIGS not in message.content.config_records:
        return call_next(message, context)
    settings = message.content.config_records[RECORD_KEY_CONFIGS]
    if settings.get(Key.STAGE) == Stage.SETUP:
        _check(settings, context)
    return client_side.secaggplus_mod(message, context, _kept)


def _check(settings: ConfigRecord, context: Context) -> None:
    """What a client asks of a masked sum before it takes part."""
    if KEPT not in context.state:
        raise Refusal("this client has no update to add")
    if settings[Key.SAMPLE_NUMBER] < LEAST_CLIENTS or settings[Key.THRESHOLD] < LEAST_SHARES:
        raise Refusal(
            f"a sum of {settings[Key.SAMPLE_NUMBER]} clients with a threshold of "
            f"{settings[Key.THRESHOLD]} keeps no secret; at least {LEAST_CLIENTS} and {LEAST_SHARES}"
        )
    bound = 2.0 ** context.state[KEPT + ".tokens"][EXPONENT]
    if settings[Key.CLIPPING_RANGE] < bound:
        raise Refusal(f"a range of {settings[Key.CLIPPING_RANGE]:g} would clip its update")


def _kept(message: Message, context: Context) -> Message:
    """The kept update, once, as the mod takes it."""
    arrays = list(arrays_of(context.state.pop(KEPT)).values())
    tokens = int(context.state.pop(KEPT + ".tokens")["tokens"])
    result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters(arrays), tokens, {})
    return Message(compat.fitres_to_recorddict(result, False), reply_to=message)


# The server.


class Halted(Exception):
    """A masked sum that came to no result, and why."""


class _Sum:
    """What SecAgg+ asks of a legacy strategy: whom to ask, and who takes the mean."""

    def __init__(self, nodes: list[int]) -> None:
        self.nodes, self.mean, self.clients = nodes, None, 0

    def configure_fit(self, server_round, parameters, client_manager):
        nothing = FitIns(Parameters([], ""), {})
        return [(SimpleNamespace(node_id=node), nothing) for node in self.nodes]

    def aggregate_fit(self, server_round, results, failures):
        if results:
            self.mean = parameters_to_ndarrays(results[0][1].parameters)
        self.clients = len(results)
        return None, {}


class _Counted:
    """A grid that counts the bytes of masked vectors that come back."""

    def __init__(self, grid) -> None:
        self.grid, self.byte_count = grid, 0

    def send_and_receive(self, messages, *, timeout=None):
        replies = list(self.grid.send_and_receive(messages, timeout=timeout))
        for reply in replies:
            if not reply.has_error():
                settings = reply.content.config_records.get(RECORD_KEY_CONFIGS, {})
                vectors = settings.get(Key.MASKED_PARAMETERS, [])
                self.byte_count += sum(len(vector) for vector in vectors)
        return replies


class _Workflow(server_side.SecAggPlusWorkflow):
    """SecAgg+ that also goes on without nodes that were lost before they had shared their keys."""

    def share_keys_stage(self, grid, context, state) -> bool:
        goes_on = super().share_keys_stage(grid, context, state)
        # Nobody has a share of the others' keys, nor a mask that they would have to take off.
        present = set(state.active_node_ids)
        state.sampled_node_ids = present
        state.nid_to_neighbours = {
            node: neighbours & present
            for node, neighbours in state.nid_to_neighbours.items()
            if node in present
        }
        return goes_on


class Masked:
    """Before a strategy of means: takes the mean from SecAgg+."""

    # Seconds that an exchange waits.
    timeout: float | None = None

    def configure_train(self, server_round, arrays, config, grid) -> Iterable[Message]:
        self.grid, self.round = grid, server_round
        return super().configure_train(server_round, arrays, config, grid)

    def _construct_messages(self, content, node_ids, message_type) -> Iterable[Message]:
        return super()._construct_messages(content, node_ids, LOCALLY)

    def problem_of(self, content: RecordDict) -> str | None:
        exponent = content["metrics"].get(EXPONENT)
        if not isinstance(exponent, int) or not EXPONENTS[0] <= exponent <= EXPONENTS[1]:
            return f"its '{EXPONENT}' is {exponent}"
        return "it sent an update that is not masked" if "arrays" in content else None

    def aggregate_train(self, server_round, replies):
        try:
            return super().aggregate_train(server_round, replies)
        except Halted as halted:
            row = self.rounds[server_round]
            log(WARNING, "round %d: %s", server_round, halted)
            row.update(replies=0, halted=str(halted))
            return None, None

    def means(self, kept: list[Message]) -> Arrays:
        """The mean, in a range that holds every client's update."""
        if len(kept) < LEAST_CLIENTS:
            raise Halted(f"{len(kept)} clients; a masked sum takes {LEAST_CLIENTS} or more")
        metrics = [message.content["metrics"] for message in kept]
        bound = 2.0 ** max(metric[EXPONENT] for metric in metrics)
        workflow = _Workflow(
            # A share for every client; two thirds unmask, so a third may vanish meanwhile.
            num_shares=1.0, reconstruction_threshold=2 / 3, clipping_range=bound,
            max_weight=float(max(metric[self.weighted_by_key] for metric in metrics)),
            timeout=self.timeout,
        )
        grid = _Counted(self.grid)
        total = _Sum([message.metadata.src_node_id for message in kept])
        workflow(grid, self._context(total))
        if total.mean is None:
            raise Halted("too few clients stayed to the end of the masked sum")
        row = self.rounds[self.round]
        row.update(bytes_up=grid.byte_count, replies=total.clients, range=bound)
        return self._checked(total.mean, bound)

    def _context(self, total: _Sum) -> LegacyContext:
        context = LegacyContext(
            Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={}),
            strategy=total,
        )
        context.state[MAIN_CONFIGS_RECORD] = ConfigRecord({WorkflowKey.CURRENT_ROUND: self.round})
        context.state[MAIN_PARAMS_RECORD] = ArrayRecord()
        return context

    def _checked(self, mean: list[np.ndarray], bound: float) -> Arrays:
        """The mean by name. Of a sum no client's part can be checked, only that it is no overflow."""
        names = [name for name in self.shapes if not is_left_factor(name)]
        if [array.shape for array in mean] != [tuple(self.shapes[name]) for name in names]:
            raise Halted("the masked sum has other shapes than the scheme")
        # Rounding may exceed the range by a step.
        if any(not (np.abs(array) <= bound * (1 + 1e-5)).all() for array in mean):
            raise Halted("the masked sum lies outside of its range")
        return dict(zip(names, mean, strict=True))


class MaskedAverage(Masked, RowAverage):
    """The mean of masked updates, added to the sum of all rounds."""


class MaskedAdam(Masked, RowAdam):
    """FedAdam along the mean of masked updates."""
