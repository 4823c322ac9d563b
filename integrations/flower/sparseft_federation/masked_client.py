"""A client's half of secure aggregation: keeps its update, and adds it to a sum under masks.

Flower's SecAgg+ (Bell et al. 2020; Li et al. 2021) sums integers under masks that cancel. A client
trains on the message `train.locally`, keeps its update, and reports by which power of two it is
bounded; SecAgg+'s four exchanges then take the masked update.
"""

import hashlib
import importlib
import math

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from flwr.app import ConfigRecord, Context, Message, MetricRecord
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.compat.common import recorddict_compat as compat

from .protocol import Arrays, Refusal, arrays_of, is_left_factor, record

# The message on which a client trains and keeps its update.
LOCALLY = "train.locally"
# Where it keeps it, and the metric that bounds it.
KEPT, EXPONENT = "sparseft.update", "range-exponent"
# A sum of two tells each of them the other's update.
LEAST_CLIENTS = 3
# Values are integers below the one, masks integers below the other.
TARGET_RANGE, MOD_RANGE = 2**22, 2**32
# Of two: what bounds an update of nothing, and what no training leads to. One client's claim is the
# range of all, so a higher one would coarsen every update.
EXPONENTS = (-60, 4)


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


def with_keystream(name: str):
    """A module of Flower's by name, its packages having a function of the same one."""
    module = importlib.import_module(name)
    if not callable(getattr(module, "pseudo_rand_gen", None)):
        raise ImportError(f"{name} has no pseudo_rand_gen to replace")
    module.pseudo_rand_gen = keystream
    return module


client_side = with_keystream("flwr.client.mod.secure_aggregation.secaggplus_mod")


def exponent_of(update: Arrays) -> int:
    """The least power of two that no value of an update exceeds."""
    largest = float(np.max([np.abs(array).max(initial=0) for array in update.values()], initial=0))
    # Also where it is no number.
    if not largest <= 2.0 ** EXPONENTS[1]:
        raise Refusal("its update has values that are not finite, or beyond all measure")
    fraction, exponent = math.frexp(largest)
    return max(exponent - (fraction == 0.5), EXPONENTS[0]) if largest else EXPONENTS[0]


def keep(update: Arrays, tokens: int, context: Context) -> MetricRecord:
    """Keeps an update for the masked sum; what a server is told of it."""
    shared = {name: array for name, array in update.items() if not is_left_factor(name)}
    exponent = exponent_of(shared)
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
    if settings.get(Key.STAGE) == Stage.UNMASK:
        active = set(settings[Key.ACTIVE_NODE_ID_LIST])
        if len(active) < LEAST_CLIENTS:
            raise Refusal(f"a sum of {len(active)} clients keeps no secret")
        both = active & set(settings[Key.DEAD_NODE_ID_LIST])
        if both:
            # Its two secrets together would uncover its update.
            raise Refusal(f"node {both.pop()} is said to be there and to be gone")
    return client_side.secaggplus_mod(message, context, _kept)


def _check(settings: ConfigRecord, context: Context) -> None:
    """What a client asks of a masked sum before it takes part."""
    if KEPT not in context.state:
        raise Refusal("this client has no update to add")
    clients, shares = settings[Key.SAMPLE_NUMBER], settings[Key.SHARE_NUMBER]
    threshold = settings[Key.THRESHOLD]
    # Else one half of the shares could uncover one secret of a node, the other half the other one.
    if clients < LEAST_CLIENTS or shares > clients or 2 * threshold <= max(shares, clients):
        raise Refusal(
            f"a sum of {clients} clients of whom {threshold} of {shares} uncover a secret keeps "
            f"none; it takes {LEAST_CLIENTS} clients, a share for each, and more than half of them"
        )
    # Of other ranges the keystream's masks would not be uniform: below 2^32 + 1 all are 0.
    ranges = settings[Key.TARGET_RANGE], settings[Key.MOD_RANGE]
    if ranges != (TARGET_RANGE, MOD_RANGE):
        raise Refusal(f"values below {ranges[0]} under masks below {ranges[1]} keep no secret")
    bound = 2.0 ** context.state[KEPT + ".tokens"][EXPONENT]
    if settings[Key.CLIPPING_RANGE] < bound:
        raise Refusal(f"a range of {settings[Key.CLIPPING_RANGE]:g} would clip its update")


def _kept(message: Message, context: Context) -> Message:
    """The kept update, once, as the mod takes it."""
    arrays = list(arrays_of(context.state.pop(KEPT)).values())
    tokens = int(context.state.pop(KEPT + ".tokens")["tokens"])
    result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters(arrays), tokens, {})
    return Message(compat.fitres_to_recorddict(result, False), reply_to=message)
