#!/usr/bin/env python3
"""smollm2.json: what transformers computes from the real GGUF file of ../shared/data, for 512 tokens.

    pip install torch transformers gguf numpy
    python3 Tests/Golden/gguf/make_logits.py [OUTPUT]

"tokens" are the first 512 ids of the text after BOS-less encoding; for every position "best" is the
id of the largest logit and "bestLogit" its value, "logSumExp" and "mean" are over all logits. "rows"
are the logits of some ids at some positions. All in 32-bit floats.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data"
FOLDER = DATA / "smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = DATA / "text" / "pride_and_prejudice.txt"
SKIPPED_BYTES = 20_000
TOKENS = 512
POSITIONS = [0, 1, 63, 127, 255, 256, 383, 511]
IDS = list(range(0, 49152, 1229))


def rounded(values):
    return [round(float(value), 5) for value in values]


def main():
    default = pathlib.Path(__file__).parent / "smollm2.json"
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=FILE, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    text = TEXT.read_bytes()[SKIPPED_BYTES:SKIPPED_BYTES + 8192].decode("utf8", "ignore")
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"][:TOKENS]
    model.eval()
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].double()
    best = logits.argmax(dim=1)
    output.write_text(json.dumps({
        "tokens": tokens,
        "best": best.tolist(),
        "bestLogit": rounded(logits.max(dim=1).values),
        "logSumExp": rounded(torch.logsumexp(logits, dim=1)),
        "mean": rounded(logits.mean(dim=1)),
        "positions": POSITIONS,
        "ids": IDS,
        "rows": [rounded(logits[position, IDS]) for position in POSITIONS],
    }, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
