"""The client: trains on its own text with the program, and returns the difference only.

Its node's configuration names `sparseft` (the program), `model`, `text` (a path, or several with
`:` between), and optionally `method`, a JSON file with the only method that it agrees to train;
`secure=true`, where its update is for masked sums only; and `keep`, a folder for its own copies of
what it gave away.
"""

import json
import logging
import os
import shutil
import tempfile

from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from . import delta_file, masked_client, program
from .protocol import Refusal, arrays_of, completed, record, scheme_hash

app = ClientApp()

# Flower's code of an error that an app raised.
REFUSED = 2


@app.train(mods=[masked_client.masked])
def train(message: Message, context: Context) -> Message:
    """Trains, and sends the update."""
    return _answer(message, context, _sent)


@app.train("locally")
def train_locally(message: Message, context: Context) -> Message:
    """Trains, and keeps the update for a masked sum."""
    return _answer(message, context, _bounded)


def _answer(message: Message, context: Context, content) -> Message:
    folder = tempfile.mkdtemp(prefix="sparseft-")
    try:
        return Message(content(message, context, folder), reply_to=message)
    except (Refusal, program.ProgramFailed, delta_file.DamagedFile, OSError) as error:
        logging.getLogger("flwr").warning("refused: %s", error)
        # Other texts name this machine's files.
        reason = str(error) if isinstance(error, Refusal) else "its training failed"
        return Message(Error(REFUSED, reason), reply_to=message)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sent(message: Message, context: Context, folder: str) -> RecordDict:
    if context.node_config.get("secure", False):
        raise Refusal("this client gives its update to masked sums only")
    update, result, origin = _trained(message, context, folder)
    metrics = MetricRecord({"num-examples": result.tokens, **result.metrics})
    return RecordDict({"arrays": record(update), "metrics": metrics, "origin": origin})


def _bounded(message: Message, context: Context, folder: str) -> RecordDict:
    update, result, origin = _trained(message, context, folder)
    metrics = masked_client.keep(update, result.tokens, context)
    return RecordDict({"metrics": metrics, "origin": origin})


def _setting(context: Context, name: str) -> str:
    value = context.node_config.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(f"the node's configuration does not name '{name}'")
    return value


def _trained(
    message: Message, context: Context, folder: str
) -> tuple[delta_file.Arrays, program.Training, ConfigRecord]:
    """The update of a round in the scheme's order, what its training gave, and what it is of."""
    config = message.content["config"]
    model = _setting(context, "model")
    base = delta_file.base_of(model)
    if base.content_hash != config["base"]:
        raise Refusal(
            f"this client's base has the content hash {base.content_hash[:12]}, the "
            f"federation trains {str(config['base'])[:12]}"
        )
    shared = json.loads(config["recipe"])
    scheme = scheme_hash(shared["method"])
    if "method" in context.node_config:
        with open(_setting(context, "method"), encoding="utf-8") as file:
            own = json.load(file)
        if scheme_hash(own) != scheme:
            raise Refusal(
                f"this client agreed to train {json.dumps(own)}, the federation asks for "
                f"{json.dumps(shared['method'])}"
            )
    start = arrays_of(message.content["arrays"])
    result = program.train(
        _setting(context, "sparseft"), model, base, _setting(context, "text").split(":"),
        program.of_round(program.shared_part(shared), config["server-round"]), start, folder,
    )
    shapes = {name: tuple(shape) for name, shape in json.loads(config["shapes"]).items()}
    update = completed(result.update, shapes)
    if "keep" in context.node_config:
        kept = _setting(context, "keep")
        os.makedirs(kept, exist_ok=True)
        path = os.path.join(kept, f"round-{config['server-round']}.sfdelta")
        delta_file.write(path, base, update, {"tokens": result.tokens})
    return update, result, ConfigRecord({"base": base.content_hash, "scheme": scheme})
