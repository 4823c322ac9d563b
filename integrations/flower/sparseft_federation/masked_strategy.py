"""The server's half of secure aggregation: it learns the mean of updates, and no single one.

Flower's SecAgg+ goes by legacy messages, so it is called from inside of the message API's
strategies: after clients have trained, in the range of the largest bound that they reported.
"""

from collections.abc import Iterable
from logging import WARNING
from types import SimpleNamespace

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.common import FitIns, Parameters, parameters_to_ndarrays
from flwr.common.logger import log
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
from flwr.server import LegacyContext
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey

from .masked_client import (
    EXPONENT,
    EXPONENTS,
    LEAST_CLIENTS,
    LOCALLY,
    MOD_RANGE,
    TARGET_RANGE,
    with_keystream,
)
from .protocol import Arrays, is_left_factor
from .strategy import RowAdam, RowAverage

server_side = with_keystream("flwr.server.workflow.secure_aggregation.secaggplus_workflow")

# The sum of more would wrap.
MOST_CLIENTS = MOD_RANGE // TARGET_RANGE - 1


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

    def collect_masked_vectors_stage(self, grid, context, state) -> bool:
        goes_on = super().collect_masked_vectors_stage(grid, context, state)
        return goes_on and len(state.active_node_ids) >= LEAST_CLIENTS


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
        if len(kept) > MOST_CLIENTS:
            raise Halted(f"{len(kept)} clients; a masked sum takes {MOST_CLIENTS} or fewer")
        metrics = [message.content["metrics"] for message in kept]
        bound = 2.0 ** max(metric[EXPONENT] for metric in metrics)
        workflow = _Workflow(
            # A share for every client; two thirds unmask, so a third may vanish meanwhile.
            num_shares=1.0, reconstruction_threshold=2 / 3, clipping_range=bound,
            max_weight=float(max(metric[self.weighted_by_key] for metric in metrics)),
            quantization_range=TARGET_RANGE, modulus_range=MOD_RANGE, timeout=self.timeout,
        )
        grid = _Counted(self.grid)
        total = _Sum([message.metadata.src_node_id for message in kept])
        try:
            workflow(grid, self._context(total))
        except Exception as error:
            # Flower reads replies unchecked.
            reason = f"{type(error).__name__}: {error}"
            raise Halted(f"an exchange of the masked sum can't be read: {reason}") from error
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
        """The mean by name. No client's part of it can be checked, only that it is no overflow."""
        names = [name for name in self.shapes if not is_left_factor(name)]
        if [array.shape for array in mean] != [tuple(self.shapes[name]) for name in names]:
            raise Halted("the masked sum has other shapes than the scheme")
        # Rounding may exceed the range by a step of every client.
        if any(not (np.abs(array) <= bound * (1 + 1e-2)).all() for array in mean):
            raise Halted("the masked sum lies outside of its range")
        return dict(zip(names, mean, strict=True))


class MaskedAverage(Masked, RowAverage):
    """The mean of masked updates, added to the sum of all rounds."""


class MaskedAdam(Masked, RowAdam):
    """FedAdam along the mean of masked updates."""
