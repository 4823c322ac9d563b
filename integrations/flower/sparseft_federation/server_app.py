"""The server: fixes base, scheme and recipe, averages differences, and scores every round."""

import json
import os
import shutil
import tempfile
import time

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp

from . import delta_file, program
from .masked_client import LEAST_CLIENTS
from .masked_strategy import MaskedAdam, MaskedAverage
from .protocol import Refusal, arrays_of, is_left_factor, record, scheme_hash
from .strategy import RowAdam, RowAverage, StackedFactors

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    folder = tempfile.mkdtemp(prefix="sparseft-")
    try:
        Federation(context, folder).run(grid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Federation:
    """A run of the server."""

    def __init__(self, context: Context, folder: str) -> None:
        self.settings, self.folder = context.run_config, folder
        self.program, self.model = self._setting("sparseft"), self._setting("model")
        self.text, self.output = self._setting("text"), self._setting("output")
        self.base = delta_file.base_of(self.model)
        with open(self._setting("recipe"), encoding="utf-8") as file:
            self.shared = program.shared_part(json.load(file))
        self.method = self.shared["method"]
        self.losses: dict[int, float] = {}
        os.makedirs(self.output, exist_ok=True)

    def _setting(self, name: str) -> str:
        value = self.settings.get(name)
        if not isinstance(value, str) or not value:
            raise Refusal(f"the run's configuration does not name '{name}'")
        return value

    def run(self, grid: Grid) -> None:
        self._fix_scheme()
        template = self._template()
        stacks = self.method["type"] == "lora"
        shapes = {name: array.shape for name, array in template.items()}
        strategy = self._strategy(stacks)
        strategy.expect(shapes, self.base.content_hash, scheme_hash(self.method))
        strategy.freezes_left_factors = self.method["type"] == "lora_fa"
        strategy.shared = {n: a for n, a in template.items() if is_left_factor(n)}
        keeps_left = strategy.freezes_left_factors
        initial = {
            name: array if keeps_left and is_left_factor(name) else np.zeros_like(array)
            for name, array in template.items()
        }
        config = ConfigRecord(
            {
                "base": self.base.content_hash,
                "recipe": json.dumps(self.shared),
                "shapes": json.dumps({name: list(shape) for name, shape in shapes.items()}),
            }
        )
        started = time.monotonic()
        result = strategy.start(
            grid, record(initial), num_rounds=int(self.settings["num-server-rounds"]),
            timeout=float(self.settings["round-timeout"]), train_config=config,
            evaluate_fn=self._score,
        )
        self._write(strategy, result, time.monotonic() - started)

    def _strategy(self, stacks: bool):
        clients, secure = int(self.settings["min-clients"]), bool(self.settings["secure"])
        if secure and stacks:
            raise Refusal("masked sums average, and factors of 'lora' are stacked; use 'lora_fa'")
        if secure and clients < LEAST_CLIENTS:
            raise Refusal(f"a masked sum takes {LEAST_CLIENTS} or more clients, not {clients}")
        common = {
            "fraction_evaluate": 0.0, "min_train_nodes": clients,
            "min_available_nodes": max(clients, int(self.settings["first-clients"])),
        }
        if stacks:
            return StackedFactors(**common)
        if self.settings["strategy"] == "fedadam":
            common["eta"] = float(self.settings["server-learning-rate"])
            common["tau"] = float(self.settings["server-epsilon"])
            strategy = (MaskedAdam if secure else RowAdam)(**common)
        else:
            strategy = (MaskedAverage if secure else RowAverage)(**common)
        if secure:
            strategy.timeout = float(self.settings["round-timeout"])
        return strategy

    def _fix_scheme(self) -> None:
        """Where the recipe leaves the tensors open, the server's own text decides, once for all."""
        if self.method["type"] not in ("auto", "sparse"):
            return
        if self.method["type"] == "sparse" and self.method.get("tensors") not in (None, "auto"):
            return
        recipe = {
            **self.shared, "model": os.path.abspath(self.model), "output": "analysis",
        }
        recipe["data"] = {**recipe["data"], "train": [os.path.abspath(self.text)]}
        path = f"{self.folder}/analysis.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(recipe, file)
        found = json.loads(program.call([self.program, "analyze", path, "--json"]))
        self.method = {"type": "sparse", "tensors": found["scheme"]}
        self.shared["method"] = self.method

    def _template(self) -> delta_file.Arrays:
        """The arrays of the scheme, from one step on the server's own text."""
        recipe = {key: value for key, value in self.shared.items() if key != "privacy"}
        return program.train(
            self.program, self.model, self.base, [self.text], recipe, {}, self.folder,
            overrides={
                "run.steps": 1, "run.batch_size": 1, "run.accumulation": 1, "run.epochs": None,
                "optimizer.learning_rate": 1e-3, "data.validation": 0,
            },
        ).update

    def _score(self, server_round: int, arrays: ArrayRecord) -> MetricRecord:
        if server_round and self.settings["keep-updates"]:
            path = f"{self.output}/sum-{server_round}.sfdelta"
            delta_file.write(path, self.base, arrays_of(arrays))
        loss = program.evaluate(
            self.program, self.model, self.base, self.text, arrays_of(arrays),
            self.shared["data"].get("sequence_length", 256), self.folder,
        )
        self.losses[server_round] = loss
        return MetricRecord({"loss": loss})

    def _write(self, strategy, result, seconds: float) -> None:
        """The rounds' table and the last update, for the caller."""
        rounds = [
            {"round": number, **row, "loss": self.losses.get(number)}
            for number, row in strategy.rounds.items()
        ]
        update = arrays_of(result.arrays) if result.arrays else {}
        if update:
            delta_file.write(f"{self.output}/global.sfdelta", self.base, update)
        if self.settings["keep-updates"]:
            for number, kept in strategy.updates.items():
                if not kept:
                    continue
                np.savez(
                    f"{self.output}/round-{number}.npz", weights=[w for w, _ in kept],
                    **{f"{i}/{n}": a for i, (_, u) in enumerate(kept) for n, a in u.items()},
                )
        table = {
            "base": self.base.content_hash, "method": self.method,
            "strategy": type(strategy).__name__, "initial_loss": self.losses.get(0),
            "rounds": rounds, "seconds": seconds,
        }
        with open(f"{self.output}/rounds.json", "w", encoding="utf-8") as file:
            json.dump(table, file, indent=1)
