"""Flower's strategies over updates of selected rows and of low-rank factors.

A round's arrays are the sum of all rounds' updates; a client replies with the difference that its
training made.
"""

import math
from collections.abc import Iterable
from logging import INFO, WARNING

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp.strategy import FedAdam, FedAvg

from .protocol import (
    LARGEST_WEIGHT,
    Arrays,
    arrays_of,
    byte_count,
    is_left_factor,
    is_right_factor,
    problem,
    record,
)


class Differences:
    """What strategies over differences share: checks, and the count of bytes."""

    def expect(self, shapes: dict[str, tuple], base: str, scheme: str) -> None:
        """Fixes what clients' updates must be."""
        self.shapes, self.base, self.scheme = shapes, base, scheme
        self.current: Arrays = {}
        self.rounds: dict[int, dict] = {}
        self.updates: dict[int, list[tuple[float, Arrays]]] = {}

    def configure_train(self, server_round, arrays, config, grid) -> Iterable[Message]:
        self.current = arrays_of(arrays)
        self.sent = list(super().configure_train(server_round, arrays, config, grid))
        # Only the first round waits for all that were announced.
        self.min_available_nodes = self.min_train_nodes
        self.rounds[server_round] = {
            "clients": len(self.sent), "bytes_down": byte_count(arrays) * len(self.sent),
            "bytes_up": 0, "replies": 0, "refused": [],
        }
        return self.sent

    def accepted(self, server_round: int, replies: Iterable[Message]) -> list[Message]:
        """The replies that hold an update of this base and scheme."""
        row, kept = self.rounds[server_round], []
        # By message, since what says that a node is gone comes from the SuperLink.
        silent = {m.metadata.message_id: m.metadata.dst_node_id for m in self.sent}
        for message in replies:
            source = message.metadata.src_node_id
            node = silent.pop(message.metadata.reply_to_message_id, source)
            if message.has_error():
                reason = message.error.reason or f"error {message.error.code}"
            else:
                try:
                    reason = self._mismatch(message.content)
                except Exception as error:
                    reason = f"its reply can't be read: {error}"
            if reason is None:
                kept.append(message)
                continue
            log(WARNING, "without node %d: %s", node, reason)
            row["refused"].append({"node": str(node), "reason": reason})
        for node in silent.values():
            log(WARNING, "without node %d: it did not answer in time", node)
            row["refused"].append({"node": str(node), "reason": "it did not answer in time"})
        row["replies"] = len(kept)
        self.updates[server_round] = [
            (message.content["metrics"][self.weighted_by_key], arrays_of(message.content["arrays"]))
            for message in kept
            if "arrays" in message.content
        ]
        row["bytes_up"] = sum(
            byte_count(m.content["arrays"]) for m in kept if "arrays" in m.content
        )
        return kept

    def _mismatch(self, content: RecordDict) -> str | None:
        for part in ("origin", "metrics"):
            if part not in content:
                return f"its reply has no '{part}'"
        metrics = content["metrics"]
        if not isinstance(metrics, MetricRecord):
            return "its 'metrics' are no metrics"
        for name, value in metrics.items():
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                return f"its '{name}' is no finite number"
        weight = metrics.get(self.weighted_by_key)
        if weight is None or not 1 <= weight <= LARGEST_WEIGHT:
            return f"its '{self.weighted_by_key}' is {weight}, expected 1 to {LARGEST_WEIGHT}"
        origin = content["origin"]
        if origin.get("base") != self.base:
            own = str(origin.get("base"))[:12]
            return f"its base is {own}, this federation's is {self.base[:12]}"
        if origin.get("scheme") != self.scheme:
            return f"its scheme is {str(origin.get('scheme'))[:12]}, expected {self.scheme[:12]}"
        return self.problem_of(content)

    def problem_of(self, content: RecordDict) -> str | None:
        """Why an update is not one of the scheme."""
        if "arrays" not in content:
            return "its reply has no 'arrays'"
        found = arrays_of(content["arrays"])
        reason = problem(found, self.shapes)
        if reason is None and self.freezes_left_factors:
            name = next((n for n in found if self._is_other_left(n, found)), None)
            reason = name and f"'{name}' is not the factor that all clients share"
        return reason

    def _is_other_left(self, name: str, found: Arrays) -> bool:
        return is_left_factor(name) and not np.array_equal(found[name], self.shared[name])

    # Whether clients train right factors only, beside left ones that all of them share.
    freezes_left_factors = False
    shared: Arrays = {}

    def means(self, kept: list[Message]) -> Arrays:
        """The weighted mean of updates, in double precision."""
        weights = np.array([m.content["metrics"][self.weighted_by_key] for m in kept], np.float64)
        updates = [arrays_of(m.content["arrays"]) for m in kept]
        return {
            name: sum(w * u[name].astype(np.float64) for w, u in zip(weights, updates, strict=True))
            / weights.sum()
            for name in self.shapes
        }

    def metrics(self, kept: list[Message]) -> MetricRecord:
        """Weighted means of the metrics that all replies have."""
        records = [message.content["metrics"] for message in kept]
        names = [name for name in records[0] if all(name in record for record in records)]
        common = [MetricRecord({name: record[name] for name in names}) for record in records]
        return self.train_metrics_aggr_fn(
            [RecordDict({"metrics": metrics}) for metrics in common], self.weighted_by_key
        )

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        kept = self.accepted(server_round, replies)
        if not kept:
            return None, None
        return record(self.total(server_round, kept)), self.metrics(kept)

    def total(self, server_round: int, kept: list[Message]) -> Arrays:
        """The sum of all rounds' updates with this round's."""
        raise NotImplementedError


class RowAverage(Differences, FedAvg):
    """Weighted FedAvg of differences: exact, since all clients train the same rows. Of factors, the
    left ones are the same for all and stay; averages of right ones are then exact too."""

    def total(self, server_round: int, kept: list[Message]) -> Arrays:
        mean = self.means(kept)
        return {
            name: self.current[name]
            if is_left_factor(name)
            else (self.current[name] + mean[name]).astype(np.float32)
            for name in self.shapes
        }


class RowAdam(Differences, FedAdam):
    """FedAdam: the mean difference is the gradient that the server's Adam steps along."""

    def total(self, server_round: int, kept: list[Message]) -> Arrays:
        # The strategy itself takes whole arrays.
        mean = self.means(kept)
        moved = {
            name: (self.current[name] + (0 if is_left_factor(name) else mean[name]))
            for name in self.shapes
        }
        message = kept[0]
        message.content = RecordDict(
            {"arrays": record(moved), "metrics": message.content["metrics"]}
        )
        arrays, _ = FedAdam.aggregate_train(self, server_round, [message])
        return {
            name: self.current[name] if is_left_factor(name) else array.astype(np.float32)
            for name, array in arrays_of(arrays).items()
        }


class StackedFactors(Differences, FedAvg):
    """Low-rank factors side by side, each right one times its client's weight: exact, where the
    product of averages is not the average of products. Ranks add up over clients and rounds."""

    def total(self, server_round: int, kept: list[Message]) -> Arrays:
        weights = [m.content["metrics"][self.weighted_by_key] for m in kept]
        updates = [arrays_of(m.content["arrays"]) for m in kept]
        # Both factors of a pair or neither: their ranks are the same.
        has_earlier = any(self.current[name].any() for name in self.shapes)
        total: Arrays = {}
        for name in self.shapes:
            axis = 0 if is_left_factor(name) else 1
            parts = [self.current[name]] if has_earlier else []
            for weight, update in zip(weights, updates, strict=True):
                share = weight / sum(weights) if is_right_factor(name) else 1
                parts.append((share * update[name].astype(np.float64)).astype(np.float32))
            total[name] = np.concatenate(parts, axis=axis)
        log(INFO, "ranks: %d", next(iter(total.values())).shape[0])
        return total
