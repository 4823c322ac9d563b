"""Holds what TensorBoard reads of a run's event files against the run's events.jsonl.

    pip install tensorboard
    python compare.py RUN

Every step and every validation must be there once, with the same numbers as 32-bit floats, also where
a resumed run did steps again.
"""

import json
import math
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {
    "train/loss": lambda e: e["loss"],
    "train/learning_rate": lambda e: e["learning_rate"],
    "train/grad_norm": lambda e: e["grad_norm"],
    "train/epoch": lambda e: e["epoch"],
    "perf/tokens_per_second": lambda e: e["tokens_per_second"],
    "perf/step_seconds": lambda e: e["step_seconds"],
    "perf/data_seconds": lambda e: e["phase_seconds"]["data"],
    "perf/forward_seconds": lambda e: e["phase_seconds"]["forward"],
    "perf/backward_seconds": lambda e: e["phase_seconds"]["backward"],
    "perf/update_seconds": lambda e: e["phase_seconds"]["update"],
    "memory/rss": lambda e: e["rss_bytes"],
    "memory/peak_rss": lambda e: e["peak_rss_bytes"],
    "memory/planned": lambda e: e["planned_bytes"],
}
VALIDATION_TAGS = {"eval/loss": lambda e: e["loss"], "eval/perplexity": lambda e: e["perplexity"]}


def expected(run):
    """The scalars of a run by tag and step, as its own events tell them."""
    scalars = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        tags = {"step": TAGS, "validation": VALIDATION_TAGS}.get(event["type"], {})
        for tag, value in tags.items():
            scalars.setdefault(tag, {})[event["step"]] = value(event)
    return scalars


def single(value):
    return math.nan if value is None else struct.unpack("<f", struct.pack("<f", value))[0]


def main():
    run = Path(sys.argv[1])
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    wanted, count = expected(run), 0
    found = set(reader.Tags()["scalars"])
    assert found == set(wanted), f"tags: {sorted(found ^ set(wanted))}"
    for tag, values in wanted.items():
        events = reader.Scalars(tag)
        steps = [event.step for event in events]
        assert steps == sorted(values), f"{tag}: steps {steps}, expected {sorted(values)}"
        for event in events:
            value = single(values[event.step])
            # A step's tokens per second are rounded once more where the event file divides anew.
            close = math.isclose(event.value, value, rel_tol=2e-7) or event.value == value
            both_nan = math.isnan(event.value) and math.isnan(value)
            assert close or both_nan, f"{tag}, step {event.step}: {event.value}, expected {value}"
            count += 1
    print(f"{run}: TensorBoard reads the same {count} scalars under {len(wanted)} tags")


if __name__ == "__main__":
    main()
